#!/usr/bin/env bats
# Three nodes: how machines join and leave, what a node may do to the cluster, and who reaches whom
# across nodes. The rows of OpenShift's isolation and pod-network tests, with pods on the same node and
# on different ones.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	export lab_dir
	lab_dir=$(mktemp -d /tmp/bh-lab.XXXXXX)
	rmdir "$lab_dir"
	lab up "$lab_dir" 3
	"$node_root/examples/build-image.sh" "$lab_dir/busybox.tar" busybox:demo
	local node p
	for p in f1 f2 f3; do on a create project $p; done
	for node in a b; do
		on $node image import "$lab_dir/busybox.tar"
		for p in f1 f2 f3 default; do sleeper "$p-$node" $p | on $node apply -f -; done
	done
	sleeper f1-again f1 | on a apply -f -
	for node in a b; do
		for p in f1 f2 f3 default; do
			on $node wait pod "$p-$node" -n $p --for=condition=Ready --timeout=60s
		done
	done
	on a wait pod f1-again -n f1 --for=condition=Ready --timeout=60s
	warm
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	rm -f "$lab_dir"/*.*
	lab down "$lab_dir"
	[ ! -e "$lab_dir" ]
	[ -z "$(pgrep -af "$lab_dir")" ]
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }

lab() { "$node_root/tests/lab/lab.sh" "$@"; }
on() { local node=$1; shift; lab bh "$lab_dir" "$node" "$@"; }
at() { local node=$1; shift; lab run "$lab_dir" "$node" "$@"; }
flows() { at "$1" ovs-ofctl -O OpenFlow15 dump-flows --no-stats br0 | sed 's/^ *//' | sort; }
has_peers() { [ "$(flows "$1" | grep -c 'table=90, priority=100')" = "$2" ]; }
holder_of() { cat "$lab_dir/$1/holder"; }
vnid() { on a get projects "$1" --no-headers | awk '{print $2}'; }
# Pods are named PROJECT-NODE.
project_of() { echo "${1%-*}"; }
node_of() { case $1 in *-again) echo a ;; *) echo "${1##*-}" ;; esac; }
address_of() {
	on "$(node_of "$1")" get pods "$1" -n "$(project_of "$1")" -o wide --no-headers | awk '{print $6}'
}
pid_of() {
	local uid node
	node=$(node_of "$1")
	uid=$(on "$node" get pods "$1" -n "$(project_of "$1")" -o json | awk -F'"' '$2 == "uid" {print $4; exit}')
	head -n 1 "$(find /sys/fs/cgroup -path "*/bh-lab-$(basename "$lab_dir")-$node/$(project_of "$1")/pod$uid/main/cgroup.procs" \
		-print -quit)"
}
in_net_of() {
	local pid
	pid=$(pid_of "$1") || return 1
	shift
	nsenter --target "$pid" --net -- "$@"
}
reaches() { in_net_of "$1" ping -c 1 -W 1 "$(address_of "$2")" >/dev/null; }
together() { reaches "$1" "$2" && reaches "$2" "$1"; }
apart() {
	reaches "$1" "$2" && { echo "$1 reaches $2"; return 1; }
	reaches "$2" "$1" && { echo "$2 reaches $1"; return 1; }
	return 0
}
# The first packet of a pair of nodes waits for ARP between them, and the userspace datapath drops it.
warm() { eventually 10 reaches f1-a f1-b; }
# What a pod hears on UDP port 9999 while the rest runs.
hears() {
	local pod=$1
	shift
	in_net_of "$pod" /usr/bin/python3 "$BATS_TEST_DIRNAME/peers/hear.py" >"$lab_dir/heard.txt" 3>&- &
	local listener=$!
	eventually 5 grep -q listening "$lab_dir/heard.txt"
	"$@"
	wait $listener
	cat "$lab_dir/heard.txt"
}
inject() { # NODE-TO-SEND-FROM OUTER-TO VNID INNER-FROM INNER-TO TEXT
	local node=$1
	shift
	at "$node" /usr/bin/python3 "$BATS_TEST_DIRNAME/peers/vxlan.py" "$@"
}
member_client() { # NODE ovsdb-client's words, as that node
	local node=$1 pki=$lab_dir/$1/state/cluster verb=$2
	shift 2
	at "$node" ovsdb-client --private-key="$pki/member.key" --certificate="$pki/member.pem" \
		--ca-cert="$pki/database.pem" "$verb" ssl:10.77.0.1:7444 "$@"
}

@test "each node has a subnet of its own, and every other as a peer" {
	run on a get nodes -o wide --no-headers
	[ "${#lines[@]}" = 3 ]
	[ "$(awk '{print $6}' <<<"$output" | sort -u | wc -l)" = 3 ]
	[ "$(awk '$1 == "a" {print $2}' <<<"$output")" = Ready ]
	[ "$(awk '$1 == "b" {print $2}' <<<"$output")" = Unknown ]
	[ "$(on b get nodes --no-headers | awk '$1 == "b" {print $2}')" = Ready ]
	local node
	for node in a b c; do
		[ "$(flows $node | grep -c 'table=90, priority=100')" = 2 ]
		[ "$(flows $node | grep -c 'table=10, priority=100')" = 2 ]
	done
}
@test "projects that were made at the first node are known at all" {
	[ "$(on b get projects --no-headers | awk '{print $1, $2, $3}')" = "$(on a get projects --no-headers | awk '{print $1, $2, $3}')" ]
	[ "$(on c get projects --no-headers | wc -l)" = 4 ]
}
@test "own project: same node and different nodes" {
	together f1-a f1-again
	together f1-a f1-b
	together f2-a f2-b
}
@test "network why: each node tells its half" {
	run on a network why f1/f1-a "$(address_of f1-b):80"
	[ "$status" = 0 ]
	[[ ${lines[0]} == *"on node b, tcp port 80: leaves" ]]
	[[ $output == *"sends it to node b (10.77.0.2) with network $(vnid f1)"* ]]
	[[ $output == *"ask node b: bulkhead network why $(address_of f1-a) $(address_of f1-b) -n f1"* ]]
	run on b network why "$(address_of f1-a)" "$(address_of f1-b)" -n f1
	[ "$status" = 0 ]
	[[ ${lines[0]} == "$(address_of f1-a) on node a -> f1/f1-b "*"reaches" ]]
	run on b network why "$(address_of f2-a)" f1/f1-b -n f2
	[ "$status" = 3 ]
	[[ $output == *"projects f2 and f1 have networks $(vnid f2) and $(vnid f1)"* ]]
	run on c network why "$(address_of f2-a)" "$(address_of f1-b)" -n f2
	[ "$status" = 1 ]
	[[ $output == *"neither end is of this node"* ]]
}
@test "network check: each node's pods, and the ways to the others" {
	local node
	for node in a b; do
		run on $node network check
		[ "$status" = 0 ]
		[[ $output == *", 2 other nodes;"* ]]
	done
}
@test "another project: neither on the same node nor on different ones" {
	apart f1-a f2-a
	apart f1-a f2-b
	apart f2-a f3-b
}
@test "default reaches all and is reached, on both" {
	together default-a f1-a
	together default-a f1-b
	together default-b f2-a
	together default-a default-b
}
@test "a connection between nodes carries what was sent" {
	in_net_of f1-b /usr/bin/python3 -c '
import hashlib, socket
s = socket.create_server(("", 9001)); c, _ = s.accept(); h = hashlib.sha256(); n = 0
while (d := c.recv(65536)): h.update(d); n += len(d)
print(n, h.hexdigest())' >"$lab_dir/received.txt" 3>&- &
	local server=$!
	run in_net_of f1-a /usr/bin/python3 -c '
import hashlib, os, socket, sys, time
for i in range(50):
    try: c = socket.create_connection((sys.argv[1], 9001), 1); break
    except OSError: time.sleep(0.1)
d = os.urandom(4 << 20); c.settimeout(20); c.sendall(d); c.close()
print(len(d), hashlib.sha256(d).hexdigest())' "$(address_of f1-b)"
	[ "$status" = 0 ]
	wait $server
	[ "$output" = "$(cat "$lab_dir/received.txt")" ]
}
@test "pods have the link's MTU less the tunnel's 50, and it fits" {
	in_net_of f1-a ip -o link show dev eth0 | grep -q 'mtu 1550 '
	in_net_of f1-a ping -c 1 -W 1 -M do -s 1522 "$(address_of f1-b)"
	run in_net_of f1-a ping -c 1 -W 1 -M do -s 1523 "$(address_of f1-b)"
	[ "$status" != 0 ]
}
@test "the VNID is what tshark reads on the wire" {
	local capture
	at fabric tshark -i segment -f 'udp port 4789' -d udp.port==4789,vxlan -T fields -e vxlan.vni \
		-e ip.src -e icmp.type -c 2 -a duration:15 >"$lab_dir/wire.txt" 2>"$lab_dir/tshark.txt" 3>&- &
	capture=$!
	eventually 10 grep -q Capturing "$lab_dir/tshark.txt"
	sleep 0.5
	reaches f2-a f2-b
	wait $capture
	cat "$lab_dir/wire.txt"
	[ "$(awk '{print $1}' "$lab_dir/wire.txt" | sort -u)" = "$(vnid f2)" ]
	grep -q "10.77.0.1,$(address_of f2-a)" "$lab_dir/wire.txt"
	grep -q "10.77.0.2,$(address_of f2-b)" "$lab_dir/wire.txt"
}
@test "join-projects holds on all nodes" {
	run on a network join-projects --to=f1 f2 --wait
	[ "$status" = 0 ]
	[ "${lines[1]}" = "converged on 3 of 3 nodes" ]
	together f1-a f2-a
	together f1-a f2-b
	together f2-a f1-b
	apart f1-a f3-b
	apart f2-b f3-a
}
@test "isolate-projects cuts a connection between nodes that is open" {
	local before after server client
	in_net_of f1-b /usr/bin/python3 -c '
import socket
s = socket.create_server(("", 9000)); c, _ = s.accept()
while (d := c.recv(65536)): print(len(d), flush=True)' >"$lab_dir/got.txt" 3>&- &
	server=$!
	in_net_of f2-a /usr/bin/python3 -c '
import socket, sys, time
for i in range(50):
    try: c = socket.create_connection((sys.argv[1], 9000), 1); break
    except OSError: time.sleep(0.1)
while True: c.send(b"x"); time.sleep(0.01)' "$(address_of f1-b)" 3>&- &
	client=$!
	eventually 10 test -s "$lab_dir/got.txt"
	on a network isolate-projects f2 --wait
	sleep 0.1
	before=$(wc -c <"$lab_dir/got.txt")
	sleep 1
	after=$(wc -c <"$lab_dir/got.txt")
	kill "$server" "$client"
	[ "$before" = "$after" ]
	apart f1-a f2-b
	apart f2-a f1-b
	together f2-a f2-b
}
@test "make-projects-global holds on all nodes, and is taken back" {
	on a network make-projects-global f3 --wait
	together f3-a f1-b
	together f3-b f2-a
	apart f1-a f2-b
	on a network isolate-projects f3 --wait
	apart f3-a f1-b
	together f3-a f3-b
}
@test "a packet of a machine that is no node reaches nobody" {
	local red remote
	red=$(address_of f1-a) remote=$(address_of f1-b)
	at fabric ip addr add 10.77.0.99/24 dev segment
	run hears f1-a inject fabric 10.77.0.1 "$(vnid f1)" "$remote" "$red" from-outside
	at fabric ip addr del 10.77.0.99/24 dev segment
	[ "$output" = listening ]
	# The same packet, if it comes from the node that has the pod: so it was well made.
	run hears f1-a inject b 10.77.0.1 "$(vnid f1)" "$remote" "$red" from-the-node
	[ "${lines[1]}" = from-the-node ]
}
@test "a node cannot pose as another node's pods" {
	# c sends what only b, or a itself, could have.
	run hears f1-a inject c 10.77.0.1 "$(vnid f1)" "$(address_of f1-b)" "$(address_of f1-a)" from-c
	[ "$output" = listening ]
	run hears f1-a inject c 10.77.0.1 "$(vnid f1)" "$(address_of f1-again)" "$(address_of f1-a)" from-c
	[ "$output" = listening ]
}
@test "a pod sends no VXLAN, to no address of a node" {
	run hears f2-b in_net_of f1-a /usr/bin/python3 "$BATS_TEST_DIRNAME/peers/vxlan.py" \
		"$(address_of f1-b)" "$(vnid f2)" "$(address_of f2-a)" "$(address_of f2-b)" from-a-pod
	[ "$output" = listening ]
	at a ovs-ofctl -O OpenFlow15 dump-flows br0 table=20 | grep 'tp_dst=4789' | grep -qv 'n_packets=0,'
}
@test "the tunnel's port answers no ARP and forwards none" {
	local dropped
	[ "$(flows a | grep -c 'priority=150,in_port=1 actions=drop')" = 1 ]
	[ "$(flows a | grep 'table=40' | grep -c 'in_port=1')" = 0 ]
}
# A busy machine must not be what loses packets: those waiting for ovs-vswitchd's userspace datapath are few.
switches_first() {
	local node task
	[ ! -d /sys/module/openvswitch ] || return 0
	for node in a b; do
		for task in "/proc/$(at $node cat /run/openvswitch/ovs-vswitchd.pid)"/task/*; do
			renice -n -20 -p "${task##*/}" >/dev/null
		done
	done
}
# kill_often: netd and the agent of each node in turn, twenty times each, at random moments.
kill_often() {
	local i node
	for i in $(seq 10); do
		for node in a b; do
			eventually 10 pkill -KILL -f "^$B/bulkhead-netd .*--uid .*$lab_dir/$node/"
			sleep 0.$((RANDOM % 4))
			kill -KILL "$(cat "$lab_dir/$node/run/agent.pid")"
			at $node "$bh" up --state-dir "$lab_dir/$node/state" >/dev/null 3>&-
			sleep 0.$((RANDOM % 4))
		done
	done
}
@test "kill -9 of netd and of the agent, twenty times each: no packet is lost, on a node and between two" {
	local from peers=$BATS_TEST_DIRNAME/peers pods=(f1-again f1-b) p pids=()
	from=$(pid_of f1-a)
	switches_first
	for p in "${pods[@]}"; do
		nsenter --target "$(pid_of $p)" --net -- /usr/bin/python3 "$peers/stream.py" take >"$lab_dir/took-$p.txt" 3>&- &
		eventually 5 grep -qs listening "$lab_dir/took-$p.txt"
		nsenter --target "$from" --net -- /usr/bin/python3 "$peers/stream.py" "$(address_of $p)" >"$lab_dir/sent-$p.txt" 3>&- &
		pids+=($!)
		nsenter --target "$from" --net -- /usr/bin/python3 "$peers/echoes.py" "$(address_of $p)" >"$lab_dir/echoes-$p.txt" 3>&- &
		pids+=($!)
	done
	# What changes the bridge's link has the switch look at all it has, and lose packets meanwhile.
	nsenter --target "$(holder_of a)" --net -- ip -o monitor link >"$lab_dir/links.txt" 3>&- &
	pids+=($!)
	kill_often
	kill "${pids[@]}"
	wait
	tail -n 9 "$lab_dir"/{echoes,sent,took}-f1-*.txt
	for p in "${pods[@]}"; do
		grep -q ' a second, 0 lost' "$lab_dir/echoes-$p.txt"
		[ -s "$lab_dir/sent-$p.txt" ]
		[ "$(tail -n 1 "$lab_dir/took-$p.txt")" = "$(cat "$lab_dir/sent-$p.txt")" ]
	done
	[ "$(grep -c ': br0: ' "$lab_dir/links.txt")" = 0 ]
	[ "$(flows a | grep -c 'table=90, priority=100')" = 2 ]
	together f1-a f1-b
	apart f1-a f2-b
}
@test "a node writes its own row and its own secrets, and reads; no more" {
	run member_client b transact '["Bulkhead",{"op":"update","table":"Node","where":[["name","==","b"]],"row":{"sealing_key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}]'
	[[ $output == *'"count":1'* ]]
	run member_client b transact '["Bulkhead",{"op":"update","table":"Node","where":[["name","==","c"]],"row":{"sealing_key":"x"}}]'
	[[ $output == *'permission error'* ]]
	run member_client b transact '["Bulkhead",{"op":"update","table":"Node","where":[["name","==","b"]],"row":{"address":"10.77.0.3"}}]'
	[[ $output == *'permission error'* ]]
	run member_client b transact '["Bulkhead",{"op":"update","table":"Node","where":[["name","==","b"]],"row":{"subnet":"10.128.4.0/23"}}]'
	[[ $output == *'error'* && $output != *'"count":1'* ]]
	run member_client b transact '["Bulkhead",{"op":"update","table":"Project","where":[["name","==","f2"]],"row":{"vnid":0}}]'
	[[ $output == *'permission error'* ]]
	run member_client b transact '["Bulkhead",{"op":"update","table":"Cluster","where":[],"row":{"epoch":1}}]'
	[[ $output == *'permission error'* ]]
	run member_client b transact '["Bulkhead",{"op":"delete","table":"Node","where":[["name","==","b"]]}]'
	[[ $output == *'permission error'* ]]
	run member_client b transact '["Bulkhead",{"op":"insert","table":"Node","row":{"name":"d","address":"10.77.0.9","subnet":"10.128.8.0/23"}}]'
	[[ $output == *'permission error'* ]]
	run member_client b transact '["Bulkhead",{"op":"insert","table":"Connection","uuid-name":"c","row":{"target":"pssl:9","role":""}},{"op":"insert","table":"Listener","row":{"connections":["named-uuid","c"]}}]'
	[[ $output == *'permission error'* ]]
	# The row is right again as soon as the node looks.
	eventually 10 sealing_key_is_back
}
sealing_key_is_back() { ! member_client b dump Bulkhead Node | grep -q AAAAAAAAAAAA; }
@test "no user's certificate opens the database, nor none" {
	local pki=$lab_dir/a/state/pki
	run at b ovsdb-client -t 5 --private-key="$pki/admin.key" --certificate="$pki/admin.pem" --ca-cert="$lab_dir/a/state/cluster/database.pem" \
		list-dbs ssl:10.77.0.1:7444
	[ "$status" != 0 ]
	run at b timeout 5 openssl s_client -connect 10.77.0.1:7444 -CAfile "$lab_dir/a/state/cluster/database.pem" -verify_return_error </dev/null
	[[ $output == *"Verify return code: 0 (ok)"* ]]
	[[ $output == *TLSv1.3* ]]
	run at b timeout 5 openssl s_client -connect 10.77.0.1:7444 -CAfile "$lab_dir/a/state/cluster/database.pem" -tls1_1 </dev/null
	[ "$status" != 0 ]
	# A node's certificate is no user's either.
	sed "s|^certificate:.*|certificate: $lab_dir/b/state/cluster/member.pem|; s|^key:.*|key: $lab_dir/b/state/cluster/member.key|" \
		"$lab_dir/a/context.yaml" >"$lab_dir/member.yaml"
	run at b "$bh" --context "$lab_dir/member.yaml" get projects
	[ "$status" = 1 ]
}
@test "what belongs to the cluster is changed at its manager" {
	run on b create project f9
	[ "$status" = 1 ]
	[[ $output == *"changed at the cluster's manager"* ]]
	run on b delete node b
	[ "$status" = 1 ]
	[[ $output == *"nodes are deleted at the cluster's manager"* ]]
	run on b network isolate-projects f1
	[ "$status" = 1 ]
	run on b delete node c
	[ "$status" = 1 ]
	run at b "$bh" token create d --state-dir "$lab_dir/b/state"
	[ "$status" = 1 ]
	[[ $output == *"managed at 10.77.0.1:7444"* ]]
}
@test "a secret is the node's to which it is sealed" {
	on b create secret generic word -n f1 --from-literal=w=sesame
	sleeper reads f1 "    volumeMounts: [{name: s, mountPath: /s}]
  volumes: [{name: s, secret: {secretName: word}}]" >"$lab_dir/reads.yaml"
	on b apply -f "$lab_dir/reads.yaml"
	on b wait pod reads -n f1 --for=condition=Ready --timeout=30s
	[ "$(on b exec -n f1 reads -- cat /s/w)" = sesame ]
	run on a apply -f "$lab_dir/reads.yaml"
	[ "$status" = 1 ]
	[[ $output == *"sealed"*"'b'"* || $output == *"node"*b* ]]
	run on a create secret generic word -n f1 --from-literal=w=other
	[ "$status" = 1 ]
	on b delete pod reads -n f1
	on b delete secret word -n f1
}
@test "a token is for one node, for its time, and once" {
	at a "$bh" token create d --state-dir "$lab_dir/a/state" --ttl=1m >"$lab_dir/token.yaml"
	# That name, whatever the file says.
	sed 's/^node: d/node: e/' "$lab_dir/token.yaml" >"$lab_dir/other.yaml"
	run at c "$bh" join -f "$lab_dir/other.yaml" --state-dir "$lab_dir/new" --run-dir "$lab_dir/new-run" --libexec-dir "$B" --no-start
	[ "$status" = 1 ]
	[[ $output == *"the token is not for node 'e'"* ]]
	[ ! -e "$lab_dir/new" ]
	# An address that another node has.
	run at c "$bh" join -f "$lab_dir/token.yaml" --state-dir "$lab_dir/new" --run-dir "$lab_dir/new-run" --libexec-dir "$B" --no-start
	[ "$status" = 1 ]
	[[ $output == *"node 'c' has address 10.77.0.3 already"* ]]
	[ ! -e "$lab_dir/new" ]
	at c "$bh" join -f "$lab_dir/token.yaml" --state-dir "$lab_dir/new" --run-dir "$lab_dir/new-run" --libexec-dir "$B" --no-start \
		--address 10.77.0.77
	[ "$(on a get nodes --no-headers | wc -l)" = 4 ]
	run at c "$bh" join -f "$lab_dir/token.yaml" --state-dir "$lab_dir/new2" --run-dir "$lab_dir/new-run" --libexec-dir "$B" --no-start \
		--address 10.77.0.78
	[ "$status" = 1 ]
	[[ $output == *"node 'd' is in the cluster already"* ]]
	eventually 10 has_peers a 3
	on a delete node d
	rm -rf "$lab_dir/new"
	sed 's/^expiresAt:.*/expiresAt: 5/' "$lab_dir/token.yaml" >"$lab_dir/other.yaml"
	run at c "$bh" join -f "$lab_dir/other.yaml" --state-dir "$lab_dir/new" --libexec-dir "$B"
	[ "$status" = 1 ]
	[[ $output == *"the token expired"* ]]
	# Another cluster's authority is not believed.
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=false -keyout /dev/null -out "$lab_dir/false.pem" 2>/dev/null
	awk -v ca="$(sed 's/^/  /' "$lab_dir/false.pem")" '/^ca:/ {print "ca: |"; print ca; skip=1; next} /^[a-z]/ {skip=0} !skip' \
		"$lab_dir/token.yaml" >"$lab_dir/other.yaml"
	run at c "$bh" join -f "$lab_dir/other.yaml" --state-dir "$lab_dir/new" --libexec-dir "$B"
	[ "$status" = 1 ]
	[ ! -e "$lab_dir/new" ]
}
@test "the first node away: the others go on, and come back to it" {
	local ovsdb
	on c image import "$lab_dir/busybox.tar"
	ovsdb=$(pgrep -f "^ovsdb-server .*$lab_dir/a/state/cluster.db")
	kill -STOP "$ovsdb"
	together f1-a f1-b
	sleeper f1-c f1 | on c apply -f -
	on c wait pod f1-c -n f1 --for=condition=Ready --timeout=30s
	eventually 5 reaches f1-c f1-b
	apart f1-c f2-b
	kill -CONT "$ovsdb"
	kill -KILL "$ovsdb"
	eventually 20 on a create project f8
	eventually 20 on b get projects f8
	on a delete project f8
}
@test "a node that is deleted is nobody's peer any more" {
	reaches f1-c f1-b
	on a delete node c
	eventually 10 has_peers a 1
	if reaches f1-c f1-b; then false; fi
	# Its agent says why it is none.
	eventually 10 grep -q "is no node of the cluster any more" "$lab_dir/c/state/agent.log"
	run on a delete node a
	[ "$status" = 1 ]
	run on a delete node c
	[ "$status" = 1 ]
	[[ $output == *'node "c" does not exist'* ]]
}
@test "it joins again, as a new one" {
	lab leave "$lab_dir" c
	lab join "$lab_dir" c
	[ "$(on a get nodes --no-headers | wc -l)" = 3 ]
	eventually 10 has_peers a 2
}
