#!/usr/bin/env bats
# Debug containers: what a person gets beside a running pod, how it is confined, and that nothing of it
# stays.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start
	node_image
	bh create project red
	bh create secret generic db -n red --from-literal=password=canary-77
	local who
	for who in edit view; do
		"$B/bulkhead-secretd" --issue --keys "$node_state/keys" --pki "$node_state/pki" --cn "$who" \
			--org "bulkhead:project:red:$who" --out-cert "$node_dir/$who.pem" --out-key "$node_dir/$who.key"
		sed "s|^certificate:.*|certificate: $node_dir/$who.pem|; s|^key:.*|key: $node_dir/$who.key|" \
			"$node_state/context.yaml" >"$node_dir/$who.yaml"
	done
	# By the editor, so that restricted-v2 it is.
	sleeper one red '  volumes: [{name: db, secret: {secretName: db}}]' |
		sed 's|^    command:|    volumeMounts: [{name: db, mountPath: /etc/db}]\n    command:|' | ed apply -f -
	bh wait pod one -n red --for=condition=Ready --timeout=60s
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
ed() { in_netns "$bh" "$@" --context "$node_dir/edit.yaml" 3>&-; }
debug() { in_netns "$bh" debug --context "$node_dir/edit.yaml" -n red one --image busybox:demo "$@" 3>&-; }
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }

pod_dir() { echo "$node_state"/pods/*-*; }
# The host's pid of the container of that name, once there is one.
pid_of() { cat "$(find /sys/fs/cgroup -path "*/$node_cgroup/red/*/$1/cgroup.procs" | head -n 1)" 2>/dev/null | head -n 1; }
running() { [ -n "$(pid_of "$1")" ] && [ "$(cat "/proc/$(pid_of "$1")/comm")" = sleep ]; }
gone() { [ -z "$(find /sys/fs/cgroup -type d -path "*/$node_cgroup/red/*/$1")" ] && [ ! -e "$(pod_dir)/containers/$1" ]; }
# Starts one that sleeps, named $1.
begin() {
	# nsenter becomes the CLI: a function in the background would be a shell beside it.
	nsenter --target "$node_netns" --net -- "$bh" debug --context "$node_dir/edit.yaml" -n red one --image busybox:demo -c "$@" -- sleep 600 >/dev/null 2>&1 3>&- &
	caller=$!
	eventually 20 running "$1"
}

@test "a command's output, errors and exit code" {
	run bash -c "source '$BATS_TEST_DIRNAME/node.bash'; in_netns '$bh' debug -n red one --image busybox:demo -- sh -c 'echo out; echo err >&2; exit 7' 2>'$node_dir/err'"
	[ "$status" = 7 ]
	[ "$output" = out ]
	[ "$(cat "$node_dir/err")" = err ]
	[ "$(echo text | debug -i -- cat)" = text ]
}
@test "a root and processes of its own, the pod's network and name, no volume, token or secret" {
	[ "$(debug -- hostname)" = one ]
	[ "$(debug -- sh -c 'echo $$')" = 1 ]
	[[ $(debug -- ip addr) == *"$(pod_ip red one)"* ]]
	run debug -- sh -c 'ls /etc/db /var/run/secrets; cat /proc/mounts; env'
	[[ $output != *canary* && $output != *"/etc/db tmpfs"* && $output != *"/var/run/secrets/"* ]]
	in_pod red one cat /etc/db/password
	debug -- sh -c 'echo x >/tmp/here'
	! in_pod red one ls /tmp/here || false
	# It is out of the way: a second one finds nothing of the first.
	! debug -- ls /tmp/here || false
}
@test "with a target: its processes, and its files beneath /proc/1/root" {
	[ "$(debug --target main -- cat /proc/1/cmdline | tr '\0' ' ')" = "sleep 3600 " ]
	[ "$(debug --target main -- cat /proc/1/root/etc/db/password)" = canary-77 ]
	debug --target main -- sh -c 'kill -0 1'
	# But not without one.
	[[ $(debug -- cat /proc/1/cmdline | tr '\0' ' ') == "cat "* ]]
}
@test "it is confined as the pod's own container is, seen from outside" {
	begin same
	local own other key
	own=$(pid_of main)
	other=$(pid_of same)
	for key in Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp Seccomp_filters; do
		echo "$key: $(grep "^$key:" "/proc/$own/status") $(grep "^$key:" "/proc/$other/status")"
		[ "$(grep "^$key:" "/proc/$own/status")" = "$(grep "^$key:" "/proc/$other/status")" ]
	done
	for key in user net ipc uts; do
		[ "$(readlink "/proc/$own/ns/$key")" = "$(readlink "/proc/$other/ns/$key")" ]
	done
	for key in mnt pid cgroup; do
		[ "$(readlink "/proc/$own/ns/$key")" != "$(readlink "/proc/$other/ns/$key")" ]
	done
	[ "$(cat "/proc/$own/limits")" = "$(cat "/proc/$other/limits")" ]
	bh drift one -n red
	kill "$caller"
	eventually 20 gone same
}
@test "it is told of while it runs, and leaves two events" {
	begin shown
	[[ $(bh describe pod one -n red) == *"Debug Containers:"*"shown:"*"busybox:demo"* ]]
	[ "$(bh get pod one -n red -o json | /usr/bin/python3 -c 'import json,sys; print(json.load(sys.stdin)["status"]["ephemeralContainerStatuses"][0]["name"])')" = shown ]
	kill "$caller"
	eventually 20 gone shown
	[[ $(bh describe pod one -n red) != *"Debug Containers:"* ]]
	debug -c told -- true
	[[ $(bh describe pod one -n red) == *"DebugStarted"*"'told' of image 'busybox:demo' for 'edit'"*"DebugEnded"*"'told' exited with 0"* ]]
}
@test "its name is free again, and no directory, cgroup or log of any stays" {
	local i
	for i in 1 2 3; do debug -c again -- sh -c 'mkdir -p /tmp/a/b && echo x >/tmp/a/b/c'; done
	eventually 20 gone again
	eventually 20 bash -c "[ \"\$(ls '$(pod_dir)/containers')\" = main ]"
	[ "$(ls "$node_state"/logs/red_one_*)" = main ]
}
@test "a caller that goes, and an agent that goes, take it along" {
	begin lone
	local pid
	pid=$(pid_of lone)
	kill -KILL "$caller"
	eventually 20 gone lone
	[ ! -d "/proc/$pid" ]
	begin orphan --target main
	kill -KILL "$(cat "$node_run/agent.pid")"
	eventually 20 gone orphan
	in_netns "$bh" up --state-dir "$node_state" >/dev/null 3>&-
	bh wait pod one -n red --for=condition=Ready --timeout=30s
	debug -- true
}
@test "a terminal, of the size that the caller's has" {
	run script -qec "stty rows 33 cols 99; $(declare -p node_netns | sed 's/declare -[a-z]* //'); nsenter --target $node_netns --net -- $bh debug -it -n red one --image busybox:demo -- sh -c 'tty; stty size'" /dev/null
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == */dev/pts/0* && $output == *"33 99"* ]]
}
@test "who could not make such a pod cannot debug it so" {
	local refused
	run debug --cap-add SYS_ADMIN -- true; echo "$output"
	[ "$status" = 1 ]
	[[ $output == *SYS_ADMIN* ]]
	run debug --user 0 -- true
	[ "$status" = 1 ]
	[[ $output == *runAsUser* ]]
	# A master may, and it is root of the pod alone.
	[ "$(bh debug -n red one --image busybox:demo --user 0 -- id -u)" = 0 ]
	local caps
	caps=$(bh debug -n red one --image busybox:demo --user 0 --cap-add SYS_PTRACE -- awk '/^CapEff:/ {print $2}' /proc/self/status)
	[ $((0x$caps >> 19 & 1)) = 1 ]
	run in_netns "$bh" debug --context "$node_dir/view.yaml" -n red one --image busybox:demo -- true
	[ "$status" = 1 ]
	[[ $output == *pods/ephemeralcontainers* ]]
}
@test "what is wrong is named" {
	run debug -c main -- true
	[ "$status" = 1 ]
	[[ $output == *"one named 'main'"* ]]
	run debug --target none -- true
	[ "$status" = 1 ]
	[[ $output == *"no container 'none'"* ]]
	run bh debug -n red one --image nowhere:1 -- true
	[ "$status" = 1 ]
	[[ $output == *image*nowhere:1* ]]
	run bh debug -n red one -- true
	[ "$status" = 1 ]
	[[ $output == *--image* ]]
	run bh debug -n red absent --image busybox:demo -- true
	[ "$status" = 1 ]
	[[ $output == *absent* ]]
	run debug -c 'Not a name' -- true
	[ "$status" = 1 ]
	[[ $output == *name* ]]
	run debug -- /no/such/program
	[ "$status" = 1 ]
	[[ $output == *no/such/program* ]]
}
@test "the pod's end is its end" {
	sleeper two red | bh apply -f -
	bh wait pod two -n red --for=condition=Ready --timeout=60s
	in_netns "$bh" debug -n red two --image busybox:demo -c last -- sleep 600 >"$node_dir/last" 2>&1 3>&- &
	caller=$!
	eventually 20 running last
	bh delete pod two -n red --timeout=20s
	run wait "$caller"
	[ "$status" != 0 ]
}
