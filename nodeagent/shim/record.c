#include "nodeagent/shim/record.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bulkhead/v1/profile.pb-c.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/shim/caps.h"

#define BIT(n)    (UINT64_C(1) << (n))
#define NO_ID     UINT32_MAX
#define LOW_PORTS 1024
#define SOCK_KIND 0xf
#define NS_FLAGS                                                                                   \
	((uint64_t)CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |   \
		CLONE_NEWPID | CLONE_NEWNET)

/* Needed whenever such a call succeeds. */
static const struct {
	int nr;
	int cap;
} always[] = {
	{ SYS_setgroups, CAP_SETGID },
	{ SYS_chroot, CAP_SYS_CHROOT },
	{ SYS_ptrace, CAP_SYS_PTRACE },
	{ SYS_process_vm_readv, CAP_SYS_PTRACE },
	{ SYS_process_vm_writev, CAP_SYS_PTRACE },
	{ SYS_clock_settime, CAP_SYS_TIME },
	{ SYS_settimeofday, CAP_SYS_TIME },
	{ SYS_mount, CAP_SYS_ADMIN },
	{ SYS_umount2, CAP_SYS_ADMIN },
	{ SYS_sethostname, CAP_SYS_ADMIN },
	{ SYS_setdomainname, CAP_SYS_ADMIN },
	{ SYS_setns, CAP_SYS_ADMIN },
	{ SYS_pivot_root, CAP_SYS_ADMIN },
	{ SYS_syslog, CAP_SYSLOG },
	{ SYS_reboot, CAP_SYS_BOOT },
	{ SYS_init_module, CAP_SYS_MODULE },
	{ SYS_finit_module, CAP_SYS_MODULE },
	{ SYS_delete_module, CAP_SYS_MODULE },
	{ SYS_acct, CAP_SYS_PACCT },
	{ SYS_vhangup, CAP_SYS_TTY_CONFIG },
};

/* An id that is neither "leave it" nor the caller's own takes a right to become or to give. */
static int other_id(uint64_t arg, uint32_t own)
{
	return (uint32_t)arg != NO_ID && (uint32_t)arg != own;
}

static uint64_t caps_of_ids(const struct record_call *c)
{
	switch (c->nr) {
	case SYS_setuid:
	case SYS_setfsuid:
		return other_id(c->args[0], c->uid) ? BIT(CAP_SETUID) : 0;
	case SYS_setresuid:
		if (other_id(c->args[2], c->uid))
			return BIT(CAP_SETUID);
		__attribute__((fallthrough));
	case SYS_setreuid:
		return other_id(c->args[0], c->uid) || other_id(c->args[1], c->uid)
			       ? BIT(CAP_SETUID)
			       : 0;
	case SYS_setgid:
	case SYS_setfsgid:
		return other_id(c->args[0], c->gid) ? BIT(CAP_SETGID) : 0;
	case SYS_setresgid:
		if (other_id(c->args[2], c->gid))
			return BIT(CAP_SETGID);
		__attribute__((fallthrough));
	case SYS_setregid:
		return other_id(c->args[0], c->gid) || other_id(c->args[1], c->gid)
			       ? BIT(CAP_SETGID)
			       : 0;
#ifdef SYS_chown
	case SYS_chown:
	case SYS_lchown:
#endif
	case SYS_fchown:
		return other_id(c->args[1], c->uid) ? BIT(CAP_CHOWN) : 0;
	case SYS_fchownat:
		return other_id(c->args[2], c->uid) ? BIT(CAP_CHOWN) : 0;
	default:
		return 0;
	}
}

static uint64_t caps_of(const struct record_call *c)
{
	uint64_t set = caps_of_ids(c);
	uint64_t mode = 0;

	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		set |= always[i].nr == c->nr ? BIT(always[i].cap) : 0;
	switch (c->nr) {
	case SYS_bind:
		set |= c->port > 0 && c->port < LOW_PORTS ? BIT(CAP_NET_BIND_SERVICE) : 0;
		break;
	case SYS_socket:
		if (c->args[0] == AF_PACKET || ((c->args[0] == AF_INET || c->args[0] == AF_INET6) &&
						       (c->args[1] & SOCK_KIND) == SOCK_RAW))
			set |= BIT(CAP_NET_RAW);
		break;
#ifdef SYS_mknod
	case SYS_mknod:
		mode = c->args[1];
		break;
#endif
	case SYS_mknodat:
		mode = c->args[2];
		break;
	case SYS_prctl:
		set |= c->args[0] == PR_CAPBSET_DROP ? BIT(CAP_SETPCAP) : 0;
		break;
	case SYS_clone:
	case SYS_unshare:
		set |= (c->args[0] & NS_FLAGS & ~(uint64_t)CLONE_NEWUSER) &&
				       !(c->args[0] & CLONE_NEWUSER)
			       ? BIT(CAP_SYS_ADMIN)
			       : 0;
		break;
	default:
		break;
	}
	if (S_ISCHR(mode) || S_ISBLK(mode))
		set |= BIT(CAP_MKNOD);
	/* Without the right the call is about to fail, and is needed by nobody. */
	return set & c->caps;
}

int record_asks_who(int nr)
{
	static const int others[] = {
		SYS_setuid,
		SYS_setfsuid,
		SYS_setresuid,
		SYS_setreuid,
		SYS_setgid,
		SYS_setfsgid,
		SYS_setresgid,
		SYS_setregid,
		SYS_fchown,
		SYS_fchownat,
		SYS_bind,
		SYS_socket,
		SYS_mknodat,
		SYS_prctl,
		SYS_clone,
		SYS_unshare,
#ifdef SYS_chown
		SYS_chown,
		SYS_lchown,
		SYS_mknod,
#endif
	};

	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (others[i] == nr)
			return 1;
	}
	for (size_t i = 0; i < ARRAY_LEN(always); i++) {
		if (always[i].nr == nr)
			return 1;
	}
	return 0;
}

static void or_into(struct record *r, uint64_t *set, uint64_t bits)
{
	r->changed |= (bits & ~*set) != 0;
	*set |= bits;
}

void record_add(struct record *record, const struct record_call *call)
{
	uint8_t bit;

	if (!record->begun && call->nr != SYS_execve)
		return;
	record->begun = 1;
	record->notified++;
	if (call->nr < 0 || call->nr >= RECORD_CALLS_MAX)
		return;
	bit = (uint8_t)(1 << (call->nr % 8));
	record->changed |= !(record->calls[call->nr / 8] & bit);
	record->calls[call->nr / 8] |= bit;
	if ((call->nr == SYS_socket || call->nr == SYS_socketpair) &&
		call->args[0] < RECORD_FAMILIES_MAX)
		or_into(record, &record->families, BIT(call->args[0]));
	if (call->nr == SYS_clone || call->nr == SYS_unshare)
		or_into(record, &record->clone_flags, call->args[0] & NS_FLAGS);
	or_into(record, &record->caps, caps_of(call));
}

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "name this architecture's AUDIT_ARCH"
#endif

unsigned short record_filter(struct sock_filter ret[RECORD_FILTER_LEN], int status_fd)
{
	const struct sock_filter code[] = {
		/* Another architecture's calls are for the other filters to judge. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)status_fd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};

	memcpy(ret, code, sizeof(code));
	return ARRAY_LEN(code);
}

static int names_fill(const struct record *r, Bulkhead__V1__ProfileRecord *ret, struct error *err)
{
	ret->syscalls = calloc(RECORD_CALLS_MAX, sizeof(char *));
	ret->capabilities = calloc(64, sizeof(char *));
	if (!ret->syscalls || !ret->capabilities)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot write a record");
	for (int nr = 0; nr < RECORD_CALLS_MAX; nr++) {
		char *name;

		if (!(r->calls[nr / 8] & (1 << (nr % 8))))
			continue;
		/* A call that is newer than the library has no name that a profile could say. */
		name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
		if (name)
			ret->syscalls[ret->n_syscalls++] = name;
		else
			ret->unnamed++;
	}
	for (int cap = 0; cap <= cap_last(); cap++) {
		if (r->caps & BIT(cap))
			ret->capabilities[ret->n_capabilities++] = (char *)(uintptr_t)cap_name(cap);
	}
	return 0;
}

static int families_fill(
	const struct record *r, Bulkhead__V1__ProfileRecord *ret, struct error *err)
{
	ret->socket_families = calloc(RECORD_FAMILIES_MAX, sizeof(uint32_t));
	if (!ret->socket_families)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot write a record");
	for (uint32_t i = 0; i < RECORD_FAMILIES_MAX; i++) {
		if (r->families & BIT(i))
			ret->socket_families[ret->n_socket_families++] = i;
	}
	return 0;
}

static int bytes_write(
	int dirfd, const char *name, const Bulkhead__V1__ProfileRecord *message, struct error *err)
{
	size_t size = bulkhead__v1__profile_record__get_packed_size(message);
	cleanup_free uint8_t *data = malloc(size + 1);
	cleanup_close int fd = -1;
	char to[96], now[96];

	snprintf(to, sizeof(to), "%.80s.profile", name);
	snprintf(now, sizeof(now), "%.80s.profile.new", name);
	if (!data)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot write a record");
	bulkhead__v1__profile_record__pack(message, data);
	fd = openat(dirfd, now, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fd_write_all(fd, (const char *)data, size, err) < 0 ||
		renameat(dirfd, now, dirfd, to) < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "cannot write '%s'", to);
	return 0;
}

int record_write(const struct record *record, int dirfd, const char *name, struct error *err)
{
	Bulkhead__V1__ProfileRecord message = BULKHEAD__V1__PROFILE_RECORD__INIT;
	int n = names_fill(record, &message, err);

	message.clone_flags = record->clone_flags;
	message.notified = record->notified;
	if (n == 0)
		n = families_fill(record, &message, err);
	if (n == 0)
		n = bytes_write(dirfd, name, &message, err);
	for (size_t i = 0; i < message.n_syscalls; i++)
		free(message.syscalls[i]);
	free(message.syscalls);
	free(message.capabilities);
	free(message.socket_families);
	return n;
}
