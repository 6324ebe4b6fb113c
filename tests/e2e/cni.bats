#!/usr/bin/env bats
# podman runs containers, not our agent, and bulkhead-cni attaches them: as pods of their project, beside
# those of the agent.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start
	node_image
	local p
	for p in red blue; do bh create project $p; done
	sleeper pod red | bh apply -f -
	bh wait pod pod -n red --for=condition=Ready --timeout=60s
	# Folders that podman's libraries make wherever its own are, and leave.
	made=
	for p in /run/runc /var/lib/cni; do [ -e $p ] || made="$made $p"; done
	export made
	podman_place
	for p in red:r1 red:r2 blue:b1; do run_container "${p%:*}" "${p#*:}"; done
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	[ -z "${node_podman:-}" ] || pm rm -f -t 0 -a || true
	find /sys/fs/cgroup -depth -type d \( -path "*/$node_cgroup/podman*" -o -name "$node_cgroup" \) \
		-exec rmdir {} \; 2>/dev/null
	case " $made " in *" /var/lib/cni "*) rmdir /var/lib/cni/results /var/lib/cni || true ;; esac
	case " $made " in *" /run/runc "*) rmdir /run/runc || true ;; esac
	node_stop
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }

# Everything of podman's in the node's folder; a root of one program; a network a project, and one of a
# project that is not there.
podman_place() {
	local d=$node_dir/podman p
	export node_podman=$d CONTAINERS_CONF=$d/containers.conf
	mkdir -p "$d"/{net.d,root,run,tmp} "$d"/rootfs/{bin,dev,etc,proc,sys}
	cp /bin/busybox "$d/rootfs/bin/"
	for p in red blue green; do
		cat >"$d/net.d/$p.conflist" <<-C
			{"cniVersion": "1.0.0", "name": "$p", "plugins": [
			  {"type": "bulkhead-cni", "project": "$p", "socket": "$node_run/cni.sock"}]}
		C
	done
	cat >"$CONTAINERS_CONF" <<-C
		[containers]
		default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
		log_driver = "none"
		[network]
		network_backend = "cni"
		cni_plugin_dirs = ["$B"]
		network_config_dir = "$d/net.d"
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "none"
	C
}
pm() {
	in_netns podman --runtime /usr/sbin/runc --root "$node_podman/root" --runroot "$node_podman/run" \
		--tmpdir "$node_podman/tmp" --storage-driver vfs "$@" 3>&-
}
run_container() {
	pm run -d --name "$2" --network "$1" --cgroup-parent "/$node_cgroup/podman" --rootfs "$node_podman/rootfs" \
		/bin/busybox sleep 3600
}
address() { pm inspect "$1" --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'; }
# One packet from a container.
reaches() {
	nsenter --target "$(pm inspect "$1" --format '{{.State.Pid}}')" --net -- ping -c 1 -W 1 "$2" >/dev/null
}
switch() { ovs-vsctl --db="unix:$node_run/ovs/db.sock" "$@"; }
cni_ports() { switch --bare --columns=name find port external_ids:bulkhead-owner=cni | grep -c . || true; }

@test "podman's containers are in their network's project, and in no other" {
	reaches r1 "$(address r2)"
	reaches r2 "$(address r1)"
	! reaches r1 "$(address b1)" || false
	! reaches b1 "$(address r1)" || false
}
@test "beside the agent's pods: their own project's is reached, both ways" {
	reaches r1 "$(pod_ip red pod)"
	pod_ping red pod -c 1 -W 1 "$(address r1)"
	! reaches b1 "$(pod_ip red pod)" || false
	! pod_ping red pod -c 1 -W 1 "$(address b1)" || false
}
@test "what podman shows is what the node gave" {
	[[ $(address r1) == 10.128.* ]]
	pm exec r1 /bin/busybox ip addr show eth0 | grep -q "inet $(address r1)/14 "
	pm exec r1 /bin/busybox ip link show eth0 | grep -q "mtu 1450"
	[ "$(cni_ports)" = 3 ]
}
@test "joined and isolated with their projects" {
	bh network join-projects --to=red blue --wait
	reaches b1 "$(address r1)"
	bh network isolate-projects blue --wait
	eventually 5 eval '! reaches b1 "$(address r1)"'
}
@test "kill -9 of netd and of the agent: they are there, and others come" {
	kill -9 "$(daemon_pid bulkhead-netd)"
	reaches r1 "$(address r2)"
	# While netd is away, podman waits for the next.
	# The one that has just begun may not know the projects yet, and says so: the runtime tries again.
	eventually 10 eval 'pm rm -f r3 >/dev/null 2>&1; run_container red r3'
	reaches r3 "$(address r1)"
	kill -9 "$(cat "$node_run/agent.pid")"
	reaches r1 "$(address r2)"
	in_netns "$bh" up --state-dir "$node_state" 3>&-
	eventually 20 eval 'bh get nodes --no-headers | grep -qw Ready'
	[ "$(cni_ports)" = 4 ]
	reaches r1 "$(address r3)"
	! reaches b1 "$(address r1)" || false
	run_container blue b2
	reaches b2 "$(address b1)"
	pm rm -f -t 0 r3 b2
	[ "$(cni_ports)" = 3 ]
}
@test "a project that is not there is named, and comes to be there" {
	run run_container green g1
	[ "$status" != 0 ]
	[[ $output == *"there is no project 'green'"* ]]
	[ "$(cni_ports)" = 3 ]
	pm rm -f g1
	bh create project green
	run_container green g1
	! reaches g1 "$(address r1)" || false
	[ "$(cni_ports)" = 4 ]
}
@test "a container's port goes with its project" {
	bh delete project green
	eventually 10 eval '[ "$(cni_ports)" = 3 ]'
	pm rm -f -t 0 g1
}
@test "what podman removes leaves nothing, and the agent's pod stays" {
	pm rm -f -t 0 r1 r2 b1
	[ "$(cni_ports)" = 0 ]
	[ "$(in_netns ip -o link show type veth | wc -l)" = 1 ]
	bh get pods pod -n red --no-headers | grep -qw Running
}
@test "the socket is root's alone" {
	[ "$(stat -c '%a %u' "$node_run/cni.sock")" = "600 0" ]
	run in_netns setpriv --reuid 65534 --clear-groups env CNI_COMMAND=STATUS "$B/bulkhead-cni" \
		<<<"{\"cniVersion\":\"1.1.0\",\"name\":\"x\",\"type\":\"x\",\"socket\":\"$node_run/cni.sock\"}"
	[ "$status" = 1 ]
	[[ $output == *'"code": 50'* ]]
	[[ $output == *"Permission denied"* ]]
}
