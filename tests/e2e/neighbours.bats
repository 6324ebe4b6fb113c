#!/usr/bin/env bats
# Tenants who take all they can: each meets the limit that its pod asked for, and a pod of another
# project goes on answering. Descriptors, watches, queues and terminals: tests/priv/escapes/test_use.
# What all that costs the other one is measured by `make bench`.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start
	node_image
	bh create project red
	bh create project blue
	sleeper ask blue | bh apply -f -
	sleeper serve blue | sed 's|\[sleep, "3600"\]|[httpd, -f, -p, "8080", -h, /etc]|' | bh apply -f -
	bh wait pod ask serve -n blue --for=condition=Ready --timeout=30s
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }
teardown() { bh delete pods --all -n red --force --timeout=20s; }

# attack NAME LIMITS SCRIPT: a pod that does nothing but that.
attack() {
	bh apply -f - <<-Y
		apiVersion: v1
		kind: Pod
		metadata: {name: $1, namespace: red}
		spec:
		  terminationGracePeriodSeconds: 0
		  containers:
		  - name: main
		    image: busybox:demo
		    command: [sh, -c, '$3']
		    resources: {limits: {$2}}
	Y
	eventually 20 bash -c "source '$BATS_TEST_DIRNAME/node.bash'; bh get pod $1 -n red | grep -Eq 'Running|OOMKilled|CrashLoopBackOff'"
}
# The pod of the other project answers a request of its neighbour.
others_are_served() {
	local address
	address=$(bh get pod serve -n blue -o wide --no-headers | awk '{print $6}')
	run in_pod blue ask timeout 10 wget -q -O - "http://$address:8080/hostname"
	echo "$output"
	[ "$output" = serve ]
}
# group CONTROLLER POD: the container's cgroup, on v1 and v2.
group() {
	local uid
	uid=$(bh get pod "$2" -n red -o yaml | awk '$1 == "uid:" {print $2}')
	ls -d "/sys/fs/cgroup/$1/$node_cgroup/red/pod$uid/main" 2>/dev/null ||
		ls -d "/sys/fs/cgroup/$node_cgroup/red/pod$uid/main"
}

@test "a memory bomb ends alone" {
	attack memory 'memory: 32Mi' 'tail /dev/zero'
	eventually 20 bash -c "source '$BATS_TEST_DIRNAME/node.bash'; bh get pod memory -n red -o yaml | grep -q OOMKilled"
	others_are_served
}
@test "a fork bomb stops at the pod's processes" {
	attack fork 'memory: 128Mi, cpu: 500m' 'f() { f | f & }; f; sleep 3600'
	sleep 2
	local dir
	dir=$(dirname "$(group pids fork)")
	[ "$(cat "$dir/pids.max")" = 4096 ]
	[ "$(cat "$dir/pids.current")" -le 4096 ]
	others_are_served
}
@test "a CPU hog is throttled" {
	attack cpu 'cpu: 200m' 'for i in 1 2 3 4; do while :; do :; done & done; wait'
	eventually 10 bash -c "awk '\$1 == \"nr_throttled\" && \$2 > 5 {found = 1} END {exit !found}' '$(group cpu cpu)/cpu.stat'"
	others_are_served
}
@test "a disk filler fills its own share" {
	attack disk 'ephemeral-storage: 32Mi' 'dd if=/dev/zero of=/tmp/fill bs=65536; sleep 3600'
	eventually 30 bash -c "source '$BATS_TEST_DIRNAME/node.bash'; bh logs disk -n red | grep -q 'No space left'"
	others_are_served
	local image
	image=$(find "$node_state/pods" -name storage.img)
	[ "$(stat -c %s "$image")" -lt $((48 << 20)) ]
	# The node's own disk is nearly as free as before; another pod writes.
	in_pod blue ask sh -c 'echo x >/tmp/x && cat /tmp/x'
}
@test "a log flooder keeps fifty MiB" {
	attack log 'cpu: 500m' 'yes xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'
	sleep 3
	others_are_served
	[ "$(du -sm "$node_state"/logs/red_log_* | awk '{print $1}')" -le 55 ]
}
@test "limits that cannot be kept are refused by field" {
	run bash -c "source '$BATS_TEST_DIRNAME/node.bash'; sleeper bad red '    resources: {limits: {ephemeral-storage: 1k}}' | bh apply -f -"
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *'spec.containers[0].resources.limits[ephemeral-storage]: must be 0, or 1Mi to 8Ti'* ]]
}
