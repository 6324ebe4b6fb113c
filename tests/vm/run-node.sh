#!/bin/sh
# Boots the virtual machine, runs a node in it, prints what its job found as TAP.
#
#   run-node.sh quick|systemd|cluster
#
#   B        build folder with the programs (build)
#   VM       folder that image.sh filled (build-vm); the last run's log, dmesg, console and journal
#            are left in it
set -u

here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
job=${1:?quick, systemd or cluster}
vm=${VM:-$root/build-vm}
B=${B:-build}
case $B in /*) ;; *) B=$root/$B ;; esac

fail() {
	echo "1..1"
	echo "not ok 1 - $1"
	exit 1
}

in=$(mktemp -d)
out=$vm/last-$job
trap 'rm -rf "$in"' EXIT
rm -rf "$out"
mkdir -p "$out"

# As it is installed, with the build folder's programs.
mkdir -p "$in/root"
make -s -C "$root" B="$B" DESTDIR="$in/root" install >"$out/install" 2>&1 || fail "make install"
find "$in/root" -type f -perm -0100 -exec strip {} + 2>/dev/null
"$root/examples/build-image.sh" "$in/busybox.tar" busybox:vm || fail "no image"
cp "$here"/job/*.sh "$in/"
cp "$in/$job.sh" "$in/run.sh"

"$here/boot.sh" "$job" "$vm" "$in" "$out" || {
	tail -n 20 "$out/console" | sed 's/^/# /'
	fail "the machine boots and runs its job"
}
grep -E '^(ok|not ok|1\.\.|# )' "$out/log"
! grep -q '^not ok' "$out/log"
