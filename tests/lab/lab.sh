#!/bin/bash
# A cluster on one machine: each node is a network namespace (and a mount namespace, for its own
# /run/openvswitch) with its own Open vSwitch, agent and daemons, all on one Ethernet segment; the first
# has the cluster's database, the others join it as machines do.
#
#   lab.sh up DIR [NODES]     make and start it (3 nodes: a, b, c)
#   lab.sh bh DIR NODE ...    'bulkhead ...' against that node, as administrator
#   lab.sh run DIR NODE ...   a command inside that node's namespaces
#   lab.sh join DIR NODE      one more node
#   lab.sh leave DIR NODE     the machine goes, the cluster is not told
#   lab.sh down DIR           end all of it; what is left then is a fault
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
B=${B:-$root/build}
case $B in /*) ;; *) B=$root/$B ;; esac
NET=10.77.0

die() {
	echo "lab: $*" >&2
	exit 1
}

# 'a' has host number 1, 'b' 2, ...
number() { echo $(($(printf '%d' "'$1") - 96)); }
address() { echo "$NET.$(number "$1")"; }
holder() { cat "$dir/$1/holder"; }
inside() {
	local node=$1
	shift
	nsenter --target "$(holder "$node")" --net --mount -- "$@"
}
cgroup() { echo "bh-lab-$(basename "$dir")-$1"; }

# Namespaces live as long as a sleeper. Its own /run, so that each node has the system's Open vSwitch.
hold() {
	local node=$1 try
	mkdir -p "$dir/$node"
	setsid unshare --net --mount --propagation private sleep infinity </dev/null >/dev/null 2>&1 3>&- &
	echo $! >"$dir/$node/holder"
	for try in $(seq 50); do
		[ "$(readlink "/proc/$!/ns/net" 2>/dev/null)" = "$(readlink /proc/self/ns/net)" ] || break
		[ "$try" -lt 50 ] || die "no namespace for $node"
		sleep 0.1
	done
	inside "$node" ip link set lo up
}

# The kernel's datapath where it is; else the userspace one, whose tunnels need the node's address on a
# bridge of its own (and the kernel must not answer beside it).
datapath() { [ -d /sys/module/openvswitch ] && echo system || echo netdev; }

wire() {
	local node=$1 n
	n=$(number "$node")
	ip link add "w$n" netns "$(holder fabric)" mtu 1600 type veth peer name eth0 netns "$(holder "$node")" mtu 1600
	inside fabric ip link set "w$n" master segment up
	inside "$node" ip link set eth0 up
}

place() {
	local node=$1
	hold "$node"
	wire "$node"
	if [ "$(datapath)" = system ]; then
		inside "$node" ip addr add "$(address "$node")/24" dev eth0
	else
		userspace_switch "$node"
	fi
}

userspace_switch() {
	local node=$1 ovs=$dir/$1/ovs
	mkdir -p "$ovs"
	inside "$node" mount -t tmpfs tmpfs /run
	inside "$node" mkdir /run/openvswitch
	ovsdb-tool create "$ovs/conf.db" /usr/share/openvswitch/vswitch.ovsschema
	inside "$node" env OVS_RUNDIR=/run/openvswitch OVS_LOGDIR="$ovs" ovsdb-server --detach --no-chdir --pidfile \
		--remote=punix:/run/openvswitch/db.sock --log-file="$ovs/ovsdb-server.log" "$ovs/conf.db" 3>&- 2>/dev/null
	inside "$node" ovs-vsctl --no-wait init
	inside "$node" env OVS_RUNDIR=/run/openvswitch OVS_LOGDIR="$ovs" ovs-vswitchd --detach --no-chdir --pidfile \
		--log-file="$ovs/ovs-vswitchd.log" unix:/run/openvswitch/db.sock 3>&- 2>/dev/null
	inside "$node" ovs-vsctl add-br br-phy -- set bridge br-phy datapath_type=netdev -- add-port br-phy eth0 -- set interface br-phy mtu_request=1600
	inside "$node" nft -f - <<-N
		table netdev lab { chain eth0 { type filter hook ingress device eth0 priority 0; policy drop; }; }
	N
	inside "$node" ip addr add "$(address "$node")/24" dev br-phy
	inside "$node" ip link set br-phy up
}

flags() {
	local node=$1
	echo --state-dir "$dir/$node/state" --run-dir "$dir/$node/run" --libexec-dir "$B" \
		--cgroup-parent "$(cgroup "$node")" --listen "$(address "$node"):7443" \
		--address "$(address "$node")" --ovs "$([ "$(datapath)" = system ] && echo private || echo system)"
}

# The administrator's certificate is the first node's; each node is asked at its own address.
context() {
	local node=$1
	sed -e "s/^server: .*/server: $(address "$node"):7443/" -e "s/^serverName: .*/serverName: $node/" \
		"$dir/a/state/context.yaml" >"$dir/$node/context.yaml"
}

first() {
	place a
	# shellcheck disable=SC2046
	inside a "$B/bulkhead" init $(flags a) --node-name a --cluster-listen "$(address a):7444" 3>&-
	context a
}

join() {
	local node=$1
	[ -d "$dir/$node" ] || place "$node"
	inside a "$B/bulkhead" token create "$node" --state-dir "$dir/a/state" >"$dir/$node/token"
	# shellcheck disable=SC2046
	inside "$node" "$B/bulkhead" join -f "$dir/$node/token" $(flags "$node") 3>&-
	context "$node"
}

up() {
	local count=${1:-3} i
	[ "$(id -u)" = 0 ] || die "needs root"
	if [ "$count" -lt 1 ] || [ "$count" -gt 20 ]; then die "1 to 20 nodes, not $count"; fi
	[ ! -e "$dir/a" ] || die "$dir holds a lab already: 'lab.sh down $dir'"
	mkdir -p "$dir"
	hold fabric
	inside fabric ip link add segment mtu 1600 type bridge
	inside fabric ip link set segment up
	first
	for i in $(seq 2 "$count"); do
		# shellcheck disable=SC2059
		join "$(printf "\\$(printf '%03o' $((96 + i)))")"
	done
}

# What carries a node's folder in its arguments, and its switch.
end_node() {
	local node=$1 left=0
	[ -e "$dir/$node/holder" ] || return 0
	if [ -e "$dir/$node/state/node.yaml" ]; then
		inside "$node" "$B/bulkhead" down --state-dir "$dir/$node/state" --purge 3>&- || left=1
	fi
	pkill -KILL -f "$dir/$node/" || true
	[ "$node" = fabric ] || inside fabric ip link del "w$(number "$node")" 2>/dev/null || true
	kill -KILL "$(holder "$node")" 2>/dev/null || true
	find /sys/fs/cgroup -depth -type d -path "*/$(cgroup "$node")*" -exec rmdir {} \; 2>/dev/null || true
	rm -rf "${dir:?}/$node"
	return $left
}

down() {
	local node left=0
	for node in "$dir"/*/; do
		node=$(basename "$node")
		[ "$node" = fabric ] || [ "$node" = a ] || end_node "$node" || left=1
	done
	end_node a || left=1
	end_node fabric || left=1
	rmdir "$dir" || left=1
	return $left
}

verb=${1:-}
[ $# -ge 2 ] || die "usage: lab.sh up|bh|run|join|leave|down DIR ..."
dir=$(realpath -m "$2")
shift 2
case $verb in
up) up "$@" ;;
join) join "$1" ;;
leave) end_node "$1" ;;
down) down ;;
run) inside "$@" ;;
bh)
	node=$1
	shift
	inside "$node" "$B/bulkhead" --context "$dir/$node/context.yaml" "$@" 3>&-
	;;
*) die "no verb '$verb'" ;;
esac
