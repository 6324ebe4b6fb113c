#!/bin/sh
# Boots the virtual machine once: runs IN/run.sh in it and brings back what it left in OUT (log, dmesg,
# with systemd also journal). 0 when the machine ran the job to its end, whatever came of it.
#
#   boot.sh quick|systemd|cluster DIR IN OUT
#
#   DIR          as image.sh made it; nothing in it is written to
#   VM_SECONDS   when to give up (300)
#   VM_CONSOLE   where the console goes (OUT/console)
set -eu

if [ $# != 4 ]; then
	echo "usage: $0 quick|systemd|cluster DIR IN OUT" >&2
	exit 2
fi
case $1 in
quick | cluster) init="rinit=/usr/local/sbin/vm-init" ;;
systemd) init="rinit=/lib/systemd/systemd systemd.unit=vm-job.target systemd.show_status=0" ;;
*) echo "$0: '$1' is none of quick, systemd, cluster" >&2 && exit 2 ;;
esac
dir=$2 in=$3 out=$4
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

size=$(du -sm "$in" | cut -f1)
truncate -s "$((size * 5 / 4 + 8))M" "$work/in.img"
mke2fs -q -F -t ext4 -O '^has_journal' -m 0 -d "$in" "$work/in.img"
truncate -s 64M "$work/out.tar"

# drive NUMBER FILE OPTIONS
drive() {
	printf -- '-drive if=none,id=disk%s,file=%s,format=raw,cache=unsafe,%s -device virtio-blk-pci,drive=disk%s ' \
		"$1" "$2" "$3" "$1"
}

# Software emulation: it is there everywhere. cx16 is left out since kernels after 6.1 use it in a way
# that QEMU 7.2 gets wrong.
# shellcheck disable=SC2046 # drive prints words
timeout -k 5 "${VM_SECONDS:-300}" qemu-system-x86_64 \
	-machine q35,usb=off,vmport=off -accel tcg,thread=multi -cpu max,cx16=off -smp 2 -m 2048 \
	-nodefaults -no-user-config -no-reboot -nographic -serial stdio -monitor none \
	-kernel "$dir/vmlinux" -initrd "$dir/initrd" \
	$(drive 0 "$dir/root.img" snapshot=on) $(drive 1 "$work/in.img" readonly=on) \
	$(drive 2 "$work/out.tar" aio=threads) \
	-append "console=ttyS0 quiet panic=-1 reboot=t tsc=reliable no_timer_check mitigations=off nokaslr \
random.trust_cpu=on audit=1 audit_backlog_limit=8192 printk.devkmsg=on log_buf_len=4M \
lsm=landlock,lockdown,yama,selinux,bpf security=selinux selinux=1 enforcing=1 $init" \
	</dev/null >"${VM_CONSOLE:-$out/console}" 2>&1 || echo "boot: the machine did not end by itself" >&2
tar -C "$out" -xf "$work/out.tar" 2>/dev/null && [ -e "$out/log" ]
