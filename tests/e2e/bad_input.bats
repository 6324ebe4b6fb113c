#!/usr/bin/env bats
# Bad input: each gets an error that names the thing and the field, and leaves the node unchanged.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start
	node_image
	bh create project red
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
setup() {
	source "$BATS_TEST_DIRNAME/node.bash"
	before=$(everything)
}
teardown() { [ "$(everything)" = "$before" ]; }

everything() {
	ls "$node_state/pods" "$node_run/pods" "$node_state/logs" 2>/dev/null
	in_netns ip -o link show | awk '{print $2}'
	bh get pods -A -o name 2>/dev/null
}
# refused PATTERN: applies standard input, which must fail with the pattern in its error.
refused() {
	run bh apply -f -
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"$1"* ]]
}
pod() { sleeper "${1:-bad}" "${2:-red}" "${3:-}"; }

# Who may edit project red: $node_dir/ed.yaml.
editor() {
	[ ! -e "$node_dir/ed.key" ] || return 0
	"$B/bulkhead-secretd" --issue --keys "$node_state/keys" --pki "$node_state/pki" --cn ed --org bulkhead:project:red:edit \
		--out-cert "$node_dir/ed.pem" --out-key "$node_dir/ed.key"
	sed "s|^certificate:.*|certificate: $node_dir/ed.pem|; s|^key:.*|key: $node_dir/ed.key|" "$node_state/context.yaml" >"$node_dir/ed.yaml"
}

@test "a manifest over 1 MiB" {
	{ pod; head -c 1100000 /dev/zero | tr '\0' '#'; } | refused '1048576'
}
@test "an unknown field, with its path and a suggestion" {
	pod | sed 's/image:/imagee:/' | refused 'spec.containers[0].imagee'
}
@test "a field that is not honoured yet" {
	pod bad red '    lifecycle: {preStop: {exec: {command: ["true"]}}}' | refused 'lifecycle'
}
@test "an SELinux label that nothing would enforce" {
	[ ! -e /sys/fs/selinux/enforce ] || skip "SELinux is on"
	mcs=$(bh get projects red --no-headers | awk '{print $4}')
	pod bad red "  securityContext: {seLinuxOptions: {level: \"$mcs\"}}" |
		refused 'spec.securityContext.seLinuxOptions.level: SELinux is off on this node'
}
@test "a duplicate key" {
	pod bad red '    image: other' | refused 'image'
}
@test "a YAML alias" {
	printf 'apiVersion: v1\nkind: Pod\nmetadata: &a {name: x}\nspec: *a\n' | refused 'alias'
}
@test "a wrong type" {
	pod | sed 's/terminationGracePeriodSeconds: 0/terminationGracePeriodSeconds: soon/' | refused 'terminationGracePeriodSeconds'
}
@test "a bad name" {
	pod Bad_Name | refused 'metadata.name'
	pod ../escape | refused 'metadata.name'
}
@test "an unknown project" {
	pod bad nosuch | refused 'nosuch'
}
@test "an unknown secret" {
	pod bad red '  volumes: [{name: s, secret: {secretName: nosuch}}]' | refused 'nosuch'
}
@test "an unknown image" {
	pod | sed 's/busybox:demo/nosuch:1/' | refused 'nosuch:1'
}
@test "a privileged pod of an editor names the constraint and the field" {
	editor
	run bash -c "source '$BATS_TEST_DIRNAME/node.bash'; sleeper bad red '    securityContext: {privileged: true}' | in_netns '$bh' apply --context '$node_dir/ed.yaml' -f -"
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *'securityContext.privileged'* && $output == *restricted-v2* ]]
}
@test "uid outside of the project's range under restricted-v2 by an editor" {
	editor
	run bash -c "source '$BATS_TEST_DIRNAME/node.bash'; sleeper bad red '    securityContext: {runAsUser: 0}' | in_netns '$bh' apply --context '$node_dir/ed.yaml' -f -"
	[ "$status" = 1 ]
	[[ $output == *runAsUser* && $output == *restricted-v2* ]]
	run bh get pods -n default --context "$node_dir/ed.yaml"
	[ "$status" = 1 ]
	[[ $output == *'may not list pods'* ]]
}
@test "no other context, no answer" {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /O=system:masters/CN=admin \
		-keyout "$node_dir/rogue.key" -out "$node_dir/rogue.pem" 2>/dev/null
	sed "s|^certificate:.*|certificate: $node_dir/rogue.pem|; s|^key:.*|key: $node_dir/rogue.key|" "$node_state/context.yaml" >"$node_dir/rogue.yaml"
	run bh get pods --context "$node_dir/rogue.yaml"
	[ "$status" = 1 ]
}
@test "a full disk: the pod is refused and nothing is left of it" {
	mount -t tmpfs -o size=64k tmpfs "$node_state/pods"
	dd if=/dev/zero of="$node_state/pods/.fill" bs=4k count=100 2>/dev/null || true
	run bash -c "source '$BATS_TEST_DIRNAME/node.bash'; sleeper full red | bh apply -f -"
	umount "$node_state/pods"
	[ "$status" = 1 ]
	[[ $output == *'No space left'* ]]
}
@test "init refuses to overwrite a node" {
	run in_netns "$bh" init --state-dir "$node_state" --run-dir "$node_run" --libexec-dir "$B"
	[ "$status" = 1 ]
	[[ $output == *'holds a node already'* ]]
}
@test "init with flags that make no node names the field and leaves nothing" {
	local flags
	for flags in '--cluster-network 10.0.0.0/30' '--cluster-network nonsense' '--bridge a-name-too-long-for-linux' \
		'--cgroup-parent ../up' '--listen nowhere'; do
		# shellcheck disable=SC2086 # two words
		run in_netns "$bh" init --state-dir "$node_dir/other" --run-dir "$node_dir/other-run" --libexec-dir "$B" $flags
		echo "$output"
		[ "$status" = 1 ]
		[ ! -e "$node_dir/other" ]
		[ ! -e "$node_dir/other-run" ]
		case $flags in
		*network*) [[ $output == *cluster_network* ]] ;;
		*bridge*) [[ $output == *bridge* ]] ;;
		*cgroup*) [[ $output == *cgroup_parent* ]] ;;
		*) [[ $output == *ADDRESS:PORT* ]] ;;
		esac
	done
}
@test "explain: 0 allowed, 1 denied, 2 invalid input" {
	pod >"$node_dir/p.yaml"
	run "$bh" explain -f "$node_dir/p.yaml" --policy baseline:v1.37 -o json
	[ "$status" = 0 ]
	[[ $output == *'"allowed": true'* ]]
	run "$bh" explain -f "$node_dir/p.yaml" --policy restricted:v1.37 -o json
	[ "$status" = 1 ]
	[[ $output == *'"allowed": false'* && $output == *'"check": "runAsNonRoot"'* ]]
	python3 -c 'import json, sys
d = json.loads(sys.argv[1])
assert list(d) == ["allowed", "violations"] and d["allowed"] is False, d
assert all(list(v) == ["check", "field", "reason"] for v in d["violations"]), d' "$output"
	echo 'not: a pod' >"$node_dir/p.yaml"
	run "$bh" explain -f "$node_dir/p.yaml" --policy restricted:v1.37
	[ "$status" = 2 ]
}
