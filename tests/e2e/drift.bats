#!/usr/bin/env bats
# What root changes about a running container from outside is told: exactly that, by name, without
# being asked, and as over when it is undone.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start --no-start
	sed -i 's/^driftInterval: .*/driftInterval: 1/' "$node_state/node.yaml"
	in_netns "$bh" up --state-dir "$node_state" >"$node_dir/up.log" 2>&1 3>&-
	node_image
	bh create project red
	bh create secret generic db -n red --from-literal=password=one
	bh apply -f - <<-Y
		apiVersion: v1
		kind: Pod
		metadata: {name: one, namespace: red}
		spec:
		  terminationGracePeriodSeconds: 0
		  volumes:
		  - {name: db, secret: {secretName: db}}
		  containers:
		  - name: main
		    image: busybox:demo
		    command: [sleep, "3600"]
		    resources: {limits: {memory: 64Mi, cpu: 500m}}
		    volumeMounts: [{name: db, mountPath: /db}]
		  - name: other
		    image: busybox:demo
		    command: [sleep, "3600"]
	Y
	bh wait pod one -n red --for=condition=Ready --timeout=60s
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
setup() {
	source "$BATS_TEST_DIRNAME/node.bash"
	pid=$(pod_pid red one 2>/dev/null)
}

# The directory of the first container in the hierarchy that has the file $1.
cgroup_of() {
	dirname "$(find /sys/fs/cgroup -path "*/$node_cgroup/red/pod*/main/$1" | head -n 1)"
}
# By the host's root, with the image's busybox, which looks into /proc.
in_mounts() { nsenter --target "$pid" --mount --pid -- "$@"; }
well() { bh drift one -n red >/dev/null 2>&1; }
# Only the field $1 of container main differs, from $2 to $3.
differs() {
	local out
	out=$(bh drift one -n red) || [ $? = 3 ] || return 1
	[ "$(wc -l <<<"$out")" = 2 ] && grep -q "^one  *main  *$1  *$2  *$3" <<<"$out"
}
told() { bh describe pod one -n red | grep -q "Warning  *Drift  .*container 'main': $1: admitted '.*', found '"; }
told_over() { bh describe pod one -n red | grep -q "Normal  *DriftEnded .*container 'main': $1: as admitted again"; }
condition() { bh get pods one -n red -o json | tr -d ' \n' | grep -q "\"status\":\"$1\",[^{}]*\"type\":\"bulkhead/Drift\"\|\"type\":\"bulkhead/Drift\",\"status\":\"$1\""; }

@test "a pod that nobody touched is as admitted" {
	run bh drift one -n red
	[ "$status" = 0 ]
	[[ $output == *"pod 'one' is as admitted: 2 containers compared"* ]]
	run bh drift -A
	[ "$status" = 0 ]
	run bh drift one -n red -o json
	[ "$status" = 0 ]
	[[ $output == *'"kind": "PodDrift"'* && $output != *'"differences"'* ]]
}
@test "a memory limit that was raised is told by name, and its end" {
	local file=memory.max dir
	[ -e "/sys/fs/cgroup/cgroup.controllers" ] || file=memory.memsw.limit_in_bytes
	dir=$(cgroup_of "$file")
	[ -n "$dir" ] || { file=memory.limit_in_bytes; dir=$(cgroup_of "$file"); }
	local old
	old=$(cat "$dir/$file")
	echo $((old * 2)) >"$dir/$file"
	eventually 10 told "cgroup.$file"
	differs "cgroup.$file" "$old" "$((old * 2))"
	condition True
	run bh drift one -n red -o json
	[ "$status" = 3 ]
	[[ $output == *"\"field\": \"cgroup.$file\""* ]]
	run bh drift --all -n red
	[ "$status" = 3 ]
	echo "$old" >"$dir/$file"
	eventually 10 told_over "cgroup.$file"
	condition False
	well
}
@test "something mounted into the container" {
	in_mounts mount -t tmpfs extra /tmp
	eventually 10 told mounts./tmp
	differs mounts./tmp 'no mount' 'tmpfs rw'
	in_mounts umount /tmp
	eventually 10 told_over mounts./tmp
	well
}
@test "a mask that was taken away" {
	in_mounts umount /proc/timer_list
	eventually 10 told mounts./proc/timer_list
	differs mounts./proc/timer_list '.*' 'no mount'
}
@test "a read-only mount made writable" {
	bh delete pod one -n red --wait=true >/dev/null 2>&1 || true
	sleeper one red | bh apply -f -
	bh wait pod one -n red --for=condition=Ready --timeout=60s
	pid=$(pod_pid red one 2>/dev/null)
	in_mounts mount -o remount,bind,rw,nosuid,nodev,noexec,relatime /proc/sys
	eventually 10 told mounts./proc/sys
	differs mounts./proc/sys 'proc ro,.*' 'proc rw'
	in_mounts mount -o remount,bind,ro,nosuid,nodev,noexec,relatime /proc/sys
	eventually 10 told_over mounts./proc/sys
	well
}
@test "a hard limit that was raised; one that was lowered is none" {
	local core
	core=$(awk '/Max core file size/ {print $6}' "/proc/$pid/limits")
	if prlimit --pid "$pid" --core=4096:4096; then
		eventually 10 told 'rlimits.Max core file size'
		differs 'rlimits.Max core file size' "$core" 4096
		prlimit --pid "$pid" --core="$core:$core"
		eventually 10 told_over 'rlimits.Max core file size'
		prlimit --pid "$pid" --nofile=100:100
	else
		# Another's limits are CAP_SYS_RESOURCE's, which a nested machine lacks.
		echo "# nobody may set a limit from outside here: tests/unit/test_drift compares them" >&3
	fi
	well
}
@test "a process that was moved to another cgroup" {
	local dir root
	dir=$(cgroup_of pids.max)
	root=${dir%"/$node_cgroup"/*}
	echo "$pid" >"$root/cgroup.procs"
	eventually 10 told 'cgroup_path.[0-9]*:.*'
	bh drift one -n red | grep -q "cgroup_path.*/$node_cgroup/red/pod.*/main  *"
	echo "$pid" >"$dir/cgroup.procs"
	eventually 10 told_over 'cgroup_path.[0-9]*:.*'
	well
}
@test "oom_score_adj lowered from outside" {
	local old
	old=$(cat "/proc/$pid/oom_score_adj")
	echo $((old - 1)) >"/proc/$pid/oom_score_adj" || skip "the machine lets nobody lower it"
	eventually 10 told oom_score_adj
	differs oom_score_adj "$old" $((old - 1))
	echo "$old" >"/proc/$pid/oom_score_adj"
	eventually 10 told_over oom_score_adj
}
@test "secrets replaced, execs and a killed agent are no drift" {
	sleeper two red | bh apply -f -
	bh wait pod two -n red --for=condition=Ready --timeout=60s
	in_pod red two true
	kill -KILL "$(daemon_pid bulkhead-agent)"
	eventually 10 in_netns "$bh" up --state-dir "$node_state"
	eventually 20 bh drift two -n red
	! bh describe pod two -n red | grep Drift || false
}
@test "rights that are dropped, the node's own ids, groups and a terminal are no drift" {
	bh apply -f - <<-Y
		apiVersion: v1
		kind: Pod
		metadata: {name: drop, namespace: red}
		spec:
		  terminationGracePeriodSeconds: 0
		  containers:
		  - name: main
		    image: busybox:demo
		    command:
		    - sh
		    - -c
		    - |
		      mkdir -p /etc
		      echo nobody:x:1:1::/:/bin/sh >/etc/passwd
		      echo nobody:x:1: >/etc/group
		      exec su -s /bin/sh nobody -c 'exec sleep 3600'
		    securityContext: {runAsUser: 0, capabilities: {add: [SETUID, SETGID]}}
		    tty: true
	Y
	sleeper hostids red '  hostUsers: true' | bh apply -f -
	sleeper groups red '  securityContext: {runAsUser: 0, fsGroup: 5, supplementalGroups: [7]}' | bh apply -f -
	local pod
	for pod in drop hostids groups; do
		bh wait pod "$pod" -n red --for=condition=Ready --timeout=60s
	done
	dropped() { in_pod red drop grep -q '^Uid:.1' /proc/1/status; }
	eventually 10 dropped
	bh drift drop hostids groups -n red
	bh delete pod drop hostids groups -n red
}
@test "what is not there or does not run is refused" {
	run bh drift nobody -n red
	[ "$status" = 1 ]
	[[ $output == *"pod 'nobody' is not there in project 'red'"* ]]
	run bh drift
	[ "$status" = 1 ]
	[[ $output == *'give names, or --all of the project, or -A'* ]]
	run bh drift one -n red -o wide
	[ "$status" = 1 ]
}
