#!/usr/bin/env bats
# Quotas of a project: admission counts in Kubernetes' words, and the project's own cgroup holds what
# the kernel can count.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start
	node_image
	bh create project red
	bh create project blue
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }
teardown() {
	bh delete pods --all -n red --force --timeout=20s
	for quota in $(bh get quotas -n red --no-headers 2>/dev/null | awk '{print $1}'); do
		bh delete quota "$quota" -n red
	done
}

# limited NAME CPU MEMORY [PROJECT]
limited() { sleeper "$1" "${4:-red}" "    resources: {limits: {cpu: $2, memory: $3}}" | bh apply -f -; }

# project_value V1 V2: a file of the project's cgroup.
project_value() {
	cat "/sys/fs/cgroup/$1/$node_cgroup/red/$2" 2>/dev/null || cat "/sys/fs/cgroup/$node_cgroup/red/$3"
}
holds() { [ "$(project_value "$1" "$2" "$3")" = "$4" ]; }

@test "a pod that fits is taken, one more is refused in Kubernetes' words" {
	bh create quota compute -n red --hard=limits.cpu=1,limits.memory=128Mi,pods=2
	limited one 600m 64Mi
	run limited two 600m 32Mi
	[ "$status" -ne 0 ]
	[[ "$output" == *'pods "two" is forbidden: exceeded quota: compute, requested: limits.cpu=600m, used: limits.cpu=600m, limited: limits.cpu=1'* ]]
	limited two 400m 64Mi
	run limited three 10m 4Mi
	[[ "$output" == *'exceeded quota: compute, requested: limits.cpu=10m,limits.memory=4Mi,pods=1, used: limits.cpu=1,limits.memory=128Mi,pods=2, limited: limits.cpu=1,limits.memory=128Mi,pods=2'* ]]
	limited other 2 1Gi blue
	bh delete pod other -n blue --force
	bh delete pod two -n red --force --timeout=20s
	limited three 10m 4Mi
}
@test "a pod that does not say what the quota counts is refused" {
	bh create quota compute -n red --hard=limits.cpu=1,requests.memory=128Mi
	run bh apply -f - < <(sleeper silent red)
	[ "$status" -ne 0 ]
	[[ "$output" == *'failed quota: compute: must specify limits.cpu,requests.memory'* ]]
}
@test "get and describe show what is used" {
	bh create quota compute -n red --hard=limits.cpu=1,pods=3,count/pids=500
	limited one 500m 32Mi
	run bh get quotas -n red --no-headers
	[[ "$output" == *'limits.cpu: 500m/1, pods: 1/3, count/pids: 500'* ]]
	run bh describe quota compute -n red
	[[ "$output" == *limits.cpu*500m*1* ]]
	[[ "$(bh get quota compute -n red -o json)" == *'"hard": "limits.cpu=1,pods=3,count/pids=500"'* ]]
}
@test "the project's cgroup has the limits, changed while pods run, and lifted" {
	bh create quota compute -n red --hard=limits.cpu=1,limits.memory=128Mi,count/pids=300
	eventually 5 holds pids pids.max pids.max 300
	limited one 500m 32Mi
	bh wait pod one -n red --for=condition=Ready --timeout=30s
	holds memory memory.limit_in_bytes memory.max 134217728
	holds cpu cpu.cfs_quota_us cpu.max 100000 || holds cpu cpu.cfs_quota_us cpu.max '100000 100000'
	run bh create quota compute -n red --hard=count/pids=200
	[ "$status" -ne 0 ]
	bh create quota compute -n red --replace --hard=limits.memory=256Mi,count/pids=200
	eventually 5 holds pids pids.max pids.max 200
	holds memory memory.limit_in_bytes memory.max 268435456
	holds cpu cpu.cfs_quota_us cpu.max -1 || holds cpu cpu.cfs_quota_us cpu.max 'max 100000'
	bh delete quota compute -n red
	eventually 5 holds pids pids.max pids.max max
	bh get pod one -n red | grep -q Running
}
@test "the project's limit of processes binds its pods together" {
	bh create quota few -n red --hard=count/pids=12
	sleeper one red | bh apply -f -
	bh wait pod one -n red --for=condition=Ready --timeout=30s
	run in_pod red one sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do sleep 5 & done; echo all'
	[[ "$output" == *"can't fork: Resource temporarily unavailable"* ]]
}
@test "what is no quota is refused by name" {
	run bh create quota bad -n red --hard=limits.gpu=1
	[[ "$output" == *"quota.hard: 'limits.gpu' is no resource; there are limits.cpu"* ]]
	run bh create quota bad -n red --hard=pods=1,pods=2
	[[ "$output" == *"pods is there twice"* ]]
	run bh create quota bad -n red --hard=limits.memory=1
	[[ "$output" == *"limits.memory: must be at least 4Mi, not '1'"* ]]
	run bh create quota bad -n red
	[[ "$output" == *"--hard="* ]]
	run bh create quota bad -n nowhere --hard=pods=1
	[[ "$output" == *'project "nowhere" does not exist'* ]]
	run bh delete quota bad -n red
	[ "$status" -ne 0 ]
	for i in 1 2 3 4 5 6 7 8; do bh create quota "q$i" -n red --hard="pods=$i"; done
	run bh create quota q9 -n red --hard=pods=9
	[[ "$output" == *"has 8 quotas already"* ]]
}
