#!/usr/bin/env bats
# What becomes of a pod after it runs: restarts, ends, deletions, watches, and all of it again after
# the agent was killed or the machine started anew.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start
	node_image
	bh create project red
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }
teardown() {
	local pod
	for pod in $(bh get pods -n red -o name 2>/dev/null); do
		bh delete pod "${pod#pod/}" -n red --grace-period=0 >/dev/null
	done
}

# script NAME POLICY GRACE SCRIPT: a pod that runs a shell script.
script() {
	cat <<Y | bh apply -f -
apiVersion: v1
kind: Pod
metadata: {name: $1, namespace: red}
spec:
  restartPolicy: $2
  terminationGracePeriodSeconds: $3
  containers:
  - name: main
    image: busybox:demo
    command: [sh, -c]
    args:
    - |
      $4
Y
}
status() { bh get pods "$1" -n red --no-headers | awk '{print $3}'; }
restarts() { bh get pods "$1" -n red --no-headers | awk '{print $4}'; }
is() { [ "$(status "$1")" = "$2" ]; }
restarted_at_least() { [ "$(restarts "$1")" -ge "$2" ]; }
uid_of() { bh get pods "$1" -n red -o json | awk -F'"' '$2 == "uid" {print $4; exit}'; }
agent_restart() {
	kill -KILL "$(cat "$node_run/agent.pid")"
	bh up --state-dir "$node_state" >/dev/null
}

@test "Always: started again, then held back" {
	script crash Always 0 'echo run; exit 3'
	eventually 10 is crash CrashLoopBackOff
	[ "$(restarts crash)" = 1 ]
	[ "$(bh logs crash -n red)" = run ]
	[ "$(bh logs crash -n red --previous)" = run ]
	run bh describe pod crash -n red
	[[ $output == *BackOff* ]]
	run bh get pods crash -n red -o json
	[[ $output == *'"phase": "Running"'* && $output == *'"exitCode": 3'* ]]
	# The back-off goes on after the agent was killed; no run is lost or counted twice.
	agent_restart
	[ "$(restarts crash)" = 1 ]
	is crash CrashLoopBackOff
	eventually 15 restarted_at_least crash 2
	[ "$(restarts crash)" = 2 ]
}
@test "OnFailure: again until it succeeds" {
	script try OnFailure 0 'exit 1'
	eventually 10 restarted_at_least try 1
	script done OnFailure 0 'exit 0'
	bh wait pod done -n red --for=phase=Succeeded --timeout=10s
	[ "$(restarts done)" = 0 ]
	is done Completed
}
@test "Never: what ended keeps its state and log, gives back the rest" {
	local uid
	script once Never 0 'echo last words; exit 7'
	uid=$(uid_of once)
	bh wait pod once -n red --for=phase=Failed --timeout=10s
	gone() { ! pgrep -f "bulkhead-shim.*$uid" >/dev/null && [ ! -e "$node_run/pods/$uid" ]; }
	eventually 10 gone
	[ -z "$(find /sys/fs/cgroup -type d -name "pod$uid")" ]
	[ -z "$(in_netns ip -o link show type veth)" ]
	[ "$(bh logs once -n red)" = 'last words' ]
	agent_restart
	is once Error
	[ "$(bh logs once -n red)" = 'last words' ]
	run bh get pods once -n red -o json
	[[ $output == *'"exitCode": 7'* && $output == *'"phase": "Failed"'* ]]
	run bh exec -n red once -- true
	[ "$status" = 1 ]
	[[ $output == *'does not run'* ]]
	bh delete pod once -n red
	[ ! -e "$node_state/pods/$uid" ]
	[ -z "$(ls "$node_state/logs" | grep "$uid")" ]
}
@test "a program that is not there: StartError, counted as a run" {
	cat <<'Y' | bh apply -f -
apiVersion: v1
kind: Pod
metadata: {name: nope, namespace: red}
spec:
  restartPolicy: Never
  containers: [{name: main, image: "busybox:demo", command: [/no/such/program]}]
Y
	bh wait pod nope -n red --for=phase=Failed --timeout=10s
	is nope StartError
	run bh get pods nope -n red -o json
	[[ $output == *'"exitCode": 128'* && $output == *'/no/such/program'* ]]
}
@test "deleting: SIGTERM, the grace, then SIGKILL" {
	local start
	script polite Always 30 'trap "exit 0" TERM; while :; do sleep 0.1; done'
	bh wait pod polite -n red --for=condition=Ready --timeout=10s
	start=$SECONDS
	bh delete pod polite -n red
	[ $((SECONDS - start)) -lt 10 ]
	script deaf Always 2 'trap "" TERM; while :; do sleep 0.1; done'
	bh wait pod deaf -n red --for=condition=Ready --timeout=10s
	start=$SECONDS
	bh delete pod deaf -n red --wait=false
	is deaf Terminating
	# The request is on disk: it is kept over the agent's death.
	agent_restart
	bh wait pod deaf -n red --for=delete --timeout=20s
	[ $((SECONDS - start)) -ge 2 ]
}
@test "deleted while its agent is away, and again, with less grace" {
	script slow Always 3600 'trap "" TERM; while :; do sleep 0.1; done'
	bh wait pod slow -n red --for=condition=Ready --timeout=10s
	timeout 2 nsenter --target "$node_netns" --net -- "$bh" delete pod slow -n red 3>&- || true
	is slow Terminating
	bh delete pod slow -n red --grace-period=0
	run bh get pods slow -n red
	[ "$status" = 1 ]
}
@test "logs -f ends with the run, and follows while it goes on" {
	script talk Never 0 'for i in 1 2 3; do echo line $i; sleep 0.3; done'
	eventually 10 bh logs talk -n red
	run timeout 15 nsenter --target "$node_netns" --net -- "$bh" logs -f talk -n red
	[ "$status" = 0 ]
	[ "$output" = $'line 1\nline 2\nline 3' ]
	[ "$(bh logs talk -n red --tail=1)" = 'line 3' ]
}
@test "exec ends although something it left behind writes for ever" {
	sleeper noisy red | bh apply -f -
	bh wait pod noisy -n red --for=condition=Ready --timeout=10s
	{
		timeout 30 nsenter --target "$node_netns" --net -- "$bh" exec -n red noisy -- sh -c 'echo said; yes & exit 3' || echo $? >"$node_dir/noisy"
	} 3>&- | awk 'NR == 1; NR % 50000 == 0 {system("sleep 0.1")}' >"$node_dir/said"
	[ "$(cat "$node_dir/noisy")" = 3 ]
	[ "$(cat "$node_dir/said")" = said ]
	bh delete pod noisy -n red
}
@test "exec ends when the pod is deleted" {
	sleeper victim red | bh apply -f -
	bh wait pod victim -n red --for=condition=Ready --timeout=10s
	nsenter --target "$node_netns" --net -- "$bh" exec -n red victim -- sleep 1000 >/dev/null 2>&1 3>&- &
	local exec=$!
	sleep 0.5
	bh delete pod victim -n red
	run wait $exec
	[ "$status" != 0 ]
}
@test "a caller that goes away takes its process with it" {
	sleeper host red | bh apply -f -
	bh wait pod host -n red --for=condition=Ready --timeout=10s
	timeout 1 nsenter --target "$node_netns" --net -- "$bh" exec -n red host -- sleep 1234 3>&- || true
	none() { ! in_pod red host ps | grep -q 'sleep 1234'; }
	eventually 5 none
}
@test "who could not have made a pod may not run programs in it" {
	"$B/bulkhead-secretd" --issue --keys "$node_state/keys" --pki "$node_state/pki" --cn ed --org bulkhead:project:red:edit \
		--out-cert "$node_dir/ed.pem" --out-key "$node_dir/ed.key"
	sed "s|^certificate:.*|certificate: $node_dir/ed.pem|; s|^key:.*|key: $node_dir/ed.key|" "$node_state/context.yaml" >"$node_dir/ed.yaml"
	sleeper plain red | bh apply -f -
	sleeper root red '    securityContext: {runAsUser: 0}' | bh apply -f -
	bh wait pod plain -n red --for=condition=Ready --timeout=10s
	bh wait pod root -n red --for=condition=Ready --timeout=10s
	bh exec --context "$node_dir/ed.yaml" -n red plain -- true
	run bh exec --context "$node_dir/ed.yaml" -n red root -- true
	[ "$status" = 1 ]
	[[ $output == *'restricted-v2'*'runAsUser'* ]]
	bh exec -n red root -- true
}
@test "a watch sees a pod come, change and go" {
	local log=$node_dir/watch.log
	nsenter --target "$node_netns" --net -- "$bh" get pods -n red -w >"$log" 2>/dev/null 3>&- &
	local watch=$!
	sleep 0.5
	sleeper seen red | bh apply -f -
	bh wait pod seen -n red --for=condition=Ready --timeout=10s
	bh delete pod seen -n red
	sleep 0.5
	kill $watch
	grep -q 'seen .*ContainerCreating\|seen .*Pending' "$log"
	grep -q 'seen .*Running' "$log"
	grep -q 'seen .*Terminating' "$log"
}
@test "init containers run in order, and a failed one is tried again" {
	cat <<'Y' | bh apply -f -
apiVersion: v1
kind: Pod
metadata: {name: steps, namespace: red}
spec:
  restartPolicy: OnFailure
  initContainers:
  - {name: first, image: "busybox:demo", command: [sh, -c, "echo 1 >>/data/log"], volumeMounts: [{name: d, mountPath: /data}]}
  - name: second
    image: busybox:demo
    command: [sh, -c, "echo 2 >>/data/log; [ $(grep -c 2 /data/log) -ge 2 ]"]
    volumeMounts: [{name: d, mountPath: /data}]
  containers:
  - {name: main, image: "busybox:demo", command: [sh, -c, "tr '\n' ' ' </data/log"], volumeMounts: [{name: d, mountPath: /data}]}
  volumes: [{name: d, emptyDir: {}}]
Y
	bh wait pod steps -n red --for=phase=Succeeded --timeout=20s
	[ "$(bh logs steps -n red)" = '1 2 2 ' ]
	[ "$(bh logs steps -n red -c first)" = '' ]
}
@test "after a start of the machine pods begin anew, and what ended stays so" {
	local before
	sleeper stays red | bh apply -f -
	bh wait pod stays -n red --for=condition=Ready --timeout=10s
	script over Never 0 'exit 0'
	bh wait pod over -n red --for=phase=Succeeded --timeout=10s
	before=$(uid_of stays)
	# As near as it gets: everything that runs is gone, <run> is empty.
	bh down --state-dir "$node_state"
	[ ! -e "$node_run" ]
	bh up --state-dir "$node_state"
	bh wait pod stays -n red --for=condition=Ready --timeout=20s
	[ "$(uid_of stays)" = "$before" ]
	is over Completed
	in_pod red stays test -s /var/run/secrets/kubernetes.io/serviceaccount/token
}
@test "a damaged record is set aside and makes no pod; the others live on" {
	local bad
	sleeper good red | bh apply -f -
	script hurt Never 0 'exit 0'
	bh wait pod hurt -n red --for=phase=Succeeded --timeout=10s
	bh wait pod good -n red --for=condition=Ready --timeout=10s
	bad=$(uid_of hurt)
	printf x | dd of="$node_state/pods/$bad/pod" bs=1 seek=100 conv=notrunc 2>/dev/null
	agent_restart
	is good Running
	run bh get pods hurt -n red
	[ "$status" = 1 ]
	[ -e "$node_state/pods/.bad-$bad/pod" ]
	grep -q "$bad.*set aside" "$node_state/agent.log"
	rm -rf "$node_state/pods/.bad-$bad"
}
@test "no two pods share an id" {
	local i
	for i in 1 2 3; do sleeper "u$i" red | bh apply -f -; done
	for i in 1 2 3; do bh wait pod "u$i" -n red --for=condition=Ready --timeout=20s; done
	agent_restart
	sleeper u4 red | bh apply -f -
	bh wait pod u4 -n red --for=condition=Ready --timeout=20s
	[ "$(for i in 1 2 3 4; do in_pod red u$i awk '$1 == 0 {print $2}' /proc/self/uid_map; done | sort -u | wc -l)" = 4 ]
}
@test "apply --dry-run=server judges and leaves nothing" {
	run bash -c "source '$BATS_TEST_DIRNAME/node.bash'; sleeper dry red | bh apply --dry-run=server -f -"
	[ "$status" = 0 ]
	run bh get pods dry -n red
	[ "$status" = 1 ]
	[ -z "$(ls "$node_state/pods")" ]
}
