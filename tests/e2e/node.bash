# A whole node for one bats file: its own network namespace, folders, port and cgroup parent, so
# that files can run beside each other and beside a real node. Source from setup_file.

node_root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
export B=${B:-build}
case $B in /*) ;; *) B=$node_root/$B ;; esac
export bh=$B/bulkhead

# Folders and the network namespace, without a node yet.
node_place() {
	export node_dir
	node_dir=$(mktemp -d /tmp/bh-e2e.XXXXXX)
	chmod 755 "$node_dir"
	export node_state=$node_dir/state node_run=$node_dir/run
	export node_cgroup=${node_dir#/tmp/}
	# The namespace lives as long as this sleeper.
	unshare --net sleep 3600 >/dev/null 2>&1 3>&- &
	export node_netns=$!
	local try
	for try in $(seq 50); do
		[ "$(readlink "/proc/$node_netns/ns/net")" != "$(readlink /proc/self/ns/net)" ] && break
		[ "$try" -lt 50 ] || return 1
		sleep 0.1
	done
	in_netns ip link set lo up
	export BULKHEAD_CONTEXT=$node_state/context.yaml
}
# node_start [FLAGS OF INIT]
node_start() {
	[ -n "${node_dir:-}" ] || node_place
	in_netns "$bh" init --state-dir "$node_state" --run-dir "$node_run" --node-name e2e --ovs private \
		--cgroup-parent "$node_cgroup" --libexec-dir "$B" "$@" >"$node_dir/init.log" 2>&1 3>&- || {
		cat "$node_dir/init.log" >&2
		tail -n 30 "$node_state/agent.log" >&2
		return 1
	}
}

node_image() {
	"$node_root/examples/build-image.sh" "$node_dir/busybox.tar" busybox:demo &&
		bh image import "$node_dir/busybox.tar"
}

# Ends pods and daemons, then proves that nothing is left: processes, mounts, cgroups, folders.
node_stop() {
	local left=0
	[ -n "${node_dir:-}" ] || return 0
	if [ -e "$node_state/node.yaml" ]; then
		in_netns "$bh" down --state-dir "$node_state" --purge >"$node_dir/down.log" 2>&1 3>&- || {
			cat "$node_dir/down.log" >&2
			left=1
		}
	fi
	node_leftovers || left=1
	# What a failed test left behind goes by force, but only what carries this node's folder.
	pkill -KILL -f "$node_dir" 2>/dev/null
	kill -KILL "$node_netns" 2>/dev/null
	find /sys/fs/cgroup -depth -type d -path "*/$node_cgroup*" -exec rmdir {} \; 2>/dev/null
	rm -rf "$node_dir"
	return $left
}

node_leftovers() {
	local status=0
	if pgrep -f "$node_dir" >/dev/null; then
		echo "processes left:" >&2
		pgrep -af "$node_dir" >&2
		status=1
	fi
	if grep -q "$node_dir" /proc/self/mountinfo; then
		echo "mounts left:" >&2
		grep "$node_dir" /proc/self/mountinfo >&2
		status=1
	fi
	if [ -n "$(find /sys/fs/cgroup -type d -path "*/$node_cgroup*" 2>/dev/null)" ]; then
		echo "cgroups left:" >&2
		find /sys/fs/cgroup -type d -path "*/$node_cgroup*" >&2
		status=1
	fi
	if [ -n "$(in_netns ip -o link show type veth)" ]; then
		echo "veths left:" >&2
		in_netns ip -o link show type veth >&2
		status=1
	fi
	[ ! -e "$node_run" ] || { echo "left: $node_run" >&2; status=1; }
	return $status
}

in_netns() { nsenter --target "$node_netns" --net -- "$@"; }
bh() { in_netns "$bh" "$@" 3>&-; }
in_pod() {
	local project=$1 pod=$2
	shift 2
	bh exec -n "$project" "$pod" -- "$@"
}
pod_ip() { bh get pods "$2" -n "$1" -o wide --no-headers | awk '{print $6}'; }
# The host's pid of the first process of a pod's container.
pod_pid() {
	local uid
	uid=$(bh get pods "$2" -n "$1" -o json | awk -F'"' '$2 == "uid" {print $4; exit}')
	find /sys/fs/cgroup -path "*/$node_cgroup/$1/pod$uid/${3:-main}/cgroup.procs" -exec head -n 1 {} \; | head -n 1
}
# ping from a pod's network: Debian's busybox cannot, without a raw socket.
pod_ping() {
	local pid
	pid=$(pod_pid "$1" "$2") || return 1
	shift 2
	nsenter --target "$pid" --net -- ping "$@"
}
# The pid of a daemon of this node, by its program's path and this node's folder in its arguments
# (bulkhead-secretd has a network namespace of its own). A forked helper is younger than its daemon.
daemon_pid() { pgrep -o -f "^$B/$1 .*$node_dir/"; }
# Waits up to $1 seconds for the command to succeed.
eventually() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}
# A pod that sleeps: pod NAME PROJECT [yaml to append under spec]
sleeper() {
	cat <<Y
apiVersion: v1
kind: Pod
metadata: {name: $1, namespace: $2}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox:demo
    command: [sleep, "3600"]
${3:-}
Y
}
