#!/usr/bin/env bats
# What a node says when it lacks something: addresses, a switch that answers, a cgroup controller, its
# own configuration. Each node here is a small one of its own.

setup() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_place
}
teardown() {
	# A test that failed may leave the state on a file system of its own.
	! mountpoint -q "$node_state" || umount -l "$node_state"
	node_stop
}

# init, then one line of node.yaml changed before the node is started.
small_node() {
	node_start --no-start
	sed -i "$1" "$node_state/node.yaml"
	in_netns "$bh" up --state-dir "$node_state" >"$node_dir/up.log" 2>&1 3>&-
}
shows() { bh get pods "$1" -n red -o wide --no-headers | grep -q "$2"; }

@test "no free address for so many pods: refused at start, with both numbers" {
	run small_node 's/hostSubnetBits: 9/hostSubnetBits: 3/'
	[ "$status" = 1 ]
	grep -q 'the agent ended: .*max_pods: 250 is more than the 5 addresses that host_subnet_bits 3 gives' "$node_dir/up.log"
	# Mended, it starts.
	sed -i 's/maxPods: 250/maxPods: 5/' "$node_state/node.yaml"
	in_netns "$bh" up --state-dir "$node_state" 3>&-
}
@test "one pod past max_pods is refused; a deleted one makes room" {
	small_node 's/maxPods: 250/maxPods: 2/'
	node_image
	bh create project red
	sleeper one red | bh apply -f -
	sleeper two red | bh apply -f -
	run bash -c "source '$BATS_TEST_DIRNAME/node.bash'; sleeper three red | in_netns '$bh' apply -f -"
	[ "$status" = 1 ]
	[[ $output == *'the node holds 2 pods, and max_pods is 2'* ]]
	bh delete pod one -n red
	sleeper three red | bh apply -f -
	bh wait pod three -n red --for=condition=Ready --timeout=20s
}
@test "a switch that does not answer: pods and node say so, and the pods start when it is back" {
	node_start
	node_image
	bh create project red
	kill -STOP "$(cat "$node_run/ovs/ovs-vswitchd.pid")"
	sleeper one red | bh apply -f -
	eventually 10 shows one 'its port in the switch is being made'
	shows one ContainerCreating
	eventually 10 shows one 'ovs-vswitchd gave port .* no number'
	# One of these is under way when the connection to the switch is given up.
	sleeper two red | bh apply -f -
	eventually 30 bash -c "source '$BATS_TEST_DIRNAME/node.bash'; bh get nodes -o yaml | grep -q 'OpenFlow socket does not answer'"
	[ "$(bh get nodes --no-headers | awk '{print $2}')" = NotReady ]
	eventually 10 shows one 'is ovs-vswitchd running'
	sleep 6
	kill -CONT "$(cat "$node_run/ovs/ovs-vswitchd.pid")"
	bh wait pod one -n red --for=condition=Ready --timeout=30s
	bh wait pod two -n red --for=condition=Ready --timeout=30s
	[ "$(bh get nodes --no-headers | awk '{print $2}')" = Ready ]
}
@test "an ovs-vswitchd that ended is started again" {
	node_start
	node_image
	bh create project red
	kill -KILL "$(cat "$node_run/ovs/ovs-vswitchd.pid")"
	sleeper one red | bh apply -f -
	bh wait pod one -n red --for=condition=Ready --timeout=30s
}
@test "no memory controller: a pod with a memory limit is refused by name, one without runs" {
	# The controller is hidden in a mount namespace of this test's own.
	[ -d /sys/fs/cgroup/memory ] || {
		[ -e /sys/fs/cgroup/cgroup.controllers ]
		return 0
	}
	kill -KILL "$node_netns"
	unshare --net --mount sh -c 'mount -t tmpfs none /sys/fs/cgroup/memory && exec sleep 3600' >/dev/null 2>&1 3>&- &
	export node_netns=$!
	in_netns() { nsenter --target "$node_netns" --net --mount -- "$@"; }
	eventually 5 in_netns sh -c 'grep -q "/sys/fs/cgroup/memory tmpfs" /proc/mounts'
	in_netns ip link set lo up
	node_start
	node_image
	bh create project red
	sleeper plain red | bh apply -f -
	bh wait pod plain -n red --for=condition=Ready --timeout=20s
	run bh apply -f - < <(sleeper bound red '    resources: {limits: {memory: 64Mi}}')
	[ "$status" -ne 0 ]
	[[ "$output" == *"limits[memory]: needs the cgroup controller 'memory', which this node does not have"* ]]
	bh delete pod plain -n red
}
@test "a watch waits for a node that is away without working, and goes on when it is back" {
	node_start
	node_image
	bh create project red
	local log=$node_dir/watch.log before after
	sleeper one red | bh apply -f -
	nsenter --target "$node_netns" --net -- "$bh" get pods -n red -w >"$log" 2>/dev/null 3>&- &
	local watch=$!
	eventually 10 grep -q 'one .*Running' "$log"
	in_netns "$bh" down --state-dir "$node_state" 3>&-
	before=$(awk '{print $14 + $15}' "/proc/$watch/stat")
	sleep 2
	after=$(awk '{print $14 + $15}' "/proc/$watch/stat")
	[ $((after - before)) -lt 20 ]
	in_netns "$bh" up --state-dir "$node_state" >/dev/null 3>&-
	sleeper two red | bh apply -f -
	eventually 10 grep -q 'two .*Running' "$log"
	kill $watch
}
# Projects until the database has no room for one more; 100 of them it never has here.
fill_database() {
	local i
	for i in $(seq 100); do
		run bh create project "p$i"
		[ "$status" = 0 ] || return 0
	done
	return 1
}
@test "all of the state on a full disk: each is refused by name, what runs goes on, and pods can be deleted" {
	mkdir -m 700 "$node_state"
	mount -t tmpfs -o size=24m tmpfs "$node_state"
	node_start
	node_image
	bh create project red
	sleeper one red | bh apply -f -
	sleeper noise red | sed 's/\[sleep, "3600"\]/[sh, -c, "while echo xxxxxxxxxxxxxxxxxxxxxxx; do :; done"]/' | bh apply -f -
	bh wait pod one noise -n red --for=condition=Ready --timeout=30s
	dd if=/dev/zero of="$node_state/.fill" bs=4k 2>/dev/null || true
	run bash -c "source '$BATS_TEST_DIRNAME/node.bash'; sleeper two red | bh apply -f -"
	[ "$status" = 1 ]
	[[ $output == *"pod 'two'"*'No space left'* ]]
	run bh image import "$node_dir/busybox.tar" --name other:1
	[ "$status" = 1 ]
	[[ $output == *'No space left'* ]]
	[ "$(bh get images -o name)" = image/busybox:demo ]
	fill_database
	echo "$output"
	[[ $output == *'No space left'* ]]
	[ "$(in_pod red one echo alive)" = alive ]
	run bh logs noise -n red --tail=1
	[[ $output == x* ]]
	# The agent comes back on a full disk, and the way out of it is there.
	kill -KILL "$(cat "$node_run/agent.pid")"
	in_netns "$bh" up --state-dir "$node_state" 3>&-
	bh delete pods one noise -n red --force --timeout=20s
	rm "$node_state/.fill"
	eventually 10 bh create project afterwards
	sleeper two red | bh apply -f -
	bh wait pod two -n red --for=condition=Ready --timeout=20s
	in_netns "$bh" down --state-dir "$node_state" 3>&-
	umount "$node_state"
}
