#!/usr/bin/env bats
# The deny log: what tenancy and the spoofing check deny is told by name, and a flood of it neither
# floods netd nor hides what another pod is denied.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start --no-start
	echo 'deny_log: "on"' >>"$node_state/node.yaml"
	bh up --state-dir "$node_state" >>"$node_dir/init.log" 2>&1
	node_image
	local p
	for p in red blue green; do
		bh create project $p
		sleeper web $p | bh apply -f -
	done
	for p in red blue green; do bh wait pod web -n $p --for=condition=Ready --timeout=60s; done
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }

denials() { bh network denials --no-headers; }
denied() { denials | grep -qE "$1"; }
ofctl() { local verb=$1; shift; in_netns ovs-ofctl -O OpenFlow15 "$verb" "unix:$node_run/ovs/br0.mgmt" "$@"; }
in_net_of() {
	local pid
	pid=$(pod_pid "$1" "$2") || return 1
	shift 2
	nsenter --target "$pid" --net -- "$@"
}
# The MAC address that a pod cannot ask for: of blue's pod, in red's table.
mac_of() { printf '0a:58:%02x:%02x:%02x:%02x' $(tr . ' ' <<<"$1"); }
know() { in_net_of "$1" web ip neigh replace "$(pod_ip "$2" web)" lladdr "$(mac_of "$(pod_ip "$2" web)")" dev eth0; }
cpu_ticks() { awk '{print $14 + $15}' "/proc/$(daemon_pid bulkhead-netd)/stat"; }
send_udp() { # FROM TO PORT COUNT
	in_net_of "$1" web /usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(int(sys.argv[3])):
    try: s.sendto(b"x" * 20, (sys.argv[1], int(sys.argv[2])))
    except OSError: pass
' "$(pod_ip "$2" web)" "$3" "$4"
}

@test "nothing is denied at first, and flows and meters stay as they are" {
	eventually 10 bash -c "nsenter --target $node_netns --net -- ovs-ofctl -O OpenFlow15 dump-flows 'unix:$node_run/ovs/br0.mgmt' | grep -q 'userdata=50'"
	[ "$(ofctl dump-flows | grep -c controller)" = 9 ]
	sleep 6 # netd compares every five seconds
	[ "$(bh get nodes -o json | grep -c flowsMended)" = 0 ]
	run denials
	[ "$status" = 0 ]
	[ "$output" = "" ]
}
@test "who asks for another tenant's address is named, with who it is" {
	pod_ping red web -c 1 -W 1 "$(pod_ip blue web)" || true
	eventually 5 denied "^red/web \($(pod_ip red web)\) +blue/web \($(pod_ip blue web)\) +arp +other network +[0-9]"
	eventually 5 grep -q "denied: red/web ($(pod_ip red web)) to blue/web ($(pod_ip blue web))" "$node_state/agent.log"
}
@test "who knows the MAC address sends to it in vain, and the port is told" {
	know red blue
	send_udp red blue 5353 1
	eventually 5 denied "^red/web .* blue/web .* udp/5353 +other network"
}
@test "who poses as another is named by its own port" {
	local ip
	ip=$(pod_ip blue web)
	in_net_of green web ip addr add "$ip/32" dev eth0
	in_net_of green web ping -c 1 -W 1 -I "$ip" "$(pod_ip red web)" || true
	eventually 5 denied "^green/web \($(pod_ip green web)\) .* forged"
	in_net_of green web ip addr del "$ip/32" dev eth0
}
@test "a flood is counted in part, costs netd little, and hides no other's" {
	local before after seen
	know red blue # else nothing would be sent before ARP gives up
	before=$(cpu_ticks)
	send_udp red blue 7777 60000
	after=$(cpu_ticks)
	eventually 5 denied "udp/7777"
	seen=$(denials | awk '/udp\/7777/ {for (i = 1; i <= NF; i++) if ($i == "network") print $(i + 1)}')
	echo "seen $seen of 60000, netd took $((after - before)) ticks" >&3
	[ "$seen" -ge 1 ]
	[ "$seen" -lt 600 ]
	know green blue
	send_udp green blue 8888 1
	eventually 5 denied "^green/web .* udp/8888"
}
@test "many ports of one pod leave the others' denials where they are" {
	local port
	for port in $(seq 2000 2060); do send_udp red blue "$port" 1; done
	sleep 1
	[ "$(denials | grep -c '^red/web')" -le 32 ]
	denied "^green/web .* udp/8888"
}
@test "what is allowed is not there, and goes on" {
	bh network join-projects --to=blue red --wait
	pod_ping red web -c 3 -i 0.1 -W 1 "$(pod_ip blue web)"
	bh network isolate-projects red --wait
	! denials | grep -q icmp.*blue
	bh network check
}
@test "a pod that goes takes its flows and its meter with it" {
	bh delete pod web -n green
	eventually 10 bash -c "[ \$(nsenter --target $node_netns --net -- ovs-ofctl -O OpenFlow15 dump-flows 'unix:$node_run/ovs/br0.mgmt' | grep -c controller) = 6 ]"
	[ "$(ofctl dump-meters | grep -c '^meter=')" = 2 ]
}
@test "the switch and netd are started again: denials are told again" {
	kill -KILL "$(cat "$node_run/ovs/ovs-vswitchd.pid")"
	sleep 1
	eventually 20 bh network check
	kill -KILL "$(daemon_pid bulkhead-netd)"
	eventually 20 bh network check
	eventually 10 bash -c "[ \$(nsenter --target $node_netns --net -- ovs-ofctl -O OpenFlow15 dump-flows 'unix:$node_run/ovs/br0.mgmt' | grep -c controller) = 6 ]"
	know red blue
	send_udp red blue 4444 1
	eventually 5 denied "^red/web .* udp/4444"
}
@test "no tenant sees them" {
	"$B/bulkhead-secretd" --issue --keys "$node_state/keys" --pki "$node_state/pki" --cn vic --org bulkhead:project:red:edit \
		--out-cert "$node_dir/vic.pem" --out-key "$node_dir/vic.key"
	sed "s|^certificate:.*|certificate: $node_dir/vic.pem|; s|^key:.*|key: $node_dir/vic.key|" \
		"$node_state/context.yaml" >"$node_dir/vic.yaml"
	run bh network denials --context "$node_dir/vic.yaml"
	[ "$status" = 1 ]
	[[ $output == *"may not get nodes"* ]]
}
