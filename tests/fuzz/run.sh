#!/usr/bin/env bash
# libFuzzer over each target for some seconds, from the committed corpus; TAP. What it finds new is
# kept beneath build-fuzz/corpus; a crash is written to build-fuzz/crashes and printed.
# usage: run.sh FOLDER SECONDS TARGET...
set -u
cd "$(dirname "$0")/../.." || exit 1
folder=$1 seconds=$2
shift 2
n=0 status=0
mkdir -p build-fuzz/crashes
for target in "$@"; do
	n=$((n + 1))
	name=${target#fuzz_}
	found=build-fuzz/corpus/$name
	seeds=tests/fuzz/corpus/$name
	mkdir -p "$found"
	if "$folder/$target" -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 \
		-artifact_prefix="build-fuzz/crashes/$name-" "$found" ${seeds:+"$seeds"} >"build-fuzz/$name.log" 2>&1; then
		echo "ok $n - $target: $(awk '/number_of_executed_units/ {print $2}' "build-fuzz/$name.log") runs in $seconds s"
	else
		tail -n 25 "build-fuzz/$name.log" | sed 's/^/# /'
		echo "not ok $n - $target"
		status=1
	fi
done
echo "1..$n"
exit $status
