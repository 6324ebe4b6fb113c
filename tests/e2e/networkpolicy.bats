#!/usr/bin/env bats
# Network policies from manifest to packet: who reaches whom, what is open, what a bad one is told, what
# stands when a daemon was away, and that no policy lets another tenant in.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start
	node_image
	bh create project red
	bh create project blue
	local p
	for p in red/web red/db red/other blue/web; do
		labelled "${p#*/}" "${p%/*}" "{app: ${p#*/}}" | bh apply -f -
	done
	for p in red/web red/db red/other blue/web; do
		bh wait pod "${p#*/}" -n "${p%/*}" --for=condition=Ready --timeout=60s
		serve "${p%/*}" "${p#*/}"
	done
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	local pid
	for pid in $(cat "$node_dir"/server-*.pid 2>/dev/null); do kill "$pid" 2>/dev/null; done
	node_stop
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }

labelled() { sleeper "$1" "$2" | sed "s/^metadata: {\(.*\)}/metadata: {\1, labels: $3}/"; }
# An echo server on TCP 80, 81 and UDP 53 in a pod's network, until the end of the file.
serve() {
	nsenter --target "$(pod_pid "$1" "$2")" --net -- /usr/bin/python3 -c '
import selectors, socket, sys
sel = selectors.DefaultSelector()
for port in 80, 81:
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", port)); s.listen(8); sel.register(s, selectors.EVENT_READ, "listen")
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("", 53)); sel.register(u, selectors.EVENT_READ, "udp")
while True:
    for key, _ in sel.select():
        if key.data == "listen":
            sel.register(key.fileobj.accept()[0], selectors.EVENT_READ, "echo")
        elif key.data == "udp":
            data, peer = u.recvfrom(9000); u.sendto(data, peer)
        else:
            try: data = key.fileobj.recv(4096)
            except OSError: data = b""
            if data: key.fileobj.send(data)
            else: sel.unregister(key.fileobj); key.fileobj.close()
' >/dev/null 2>&1 3>&- &
	echo $! >"$node_dir/server-$1-$2.pid"
}
# Whether a connection is answered: opens FROM-PROJECT FROM-POD TO-PROJECT TO-POD PORT
opens() {
	nsenter --target "$(pod_pid "$1" "$2")" --net -- /usr/bin/python3 -c '
import socket, sys
host, port = sys.argv[1], int(sys.argv[2])
try:
    if port == 53:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1); s.sendto(b"x", (host, port))
    else:
        s = socket.create_connection((host, port), 1); s.settimeout(1); s.send(b"x")
    sys.exit(0 if s.recv(1) == b"x" else 1)
except OSError:
    sys.exit(1)
' "$(pod_ip "$3" "$4")" "$5"
}
shut() { opens "$@" && { echo "$* is open" >&2; return 1; }; return 0; }
# policy NAME PROJECT SPEC (JSON)
policy() {
	printf '{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "%s", "namespace": "%s"}, "spec": %s}\n' "$@"
}
# Applies one and gives the switch the time it takes, on a machine that is busy.
put() { policy "$@" | bh apply -f - && sleep 1; }
none() { bh delete networkpolicy "$@" && sleep 1; }
db_from_web='{"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 80}]}]}'
all_shut='{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}'

@test "without a policy all pods of a project are open, and no other's" {
	opens red web red db 80
	opens red other red db 81
	opens red web red db 53
	shut blue web red db 80
}
@test "ingress from chosen pods to a port: the rest is shut, replies and own connections pass" {
	run put db-from-web red "$db_from_web"
	[ "$status" = 0 ]
	[ "${lines[0]}" = "networkpolicy/db-from-web created" ]
	opens red web red db 80
	shut red web red db 81
	shut red web red db 53
	shut red other red db 80
	pod_ping red web -c 1 -W 1 "$(pod_ip red db)" && return 1
	opens red db red web 80
	opens red db red other 53
	pod_ping red db -c 1 -W 1 "$(pod_ip red web)"
	opens red web red other 81
}
@test "applied again it is unchanged, changed it is configured, at once" {
	run put db-from-web red "$db_from_web"
	[ "${lines[0]}" = "networkpolicy/db-from-web unchanged" ]
	run put db-from-web red "${db_from_web/80/81}"
	[ "${lines[0]}" = "networkpolicy/db-from-web configured" ]
	shut red web red db 80
	opens red web red db 81
	put db-from-web red "$db_from_web"
	opens red web red db 80
}
@test "--dry-run=server judges and changes nothing" {
	run bash -c "$(declare -f policy bh in_netns); policy shut red '$all_shut' | bh apply -f - --dry-run=server"
	[ "$status" = 0 ]
	[ "$output" = "networkpolicy/shut created (server dry run)" ]
	run bh get networkpolicies shut -n red
	[ "$status" = 1 ]
	opens red web red db 80
}
@test "get and describe show it" {
	run bh get netpol -n red --no-headers
	[ "$status" = 0 ]
	[[ $output =~ ^db-from-web\ +app=db\ +Ingress\ +[0-9a-z]+\ +red$ ]]
	run bh get networkpolicy db-from-web -n red -o yaml
	[[ $output == *"apiVersion: networking.k8s.io/v1"*"kind: NetworkPolicy"*"protocol: TCP"*"policyTypes:"*"- Ingress"* ]]
	run bh get netpol -n red -o name
	[ "$output" = networkpolicy/db-from-web ]
	run bh describe networkpolicy db-from-web -n red
	[[ $output == *"PodSelector: app=db"*"To Port: 80/TCP"*"PodSelector: app=web"*"Not affecting egress traffic"* ]]
	run bh get netpol -A --no-headers
	[ "${#lines[@]}" = 1 ]
	run bh get netpol -n blue
	[ "$output" = "no networkpolicies found" ]
}
@test "what get prints is a manifest again" {
	bh get networkpolicy db-from-web -n red -o yaml | grep -vE '^  (uid|creationTimestamp):' >"$node_dir/again.yaml"
	run bh apply -f "$node_dir/again.yaml"
	[ "$output" = "networkpolicy/db-from-web unchanged" ]
}
@test "a permission that is revoked ends an open connection, and one that is kept goes on" {
	put web-too red '{"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "other"}}}]}]}'
	talk web; talk other
	eventually 10 test -s "$node_dir/said-web"
	eventually 10 test -s "$node_dir/said-other"
	none web-too -n red
	eventually 10 silent other
	talks web
	kill "$(cat "$node_dir/talker-web")" "$(cat "$node_dir/talker-other")"
}
silent() { local before; before=$(wc -c <"$node_dir/said-$1"); sleep 1; [ "$(wc -c <"$node_dir/said-$1")" = "$before" ]; }
talks() { local before; before=$(wc -c <"$node_dir/said-$1"); sleep 1; [ "$(wc -c <"$node_dir/said-$1")" -gt "$before" ]; }
# A pod of red that says one byte after another to db and notes what comes back.
talk() {
	nsenter --target "$(pod_pid red "$1")" --net -- /usr/bin/python3 -c '
import socket, sys, time
c = socket.create_connection((sys.argv[1], 80), 5)
while True:
    c.send(b"x"); sys.stdout.write("." * len(c.recv(4096))); sys.stdout.flush(); time.sleep(0.02)
' "$(pod_ip red db)" >"$node_dir/said-$1" 2>/dev/null 3>&- &
	echo $! >"$node_dir/talker-$1"
}
@test "the first policy of a project knows what was open before it" {
	none db-from-web -n red
	talk web; talk other
	eventually 10 test -s "$node_dir/said-web"
	eventually 10 test -s "$node_dir/said-other"
	put db-from-web red "$db_from_web"
	eventually 10 silent other
	talks web
	kill "$(cat "$node_dir/talker-web")" "$(cat "$node_dir/talker-other")"
}
@test "egress: shut but for a block and its exceptions" {
	local db other
	db=$(pod_ip red db) other=$(pod_ip red other)
	put out red '{"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "10.128.0.0/14", "except": ["'"$other"'/32"]}}]}]}'
	opens red web red db 80
	shut red web red other 80
	opens red other red web 80
	none out -n red
	opens red web red other 80
}
@test "no policy lets another tenant in" {
	put wide red '{"podSelector": {}, "ingress": [{}, {"from": [{"namespaceSelector": {}}]}], "egress": [{}]}'
	put wide blue '{"podSelector": {}, "ingress": [{}], "egress": [{}]}'
	shut blue web red db 80
	shut red db blue web 80
	opens red other red db 81
	none wide -n red
	none wide -n blue
}
@test "joined projects: a namespaceSelector says who of the other" {
	bh network join-projects --to=red blue --wait
	shut blue web red db 80
	put from-blue red '{"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "blue"}}}]}]}'
	opens blue web red db 80
	shut red other red db 80
	none from-blue -n red
	shut blue web red db 80
	bh network isolate-projects blue --wait
}
@test "labels of projects: set and taken away, policies follow" {
	bh network join-projects --to=red blue --wait
	put from-team red '{"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{"from": [{"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["b"]}]}}]}]}'
	shut blue web red db 80
	run bh label project blue team=b tier=front
	[ "$output" = "project/blue labeled" ]
	eventually 10 opens blue web red db 80
	[ "$(bh get projects blue -o wide --no-headers | awk '{print $6}')" = "team=b,tier=front" ]
	bh label project blue team- tier=back
	eventually 10 shut blue web red db 80
	[ "$(bh get projects blue -o wide --no-headers | awk '{print $6}')" = "tier=back" ]
	none from-team -n red
	bh network isolate-projects blue --wait
	run bh label project blue kubernetes.io/metadata.name=red
	[ "$status" = 1 ]
	[[ $output == *"label 'kubernetes.io/metadata.name' is the project's name, and stays"* ]]
	run bh label project blue 'a b=c'
	[ "$status" = 1 ]
	run bh label project blue team
	[ "$status" = 1 ]
	[[ $output == *"a label is set as KEY=VALUE and removed as KEY-"* ]]
	run bh label project nobody a=b
	[ "$status" = 1 ]
	# It has one: 40 in two times 20, then 24.
	bh label project blue $(seq -f 'l%g=x' 20)
	bh label project blue $(seq -f 'l%g=x' 21 40)
	run bh label project blue $(seq -f 'l%g=x' 41 64)
	[ "$status" = 1 ]
	[[ $output == *"would have 65 labels, and may have 64"* ]]
}
@test "a pod that comes later is under the policies from its first packet" {
	put none red '{"podSelector": {"matchLabels": {"app": "late"}}, "policyTypes": ["Ingress", "Egress"]}'
	labelled late red '{app: late}' | bh apply -f -
	bh wait pod late -n red --for=condition=Ready --timeout=60s
	serve red late
	shut red late red web 80
	shut red web red late 80
	none none -n red
	opens red web red late 80
	bh delete pod late -n red
}
@test "kill -9 of netd, and of the agent: it stands, and nothing is open meanwhile" {
	local before
	before=$(in_netns ovs-ofctl -O OpenFlow15 dump-flows --no-stats "unix:$node_run/ovs/br0.mgmt" | sort)
	kill -KILL "$(daemon_pid bulkhead-netd)"
	for _ in 1 2 3 4 5; do shut red other red db 80; done
	eventually 10 bash -c "$(declare -f bh in_netns); bh get nodes --no-headers | grep -q ' Ready '"
	kill -KILL "$(cat "$node_run/agent.pid")"
	shut red other red db 80
	bh up --state-dir "$node_state"
	shut red other red db 80
	opens red web red db 80
	[ "$(in_netns ovs-ofctl -O OpenFlow15 dump-flows --no-stats "unix:$node_run/ovs/br0.mgmt" | sort)" = "$before" ]
}
refused() {
	run bash -c "$(declare -f policy bh in_netns); policy bad red '$1' | bh apply -f -"
	[ "$status" = 1 ]
	[[ $output == *"$2"* ]] || { echo "$output"; return 1; }
}
@test "what is wrong or not honoured is named, and changes nothing" {
	refused '{"podSelector": {}, "ingress": [{"from": [{}]}]}' "spec.ingress[0].from[0]: must have a podSelector, a namespaceSelector or an ipBlock"
	refused '{"podSelector": {}, "ingress": [{"ports": [{"port": "http"}]}]}' "spec.ingress[0].ports[0].port: is a port by name"
	refused '{"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": "fd00::/8"}}]}]}' "spec.egress[0].to[0].ipBlock.cidr: is of IPv6"
	refused '{"podSelector": {}, "ingress": [{"ports": [{"port": 90, "endPort": 80}]}]}' "spec.ingress[0].ports[0].endPort: 80 must not be less than port, 90"
	refused '{"podSelector": {}, "policyTypes": ["Both"]}' "spec.policyTypes[0]:"
	refused '{"podSelector": {}, "ingres": []}' "spec.ingres"
	refused '{"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}' "spec.podSelector.matchExpressions[0].values: must be given"
	run bash -c "$(declare -f policy bh in_netns); policy p nobody '{}' | bh apply -f -"
	[[ $output == *'project "nobody" does not exist'* ]]
	run bh get netpol bad -n red
	[ "$status" = 1 ]
	[[ $output == *'networkpolicies "bad" not found'* ]]
	run bh delete netpol bad -n red
	[ "$status" = 1 ]
	[[ $output == *'networkpolicy "bad" does not exist in project "red"'* ]]
}
@test "a tenant sets policies of its own project, a viewer none" {
	local who
	for who in edit view; do
		"$B/bulkhead-secretd" --issue --keys "$node_state/keys" --pki "$node_state/pki" --cn ann --org "bulkhead:project:red:$who" \
			--out-cert "$node_dir/$who.pem" --out-key "$node_dir/$who.key"
		sed "s|^certificate:.*|certificate: $node_dir/$who.pem|; s|^key:.*|key: $node_dir/$who.key|" \
			"$node_state/context.yaml" >"$node_dir/$who.yaml"
	done
	policy mine red "$all_shut" >"$node_dir/mine.json"
	policy theirs blue "$all_shut" >"$node_dir/theirs.json"
	run bh apply -f "$node_dir/mine.json" --context "$node_dir/view.yaml"
	[ "$status" = 1 ]
	[[ $output == *"may not create networkpolicies in project \"red\""* ]]
	run bh apply -f "$node_dir/theirs.json" --context "$node_dir/edit.yaml"
	[ "$status" = 1 ]
	[[ $output == *"may not create networkpolicies in project \"blue\""* ]]
	bh apply -f "$node_dir/mine.json" --context "$node_dir/edit.yaml"
	bh get netpol -n red --context "$node_dir/view.yaml"
	run bh label project red a=b --context "$node_dir/edit.yaml"
	[ "$status" = 1 ]
	bh delete -f "$node_dir/mine.json" --context "$node_dir/edit.yaml"
	grep -q 'audit: .*ApplyNetworkPolicy' "$node_state/agent.log"
}
@test "a project has so many policies, and they go with it" {
	bh create project full
	local i
	for i in $(seq 64); do policy "p$i" full '{}'; echo ---; done >"$node_dir/many.yaml"
	bh apply -f "$node_dir/many.yaml" >/dev/null
	run bash -c "$(declare -f policy bh in_netns); policy p65 full '{}' | bh apply -f -"
	[ "$status" = 1 ]
	[[ $output == *"project 'full' has the 64 network policies that a project may have"* ]]
	bh delete project full
	run bh get netpol -A --no-headers
	[ "${#lines[@]}" = 1 ]
}
@test "after the last policy the switch is as it was" {
	none db-from-web -n red
	run in_netns ovs-ofctl -O OpenFlow15 dump-flows --no-stats "unix:$node_run/ovs/br0.mgmt"
	[[ $output != *conjunction* && $output != *"table=30, priority=200"* ]]
	opens red other red db 80
}
