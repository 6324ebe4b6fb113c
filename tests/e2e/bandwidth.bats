#!/usr/bin/env bats
# Bandwidth of pods by Kubernetes' annotations, direction by direction, of projects by quota; both
# changed while pods run, and after kill -9 of what enforces them.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start
	node_image
	bh create project red
	bh create project blue
	bh network join-projects --to=red blue --wait
	pod in red '{kubernetes.io/ingress-bandwidth: 6M}' | bh apply -f -
	pod out red '{kubernetes.io/egress-bandwidth: 9M}' | bh apply -f -
	pod free blue '{}' | bh apply -f -
	for p in red/in red/out blue/free; do
		bh wait pod "${p#*/}" -n "${p%/*}" --for=condition=Ready --timeout=60s
	done
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }

# pod NAME PROJECT ANNOTATIONS [SPEC]
pod() {
	cat <<Y
apiVersion: v1
kind: Pod
metadata: {name: $1, namespace: $2, annotations: $3}
spec:
  terminationGracePeriodSeconds: 0
${4:-}
  containers:
  - name: main
    image: busybox:demo
    command: [sleep, "3600"]
Y
}
# kbits FROM TO [PORT]: each PROJECT/POD.
kbits() {
	local rate="$BATS_TEST_DIRNAME/rate.py" port=${3:-5001} from to
	from=$(pod_pid "${1%/*}" "${1#*/}")
	to=$(pod_pid "${2%/*}" "${2#*/}")
	nsenter --target "$to" --net -- timeout 20 python3 "$rate" receive "$port" 2>"$BATS_TEST_TMPDIR/$port" &
	until grep -q ready "$BATS_TEST_TMPDIR/$port"; do sleep 0.05; done
	nsenter --target "$from" --net -- timeout 20 python3 "$rate" send \
		"$(pod_ip "${2%/*}" "${2#*/}")" "$port"
	wait $!
}
# limited KBITS MBIT: within 30 %.
limited() {
	echo "# $1 kbit/s, the limit is $2 Mbit/s"
	[ "$1" -gt $(($2 * 700)) ]
	[ "$1" -lt $(($2 * 1300)) ]
}
unlimited() {
	echo "# $1 kbit/s, without a limit"
	[ "$1" -gt 20000 ]
}

@test "ingress-bandwidth limits what a pod receives, and nothing else" {
	limited "$(kbits blue/free red/in)" 6
	unlimited "$(kbits red/in blue/free)"
}
@test "egress-bandwidth limits what a pod sends, and nothing else" {
	limited "$(kbits red/out blue/free)" 9
	unlimited "$(kbits blue/free red/out)"
}
@test "applied again with another limit it changes while the pod runs" {
	local pid
	pid=$(pod_pid red in)
	run bh apply --dry-run=server -f - < <(pod in red '{kubernetes.io/ingress-bandwidth: 12M}')
	[[ "$output" == "pod/in configured"* ]]
	run bh apply -f - < <(pod in red '{kubernetes.io/ingress-bandwidth: 6M}')
	[ "$output" = "pod/in unchanged" ]
	run bh apply -f - < <(pod in red '{kubernetes.io/ingress-bandwidth: 12M}')
	[ "$output" = "pod/in configured" ]
	limited "$(kbits blue/free red/in)" 12
	[ "$(pod_pid red in)" = "$pid" ]
	[[ "$(bh get pod in -n red -o yaml)" == *'kubernetes.io/ingress-bandwidth: 12M'* ]]
	[[ "$(bh describe pod in -n red)" == *BandwidthChanged* ]]
	run bh apply -f - < <(pod in red '{kubernetes.io/ingress-bandwidth: 12M}')
	[ "$output" = "pod/in unchanged" ]
	# Nothing else does.
	run bh apply -f - < <(pod in red '{kubernetes.io/ingress-bandwidth: 8M, other: x}')
	[ "$status" -ne 0 ]
	[[ "$output" == *'metadata.annotations[other]: differs from the pod'* ]]
	run bh apply -f - < <(pod in red '{kubernetes.io/ingress-bandwidth: 1P}')
	[ "$status" -ne 0 ]
	[[ "$output" == *'metadata.annotations[kubernetes.io/ingress-bandwidth]: 1000000000000000 bits a second are more than the switch'* ]]
	limited "$(kbits blue/free red/in)" 12
}
@test "the change outlives kill -9 of the agent" {
	kill -KILL "$(cat "$node_run/agent.pid")"
	bh up --state-dir "$node_state"
	eventually 20 bh wait pod in -n red --for=condition=Ready --timeout=5s
	[[ "$(bh get pod in -n red -o yaml)" == *'kubernetes.io/ingress-bandwidth: 12M'* ]]
	limited "$(kbits blue/free red/in)" 12
}
@test "limits hold through kill -9 of netd and of ovs-vswitchd" {
	local netd vswitchd
	netd=$(daemon_pid bulkhead-netd)
	vswitchd=$(cat "$node_run/ovs/ovs-vswitchd.pid")
	kill -KILL "$netd"
	limited "$(kbits red/out blue/free)" 9
	kill -KILL "$vswitchd"
	eventually 20 pod_ping red out -c 1 -W 1 "$(pod_ip blue free)"
	limited "$(kbits red/out blue/free)" 9
	limited "$(kbits blue/free red/in)" 12
}
@test "a quota limits the project's pods together, is changed at once, and lifted" {
	local one two
	pod three red '{}' | bh apply -f -
	bh wait pod three -n red --for=condition=Ready --timeout=60s
	bh create quota net -n red --hard=limits.bandwidth-egress=6M,limits.bandwidth-ingress=15M
	[[ "$(bh get quotas -n red --no-headers)" == *'limits.bandwidth-ingress: 15M, limits.bandwidth-egress: 6M'* ]]
	limited "$(kbits red/three blue/free)" 6
	kbits red/three blue/free 5002 >"$BATS_TEST_TMPDIR/one" &
	two=$(kbits red/out blue/free 5003)
	wait $!
	one=$(cat "$BATS_TEST_TMPDIR/one")
	limited $((one + two)) 6
	limited "$(kbits blue/free red/three)" 15
	bh create quota net -n red --replace --hard=limits.bandwidth-egress=12M
	limited "$(kbits red/three blue/free)" 12
	unlimited "$(kbits blue/free red/three)"
	bh delete quota net -n red
	unlimited "$(kbits red/three blue/free)"
	limited "$(kbits red/out blue/free)" 9
}
@test "what cannot be limited is refused by name" {
	local text
	refuses() {
		run bh apply --dry-run=server -f - < <(pod refused red "{kubernetes.io/$1: $2}" "${4:-}")
		[ "$status" -ne 0 ]
		[[ "$output" == *"metadata.annotations[kubernetes.io/$1]: $3"* ]] || { echo "$output"; return 1; }
	}
	refuses ingress-bandwidth '"999"' '999 bits a second are not within 1k and 1P'
	refuses egress-bandwidth 2P '2000000000000000 bits a second are not within 1k and 1P'
	refuses egress-bandwidth 4294967296k '4294967296000 bits a second are more than'
	refuses egress-bandwidth fast ''
	refuses egress-bandwidth 1M 'cannot be limited with hostNetwork' '  hostNetwork: true'
	run bh create quota no -n red --hard=limits.bandwidth-egress=999
	[ "$status" -ne 0 ]
	[[ "$output" == *'limits.bandwidth-egress: must be at least 1k'* ]]
	run bh create quota no -n red --hard=limits.bandwidth-egress=1P
	[[ "$output" == *'limits.bandwidth-egress: 1000000000000000 bits a second are more than'* ]]
}
