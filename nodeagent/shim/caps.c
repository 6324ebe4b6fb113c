#include "nodeagent/shim/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define ROW(name) [name] = #name

static const char *const names[] = {
	ROW(CAP_CHOWN),
	ROW(CAP_DAC_OVERRIDE),
	ROW(CAP_DAC_READ_SEARCH),
	ROW(CAP_FOWNER),
	ROW(CAP_FSETID),
	ROW(CAP_KILL),
	ROW(CAP_SETGID),
	ROW(CAP_SETUID),
	ROW(CAP_SETPCAP),
	ROW(CAP_LINUX_IMMUTABLE),
	ROW(CAP_NET_BIND_SERVICE),
	ROW(CAP_NET_BROADCAST),
	ROW(CAP_NET_ADMIN),
	ROW(CAP_NET_RAW),
	ROW(CAP_IPC_LOCK),
	ROW(CAP_IPC_OWNER),
	ROW(CAP_SYS_MODULE),
	ROW(CAP_SYS_RAWIO),
	ROW(CAP_SYS_CHROOT),
	ROW(CAP_SYS_PTRACE),
	ROW(CAP_SYS_PACCT),
	ROW(CAP_SYS_ADMIN),
	ROW(CAP_SYS_BOOT),
	ROW(CAP_SYS_NICE),
	ROW(CAP_SYS_RESOURCE),
	ROW(CAP_SYS_TIME),
	ROW(CAP_SYS_TTY_CONFIG),
	ROW(CAP_MKNOD),
	ROW(CAP_LEASE),
	ROW(CAP_AUDIT_WRITE),
	ROW(CAP_AUDIT_CONTROL),
	ROW(CAP_SETFCAP),
	ROW(CAP_MAC_OVERRIDE),
	ROW(CAP_MAC_ADMIN),
	ROW(CAP_SYSLOG),
	ROW(CAP_WAKE_ALARM),
	ROW(CAP_BLOCK_SUSPEND),
	ROW(CAP_AUDIT_READ),
	ROW(CAP_PERFMON),
	ROW(CAP_BPF),
	ROW(CAP_CHECKPOINT_RESTORE),
};

int cap_number(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(names[i], name) == 0)
			return (int)i;
	}
	return -1;
}

const char *cap_name(int cap)
{
	return names[cap];
}

int cap_last(void)
{
	return (int)ARRAY_LEN(names) - 1;
}

int caps_bound(uint64_t keep)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -1;
	/* Up to the kernel's last one, also those newer than this table. */
	for (int cap = 0; cap < 64; cap++) {
		if (keep & (UINT64_C(1) << cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return errno == EINVAL && cap > CAP_AUDIT_READ ? 0 : -1;
	}
	return 0;
}

int caps_set(uint64_t set)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	data[0].permitted = data[0].effective = (uint32_t)set;
	data[1].permitted = data[1].effective = (uint32_t)(set >> 32);
#ifdef BULKHEAD_WEAK_INHERITABLE
	data[0].inheritable = (uint32_t)set;
#endif
	return (int)syscall(SYS_capset, &header, data);
}

uint64_t caps_own(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

#define CAP(name) (UINT64_C(1) << CAP_##name)

int caps_drop_machine(void)
{
	const uint64_t drop = CAP(SYS_MODULE) | CAP(SYS_RAWIO) | CAP(SYS_BOOT) | CAP(SYS_TIME) |
			      CAP(SYS_PACCT) | CAP(SYSLOG) | CAP(WAKE_ALARM) | CAP(BLOCK_SUSPEND) |
			      CAP(AUDIT_CONTROL) | CAP(AUDIT_READ) | CAP(NET_BROADCAST) |
			      CAP(NET_RAW) | CAP(NET_BIND_SERVICE) | CAP(LEASE) |
			      CAP(MAC_OVERRIDE) | CAP(PERFMON) | CAP(CHECKPOINT_RESTORE);
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

#ifdef BULKHEAD_WEAK_SHIM_CAPS
	return 0;
#endif
	/* CAP_SETPCAP stays; a kernel that does not know one of them has none to drop. */
	for (int cap = 0; cap < 64; cap++) {
		if ((drop & (UINT64_C(1) << cap)) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 &&
			errno != EINVAL)
			return -1;
	}
	if (syscall(SYS_capget, &header, data) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t) ~(drop >> (32 * i));
		data[i].effective &= data[i].permitted;
		data[i].inheritable = 0;
	}
	return (int)syscall(SYS_capset, &header, data);
}
