#!/usr/bin/env bash
# Makes what a virtual machine boots from, in DIR: vmlinux, initrd, root.img. What is there and not
# older than what it is made of stays as it is; the root tree costs a minute and a half, the policy
# half a one.
#
#   image.sh DIR
set -eu
umask 022

if [ $# != 1 ]; then
	echo "usage: $0 DIR" >&2
	exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
policy=$here/../../nodeagent/selinux
mkdir -p "$1"
cd "$1"

say() { printf '  %-8s %s\n' VM "$1"; }

# older TARGET SOURCE...: whether TARGET is missing or older than one of the sources.
older() {
	target=$1
	shift
	[ -e "$target" ] || return 0
	for source; do
		[ ! "$source" -nt "$target" ] || return 0
	done
	return 1
}

# quietly FILE COMMAND...: its output is of interest only when it fails.
quietly() {
	log=$1
	shift
	"$@" >"$log" 2>&1 || {
		tail -n 30 "$log" >&2
		echo "image: '$*' failed" >&2
		exit 1
	}
}

make_tree() {
	say "Debian 12 root tree"
	rm -f tree.stamp
	quietly tree.log "$here/root-tree.sh" "$PWD/root"
	touch tree.stamp
}

unpack_kernel() {
	say "kernel"
	# The boot protocol's header says where in the file the compressed kernel lies.
	python3 - root/boot/vmlinuz-* <<-'PYTHON' >vmlinux.lz4
		import struct, sys
		image = open(sys.argv[1], "rb").read()
		offset, size = struct.unpack("<II", image[0x248:0x250])
		start = (image[0x1f1] + 1) * 512 + offset
		sys.stdout.buffer.write(image[start:start + size - 4])
	PYTHON
	quietly vmlinux.log lz4 -dfq vmlinux.lz4 vmlinux
	rm vmlinux.lz4
	# lz4 gave it the other file's time.
	touch vmlinux
}

make_initrd() {
	say "initrd"
	version=$(basename root/lib/modules/*)
	rm -rf initrd.d
	mkdir -p initrd.d/bin initrd.d/dev initrd.d/proc initrd.d/sys initrd.d/root initrd.d/modules
	cp root/bin/busybox initrd.d/bin/
	install -m 0755 "$here/guest/initrd-init" initrd.d/init
	for module in virtio_pci virtio_blk ext4; do
		chroot root modprobe -S "$version" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ {print $2}' | while read -r file; do
		cp "root$file" initrd.d/modules/
		basename "$file"
	done >initrd.d/modules/order
	(cd initrd.d && find . | busybox cpio -o -H newc 2>/dev/null) >initrd
	rm -rf initrd.d
}

load_policy() {
	say "SELinux policy"
	cp "$policy"/*.cil "$here/guest/image.cil" root/tmp/
	quietly policy.log chroot root semodule -n -i /tmp/bulkhead-container.cil -i /tmp/bulkhead.cil \
		-i /tmp/image.cil
	rm -f root/tmp/*.cil
	touch policy.stamp
}

furnish() {
	install -m 0755 "$here/guest/vm-init" "$here/guest/vm-job" root/usr/local/sbin/
	install -m 0644 "$here/guest/vm-job.service" "$here/guest/vm-job.target" root/etc/systemd/system/
	mkdir -p root/in root/out
	sed -i 's/^SELINUX=.*/SELINUX=enforcing/' root/etc/selinux/config
	for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
		e2scrub_reap.service fstrim.timer getty@tty1.service kmod-static-nodes.service \
		ldconfig.service modprobe@drm.service \
		selinux-autorelabel-mark.service systemd-hwdb-update.service \
		systemd-journal-flush.service systemd-pstore.service systemd-random-seed.service \
		systemd-timesyncd.service systemd-udev-trigger.service systemd-update-utmp.service; do
		ln -sf /dev/null "root/etc/systemd/system/$unit"
	done
	echo vm >root/etc/hostname
	echo 127.0.0.1 localhost vm >root/etc/hosts
	: >root/etc/fstab
	echo 0123456789abcdef0123456789abcdef >root/etc/machine-id
	rm -f root/.autorelabel
}

# Labels are written here, so that the first boot need not relabel and this machine need no SELinux.
label() {
	# shellcheck disable=SC2016 # the inner shell's
	unshare --mount sh -euc 'mount -t proc proc root/proc
		exec chroot root setfiles -m -F -e /proc -e /sys -e /dev \
			/etc/selinux/default/contexts/files/file_contexts /'
}

pack() {
	say "root image"
	furnish
	quietly label.log label
	rm -f root.img
	truncate -s 1G root.img.new
	quietly pack.log mke2fs -q -F -t ext4 -O '^has_journal,^metadata_csum' -m 0 -d root root.img.new
	mv root.img.new root.img
}

! older tree.stamp "$here/root-tree.sh" || make_tree
! older vmlinux tree.stamp || unpack_kernel
! older initrd tree.stamp "$here/guest/initrd-init" || make_initrd
! older policy.stamp tree.stamp "$policy"/*.cil "$here/guest/image.cil" || load_policy
! older root.img policy.stamp "$0" "$here"/guest/* || pack
