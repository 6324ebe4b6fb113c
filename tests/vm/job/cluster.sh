# Two nodes on the kernel's datapath with SELinux enforcing, in one machine: the second has a network
# namespace of its own, and a mount namespace with other files behind the same paths.
# shellcheck shell=sh disable=SC1091,SC2154,SC2016 # common.sh sets $state and $run; inner shells' own
. /in/common.sh

install_node

# ---- the second machine -----------------------------------------------------------------------

mkdir -p /srv/b
chcon --reference=/var/lib /srv/b
unshare --net --mount --propagation private sleep 100000 &
b=$!
eventually 5 sh -c "[ \"\$(readlink /proc/$b/ns/net)\" != \"\$(readlink /proc/self/ns/net)\" ]"
on_b() { nsenter --target $b --net --mount -- "$@"; }
on_b mount --bind /srv/b /var/lib
on_b mount -t tmpfs -o mode=0755,rootcontext=system_u:object_r:var_run_t:s0 tmpfs /run
ip link add wire mtu 1500 type veth peer name wire netns $b
ip addr add 10.77.0.1/24 dev wire
ip link set wire up
on_b ip link set lo up
on_b ip addr add 10.77.0.2/24 dev wire
on_b ip link set wire up

# ---- a cluster --------------------------------------------------------------------------------

check "the first node" timeout 120 bulkhead init --node-name a --ovs private --datapath system \
	--listen 10.77.0.1:7443 --address 10.77.0.1 --cluster-listen 10.77.0.1:7444
bulkhead token create b >/tmp/token
check "the second joins it" on_b timeout 120 bulkhead join -f /tmp/token --ovs private --datapath system \
	--listen 10.77.0.2:7443
# The administrator's certificate, at the other node.
sed -e 's/^server: .*/server: 10.77.0.2:7443/' -e 's/^serverName: .*/serverName: b/' "$state"/context.yaml >/root/b.yaml
at_b() { timeout 60 bulkhead --context /root/b.yaml "$@"; }
check "SELinux enforces" equal enforce "$(cat /sys/fs/selinux/enforce)" 1
check "both are nodes" equal nodes "$(bulkhead get nodes --no-headers | awk '{print $1}' | xargs)" "a b"
check "the relay of the second runs as Open vSwitch does" sh -c \
	"ps -eo label,args | grep 'relay:Bulkhead' | grep -v grep | grep -q bulkhead_ovs_t"
check "import at a" timeout 60 bulkhead image import /root/busybox.tar
check "import at b" at_b image import /root/busybox.tar
check "project red" bulkhead create project red
check "project blue" bulkhead create project blue
check "b knows them" eventually 10 at_b get projects red blue

# ---- traffic ----------------------------------------------------------------------------------

for project in red blue; do
	manifest $project web 'mkdir -p /tmp/w && echo hello from b >/tmp/w/index.html && exec httpd -f -p 8080 -h /tmp/w' >/tmp/web.yaml
	manifest $project client 'while :; do sleep 3600; done' >/tmp/client.yaml
	at_b apply -f /tmp/web.yaml
	bulkhead apply -f /tmp/client.yaml
done
for project in red blue; do
	check "$project/web is ready at b" at_b wait pod web -n $project --for=condition=Ready --timeout=60s
	check "$project/client is ready at a" bulkhead wait pod client -n $project --for=condition=Ready --timeout=60s
done
address() { at_b get pods web -n "$1" -o wide --no-headers | awk '{print $6}'; }
fetch() { in_pod "$1" client timeout 5 wget -q -O - "http://$(address "$2"):8080/index.html"; }
check "red: across nodes" equal page "$(fetch red red)" "hello from b"
check "blue: across nodes" equal page "$(fetch blue blue)" "hello from b"
check "red does not reach blue" refute fetch red blue
check "the kernel sends it through the tunnel, with red's VNID" sh -c \
	"ovs-dpctl dump-flows | grep 'set(tunnel(tun_id=0x' | grep -q 'dst=10.77.0.2'"
check "a packet of full size fits" equal size \
	"$(in_pod red client sh -c "wget -q -O - http://$(address red):8080/index.html; cat /sys/class/net/eth0/mtu" | tail -n 1 | grep -c .)" 1
check "the pods' MTU is the link's less 50" equal mtu \
	"$(nsenter --target "$(pod_pid red client)" --net -- ip -o link show eth0 | sed 's/.* mtu \([0-9]*\) .*/\1/')" 1450
check "joined, they do" sh -c "bulkhead network join-projects --to=red blue --wait | grep -q 'on 2 of 2 nodes'"
check "and reach each other" equal page "$(fetch red blue)" "hello from b"
check "isolated again, they do not" sh -c "bulkhead network isolate-projects blue --wait | grep -q 'on 2 of 2 nodes'"
check "and reach each other no more" refute fetch red blue

# ---- nothing denied, nothing left -------------------------------------------------------------

check "no denial" no_denial
check "b goes" on_b timeout 60 bulkhead down --purge
check "a goes" timeout 60 bulkhead down --purge
nothing_left_of_nodes() { refute pgrep -l '^(bulkhead|httpd)' && refute sh -c 'ip -o link show type veth | grep -v wire'; }
check "nothing is left" nothing_left_of_nodes
check "no datapath in the kernel" equal datapaths "$(ovs-dpctl dump-dps)" ""
kill $b
finish
