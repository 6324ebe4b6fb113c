#!/usr/bin/env bash
# What the documents name is there: bats tests in double quotes, identifiers and C files in backquotes,
# and every flag of the command line in its manual page.
# shellcheck disable=SC2016 # backquotes are the documents'
set -u
cd "$(dirname "$0")/../.." || exit 1
documents=(docs/ARCHITECTURE.md docs/THREAT-MODEL.md)
code=(lib proto auth secrets netplugin nodeagent tests)
status=0

missing() {
	echo "$1"
	status=1
}
while IFS= read -r name; do
	grep -rqF --include='*.bats' "@test $name" tests || missing "no test is called $name"
done < <(grep -ohE '\.bats: "[^"]+"(, "[^"]+")*' "${documents[@]}" | grep -oE '"[^"]+"' | sort -u |
	grep -vE '^"hole [1-4]"$')
while IFS= read -r name; do
	grep -rqw --include='*.[ch]' "$name" "${code[@]}" || missing "\`$name\` is nowhere"
done < <(grep -ohE '`[a-z]+(_[a-z0-9]+)+`|`[A-Z]+(_[A-Z0-9]+)+`' "${documents[@]}" | tr -d '`' | sort -u | grep -vx release_agent)
while IFS= read -r file; do
	[ -n "$(git ls-files --cached --others --exclude-standard "$file" "*/$file")" ] || missing "no file $file"
done < <(grep -ohE '`[a-zA-Z0-9/_-]+\.[ch]`' "${documents[@]}" | tr -d '`' | sort -u)
while IFS= read -r flag; do
	grep -qE "Fl -$flag( |\$)" docs/man/bulkhead.1 || missing "bulkhead(1) lacks --$flag"
done < <(sed -n 's/^\tFLAG([A-Z_]*, "\([a-z-]*\)".*/\1/p' nodeagent/ctl/args.c)
exit $status
