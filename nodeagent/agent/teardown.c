#include "nodeagent/agent/teardown.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/forwarding.h"
#include "nodeagent/agent/links.h"
#include "nodeagent/agent/nft.h"
#include "nodeagent/agent/ovs.h"
#include "nodeagent/agent/pods.h"

#define GUARD_TABLE          "bulkhead"  /* netplugin/guard.h's */
#define GATEWAY_TABLE_PREFIX "bulkhead-" /* netplugin/gateway_rules.h's, before the bridge */

/* What Bulkhead makes in <state>; nothing else there is touched. */
static const char *const state_names[] = { "pods", "logs", "images", "keys", "pki", "cluster",
	"cluster.db", "cluster.db.new", ".cluster.db.~lock~", ".cluster.db.new.~lock~",
	".cluster.db.tmp.~lock~", "context.yaml", "agent.log" };

static int remove_pods(struct agent *agent, bool purge, struct error *err)
{
	return pods_teardown(agent, purge, err);
}

static int remove_ovs(struct agent *agent, bool purge, struct error *err)
{
	(void)purge;
	return ovs_teardown(agent->config, err);
}

/* netd names them so (netplugin/endpoint.c); the switch's records of them went with the bridge. */
static int remove_links(struct agent *agent, bool purge, struct error *err)
{
	char prefix[64];

	(void)purge;
	snprintf(prefix, sizeof(prefix), "bulkhead:%s:", agent->config->bridge);
	return links_remove(prefix, err);
}

static int stop_forwarding(struct agent *agent, bool purge, struct error *err)
{
	cleanup_close int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)purge;
	if (root_fd < 0)
		return error_set(err, error_code_of(errno), errno, "/");
	return forwarding_end(root_fd, agent->run_dirfd, err);
}

static int remove_guard(struct agent *agent, bool purge, struct error *err)
{
	char gateway[64];

	(void)purge;
	snprintf(gateway, sizeof(gateway), GATEWAY_TABLE_PREFIX "%s", agent->config->bridge);
	if (nft_table_remove(NFPROTO_IPV4, gateway, err) < 0)
		return -1;
	return nft_table_remove(NFPROTO_NETDEV, GUARD_TABLE, err);
}

/* Groups of pods are gone by now; one that still has processes is reported, not forced. */
static int remove_cgroups(struct agent *agent, bool purge, struct error *err)
{
	(void)purge;
	return cgroup_remove(&agent->cgroups, agent->config->cgroup_parent, err);
}

/* A folder of the configuration, which must not be a link to somebody else's. */
static int remove_dir(const char *path, struct error *err)
{
	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	return error_set(err, error_code_of(errno), errno, "cannot remove '%s'", path);
}

static int remove_run(struct agent *agent, bool purge, struct error *err)
{
	static const char *const names[] = { "pods", "ovs", "empty", "cni.sock", "agent.pid",
		".agent.pid.new", "agent.lock" };

	(void)purge;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (tree_remove_at(agent->run_dirfd, names[i], err) < 0)
			return error_prefix(err, "%s", agent->config->run_dir);
	}
	return remove_dir(agent->config->run_dir, err);
}

/*
 * node.yaml goes last: as long as it is there, this can be run again. The folder itself, and
 * seccomp profiles the operator put there, only go when they are empty.
 */
static int remove_state(struct agent *agent, bool purge, struct error *err)
{
	if (!purge)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(state_names); i++) {
		if (tree_remove_at(agent->state_dirfd, state_names[i], err) < 0)
			return error_prefix(err, "%s", agent->config->state_dir);
	}
	unlinkat(agent->state_dirfd, "seccomp", AT_REMOVEDIR);
	if (unlinkat(agent->state_dirfd, "node.yaml", 0) < 0 && errno != ENOENT)
		return error_set(err, error_code_of(errno), errno, "cannot remove node.yaml");
	if (rmdir(agent->config->state_dir) < 0 && errno != ENOENT && errno != ENOTEMPTY &&
		errno != EEXIST && errno != EBUSY)
		return error_set(err, error_code_of(errno), errno, "cannot remove '%s'",
			agent->config->state_dir);
	return 0;
}

static const struct step {
	const char *name;
	int (*run)(struct agent *agent, bool purge, struct error *err);
	bool last; /* not after a failure: it removes what another try needs */
	const char *why;
} steps[] = {
	{ "pods", remove_pods, false, "first: they use all that follows" },
	{ "Open vSwitch", remove_ovs, false, "the pods' ports are gone with their namespaces" },
	{ "links", remove_links, false, "after the switch, which would report them missing" },
	{ "forwarding", stop_forwarding, false, "before the rules that bound it" },
	{ "nf_tables", remove_guard, false, "guards ports as long as a switch forwards" },
	{ "cgroups", remove_cgroups, false, "the pods' groups are gone" },
	{ "run folder", remove_run, true, "pid files and sockets find what still runs" },
	{ "state folder", remove_state, true, "without it nothing is known of the node" },
};

int teardown(struct agent *agent, bool purge, struct error *first)
{
	int ret = 0;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct error err = { 0 };

		if (steps[i].last && ret < 0)
			continue;
		if (steps[i].run(agent, purge, &err) == 0)
			continue;
		log_error("%s: %s", steps[i].name, err.text);
		if (ret == 0 && first) {
			*first = err;
			error_prefix(first, "%s", steps[i].name);
		}
		ret = -1;
	}
	return ret;
}
