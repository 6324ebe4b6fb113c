/* network: which projects share a network. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/ctl/ctl.h"

#define WAIT_DEFAULT_S 30
#define POLL_MSEC      100

/* How many of the nodes have what 'epoch' stands for; *ret_behind is the first that has not. */
static int converged(struct ctl *ctl, int64_t epoch, size_t *ret_have, size_t *ret_all,
	char ret_behind[64], struct error *err)
{
	Bulkhead__V1__ListNodesRequest request = BULKHEAD__V1__LIST_NODES_REQUEST__INIT;
	cleanup_message ProtobufCMessage *message = NULL;
	const Bulkhead__V1__ListNodesResponse *list;

	if (ctl_call(ctl, "ListNodes", &request.base, &message, err) < 0)
		return -1;
	list = (Bulkhead__V1__ListNodesResponse *)message;
	*ret_have = 0;
	*ret_all = list->n_nodes;
	for (size_t i = 0; i < list->n_nodes; i++) {
		if (list->nodes[i]->network_epoch >= epoch)
			(*ret_have)++;
		else if (*ret_have == i)
			snprintf(ret_behind, 64, "%s", list->nodes[i]->name);
	}
	return 0;
}

static int report(struct ctl *ctl, int64_t epoch, struct error *err)
{
	const struct args *args = ctl->args;
	const bool wait = (args->given & ARG(WAIT)) && !args->no_wait;
	const int64_t seconds = args->timeout >= 0 ? args->timeout : WAIT_DEFAULT_S;
	const uint64_t end = monotonic_usec() + (uint64_t)seconds * 1000000;
	char behind[64] = "";
	size_t have, all;

	for (;;) {
		if (converged(ctl, epoch, &have, &all, behind, err) < 0)
			return -1;
		if (!wait || have == all || monotonic_usec() >= end)
			break;
		poll(NULL, 0, POLL_MSEC);
	}
	printf("converged on %zu of %zu nodes\n", have, all);
	if (wait && have < all)
		return error_set(err, ERR_TIMEOUT, 0,
			"node '%s' does not have the change after %lld s", behind,
			(long long)seconds);
	return CTL_OK;
}

static int move(struct ctl *ctl, Bulkhead__V1__MoveProjectsRequest__Kind kind, const char *done,
	struct error *err)
{
	Bulkhead__V1__MoveProjectsRequest request = BULKHEAD__V1__MOVE_PROJECTS_REQUEST__INIT;
	cleanup_message ProtobufCMessage *message = NULL;
	const struct args *args = ctl->args;

	if ((args->given & ARG(TIMEOUT)) && !(args->given & ARG(WAIT)))
		return error_set(err, ERR_INVALID, 0, "--timeout goes with --wait");
	request.kind = kind;
	request.projects = (char **)(uintptr_t)(args->words + 2);
	request.n_projects = args->words_len - 2;
	request.to = (char *)(uintptr_t)(args->to ? args->to : "");
	if (ctl_call(ctl, "MoveProjects", &request.base, &message, err) < 0)
		return -1;
	for (size_t i = 0; i < request.n_projects; i++)
		printf("project/%s %s%s\n", request.projects[i], done, request.to);
	return report(ctl, ((Bulkhead__V1__MoveProjectsResponse *)message)->epoch, err);
}

int ctl_network_join(struct ctl *ctl, struct error *err)
{
	if (!ctl->args->to || !*ctl->args->to)
		return error_set(err, ERR_INVALID, 0,
			"--to is missing: the project whose network the others join");
	return move(ctl, BULKHEAD__V1__MOVE_PROJECTS_REQUEST__KIND__JOIN, "joined project/", err);
}

int ctl_network_isolate(struct ctl *ctl, struct error *err)
{
	return move(ctl, BULKHEAD__V1__MOVE_PROJECTS_REQUEST__KIND__ISOLATE, "isolated", err);
}

int ctl_network_global(struct ctl *ctl, struct error *err)
{
	return move(ctl, BULKHEAD__V1__MOVE_PROJECTS_REQUEST__KIND__GLOBAL, "made global", err);
}
