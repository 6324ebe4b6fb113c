#!/usr/bin/env bats
# The CLI by itself, without a node: completion, and what it shows on a terminal.

setup_file() {
	export B=${B:-build}
	case $B in /*) ;; *) B=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/$B ;; esac
	export bh=$B/bulkhead
}
# What completes the words given, one a line.
completes() {
	(
		PATH=$BATS_TEST_TMPDIR:$PATH
		eval "$("$bh" completion bash)"
		COMP_WORDS=(bulkhead "$@")
		COMP_CWORD=$#
		_bulkhead
		printf '%s\n' "${COMPREPLY[@]}"
	)
}
# A program in the CLI's place that answers with $1.
answering() {
	printf '#!/bin/sh\ncat <<"END"\n%s\nEND\n' "$1" >"$BATS_TEST_TMPDIR/bulkhead"
	chmod 755 "$BATS_TEST_TMPDIR/bulkhead"
}

@test "commands, kinds and names are completed" {
	answering $'web-1 1/1 Running\nweb-2 1/1 Running\ndb 1/1 Running'
	[ "$(completes de | sort)" = $'debug\ndelete\ndescribe' ]
	[ "$(completes get p)" = $'pods\nprojects' ]
	[ "$(completes get pods w)" = $'web-1\nweb-2' ]
	[ "$(completes exec -n red d)" = db ]
	[ "$(completes create '')" = $'project\nsecret' ]
}
@test "a name is never carried out, whatever the node says" {
	answering "\$(touch\${IFS}$BATS_TEST_TMPDIR/done) \`touch\${IFS}$BATS_TEST_TMPDIR/done\`"
	completes get pods ''
	completes logs ''
	[ ! -e "$BATS_TEST_TMPDIR/done" ]
}
@test "on a terminal, errors and verdicts show control characters, and do not obey them" {
	# ESC by itself, and U+009B, which begins a control sequence as ESC [ does.
	printf 'apiVersion: v1\nkind: Pod\nmetadata: {name: "a\\u009b31m"}\nspec:\n  hostNetwork: true\n  containers: [{name: "c\\e[31m", image: x}]\n' \
		>"$BATS_TEST_TMPDIR/pod.yaml"
	printf 'apiVersion: v1\nkind: Pod\n"x\\e]0;title\\a": 1\n' >"$BATS_TEST_TMPDIR/bad.yaml"
	script -qec "$bh explain --policy restricted:v1.37 -f $BATS_TEST_TMPDIR/pod.yaml" /dev/null \
		>"$BATS_TEST_TMPDIR/out" </dev/null || true
	script -qec "$bh explain --policy restricted:v1.37 -f $BATS_TEST_TMPDIR/bad.yaml" /dev/null \
		>>"$BATS_TEST_TMPDIR/out" </dev/null || true
	script -qec "$bh get \$'\e]0;title\a'" /dev/null >>"$BATS_TEST_TMPDIR/out" </dev/null || true
	grep -q 'denied by' "$BATS_TEST_TMPDIR/out"
	grep -q 'title' "$BATS_TEST_TMPDIR/out"
	[ -z "$(LC_ALL=C grep -aP '\x1b|\xc2\x9b|\x07' "$BATS_TEST_TMPDIR/out")" ]
}
@test "the threat model names tests that are there" {
	local name status=0
	for name in $(grep -o '`[a-z_0-9]*_[a-z_0-9]*`' "$BATS_TEST_DIRNAME/../../docs/THREAT-MODEL.md" | tr -d '`' | sort -u); do
		grep -rqwI -- "$name" "$BATS_TEST_DIRNAME/.." "$BATS_TEST_DIRNAME/../../"{nodeagent,netplugin,lib,secrets,auth,proto} || {
			echo "no $name"
			status=1
		}
	done
	return $status
}
