#include "nodeagent/agent/node_facts.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/config.h"

#define HUGE_PAGES      "/sys/kernel/mm/hugepages"
#define JOURNAL_SOCKET  "/run/systemd/journal/socket"
#define RESOLV_CONF     "/etc/resolv.conf"
#define RESOLV_SIZE_MAX 65536
#define CA_SIZE_MAX     65536
#define NUMBER_SIZE_MAX 64
#define CPUS_SIZE_MAX   4096
#define CA_PATH         "pki/ca.pem"

static void read_memory(struct plan_node *node)
{
	struct sysinfo info;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (sysinfo(&info) == 0)
		node->memory_bytes = (uint64_t)info.totalram * info.mem_unit;
	node->cpu_millis = cpus > 0 ? (uint64_t)cpus * 1000 : 1000;
	node->selinux = access("/sys/fs/selinux/enforce", F_OK) == 0;
}

static int is_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Which journal there is; a log driver that needs one needs it now. */
static int find_journal(
	struct node_facts *facts, const Bulkhead__V1__NodeConfig *config, struct error *err)
{
	const char *path = config->journal_socket;

	if (!path[0] || strcmp(path, CONFIG_JOURNAL_AUTO) == 0)
		path = is_socket(JOURNAL_SOCKET) ? JOURNAL_SOCKET : "";
	else if (strcmp(path, CONFIG_JOURNAL_NONE) == 0)
		path = "";
	snprintf(facts->journal_socket, sizeof(facts->journal_socket), "%s", path);
	facts->node.journal_socket = facts->journal_socket;
	if (config_log_journal(config) && !path[0])
		return error_set(err, ERR_PRECONDITION, 0,
			"log_driver: '%s' needs the journal, and there is no " JOURNAL_SOCKET
			"; use cri, or say where it is in journal_socket",
			config->log_driver);
	return 0;
}

/* The whole disk below 'dirfd': limits of I/O are of these alone, never of a partition. */
static void read_disk(struct plan_node *node, int dirfd)
{
	cleanup_free char *text = NULL;
	char path[128];
	struct stat st;
	size_t size;
	int n;

	if (fstat(dirfd, &st) < 0)
		return;
	n = snprintf(
		path, sizeof(path), "/sys/dev/block/%u:%u/", major(st.st_dev), minor(st.st_dev));
	snprintf(path + n, sizeof(path) - (size_t)n, "partition");
	snprintf(path + n, sizeof(path) - (size_t)n, access(path, F_OK) == 0 ? "../dev" : "dev");
	if (file_read_at(AT_FDCWD, path, NUMBER_SIZE_MAX, &text, &size, NULL) == 0)
		node->has_disk = sscanf(text, "%" SCNu32 ":%" SCNu32, &node->disk_major,
					 &node->disk_minor) == 2;
}

static void read_controllers(struct node_facts *facts, const struct cgroup_tree *tree)
{
	static const char *const names[] = { "/sys/fs/cgroup/cpuset.cpus.effective",
		"/sys/fs/cgroup/cpuset/cpuset.effective_cpus", "/sys/fs/cgroup/cpuset/cpuset.cpus",
		"/sys/devices/system/cpu/online" };
	unsigned there = 0;
	size_t size;

	for (size_t i = 0; i < tree->len; i++)
		there |= tree->hierarchies[i].controllers;
	facts->node.missing_controllers = ~there;
	for (size_t i = 0; !facts->cpus && i < ARRAY_LEN(names); i++)
		file_read_at(AT_FDCWD, names[i], CPUS_SIZE_MAX, &facts->cpus, &size, NULL);
	facts->node.cpus = facts->cpus;
}

/* "hugepages-2048kB", a folder a size. */
static void read_huge_sizes(struct plan_node *node)
{
	DIR *dir = opendir(HUGE_PAGES);

	for (struct dirent *e = dir ? readdir(dir) : NULL;
		e && node->huge_sizes_len < PLAN_HUGE_SIZES_MAX; e = readdir(dir)) {
		uint64_t kib;
		char b;

		if (sscanf(e->d_name, "hugepages-%" SCNu64 "k%c", &kib, &b) == 2 && b == 'B')
			node->huge_sizes[node->huge_sizes_len++] = kib * 1024;
	}
	if (dir)
		closedir(dir);
}

/* No file, or one that cannot be read: the pods get none of its servers. */
static void read_resolv(struct node_facts *facts)
{
	size_t size;
	size_t n = 0;
	char *rest = NULL;

	free(facts->resolv_text);
	facts->resolv_text = NULL;
	if (file_read_at(AT_FDCWD, RESOLV_CONF, RESOLV_SIZE_MAX, &facts->resolv_text, &size,
		    NULL) == 0) {
		for (char *line = strtok_r(facts->resolv_text, "\n", &rest);
			line && n < NODE_RESOLV_LINES_MAX; line = strtok_r(NULL, "\n", &rest))
			facts->resolv[n++] = line;
	}
	facts->resolv[n] = NULL;
}

void node_facts_refresh(struct node_facts *facts, const struct agent *agent)
{
	const Bulkhead__V1__ClusterNode *row =
		cluster_node(agent->cluster, agent->config->node_name);

	if (row) {
		snprintf(facts->uid, sizeof(facts->uid), "%s", row->uid);
		snprintf(facts->address, sizeof(facts->address), "%s", row->address);
	}
	read_resolv(facts);
}

int node_facts_read(struct node_facts *ret, const struct agent *agent, struct error *err)
{
	size_t size;

	*ret = (struct node_facts){ 0 };
	if (file_read_at(agent->state_dirfd, CA_PATH, CA_SIZE_MAX, &ret->ca_pem, &size, err) < 0)
		return error_prefix(err, "the cluster's CA");
	ret->node.config = agent->config;
	ret->node.ca_pem = ret->ca_pem;
	ret->node.node_uid = ret->uid;
	ret->node.node_address = ret->address;
	ret->node.resolv = ret->resolv;
	read_memory(&ret->node);
	if (find_journal(ret, agent->config, err) < 0)
		return -1;
	read_disk(&ret->node, agent->state_dirfd);
	read_controllers(ret, &agent->cgroups);
	read_huge_sizes(&ret->node);
	node_facts_refresh(ret, agent);
	return 0;
}

void node_facts_done(struct node_facts *facts)
{
	free(facts->ca_pem);
	free(facts->resolv_text);
	free(facts->cpus);
	*facts = (struct node_facts){ 0 };
}
