#!/usr/bin/env bats
# `make install`: what lies where, and that a node made from there finds its programs.

setup_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_place
	export tree=$node_dir/tree
	make -s -C "$node_root" B="$B" DESTDIR="$tree" prefix=/usr install 3>&- >"$node_dir/install.log" 2>&1
}
teardown_file() {
	source "$BATS_TEST_DIRNAME/node.bash"
	node_stop
}
setup() { source "$BATS_TEST_DIRNAME/node.bash"; }

@test "every program, its manual, the completion and the unit" {
	local program
	for program in bulkhead-agent bulkhead-api bulkhead-shim bulkhead-netd bulkhead-secretd bulkhead-clusterd bulkhead-unpack; do
		[ -x "$tree/usr/libexec/bulkhead/$program" ]
		[ -e "$tree/usr/share/man/man8/$program.8" ]
	done
	[ -x "$tree/usr/bin/bulkhead" ]
	[ -e "$tree/usr/share/man/man1/bulkhead.1" ]
	bash -n "$tree/usr/share/bash-completion/completions/bulkhead"
	grep -q '^ExecStart=/usr/libexec/bulkhead/bulkhead-agent ' "$tree/usr/lib/systemd/system/bulkhead.service"
	! grep -rq @prefix@ "$tree/usr/lib" || false
}
@test "a node made by the installed program runs the installed daemons" {
	in_netns "$tree/usr/bin/bulkhead" init --state-dir "$node_state" --run-dir "$node_run" --node-name e2e \
		--ovs private --cgroup-parent "$node_cgroup" 3>&-
	[ "$(readlink "/proc/$(cat "$node_run/agent.pid")/exe")" = "$tree/usr/libexec/bulkhead/bulkhead-agent" ]
	[ "$(in_netns "$tree/usr/bin/bulkhead" get nodes --no-headers 3>&- | awk '{print $2}')" = Ready ]
	in_netns "$tree/usr/bin/bulkhead" down --state-dir "$node_state" --purge 3>&-
}
@test "uninstall leaves no file" {
	make -s -C "$node_root" B="$B" DESTDIR="$tree" prefix=/usr uninstall 3>&- >/dev/null 2>&1
	run find "$tree" ! -type d
	echo "$output"
	[ -z "$output" ]
}
