#!/usr/bin/env bats
# The README's tour, every command of it, on the demo it starts from; then the demo goes and nothing
# is left. The demo runs in a network namespace and folders of its own.

setup_file() {
	export root dir
	root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	dir=$(mktemp -d /tmp/bh-tour.XXXXXX)
	chmod 755 "$dir"
	export DEMO_STATE=$dir/state DEMO_RUN=$dir/run DEMO_CGROUP=${dir#/tmp/} B=${B:-build}
	case $B in /*) ;; *) B=$root/$B ;; esac
	unshare --net sleep 3600 >/dev/null 2>&1 3>&- &
	export netns=$!
	until [ "$(readlink "/proc/$netns/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
	inside ip link set lo up
}
teardown_file() {
	inside "$root/examples/demo.sh" down >/dev/null 2>&1
	pkill -KILL -f "$dir"
	kill -KILL "$netns"
	rm -rf "$dir"
}
inside() { nsenter --target "$netns" --net -- "$@" 3>&-; }

# The blocks marked sh between two headings of the README, with this test's folders.
tour() {
	awk '/^## /{on = /A tour/} on && /^```sh$/{code = 1; next} /^```$/{code = 0} on && code' "$root/README.md" |
		sed "s|/var/lib/bulkhead-demo|$DEMO_STATE|g; s|\$PWD/build|$B|"
}

@test "make demo proves all its rows" {
	run inside "$root/examples/demo.sh" up
	echo "$output"
	[ "$status" = 0 ]
	[ "$(grep -c '^  ok      ' <<<"$output")" -ge 46 ]
	! grep -q FAILED <<<"$output" || false
}
@test "every command of the tour works" {
	[ "$(tour | grep -c '^bulkhead\|^if bulkhead\|bulkhead ')" -gt 18 ]
	cd "$root"
	run inside bash -euo pipefail -c "$(tour)"
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *hunter2* && $output == *'not reached'* && $output == *'hello from red'* && $output == *refused* ]]
	[ "$(grep -c '^denied' <<<"$output")" = 2 ]
}
@test "make down leaves nothing" {
	run inside "$root/examples/demo.sh" down
	echo "$output"
	[ "$status" = 0 ]
	[ ! -e "$DEMO_STATE" ]
	[ ! -e "$DEMO_RUN" ]
	! grep -q "$dir" /proc/self/mountinfo || false
	! pgrep -f "$dir" || false
	[ -z "$(find /sys/fs/cgroup -type d -path "*/$DEMO_CGROUP*")" ]
	[ "$(inside ip -o link | grep -vc ' lo:')" = 0 ]
}
