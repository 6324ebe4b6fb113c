#!/usr/bin/env bats
# Probes: readiness decides Ready, liveness and startup end a container, also over an agent that was
# killed; nobody but the pod itself is asked.

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

# probed NAME SCRIPT YAML: a pod that runs a script, with lines of YAML for its container.
probed() {
	cat <<Y | bh apply -f -
apiVersion: v1
kind: Pod
metadata: {name: $1, namespace: red}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox:demo
    command: [sh, -c, "$2"]
    ports: [{name: web, containerPort: 8080}]
    $3
Y
}
ready() { [ "$(bh get pods "$1" -n red --no-headers | awk '{print $2}')" = "$2" ]; }
restarted() { [ "$(bh get pods "$1" -n red --no-headers | awk '{print $4}')" -ge "$2" ]; }
json_has() { [[ $(bh get pods "$1" -n red -o json) == *"$2"* ]]; }
told() { [[ $(bh describe pod "$1" -n red) == *"$2"* ]]; }
agent_restart() {
	kill -KILL "$(cat "$node_run/agent.pid")"
	bh up --state-dir "$node_state" >/dev/null
}

@test "readiness by exec: Ready comes, goes, and outlives the agent" {
	probed r 'sleep 1000' 'readinessProbe: {exec: {command: [test, -e, /tmp/ready]}, periodSeconds: 1, failureThreshold: 1}'
	eventually 10 told r "readiness probe failed: exit code 1"
	ready r 0/1
	json_has r '"reason": "ContainersNotReady"'
	json_has r '"started": true'
	in_pod red r touch /tmp/ready
	eventually 10 ready r 1/1
	agent_restart
	eventually 10 ready r 1/1
	in_pod red r rm /tmp/ready
	eventually 10 ready r 0/1
	agent_restart
	eventually 10 json_has r '"reason": "ContainersNotReady"'
	ready r 0/1
	restarted r 0
}

@test "liveness by exec: a container that fails is ended and runs again" {
	probed l 'touch /tmp/alive; sleep 1000' 'livenessProbe: {exec: {command: [test, -e, /tmp/alive]}, periodSeconds: 1, failureThreshold: 1, initialDelaySeconds: 1}'
	eventually 10 ready l 1/1
	in_pod red l rm /tmp/alive
	eventually 15 restarted l 1
	told l "failed its liveness probe"
	eventually 10 ready l 1/1
}

@test "startup: the others wait for it, and the agent may die meanwhile" {
	probed s 'sleep 1000' 'startupProbe: {exec: {command: [test, -e, /tmp/up]}, periodSeconds: 1, failureThreshold: 100}
    livenessProbe: {exec: {command: [test, -e, /tmp/up]}, periodSeconds: 1, failureThreshold: 1}'
	eventually 10 told s "startup probe failed"
	json_has s '"started": false'
	agent_restart
	eventually 10 json_has s '"started": false'
	ready s 0/1
	restarted s 0
	in_pod red s touch /tmp/up
	eventually 10 ready s 1/1
	json_has s '"started": true'
}

@test "startup that never succeeds ends the container" {
	probed never 'sleep 1000' 'startupProbe: {exec: {command: ["false"]}, periodSeconds: 1, failureThreshold: 2}'
	eventually 15 restarted never 1
	told never "failed its startup probe"
}

@test "TCP: a named port of the pod" {
	probed t 'sleep 2; while true; do busybox nc -l -p 8080 </dev/null; done' 'readinessProbe: {tcpSocket: {port: web}, periodSeconds: 1}'
	eventually 10 told t "connection: Connection refused"
	eventually 15 ready t 1/1
}

@test "HTTP: status and path" {
	probed h 'mkdir /tmp/www; exec busybox httpd -f -p 8080 -h /tmp/www' 'readinessProbe: {httpGet: {port: 8080, path: /ready}, periodSeconds: 1, failureThreshold: 1}'
	eventually 15 told h "readiness probe failed"
	ready h 0/1
	in_pod red h touch /tmp/www/ready
	eventually 15 ready h 1/1
	in_pod red h rm /tmp/www/ready
	eventually 15 ready h 0/1
	told h "HTTP status 404"
}

@test "another tenant's address, TLS and gRPC are refused by name" {
	run probed x 'sleep 1' 'livenessProbe: {httpGet: {port: 80, host: 10.128.0.9}}'
	[ "$status" -ne 0 ]
	[[ $output == *livenessProbe.httpGet.host*"the pod itself"* ]]
	run probed x 'sleep 1' 'livenessProbe: {httpGet: {port: 80, scheme: HTTPS}}'
	[[ $output == *livenessProbe.httpGet.scheme*"use tcpSocket or exec"* ]]
	run probed x 'sleep 1' 'livenessProbe: {grpc: {port: 80}}'
	[[ $output == *livenessProbe.grpc*"use tcpSocket or exec"* ]]
	run bh get pods x -n red
	[ "$status" -ne 0 ]
}
