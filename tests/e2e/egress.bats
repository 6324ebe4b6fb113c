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
		in_world /usr/bin/python3 -c "$SERVER" $port 3>&- >/dev/null 2>&1 &
		servers+=" $!"
	done
	in_netns /usr/bin/python3 -c "$SERVER" 8000 3>&- >/dev/null 2>&1 &
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
