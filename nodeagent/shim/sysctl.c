#include "nodeagent/shim/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/path.h"
#include "nodeagent/shim/sys.h"

#define VALUE_LEN_MAX 1024

/* https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/ */
const struct sysctl_row sysctl_rows[] = {
	{ "kernel.shm_rmid_forced", "kernel/shm_rmid_forced", CLONE_NEWIPC },
	{ "net.ipv4.ip_local_port_range", "net/ipv4/ip_local_port_range", CLONE_NEWNET },
	{ "net.ipv4.tcp_syncookies", "net/ipv4/tcp_syncookies", CLONE_NEWNET },
	{ "net.ipv4.ping_group_range", "net/ipv4/ping_group_range", CLONE_NEWNET },
	{ "net.ipv4.ip_unprivileged_port_start", "net/ipv4/ip_unprivileged_port_start",
		CLONE_NEWNET },
	{ "net.ipv4.ip_local_reserved_ports", "net/ipv4/ip_local_reserved_ports", CLONE_NEWNET },
	{ "net.ipv4.tcp_keepalive_time", "net/ipv4/tcp_keepalive_time", CLONE_NEWNET },
	{ "net.ipv4.tcp_fin_timeout", "net/ipv4/tcp_fin_timeout", CLONE_NEWNET },
	{ "net.ipv4.tcp_keepalive_intvl", "net/ipv4/tcp_keepalive_intvl", CLONE_NEWNET },
	{ "net.ipv4.tcp_keepalive_probes", "net/ipv4/tcp_keepalive_probes", CLONE_NEWNET },
	{ "net.ipv4.tcp_rmem", "net/ipv4/tcp_rmem", CLONE_NEWNET },
	{ "net.ipv4.tcp_wmem", "net/ipv4/tcp_wmem", CLONE_NEWNET },
};
const size_t sysctl_rows_len = ARRAY_LEN(sysctl_rows);

static const struct sysctl_row *find(const char *name)
{
	for (size_t i = 0; i < sysctl_rows_len; i++) {
		if (strcmp(sysctl_rows[i].name, name) == 0)
			return &sysctl_rows[i];
	}
	return NULL;
}

int sysctl_check(const char *name, const char *value, struct error *err)
{
	size_t len = strlen(value);

	if (!find(name))
		return error_set(err, ERR_INVALID, 0,
			"sysctls: '%.128s' is not one of the sysctls a pod may set; remove it",
			name);
		/* All of them are numbers, ranges or lists of numbers. */
#ifndef BULKHEAD_WEAK_SYSCTL
	if (len == 0 || len > VALUE_LEN_MAX || strspn(value, "0123456789 \t,-") != len)
		return error_set(err, ERR_INVALID, 0,
			"sysctls: %s: '%.128s' is not made of digits, ' ', ',' and '-'", name,
			value);
#endif
	return 0;
}

int sysctl_write(int proc_dirfd, const char *name, const char *value, struct error *err)
{
	const struct sysctl_row *row = find(name);
	size_t size = strlen(value);
	cleanup_close int fd = -1;
	char path[128];

	if (!row)
		return error_set(err, ERR_INTERNAL, 0, "sysctl '%s' was not checked", name);
	snprintf(path, sizeof(path), "sys/%s", row->path);
	fd = sys_openat2(proc_dirfd, path, O_WRONLY, 0,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open sysctl %s", name);
	if (sys_fs_magic(fd) != PROC_SUPER_MAGIC)
		return error_set(err, ERR_DENIED, 0, "sysctl %s is not on procfs", name);
	if (write(fd, value, size) != (ssize_t)size)
		return error_set(
			err, ERR_INVALID, errno, "cannot set sysctl %s to '%s'", name, value);
	return 0;
}
