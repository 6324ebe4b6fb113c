#include "nodeagent/agent/netd_trace.h"

#include <errno.h>
#include <stdlib.h>

struct question {
	struct pending pending; /* first: the list frees it */
	netd_traced_fn traced;  /* one of the three */
	netd_checked_fn checked;
	netd_denied_fn denied;
};

static int ask(struct pending_list *asked, struct daemon *daemon, enum ipc_type type,
	const ProtobufCMessage *message, const struct question *what, struct error *err)
{
	struct question *question;

	if (!daemon)
		return error_set(err, ERR_UNAVAILABLE, 0, "the node has no subnet yet");
	question = malloc(sizeof(*question));
	if (!question)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a question");
	*question = *what;
	if (daemon_send(daemon, type, message, NULL, 0, &question->pending.serial, err) < 0) {
		free(question);
		return -1;
	}
	pending_add(asked, &question->pending);
	return 0;
}

int netd_trace_ask(struct pending_list *asked, struct daemon *daemon,
	const Bulkhead__V1__NetTrace *trace, netd_traced_fn done, void *user, struct error *err)
{
	const struct question what = { .pending.user = user, .traced = done };

	return ask(asked, daemon, IPC_NET_TRACE, &trace->base, &what, err);
}

int netd_check_ask(struct pending_list *asked, struct daemon *daemon,
	const Bulkhead__V1__NetCheck *check, netd_checked_fn done, void *user, struct error *err)
{
	const struct question what = { .pending.user = user, .checked = done };

	return ask(asked, daemon, IPC_NET_CHECK, &check->base, &what, err);
}

int netd_denials_ask(struct pending_list *asked, struct daemon *daemon, netd_denied_fn done,
	void *user, struct error *err)
{
	const Bulkhead__V1__NetDenials denials = BULKHEAD__V1__NET_DENIALS__INIT;
	const struct question what = { .pending.user = user, .denied = done };

	return ask(asked, daemon, IPC_NET_DENIALS, &denials.base, &what, err);
}

/* netd is not trusted to match answers: 'question' waits on, and the daemon is ended. */
static int refuse(struct pending_list *asked, struct question *question, enum ipc_type type,
	struct error *err)
{
	pending_add(asked, &question->pending);
	return error_set(err, ERR_INVALID, 0, "%s lacks what it should tell, or was not asked for",
		ipc_table_name(type));
}

static int is_leg(const Bulkhead__V1__NetTraceLeg *leg)
{
	return leg && (leg->n_steps == 0 || leg->deciding < leg->n_steps);
}

static int is_whole(const Bulkhead__V1__NetTraced *traced)
{
	return traced->source && traced->destination && is_leg(traced->arp) &&
	       is_leg(traced->there) && traced->there->n_steps > 0 && is_leg(traced->back);
}

int netd_trace_answered(struct pending_list *asked, const struct ipc_frame *frame,
	const Bulkhead__V1__NetTraced *traced, struct error *err)
{
	struct question *question = (struct question *)pending_take(asked, frame->reply_to);
	struct error why = { 0 };

	if (!question)
		return 0;
	if (!question->traced || (ipc_error_unpack(traced->error, &why) == 0 && !is_whole(traced)))
		return refuse(asked, question, IPC_NET_TRACED, err);
	question->traced(question->pending.user, why.code == ERR_NONE ? traced : NULL,
		why.code == ERR_NONE ? NULL : &why);
	free(question);
	return 0;
}

int netd_check_answered(struct pending_list *asked, const struct ipc_frame *frame,
	const Bulkhead__V1__NetChecked *checked, struct error *err)
{
	struct question *question = (struct question *)pending_take(asked, frame->reply_to);
	struct error why = { 0 };
	int whole = 1;

	if (!question)
		return 0;
	for (size_t i = 0; i < checked->n_differences; i++) {
		const Bulkhead__V1__NetDifference *d = checked->differences[i];

		whole = whole && d->source && d->destination && d->step;
	}
	if (!question->checked || !whole)
		return refuse(asked, question, IPC_NET_CHECKED, err);
	ipc_error_unpack(checked->error, &why);
	question->checked(question->pending.user, why.code == ERR_NONE ? checked : NULL,
		why.code == ERR_NONE ? NULL : &why);
	free(question);
	return 0;
}

int netd_denials_answered(struct pending_list *asked, const struct ipc_frame *frame,
	const Bulkhead__V1__NetDenied *denied, struct error *err)
{
	struct question *question = (struct question *)pending_take(asked, frame->reply_to);
	struct error why = { 0 };
	int whole = 1;

	if (!question)
		return 0;
	for (size_t i = 0; i < denied->n_denials; i++)
		whole = whole && denied->denials[i]->source && denied->denials[i]->destination;
	if (!question->denied || !whole)
		return refuse(asked, question, IPC_NET_DENIED, err);
	ipc_error_unpack(denied->error, &why);
	question->denied(question->pending.user, why.code == ERR_NONE ? denied : NULL,
		why.code == ERR_NONE ? NULL : &why);
	free(question);
	return 0;
}

void netd_trace_lost(struct pending_list *asked, const struct error *why)
{
	struct question *question;

	while ((question = (struct question *)pending_take_any(asked))) {
		if (question->traced)
			question->traced(question->pending.user, NULL, why);
		else if (question->checked)
			question->checked(question->pending.user, NULL, why);
		else
			question->denied(question->pending.user, NULL, why);
		free(question);
	}
}
