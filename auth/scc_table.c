#include "auth/scc.h"

#include <string.h>

#include "lib/cleanup.h"

/* clang-format off */
#define BASE_VOLUMES "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", \
	"persistentVolumeClaim", "projected", "secret"
#define DROP_V1      .drop = { "KILL", "MKNOD", "SETUID", "SETGID" }
#define V2           .drop = { "ALL" }, .allow = { "NET_BIND_SERVICE" }, \
	.seccomp = { "runtime/default" }, .no_escalation = true
#define SMALL_IDS    { 1000, 65534 }
#define ALL_IDS      { 0, 65534 }

/* In the order in which they are tried; test_scc sorts them again by rule. */
static const struct scc table[] = {
	{
		.name = "anyuid", .priority = 10, .user = SCC_USER_ANY, .selinux_must = true,
		.drop = { "MKNOD" }, .volumes = { BASE_VOLUMES },
		.for_groups = { "system:cluster-admins" },
	},
	{
		.name = "restricted-v2", .user = SCC_USER_RANGE, .selinux_must = true,
		.fs_group = SCC_GROUP_MUST, V2, .volumes = { BASE_VOLUMES },
		.for_groups = { "system:authenticated" },
	},
	{
		.name = "restricted-v3", .user = SCC_USER_RANGE, .user_range = SMALL_IDS,
		.selinux_must = true, .fs_group = SCC_GROUP_MUST, .fs_group_range = SMALL_IDS,
		.groups = SCC_GROUP_MUST, .groups_range = SMALL_IDS, V2, .require_userns = true,
		.volumes = { BASE_VOLUMES }, .for_groups = { "system:authenticated" },
	},
	{
		.name = "restricted", .user = SCC_USER_RANGE, .selinux_must = true,
		.fs_group = SCC_GROUP_MUST, DROP_V1, .volumes = { BASE_VOLUMES },
	},
	{
		.name = "nested-container", .user = SCC_USER_RANGE, .user_range = ALL_IDS,
		.selinux_must = true, .selinux_type = "container_engine_t",
		.fs_group = SCC_GROUP_MUST, .fs_group_range = ALL_IDS,
		.groups = SCC_GROUP_MUST, .groups_range = ALL_IDS,
		.allow = { "SETUID", "SETGID" }, .seccomp = { "*" }, .require_userns = true,
		.volumes = { BASE_VOLUMES },
	},
	{
		.name = "nonroot-v2", .user = SCC_USER_NON_ROOT, .selinux_must = true, V2,
		.volumes = { BASE_VOLUMES },
	},
	{
		.name = "nonroot", .user = SCC_USER_NON_ROOT, .selinux_must = true, DROP_V1,
		.volumes = { BASE_VOLUMES },
	},
	{
		.name = "hostmount-anyuid", .user = SCC_USER_ANY, .selinux_must = true,
		.drop = { "MKNOD" }, .volumes = { BASE_VOLUMES, "hostPath", "nfs" },
	},
	{
		.name = "hostmount-anyuid-v2", .user = SCC_USER_ANY,
		.drop = { "MKNOD" }, .volumes = { BASE_VOLUMES, "hostPath", "nfs" },
	},
	{
		.name = "hostnetwork-v2", .user = SCC_USER_RANGE, .selinux_must = true,
		.fs_group = SCC_GROUP_MUST, .groups = SCC_GROUP_MUST, V2,
		.host_network = true, .host_ports = true, .volumes = { BASE_VOLUMES },
	},
	{
		.name = "hostnetwork", .user = SCC_USER_RANGE, .selinux_must = true,
		.fs_group = SCC_GROUP_MUST, .groups = SCC_GROUP_MUST, DROP_V1,
		.host_network = true, .host_ports = true, .volumes = { BASE_VOLUMES },
	},
	{
		.name = "hostaccess", .user = SCC_USER_RANGE, .selinux_must = true,
		.fs_group = SCC_GROUP_MUST, DROP_V1, .host_network = true, .host_ports = true,
		.host_pid = true, .host_ipc = true, .volumes = { BASE_VOLUMES, "hostPath" },
	},
	{
		.name = "privileged", .user = SCC_USER_ANY, .privileged = true,
		.allow = { "*" }, .seccomp = { "*" }, .host_network = true, .host_ports = true,
		.host_pid = true, .host_ipc = true, .volumes = { "*" }, .unsafe_sysctls = { "*" },
		.for_groups = { "system:masters", "system:nodes", "system:cluster-admins" },
	},
};
/* clang-format on */

size_t scc_count(void)
{
	return ARRAY_LEN(table);
}

const struct scc *scc_at(size_t i)
{
	return &table[i];
}

const struct scc *scc_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	}
	return NULL;
}

static unsigned count(const char *const *list)
{
	unsigned n = 0;

	while (n < SCC_LIST_MAX && list[n])
		n++;
	return n;
}

static bool has(const char *const *list, const char *text)
{
	for (unsigned i = 0; i < count(list); i++) {
		if (strcmp(list[i], text) == 0)
			return true;
	}
	return false;
}

static unsigned volume_score(const struct scc *scc)
{
	static const char *const plain[] = { "secret", "configMap", "emptyDir", "downwardAPI",
		"projected", "none", NULL };

	if (has(scc->volumes, "*") || has(scc->volumes, "hostPath"))
		return 200000;
	for (unsigned i = 0; i < count(scc->volumes); i++) {
		if (!has(plain, scc->volumes[i]))
			return 100000;
	}
	return 0;
}

static unsigned capability_score(const struct scc *scc)
{
	int score = 5000;

	if (has(scc->allow, "*") || has(scc->allow, "ALL"))
		score += 4000;
	else
		score += 10 * (int)count(scc->allow);
	if (has(scc->drop, "ALL"))
		score -= 3000;
	else
		score -= 50 * (int)count(scc->drop);
	return (unsigned)(score < 0 ? 0 : score > 9999 ? 9999 : score);
}

static unsigned user_score(const struct scc *scc)
{
	switch (scc->user) {
	case SCC_USER_RANGE:
		return 20000;
	case SCC_USER_NON_ROOT:
		return 30000;
	case SCC_USER_ANY:
		break;
	}
	return 40000;
}

/* pkg/securitycontextconstraints/util/sort, byrestrictions.go */
unsigned scc_score(const struct scc *scc)
{
	return (scc->privileged ? 1600000 : 0) + (scc->host_ports ? 800000 : 0) +
	       (scc->host_network ? 400000 : 0) + volume_score(scc) +
	       (scc->selinux_must ? 10000 : 40000) + user_score(scc) + capability_score(scc);
}
