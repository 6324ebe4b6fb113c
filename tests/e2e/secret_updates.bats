#!/usr/bin/env bats
# A secret that is replaced reaches the pods that mount it, whole, whatever its size.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start
	node_image
	bh create project red
	bh create project blue
	put --from-literal=a=one --from-literal=b=one
	bh create secret generic db -n blue --from-literal=a=blue --from-literal=b=blue
	# Reads both files by one directory, as who wants a version whole does, and says what differs.
	reader red | bh apply -f -
	reader blue ', items: [{key: a, path: a}, {key: b, path: b}]' | bh apply -f -
	bh wait pod reader -n red --for=condition=Ready --timeout=60s
	bh wait pod reader -n blue --for=condition=Ready --timeout=60s
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }

put() { bh create secret generic db -n red --replace "$@"; }
reader() {
	cat <<-YAML
		apiVersion: v1
		kind: Pod
		metadata: {name: reader, namespace: $1}
		spec:
		  terminationGracePeriodSeconds: 0
		  containers:
		  - name: main
		    image: busybox:demo
		    command: [sh, -c, 'n=; while :; do d=\$(readlink /s/..data); a=\$(head -c 9 /s/\$d/a 2>/dev/null) && b=\$(head -c 9 /s/\$d/b 2>/dev/null) && { [ "\$a" = "\$b" ] || echo "mix \$a \$b"; [ "\$n" ] || echo reads; n=1; }; done']
		    volumeMounts:
		    - {name: s, mountPath: /s, readOnly: true}
		  volumes:
		  - {name: s, secret: {secretName: db$2}}
	YAML
}
# arrives COMMAND...: within five seconds the pod says so.
arrives() {
	local try
	for try in $(seq 50); do
		"$@" && return 0
		sleep 0.1
	done
	in_pod red reader ls -lR /s >&2
	return 1
}
has() { [ "$(in_pod red reader cat /s/a)" = "$1" ]; }
of_size() { [ "$(in_pod red reader wc -c </dev/null /s/a | awk '{print $1}')" = "$1" ]; }
said() { bh describe pod reader -n blue | grep FailedMount | grep -qF "$1"; }
file_of() { head -c "$1" /dev/zero | tr '\0' "$2" >"$node_dir/$2"; echo "$node_dir/$2"; }

@test "a new value is there within seconds" {
	put --from-literal=a=two --from-literal=b=two
	arrives has two
	[ "$(in_pod red reader cat /s/b)" = two ]
}
@test "another project's secret of that name changes nothing" {
	[ "$(in_pod blue reader cat /s/a)" = blue ]
}
@test "one that is larger than the volume was made for makes it larger" {
	path=$(file_of 300000 x)
	put --from-file=a="$path" --from-file=b="$path"
	arrives of_size 300000
	# The mount is the one it was: read-only, of exact size.
	in_pod red reader cat /proc/mounts | grep -E '^[^ ]+ /s tmpfs ro,nosuid,nodev,noexec'
}
@test "many new keys, then few" {
	keys=()
	for i in $(seq 60); do keys+=(--from-literal="k$i=$i"); done
	put --from-literal=a=three --from-literal=b=three "${keys[@]}"
	arrives has three
	[ "$(in_pod red reader cat /s/k60)" = 60 ]
	put --from-literal=a=four --from-literal=b=four
	arrives has four
	run in_pod red reader ls /s/k60
	[ "$status" != 0 ]
}
@test "a replacement while the agent is away arrives when it is back" {
	kill -KILL "$(cat "$node_run/agent.pid")"
	in_netns "$bh" up --state-dir "$node_state" >"$node_dir/up.log" 2>&1 3>&-
	put --from-literal=a=five --from-literal=b=five
	arrives has five
}
@test "a secret that is deleted stays in the pod; made anew it arrives" {
	bh delete secret db -n red
	sleep 1
	has five
	put --from-literal=a=six --from-literal=b=six
	arrives has six
}
@test "a version that lacks a key is said, and the old one stays" {
	bh create secret generic db -n blue --replace --from-literal=a=new
	arrives said "has no key 'b'"
	[ "$(in_pod blue reader cat /s/a)" = blue ]
	bh create secret generic db -n blue --replace --from-literal=a=new --from-literal=b=new
	arrives eval '[ "$(in_pod blue reader cat /s/a)" = new ]'
}
@test "no reader ever saw a mix of two versions, and nothing was restarted" {
	run bh logs reader -n red
	[ "$output" = reads ]
	bh get pods reader -n red -o json | grep -qE '"restartCount": *0' || ! bh get pods reader -n red -o json | grep -q restartCount
}
