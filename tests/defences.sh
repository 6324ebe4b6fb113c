#!/usr/bin/env bash
# A defence counts when its test fails without it: builds each program with one defence switched off
# (-DBULKHEAD_WEAK_...) and runs the test that must then fail. TAP. usage: defences.sh [PATTERN]
set -u
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
weak=build-weak
export CMOCKA_MESSAGE_OUTPUT=TAP

# switch | objects that know it, with commas between | program | how the test is run
# shellcheck disable=SC2016 # $B is expanded by the shell that runs the test
rows='
ACCEPT      | nodeagent/api/listener | bulkhead-api   | bats --formatter tap -f "hole 1" tests/e2e/api.bats
QUOTA       | nodeagent/api/server   | bulkhead-api   | bats --formatter tap -f "hole 2: a message" tests/e2e/api.bats
COMPRESSION | nodeagent/api/server   | bulkhead-api   | bats --formatter tap -f "hole 3" tests/e2e/api.bats
UNPACK      | nodeagent/api/call     | bulkhead-api   | bats --formatter tap -f "hole 4: a million" tests/e2e/api.bats
TLS         | nodeagent/api/tls      | bulkhead-api   | bats --formatter tap -f "TLS 1.3 only" tests/e2e/api.bats
GUARD       | netplugin/main         | bulkhead-netd  | $B/tests/priv/net/test_isolation
SPOOF       | netplugin/flows        | bulkhead-netd  | $B/tests/priv/net/test_isolation
TENANCY     | netplugin/flows        | bulkhead-netd  | $B/tests/priv/net/test_isolation
POLICY      | netplugin/policy       | bulkhead-netd  | $B/tests/priv/net/test_policy
MIDSTREAM   | netplugin/policy       | bulkhead-netd  | $B/tests/priv/net/test_policy
PEER_PODS   | nodeagent/agent/peer_pods | tests/unit/test_peer_pods | $B/tests/unit/test_peer_pods
POLICY_HOLD | netplugin/main         | bulkhead-netd  | $B/tests/priv/net/test_policy
EGRESS_NODE    | netplugin/gateway_rules | bulkhead-netd | $B/tests/priv/net/test_egress
EGRESS_UNASKED | netplugin/gateway_rules | bulkhead-netd | $B/tests/priv/net/test_egress
EGRESS_ALONE   | netplugin/gateway_rules | bulkhead-netd | $B/tests/priv/net/test_egress
EGRESS_FIREWALL | netplugin/firewall     | bulkhead-netd | $B/tests/priv/net/test_firewall
EGRESS_BACK    | netplugin/firewall      | bulkhead-netd | $B/tests/priv/net/test_firewall
EGRESS_SHARED  | netplugin/firewall      | bulkhead-netd | $B/tests/priv/net/test_firewall
EGRESS_PLACES  | netplugin/flows         | bulkhead-netd | $B/tests/priv/net/test_egress
FLOW_CHECK  | netplugin/flow_sync    | bulkhead-netd  | $B/tests/priv/net/test_life
BANDWIDTH   | netplugin/limits       | bulkhead-netd  | $B/tests/priv/net/test_bandwidth
TUNNEL      | netplugin/flows        | bulkhead-netd  | bats --formatter tap -f "no node reaches nobody" tests/e2e/cluster.bats
TUNNEL      | netplugin/flows        | bulkhead-netd  | bats --formatter tap -f "pose as another" tests/e2e/cluster.bats
ACCESS      | nodeagent/agent/ovs    | bulkhead-agent | bats --formatter tap -f "writes its own row" tests/e2e/cluster.bats
JOIN_NAME   | nodeagent/agent/methods_join | bulkhead-agent | bats --formatter tap -f "a token is for one node" tests/e2e/cluster.bats
CLUSTER_ROWS | nodeagent/cluster/row  | tests/unit/cluster/test_row | $B/tests/unit/cluster/test_row
ROWS        | netplugin/adopt        | bulkhead-netd  | $B/tests/priv/net/test_life
DENY_METER  | netplugin/denials      | bulkhead-netd  | bats --formatter tap -f "a flood is counted" tests/e2e/denials.bats
TRACE_SEES  | nodeagent/agent/methods_trace | bulkhead-agent | bats --formatter tap -f "a tenant: of others" tests/e2e/network_debug.bats
CNI_PEER    | netplugin/cni          | bulkhead-netd  | $B/tests/priv/net/test_cni_socket
RELEASED    | nodeagent/cluster/move | bulkhead-clusterd | $B/tests/priv/cluster/test_changes
SEALING_KEY | nodeagent/ctl/create   | bulkhead       | bats --formatter tap -f "did not sign" tests/e2e/create.bats
PATH        | nodeagent/image/entry_path    | tests/unit/test_image_hostile  | $B/tests/unit/test_image_hostile
BENEATH     | nodeagent/image/layer_dir     | tests/unit/test_image_hostile  | $B/tests/unit/test_image_hostile
DEVICES     | nodeagent/image/layer         | tests/unit/test_image_hostile  | $B/tests/unit/test_image_hostile
RATIO       | nodeagent/image/budget        | tests/unit/test_image_hostile  | $B/tests/unit/test_image_hostile
RATIO       | nodeagent/image/spool         | tests/unit/test_image_hostile  | $B/tests/unit/test_image_hostile
DIGEST      | nodeagent/image/spool         | tests/unit/test_image_hostile  | $B/tests/unit/test_image_hostile
DIGEST      | nodeagent/image/unpack        | tests/unit/test_image_hostile  | $B/tests/unit/test_image_hostile
DIGEST      | nodeagent/image/unpack_plan   | tests/unit/test_image_unpack   | $B/tests/unit/test_image_unpack
MEDIA       | nodeagent/image/manifest      | tests/unit/test_image_manifest | $B/tests/unit/test_image_manifest
STAGED      | nodeagent/image/import_commit | tests/unit/test_image_store    | $B/tests/unit/test_image_store
CONFINE     | nodeagent/image/main          | bulkhead-unpack                | $B/tests/priv/test_image_confined
PARENT      | nodeagent/image/main          | bulkhead-unpack                | $B/tests/priv/test_image_confined
SEAL        | nodeagent/shim/main           | bulkhead-shim | $B/tests/priv/escapes/test_runtime
DESCRIPTORS | nodeagent/shim/main,nodeagent/shim/child_identity | bulkhead-shim | $B/tests/priv/escapes/test_runtime
CWD         | nodeagent/shim/child_identity | bulkhead-shim | $B/tests/priv/escapes/test_runtime
DUMPABLE    | nodeagent/shim/sys            | bulkhead-shim | $B/tests/priv/escapes/test_runtime
REAL_DIR    | nodeagent/shim/child_root,nodeagent/shim/child_system | bulkhead-shim | $B/tests/priv/escapes/test_image
MASK        | nodeagent/shim/child_system   | bulkhead-shim | $B/tests/priv/escapes/test_image
WALK        | nodeagent/shim/mnt            | bulkhead-shim | $B/tests/priv/escapes/test_image
TARGET_FS   | nodeagent/shim/mnt            | bulkhead-shim | $B/tests/priv/escapes/test_image
PASSWD      | nodeagent/shim/user           | bulkhead-shim | $B/tests/priv/escapes/test_image
PROC        | nodeagent/shim/child_identity | bulkhead-shim | $B/tests/priv/escapes/test_image
NON_ROOT    | nodeagent/shim/user           | bulkhead-shim | $B/tests/priv/test_shim_container
INHERITABLE | nodeagent/shim/caps           | bulkhead-shim | $B/tests/priv/test_shim_container
SYSCTL      | nodeagent/shim/sysctl         | bulkhead-shim | $B/tests/priv/test_shim_sandbox
CALLS       | nodeagent/shim/seccomp_default | bulkhead-shim | $B/tests/priv/escapes/test_calls
ARGUMENTS   | nodeagent/shim/seccomp_default | bulkhead-shim | $B/tests/priv/escapes/test_calls
UNKNOWN     | nodeagent/shim/seccomp_default | bulkhead-shim | $B/tests/priv/escapes/test_calls
ABI         | nodeagent/shim/seccomp_default | bulkhead-shim | $B/tests/priv/escapes/test_calls
CGROUP_FILES| nodeagent/shim/child_system    | bulkhead-shim | $B/tests/priv/escapes/test_kernel
KEYRING     | nodeagent/shim/child_identity  | bulkhead-shim | $B/tests/priv/escapes/test_kernel
READ_ONLY   | nodeagent/shim/child_system    | bulkhead-shim | $B/tests/priv/escapes/test_kernel
MASK        | nodeagent/shim/child_system    | bulkhead-shim | $B/tests/priv/escapes/test_kernel
CORE        | nodeagent/shim/child_identity  | bulkhead-shim | $B/tests/priv/escapes/test_kernel
NOSWAP      | nodeagent/shim/tmpfs           | bulkhead-shim | $B/tests/priv/escapes/test_kernel
NOSUID      | nodeagent/shim/child_volumes   | bulkhead-shim | $B/tests/priv/escapes/test_kernel
PRIVILEGES  | nodeagent/shim/start           | bulkhead-shim | $B/tests/priv/escapes/test_kernel
DEVICE_GROUP| nodeagent/shim/sandbox         | bulkhead-shim | $B/tests/priv/escapes/test_kernel
JOURNAL     | nodeagent/shim/journal         | bulkhead-shim | $B/tests/priv/escapes/test_log
PROBER      | nodeagent/shim/probe_net       | bulkhead-shim | $B/tests/priv/test_shim_probe
STORAGE     | nodeagent/shim/sandbox         | bulkhead-shim | $B/tests/priv/test_shim_storage
CHARGES     | nodeagent/shim/sandbox_ns      | bulkhead-shim | $B/tests/priv/escapes/test_use
TERMINALS   | nodeagent/shim/child_system    | bulkhead-shim | $B/tests/priv/escapes/test_use
MEMORY      | nodeagent/shim/start           | bulkhead-shim | $B/tests/priv/escapes/test_use
RECORDS     | nodeagent/shim/cri_log         | bulkhead-shim | $B/tests/priv/escapes/test_text
NAMES       | nodeagent/shim/plan_check      | bulkhead-shim | $B/tests/priv/escapes/test_text
PATHS       | nodeagent/shim/plan_check      | bulkhead-shim | $B/tests/priv/escapes/test_text
LOCK        | nodeagent/shim/sandbox         | bulkhead-shim | $B/tests/priv/escapes/test_text
WAY_UP      | nodeagent/shim/sandbox         | bulkhead-shim | $B/tests/priv/test_shim_sandbox
LANDLOCK    | lib/confine                     | tests/priv/test_landlock | $B/tests/priv/test_landlock
SHIM_CAPS   | nodeagent/shim/caps            | bulkhead-shim | bats --formatter tap -f "no right over the machine" tests/e2e/processes.bats
WALK        | nodeagent/shim/mnt              | bulkhead-shim | $B/tests/priv/escapes/test_race
DISK_IO       | nodeagent/shim/start          | bulkhead-shim  | $B/tests/priv/test_shim_cgroup
QUOTAS        | nodeagent/agent/methods_apply | bulkhead-agent | bats --formatter tap -f "a pod that fits" tests/e2e/quotas.bats
CALLER        | nodeagent/agent/methods_stream | bulkhead-agent | bats --formatter tap -f "cannot debug it so" tests/e2e/debug.bats
PROJECT_GROUP | nodeagent/agent/quotas        | bulkhead-agent | bats --formatter tap -f "binds its pods together" tests/e2e/quotas.bats
'
n=0 failed=0
while IFS='|' read -r name object program test; do
	name=${name// /} object=${object// /} program=${program// /}
	case $name in '') continue ;; *"${1:-}"*) ;; *) continue ;; esac
	n=$((n + 1))
	rm -rf "$weak" && cp -a "$B" "$weak" && rm -f "$weak/$program"
	for o in ${object//,/ }; do rm -f "$weak/$o.o"; done
	if ! make --no-print-directory B="$weak" CPPFLAGS="-DBULKHEAD_WEAK_$name" CFLAGS=-Wno-error "$weak/$program" >"$weak.log" 2>&1; then
		tail -n 5 "$weak.log" >&2
		echo "not ok $n - $program builds without $name"
		failed=1
	elif B=$weak timeout 300 bash -c "$test" >"$weak.log" 2>&1; then
		echo "not ok $n - without $name a test of $program fails"
		failed=1
	elif ! grep -q "^not ok" "$weak.log"; then
		tail -n 5 "$weak.log" >&2
		echo "not ok $n - without $name the test runs at all"
		failed=1
	else
		echo "ok $n - without $name its test fails"
		grep "^not ok [0-9]" "$weak.log" | sed 's/^not ok/# fails:/'
	fi
done <<<"$rows"
echo "1..$n"
rm -rf "$weak" "$weak.log"
exit $failed
