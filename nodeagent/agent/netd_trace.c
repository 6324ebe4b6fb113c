#include "nodeagent/agent/netd_trace.h"

#include <errno.h>
#include <stdlib.h>

struct question {
	struct pending pending; /* first: the list frees it */
	netd_traced_fn done;
};

int netd_trace_ask(struct pending_list *asked, struct daemon *daemon,
	const Bulkhead__V1__NetTrace *trace, netd_traced_fn done, void *user, struct error *err)
{
	struct question *question;

	if (!daemon)
		return error_set(err, ERR_UNAVAILABLE, 0, "the node has no subnet yet");
	question = calloc(1, sizeof(*question));
	if (!question)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a question");
	question->pending.user = user;
	question->done = done;
	if (daemon_send(daemon, IPC_NET_TRACE, &trace->base, NULL, 0, &question->pending.serial,
		    err) < 0) {
		free(question);
		return -1;
	}
	pending_add(asked, &question->pending);
	return 0;
}

static int is_leg(const Bulkhead__V1__NetTraceLeg *leg)
{
	return leg && (leg->n_steps == 0 || leg->deciding < leg->n_steps);
}

int netd_trace_answered(struct pending_list *asked, const struct ipc_frame *frame,
	const Bulkhead__V1__NetTraced *traced, struct error *err)
{
	struct question *question = (struct question *)pending_take(asked, frame->reply_to);
	struct error why = { 0 };

	if (!question)
		return 0;
	if (ipc_error_unpack(traced->error, &why) == 0 &&
		(!traced->source || !traced->destination || !is_leg(traced->arp) ||
			!is_leg(traced->there) || traced->there->n_steps == 0 ||
			!is_leg(traced->back))) {
		pending_add(asked, &question->pending);
		return error_set(err, ERR_INVALID, 0, "NET_TRACED lacks what it should tell");
	}
	question->done(question->pending.user, why.code == ERR_NONE ? traced : NULL,
		why.code == ERR_NONE ? NULL : &why);
	free(question);
	return 0;
}

void netd_trace_lost(struct pending_list *asked, const struct error *why)
{
	struct question *question;

	while ((question = (struct question *)pending_take_any(asked))) {
		question->done(question->pending.user, NULL, why);
		free(question);
	}
}
