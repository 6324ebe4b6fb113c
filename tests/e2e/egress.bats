#!/usr/bin/env bats
# Pods' way out of the cluster. A second network namespace is the world outside.

OUTSIDE=198.51.100.2 # the node's router
FAR=203.0.113.9      # behind it
NODE=198.51.100.1

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_place
	world_make
	node_start
	node_image
	bh create project red
	bh create project blue
	local p
	for p in red blue default; do
		sleeper pod "$p" | bh apply -f -
	done
	for p in red blue default; do
		bh wait pod pod -n "$p" --for=condition=Ready --timeout=60s
	done
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	local status=0
	in_netns ip link del up0
	node_stop || status=1
	kill -KILL "$world" $servers 2>/dev/null
	return $status
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }

in_world() { nsenter --target "$world" --net -- "$@"; }
# A namespace that the node's default route leads to.
world_make() {
	local try
	unshare --net sleep 3600 >/dev/null 2>&1 3>&- &
	export world=$!
	for try in $(seq 50); do
		[ "$(readlink "/proc/$world/ns/net")" != "$(readlink /proc/self/ns/net)" ] && break
		[ "$try" -lt 50 ] || return 1
		sleep 0.1
	done
	in_netns ip link add up0 type veth peer name wire netns "$world"
	in_netns ip address add $NODE/24 dev up0
	in_netns ip link set up0 up
	in_netns ip route add default via $OUTSIDE
	in_world ip link set lo up
	in_world ip address add $OUTSIDE/24 dev wire
	in_world ip link set wire up
	in_world ip address add $FAR/32 dev lo
	in_world ip address add 203.0.113.10/32 dev lo
	in_world ip address add 169.254.169.254/32 dev lo
	in_world ip route add 10.128.0.0/14 via $NODE
	export servers=
	local port
	for port in 80 443; do
		# Not by in_world: what is killed must be the server, not a shell that waits for it.
		nsenter --target "$world" --net -- /usr/bin/python3 -c "$SERVER" $port 3>&- >/dev/null 2>&1 &
		servers+=" $!"
	done
	nsenter --target "$node_netns" --net -- /usr/bin/python3 -c "$SERVER" 8000 3>&- >/dev/null 2>&1 &
	servers+=" $!"
}
# Sends whoever connects his address, and then what he sends.
SERVER='
import socket, sys, threading
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", int(sys.argv[1]))); s.listen(16)
def serve(c, peer):
    try:
        c.sendall((peer[0] + "\n").encode())
        while True:
            data = c.recv(4096)
            if not data: break
            c.sendall(data)
    except OSError: pass
while True:
    threading.Thread(target=serve, args=s.accept(), daemon=True).start()
'
# What one who connects hears: asks PROJECT ADDRESS PORT
asks() {
	in_pod "$1" pod sh -c "echo | timeout 1 nc $2 $3 | head -n 1" 2>/dev/null
}
# The address that it is seen with: reaches PROJECT ADDRESS [PORT]
reaches() { [ "$(asks "$1" "$2" "${3:-80}")" = $NODE ]; }
barred() {
	local heard
	heard=$(asks "$1" "$2" "${3:-80}") || true
	[ -z "$heard" ] || { echo "$1 reaches $2:${3:-80}"; false; }
}

@test "pods reach what is outside, with the node's address" {
	eventually 10 reaches red $FAR
	reaches red $OUTSIDE 443
	reaches blue $FAR
	reaches default $FAR
	run pod_ping red pod -c 1 -W 5 $FAR
	[ "$status" = 0 ]
}
@test "they do not reach the node, loopback, metadata, or the gateway" {
	in_netns bash -c "exec 4<>/dev/tcp/$NODE/8000"
	barred red $NODE 8000
	barred default $NODE 8000
	barred red 10.128.0.1 8000
	in_netns bash -c 'exec 4<>/dev/tcp/169.254.169.254/80'
	barred red 169.254.169.254
	# The API, which listens on loopback, by an address that is routed to the node.
	barred red 127.0.0.2 7443
}
@test "nobody outside, nor the node, opens a connection to a pod" {
	local address
	address=$(pod_ip red pod)
	in_pod red pod sh -c 'nc -l -p 9000 </dev/null >/dev/null 2>&1 &'
	run in_world timeout 1 bash -c "exec 4<>/dev/tcp/$address/9000"
	[ "$status" = 124 ]
	run in_netns timeout 1 bash -c "exec 4<>/dev/tcp/$address/9000"
	[ "$status" = 124 ]
	# It listens: a neighbour that reaches all does.
	in_pod default pod sh -c "echo | timeout 2 nc $address 9000"
}
@test "the node forwards for its pods alone, as it did for nobody before" {
	[ "$(in_netns cat /proc/sys/net/ipv4/ip_forward)" = 1 ]
	[ -e "$node_run/ip_forward" ]
	in_netns nft list chain ip bulkhead-br0 forward | grep -q 'iifname != "br0" oifname != "br0" drop'
}
# Rules as YAML, indented to stand under "egress:".
firewall() {
	cat <<Y
apiVersion: network.openshift.io/v1
kind: EgressNetworkPolicy
metadata: {name: default, namespace: $1}
spec:
  egress:
$2
Y
}
@test "a firewall: what is denied does not pass, elsewhere nothing changes" {
	run bh apply -f - <<<"$(firewall red '  - {type: Deny, to: {cidrSelector: 203.0.113.9/32}}')"
	[ "$output" = "egressnetworkpolicy/default created" ]
	eventually 5 barred red $FAR
	reaches red 203.0.113.10
	reaches red $OUTSIDE
	reaches blue $FAR
	reaches default $FAR
}
@test "a firewall: the first rule that matches decides" {
	run bh apply -f - <<<"$(firewall red '  - {type: Allow, to: {cidrSelector: 203.0.113.9/32}}
  - {type: Deny, to: {cidrSelector: 0.0.0.0/0}}')"
	[ "$output" = "egressnetworkpolicy/default configured" ]
	eventually 5 reaches red $FAR
	barred red 203.0.113.10
	barred red $OUTSIDE
	run bh apply -f - <<<"$(firewall red '  - {type: Allow, to: {cidrSelector: 203.0.113.9/32}}
  - {type: Deny, to: {cidrSelector: 0.0.0.0/0}}')"
	[ "$output" = "egressnetworkpolicy/default unchanged" ]
}
@test "a firewall: ports and protocols" {
	bh apply -f - <<<"$(firewall red '  - {type: Allow, to: {cidrSelector: 203.0.113.0/24}, ports: [{port: 80}, {protocol: UDP, port: 53, endPort: 60}]}
  - {type: Deny, to: {cidrSelector: 0.0.0.0/0}}')"
	eventually 5 barred red $FAR 443
	reaches red $FAR 80
	run pod_ping red pod -c 1 -W 1 $FAR
	[ "$status" = 1 ]
	run bh get egressnetworkpolicies -A --no-headers
	[ "$(echo $output)" = "default red 2" ]
	run bh describe egressnetworkpolicy default -n red
	[[ $output == *"Allow 203.0.113.0/24 80/TCP, 53-60/UDP"* ]]
	run bh get egressnetworkpolicy default -n red -o yaml
	[[ $output == *"cidrSelector: 203.0.113.0/24"* ]]
	bh apply -n red -f - <<<"$output"
}
@test "a firewall cuts a connection that is open, in both directions, at once" {
	local client before after
	bh apply -f - <<<"$(firewall red '  - {type: Allow, to: {cidrSelector: 0.0.0.0/0}}')"
	eventually 5 reaches red $FAR
	nsenter --target "$(pod_pid red pod)" --net -- /usr/bin/python3 -c '
import socket, sys, time
c = socket.create_connection((sys.argv[1], 80), 5)
c.setblocking(False)
while True:
    try: sys.stdout.write("." * len(c.recv(4096))); sys.stdout.flush()
    except BlockingIOError: pass
    try: c.send(b"x")
    except BlockingIOError: pass
    time.sleep(0.01)
' $FAR >"$node_dir/got" 3>&- &
	client=$!
	eventually 10 test -s "$node_dir/got"
	sleep 0.3
	before=$(wc -c <"$node_dir/got")
	sleep 0.3
	[ "$(wc -c <"$node_dir/got")" -gt "$before" ]
	bh apply -f - <<<"$(firewall red '  - {type: Deny, to: {cidrSelector: 203.0.113.0/24}, ports: [{port: 80}]}')"
	eventually 5 barred red $FAR
	before=$(wc -c <"$node_dir/got")
	sleep 1
	after=$(wc -c <"$node_dir/got")
	kill "$client"
	[ "$before" = "$after" ]
	reaches red $FAR 443
}
@test "projects that share a network with one that has a firewall are shut" {
	bh network join-projects --to=blue red --wait
	eventually 5 barred blue $FAR
	barred red $FAR 443
	in_pod red pod true
	bh network isolate-projects red --wait
	eventually 5 reaches blue $FAR
	eventually 5 reaches red $FAR 443
	barred red $FAR
}
@test "global projects have no firewall, and what has one is not made global" {
	run bh apply -f - <<<"$(firewall default '  - {type: Deny, to: {cidrSelector: 0.0.0.0/0}}')"
	[ "$status" = 1 ]
	[[ $output == *"is global"* ]]
	run bh network make-projects-global red
	[ "$status" = 1 ]
	[[ $output == *"has an egress firewall"* ]]
	run bh network join-projects --to=default red
	[ "$status" = 1 ]
	[[ $output == *"has an egress firewall"* ]]
	reaches default $FAR
}
@test "the firewall stands over kill -9 of netd and of the agent" {
	kill -KILL "$(daemon_pid bulkhead-netd)"
	barred red $FAR
	kill -KILL "$(cat "$node_run/agent.pid")"
	barred red $FAR
	bh up --state-dir "$node_state"
	barred red $FAR
	reaches red $FAR 443
}
@test "bad firewalls are refused by their fields" {
	local bad
	while IFS='|' read -r rule says; do
		run bh apply -f - <<<"$(firewall red "  - $rule")"
		[ "$status" = 1 ]
		[[ $output == *"$says"* ]] || { echo "$rule: $output"; false; }
	done <<'R'
{type: Deny, to: {dnsName: www.example.com}}|spec.egress[0].to.dnsName: is a name of DNS
{type: Deny, to: {cidrSelector: 10.0.0.1/8}}|spec.egress[0].to.cidrSelector: '10.0.0.1/8' has bits set
{type: Deny, to: {cidrSelector: "fd00::/8"}}|spec.egress[0].to.cidrSelector: is of IPv6
{type: Deny}|spec.egress[0].to.cidrSelector: must be given
{type: Drop, to: {cidrSelector: 0.0.0.0/0}}|spec.egress[0].type: must be Allow or Deny
{type: Deny, to: {cidrSelector: 0.0.0.0/0}, ports: [{port: 0}]}|spec.egress[0].ports[0].port
{type: Deny, to: {cidrSelector: 0.0.0.0/0}, ports: [{port: 5, endPort: 4}]}|spec.egress[0].ports[0].endPort
{type: Deny, to: {cidrSelector: 0.0.0.0/0}, ports: [{protocol: ICMP, port: 4}]}|spec.egress[0].ports[0].protocol: must be TCP, UDP or SCTP
R
	run bh apply -f - <<<"$(firewall red '  - {type: Deny, to: {cidrSelector: 0.0.0.0/0}}' | sed 's/name: default/name: mine/')"
	[[ $output == *"metadata.name: must be 'default'"* ]]
	barred red $FAR
	reaches red $FAR 443
}
@test "only administrators set firewalls, a project's users see them" {
	"$B/bulkhead-secretd" --issue --keys "$node_state/keys" --pki "$node_state/pki" --cn ann \
		--org "bulkhead:project:red:edit" --out-cert "$node_dir/ann.pem" --out-key "$node_dir/ann.key" \
		>/dev/null 2>&1
	sed -e "s|^certificate:.*|certificate: $node_dir/ann.pem|" -e "s|^key:.*|key: $node_dir/ann.key|" \
		"$BULKHEAD_CONTEXT" >"$node_dir/ann.yaml"
	run bh get egressnetworkpolicies -n red -o name --context "$node_dir/ann.yaml"
	[ "$output" = "egressnetworkpolicy/default" ]
	run bh delete egressnetworkpolicy default -n red --context "$node_dir/ann.yaml"
	[ "$status" = 1 ]
	[[ $output == *'may not delete egressnetworkpolicies in project "red"'* ]]
	run bh apply --context "$node_dir/ann.yaml" -f - <<<"$(firewall red '  - {type: Allow, to: {cidrSelector: 0.0.0.0/0}}')"
	[ "$status" = 1 ]
	barred red $FAR
	run bh delete egressnetworkpolicy default -n red
	[ "$output" = 'egressnetworkpolicy "default" deleted' ]
	eventually 5 reaches red $FAR
	run bh get egressnetworkpolicy default -n red
	[ "$status" = 1 ]
	run bh delete egressnetworkpolicy default -n red
	[[ $output == *"does not exist"* ]]
}
@test "off: no way out, and nothing of it on the node" {
	in_netns "$bh" down --state-dir "$node_state"
	[ "$(in_netns cat /proc/sys/net/ipv4/ip_forward)" = 0 ]
	[ -z "$(in_netns nft list tables)" ]
	sed -i 's/^egress: .*/egress: "off"/' "$node_state/node.yaml"
	bh up --state-dir "$node_state"
	bh delete pod pod -n red
	sleeper pod red | bh apply -f -
	bh wait pod pod -n red --for=condition=Ready --timeout=60s
	barred red $FAR
	barred red $NODE 8000
	[ "$(in_netns cat /proc/sys/net/ipv4/ip_forward)" = 0 ]
	run in_netns nft list table ip bulkhead-br0
	[ "$status" = 1 ]
	[ -z "$(in_netns ip -4 -o address show dev br0)" ]
}
