/* init: the first node of a cluster, which has its database and its authorities. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "nodeagent/ctl/node_files.h"

/* The API's certificate names the address it is called at. */
static int make_keys(const struct node_plan *plan, struct error *err)
{
	char program[PATH_MAX];
	char keys[PATH_MAX];
	char pki[PATH_MAX];
	char cluster[PATH_MAX];
	char address[128];
	char uid[16];
	char *argv[] = { program, (char *)(uintptr_t) "--init", (char *)(uintptr_t) "--keys", keys,
		(char *)(uintptr_t) "--pki", pki, (char *)(uintptr_t) "--cluster", cluster,
		(char *)(uintptr_t) "--node", (char *)(uintptr_t)plan->name,
		(char *)(uintptr_t) "--address", address, (char *)(uintptr_t) "--uid", uid, NULL };

	snprintf(program, sizeof(program), "%s/bulkhead-secretd", plan->libexec);
	snprintf(keys, sizeof(keys), "%s/keys", plan->state);
	snprintf(pki, sizeof(pki), "%s/pki", plan->state);
	snprintf(cluster, sizeof(cluster), "%s/cluster", plan->state);
	host_of(plan->listen, address, sizeof(address));
	if (strcmp(address, "0.0.0.0") == 0 && plan->address[0])
		snprintf(address, sizeof(address), "%s", plan->address);
	snprintf(uid, sizeof(uid), "%d", UID_SECRETD);
	return run_tool(argv, err);
}

int ctl_init(struct ctl *ctl, struct error *err)
{
	cleanup_node_plan struct node_plan plan = { .libexec = NULL };
	char path[PATH_MAX];

	if (node_plan(&plan, ctl->args, NULL, "init", err) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/node.yaml", plan.state);
	if (access(path, F_OK) == 0)
		return error_set(err, ERR_EXISTS, 0,
			"%s holds a node already; 'bulkhead up' starts it, 'bulkhead down --purge' "
			"removes it",
			plan.state);
	if (node_refuse_existing(plan.state, err) < 0 || node_check(&plan, err) < 0)
		return -1;
	printf("making keys and certificates for node %s\n", plan.name);
	fflush(stdout);
	if (make_keys(&plan, err) < 0)
		return -1;
	if (node_write_context(&plan, "pki/admin.pem", "pki/admin.key", err) < 0 ||
		node_write_config(&plan, err) < 0) {
		node_take_back(plan.state);
		return -1;
	}
	printf("wrote %s/node.yaml and %s/context.yaml\n", plan.state, plan.state);
	if (ctl->args->no_start)
		return CTL_OK;
	printf("starting the node (log: %s/agent.log)\n", plan.state);
	fflush(stdout);
	if (ctl_up(ctl, err) < 0)
		return -1;
	printf("use it with: export BULKHEAD_CONTEXT=%s/context.yaml\n", plan.state);
	return CTL_OK;
}
