# A node on an Open vSwitch that is there already. Run in a mount namespace of its own, where
# /run/openvswitch is this script's; prints what is wrong and ends with 1.
set -eE
trap 'echo "line $LINENO: $BASH_COMMAND"' ERR
BATS_TEST_DIRNAME=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/e2e/node.bash
source "$BATS_TEST_DIRNAME/node.bash"

run=/run/openvswitch
export OVS_RUNDIR=$run OVS_LOGDIR=$run
# shellcheck disable=SC2317 # called by the trap
cleanup() {
	local p
	node_stop || true
	for p in ovs-vswitchd ovsdb-server; do
		[ ! -e "$run/$p.pid" ] || kill "$(cat "$run/$p.pid")"
	done
}
trap cleanup EXIT

mkdir -p "$run"
mount -t tmpfs none "$run"
node_place
ovsdb-tool create "$run/conf.db" /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server "$run/conf.db" --remote="punix:$run/db.sock" --pidfile --detach -vconsole:off
ovs-vsctl --no-wait init
in_netns ovs-vswitchd --pidfile --detach -vconsole:off
in_netns ovs-vsctl add-br other -- set bridge other datapath_type=netdev

node_start --ovs auto --bridge bhbr
grep -q '^ovs: system' "$node_state/node.yaml"
[ "$(pgrep -fc "ovs-vswitchd .*$node_dir" || true)" = 0 ]
node_image
bh create project red
sleeper one red | bh apply -f -
bh wait pod one -n red --for=condition=Ready --timeout=60s
ovs-vsctl list-ports bhbr | grep -q '^bh'

in_netns "$bh" down --state-dir "$node_state" --purge
[ "$(ovs-vsctl list-br)" = other ]
[ -z "$(in_netns ip -o link show type veth)" ]
in_netns ip link show other >/dev/null
node_leftovers
in_netns ovs-vsctl del-br other
