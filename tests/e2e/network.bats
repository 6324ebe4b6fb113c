#!/usr/bin/env bats
# Projects joined, isolated, made global: who reaches whom afterwards, at once and also over connections
# that are open, and what stands when a daemon was away meanwhile.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start
	node_image
	local p
	for p in f1 f2 f3; do
		bh create project $p
		sleeper pod $p | bh apply -f -
	done
	sleeper pod default | bh apply -f -
	sleeper other f1 | bh apply -f -
	for p in f1/pod f1/other f2/pod f3/pod default/pod; do
		bh wait pod "${p#*/}" -n "${p%/*}" --for=condition=Ready --timeout=60s
	done
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }

vnid() { bh get projects "$1" --no-headers | awk '{print $2}'; }
# One packet, from the first project's pod to the second's.
reaches() { pod_ping "$1" "${3:-pod}" -c 1 -W 1 "$(pod_ip "$2" "${4:-pod}")" >/dev/null; }
apart() {
	reaches "$1" "$2" && { echo "$1 reaches $2"; return 1; }
	reaches "$2" "$1" && { echo "$2 reaches $1"; return 1; }
	return 0
}
together() { reaches "$1" "$2" && reaches "$2" "$1"; }
network() { bh network "$@"; }
all_apart() {
	apart f1 f2
	apart f1 f3
	apart f2 f3
}

@test "at first each project is alone, and all reach default" {
	all_apart
	together f1 default
	together f2 default
	together f3 default
	reaches f1 f1 pod other
}
@test "join-projects: both ways, and nobody else" {
	run network join-projects --to=f1 f2 --wait
	[ "$status" = 0 ]
	[ "${lines[0]}" = "project/f2 joined project/f1" ]
	[ "${lines[1]}" = "converged on 1 of 1 nodes" ]
	grep -q "network: project f2 is to join project f1, for 'admin'" "$node_state/agent.log"
	together f1 f2
	apart f1 f3
	apart f2 f3
	together f2 default
	[ "$(vnid f1)" = "$(vnid f2)" ]
	# A dump from outside: no flow of the VNID that f2 left.
	run in_netns ovs-ofctl -O OpenFlow15 dump-flows "unix:$node_run/ovs/br0.mgmt" table=80
	[ "$status" = 0 ]
	[ "$(grep -c "reg1=0x$(printf %x "$(vnid f1)")" <<<"$output")" = 1 ]
}
@test "a pod that comes later is in the joined network" {
	sleeper late f2 | bh apply -f -
	bh wait pod late -n f2 --for=condition=Ready --timeout=60s
	reaches f2 f1 late pod
	apart f3 f2
	bh delete pod late -n f2
}
@test "join again changes nothing" {
	local before
	before=$(vnid f2)
	network join-projects --to=f1 f2 f1 --wait
	[ "$(vnid f2)" = "$before" ]
}
@test "the agent and netd know it again after kill -9" {
	kill -KILL "$(cat "$node_run/agent.pid")"
	bh up --state-dir "$node_state"
	together f1 f2
	apart f1 f3
	bh describe pod pod -n f2 | grep -qE "VNID: +$(vnid f1)\$"
}
@test "isolate-projects cuts a connection that is open, at once" {
	local server client before after
	nsenter --target "$(pod_pid f1 pod)" --net -- /usr/bin/python3 -c '
import socket, sys
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", 9000)); s.listen(1)
c, _ = s.accept()
while True:
    sys.stdout.write("." * len(c.recv(4096))); sys.stdout.flush()
' >"$node_dir/got" 3>&- &
	server=$!
	nsenter --target "$(pod_pid f2 pod)" --net -- /usr/bin/python3 -c '
import socket, sys, time
for i in range(50):
    try:
        c = socket.create_connection((sys.argv[1], 9000), 1); break
    except OSError:
        time.sleep(0.1)
while True:
    c.send(b"x"); time.sleep(0.01)
' "$(pod_ip f1 pod)" 3>&- &
	client=$!
	eventually 10 test -s "$node_dir/got"
	sleep 0.3
	before=$(wc -c <"$node_dir/got")
	sleep 0.3
	[ "$(wc -c <"$node_dir/got")" -gt "$before" ]
	network isolate-projects f2 --wait
	sleep 0.1
	before=$(wc -c <"$node_dir/got")
	sleep 1
	after=$(wc -c <"$node_dir/got")
	kill "$server" "$client"
	[ "$before" = "$after" ]
	all_apart
}
@test "what is isolated has a VNID that nobody had" {
	local of_f1 of_f2
	of_f1=$(vnid f1) of_f2=$(vnid f2)
	[ "$of_f1" != "$of_f2" ]
	network isolate-projects f1 f2 f3 --wait
	[ "$(vnid f1) $(vnid f2)" = "$of_f1 $of_f2" ]
	# f2's first one was left, and is held.
	bh create project f4
	[ "$(printf '%s\n' "$(vnid f1)" "$(vnid f2)" "$(vnid f3)" "$(vnid f4)" | sort -u | wc -l)" = 4 ]
	[ "$(vnid f4)" -gt "$of_f2" ]
	bh delete project f4
}
@test "make-projects-global: reaches all, and back" {
	network make-projects-global f3 --wait
	[ "$(vnid f3)" = 0 ]
	together f3 f1
	together f3 f2
	apart f1 f2
	network isolate-projects f3 --wait
	[ "$(vnid f3)" -ge 10 ]
	all_apart
}
@test "who is not moved loses no packet meanwhile" {
	pod_ping f1 pod -i 0.02 -c 150 -w 6 "$(pod_ip f1 other)" >"$node_dir/ping.log" 2>&1 3>&- &
	local ping=$! i
	for i in 1 2 3 4 5; do
		network join-projects --to=f2 f3 --wait
		network isolate-projects f3 --wait
	done
	wait $ping
	grep -q ' 0% packet loss' "$node_dir/ping.log"
}
@test "a network that does not answer is told, and catches up" {
	local netd
	netd=$(daemon_pid bulkhead-netd)
	kill -STOP "$netd"
	run network join-projects --to=f1 f2
	[ "$status" = 0 ]
	[ "${lines[1]}" = "converged on 0 of 1 nodes" ]
	run network join-projects --to=f1 f2 --wait --timeout=1s
	[ "$status" = 1 ]
	[[ $output == *"node 'e2e' does not have the change after 1 s"* ]]
	kill -CONT "$netd"
	network join-projects --to=f1 f2 --wait
	together f1 f2
}
@test "moved while netd is down: it comes back with the new VNIDs" {
	local netd
	netd=$(daemon_pid bulkhead-netd)
	kill -STOP "$netd"
	network isolate-projects f2
	kill -KILL "$netd"
	network isolate-projects f2 --wait
	all_apart
	reaches f1 f1 pod other
}
@test "what is wrong is named, and moves nothing" {
	local before after
	before=$(bh get projects --no-headers | awk "{print \$1, \$2}")
	run network join-projects f2
	[ "$status" = 1 ]
	[[ $output == *"--to is missing"* ]]
	run network join-projects --to=f1
	[ "$status" = 1 ]
	[[ $output == *"usage: bulkhead network join-projects"* ]]
	run network join-projects --to=nobody f2
	[ "$status" = 1 ]
	[[ $output == *'project "nobody" does not exist'* ]]
	run network isolate-projects f1 nobody
	[ "$status" = 1 ]
	[[ $output == *'project "nobody" does not exist'* ]]
	run network make-projects-global f1 default
	[ "$status" = 1 ]
	[[ $output == *"project 'default' is global"* ]]
	run network isolate-projects default
	[ "$status" = 1 ]
	run network leave f1
	[ "$status" = 1 ]
	[[ $output == *"'network leave' is no command"* ]]
	run network isolate-projects f1 --timeout=1s
	[ "$status" = 1 ]
	[[ $output == *"--timeout goes with --wait"* ]]
	after=$(bh get projects --no-headers | awk "{print \$1, \$2}")
	[ "$before" = "$after" ]
}
@test "a tenant moves no project, not its own either" {
	"$B/bulkhead-secretd" --issue --keys "$node_state/keys" --pki "$node_state/pki" --cn ann --org bulkhead:project:f1:admin \
		--out-cert "$node_dir/ann.pem" --out-key "$node_dir/ann.key"
	sed "s|^certificate:.*|certificate: $node_dir/ann.pem|; s|^key:.*|key: $node_dir/ann.key|" \
		"$node_state/context.yaml" >"$node_dir/ann.yaml"
	run network join-projects --to=f2 f1 --context "$node_dir/ann.yaml"
	[ "$status" = 1 ]
	[[ $output == *"cannot update"* || $output == *"may not"* || $output == *"denied"* || $output == *"forbidden"* ]]
	grep -q 'audit: .*ann.*MoveProjects\|audit: .*MoveProjects.*ann' "$node_state/agent.log"
	all_apart
}
@test "a joined project goes, and the other keeps its network" {
	network join-projects --to=f1 f2 --wait
	bh delete pod pod -n f2
	bh delete project f2
	reaches f1 f1 pod other
	apart f1 f3
	bh create project f5
	[ "$(vnid f5)" != "$(vnid f1)" ]
}
