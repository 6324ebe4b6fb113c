#!/usr/bin/env bats
# A pod is recorded, the profile that comes out is loaded by another pod: what was done goes on, what
# was not done fails.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start
	node_image
	bh create project red
	mkdir -p "$node_state/seccomp"
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }

# job NAME SCRIPT [ANNOTATION] [SECURITY]: a pod that runs the script once.
job() {
	local annotations=${3:+, annotations: '{'$3'}'} security=${4:+securityContext: '{'$4'}'}
	bh apply -f - <<-Y
		apiVersion: v1
		kind: Pod
		metadata: {name: $1, namespace: red$annotations}
		spec:
		  restartPolicy: Never
		  terminationGracePeriodSeconds: 0
		  containers:
		  - name: main
		    image: busybox:demo
		    command: [sh, -c, '$2']
		    $security
	Y
}
ended() { eventually 30 bash -c "source '$BATS_TEST_DIRNAME/node.bash'; bh get pod $1 -n red --no-headers | grep -Eq 'Succeeded|Completed|Failed|Error'"; }

@test "a recorded pod gives a profile that allows what it did and nothing else" {
	job seen 'mkdir /tmp/a; ls /tmp; nc -h 2>/dev/null; sleep 0.1; echo done' 'bulkhead/record-profile: "true"'
	ended seen
	[ "$(bh logs seen -n red)" = "$(printf 'a\ndone')" ]
	bh profile record seen -n red >"$node_state/seccomp/seen.json" 2>"$node_dir/rights"
	cat "$node_dir/rights"
	python3 - "$node_state/seccomp/seen.json" <<-'P'
		import json, sys
		p = json.load(open(sys.argv[1]))
		names = {n for s in p["syscalls"] for n in s["names"]}
		assert p["defaultAction"] == "SCMP_ACT_ERRNO" and p["defaultErrnoRet"] == 1, p
		assert {"execve", "exit_group", "write"} <= names, names
		assert names & {"mkdir", "mkdirat"} and not names & {"seccomp", "socket", "chroot", "ptrace", "symlink"}, names
		assert len(names) < 60, len(names)
	P
	grep -q 'capabilities: {drop: \[ALL\]}' "$node_dir/rights"
	# The same again under it.
	job again 'mkdir /tmp/a; ls /tmp; nc -h 2>/dev/null; sleep 0.1; echo done' '' 'seccompProfile: {type: Localhost, localhostProfile: seen.json}'
	ended again
	[ "$(bh logs again -n red)" = "$(printf 'a\ndone')" ]
	# And something else.
	job other 'ln -s x /tmp/link; echo "link $?"; ping -c 1 127.0.0.1; echo "ping $?"' '' 'seccompProfile: {type: Localhost, localhostProfile: seen.json}'
	ended other
	run bh logs other -n red
	echo "$output"
	[[ $output == *'link 1'* && $output == *'ping 1'* && $output == *'not permitted'* ]]
}
@test "strace agrees on what was called" {
	# The same program outside, seen by ptrace: what it calls there was recorded here.
	job traced 'cat /etc/passwd >/dev/null; mkdir /tmp/b' 'bulkhead/record-profile: "true"'
	ended traced
	bh profile record traced -n red 2>/dev/null | python3 -c 'import json, sys; print("\n".join(n for s in json.load(sys.stdin)["syscalls"] for n in s["names"]))' | sort -u >"$node_dir/ours"
	strace -f -o "$node_dir/trace" busybox sh -c "cat /etc/passwd >/dev/null; mkdir $node_dir/b"
	sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' "$node_dir/trace" | sort -u >"$node_dir/theirs"
	run comm -13 "$node_dir/ours" "$node_dir/theirs"
	echo "missing: $output"
	# A terminal, and what the shell asks of one, is there only outside.
	[ -z "$(grep -vx 'ioctl\|set_tid_address\|rt_sigaction\|getppid\|geteuid\|getuid\|getcwd\|stat\|uname' <<<"$output")" ]
}
@test "rights that a program needs are named" {
	bh apply -f - <<-Y
		apiVersion: v1
		kind: Pod
		metadata: {name: rights, namespace: red, annotations: {bulkhead/record-profile: "true"}}
		spec:
		  restartPolicy: Never
		  containers:
		  - name: main
		    image: busybox:demo
		    command: [sh, -c, "touch /x; chown 5:5 /x; timeout 1 nc -l -p 80; echo end"]
		    securityContext: {runAsUser: 0}
	Y
	ended rights
	run bash -c "source '$BATS_TEST_DIRNAME/node.bash'; bh profile record rights -n red 2>&1 >/dev/null"
	echo "$output"
	[[ $output == *'add: [CHOWN, NET_BIND_SERVICE]'* ]]
}
@test "who is not recorded, who may not ask" {
	job plain 'sleep 1'
	run bh profile record plain -n red
	[ "$status" = 1 ]
	[[ $output == *'bulkhead/record-profile: "true"'* ]]
	run bh profile record nosuch -n red
	[ "$status" = 1 ]
	[[ $output == *'not there'* ]]
	run bash -c "source '$BATS_TEST_DIRNAME/node.bash'; sleeper x red | sed 's|^metadata: {|metadata: {annotations: {bulkhead/record-profile: maybe}, |' | bh apply -f -"
	[ "$status" = 1 ]
	[[ $output == *"must be 'true' or not there"* ]]
}
