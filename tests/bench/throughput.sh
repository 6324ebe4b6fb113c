#!/usr/bin/env bash
# One TCP stream between two pods, on one node and across two, beside a plain Linux bridge and the
# kernel's VXLAN, in turns: the others with checksums as pods have them (with the userspace datapath the
# sender computes them) and as Linux has them. As root. ROUNDS=3 SECONDS_EACH=2
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
export BATS_TEST_DIRNAME=$root/tests/e2e
# shellcheck source=tests/e2e/node.bash
. "$root/tests/e2e/node.bash"
rounds=${ROUNDS:-3} seconds=${SECONDS_EACH:-2}
dir=$(mktemp -d /tmp/bh-bench.XXXXXX)
rmdir "$dir"
ns=bhbench$$

lab() { "$root/tests/lab/lab.sh" "$@"; }
on() { local node=$1; shift; lab bh "$dir" "$node" "$@"; }
end() {
	local n
	for n in plain1 plain2 far1 far2 bridge left right; do ip netns del "$ns-$n" 2>/dev/null || true; done
	[ ! -e "$dir" ] || { rm -f "$dir"/*.*; lab down "$dir"; }
}
trap end EXIT

# ---- what is measured: PREFIX of a command in the sender, of one in the receiver, its address ----
pod_pid() { # NODE POD
	local uid
	uid=$(on "$1" get pods "$2" -n red -o json | awk -F'"' '$2 == "uid" {print $4; exit}')
	head -n 1 "$(find /sys/fs/cgroup -path "*/bh-lab-$(basename "$dir")-$1/red/pod$uid/main/cgroup.procs" -print -quit)"
}
pod_address() { on "$1" get pods "$2" -n red -o wide --no-headers | awk '{print $6}'; }
pods_make() {
	local node pod
	lab up "$dir" 2 >/dev/null
	"$root/examples/build-image.sh" "$dir/busybox.tar" busybox:demo >/dev/null
	on a create project red >/dev/null
	for pod in a-from a-to b-to; do
		node=${pod%-*}
		[ "$pod" = a-to ] || on "$node" image import "$dir/busybox.tar" >/dev/null
		sleeper "$pod" red | on "$node" apply -f - >/dev/null
		on "$node" wait pod "$pod" -n red --for=condition=Ready --timeout=60s >/dev/null
	done
}

join() { # NAMESPACE NAME-THERE PEER-NAMESPACE NAME-THERE ADDRESS MTU
	ip link add "$2" netns "$ns-$1" mtu "$6" type veth peer name "$4" netns "$ns-$3" mtu "$6"
	[ -z "$5" ] || ip -n "$ns-$1" addr add "$5/24" dev "$2"
	ip -n "$ns-$1" link set "$2" up
	ip -n "$ns-$3" link set "$4" up
}
spaces_make() {
	local n
	for n in plain1 plain2 far1 far2 bridge left right; do
		ip netns add "$ns-$n"
		ip -n "$ns-$n" link set lo up
	done
	ip -n "$ns-bridge" link add name br0 type bridge
	ip -n "$ns-bridge" link set br0 up
	for n in 1 2; do
		join "plain$n" eth0 bridge "p$n" 10.9.0.$n 1550
		ip -n "$ns-bridge" link set "p$n" master br0
	done
	join left wire right wire 10.8.0.1 1600
	ip -n "$ns-right" addr add 10.8.0.2/24 dev wire
	vxlan left far1 1 2
	vxlan right far2 2 1
}
vxlan() { # NAMESPACE POD NUMBER OF-THE-OTHER
	ip -n "$ns-$1" link add vx mtu 1550 type vxlan id 7 remote "10.8.0.$4" local "10.8.0.$3" dstport 4789 dev wire
	ip -n "$ns-$1" link add name br0 mtu 1550 type bridge
	join "$2" eth0 "$1" pod "10.9.1.$3" 1550
	for link in vx pod; do ip -n "$ns-$1" link set "$link" master br0; done
	for link in vx br0; do ip -n "$ns-$1" link set "$link" up; done
}
checksums() { for n in plain1 plain2 far1 far2; do ip netns exec "$ns-$n" ethtool -K eth0 tx "$1" >/dev/null; done; }

in_ns() { local n=$1; shift; ip netns exec "$ns-$n" "$@"; }
in_pod() { local pid=$1; shift; nsenter --target "$pid" --net -- "$@"; }
# Mbit/s that came: KIND SENDER RECEIVER ADDRESS
stream() {
	local server got
	"$1" "$3" iperf3 -s -1 >/dev/null 2>&1 &
	server=$!
	sleep 0.3
	got=$("$1" "$2" timeout $((seconds + 20)) iperf3 -c "$4" -t "$seconds" -J |
		/usr/bin/python3 -c 'import json,sys; print(round(json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"] / 1e6))')
	wait "$server" || true
	echo "$got"
}
# The middle of what a row had.
middle() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

pods_make
spaces_make
from=$(pod_pid a a-from) near=$(pod_pid a a-to) far=$(pod_pid b b-to)
near_address=$(pod_address a a-to) far_address=$(pod_address b b-to)
in_pod "$from" ping -c 3 -W 2 "$far_address" >/dev/null || true
out=$dir/rows.d.
for _ in $(seq "$rounds"); do
	stream in_pod "$from" "$near" "$near_address" >>"${out}near"
	stream in_pod "$from" "$far" "$far_address" >>"${out}far"
	for tx in off on; do
		checksums $tx
		stream in_ns plain1 plain2 10.9.0.2 >>"${out}bridge-$tx"
		stream in_ns far1 far2 10.9.1.2 >>"${out}vxlan-$tx"
	done
done
row() { # TEXT OURS OTHER
	local ours other
	ours=$(middle <"$out$2") other=$(middle <"$out$3")
	printf '  %-56s %7d %7d %7.2f\n' "$1" "$ours" "$other" "$(/usr/bin/python3 -c "print($ours / $other)")"
}
datapath=$(on a get nodes a -o json | awk -F'"' '$2 == "datapath" {print $4; exit}')
printf '\nOne TCP stream, datapath %s (Mbit/s, ratio)\n  %-56s %7s %7s %7s\n' "${datapath:-?}" "" ours other ratio
row "one node, beside a Linux bridge, checksums by the sender" near bridge-off
row "one node, beside a Linux bridge" near bridge-on
row "across, beside kernel VXLAN, checksums by the sender" far vxlan-off
row "across, beside kernel VXLAN" far vxlan-on
