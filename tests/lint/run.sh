#!/usr/bin/env bash
# Everything that can be judged without running the programs; TAP, one line a rule.
# usage: CPPFLAGS_ALL=... OVS_FLAGS=... B=build lint/run.sh [RULE]
set -u
cd "$(dirname "$0")/../.." || exit 1
export B=${B:-build}
mapfile -t sources < <(git ls-files --cached --others --exclude-standard '*.c' '*.h')
mapfile -t units < <(git ls-files --cached --others --exclude-standard '*.c' | grep -v '^tests/')
mapfile -t headers < <(git ls-files --cached --others --exclude-standard '*.h')
mapfile -t scripts < <(git ls-files --cached --others --exclude-standard '*.sh' '*.bash' .ci/run)
read -r -a cpp <<<"$CPPFLAGS_ALL"
read -r -a ovs <<<"$OVS_FLAGS"
flags=(-std=gnu17 -Wall -Wextra "${cpp[@]}" "${ovs[@]}")
only=${1:-}
n=0 status=0

rule() {
	local name=$1 out
	shift
	[ -z "$only" ] || [ "$only" = "${name%% *}" ] || return 0
	n=$((n + 1))
	if out=$("$@" 2>&1); then
		echo "ok $n - $name"
	else
		printf '%s\n' "$out" | head -n 60 | sed 's/^/# /'
		echo "not ok $n - $name"
		status=1
	fi
}
each() { printf '%s\0' "${@:2}" | xargs -0 -P 2 -n 1 bash -c "$1" _; }
export_flags() { printf -v FLAGS '%q ' "${flags[@]}"; export FLAGS; }
export_flags

format() { clang-format --dry-run -Werror "${sources[@]}"; }
alone() { each 'eval gcc "$FLAGS" -fsyntax-only -include "$1" -x c /dev/null' "${headers[@]}"; }
lengths() { wc -l "${sources[@]}" | awk '$2 != "total" && $1 > 600 {print $2 ": " $1 " lines"; bad = 1} END {exit bad}'; }
banned() { ! grep -nE '\b(sprintf|vsprintf|strcpy|strcat|gets|system|popen|tmpnam|mktemp|alloca|rand)\(' "${units[@]}"; }
tidy() { each 'eval clang-tidy --quiet "$1" -- "$FLAGS" -Wno-unknown-warning-option 2>/dev/null' "${units[@]}"; }
analyzer() { each 'eval gcc "$FLAGS" -O1 -fanalyzer -Werror -Wno-analyzer-too-complex -c -o /dev/null "$1"' "${units[@]}"; }
shells() { shellcheck -x "${scripts[@]}"; }
spelling() { codespell -q 3 --ignore-words tests/lint/words $(git ls-files | grep -vE '^tests/fuzz/corpus/'); }
manuals() { local m; for m in docs/man/*.[158]; do [ -e "$m" ] || continue; mandoc -T lint -W warning "$m" || return 1; done; }

rule "format: clang-format has nothing to change" format
rule "headers: each compiles alone" alone
rule "layers: includes go down only" tests/lint/layers.sh
rule "lengths: no file past 600 lines" lengths
rule "banned: no call that cannot be bounded" banned
rule "links: each program has only its libraries" tests/lint/links.sh
rule "shells: shellcheck" shells
rule "spelling: codespell" spelling
rule "manuals: mandoc" manuals
rule "documents: what they name is there" tests/lint/docs.sh
rule "tidy: clang-tidy" tidy
rule "analyzer: gcc -fanalyzer" analyzer
echo "1..$n"
exit $status
