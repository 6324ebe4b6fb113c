#!/usr/bin/env bats
# The CLI as an operator who knows kubectl types it: folders of manifests, several names, watches into
# a pipe, terminals, large input, what is shown when something is wrong.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_start
	node_image
	bh create project red
	sleeper one red | bh apply -f -
	bh wait pod one -n red --for=condition=Ready --timeout=30s
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }

fails() {
	run bh "$@"
	echo "$output"
	[ "$status" = 1 ]
}

@test "apply -f takes a folder: manifests by name, nothing else, nothing below" {
	local d=$node_dir/folder
	mkdir -p "$d/below.yaml" "$d/below"
	sleeper fa red >"$d/a.yaml"
	{ sleeper fb red && echo --- && sleeper fc red; } >"$d/b.yml"
	echo '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "fd", "namespace": "red"},
		"spec": {"containers": [{"name": "main", "image": "busybox:demo"}]}}' >"$d/c.json"
	echo 'no manifest' >"$d/README.txt"
	echo 'no manifest' >"$d/.hidden.yaml"
	sleeper below red >"$d/below/e.yaml"
	run bh apply -f "$d"
	echo "$output"
	[ "$status" = 0 ]
	[ "$output" = "$(printf 'pod/%s created\n' fa fb fc fd)" ]
	run bh delete -f "$d" --force
	[ "$status" = 0 ]
	run bh get pods fa fb fc fd -n red
	[ "$status" = 1 ]
	fails apply -f "$d/below.yaml"
	[[ $output == *'holds no manifest'* ]]
}
@test "several names: one table, one list, and the missing one is said" {
	sleeper two red | bh apply -f -
	run bh get pods two one -n red --no-headers
	[ "$(awk '{print $1}' <<<"$output" | tr '\n' ' ')" = 'two one ' ]
	bh get pod/two pod/one -n red -o json | python3 -c 'import json, sys; d = json.load(sys.stdin)
assert [p["metadata"]["name"] for p in d["items"]] == ["two", "one"], d'
	fails get pods one nosuch -n red
	[[ $output == *one*Running* && $output == *'"nosuch" not found'* ]]
	fails get pod/one secret/x -n red
	[[ $output == *'another kind'* ]]
	fails get pod/one two -n red
	run bh wait pod/one pod/two -n red --for=condition=Ready --timeout=20s
	[ "$output" = "$(printf 'pod/%s condition met\n' one two)" ]
	run bh describe pods one two -n red
	[ "$(grep -c ^Name: <<<"$output")" = 2 ]
	bh delete pods two -n red --now
}
@test "wait for a pod that is not there fails at once" {
	local start=$SECONDS
	fails wait pod nosuch -n red --for=condition=Ready --timeout=30s
	[[ $output == *'not there'* ]]
	[ $((SECONDS - start)) -lt 10 ]
}
@test "delete asks all to end before it waits for the first; --all is the project's" {
	local i start
	bh create namespace green
	for i in 1 2 3 4; do
		sleeper "slow$i" green | sed 's/terminationGracePeriodSeconds: 0/terminationGracePeriodSeconds: 4/
			s/\[sleep, "3600"\]/[sh, -c, "trap : TERM; while :; do sleep 1; done"]/' | bh apply -f -
	done
	bh wait pod slow1 slow2 slow3 slow4 -n green --for=condition=Ready --timeout=30s
	start=$SECONDS
	bh delete pods --all -n green
	[ $((SECONDS - start)) -lt 12 ]
	bh create secret generic s1 -n green --from-literal=a=b
	bh create secret generic s2 -n green --from-literal=a=b
	bh delete secrets --all -n green
	bh delete ns green
	fails delete projects --all
	fails delete pods --all one -n red
	fails delete pod one -n red --now --force
	fails delete -f - pod one </dev/null
}
@test "why a pod waits stands in get pods without -o wide" {
	sleeper crash red | sed 's/\[sleep, "3600"\]/["false"]/' | bh apply -f -
	eventually 20 bash -c "source '$BATS_TEST_DIRNAME/node.bash'; bh get pods crash -n red | grep -q CrashLoopBackOff"
	run bh get pods -n red
	echo "$output"
	[[ ${lines[0]} == *MESSAGE ]]
	[[ $output == *'back-off'* ]]
	bh delete pod crash -n red --force
	run bh get pods one -n red
	[[ $output != *MESSAGE* ]]
}
# first_line COMMAND...: its first line, then how the command ended when nobody read on.
first_line() {
	in_netns timeout 20 "$bh" "$@" 2>&1 3>&- | head -n 1
	echo "${PIPESTATUS[0]}"
}
@test "a reader that goes ends the command, quietly; a full disk is an error" {
	sleeper noise red | sed 's/\[sleep, "3600"\]/[sh, -c, "while echo x; do sleep 0.1; done"]/' | bh apply -f -
	bh wait pod noise -n red --for=condition=Ready
	[ "$(first_line logs -f noise -n red)" = "$(printf 'x\n141')" ]
	bh delete pod noise -n red --force
	[ "$(first_line exec -n red one -- yes)" = "$(printf 'y\n141')" ]
	run bash -c "source '$BATS_TEST_DIRNAME/node.bash'; bh get pods -n red >/dev/full"
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *'cannot write the output: No space left'* ]]
}
@test "exec: megabytes in and out, exit codes, no terminal" {
	head -c 8388608 /dev/urandom >"$node_dir/big"
	[ "$(bh exec -i -n red one -- cat <"$node_dir/big" | sha256sum)" = "$(sha256sum <"$node_dir/big")" ]
	run bh exec -n red one -- sh -c 'exit 7'
	[ "$status" = 7 ]
	run bh exec -n red one -- sh -c 'kill -9 $$'
	[ "$status" = 137 ]
	fails exec -n red one -- nosuch
	[[ $output == *nosuch* ]]
	run bash -c "source '$BATS_TEST_DIRNAME/node.bash'; echo | bh exec -it -n red one -- true"
	[ "$status" = 1 ]
	[[ $output == *'no terminal'* ]]
}
@test "exec -it: size, resize, ^C and exit code on a terminal" {
	run in_netns timeout 60 python3 "$BATS_TEST_DIRNAME/peers/terminal.py" "$bh" exec -it -n red one -- sh
	echo "$output"
	[ "$status" = 0 ]
}
@test "apply -o, version -o json, --version and kubectl's words" {
	fails apply -f /dev/null -o wide
	[ "$(sleeper one red | bh apply -f - -o name)" = pod/one ]
	bh version -o json | python3 -c 'import json, sys; assert json.load(sys.stdin)["node"]'
	[[ $("$bh" --version --client) == client:* ]]
	fails get pods --version
	bh create ns blue
	bh delete namespace blue
}
@test "completion: verbs, kinds, names, projects and flags" {
	run in_netns bash -c "PATH=$B:\$PATH; source <(bulkhead completion bash)
		complete_() { COMP_WORDS=(\"\$@\") COMP_CWORD=\$((\$# - 1)) COMPREPLY=(); _bulkhead; echo \"\${COMPREPLY[*]}\"; }
		complete_ bulkhead desc
		complete_ bulkhead get pr
		complete_ bulkhead get pods -n re
		complete_ bulkhead logs -n red on
		complete_ bulkhead create secret gen
		complete_ bulkhead delete --gr"
	echo "$output"
	[ "$output" = "$(printf '%s\n' describe projects red one generic --grace-period)" ]
}
