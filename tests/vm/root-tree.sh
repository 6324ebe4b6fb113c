#!/bin/sh
# Makes the virtual machine's Debian 12 root tree in DIR with mmdebstrap, from this machine's own
# package sources: a kernel that has Open vSwitch and SELinux, systemd, and what our programs link.
#
#   root-tree.sh DIR
set -eu

if [ $# != 1 ]; then
	echo "usage: $0 DIR" >&2
	exit 2
fi
packages="linux-image-cloud-amd64 systemd-sysv udev dbus kmod util-linux procps iproute2 iputils-ping
	iputils-arping nftables busybox-static openvswitch-switch selinux-basics selinux-policy-default
	policycoreutils libgrpc29 libssl3 libseccomp2 libselinux1 libsystemd0 libcap2 libyaml-0-2
	libjansson4 libprotobuf-c1 libarchive13 libnftnl11 libmnl0"

# The packages of a Debian 12 alone, whatever else this machine has sources for.
sources=/etc/apt/sources.list.d/debian.sources
[ -e "$sources" ] || sources=/etc/apt/sources.list

rm -rf "$1"
# What makes an initrd is not wanted: guest/initrd-init is ours.
# shellcheck disable=SC2016,SC2086 # the hooks' own "$1"; a list of names
mmdebstrap --mode=root --variant=minbase \
	--include="$(echo $packages | tr ' ' ',')" \
	--aptopt='APT::Install-Recommends "false"' --aptopt='Apt::Sandbox::User "root"' \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
	--essential-hook='mkdir -p "$1/usr/local/sbin" && ln -s /bin/true "$1/usr/local/sbin/update-initramfs"' \
	--customize-hook='rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/*' \
	bookworm "$1" "$sources"
