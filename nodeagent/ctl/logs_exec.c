/* logs and exec: the commands that pump bytes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/print.h"
#include "nodeagent/ctl/stream.h"

/* "pod/web" and "web" name the same pod. */
static const char *pod_name(const char *word)
{
	return strncmp(word, "pod/", 4) == 0 ? word + 4 : word;
}

int ctl_logs(struct ctl *ctl, struct error *err)
{
	const struct args *args = ctl->args;
	Bulkhead__V1__PodLogsRequest request = BULKHEAD__V1__POD_LOGS_REQUEST__INIT;
	bool terminal = isatty(STDOUT_FILENO);
	struct client_call *call;
	ProtobufCMessage *message;
	int n;

	if (ctl_connect(ctl, err) < 0)
		return -1;
	request.project = (char *)(uintptr_t)ctl_project(ctl);
	request.pod = (char *)(uintptr_t)pod_name(args->words[1]);
	request.container = (char *)(uintptr_t)(args->container       ? args->container
						: args->words_len > 2 ? args->words[2]
								      : "");
	request.follow = args->follow;
	request.previous = args->previous;
	request.timestamps = args->timestamps;
	request.tail_lines = args->tail;
	request.since_seconds = args->since;
	request.limit_bytes = args->limit_bytes;
	if (client_call_start(
		    &call, ctl->client, "PodLogs", &request.base, CLIENT_NO_DEADLINE, err) < 0)
		return -1;
	while ((n = client_call_next(call, &message, err)) == 1) {
		const Bulkhead__V1__PodLogsResponse *r = (Bulkhead__V1__PodLogsResponse *)message;

		print_untrusted(stdout, r->data.data, r->data.len, terminal);
		ctl_free(message);
		n = print_flush(err);
		if (n < 0)
			break;
	}
	client_call_free(call);
	return n;
}

/* What exec and debug have in common: who, where, and the terminal. */
static int run(struct ctl *ctl, Bulkhead__V1__ExecStart *start, struct error *err)
{
	const struct args *args = ctl->args;
	struct stream_stdio stdio = { args->stdin_open ? STDIN_FILENO : -1, STDOUT_FILENO,
		STDERR_FILENO };
	const char *term = getenv("TERM");
	int code;

	if (ctl_connect(ctl, err) < 0)
		return -1;
	start->project = (char *)(uintptr_t)ctl_project(ctl);
	start->pod = (char *)(uintptr_t)pod_name(args->words[1]);
	start->container = (char *)(uintptr_t)(args->container ? args->container : "");
	start->command = (char **)(uintptr_t)args->rest;
	start->n_command = args->rest_len;
	start->tty = args->tty;
	start->stdin = args->stdin_open;
	start->term = (char *)(uintptr_t)(args->tty && term ? term : "");
	if (stream_exec(ctl->client, start, &stdio, &code, err) < 0) {
		if (err->sys == EPIPE)
			print_reader_gone();
		return -1;
	}
	return code;
}

int ctl_exec(struct ctl *ctl, struct error *err)
{
	Bulkhead__V1__ExecStart start = BULKHEAD__V1__EXEC_START__INIT;

	if (!ctl->args->rest_len)
		return error_set(
			err, ERR_INVALID, 0, "exec what? 'bulkhead exec POD -- COMMAND [ARG...]'");
	return run(ctl, &start, err);
}

/* --user and --cap-add as a security context; *ret stays NULL without them. */
static int security_parse(const struct args *args, K8sSecurityContext *context,
	K8sCapabilities *capabilities, K8sSecurityContext **ret, struct error *err)
{
	if (args->given & ARG(USER)) {
		if (args->user < 0 || args->user > UINT32_MAX)
			return error_set(err, ERR_INVALID, 0, "--user: %lld is no user id",
				(long long)args->user);
		context->has_runasuser = true;
		context->runasuser = args->user;
		*ret = context;
	}
	if (args->cap_add.len) {
		capabilities->add = (char **)(uintptr_t)args->cap_add.items;
		capabilities->n_add = args->cap_add.len;
		context->capabilities = capabilities;
		*ret = context;
	}
	return 0;
}

int ctl_debug(struct ctl *ctl, struct error *err)
{
	const struct args *args = ctl->args;
	Bulkhead__V1__ExecStart start = BULKHEAD__V1__EXEC_START__INIT;
	Bulkhead__V1__DebugContainer debug = BULKHEAD__V1__DEBUG_CONTAINER__INIT;
	K8sSecurityContext context;
	K8sCapabilities capabilities;

	if (!args->image)
		return error_set(err, ERR_INVALID, 0,
			"--image: required; 'bulkhead get images' lists those of the node");
	k8s__io__api__core__v1__security_context__init(&context);
	k8s__io__api__core__v1__capabilities__init(&capabilities);
	if (security_parse(args, &context, &capabilities, &debug.security_context, err) < 0)
		return -1;
	debug.image = (char *)(uintptr_t)args->image;
	debug.target = (char *)(uintptr_t)(args->target ? args->target : "");
	start.debug = &debug;
	return run(ctl, &start, err);
}
