#!/usr/bin/env bats
# Pods that ask for what is the host's: who may, what they get, and what they still may not. The host's
# network here is that of the namespace in which this file's node runs.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start
	node_image
	bh create project red
	"$B/bulkhead-secretd" --issue --keys "$node_state/keys" --pki "$node_state/pki" --cn ed --org bulkhead:project:red:edit \
		--out-cert "$node_dir/ed.pem" --out-key "$node_dir/ed.key"
	sed "s|^certificate:.*|certificate: $node_dir/ed.pem|; s|^key:.*|key: $node_dir/ed.key|" "$node_state/context.yaml" >"$node_dir/ed.yaml"
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }
teardown() { bh delete pods --all -n red --force --timeout=20s; }

# with FIELDS: a sleeper with these in its spec.
with() { sleeper one red | sed "s/^spec:.*/spec:\n  $1/"; }
main_pid() { cat "$(find /sys/fs/cgroup -path "*/$node_cgroup/red/*/main/cgroup.procs" | head -n 1)" | head -n 1; }
up() { bh wait pod one -n red --for=condition=Ready --timeout=30s; }
same_ns() { [ "$(readlink "/proc/$1/ns/$3")" = "$(readlink "/proc/$2/ns/$3")" ]; }

@test "an editor of a project may have none of it, and is told the field" {
	local field
	for field in 'hostNetwork: true' 'hostPID: true' 'hostIPC: true'; do
		run bash -c "source '$BATS_TEST_DIRNAME/node.bash'; sleeper one red | sed 's/^spec:.*/spec:\n  $field/' | in_netns '$bh' apply --context '$node_dir/ed.yaml' -f -"
		echo "$output"
		[ "$status" = 1 ]
		[[ $output == *"spec.${field%%:*}"* ]]
	done
	run bash -c "source '$BATS_TEST_DIRNAME/node.bash'; sleeper one red '    securityContext: {privileged: true}' | in_netns '$bh' apply --context '$node_dir/ed.yaml' -f -"
	[ "$status" = 1 ]
	[[ $output == *privileged* ]]
}
@test "hostNetwork: the node's network and address, and no port in the switch" {
	with 'hostNetwork: true' | bh apply -f -
	up
	local pid agent
	pid=$(main_pid)
	agent=$(cat "$node_run/agent.pid")
	same_ns "$pid" "$agent" net
	! same_ns "$pid" "$agent" pid || false
	[ "$(bh get pod one -n red -o wide --no-headers | awk '{print $6}')" = 127.0.0.1 ]
	[ "$(in_pod red one hostname)" = e2e ]
	# It can look, and not touch.
	in_pod red one ip link show br0 || in_pod red one ip link show lo
	run in_pod red one ip link set lo down
	[ "$status" != 0 ]
	# It is still there, and the same, for an agent that comes again.
	kill -KILL "$agent"
	in_netns "$bh" up --state-dir "$node_state" >/dev/null 3>&-
	up
	[ "$(main_pid)" = "$pid" ]
	[ "$(bh get pod one -n red -o wide --no-headers | awk '{print $6}')" = 127.0.0.1 ]
}
@test "hostPID and hostIPC" {
	with 'hostPID: true\n  hostIPC: true' | bh apply -f -
	up
	local pid
	pid=$(main_pid)
	same_ns "$pid" self pid
	same_ns "$pid" self ipc
	! same_ns "$pid" "$(cat "$node_run/agent.pid")" net || false
	in_pod red one ls "/proc/$(cat "$node_run/agent.pid")/stat"
	run in_pod red one cat "/proc/$(cat "$node_run/agent.pid")/environ"
	[ "$status" != 0 ]
}
@test "shareProcessNamespace: containers see each other and nothing of the host" {
	with 'shareProcessNamespace: true' | sed 's/^  containers:/  containers:\n  - {name: second, image: "busybox:demo", command: [sleep, "4711"]}/' | bh apply -f -
	up
	run bh exec -n red one -c main -- ps -o pid,args
	echo "$output"
	[[ $output == *'sleep 4711'* && $output == *'1 pod-init'* && $output != *bulkhead* ]]
}
@test "clocks of its own" {
	sleeper one red | sed 's|^metadata: {|metadata: {annotations: {bulkhead/time-namespace: private}, |' | bh apply -f -
	up
	[ "$(in_pod red one cut -d. -f1 /proc/uptime)" -lt 60 ]
}
@test "privileged: every capability, the host's devices, no filter" {
	with 'hostUsers: true' | sed 's/^    image:/    securityContext: {privileged: true}\n    image:/' | bh apply -f -
	up
	local pid
	pid=$(main_pid)
	[ "$(awk '/^CapEff/{print $2}' "/proc/$pid/status")" = "$(awk '/^CapBnd/{print $2}' "/proc/$$/status")" ] ||
		grep -q 'CapEff:.*000001ffffffffff' "/proc/$pid/status"
	grep -q '^Seccomp:[[:space:]]*0' "/proc/$pid/status"
	in_pod red one test -c /dev/loop-control
	in_pod red one sh -c 'grep " /sys " /proc/mounts | grep -q "sysfs rw"'
}
@test "procMount: Unmasked, in a user namespace alone" {
	sleeper one red '    securityContext: {procMount: Unmasked}' | bh apply -f -
	up
	in_pod red one sh -c '! grep -q " /proc/kcore " /proc/mounts'
	bh delete pod one -n red --force
	run bash -c "source '$BATS_TEST_DIRNAME/node.bash'; sleeper one red '    securityContext: {procMount: Unmasked}' | sed 's/^spec:.*/spec:\n  hostUsers: true/' | bh apply -f -"
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *procMount* ]]
}
