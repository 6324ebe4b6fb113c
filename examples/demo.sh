#!/usr/bin/env bash
# The main job on one machine: `demo.sh up` starts a node, runs the manifests beside this file, proves
# what they show and leaves the node running; `demo.sh down` removes all of it.
#
#   B            build folder with the programs (build)
#   DEMO_STATE   state folder (/var/lib/bulkhead-demo), DEMO_RUN its sockets (/run/bulkhead-demo)
set -u

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
B=${B:-build}
case $B in /*) ;; *) B=$root/$B ;; esac
state=${DEMO_STATE:-/var/lib/bulkhead-demo}
run=${DEMO_RUN:-/run/bulkhead-demo}
listen=${DEMO_LISTEN:-127.0.0.1:7443}
cgroup=${DEMO_CGROUP:-bulkhead-demo}
bridge=${DEMO_BRIDGE:-bhdemo0}
bh=$B/bulkhead
rows=()
failed=0

say() { printf '\n== %s\n' "$*"; }
die() {
	printf 'demo: %s\n' "$*" >&2
	exit 1
}

# prove TEXT COMMAND...: runs the command, quietly; one row of the table.
prove() {
	local text=$1 out
	shift
	if out=$("$@" 2>&1); then
		rows+=("ok      $text")
		printf '  ok      %s\n' "$text"
	else
		rows+=("FAILED  $text")
		failed=1
		printf '  FAILED  %s\n' "$text"
		printf '%s\n' "$out" | tail -n 5 | sed 's/^/          /'
	fi
}
refute() { ! "$@"; }

field() { "$bh" get pods "$2" -n "$1" -o wide --no-headers | awk -v n="$3" '{print $n}'; }
in_pod() {
	local project=$1 pod=$2
	shift 2
	timeout 20 "$bh" exec -n "$project" "$pod" -- "$@"
}
status_line() { in_pod red web sh -c "grep '^$1:' /proc/1/status"; }

node_facts() {
	"$bh" get nodes -o wide
	"$bh" get nodes -o wide --no-headers | grep -qw Ready
}
distinct_vnids() {
	local n
	"$bh" get projects
	n=$("$bh" get projects --no-headers | awk '{print $2; print $3; print $4}' | sort | uniq -d | wc -l)
	[ "$n" = 0 ]
}
sealed_at_rest() { refute grep -rqs  'correct horse' "$state" "$run"; }
secret_value() { [ "$(in_pod red web cat /etc/db/password)" = 'correct horse battery staple' ]; }
secret_tmpfs() { in_pod red web grep ' /etc/db ' /proc/mounts | grep -E '^[^ ]+ /etc/db tmpfs ro,' | grep nosuid | grep nodev | grep -q noexec; }
token_subject() {
	in_pod red web cat /var/run/secrets/kubernetes.io/serviceaccount/token | cut -d. -f2 | tr '_-' '/+' |
		{ read -r t; while [ $((${#t} % 4)) != 0 ]; do t="$t="; done; printf %s "$t"; } | base64 -d |
		grep -q '"sub":"system:serviceaccount:red:default"'
}
no_capabilities() { [ "$(status_line CapBnd | tr -d '[:space:]')" = CapBnd:0000000000000000 ]; }
confined() {
	status_line Seccomp | grep -qw 2 && status_line NoNewPrivs | grep -qw 1
}
user_namespace() {
	in_pod red web cat /proc/self/uid_map
	# shellcheck disable=SC2016 # awk's own
	refute in_pod red web awk '$2 == 0 { found = 1 } END { exit !found }' /proc/self/uid_map
}
project_uid() {
	local uid range first size
	uid=$(in_pod red web id -u)
	range=$("$bh" get projects red --no-headers | awk '{print $3}')
	first=${range%/*} size=${range#*/}
	[ "$uid" -ge "$first" ] && [ "$uid" -lt $((first + size)) ]
}
read_only_sys() { refute in_pod red web sh -c 'echo 1 >/proc/sys/kernel/hostname' && refute in_pod red web sh -c 'echo x >/sys/kernel/profiling'; }
limits_bind() { grep -rqsx 67108864 /sys/fs/cgroup/memory/"$cgroup"/red/*/*/memory.limit_in_bytes /sys/fs/cgroup/"$cgroup"/red/*/*/memory.max; }
same_project() { in_pod red client timeout 3 wget -q -O - "http://$web_ip:8080/index.html" | grep -q 'hello from red'; }
other_ip() { refute in_pod blue client timeout 2 wget -q -O - "http://$web_ip:8080/index.html"; }
other_arp() { refute in_pod blue client arping -c 2 -w 2 "$web_ip"; }
global_reaches() { in_pod default monitor timeout 3 wget -q -O - "http://$web_ip:8080/index.html" | grep -q 'hello from red'; }
denied() {
	local out
	out=$("$bh" apply --context "$state/ann.yaml" -f "$here/privileged.yaml" 2>&1) && return 1
	printf '%s\n' "$out"
	printf '%s\n' "$out" | grep -q 'privileged'
}
offline_verdict() {
	"$bh" explain -f "$here/privileged.yaml" --policy baseline:v1.37 -o json
	[ $? = 1 ]
}
job_result() {
	"$bh" wait pod job -n red --for=phase=Failed --timeout=30s &&
		[ "$("$bh" logs job -n red)" = prepared ] &&
		"$bh" get pods job -n red -o json | grep -qE '"exitCode": *3'
}
exit_code() {
	in_pod red client sh -c 'exit 42'
	[ $? = 42 ]
}
logs_there() { "$bh" logs web -n red | grep -q 'serving on 8080 as'; }
stranger_refused() {
	local dir
	dir=$(mktemp -d) || return 1
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /O=system:masters/CN=admin \
		-keyout "$dir/k" -out "$dir/c" 2>/dev/null
	sed "s|^certificate:.*|certificate: $dir/c|; s|^key:.*|key: $dir/k|" "$state/context.yaml" >"$dir/context.yaml"
	"$bh" get pods --context "$dir/context.yaml" >/dev/null 2>&1
	local code=$?
	rm -rf "$dir"
	[ $code != 0 ]
}
survives_kill() {
	local before after
	before=$(in_pod red web cat /proc/1/stat | awk '{print $22}')
	kill -KILL "$(cat "$run/agent.pid")" || return 1
	"$bh" up --state-dir "$state" >/dev/null || return 1
	after=$(in_pod red web cat /proc/1/stat | awk '{print $22}')
	[ -n "$before" ] && [ "$before" = "$after" ] && same_project
}

# Ann, who may edit project red and no other.
make_ann() {
	"$B/bulkhead-secretd" --issue --keys "$state/keys" --pki "$state/pki" --cn ann --org bulkhead:project:red:edit \
		--out-cert "$state/pki/ann.pem" --out-key "$state/pki/ann.key" &&
		sed "s|^certificate:.*|certificate: $state/pki/ann.pem|; s|^key:.*|key: $state/pki/ann.key|" \
			"$state/context.yaml" >"$state/ann.yaml"
}

up() {
	[ "$(id -u)" = 0 ] || die "run as root: it makes namespaces, cgroups and an Open vSwitch"
	[ ! -e "$state/node.yaml" ] || die "a demo runs in $state already; stop it with: make down"
	say "a one-node cluster in $state"
	"$bh" init --state-dir "$state" --run-dir "$run" --listen "$listen" --node-name demo --ovs private \
		--bridge "$bridge" --cgroup-parent "$cgroup" --libexec-dir "$B" || die "init failed"
	export BULKHEAD_CONTEXT=$state/context.yaml
	say "the image: Debian's static busybox"
	local image
	image=$(mktemp -d) || die "no temporary folder"
	"$here/build-image.sh" "$image/busybox.tar" busybox:demo && "$bh" image import "$image/busybox.tar"
	local status=$?
	rm -rf "$image"
	[ $status = 0 ] || die "the image was not imported"
	say "two tenants and a sealed secret"
	"$bh" create project red || die "no project red"
	"$bh" create project blue || die "no project blue"
	"$bh" create secret generic db -n red --from-literal='password=correct horse battery staple' || die "no secret"
	make_ann || die "no certificate for ann"
	say "pods from ordinary manifests"
	local file
	for file in red blue default job; do
		"$bh" apply -f "$here/$file.yaml" || die "$file.yaml was not accepted"
	done
	local pod
	for pod in red/web red/client blue/client default/monitor; do
		"$bh" wait pod "${pod#*/}" -n "${pod%/*}" --for=condition=Ready --timeout=60s || die "$pod does not run"
	done
	in_pod red web sh -c 'echo hello from red >/www/index.html' || die "no exec into red/web"
	"$bh" get pods -A -o wide
	web_ip=$(field red web 6)

	say "what that proves"
	prove "the node is Ready and says its datapath" node_facts
	prove "each project has a VNID, UID range and MCS label of its own" distinct_vnids
	prove "the secret is nowhere on disk in plain text" sealed_at_rest
	prove "the pod reads it" secret_value
	prove "from a read-only tmpfs (nosuid, nodev, noexec)" secret_tmpfs
	prove "the pod's token names its service account" token_subject
	prove "the pod has no capability" no_capabilities
	prove "seccomp filter and no_new_privs are on" confined
	prove "a user namespace of its own, without the host's root" user_namespace
	prove "it runs as a uid of its project's range" project_uid
	prove "/proc/sys and /sys are read-only" read_only_sys
	prove "its memory limit is set in its cgroup" limits_bind
	prove "same project: connects" same_project
	prove "other project: does not connect" other_ip
	prove "other project: no answer to ARP" other_arp
	prove "project default (VNID 0): connects" global_reaches
	prove "a privileged pod is refused to a tenant, with the reason" denied
	prove "explain judges it offline" offline_verdict
	prove "init container, then job; exit code and log kept" job_result
	prove "exec returns the command's exit code" exit_code
	prove "logs show what the pod wrote" logs_there
	prove "a certificate of another CA is refused" stranger_refused
	prove "kill -9 of the agent: the pod and its network go on" survives_kill

	say "summary"
	printf '  %s\n' "${rows[@]}"
	printf '\nThe node runs on. Go on with:\n  export BULKHEAD_CONTEXT=%s/context.yaml\n  %s get pods -A -o wide\n' "$state" "$bh"
	printf '  %s describe pod web -n red\nStop it with: make down\n' "$bh"
	return $failed
}

down() {
	if [ ! -e "$state/node.yaml" ]; then
		echo "demo: nothing runs in $state"
		return 0
	fi
	"$bh" down --state-dir "$state" --purge || return 1
	# Ann's context is the demo's own file: the node removes what it made and no more.
	rm -f "$state/ann.yaml"
	[ ! -d "$state" ] || rmdir "$state"
}

case "${1:-}" in
up) up ;;
down) down ;;
*)
	echo "usage: $0 up|down" >&2
	exit 2
	;;
esac
