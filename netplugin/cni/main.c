/*
 * bulkhead-cni: the CNI plugin (specification 1.1) by which containerd, CRI-O, podman and others
 * attach their containers to Bulkhead's network. A runtime starts it as root for each container;
 * bulkhead-netd does the work, and here are only what it cannot have: the environment, the
 * configuration, and sockets in the container's network namespace. It forks nothing, and reads no
 * database.
 */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "netplugin/cni/call.h"
#include "netplugin/cni/netns.h"

struct request {
	struct cni_env env;
	struct cni_config config;
	struct ipc *ipc;
};

static char *borrow(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* ---- verbs: each fills *ret (NULL: nothing is printed) ----------------------------------------
 */

static int take_attached(
	const Bulkhead__V1__CniReply *reply, struct cni_attached *ret, struct failure *failure)
{
	if (strlen(reply->address) >= sizeof(ret->address) ||
		strlen(reply->mac) >= sizeof(ret->mac) || strlen(reply->port) >= sizeof(ret->port))
		return failure_set(failure, CNI_REFUSED, "bulkhead-netd: an answer out of shape");
	snprintf(ret->address, sizeof(ret->address), "%s", reply->address);
	snprintf(ret->mac, sizeof(ret->mac), "%s", reply->mac);
	snprintf(ret->port, sizeof(ret->port), "%s", reply->port);
	ret->prefix = reply->prefix;
	ret->mtu = reply->mtu;
	return 0;
}

/* Asks, and takes what ADD and CHECK are answered. */
static int ask(struct request *request, Bulkhead__V1__CniCall *call, const int *fds, size_t fds_len,
	struct cni_attached *ret, struct failure *failure)
{
	Bulkhead__V1__CniAttachment attachment = BULKHEAD__V1__CNI_ATTACHMENT__INIT;
	Bulkhead__V1__CniReply *reply;
	int r;

	attachment.container = borrow(request->env.container);
	attachment.ifname = borrow(request->env.ifname);
	call->attachment = &attachment;
	r = cni_call(request->ipc, call, fds, fds_len, &reply, failure);
	call->attachment = NULL;
	if (r < 0)
		return -1;
	if (ret)
		r = take_attached(reply, ret, failure);
	bulkhead__v1__cni_reply__free_unpacked(reply, NULL);
	return r;
}

static int add(struct request *request, json_t **ret, struct failure *failure)
{
	Bulkhead__V1__CniCall call = BULKHEAD__V1__CNI_CALL__INIT;
	struct cni_attached attached = { 0 };
	const char *project;
	int fds[NETNS_FDS];

	if (cni_config_project(&request->config, &request->env, &project, failure) < 0 ||
		cni_result_check_prev(&request->config, &request->env, failure) < 0 ||
		cni_connect(request->config.socket, &request->ipc, failure) < 0 ||
		cni_netns_enter(request->env.netns, fds, failure) < 0)
		return -1;
	call.command = BULKHEAD__V1__CNI_COMMAND__CNI_ADD;
	call.network = borrow(request->config.name);
	call.project = borrow(project);
	call.pod = request->env.pod;
	if (ask(request, &call, fds, NETNS_FDS, &attached, failure) < 0)
		return -1;
	return cni_result_make(&request->config, &request->env, &attached, ret, failure);
}

static int check(struct request *request, json_t **ret, struct failure *failure)
{
	Bulkhead__V1__CniCall call = BULKHEAD__V1__CNI_CALL__INIT;
	struct cni_attached attached = { 0 };
	int fds[NETNS_FDS];

	(void)ret;
	call.command = BULKHEAD__V1__CNI_COMMAND__CNI_CHECK;
	if (!request->config.prev_result)
		return failure_set(failure, CNI_INVALID_CONFIG, "prevResult: is missing");
	if (cni_connect(request->config.socket, &request->ipc, failure) < 0 ||
		ask(request, &call, NULL, 0, &attached, failure) < 0 ||
		cni_result_compare(&request->config, &request->env, &attached, failure) < 0 ||
		cni_netns_enter(request->env.netns, fds, failure) < 0)
		return -1;
	return cni_netns_check(fds[NETNS_INET_FD], request->env.ifname, &attached, failure);
}

/* The namespace may be gone: it is not looked at. */
static int del(struct request *request, json_t **ret, struct failure *failure)
{
	Bulkhead__V1__CniCall call = BULKHEAD__V1__CNI_CALL__INIT;

	(void)ret;
	call.command = BULKHEAD__V1__CNI_COMMAND__CNI_DEL;
	if (cni_connect(request->config.socket, &request->ipc, failure) < 0)
		return -1;
	return ask(request, &call, NULL, 0, NULL, failure);
}

static void fill_valid(const json_t *list, Bulkhead__V1__CniAttachment *rows,
	Bulkhead__V1__CniAttachment **pointers)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
	{
		bulkhead__v1__cni_attachment__init(&rows[i]);
		rows[i].container = borrow(json_string_value(json_object_get(item, "containerID")));
		rows[i].ifname = borrow(json_string_value(json_object_get(item, "ifname")));
		pointers[i] = &rows[i];
	}
}

static int gc(struct request *request, json_t **ret, struct failure *failure)
{
	const size_t len = json_array_size(request->config.valid);
	Bulkhead__V1__CniCall call = BULKHEAD__V1__CNI_CALL__INIT;
	cleanup_free Bulkhead__V1__CniAttachment *rows = calloc(len + 1, sizeof(*rows));
	cleanup_free Bulkhead__V1__CniAttachment **list =
		calloc(len + 1, sizeof(Bulkhead__V1__CniAttachment *));
	Bulkhead__V1__CniReply *reply;

	(void)ret;
	if (!rows || !list)
		return failure_set(failure, CNI_IO, "no memory for %zu attachments", len);
	fill_valid(request->config.valid, rows, list);
	call.command = BULKHEAD__V1__CNI_COMMAND__CNI_GC;
	call.network = borrow(request->config.name);
	call.valid = list;
	call.n_valid = len;
	if (cni_connect(request->config.socket, &request->ipc, failure) < 0 ||
		cni_call(request->ipc, &call, NULL, 0, &reply, failure) < 0)
		return -1;
	bulkhead__v1__cni_reply__free_unpacked(reply, NULL);
	return 0;
}

static int status(struct request *request, json_t **ret, struct failure *failure)
{
	Bulkhead__V1__CniCall call = BULKHEAD__V1__CNI_CALL__INIT;
	Bulkhead__V1__CniReply *reply;

	(void)ret;
	call.command = BULKHEAD__V1__CNI_COMMAND__CNI_STATUS;
	if (cni_connect(request->config.socket, &request->ipc, failure) < 0 ||
		cni_call(request->ipc, &call, NULL, 0, &reply, failure) < 0) {
		/* Whatever is away, what is attached is so in the switch. */
		if (failure->code != CNI_LIMITED)
			failure->code = CNI_NOT_AVAILABLE;
		return -1;
	}
	bulkhead__v1__cni_reply__free_unpacked(reply, NULL);
	return 0;
}

static int (*const verbs[])(struct request *request, json_t **ret, struct failure *failure) = {
	[CNI_VERB_ADD] = add,
	[CNI_VERB_CHECK] = check,
	[CNI_VERB_DEL] = del,
	[CNI_VERB_GC] = gc,
	[CNI_VERB_STATUS] = status,
};

/* ---- the process --------------------------------------------------------------------------- */

static int run(const char *text, size_t size, json_t **ret, struct failure *failure)
{
	struct request request = { 0 };
	int r;

	if (cni_env_parse(&request.env, (const char *const *)(uintptr_t)environ, failure) < 0)
		return -1;
	if (request.env.verb == CNI_VERB_VERSION) {
		*ret = cni_config_versions(text, size);
		return *ret ? 0 : failure_set(failure, CNI_IO, "no memory for an answer");
	}
	if (cni_config_parse(&request.config, request.env.verb, text, size, failure) < 0)
		return -1;
	r = verbs[request.env.verb](&request, ret, failure);
	ipc_free(request.ipc);
	cni_config_done(&request.config);
	return r;
}

static json_t *describe(const char *text, size_t size, const struct failure *failure)
{
	return json_pack("{s:s, s:i, s:s}", "cniVersion", cni_config_version(text, size), "code",
		(int)failure->code, "msg", failure->msg);
}

/* One write, so that a reader never sees a part of it. */
static int print(json_t *answer)
{
	cleanup_free char *text = json_dumps(answer, JSON_INDENT(2));
	struct error err = { 0 };

	json_decref(answer);
	if (text && fd_write_all(STDOUT_FILENO, text, strlen(text), &err) == 0 &&
		fd_write_all(STDOUT_FILENO, "\n", 1, &err) == 0)
		return 0;
	fprintf(stderr, "bulkhead-cni: cannot answer: %s\n", err.text);
	return -1;
}

int main(void)
{
	struct failure failure = { 0 };
	struct error err = { 0 };
	cleanup_free char *text = NULL;
	json_t *answer = NULL;
	size_t size = 0;
	int r;

	signal(SIGPIPE, SIG_IGN);
	if (fd_read_all(STDIN_FILENO, CNI_CONFIG_SIZE_MAX, &text, &size, &err) < 0)
		r = failure_set(
			&failure, CNI_IO, "cannot read the network configuration: %s", err.text);
	else
		r = run(text, size, &answer, &failure);
	if (r < 0)
		answer = describe(text ? text : "", size, &failure);
	if (answer && print(answer) < 0)
		r = -1;
	return r < 0 ? 1 : 0;
}
