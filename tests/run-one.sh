#!/bin/sh
# How prove starts one test: bats files by bats, corpora by their replay program, the rest directly.
case "$1" in
*.bats) exec bats --formatter tap "$1" ;;
*/fuzz_*)
	name=${1##*/fuzz_}
	corpus=$(dirname "$0")/fuzz/corpus/$name
	echo 1..1
	if [ -d "$corpus" ] && "$1" "$corpus" >/dev/null 2>&1; then
		echo "ok 1 - the corpus of $name replays"
	else
		echo "not ok 1 - the corpus of $name replays"
	fi
	;;
*) exec "$1" ;;
esac
