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

int ctl_exec(struct ctl *ctl, struct error *err)
{
	const struct args *args = ctl->args;
	Bulkhead__V1__ExecStart start = BULKHEAD__V1__EXEC_START__INIT;
	struct stream_stdio stdio = { args->stdin_open ? STDIN_FILENO : -1, STDOUT_FILENO,
		STDERR_FILENO };
	const char *term = getenv("TERM");
	int code;

	if (!args->rest_len)
		return error_set(
			err, ERR_INVALID, 0, "exec what? 'bulkhead exec POD -- COMMAND [ARG...]'");
	if (ctl_connect(ctl, err) < 0)
		return -1;
	start.project = (char *)(uintptr_t)ctl_project(ctl);
	start.pod = (char *)(uintptr_t)pod_name(args->words[1]);
	start.container = (char *)(uintptr_t)(args->container ? args->container : "");
	start.command = (char **)(uintptr_t)args->rest;
	start.n_command = args->rest_len;
	start.tty = args->tty;
	start.stdin = args->stdin_open;
	start.term = (char *)(uintptr_t)(args->tty && term ? term : "");
	if (stream_exec(ctl->client, &start, &stdio, &code, err) < 0) {
		if (err->sys == EPIPE)
			print_reader_gone();
		return -1;
	}
	return code;
}
