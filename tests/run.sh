#!/bin/sh
# Runs every test program and script given as argument under prove and ends with one summary line:
# N passed, N failed, N skipped. Exit 0 only when nothing failed and something passed.
set -u

log=$(mktemp)
trap 'rm -f "$log"' EXIT
export CMOCKA_MESSAGE_OUTPUT=TAP
here=$(cd "$(dirname "$0")" && pwd)

if [ "$#" = 0 ]; then
	echo "0 passed, 1 failed, 0 skipped"
	exit 1
fi
prove --verbose --merge --exec "$here/run-one.sh" "$@" >"$log" 2>&1
status=$?
[ "${VERBOSE:-}" ] && cat "$log"

passed=$(grep -cE '^ok ' "$log")
skipped=$(grep -cE '^ok .*# [Ss][Kk][Ii][Pp]' "$log")
failed=$(grep -cE '^not ok ' "$log")
if [ "$status" != 0 ]; then
	grep -vE '^ok ' "$log" | grep -vE '^[^ ]+ \.+ $' | tail -n 200
	[ "$failed" != 0 ] || failed=1
fi
echo "$((passed - skipped)) passed, $failed failed, $skipped skipped"
[ "$status" = 0 ] && [ "$passed" -gt 0 ]
