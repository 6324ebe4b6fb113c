# For the jobs, which run in the virtual machine: TAP, and ways to look at a node from outside of it.
# shellcheck shell=sh disable=SC2016 # inner shells' own

exec 3>&1
tests=0
notes=$(mktemp)

# check TEXT COMMAND...: one test; what a failed one printed follows it.
check() {
	tests=$((tests + 1))
	text=$1
	shift
	if "$@" >"$notes" 2>&1; then
		echo "ok $tests - $text" >&3
	else
		echo "not ok $tests - $text" >&3
		sed 's/^/# /' "$notes" | tail -n 20 >&3
	fi
	echo "# $(cut -d' ' -f1 /proc/uptime) s" >&3
}
finish() { echo "1..$tests" >&3; }
refute() { ! "$@"; }

# equal WHAT IS WANTED
equal() {
	[ "$2" = "$3" ] || {
		echo "$1 is '$2', not '$3'"
		return 1
	}
}

# eventually SECONDS COMMAND...
eventually() {
	end=$(($(date +%s) + $1))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$end" ] || return 1
		sleep 0.2
	done
}

install_node() {
	# Every denial is to be seen.
	echo 0 >/proc/sys/kernel/printk_ratelimit
	cp -a /in/root/usr/. /usr/
	restorecon -R /usr/local
	cp /in/busybox.tar /root/
}

state=/var/lib/bulkhead
# shellcheck disable=SC2034 # the jobs use it
run=/run/bulkhead
export BULKHEAD_CONTEXT=$state/context.yaml

in_pod() {
	project=$1 pod=$2
	shift 2
	timeout 30 bulkhead exec -n "$project" "$pod" -- "$@"
}
pod_ip() { bulkhead get pods "$2" -n "$1" -o wide --no-headers | awk '{print $6}'; }
pod_uid() { bulkhead get pods "$2" -n "$1" -o json | awk -F'"' '$2 == "uid" {print $4; exit}'; }
# The pod's directory below /sys/fs/cgroup; $driver is who made it.
driver=cgroupfs
pod_cgroup() {
	if [ $driver = systemd ]; then
		echo "/sys/fs/cgroup/bulkhead.slice/bulkhead-$1.slice/$(pod_scope "$1" "$2")/pod"
	else
		echo "/sys/fs/cgroup/bulkhead/$1/pod$(pod_uid "$1" "$2")"
	fi
}
pod_scope() { echo "bulkhead-pod$(pod_uid "$1" "$2").scope"; }
# The host's pid of the first process of container main.
pod_pid() { head -n 1 "$(pod_cgroup "$1" "$2")/main/cgroup.procs"; }
# A project's categories as the kernel writes them: in order ("s0:c3,c2" is OpenShift's way).
project_mcs() {
	bulkhead get projects "$1" -o json | awk -F'"' '$2 == "mcs" {print $4; exit}' |
		sed -E 's/^s0:c([0-9]+),c([0-9]+)$/\1 \2/' | awk '{print "s0:c" ($1 < $2 ? $1 ",c" $2 : $2 ",c" $1)}'
}
node_json() { bulkhead get nodes -o json; }
node_says() { node_json | grep -q "\"$1\": \"$2\""; }
agent_pid() { cat $run/agent.pid; }

# The kernel's denials of what containers, or the node's own programs, did.
denials() {
	dmesg | grep 'avc: *denied' | grep -E 'scontext=[^ ]*:(container_t|bulkhead_[a-z_]*t):'
}
no_denial() {
	denials >/tmp/denials
	if [ -s /tmp/denials ]; then
		cat /tmp/denials
		return 1
	fi
}

# manifest PROJECT POD COMMAND [RESOURCES [VOLUMES]]
manifest() {
	cat <<-MANIFEST
		apiVersion: v1
		kind: Pod
		metadata: {name: $2, namespace: $1}
		spec:
		  terminationGracePeriodSeconds: 1
		  restartPolicy: ${restart:-Always}
		  containers:
		  - name: main
		    image: busybox:vm
		    command: ["/bin/sh", "-c", "$3"]
		    ${4:+resources: $4}
		    volumeMounts: [${5:-}]
		  volumes: [${6:-}]
	MANIFEST
}

label_of() { tr -d '\0' <"/proc/$1/attr/current"; }
ps_says() { ps -o label= -p "$1" | grep -q "$2"; }
terminal_works() {
	script -qec 'bulkhead exec -it -n red web -- sh -c "tty && echo written >/dev/tty"' /dev/null </dev/null >/tmp/terminal
	cat /tmp/terminal
	grep -q /dev/pts/ /tmp/terminal && grep -q written /tmp/terminal
}

# Two pods of red, one of blue.
tenants() {
	manifest red web 'echo serving as $(id -u); exec httpd -f -p 8080 -h /www' \
		'{limits: {cpu: 500m, memory: 64Mi}}' \
		'{name: db, mountPath: /etc/db, readOnly: true}, {name: www, mountPath: /www}' \
		'{name: db, secret: {secretName: db}}, {name: www, emptyDir: {}}' >/tmp/web.yaml
	manifest red client 'while :; do sleep 3600; done' >/tmp/red.yaml
	manifest blue client 'while :; do sleep 3600; done' >/tmp/blue.yaml
	check "manifests of two tenants" bulkhead apply -f /tmp/web.yaml -f /tmp/red.yaml -f /tmp/blue.yaml
}

# adopted PROJECT POD PID: an agent that has just started found it as it was.
adopted() {
	bulkhead wait pod "$2" -n "$1" --for=condition=Ready --timeout=30s &&
		equal pid "$(pod_pid "$1" "$2")" "$3" &&
		equal restarts "$(bulkhead get pods "$2" -n "$1" --no-headers | awk '{print $4}')" 0
}

# What a purge must have taken away.
nothing_left() {
	check "no process of the node" equal processes "$(pgrep -l '^(bulkhead|httpd)')" ""
	check "no state folder" refute test -e $state
	check "no run folder" refute test -e $run
	check "no cgroup" refute test -e /sys/fs/cgroup/bulkhead -o -e /sys/fs/cgroup/bulkhead.slice
	check "no veth" equal veths "$(ip -o link show type veth)" ""
	check "no mount" refute grep -q bulkhead /proc/self/mountinfo
	check "no nftables table" refute sh -c 'nft list tables | grep -qi bulkhead'
}
