#!/usr/bin/env bats
# A manager with a private switch, and a member that is hostile: what it can do with the certificates
# that it got when it joined. And machines that end amid joining.

MANAGER=198.51.100.1
MEMBER=198.51.100.2

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_place
	in_netns ip link add up0 type veth peer name up1
	in_netns ip link set up1 up
	in_netns ip link set up0 up
	in_netns ip addr add $MANAGER/24 dev up0
	in_netns ip addr add $MEMBER/24 dev up0
	node_start --datapath netdev --address $MANAGER --listen $MANAGER:7443 --cluster-listen $MANAGER:7444
	token b >"$node_dir/b.yaml"
	join "$node_dir/b.yaml" "$node_dir/b"
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	in_netns ip link del up0
	rm -rf "$node_dir/b"
	node_stop
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }

token() { bh token create "$1" --state-dir "$node_state"; }
join() { # TOKEN STATE [FLAGS]
	bh join -f "$1" --state-dir "$2" --run-dir "$node_dir/member-run" --libexec-dir "$B" --no-start \
		--address "${3:-$MEMBER}"
}
as_member() {
	local verb=$1 pki=$node_dir/b/cluster
	shift
	in_netns ovsdb-client --timeout=5 --private-key="$pki/member.key" --certificate="$pki/member.pem" \
		--ca-cert="$pki/database.pem" "$verb" "ssl:$MANAGER:7444" "$@" 2>&1
}
insert_secret() { # NAME COLUMNS
	local project
	project=$(as_member transact '["Bulkhead",{"op":"select","table":"Project","where":[["name","==","default"]],"columns":["_uuid"]}]' |
		grep -o '[0-9a-f-]\{36\}')
	as_member transact '["Bulkhead",{"op":"insert","table":"Secret","row":{"project":["uuid","'"$project"'"],"name":"'"$1"'","node":"b","sealed":"AAAA"'"$2"'}}]'
}

@test "the listener opens the cluster's database and no other: not the switch's" {
	run as_member list-dbs
	[ "$status" = 0 ]
	[ "$(sort <<<"$output")" = $'Bulkhead\n_Server' ]
	run as_member transact '["Open_vSwitch",{"op":"insert","table":"Bridge","uuid-name":"x","row":{"name":"evil"}},{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["bridges","insert",["set",[["named-uuid","x"]]]]]}]'
	[[ $output == *"unknown database"* ]]
	run in_netns ovs-vsctl --db="unix:$node_run/ovs/db.sock" list-br
	[ "$output" = br0 ]
	# Nor does netd's own way lead to the cluster's.
	run in_netns ovsdb-client --timeout=5 list-dbs "unix:$node_run/ovs/db.sock"
	[ "$(sort <<<"$output")" = $'Open_vSwitch\n_Server' ]
}
@test "what no daemon would write is refused by the database, or told to nobody" {
	local before
	before=$(daemon_pid bulkhead-clusterd)
	run insert_secret large ',"type":"'"$(head -c 100000 /dev/zero | tr '\0' t)"'"'
	[[ $output == *"constraint violation"* ]]
	run insert_secret ../odd ''
	[[ $output == *uuid* && $output != *error* ]]
	eventually 10 grep -q "cannot be used: secret 'default/../odd': column name" "$node_state/agent.log"
	run insert_secret fine ''
	[[ $output == *uuid* && $output != *error* ]]
	eventually 10 has_secret fine
	[ "$(bh get secrets --no-headers | wc -l)" = 1 ]
	[ "$(daemon_pid bulkhead-clusterd)" = "$before" ]
	as_member transact '["Bulkhead",{"op":"delete","table":"Secret","where":[["node","==","b"]]}]' >/dev/null
	eventually 10 no_secret
}
has_secret() { [[ $(bh get secrets --no-headers) == "$1 "* ]]; }
no_secret() { ! bh get secrets --no-headers | grep -q fine; }
@test "a node that spoils its own row is seen, and deleted" {
	token s >"$node_dir/s.yaml"
	join "$node_dir/s.yaml" "$node_dir/s" 198.51.100.4
	in_netns ovsdb-client --timeout=5 --private-key="$node_dir/s/cluster/member.key" --certificate="$node_dir/s/cluster/member.pem" \
		--ca-cert="$node_dir/s/cluster/database.pem" transact "ssl:$MANAGER:7444" \
		'["Bulkhead",{"op":"update","table":"Node","where":[["name","==","s"]],"row":{"sealing_key":"!"}}]'
	eventually 10 grep -q "cannot be used: node 's': column sealing_key" "$node_state/agent.log"
	kill -KILL "$(daemon_pid bulkhead-clusterd)"
	eventually 10 connected_twice
	eventually 10 has_node s
	bh delete node s
	eventually 10 no_node s
	rm -rf "$node_dir/s"
}
connected_twice() { [ "$(grep -c 'the cluster database is there' "$node_state/agent.log")" = 2 ]; }
has_node() { bh get nodes --no-headers | grep -q "^$1 "; }
no_node() { ! has_node "$1"; }
@test "another cluster_listen counts as soon as the agent is started again" {
	local before
	before=$(cat "$node_run/ovs/cluster.pid")
	kill -KILL "$(cat "$node_run/agent.pid")"
	bh up --state-dir "$node_state"
	[ "$(cat "$node_run/ovs/cluster.pid")" = "$before" ]
	sed -i "s/^clusterListen: .*/clusterListen: $MANAGER:7445/" "$node_state/node.yaml"
	kill -KILL "$(cat "$node_run/agent.pid")"
	bh up --state-dir "$node_state"
	in_netns ss -Hltn | awk '{print $4}' >"$node_dir/listens"
	grep -qx "$MANAGER:7445" "$node_dir/listens"
	[ "$(grep -cx "$MANAGER:7444" "$node_dir/listens")" = 0 ]
	[ "$(cat "$node_run/ovs/cluster.pid")" != "$before" ]
	sed -i "s/^clusterListen: .*/clusterListen: $MANAGER:7444/" "$node_state/node.yaml"
	kill -KILL "$(cat "$node_run/agent.pid")"
	bh up --state-dir "$node_state"
	eventually 5 as_member list-dbs
}
@test "a node's certificate names it as the cluster knows it, wherever it says to listen" {
	run openssl x509 -in "$node_dir/b/pki/node.pem" -noout -ext subjectAltName
	[[ $output == *"DNS:b, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:$MEMBER"* ]]
}
@test "addresses that no node can have are refused, and one that the manager is called at" {
	token d >"$node_dir/d.yaml"
	local address
	for address in 127.0.0.2 224.0.0.1 240.1.1.1 0.0.0.5; do
		run join "$node_dir/d.yaml" "$node_dir/d" $address
		[ "$status" = 1 ]
		[[ $output == *"address: other machines do not reach a node at $address"* ]]
	done
	run join "$node_dir/d.yaml" "$node_dir/d" 10.128.0.9
	[ "$status" = 1 ]
	[[ $output == *"address: 10.128.0.9 lies in the cluster's network"* ]]
	run join "$node_dir/d.yaml" "$node_dir/d" $MANAGER
	[ "$status" = 1 ]
	[[ $output == *"address: node 'e2e' is called at $MANAGER"* ]]
	[ ! -e "$node_dir/d" ]
	[ "$(bh get nodes --no-headers | wc -l)" = 2 ]
}
@test "what a machine that went down amid joining left is removed, and it joins" {
	local d=$node_dir/half
	token h >"$node_dir/h.yaml"
	"$B/bulkhead-secretd" --join --keys "$d/keys" --pki "$d/pki" --cluster "$d/cluster" --node h --uid "$(stat -c %u "$node_state/keys")"
	run join "$node_dir/h.yaml" "$d" 198.51.100.3
	[ "$status" = 1 ]
	[[ $output == *"$d/keys is there already: 'bulkhead down --purge' removes"* ]]
	run bh init --state-dir "$d" --run-dir "$node_dir/half-run" --libexec-dir "$B" --no-start
	[ "$status" = 1 ]
	[[ $output == *"$d/keys is there already: 'bulkhead down --purge' removes"* ]]
	bh down --purge --state-dir "$d"
	[ ! -e "$d" ]
	join "$node_dir/h.yaml" "$d" 198.51.100.3
	[ -e "$d/node.yaml" ]
	bh delete node h
	rm -rf "$d"
	# Another's folder of that name is not taken for one.
	mkdir -p "$d/keys" "$d/pki"
	touch "$d/keys/mine"
	run bh down --purge --state-dir "$d"
	[ "$status" = 1 ]
	[ -e "$d/keys/mine" ]
	rm -rf "$d"
}
