# A node under systemd as it is installed: Debian's Open vSwitch, the unit, the journal, and what
# systemd does to a service under running pods.
# shellcheck shell=sh disable=SC1091,SC2154,SC2016 # common.sh sets $state and $run; inner shells' own
. /in/common.sh

service() { systemctl show -P "$1" bulkhead.service; }
shim_of() { pgrep -f "bulkhead-shim --socket $run/pods/$(pod_uid "$1" "$2")/"; }

# shellcheck disable=SC2034 # common.sh reads it
driver=systemd
install_node
systemctl daemon-reload
# A switch that is started earlier loses packets: see nodeagent/agent/ovs.c.
sleep "$(awk '$1 < 11 {print 11 - $1}' /proc/uptime)" 2>/dev/null
check "Debian's Open vSwitch starts" timeout 60 systemctl start openvswitch-switch.service

# ---- the unit -------------------------------------------------------------------------------

check "systemd is PID 1 and SELinux enforces" sh -c \
	'[ "$(cat /proc/1/comm)" = systemd ] && [ "$(cat /sys/fs/selinux/enforce)" = 1 ]'
check "without a node's state the unit does nothing" sh -c \
	'systemctl start bulkhead.service && [ "$(systemctl is-active bulkhead.service)" = inactive ]'
check "init --no-start" timeout 60 bulkhead init --no-start --ovs system
check "node.yaml has the system's switch" grep -q 'ovs: "*system' "$state/node.yaml"
check "systemctl start returns when the agent said READY" timeout 60 systemctl start bulkhead.service
check "the service is active, by sd_notify" equal state "$(service Type) $(service ActiveState) $(service SubState)" "notify active running"
check "its main process is the agent of the pid file" equal pid "$(service MainPID)" "$(agent_pid)"
check "which runs as bulkhead_t" equal label "$(label_of "$(agent_pid)")" system_u:system_r:bulkhead_t:s0
check "the node gets ready" eventually 60 sh -c "bulkhead get nodes -o wide --no-headers | grep -qw Ready"
check "get nodes says enforcing" node_says selinux enforcing
check "get nodes says cgroup v2" node_says cgroup v2
check "and that systemd makes them" node_says cgroupDriver systemd
check "get nodes says the system datapath" node_says datapath system
check "the agent's records are in the journal" sh -c "journalctl -o cat SYSLOG_IDENTIFIER=bulkhead-agent | grep -q '^audit: '"

# ---- pods -----------------------------------------------------------------------------------

check "import of an image" timeout 60 bulkhead image import /root/busybox.tar
check "project red" bulkhead create project red
check "project blue" bulkhead create project blue
check "a secret" bulkhead create secret generic db -n red --from-literal=password=hunter2
tenants
for pod in red/web red/client blue/client; do
	check "$pod is ready" bulkhead wait pod "${pod#*/}" -n "${pod%/*}" --for=condition=Ready --timeout=60s
done
check "what is said of a pod is in the journal, with the pod's name" sh -c \
	"journalctl -o cat BULKHEAD_PROJECT=red BULKHEAD_POD=web SYSLOG_IDENTIFIER=bulkhead-agent | grep -q Started"
web_pid=$(pod_pid red web)
web_ip=$(pod_ip red web)
web_shim=$(shim_of red web)
web_cgroup=$(pod_cgroup red web)
in_pod red web sh -c 'echo hello from red >/www/index.html'
in_pod red web logger -t web -p user.err said by web
check "what a container logs is in the journal, as its project's, its pod's and its label's" eventually 10 sh -c \
	"journalctl -o json BULKHEAD_PROJECT=red BULKHEAD_POD=web BULKHEAD_CONTAINER=main SYSLOG_IDENTIFIER=web PRIORITY=3 |
		grep 'said by web' | grep -q 'BULKHEAD_SELINUX_LABEL\":\"system_u:system_r:container_t:s0:c'"
fetch() { in_pod "$1" client timeout 3 wget -q -O - "http://$web_ip:8080/index.html"; }

check "same project: connects" equal page "$(fetch red)" "hello from red"
check "other project: does not connect" refute fetch blue
check "the bridge is Debian's switch's, on the kernel's datapath" sh -c \
	"ovs-appctl dpif/show | grep -A1 '^system@ovs-system' | grep -q br0"
check "the kernel drops what is across projects" sh -c "ovs-dpctl dump-flows | grep -q actions:drop"
check "the switch's flows tell the projects apart" sh -c \
	"ovs-ofctl -O OpenFlow15 dump-flows br0 table=80 | grep -c 'reg0=.*reg1=' | grep -qx 2"

# ---- cgroups by systemd ---------------------------------------------------------------------

scope=$(pod_scope red web)
unit() { systemctl show -P "$2" "$1"; }
scope_stands() {
	equal state "$(unit "$scope" ActiveState) $(unit "$scope" SubState)" "active running" &&
		equal slice "$(unit "$scope" Slice)" bulkhead-red.slice &&
		equal parent "$(unit bulkhead-red.slice Slice)" bulkhead.slice &&
		equal delegate "$(unit "$scope" Delegate)" yes &&
		equal weight "$(unit "$scope" CPUWeight)" "$(cat "${web_cgroup%/pod}/cpu.weight")" &&
		equal shim "$(cat "${web_cgroup%/pod}/shim/cgroup.procs")" "$web_shim"
}
check "the pod has a delegated scope in its project's slice" scope_stands
check "systemctl status shows the scope, its shim and its process" sh -c \
	"systemctl status --no-pager -l $scope | tee /tmp/status | grep -q 'Bulkhead pod red/web' && grep -q '$web_pid ' /tmp/status && grep -q '$web_shim ' /tmp/status"
check "systemd-cgls shows project, scope and container" sh -c \
	"systemd-cgls --no-pager /bulkhead.slice | tee /tmp/cgls | grep -q bulkhead-red.slice && grep -q bulkhead-blue.slice /tmp/cgls && grep -q $scope /tmp/cgls && grep -q main /tmp/cgls"
sed 's/^/# /' /tmp/cgls
check "the pod's weight is the scope's" equal weight "$(cat "${web_cgroup%/pod}/cpu.weight")" "$(cat "$web_cgroup/cpu.weight")"
check "no limit of systemd's on tasks" equal pids.max "$(cat "${web_cgroup%/pod}/pids.max")" max

limits_hold() {
	equal memory.max "$(cat "$web_cgroup/memory.max")" 67108864 &&
		equal cpu.max "$(cat "$web_cgroup/cpu.max")" "50000 100000" &&
		equal pids.max "$(cat "$web_cgroup/pids.max")" 4096 &&
		equal memory.max "$(cat "$web_cgroup/main/memory.max")" 67108864
}
check "limits are in cgroup v2" limits_hold
check "no pod's process is in the service's cgroup" refute sh -c \
	"grep -qx $web_pid /sys/fs/cgroup/system.slice/bulkhead.service/cgroup.procs"

# ---- what systemd does to a running node ----------------------------------------------------

check "daemon-reload" systemctl daemon-reload
check "limits hold after daemon-reload" limits_hold
check "and the scope stands" scope_stands
check "restart" timeout 60 systemctl restart bulkhead.service
check "the agent is another" refute equal pid "$(service MainPID)" "$web_shim"
check "restart kept the pod: the same process, no restart" adopted red web "$web_pid"
check "and its shim" equal shim "$(shim_of red web)" "$web_shim"
check "and its network" equal page "$(fetch red)" "hello from red"
check "and its limits" limits_hold
check "and its scope" scope_stands

before=$(agent_pid)
kill -9 "$before"
check "kill -9 of the agent: systemd starts another" eventually 20 sh -c \
	"[ \"\$(systemctl show -P MainPID bulkhead.service)\" != $before ] && systemctl is-active -q bulkhead.service"
check "which adopts the pod" adopted red web "$web_pid"
check "in its scope" scope_stands
check "and its network" equal page "$(fetch red)" "hello from red"

check "kill of all in the service's cgroup leaves the pod" sh -c \
	"systemctl kill --kill-who=all --signal=KILL bulkhead.service; sleep 0.5; kill -0 $web_pid && kill -0 $web_shim"
check "the agent comes back" eventually 20 systemctl is-active -q bulkhead.service
check "and adopts it" adopted red web "$web_pid"
check "stop: the pod runs on" sh -c "systemctl stop bulkhead.service && kill -0 $web_pid"
check "start again adopts it" sh -c "systemctl start bulkhead.service"
check "as it was" adopted red web "$web_pid"
check "restart of Debian's switch: the network comes back" sh -c \
	"timeout 60 systemctl restart openvswitch-switch.service"
check "and connects" eventually 30 sh -c "bulkhead exec -n red client -- timeout 3 wget -q -O - http://$web_ip:8080/index.html | grep -q 'hello from red'"
check "all of that without a denial" no_denial
check "systemd refused nothing either" refute sh -c \
	"journalctl -o cat | grep -E 'USER_AVC.*denied.*scontext=[^ ]*:bulkhead_[a-z_]*t:'"
check "the journal has none either" refute sh -c \
	"journalctl _TRANSPORT=audit | grep -E 'avc: *denied' | grep -E 'scontext=[^ ]*:(container_t|bulkhead_[a-z_]*t):'"

www=$state/pods/$(pod_uid red web)/volumes/www
printf 'of blue\n' >"$www/other"
chmod 644 "$www/other"
chcon "system_u:object_r:container_file_t:$(project_mcs blue)" "$www/other"
check "a file of the other project's categories is not read" refute in_pod red web cat /www/other
check "the journal has that denial" sh -c "journalctl _TRANSPORT=audit | grep -E 'avc: *denied' |
	grep 'scontext=system_u:system_r:container_t:$(project_mcs red)' |
	grep -q 'tcontext=system_u:object_r:container_file_t:$(project_mcs blue)'"

# ---- quotas are the slice's -----------------------------------------------------------------

slice=/sys/fs/cgroup/bulkhead.slice/bulkhead-red.slice
slice_has() {
	equal memory.max "$(cat $slice/memory.max)" "$1" && equal cpu.max "$(cat $slice/cpu.max)" "$2" &&
		equal pids.max "$(cat $slice/pids.max)" "$3"
}
check "a quota of red" bulkhead create quota compute -n red --hard=limits.cpu=1,limits.memory=512Mi,count/pids=200
check "limits red's slice" eventually 10 slice_has 536870912 "100000 100000" 200
check "in systemd's words too" equal MemoryMax "$(unit bulkhead-red.slice MemoryMax)" 536870912
check "daemon-reload" systemctl daemon-reload
check "keeps them" slice_has 536870912 "100000 100000" 200
check "and the pod's" limits_hold
check "another quota, while pods run" bulkhead create quota compute -n red --replace --hard=limits.memory=128Mi
check "is the slice's at once" eventually 10 slice_has 134217728 "max 100000" max
restart=Never manifest red hog 'x=aaaaaaaa; while :; do x=$x$x; done' '{limits: {memory: 64Mi}}' >/tmp/hog.yaml
check "a pod at its own limit of memory" bulkhead apply -f /tmp/hog.yaml
check "fails" bulkhead wait pod hog -n red --for=phase=Failed --timeout=60s
check "as OOMKilled, without a word of another's limit" sh -c \
	"bulkhead get pods hog -n red -o json | tr -d ' \n' | grep '\"reason\":\"OOMKilled\"' | grep -qv 'memorylimitof'"
check "delete the quota" bulkhead delete quota compute -n red
check "lifts the limits" eventually 10 slice_has max "max 100000" max
check "a quota that the project's pods meet together" bulkhead create quota tight -n red --hard=limits.cpu=4
restart=Never manifest red free 'x=aaaaaaaa; while :; do x=$x$x; done' >/tmp/free.yaml
check "needs a limit of each" refute bulkhead apply -f /tmp/free.yaml
check "delete that quota" bulkhead delete quota tight -n red
# A limit of memory that only systemd knows: whose it is, the kernel's counts tell all the same.
systemctl set-property --runtime bulkhead-red.slice MemoryMax=160M MemorySwapMax=0
check "a pod without a limit" bulkhead apply -f /tmp/free.yaml
check "fails at the project's" bulkhead wait pod free -n red --for=phase=Failed --timeout=60s
check "and says so" sh -c "bulkhead get pods free -n red -o json | grep -q 'at the memory limit of the project'"

# ---- huge pages -----------------------------------------------------------------------------

echo 8 >/proc/sys/vm/nr_hugepages
mkdir -p /mnt/huge && mount -t hugetlbfs none /mnt/huge
manifest red pages 'sleep 600' '{limits: {cpu: 100m, hugepages-2Mi: 4Mi}, requests: {hugepages-2Mi: 4Mi}}' >/tmp/pages.yaml
check "a pod with two huge pages" bulkhead apply -f /tmp/pages.yaml
check "runs" bulkhead wait pod pages -n red --for=condition=Ready --timeout=60s
pages_cgroup=$(pod_cgroup red pages)
# As a process of the pod would: the pages are its group's.
huge() { sh -c "echo \$\$ >'$1/main/cgroup.procs' && rm -f /mnt/huge/* && fallocate -l $2 /mnt/huge/x" 2>/dev/null; }
check "may use them" huge "$pages_cgroup" 4M
check "and not a third" refute huge "$pages_cgroup" 6M
check "and who asked for none uses none" refute huge "$web_cgroup" 2M
check "which is the group's limit" equal max "$(cat "$web_cgroup/hugetlb.2MB.max") $(cat "$pages_cgroup/hugetlb.2MB.max")" "0 4194304"
rm -f /mnt/huge/* && umount /mnt/huge
check "delete of it" timeout 60 bulkhead delete pod pages -n red --wait --grace-period=0
echo 0 >/proc/sys/vm/nr_hugepages

# ---- scopes end with their pods -------------------------------------------------------------

blue_scope=$(pod_scope blue client)
check "delete of blue/client" timeout 60 bulkhead delete pod client -n blue --wait
check "its scope is collected" eventually 20 sh -c "[ \"\$(systemctl show -P LoadState $blue_scope)\" = not-found ]"
client_scope=$(pod_scope red client)
client_shim=$(shim_of red client)
kill -9 "$client_shim"
check "a shim killed: the pod says so" eventually 30 sh -c \
	"bulkhead get pods client -n red -o json | grep -q ShimExited"
check "and its scope is collected" eventually 20 sh -c "[ \"\$(systemctl show -P LoadState $client_scope)\" = not-found ]"
check "the other pod did not notice" scope_stands

# ---- the end --------------------------------------------------------------------------------

systemctl stop bulkhead.service
check "down --purge" timeout 60 bulkhead down --purge
nothing_left
check "no scope and no slice in systemd's books" sh -c "! systemctl list-units --all --no-legend 'bulkhead*.scope' 'bulkhead*.slice' | grep ."
check "nor limits of slices" sh -c "! ls /run/systemd/system.control 2>/dev/null | grep bulkhead"
check "Debian's switch runs on" systemctl is-active -q openvswitch-switch.service
check "without our bridge" equal bridges "$(ovs-vsctl list-br)" ""
finish
