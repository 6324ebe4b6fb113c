#!/usr/bin/env bash
# What `make bench` prints: pod start beside runc and crun in one run, what each stage costs, starts and
# memory with many pods, and the launcher alone beside crun, runc and bubblewrap. As root; a node of its
# own in a network namespace.
#
#   RUNS=30   starts of each kind, taken in turn    PODS=250   pods of a whole node alive at once
#                                                   CROWD=1000 of launchers alone
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
export BATS_TEST_DIRNAME=$root/tests/e2e
# shellcheck source=tests/e2e/node.bash
. "$root/tests/e2e/node.bash"

# The names that our default filter allows, as OCI has them.
seccomp_make() {
	/usr/bin/python3 - "$root/nodeagent/shim/seccomp_default.c" <<-'P'
	import json, re, sys
	table = re.search(r"const allowed\[\] = \{(.*?)\n\};", open(sys.argv[1]).read(), re.S).group(1)
	print(json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
	    "architectures": ["SCMP_ARCH_X86_64"],
	    "syscalls": [{"action": "SCMP_ACT_ALLOW", "names": re.findall(r'"(\w+)"', table)}]}))
	P
}

# The same image, limits and identity for an OCI runtime, without network and secrets.
bundle_make() {
	local oci=$node_dir/oci rootfs=$node_dir/bundle/rootfs host=300000000
	mkdir -p "$oci" "$rootfs"
	tar -C "$oci" -xf "$node_dir/busybox.tar"
	tar -C "$rootfs" -xf "$(find "$oci/blobs" -type f -size +100k | head -n 1)"
	cp "$B/tests/bench/now" "$rootfs/bin/now"
	chown -hR $host:$host "$rootfs"
	chmod 755 "$node_dir/bundle" "$rootfs"
	cat >"$node_dir/bundle/config.json" <<J
{"ociVersion": "1.0.2", "hostname": "bench", "root": {"path": "rootfs", "readonly": false},
 "process": {"cwd": "/", "args": ["/bin/now"], "env": ["PATH=/bin"], "noNewPrivileges": true,
  "user": {"uid": 0, "gid": 0}, "capabilities": {}},
 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
  {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}],
 "linux": {"namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "user"}],
  "uidMappings": [{"containerID": 0, "hostID": $host, "size": 65536}],
  "gidMappings": [{"containerID": 0, "hostID": $host, "size": 65536}],
  "resources": {"memory": {"limit": 67108864}, "cpu": {"quota": 50000, "period": 100000}},
  "seccomp": $(seccomp_make),
  "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"], "readonlyPaths": ["/proc/sys", "/proc/irq"]}}
J
}

fail() {
	echo "bench: $1" >&2
	exit 1
}
trap node_stop EXIT
node_start --no-start || fail "no node"
sed -i 's/^maxPods: .*/maxPods: 1000/; s/^hostSubnetBits: .*/hostSubnetBits: 11/' "$node_state/node.yaml"
in_netns "$bh" up --state-dir "$node_state" >/dev/null || fail "the node does not start"
node_image >/dev/null || fail "no image"
bundle_make || fail "no bundle"
bh create project red >/dev/null || fail "no project"
bh create secret generic db -n red --from-literal=password=bench >/dev/null || fail "no secret"
/usr/bin/python3 "$root/tests/bench/measure.py" "${RUNS:-30}" "${PODS:-250}" || fail "not measured"
/usr/bin/python3 "$root/tests/bench/neighbour.py" "${ROUNDS:-3}" || fail "no neighbours"
"$B/tests/bench/bench_net" "${NET_PODS:-250}" 2>/dev/null || fail "the network was not measured"
"$B/tests/bench/bench_flows" 2>/dev/null || fail "the flows of a large cluster were not measured"
"$root/tests/bench/throughput.sh" || fail "no throughput"
printf '\nThe shim alone, without agent, network and secrets\n'
"$B/tests/bench/bench_launch" "$node_dir/bundle" 50 "${CROWD:-1000}"
