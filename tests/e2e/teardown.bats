#!/usr/bin/env bats
# A node's end: after a crash, twice, beside things that are not Bulkhead's, and on a machine whose
# Open vSwitch belongs to somebody else.

setup() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_dir=
}
teardown() { node_stop; }

# A pod that runs in a project of its own.
start_pod() {
	node_image
	bh create project red
	sleeper one red | bh apply -f -
	bh wait pod one -n red --for=condition=Ready --timeout=60s
}
links() { in_netns ip -o link show | awk -F': ' '{print $2}' | sort | tr '\n' ' '; }

@test "everything goes after kill -9 of the agent, the switch and a shim" {
	node_start
	start_pod
	kill -KILL "$(cat "$node_run/agent.pid")" "$(cat "$node_run/ovs/ovs-vswitchd.pid")" \
		"$(pgrep -f "bulkhead-shim.*$node_dir")"
	in_netns "$bh" down --state-dir "$node_state"
	run node_leftovers
	[ "$status" = 0 ]
	[ "$(links)" = "lo " ]
	# Without --purge the node can come again, and its pod is known.
	bh up --state-dir "$node_state"
	bh get pods one -n red
}
@test "a second time nothing is left to do" {
	node_start --no-start
	run in_netns "$B/bulkhead-agent" --teardown --config "$node_state/node.yaml"
	[ "$status" = 0 ]
	run in_netns "$B/bulkhead-agent" --teardown --config "$node_state/node.yaml" --purge
	[ "$status" = 0 ]
	[ ! -e "$node_state" ]
}
@test "what Bulkhead did not make stays, and a running agent is not torn down" {
	node_start
	echo mine >"$node_state/notes.txt"
	echo '{}' >"$node_state/seccomp/profile.json"
	run in_netns "$B/bulkhead-agent" --teardown --config "$node_state/node.yaml"
	[ "$status" = 1 ]
	[[ $output == *"an agent runs already"* ]]
	in_netns "$bh" down --state-dir "$node_state" --purge
	[ "$(find "$node_state" -type f | sort | xargs -n 1 basename | tr '\n' ' ')" = "notes.txt profile.json " ]
}
@test "ovs: system uses the machine's switch and leaves it as it was" {
	run unshare --mount --propagation private bash "$BATS_TEST_DIRNAME/peers/ovs_system.bash"
	echo "$output"
	[ "$status" = 0 ]
}
