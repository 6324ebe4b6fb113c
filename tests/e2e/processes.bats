#!/usr/bin/env bats
# The processes and their rights, read from /proc: not what they say, what the kernel says.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start
	node_image
	bh create project red
	sleeper one red | bh apply -f -
	bh wait pod one -n red --for=condition=Ready --timeout=60s
	local name
	for name in agent api netd secretd clusterd shim; do
		export "pid_$name=$(daemon_pid "bulkhead-$name")"
	done
	for name in netd clusterd; do
		local v=pid_$name
		export "pid_${name}_connector=$(pgrep -P "${!v}")"
	done
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }

status_of() { awk -v k="$2:" '$1 == k {print $2}' "/proc/$1/status"; }
# Network sockets among a process's descriptors: its socket inodes that the namespace's tables list.
network_sockets() {
	local inodes
	inodes=$(find "/proc/$1/fd" -lname 'socket:*' -printf '%l\n' | tr -dc '0-9\n')
	local i
	for i in $inodes; do
		awk -v i="$i" '$10 == i || $9 == i' "/proc/$1/net/tcp" "/proc/$1/net/tcp6" "/proc/$1/net/udp" \
			"/proc/$1/net/udp6" "/proc/$1/net/raw" "/proc/$1/net/packet" 2>/dev/null
	done
}

@test "all six run" {
	local name
	for name in agent api netd secretd clusterd shim; do
		local v=pid_$name
		[ -n "${!v}" ]
		[ -d "/proc/${!v}" ]
	done
}
@test "agent and shim are root; the others have ids of their own, all different" {
	[ "$(status_of "$pid_agent" Uid)" = 0 ]
	[ "$(status_of "$pid_shim" Uid)" = 0 ]
	ids=$(for p in $pid_api $pid_netd $pid_secretd $pid_clusterd; do awk '$1 == "Uid:" {print $2 "\n" $3 "\n" $4 "\n" $5}' "/proc/$p/status" | sort -u; done)
	[ "$(wc -l <<<"$ids")" = 4 ]
	[ "$(sort -u <<<"$ids" | wc -l)" = 4 ]
	! grep -qx 0 <<<"$ids" || false
}
@test "api, secretd and clusterd hold no capability in any set" {
	for p in $pid_api $pid_secretd $pid_clusterd; do
		for set in CapInh CapPrm CapEff CapBnd CapAmb; do
			[ "$(status_of "$p" $set)" = 0000000000000000 ]
		done
	done
}
@test "netd holds CAP_NET_ADMIN alone" {
	[ "$(status_of "$pid_netd" CapEff)" = 0000000000001000 ]
	[ "$(status_of "$pid_netd" CapPrm)" = 0000000000001000 ]
	[ "$(status_of "$pid_netd" CapInh)" = 0000000000000000 ]
	[ "$(status_of "$pid_netd" CapAmb)" = 0000000000000000 ]
	[ "$(status_of "$pid_netd" CapBnd)" = 0000000000000000 ]
}
@test "the confined four run under seccomp and no_new_privs, without supplementary groups" {
	for p in $pid_api $pid_netd $pid_secretd $pid_clusterd; do
		[ "$(status_of "$p" Seccomp)" = 2 ]
		[ "$(status_of "$p" NoNewPrivs)" = 1 ]
		[ -z "$(status_of "$p" Groups)" ]
	done
}
@test "only api has a network socket" {
	[ -n "$(network_sockets "$pid_api")" ]
	for p in $pid_agent $pid_secretd $pid_clusterd $pid_shim; do
		[ -z "$(network_sockets "$p")" ]
	done
}
@test "what forks has no gRPC mapped" {
	for p in $pid_agent $pid_shim $pid_netd $pid_secretd $pid_clusterd; do
		! grep -q libgrpc "/proc/$p/maps" || false
	done
	grep -q libgrpc "/proc/$pid_api/maps"
}
@test "the agent has one thread" {
	[ "$(status_of "$pid_agent" Threads)" = 1 ]
}
# What each process may, from outside: uid, permitted = effective, bounding, no_new_privs, seccomp.
@test "the table of rights" {
	local row name uid caps bound nnp seccomp
	while read -r name uid caps bound nnp seccomp; do
		local v=pid_$name s
		s=/proc/${!v}/status
		[ "$(status_of "${!v}" Uid)" = "$uid" ] || { echo "$name: uid"; return 1; }
		[ "$(status_of "${!v}" CapPrm)" = "$caps" ] && [ "$(status_of "${!v}" CapEff)" = "$caps" ] || { echo "$name: caps"; return 1; }
		[ "$(status_of "${!v}" CapBnd)" = "$bound" ] || { echo "$name: bounding"; return 1; }
		[ "$(status_of "${!v}" NoNewPrivs)" = "$nnp" ] && [ "$(status_of "${!v}" Seccomp)" = "$seccomp" ] || { echo "$name: filter"; return 1; }
		[ "$(status_of "${!v}" CapInh)" = 0000000000000000 ] && [ "$(status_of "${!v}" CapAmb)" = 0000000000000000 ] || { echo "$name: inheritable"; return 1; }
	done <<-T
		api                64201 0000000000000000 0000000000000000 1 2
		secretd            64202 0000000000000000 0000000000000000 1 2
		clusterd           64203 0000000000000000 0000000000000000 1 2
		netd               64204 0000000000001000 0000000000000000 1 2
		netd_connector     64204 0000000000000002 0000000000000000 1 2
		clusterd_connector 64203 0000000000000002 0000000000000000 1 2
	T
}
@test "the shim of a pod with a user namespace has no right over the machine itself" {
	# SYS_MODULE, SYS_RAWIO, SYS_BOOT, SYS_TIME, SYS_PACCT, SYSLOG, WAKE_ALARM, BLOCK_SUSPEND, AUDIT_CONTROL,
	# AUDIT_READ, NET_BROADCAST, NET_RAW, NET_BIND_SERVICE, LEASE, MAC_OVERRIDE, PERFMON, CHECKPOINT_RESTORE
	local cap set
	for set in CapPrm CapEff CapBnd CapInh; do
		for cap in 16 17 22 25 20 34 35 36 30 37 11 13 10 28 32 38 40; do
			[ $((0x$(status_of "$pid_shim" $set) >> cap & 1)) = 0 ] || { echo "$set $cap"; return 1; }
		done
	done
	# What it builds with stays: SYS_ADMIN.
	[ $((0x$(status_of "$pid_shim" CapEff) >> 21 & 1)) = 1 ]
}
@test "the confined see an empty root and a mount namespace of their own" {
	for p in $pid_api $pid_secretd $pid_netd $pid_clusterd; do
		[ -z "$(ls -A "/proc/$p/root/")" ]
		[ "$(readlink "/proc/$p/ns/mnt")" != "$(readlink "/proc/$pid_agent/ns/mnt")" ]
	done
}
@test "secretd is in a network namespace of its own and locks its memory" {
	[ "$(readlink "/proc/$pid_secretd/ns/net")" != "$(readlink "/proc/$pid_agent/ns/net")" ]
	[ "$(awk '$1 == "VmLck:" {print $2}' "/proc/$pid_secretd/status")" -gt 0 ]
}
@test "the holders of secrets are not dumpable" {
	for p in $pid_secretd $pid_api $pid_netd $pid_clusterd $pid_netd_connector $pid_clusterd_connector; do
		[ "$(stat -c %u "/proc/$p/environ")" = 0 ]
	done
	grep -q 'Max core file size *0 *0 ' "/proc/$pid_secretd/limits"
}
@test "the shim's socket lets only root in" {
	sock=$(echo "$node_run"/pods/*/shim.sock)
	[ -S "$sock" ]
	[ "$(stat -c %a "$(dirname "$sock")")" = 700 ]
	run setpriv --reuid 65534 --regid 65534 --clear-groups test -e "$sock"
	[ "$status" != 0 ]
}
@test "an unprivileged user reads nothing of the state" {
	run setpriv --reuid 65534 --regid 65534 --clear-groups find "$node_state/keys" "$node_state/pods" "$node_state/images" "$node_state/logs" -type f
	[ -z "$(grep "^$node_state" <<<"$output" | grep -v 'Permission denied')" ]
	run setpriv --reuid 65534 --regid 65534 --clear-groups cat "$node_state/pki/admin.key" "$node_state/pki/node.key" "$node_state/node.yaml"
	[ "$status" != 0 ]
}
