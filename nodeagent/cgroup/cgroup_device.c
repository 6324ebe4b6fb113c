/* The devices a container may open: v1 by its devices controller, v2 by a BPF program. */
#include <errno.h>
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <fcntl.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/cgroup/cgroup_device.h"
#include "nodeagent/cgroup/cgroup_internal.h"

const struct cgroup_device cgroup_devices[] = {
	{ 'c', 1, 3 },    /* null */
	{ 'c', 1, 5 },    /* zero */
	{ 'c', 1, 7 },    /* full */
	{ 'c', 1, 8 },    /* random */
	{ 'c', 1, 9 },    /* urandom */
	{ 'c', 5, 0 },    /* tty */
	{ 'c', 5, 1 },    /* console */
	{ 'c', 5, 2 },    /* ptmx */
	{ 'c', 136, -1 }, /* pts */
};
const size_t cgroup_devices_len = ARRAY_LEN(cgroup_devices);

static int v1_restrict(int dirfd, struct error *err)
{
	if (file_poke_at(dirfd, "devices.deny", "a", err) < 0)
		return -1;
	for (size_t i = 0; i < cgroup_devices_len; i++) {
		const struct cgroup_device *d = &cgroup_devices[i];
		char minor[16] = "*";
		char text[48];

		if (d->minor >= 0)
			snprintf(minor, sizeof(minor), "%d", d->minor);
		snprintf(text, sizeof(text), "%c %d:%s rwm", d->type, d->major, minor);
		if (file_poke_at(dirfd, "devices.allow", text, err) < 0)
			return -1;
	}
	return 0;
}

static struct bpf_insn insn(uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	struct bpf_insn i = { .code = code, .off = off, .imm = imm };

	i.dst_reg = dst & 0xf;
	i.src_reg = src & 0xf;
	return i;
}

/*
 * r2 = type, r3 = major, r4 = minor; a device is compared in up to three jumps to the next one, and
 * one that matches returns 1. The context is struct bpf_cgroup_dev_ctx (linux/bpf.h).
 */
size_t cgroup_device_program(struct bpf_insn *ret, size_t max)
{
	size_t n = 0;

	if (max < 4 + 5 * cgroup_devices_len + 2)
		return 0;
	ret[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0);
	ret[n++] = insn(BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
	ret[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 3, 1, 4, 0);
	ret[n++] = insn(BPF_LDX | BPF_MEM | BPF_W, 4, 1, 8, 0);
	for (size_t i = 0; i < cgroup_devices_len; i++) {
		const struct cgroup_device *d = &cgroup_devices[i];
		int16_t rest = d->minor >= 0 ? 4 : 3;
		int type = d->type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK;

		ret[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, 2, 0, rest, type);
		ret[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, 3, 0, (int16_t)(rest - 1), d->major);
		if (d->minor >= 0)
			ret[n++] = insn(BPF_JMP | BPF_JNE | BPF_K, 4, 0, 2, d->minor);
		ret[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1);
		ret[n++] = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	}
	ret[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
	ret[n++] = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return n;
}

int cgroup_device_attach(int dirfd, struct error *err)
{
	struct bpf_insn program[CGROUP_DEVICE_INSNS_MAX];
	size_t len = cgroup_device_program(program, ARRAY_LEN(program));
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insns = (uint64_t)(uintptr_t)program,
		.insn_cnt = (uint32_t)len,
		.license = (uint64_t)(uintptr_t) "Apache-2.0",
	};
	union bpf_attr attach = { .attach_type = BPF_CGROUP_DEVICE,
		.attach_flags = BPF_F_ALLOW_MULTI };
	cleanup_close int prog_fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	cleanup_close int group_fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (prog_fd < 0)
		return error_set(err, ERR_PRECONDITION, errno, "cannot load the device program");
	if (group_fd < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot open the cgroup");
	attach.target_fd = (uint32_t)group_fd;
	attach.attach_bpf_fd = (uint32_t)prog_fd;
	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof(attach)) < 0)
		return error_set(err, ERR_PRECONDITION, errno, "cannot attach the device program");
	return 0;
}

int cgroup_restrict_devices(const struct cgroup *cgroup, struct error *err)
{
	int dirfd;

	if (cgroup->tree->mode == CGROUP_V2)
		return cgroup_device_attach(cgroup->fds[0], err);
	dirfd = cgroup_dirfd_of(cgroup, CGROUP_DEVICES);
	if (dirfd < 0)
		return error_set(err, ERR_PRECONDITION, 0,
			"denying devices needs the cgroup controller 'devices', which is not "
			"mounted");
	return v1_restrict(dirfd, err);
}
