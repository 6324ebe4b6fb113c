#!/usr/bin/env bats
# The main job through the real CLI and daemons: what the README's tour promises.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start
	node_image
	bh create project red
	bh create project blue
	bh create secret generic db -n red --from-literal='password=canary-5f2a91'
	bh apply -f "$node_root/examples/red.yaml"
	bh apply -f "$node_root/examples/blue.yaml"
	bh apply -f "$node_root/examples/default.yaml"
	local pod
	for pod in red/web red/client blue/client default/monitor; do
		bh wait pod "${pod#*/}" -n "${pod%/*}" --for=condition=Ready --timeout=60s
	done
	in_pod red web sh -c 'echo hello >/www/index.html'
	export web_ip
	web_ip=$(pod_ip red web)
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }

@test "get nodes names the datapath and says Ready" {
	run bh get nodes -o wide
	[ "$status" = 0 ]
	[[ $output == *Ready* && ( $output == *netdev* || $output == *system* ) ]]
}
@test "projects differ in VNID, UID range and MCS label" {
	run bh get projects --no-headers
	[ "$(awk '{print $2}' <<<"$output" | sort -u | wc -l)" = 3 ]
	[ "$(awk '{print $3}' <<<"$output" | sort -u | wc -l)" = 3 ]
	[ "$(awk '{print $4}' <<<"$output" | sort -u | wc -l)" = 3 ]
	[ "$(awk '$1 == "default" {print $2}' <<<"$output")" = 0 ]
}
@test "the secret is in no file of the node" {
	run grep -rs --exclude-dir=ovs canary-5f2a91 "$node_state" "$node_run"
	[ "$status" = 1 ]
}
@test "the pod reads its secret from a read-only tmpfs" {
	[ "$(in_pod red web cat /etc/db/password)" = canary-5f2a91 ]
	in_pod red web cat /proc/mounts | grep -E '^[^ ]+ /etc/db tmpfs ro,nosuid,nodev,noexec'
	run in_pod red web sh -c 'echo x >/etc/db/password'
	[ "$status" != 0 ]
}
@test "the service account token is bound to the pod" {
	payload=$(in_pod red web cat /var/run/secrets/kubernetes.io/serviceaccount/token | cut -d. -f2 | tr '_-' '/+')
	while [ $((${#payload} % 4)) != 0 ]; do payload="$payload="; done
	run base64 -d <<<"$payload"
	[[ $output == *'"sub":"system:serviceaccount:red:default"'* ]]
	[[ $output == *'"name":"web"'* && $output == *'"namespace":"red"'* ]]
	[ "$(in_pod red web cat /var/run/secrets/kubernetes.io/serviceaccount/namespace)" = red ]
	in_pod red web cat /var/run/secrets/kubernetes.io/serviceaccount/ca.crt | grep -q 'BEGIN CERTIFICATE'
}
@test "same project connects" {
	[ "$(in_pod red client timeout 5 wget -q -O - "http://$web_ip:8080/index.html")" = hello ]
}
@test "another project does not connect, and gets no ARP answer" {
	run in_pod blue client timeout 2 wget -q -O - "http://$web_ip:8080/index.html"
	[ "$status" != 0 ]
	run in_pod blue client arping -c 2 -w 2 "$web_ip"
	[ "$status" != 0 ]
}
@test "project default reaches all" {
	[ "$(in_pod default monitor timeout 5 wget -q -O - "http://$web_ip:8080/index.html")" = hello ]
}
@test "/etc/hosts names the pod by its own address" {
	[ "$(in_pod red web awk '$2 == "web" {print $1}' /etc/hosts)" = "$web_ip" ]
	[ "$(in_pod red client cat /etc/hosts | grep -c 'localhost$')" = 1 ]
}
@test "capabilities, seccomp, no_new_privs, user namespace from inside" {
	run in_pod red web cat /proc/1/status
	[[ $output == *$'CapBnd:\t0000000000000000'* && $output == *$'CapEff:\t0000000000000000'* ]]
	[[ $output == *$'CapInh:\t0000000000000000'* && $output == *$'CapAmb:\t0000000000000000'* ]]
	[[ $output == *$'Seccomp:\t2'* && $output == *$'NoNewPrivs:\t1'* ]]
	run in_pod red web awk '$2 == 0' /proc/self/uid_map
	[ -z "$output" ]
}
@test "exec returns the exit code and keeps stdout and stderr apart" {
	run in_pod red client sh -c 'exit 42'
	[ "$status" = 42 ]
	[ "$(in_pod red client sh -c 'echo out; echo err >&2' 2>/dev/null)" = out ]
	[ "$(echo text | bh exec -i -n red client -- cat)" = text ]
}
@test "logs are CRI files and readable" {
	run bh logs web -n red
	[[ $output == *'serving on 8080 as 1000'* ]]
	grep -qE '^[0-9TZ:.+-]+ stdout F serving' "$node_state"/logs/red_web_*/httpd/0.log
}
@test "a job runs its init container first and keeps its exit code" {
	bh apply -f "$node_root/examples/job.yaml"
	bh wait pod job -n red --for=phase=Failed --timeout=30s
	[ "$(bh logs job -n red)" = prepared ]
	bh get pods job -n red -o json | grep -qE '"exitCode": *3'
	bh delete pod job -n red
}
@test "describe shows the stages" {
	run bh describe pod web -n red
	[ "$status" = 0 ]
	for stage in admit secrets network launch exec; do [[ $output == *"  $stage "* ]]; done
}
@test "apply again is unchanged, a changed spec is refused by field" {
	run bh apply -f "$node_root/examples/blue.yaml"
	[[ $output == *unchanged* ]]
	run bash -c "sed 's/sleep 3600/sleep 7200/' '$node_root/examples/blue.yaml' | nsenter --target $node_netns --net -- '$bh' apply -f -"
	[ "$status" = 1 ]
	[[ $output == *spec* ]]
}
@test "a deleted pod leaves no veth, flow, cgroup or folder" {
	flows() { in_netns env OVS_RUNDIR="$node_run/ovs" ovs-ofctl -O OpenFlow15 dump-flows "unix:$node_run/ovs/br0.mgmt" --no-stats | sort; }
	before=$(flows)
	links=$(in_netns ip -o link | wc -l)
	sleeper gone red | bh apply -f -
	bh wait pod gone -n red --for=condition=Ready --timeout=30s
	uid=$(bh get pods gone -n red -o json | awk -F'"' '$2 == "uid" {print $4; exit}')
	[ -d "$node_state/pods/$uid" ]
	bh delete pod gone -n red
	[ "$(flows)" = "$before" ]
	[ "$(in_netns ip -o link | wc -l)" = "$links" ]
	[ ! -e "$node_state/pods/$uid" ]
	[ ! -e "$node_run/pods/$uid" ]
	[ -z "$(find /sys/fs/cgroup -type d -name "pod$uid")" ]
}
