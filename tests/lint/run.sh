#!/usr/bin/env bash
# Everything that can be judged without running the programs; TAP, one line a rule.
# usage: CPPFLAGS_ALL=... OVS_FLAGS=... B=build lint/run.sh [RULE]
# shellcheck disable=SC2317,SC2016,SC2034,SC2046 # rules are called by name; xargs' shells expand what they get
set -u
cd "$(dirname "$0")/../.." || exit 1
export B=${B:-build}
mapfile -t sources < <(git ls-files --cached --others --exclude-standard '*.c' '*.h')
mapfile -t units < <(git ls-files --cached --others --exclude-standard '*.c' | grep -v '^tests/')
mapfile -t headers < <(git ls-files --cached --others --exclude-standard '*.h')
mapfile -t scripts < <(git ls-files --cached --others --exclude-standard '*.sh' '*.bash' .ci/run)
read -r -a cpp <<<"$CPPFLAGS_ALL"
read -r -a ovs <<<"$OVS_FLAGS"
flags=(-std=gnu17 -Wall -Wextra "${cpp[@]}" "-DBULKHEAD_VERSION=\"lint\"")
only=${1:-}
report=$(mktemp)
trap 'rm -f "$report"' EXIT
n=0 status=0

rule() {
	local name=$1 out
	shift
	[ -z "$only" ] || [ "$only" = "${name%% *}" ] || return 0
	n=$((n + 1))
	if out=$("$@" 2>&1); then
		echo "ok $n - $name"
	else
		printf '%s\n' "$out" | head -n "${LINT_LINES:-60}" | sed 's/^/# /'
		echo "not ok $n - $name"
		status=1
	fi
}
# Runs the command for each file, $1; FLAGS are the compiler's, with Open vSwitch's headers for those
# that use them.
each() { printf '%s\0' "${@:2}" | xargs -0 -P 2 -n 1 bash -c 'flags_of "$1"; '"$1" _; }
flags_of() {
	FLAGS=$PLAIN
	if grep -qsE '^#include (<config.h>|"openvswitch/|"netplugin/netd.h)' "$1" || [[ $1 == nodeagent/cluster/* ]]; then
		FLAGS="$PLAIN $OVS -include config.h"
	fi
}
printf -v PLAIN '%q ' "${flags[@]}"
printf -v OVS '%q ' "${ovs[@]}"
export PLAIN OVS
export -f flags_of

format() { clang-format --dry-run -Werror "${sources[@]}"; }
alone() { each 'eval gcc "$FLAGS" -fsyntax-only -include "$1" -x c /dev/null' "${headers[@]}"; }
lengths() { wc -l "${sources[@]}" | awk '$2 != "total" && $1 > 600 {print $2 ": " $1 " lines"; bad = 1} END {exit bad}'; }
banned() { ! grep -nE '\b(sprintf|vsprintf|strcpy|strcat|gets|system|popen|tmpnam|mktemp|alloca|rand)\(' "${units[@]}"; }
# What an analyzer says of a file, as "file check", against the list of what was looked at and found
# false (tests/lint/known, each with its reason): anything else fails.
unknown() {
	local found
	found=$(sed -nE "s|^($PWD/)?(\./)?([^ :]+):[0-9]+:[0-9]+: error: .*\[([^] ]+)\]\$|\3 \4|p" |
		sed -E 's/,?-?-?warnings-as-errors//; s/-Werror=//' | sort -u |
		grep -vxF -f <(sed -n 's/ *#.*//p' tests/lint/known))
	[ -z "$found" ] || { echo "$found"; return 1; }
}
tidy() {
	each 'eval clang-tidy --quiet "$1" -- "$FLAGS" -Wno-unknown-warning-option' "${units[@]}" >"$report" 2>/dev/null
	unknown <"$report" || { grep 'error:' "$report"; return 1; }
}
# Leaks are the address sanitizer's: gcc 12 loses track of what a structure owns.
analyzer() {
	each 'eval gcc "$FLAGS" -O1 -fanalyzer -Werror -Wno-analyzer-too-complex -Wno-analyzer-malloc-leak -c -o /dev/null "$1"' \
		"${units[@]}" >"$report" 2>&1
	unknown <"$report" || { grep 'error:' "$report"; return 1; }
}
shells() { shellcheck -x "${scripts[@]}"; }
# set -e looks at neither the left of "&&" nor at what "!" negates.
assertions() { ! grep -nP '^\t+(\[\[? .*\]\]? && \[[^|]*$|! [^|]*$)' $(git ls-files 'tests/*.bats'); }
spelling() { codespell -q 3 --ignore-words tests/lint/words $(git ls-files | grep -vE '^tests/fuzz/corpus/'); }
manuals() { local m; for m in docs/man/*.[158]; do [ -e "$m" ] || continue; mandoc -T lint -W warning "$m" || return 1; done; }

rule "format: clang-format has nothing to change" format
rule "headers: each compiles alone" alone
rule "layers: includes go down only" tests/lint/layers.sh
rule "lengths: no file past 600 lines" lengths
rule "banned: no call that cannot be bounded" banned
rule "links: each program has only its libraries" tests/lint/links.sh
rule "shells: shellcheck" shells
rule "assertions: each in bats can fail" assertions
rule "spelling: codespell" spelling
rule "manuals: mandoc" manuals
rule "documents: what they name is there" tests/lint/docs.sh
rule "tidy: clang-tidy" tidy
rule "analyzer: gcc -fanalyzer" analyzer
echo "1..$n"
exit $status
