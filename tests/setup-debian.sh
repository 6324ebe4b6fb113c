#!/bin/sh
# Installs what building and testing need, from Debian's packages. Idempotent; as root.
#
#   setup-debian.sh build     what `make` needs
#   setup-debian.sh demo      and what a running node needs
#   setup-debian.sh check     and what the tests need
#   setup-debian.sh quality   and what lint, fuzz, coverage and bench need
#   setup-debian.sh vm        what `make check-vm` needs
set -eu

build="gcc make libc6-dev pkg-config python3 libgrpc-dev protobuf-compiler libprotobuf-dev
	protobuf-c-compiler libprotobuf-c-dev libssl-dev libseccomp-dev libselinux1-dev libsystemd-dev
	libcap-dev libyaml-dev libjansson-dev libarchive-dev libnftnl-dev libmnl-dev openvswitch-source"
demo="openvswitch-switch openvswitch-common busybox-static iproute2"
lab="nftables"
check="libcmocka-dev bats perl openssl iputils-ping python3-cryptography python3-grpcio
	python3-grpc-tools tshark strace podman runc"
quality="clang clang-format clang-tidy libclang-rt-dev gcovr codespell shellcheck mandoc crun bubblewrap iperf3 ethtool"
vm="qemu-system-x86 mmdebstrap e2fsprogs lz4 semodule-utils policycoreutils"

case "${1:-}" in
build) want="$build" ;;
demo) want="$build $demo" ;;
lab) want="$build $demo $lab" ;;
check) want="$build $demo $lab $check" ;;
quality) want="$build $demo $lab $check $quality" ;;
vm) want="$build $demo $lab $check $vm" ;;
*)
	echo "usage: $0 build|demo|lab|check|quality|vm" >&2
	exit 2
	;;
esac

missing=
for package in $want; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "setup: run as root, or install:$missing" >&2
	exit 1
fi
echo "setup: installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# Packages that bring a service must not start it here: tests and demo start their own.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	made_policy=1
fi
status=0
apt-get update >"$log" 2>&1 || status=$?
# shellcheck disable=SC2086 # a list of names
[ "$status" != 0 ] || apt-get install -y --no-install-recommends $missing >>"$log" 2>&1 || status=$?
[ -z "$made_policy" ] || rm -f "$policy"
if [ "$status" != 0 ]; then
	tail -n 20 "$log" >&2
	echo "setup: apt failed" >&2
fi
exit "$status"
