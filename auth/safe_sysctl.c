#include "auth/safe_sysctl.h"

#include <stddef.h>
#include <string.h>

#include "lib/cleanup.h"

struct row {
	const char *name;
	int since;
	bool honoured;
};

/* k8s.io/pod-security-admission, policy/check_sysctls.go */
static const struct row rows[] = {
	{ "kernel.shm_rmid_forced", 0, true },
	{ "net.ipv4.ip_local_port_range", 0, true },
	{ "net.ipv4.tcp_syncookies", 0, true },
	{ "net.ipv4.ping_group_range", 0, true },
	{ "net.ipv4.ip_unprivileged_port_start", 0, true },
	{ "net.ipv4.ip_local_reserved_ports", 27, true },
	{ "net.ipv4.tcp_keepalive_time", 29, true },
	{ "net.ipv4.tcp_fin_timeout", 29, true },
	{ "net.ipv4.tcp_keepalive_intvl", 29, true },
	{ "net.ipv4.tcp_keepalive_probes", 29, true },
	{ "net.ipv4.tcp_rmem", 32, true },
	{ "net.ipv4.tcp_wmem", 32, true },
	{ "net.ipv4.tcp_slow_start_after_idle", 37, false },
	{ "net.ipv4.tcp_notsent_lowat", 37, false },
};

static const struct row *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	return NULL;
}

int safe_sysctl_since(const char *name)
{
	const struct row *row = find(name);

	return row ? row->since : -1;
}

bool safe_sysctl_honoured(const char *name)
{
	const struct row *row = find(name);

	return row && row->honoured;
}
