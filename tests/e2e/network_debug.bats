#!/usr/bin/env bats
# network why, network trace: what is said is what the switch does, measured beside it, and a tenant
# learns of others no more than that it does not reach them.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start
	node_image
	local p
	for p in red blue; do
		bh create project $p
		sleeper web $p | bh apply -f -
	done
	sleeper api red | bh apply -f -
	sleeper web default | bh apply -f -
	for p in red/web red/api blue/web default/web; do
		bh wait pod "${p#*/}" -n "${p%/*}" --for=condition=Ready --timeout=60s
	done
	"$B/bulkhead-secretd" --issue --keys "$node_state/keys" --pki "$node_state/pki" --cn vic --org bulkhead:project:red:view \
		--out-cert "$node_dir/vic.pem" --out-key "$node_dir/vic.key"
	sed "s|^certificate:.*|certificate: $node_dir/vic.pem|; s|^key:.*|key: $node_dir/vic.key|" \
		"$node_state/context.yaml" >"$node_dir/vic.yaml"
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }

why() { bh network why "$@"; }
as_vic() { bh "$@" --context "$node_dir/vic.yaml"; }
vnid() { bh get projects "$1" --no-headers | awk '{print $2}'; }
reaches() { pod_ping "${1%/*}" "${1#*/}" -c 1 -W 1 "$(pod_ip "${2%/*}" "${2#*/}")" >/dev/null; }
ofctl() { local verb=$1; shift; in_netns ovs-ofctl -O OpenFlow15 "$verb" "unix:$node_run/ovs/br0.mgmt" "$@"; }
# What is said and what a packet finds out, from the first to the second.
agree() {
	local said=3 found=0
	why "$1" "$2" >/dev/null && said=0 || said=$?
	reaches "$1" "$2" || found=3
	[ "$said" = "$found" ] || { echo "$1 to $2: said $said, found $found"; return 1; }
}

@test "every pair of pods: what is said is what a packet finds" {
	local a b
	for a in red/web red/api blue/web default/web; do
		for b in red/web red/api blue/web default/web; do
			[ "$a" = "$b" ] || agree "$a" "$b"
		done
	done
}
@test "own project: reaches, and the flow of its network decides" {
	run why red/web red/api:80
	[ "$status" = 0 ]
	[[ ${lines[0]} == "red/web ($(pod_ip red web), network $(vnid red)) -> red/api ($(pod_ip red api), network $(vnid red)), tcp port 80: reaches" ]]
	[[ $output == *"both are pods of project red"* ]]
	[[ $output == *"table 80 (verdict), priority 100"* ]]
	[[ $output == *"of network $(vnid red)"* ]]
}
@test "another project: the reason with both networks, and the command that would join them" {
	run why web blue/web:53/udp -n red
	[ "$status" = 3 ]
	[[ ${lines[0]} == *"udp port 53: does not reach" ]]
	[[ $output == *"projects red and blue have networks $(vnid red) and $(vnid blue)"* ]]
	[[ $output == *"table 80 (verdict), priority 0, any packet: drop"* ]]
	[[ $output == *"bulkhead network join-projects --to=blue red"* ]]
	bh network join-projects --to=blue red --wait
	run why red/web blue/web
	[ "$status" = 0 ]
	[[ $output == *"projects red and blue share network"* ]]
	# Who asked for an address in vain hears for three seconds that it is not there.
	eventually 5 agree red/web blue/web
	bh network isolate-projects red --wait
	agree red/web blue/web
	run why red/web default/web
	[[ $output == *"project default is global"* ]]
}
@test "addresses that no pod has, and what lies outside" {
	run why red/web "$(pod_ip red web | sed 's/\.[0-9]*$/.250/')"
	[ "$status" = 3 ]
	[[ $output == *"no pod of this node has the address"* ]]
	run why red/web 192.0.2.1:443
	[ "$status" = 0 ]
	[[ ${lines[0]} == *"192.0.2.1, tcp port 443: leaves" ]]
	[[ $output == *"gateway takes it out of the cluster"* ]]
	run why red/web 127.0.0.1
	[ "$status" = 3 ]
	[[ $output == *"of a block that no packet leaves the cluster for"* ]]
	run why red/web "$(pod_ip red web | sed 's/\.[0-9]*$/.1/')"
	[ "$status" = 3 ]
}
@test "trace: each step, the answer's too, and as json" {
	run bh network trace red/web "$(pod_ip red api):8080"
	[ "$status" = 0 ]
	[[ $output == *"who has the address (ARP): answered"* ]]
	[[ $output == *"the packet: delivered"* ]]
	[[ $output == *"the answer: delivered"* ]]
	[[ $output == *"comes from network $(vnid red)"* ]]
	[[ $output == *"> 80 verdict"* || $output == *">  80 verdict"* ]]
	bh network trace red/web blue/web:80 -o json >"$node_dir/trace.json"
	python3 - "$node_dir/trace.json" <<-'P'
		import json, sys
		t = json.load(open(sys.argv[1]))
		assert t["kind"] == "NetworkTrace" and t["verdict"] == "does not reach", t
		leg = t["there"]
		step = leg["steps"][leg["deciding"]]
		assert leg["verdict"] == "dropped" and step["table"] == 80 and step["owner"] == "base", step
		assert step["cookie"].startswith("0x") and step["actions"] == ["drop"], step
		assert [s.get("table", 0) for s in leg["steps"]][:2] == [0, 20]
		assert t["arp"]["verdict"] == "dropped" and "back" not in t
	P
}
@test "a flow that somebody else added is named as such" {
	local i
	for i in 1 2 3; do # it is taken away every few seconds: it may be gone before it is asked about
		ofctl add-flow "cookie=0x1234,table=80,priority=300,ip,nw_src=$(pod_ip red web) actions=drop"
		run why red/web red/api
		[ "$status" = 3 ] && break
	done
	[ "$status" = 3 ]
	[[ $output == *"that is not Bulkhead's drops it (cookie 0x1234)"* ]]
	eventually 10 why red/web red/api
}
@test "check: as it should be, and each pair that is not" {
	run bh network check
	[ "$status" = 0 ]
	[[ ${lines[0]} == "node e2e: 4 pods, 12 pairs, 0 other nodes; asked the switch 12 times" ]]
	[[ ${lines[1]} == *"8 arrive, 4 kept apart by project, 0 by network policies" ]]
	[[ $output == *"all as it should be"* ]]
	local i
	for i in 1 2 3; do
		ofctl add-flow "cookie=0x1234,table=80,priority=300,reg0=$(vnid red) actions=goto_table:81"
		run bh network check
		[ "$status" = 1 ] && break
	done
	[ "$status" = 1 ]
	[[ $output == *"2 otherwise than it should be:"* ]]
	[[ $output == *"red/web ("*") -> blue/web ("*"): delivered, should not arrive; table 80 (verdict), cookie 0x1234, of not Bulkhead's"* ]]
	eventually 10 bh network check
	run as_vic network check
	[ "$status" = 1 ]
	[[ $output == *"may not get nodes"* ]]
}
@test "through conntrack, too" {
	local i
	for i in 1 2 3; do
		ofctl add-flow "cookie=0x99,table=30,priority=300,ct_state=-trk,ip,nw_src=$(pod_ip red web) actions=ct(table=27,zone=25192)"
		run bh network trace red/web red/api:80
		[[ $output == *"is looked up in conntrack"* ]] && break
	done
	[ "$status" = 0 ]
	[[ $output == *"is looked up in conntrack, and goes on in table 27"* ]]
	[[ $output == *"the packet: delivered"* ]]
	[[ $output == *"opens a connection that is to be remembered"* ]]
}
@test "network policies: the one that says no is named, and what they allow passes with its answer" {
	bh apply -f - <<-Y
		apiVersion: networking.k8s.io/v1
		kind: NetworkPolicy
		metadata: {name: only-8080, namespace: red}
		spec:
		  podSelector: {}
		  policyTypes: [Ingress]
		  ingress:
		  - from: [{podSelector: {}}]
		    ports: [{port: 8080}, {port: 53, protocol: UDP}]
	Y
	eventually 5 bash -c "! '$bh' network why red/web red/api:80 >/dev/null"
	run why red/web red/api:80
	[ "$status" = 3 ]
	[[ $output == *"the network policies of project red for ingress do not allow it"* ]]
	[[ $output == *"table 75 (ingress policy)"* ]]
	[[ $output == *"of network policies"* ]]
	local port
	for port in 8080 53/udp; do
		run why red/web red/api:$port
		[ "$status" = 0 ]
		[[ $output == *"; the network policies allow it"* ]]
	done
	run why red/web red/api
	[ "$status" = 3 ]
	run why default/web red/api:8080
	[ "$status" = 3 ]
	agree red/web red/api
	agree default/web red/api
	bh delete networkpolicy only-8080 -n red
	eventually 5 why red/web red/api:80
}
@test "a tenant: its own pods in full" {
	run as_vic network why red/web red/api:80
	[ "$status" = 0 ]
	[[ $output == *"both are pods of project red"* ]]
	run as_vic network trace red/web red/api
	[[ $output == *"the packet: delivered"* ]]
}
@test "a tenant: of others only whether it reaches them" {
	local nobody
	nobody=$(pod_ip red web | sed 's/\.[0-9]*$/.250/')
	run as_vic network why red/web "$(pod_ip blue web)"
	[ "$status" = 3 ]
	local theirs=$output
	[[ $output == *"does not reach"* ]]
	[[ $output != *blue* && $output != *"network $(vnid blue)"* && $output != *table* ]]
	# An address that nobody has looks the same.
	run as_vic network why red/web "$nobody"
	[ "$status" = 3 ]
	[ "$output" = "$theirs" ]
	[ "$(as_vic network trace red/web "$nobody" -o json)" = "$(as_vic network trace red/web "$(pod_ip blue web)" -o json)" ]
	run as_vic network why red/web "$(pod_ip default web)"
	[ "$status" = 0 ]
	[[ $output != *default* && $output != *table* ]]
	# By name not even that, whether there is such a pod or not.
	run as_vic network why red/web blue/web
	[ "$status" = 1 ]
	[[ $output == *"may not get pods in project"* ]]
	theirs=$output
	run as_vic network why red/web blue/nope
	[ "$output" = "$theirs" ]
	run as_vic network why blue/web red/web
	[ "$status" = 1 ]
	[[ $output == *"may not"* ]]
	run as_vic network why "$(pod_ip blue web)" red/web -n red
	[ "$status" = 1 ]
	grep -q 'audit: .*vic.*TraceNetwork\|audit: .*TraceNetwork.*vic' "$node_state/agent.log"
}
@test "what is no question is refused by name" {
	refused() {
		local why=$1
		shift
		run why "$@"
		[ "$status" = 1 ]
		[[ $output == *"$why"* ]] || { echo "$output"; return 1; }
	}
	refused "has no port on this node" red/nope red/api
	refused "has no port on this node" red/web red/nope:80
	refused "port: '0' is not a number from 1 to 65535" red/web red/api:0
	refused "port: '65536' is not" red/web red/api:65536
	refused "protocol 'sctp' is not tcp or udp" red/web red/api:80/sctp
	refused "the port is the destination's" red/web:80 red/api
	refused "inside its own network namespace" red/web red/web
	refused "is not [PROJECT/]POD" red/web red/
	refused "is not [PROJECT/]POD" /web red/api
	refused "no pod has the address" 192.0.2.1 red/api -n red
	refused "usage: bulkhead network why" red/web
	refused "knows json and yaml" red/web red/api -o wide
}
@test "denials are not logged here, and that is said" {
	run bh network denials
	[ "$status" = 1 ]
	[[ $output == *'say deny_log: "on" in node.yaml'* ]]
}
@test "many at once are all answered" {
	local i pids=()
	for i in $(seq 40); do why red/web red/api:80 >"$node_dir/why.$i" & pids+=($!); done
	for i in "${pids[@]}"; do wait "$i"; done
	[ "$(cat "$node_dir"/why.* | grep -c 'port 80: reaches')" = 40 ]
	rm "$node_dir"/why.*
}
@test "the switch is started again: the questions go to the new one" {
	kill -KILL "$(cat "$node_run/ovs/ovs-vswitchd.pid")"
	eventually 20 why red/web red/api
	agree red/web blue/web
}
