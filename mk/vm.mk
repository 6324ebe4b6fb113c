# `make check-vm`: the node in a virtual machine that has what a container or an older development
# machine lacks: SELinux enforcing, cgroup v2 alone, systemd as PID 1, the kernel's Open vSwitch. QEMU
# without KVM, so it runs everywhere. The machine's disk is made once, in build-vm.
VM ?= build-vm

VM_TESTS := tests/vm/quick.test tests/vm/systemd.test tests/vm/cluster.test

.PHONY: setup-vm vm-image check-vm
setup-vm:
	@tests/setup-debian.sh vm
vm-image: setup-vm
	@tests/vm/image.sh $(VM)
check-vm: setup-vm
	@$(MAKE) --no-print-directory -j2 B=$(B) all vm-image
	@B=$(abspath $(B)) VM=$(abspath $(VM)) tests/run.sh $(VM_TESTS)
