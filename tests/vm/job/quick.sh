# A node with an Open vSwitch of its own on the kernel's datapath, without systemd: labels, limits,
# flows, adoption, and that nothing is left.
# shellcheck shell=sh disable=SC1091,SC2154,SC2016 # common.sh sets $state and $run; inner shells' own
. /in/common.sh

install_node

# ---- what the node says of itself, and what the kernel says ---------------------------------

check "init with a private Open vSwitch and the kernel's datapath" \
	timeout 120 bulkhead init --ovs private --datapath system
check "SELinux enforces" equal enforce "$(cat /sys/fs/selinux/enforce)" 1
check "get nodes says enforcing" node_says selinux enforcing
check "get nodes says cgroup v2" node_says cgroup v2
check "get nodes says the system datapath" node_says datapath system
check "the agent runs as bulkhead_t, without categories" \
	equal label "$(label_of "$(agent_pid)")" system_u:system_r:bulkhead_t:s0

# ---- two tenants ----------------------------------------------------------------------------

check "import of an image" timeout 60 bulkhead image import /root/busybox.tar
check "project red" bulkhead create project red
check "project blue" bulkhead create project blue
check "a secret" bulkhead create secret generic db -n red --from-literal=password=hunter2
tenants
for pod in red/web red/client blue/client; do
	check "$pod is ready" bulkhead wait pod "${pod#*/}" -n "${pod%/*}" --for=condition=Ready --timeout=60s
done
red_mcs=$(project_mcs red)
blue_mcs=$(project_mcs blue)
web_pid=$(pod_pid red web)
web_ip=$(pod_ip red web)
web_cgroup=$(pod_cgroup red web)

# ---- limits ---------------------------------------------------------------------------------

for group in "$web_cgroup" "$web_cgroup/main"; do
	check "memory.max of ${group##*/}" equal memory.max "$(cat "$group/memory.max")" 67108864
	check "cpu.max of ${group##*/}" equal cpu.max "$(cat "$group/cpu.max")" "50000 100000"
done
check "pids.max of the pod" equal pids.max "$(cat "$web_cgroup/pids.max")" 4096
check "the pod's process is in its container's cgroup" \
	equal cgroup "0::${web_cgroup#/sys/fs/cgroup}/main" "$(cat "/proc/$web_pid/cgroup")"
check "its own cgroup is read-only to the pod" refute in_pod red web sh -c 'echo max >/sys/fs/cgroup/memory.max'

# ---- labels ---------------------------------------------------------------------------------

check "the projects' categories differ" refute equal mcs "$red_mcs" "$blue_mcs"
check "red/web runs as container_t with red's categories" \
	equal label "$(label_of "$web_pid")" "system_u:system_r:container_t:$red_mcs"
check "blue/client runs as container_t with blue's categories" \
	equal label "$(label_of "$(pod_pid blue client)")" "system_u:system_r:container_t:$blue_mcs"
check "ps -Z agrees" ps_says "$web_pid" "container_t:$red_mcs"
check "what exec runs has the label too" \
	equal label "$(in_pod red web cat /proc/self/attr/current | tr -d '\0')" "system_u:system_r:container_t:$red_mcs"

check "the pod reads its secret" equal password "$(in_pod red web cat /etc/db/password)" hunter2
check "the pod writes to its emptyDir" in_pod red web sh -c 'echo hello from red >/www/index.html'
www=$state/pods/$(pod_uid red web)/volumes/www
check "what it wrote has red's categories" \
	equal label "$(stat -c %C "$www/index.html")" "system_u:object_r:container_file_t:$red_mcs"
check "the pod writes to its root, /dev/shm and /dev/null" \
	in_pod red web sh -c 'echo x >/tmp/x && echo x >/dev/shm/x && echo x >/dev/null'
check "what it copied to its root runs" in_pod red web sh -c 'cp /bin/busybox /tmp/ && /tmp/busybox true'
check "a terminal works" terminal_works
check "logs show what the pod wrote" sh -c "bulkhead logs -n red web | grep -q 'serving as'"

# ---- the network ----------------------------------------------------------------------------

fetch() { in_pod "$1" client timeout 3 wget -q -O - "http://$web_ip:8080/index.html"; }
check "same project: connects" equal page "$(fetch red)" "hello from red"

check "other project: does not connect" refute fetch blue
check "the kernel has the datapath" sh -c "ovs-dpctl show | grep -q system@ovs-system"
check "the switch's bridge is on it" sh -c \
	"ovs-appctl -t $run/ovs/ovs-vswitchd.ctl dpif/show | grep -q '^system@ovs-system'"
check "same project: a kernel flow forwards" sh -c "fetch_flow() { ovs-dpctl dump-flows; }
	fetch_flow | grep -E 'dst=$web_ip|tip=$web_ip' | grep -v 'actions:drop' | grep -q actions:"
check "other project: a kernel flow drops" sh -c "ovs-dpctl dump-flows | grep -q 'actions:drop'"
ovs-dpctl dump-flows

# ---- another runtime's container, by the CNI plugin ------------------------------------------

unshare --net sleep 600 &
container=$!
cni() {
	echo '{"cniVersion":"1.1.0","name":"vm","type":"bulkhead-cni","project":"'"$2"'"}' |
		CNI_COMMAND=$1 CNI_CONTAINERID=c1 CNI_IFNAME=eth0 CNI_NETNS=/proc/$container/ns/net \
			/usr/local/libexec/bulkhead/bulkhead-cni
}
ping_from_container() { nsenter --target $container --net -- ping -c 1 -W 2 "$web_ip"; }
check "the plugin's STATUS" cni STATUS red
check "it attaches a container to red" cni ADD red
check "which reaches red's pod" ping_from_container
check "and is detached" cni DEL red
check "it attaches it to blue" cni ADD blue
check "which does not reach it" refute ping_from_container
check "and is detached again" cni DEL blue
kill $container

# ---- network policies, by the kernel's conntrack --------------------------------------------

policy() {
	printf '{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": "red"}, "spec": %s}' \
		"$1" | bulkhead apply -f - && sleep 1
}
# A connection that is open before something happens, and asks for the page after it: late SECONDS
late() { in_pod red client sh -c "(sleep $1; printf 'GET /index.html HTTP/1.0\r\n\r\n'; sleep 2) | timeout 15 nc $web_ip 8080"; }
late 6 >/tmp/late-allowed &
late_pid=$!
sleep 2
check "a policy that lets the project's own pods in" \
	policy '{"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 8080}]}]}'
check "allowed: connects" equal page "$(fetch red)" "hello from red"
check "no policy lets another project in" refute fetch blue
wait $late_pid
check "a connection older than the first policy, allowed, goes on" grep -q "hello from red" /tmp/late-allowed
late 6 >/tmp/late-revoked &
late_pid=$!
sleep 2
check "a policy that lets nobody in" policy '{"podSelector": {}, "policyTypes": ["Ingress"]}'
check "shut: does not connect" refute fetch red
wait $late_pid
check "the open connection got nothing more" refute grep -q "hello from red" /tmp/late-revoked
check "the kernel tracks in our zone" sh -c "ovs-appctl -t $run/ovs/ovs-vswitchd.ctl dpctl/dump-conntrack zone=25192 | grep -q dport=8080"
check "egress to a block without its exception" policy \
	'{"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": "10.128.0.0/14", "except": ["'"$web_ip"'/32"]}}]}]}'
check "shut: does not connect out" refute fetch red
check "the policy goes" bulkhead delete networkpolicy p -n red
sleep 1
check "open again" equal page "$(fetch red)" "hello from red"

# ---- bandwidth, by the kernel's meters -------------------------------------------------------

# Of 300 pings of 1442 bytes with little time between, a limit of 20k lets some 91 through at once (128
# KiB), however slow the machine, and few more. Each limit that is set begins with a full bucket.
answers() {
	nsenter --target "$(pod_pid red client)" --net -- ping -q -c 300 -i 0.005 -s 1400 "$web_ip" |
		sed -n 's/.* \([0-9]*\) received.*/\1/p'
}
few() { echo "$1 of 300" && [ "$1" -gt 30 ] && [ "$1" -lt 200 ]; }
nearly_all() { echo "$1 of 300" && [ "$1" -gt 290 ]; }
limit() {
	sed "s,^metadata: {,metadata: {annotations: {$1}\, ," /tmp/red.yaml | bulkhead apply -f - && sleep 2
}
check "without a limit" nearly_all "$(answers)"
check "egress is limited while the pod runs" limit 'kubernetes.io/egress-bandwidth: 20k'
check "few get out" few "$(answers)"
check "a kernel flow has the meter" sh -c "ovs-dpctl dump-flows | grep -q 'meter('"
check "ingress is limited instead" limit 'kubernetes.io/ingress-bandwidth: 20k'
check "few answers get in" few "$(answers)"
kill -KILL "$(cat "$run/ovs/ovs-vswitchd.pid")"
sleep 5
check "nor after kill -9 of ovs-vswitchd" few "$(answers)"
check "no limit again" limit ''
check "all get through" nearly_all "$(answers)"
check "a quota of the project" bulkhead create quota net -n red --hard=limits.bandwidth-egress=20k
sleep 2
check "few get through by the project's quota" few "$(answers)"
check "the quota goes" bulkhead delete quota net -n red
sleep 2
check "all get through again" nearly_all "$(answers)"

# ---- what else pods ask for -----------------------------------------------------------------

cat >/tmp/asks.yaml <<-'MANIFEST'
	apiVersion: v1
	kind: Pod
	metadata:
	  name: probed
	  namespace: red
	  annotations: {bulkhead/time-namespace: private, bulkhead/record-profile: "true"}
	spec:
	  terminationGracePeriodSeconds: 1
	  shareProcessNamespace: true
	  containers:
	  - name: main
	    image: busybox:vm
	    command: [/bin/sh, -c, "echo page >/data/index.html; exec httpd -f -p 8080 -h /data"]
	    resources: {limits: {cpu: 500m, memory: 64Mi, ephemeral-storage: 16Mi}}
	    readinessProbe: {httpGet: {port: 8080, path: /index.html}, periodSeconds: 1}
	    livenessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
	    startupProbe: {exec: {command: [/bin/true]}, periodSeconds: 1}
	    volumeMounts: [{name: data, mountPath: /data}]
	  volumes: [{name: data, emptyDir: {sizeLimit: 8Mi}}]
	---
	apiVersion: v1
	kind: Pod
	metadata: {name: shared, namespace: red}
	spec:
	  terminationGracePeriodSeconds: 1
	  hostNetwork: true
	  hostPID: true
	  hostIPC: true
	  containers:
	  - name: main
	    image: busybox:vm
	    command: [/bin/sh, -c, "exec sleep 600"]
	---
	apiVersion: v1
	kind: Pod
	metadata: {name: tuned, namespace: red}
	spec:
	  terminationGracePeriodSeconds: 1
	  securityContext: {sysctls: [{name: net.ipv4.ip_local_port_range, value: "20000 30000"}, {name: kernel.shm_rmid_forced, value: "1"}]}
	  containers:
	  - name: main
	    image: busybox:vm
	    command: [/bin/sh, -c, "mkdir -p /tmp/a && touch /tmp/a/b && exec sleep 600"]
	    securityContext: {privileged: true}
MANIFEST
# Where udev runs, opening /dev/loop-control would load it.
modprobe loop
check "pods that ask for much" bulkhead apply -f /tmp/asks.yaml
ready() {
	for pod; do
		bulkhead wait pod "$pod" -n red --for=condition=Ready --timeout=60s || {
			bulkhead describe pod "$pod" -n red | tail -n 9
			return 1
		}
	done
}
check "run" ready probed shared tuned
check "a debug container sees the target" sh -c \
	"bulkhead debug -n red web --image busybox:vm --target main -- cat /proc/1/cmdline | tr '\\0' ' ' | grep -q httpd"
check "no drift" bulkhead drift --all -n red
check "a profile of what was recorded" sh -c "timeout 60 bulkhead profile record probed -n red -c main | grep -q SCMP_ACT"
check "and they go" bulkhead delete pod probed shared tuned -n red --timeout=60s

# ---- whose domain is whose ------------------------------------------------------------------

domains() {
	status=0
	for name in api netd clusterd secretd shim; do
		for pid in $(pgrep -f "^[^ ]*/bulkhead-$name "); do
			equal "$name" "$(label_of "$pid")" "system_u:system_r:bulkhead_${name}_t:s0" || status=1
		done
	done
	for pid in $(pgrep -f '^ovs'); do
		equal ovs "$(label_of "$pid")" system_u:system_r:bulkhead_ovs_t:s0 || status=1
	done
	return $status
}
check "each program runs in its own domain" domains
check "all of that without a denial" no_denial

# ---- what a taken-over program of the node reaches ------------------------------------------

# Files of each label that any user may read and write: what stops root in a domain is its label.
probe=$state/probe
mkdir "$probe"
for label in bulkhead_keys_t bulkhead_pki_t bulkhead_cluster_t bulkhead_var_lib_t shadow_t; do
	file=$probe/$label
	echo readable >"$file"
	chmod 666 "$file"
	chcon "system_u:object_r:$label:s0" "$file"
done
cp /bin/busybox "$probe/sh"
# in_domain NAME COMMAND: a shell, root with all capabilities, in the place of bulkhead-NAME.
domain_of() { [ "$1" = agent ] && echo bulkhead_t || echo "bulkhead_$1_t"; }
in_domain() {
	case $1 in
	agent) exec=bulkhead_exec_t ;;
	ovs) exec=bin_t ;;
	*) exec=bulkhead_$1_exec_t ;;
	esac
	chcon "system_u:object_r:$exec:s0" "$probe/sh"
	runcon -t "$(domain_of "$1")" -l s0 "$probe/sh" -c "$2" </dev/null 2>&1 | cat
}
reads() { in_domain "$1" "read x <$probe/$2 && echo \$x" | grep -qx readable; }
# The kernel prints denials a little later.
denied() { eventually 5 was_denied "$@"; }
was_denied() {
	denials | grep "scontext=[^ ]*:$(domain_of "$1"):s0 tcontext=[^ ]*:$2:s0.*permissive=0" | grep -q "{ $3 }"
}
reads_not() { refute reads "$1" "$2" && denied "$1" "$2" read; }
writes_not() {
	in_domain "$1" "echo over >>$probe/$2"
	equal file "$(cat "$probe/$2")" readable && denied "$1" "$2" append
}
ran() { in_domain "$1" 'exec /usr/bin/echo ran' | grep -qx ran; }
runs_not() { refute ran "$1" && denied "$1" bin_t execute; }

check "secretd reads keys" reads secretd bulkhead_keys_t
for name in agent api netd clusterd unpack shim ovs; do
	check "$name does not" reads_not $name bulkhead_keys_t
done
check "api reads certificates" reads api bulkhead_pki_t
for name in secretd netd clusterd unpack shim ovs; do
	check "$name does not" reads_not $name bulkhead_pki_t
done
check "Open vSwitch reads what it shows to other nodes" reads ovs bulkhead_cluster_t
for name in api secretd netd clusterd unpack shim; do
	check "$name does not" reads_not $name bulkhead_cluster_t
done
check "the agent reads what the node keeps" reads agent bulkhead_var_lib_t
check "so does a shim" reads shim bulkhead_var_lib_t
for name in api netd clusterd secretd unpack; do
	check "$name writes none of it" writes_not $name bulkhead_var_lib_t
	check "$name runs no other program" runs_not $name
done
for name in agent api netd clusterd secretd unpack shim ovs; do
	check "$name does not read the host's /etc/shadow" reads_not $name shadow_t
done
rm -r "$probe"

# ---- across projects ------------------------------------------------------------------------

# A file of blue's categories in a place where red's pod finds it: only the label stands between.
printf 'of blue\n' >"$www/other"
chmod 644 "$www/other"
chcon "system_u:object_r:container_file_t:$red_mcs" "$www/other"
check "a file with red's categories is read" equal text "$(in_pod red web cat /www/other)" "of blue"
chcon "system_u:object_r:container_file_t:$blue_mcs" "$www/other"
check "the same file with blue's is not" refute in_pod red web cat /www/other
check "the audit log has the denial, with both labels" sh -c "dmesg | grep 'avc: *denied' | grep '{ read }' |
	grep 'scontext=system_u:system_r:container_t:$red_mcs' |
	grep -q 'tcontext=system_u:object_r:container_file_t:$blue_mcs.*permissive=0'"
rm "$www/other"
cp /etc/shadow "$www/shadow"
chmod 644 "$www/shadow"
chcon system_u:object_r:shadow_t:s0 "$www/shadow"
check "a file of the host's is not read, without categories and mode 0644" refute in_pod red web cat /www/shadow
rm "$www/shadow"

# ---- within a project -----------------------------------------------------------------------

# own NAME: a pod that wants a pair of categories of its own.
own() {
	manifest red "$1" 'echo mine >/data/x; exec sleep 3600' '' '{name: data, mountPath: /data}' '{name: data, emptyDir: {}}' |
		sed 's|^metadata: {|metadata: {annotations: {bulkhead/selinux-level: pod}, |'
}
for n in 1 2 3 4; do own "own$n" | bulkhead apply -f -; done
check "pods with a label of their own run" bulkhead wait pod own1 own2 own3 own4 -n red --for=condition=Ready --timeout=60s
own_label() { label_of "$(pod_pid red "$1")" && echo; }
check "each has another" equal labels "$(for n in 1 2 3 4; do own_label own$n; done | sort -u | grep -c container_t)" 4
check "none has the project's" refute sh -c "echo '$(for n in 1 2 3 4; do own_label own$n; done)' | grep -q ':$red_mcs\$'"
own own5 >/tmp/own5.yaml
check "a fifth is told that there is none left" sh -c \
	"! bulkhead apply -f /tmp/own5.yaml 2>/tmp/own5; cat /tmp/own5; grep -q 'all are used' /tmp/own5"
own1_mcs=$(own_label own1 | cut -d: -f4-)
printf 'of own1\n' >"$www/other"
chmod 644 "$www/other"
chcon "system_u:object_r:container_file_t:$own1_mcs" "$www/other"
check "what has its label is not read by another pod of the project" refute in_pod red web cat /www/other
check "and the audit log says so" sh -c "dmesg | grep 'avc: *denied' | grep 'scontext=system_u:system_r:container_t:$red_mcs' |
	grep -q 'tcontext=system_u:object_r:container_file_t:$own1_mcs'"
rm "$www/other"
check "its own volume it reads" equal text "$(in_pod red own1 cat /data/x)" mine
bulkhead delete pods own1 own2 own3 own4 -n red --force

# ---- memory ---------------------------------------------------------------------------------

restart=Never manifest red bomb 'x=aaaaaaaa; while :; do x=$x$x; done' '{limits: {memory: 32Mi}}' >/tmp/bomb.yaml
bulkhead apply -f /tmp/bomb.yaml
bomb_uid=$(pod_uid red bomb)
check "a pod past its memory limit fails" bulkhead wait pod bomb -n red --for=phase=Failed --timeout=60s
check "and says OOMKilled, 137" sh -c "bulkhead get pods bomb -n red -o json | tr -d ' \n' |
	grep -q '\"exitCode\":137.*\"reason\":\"OOMKilled\"\|\"reason\":\"OOMKilled\".*\"exitCode\":137'"
check "so does the kernel, of that very cgroup" sh -c \
	"dmesg | grep oom-kill | grep -q 'oom_memcg=/bulkhead/red/pod$bomb_uid'"
check "the neighbour did not notice" equal pid "$(pod_pid red web)" "$web_pid"

# ---- kill -9 --------------------------------------------------------------------------------

kill -9 "$(agent_pid)"
check "kill -9 of the agent: the pod runs on" kill -0 "$web_pid"
check "up again" timeout 60 bulkhead up
check "it adopts: ready, the same process, no restart" adopted red web "$web_pid"
check "and its network" equal page "$(fetch red)" "hello from red"
check "exec into the adopted pod" in_pod red web true

# ---- the end --------------------------------------------------------------------------------

check "down --purge" timeout 60 bulkhead down --purge
nothing_left
check "no datapath in the kernel" equal datapaths "$(ovs-dpctl dump-dps)" ""
finish
