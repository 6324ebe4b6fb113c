#!/usr/bin/env bats
# kill -9 of any daemon leaves every pod running, with its network; a shim takes exactly its pod.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start
	node_image
	bh create project red
	sleeper one red | bh apply -f -
	sleeper two red | bh apply -f -
	bh wait pod one -n red --for=condition=Ready --timeout=60s
	bh wait pod two -n red --for=condition=Ready --timeout=60s
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
setup() {
	source "$BATS_TEST_DIRNAME/node.bash"
	export two_ip
	two_ip=$(pod_ip red two)
	before=$(birth one; birth two)
}

# When the first process of a pod's container began: another one would have another time.
birth() { in_pod red "$1" awk '{print $22}' /proc/1/stat; }
answers() { bh get pods -n red >/dev/null 2>&1; }
ready() { bh get nodes --no-headers | grep -qw Ready; }
both_live_on() {
	[ "$(birth one; birth two)" = "$before" ] && pod_ping red one -c 1 -w 5 "$two_ip" >/dev/null
}
restarted() { local p; p=$(daemon_pid "$1") && [ -n "$p" ] && [ "$p" != "$2" ]; }

# Pings from pod one to two at 20 Hz while the given daemon dies; counts what is lost.
kill_under_ping() {
	local victim=$1 pid log=$node_dir/ping.log
	pid=$(daemon_pid "$victim")
	[ -n "$pid" ]
	pod_ping red one -i 0.05 -c 60 -w 6 "$two_ip" >"$log" 2>&1 3>&- &
	local ping=$!
	sleep 0.5
	kill -KILL "$pid"
	wait $ping
	grep -q ' 0% packet loss' "$log" || { cat "$log"; return 1; }
	eventually 20 restarted "$victim" "$pid"
}

@test "kill -9 of netd loses no packet" {
	kill_under_ping bulkhead-netd
	eventually 20 ready
	both_live_on
}
@test "kill -9 of api: back, pods untouched" {
	kill_under_ping bulkhead-api
	eventually 20 answers
	both_live_on
}
@test "kill -9 of secretd: back, a new pod gets its token" {
	kill_under_ping bulkhead-secretd
	sleeper after red | bh apply -f -
	bh wait pod after -n red --for=condition=Ready --timeout=30s
	in_pod red after test -s /var/run/secrets/kubernetes.io/serviceaccount/token
	bh delete pod after -n red
	both_live_on
}
@test "kill -9 of clusterd: back, projects still known" {
	kill_under_ping bulkhead-clusterd
	eventually 20 ready
	bh get projects red
	both_live_on
}
@test "kill -9 of the agent: up again it adopts both pods" {
	kill -KILL "$(cat "$node_run/agent.pid")"
	bh up --state-dir "$node_state"
	both_live_on
}
@test "twenty kill -9 of the agent at random moments of pod creation lose nothing" {
	local i
	for i in $(seq 20); do
		sleeper "r$i" red | bh apply -f - >/dev/null 2>&1 &
		sleep "0.0$((RANDOM % 10))"
		kill -KILL "$(cat "$node_run/agent.pid")"
		wait
		bh up --state-dir "$node_state" >/dev/null
	done
	for i in $(seq 20); do
		# Accepted or not, the node must know which: an accepted one comes up.
		if bh get pods "r$i" -n red >/dev/null 2>&1; then
			bh wait pod "r$i" -n red --for=condition=Ready --timeout=60s
			bh delete pod "r$i" -n red
		fi
	done
	both_live_on
	[ "$(ls "$node_state/pods" | wc -l)" = 2 ]
	[ "$(pgrep -fc "bulkhead-shim.*$node_dir")" = 2 ]
}
@test "kill -9 of a shim takes exactly its pod, and is reported" {
	uid=$(bh get pods two -n red -o json | awk -F'"' '$2 == "uid" {print $4; exit}')
	shim=$(pgrep -f "bulkhead-shim.*$uid")
	born=$(birth one)
	kill -KILL "$shim"
	eventually 10 bash -c "nsenter --target $node_netns --net -- '$bh' describe pod two -n red | grep -q ShimExited"
	[ "$(birth one)" = "$born" ]
	[ "$(bh get pods two -n red --no-headers | awk '{print $3}')" = ShimExited ]
	# It stays, to be looked at, until it is deleted.
	bh delete pod two -n red
	sleeper two red | bh apply -f -
	bh wait pod two -n red --for=condition=Ready --timeout=60s
}
@test "a VNID in the switch's database that is none is not taken for another" {
	sleeper vnid red | bh apply -f -
	bh wait pod vnid -n red --for=condition=Ready --timeout=60s
	local port
	port=$(bh describe pod vnid -n red | awk '$1 == "Port:" {print $2}')
	# 2^32 would be 0, the default project's, which all may reach.
	ovs-vsctl --timeout=10 --no-wait --db="unix:$node_run/ovs/db.sock" set port "$port" external_ids:bulkhead-vnid=4294967296
	local pid
	pid=$(daemon_pid bulkhead-netd)
	kill -KILL "$pid"
	eventually 20 restarted bulkhead-netd "$pid"
	eventually 20 ready
	grep -q "port '$port': VNID: '4294967296' is not" "$node_state/agent.log" || { grep VNID "$node_state/agent.log" | tail -3; return 1; }
	bh delete pod vnid -n red
}
@test "kill -9 of a shim takes also a program that changed its credentials" {
	# The kernel forgets PR_SET_PDEATHSIG at setuid(2), and at a set-user-ID program.
	bh apply -f - <<-Y
		apiVersion: v1
		kind: Pod
		metadata: {name: changed, namespace: red}
		spec:
		  restartPolicy: Never
		  containers:
		  - name: main
		    image: busybox:demo
		    command:
		    - sh
		    - -c
		    - |
		      mkdir -p /etc
		      echo nobody:x:1:1::/:/bin/sh >/etc/passwd
		      echo nobody:x:1: >/etc/group
		      exec su -s /bin/sh nobody -c 'exec sleep 3600'
		    securityContext: {runAsUser: 0, capabilities: {add: [SETUID, SETGID]}}
	Y
	bh wait pod changed -n red --for=condition=Ready --timeout=60s
	local pid shim
	pid=$(pod_pid red changed)
	dropped() { [ "$(awk '$1 == "Uid:" {print $2}' "/proc/$pid/status")" = "$1" ]; }
	local root
	root=$(awk 'NR == 1 {print $2}' "/proc/$pid/uid_map")
	eventually 10 dropped $((root + 1))
	shim=$(pgrep -f "bulkhead-shim.*$(bh get pods changed -n red -o json | awk -F'"' '$2 == "uid" {print $4; exit}')")
	kill -KILL "$shim"
	gone() { [ ! -e "/proc/$pid" ]; }
	eventually 10 gone
	bh delete pod changed -n red
}
@test "ovs-vswitchd killed and started again: flows come back" {
	kill -KILL "$(cat "$node_run/ovs/ovs-vswitchd.pid")"
	eventually 30 ready
	eventually 20 pod_ping red one -c 1 -w 2 "$(pod_ip red two)"
}
