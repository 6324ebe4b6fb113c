#!/usr/bin/env bats
# Network policies across nodes: pods of another node are peers by their labels, connections between
# nodes are judged at both, and no node speaks for another's pods.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	export lab_dir
	lab_dir=$(mktemp -d /tmp/bh-lab.XXXXXX)
	rmdir "$lab_dir"
	lab up "$lab_dir" 2
	"$node_root/examples/build-image.sh" "$lab_dir/busybox.tar" busybox:demo
	on a create project red
	on a create project blue
	local node
	for node in a b; do
		on $node image import "$lab_dir/busybox.tar"
		labelled "db-$node" red '{app: db}' | on $node apply -f -
		labelled "web-$node" red '{app: web}' | on $node apply -f -
		labelled "other-$node" blue '{app: web}' | on $node apply -f -
	done
	for node in a b; do
		on $node wait pod "db-$node" "web-$node" -n red --for=condition=Ready --timeout=60s
		on $node wait pod "other-$node" -n blue --for=condition=Ready --timeout=60s
	done
	eventually 10 reaches red web-a red db-b
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	rm -f "$lab_dir"/*.*
	lab down "$lab_dir"
	[ ! -e "$lab_dir" ]
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }

labelled() { sleeper "$1" "$2" | sed "s/^metadata: {\(.*\)}/metadata: {\1, labels: $3}/"; }
lab() { "$node_root/tests/lab/lab.sh" "$@"; }
on() { local node=$1; shift; lab bh "$lab_dir" "$node" "$@"; }
# Pods are named APP-NODE.
address_of() { on "${2##*-}" get pods "$2" -n "$1" -o wide --no-headers | awk '{print $6}'; }
pid_of() {
	local uid
	uid=$(on "${2##*-}" get pods "$2" -n "$1" -o json | awk -F'"' '$2 == "uid" {print $4; exit}')
	head -n 1 "$(find /sys/fs/cgroup -path "*/bh-lab-$(basename "$lab_dir")-${2##*-}/$1/pod$uid/main/cgroup.procs" -print -quit)"
}
in_net_of() {
	local pid
	pid=$(pid_of "$1" "$2") || return 1
	shift 2
	nsenter --target "$pid" --net -- "$@"
}
# FROM-PROJECT FROM-POD TO-PROJECT TO-POD
reaches() { in_net_of "$1" "$2" ping -c 1 -W 1 "$(address_of "$3" "$4")" >/dev/null; }
shut() { reaches "$@" && { echo "$* is open" >&2; return 1; }; return 0; }
put() { # NAME SPEC
	printf '{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "%s", "namespace": "red"}, "spec": %s}' "$@" |
		on a apply -f -
}
db_from_web='{"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]}'

@test "pods of the other node are peers by their labels, at each node" {
	reaches red db-a red db-b
	put db-from-web "$db_from_web"
	eventually 10 shut red db-a red db-b
	eventually 10 shut red db-b red db-a
	eventually 10 reaches red web-a red db-b
	eventually 10 reaches red web-b red db-a
	reaches red web-a red db-a
	run lab run "$lab_dir" a ovsdb-client dump "unix:$lab_dir/a/run/ovs/cluster.sock" Bulkhead Node pods
	[[ $output == *"$(address_of red web-b) red app=web"* ]]
	# Replies to what they open themselves, over two nodes.
	reaches red db-a red web-b
	shut blue other-a red db-b
}
@test "egress to the other node's pods" {
	put web-out '{"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"], "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]}'
	eventually 10 shut red web-a red db-b
	eventually 10 reaches red web-a red web-b
	on a delete networkpolicy web-out -n red
	eventually 10 reaches red web-a red db-b
}
@test "a pod that comes and goes at one node is known at the other" {
	labelled late-b red '{app: web}' | on b apply -f -
	on b wait pod late-b -n red --for=condition=Ready --timeout=60s
	eventually 10 reaches red late-b red db-a
	on b delete pod late-b -n red
	labelled late-b red '{app: none}' | on b apply -f -
	on b wait pod late-b -n red --for=condition=Ready --timeout=60s
	sleep 1
	shut red late-b red db-a
	on b delete pod late-b -n red
}
@test "policies are set at the manager; another node says so" {
	echo '{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "x", "namespace": "red"}, "spec": {}}' >"$lab_dir/x.json"
	run on b apply -f "$lab_dir/x.json"
	[ "$status" = 1 ]
	[[ $output == *"is changed at the cluster's manager"* ]]
	[ "$(on b get netpol -n red -o name)" = networkpolicy/db-from-web ]
}
@test "without policies no node says which pods it has" {
	on a delete networkpolicy db-from-web -n red
	eventually 10 reaches red db-a red db-b
	sleep 1
	run lab run "$lab_dir" a ovsdb-client dump "unix:$lab_dir/a/run/ovs/cluster.sock" Bulkhead Node pods
	[ "$status" = 0 ]
	[[ $output != *app=* ]]
}
