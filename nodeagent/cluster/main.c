/*
 * bulkhead-clusterd: the only client of the cluster database. Started by bulkhead-agent with its
 * end of a SOCK_SEQPACKET pair as descriptor 3; ends when that closes. It keeps nothing of its own:
 * killed at any moment, its next start sends the agent a snapshot.
 */
#include <config.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "lib/cleanup.h"
#include "lib/confine.h"
#include "lib/connector.h"
#include "lib/log.h"
#include "lib/ovs.h"
#include "nodeagent/cluster/arguments.h"
#include "nodeagent/cluster/change.h"
#include "nodeagent/cluster/report.h"
#include "openvswitch/poll-loop.h"
#include "proto/ipc_table.h"
#include "timeval.h"

#define AGENT_FD 3

/* Beyond confine_base_syscalls: sockets to the database, which the connector connects. */
static const char *const more_syscalls[] = { "socket", "getsockname", "getpeername" };

struct clusterd {
	struct apply_config config;
	struct ipc *ipc;
	struct database *db;
	struct change change;
};

/* In this order: what needs rights, giving them up, what talks to others. */
static int start(struct clusterd *d, const struct arguments *arguments, struct error *err)
{
	const struct connector_config connector = {
		.directory = arguments->db_dir,
		.targets = { arguments->db_name },
		.uid = arguments->uid,
		.gid = arguments->gid,
	};
	const struct confine confine = {
		.uid = arguments->uid,
		.gid = arguments->gid,
		.empty_root = arguments->root,
		.syscalls = more_syscalls,
		.syscalls_len = ARRAY_LEN(more_syscalls),
	};
	char socket[CONNECTOR_NAME_MAX + 1];

	if (connector_start(&connector, err) < 0)
		return -1;
	ovs_prepare();
	if (confine_apply(&confine, err) < 0)
		return -1;
	d->config = (struct apply_config){
		.cluster = arguments->cluster,
		.host_bits = arguments->host_bits,
		.hold = arguments->hold,
		.member = arguments->member,
	};
	snprintf(socket, sizeof(socket), "/%s", arguments->db_name);
	d->db = database_new(socket, arguments->member, time_msec());
	return ipc_table_connect(&d->ipc, AGENT_FD, IPC_CLUSTERD, IPC_AGENT, err);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static int database_round(struct clusterd *d, struct error *err)
{
	switch (database_run(d->db, time_msec())) {
	case DATABASE_CAME:
		log_info("the cluster database is there");
		return report_all(d->db, d->ipc, err);
	case DATABASE_LEFT:
		log_warning("the cluster database went away; the node goes on with what it knows");
		change_lost(&d->change);
		return report_away(d->ipc, err);
	case DATABASE_NOTHING:
		break;
	}
	return database_is_there(d->db) ? report_changes(d->db, d->ipc, err) : 0;
}

static int answer(
	struct clusterd *d, uint32_t serial, const struct error *problem, struct error *err)
{
	Bulkhead__V1__ClusterTxnReply reply = BULKHEAD__V1__CLUSTER_TXN_REPLY__INIT;
	Bulkhead__V1__Error error;
	int r;

	if (problem->code != ERR_NONE) {
		ipc_error_pack(problem, &error);
		reply.error = &error;
	} else {
		change_reply(&d->change, d->db, &reply);
	}
	r = ipc_table_send(d->ipc, IPC_CLUSTER_TXN_REPLY, serial, &reply.base, NULL, 0, NULL, err);
	change_reply_done(&reply);
	return r;
}

/* A request that is refused at once is answered here; otherwise a change is under way after it. */
static int take_request(struct clusterd *d, const struct ipc_frame *frame, struct error *err)
{
	struct error problem = { 0 };
	ProtobufCMessage *message;

	if (ipc_table_unpack(frame, &message, &problem) < 0 ||
		change_begin(&d->change, (Bulkhead__V1__ClusterTxn *)message, frame->serial,
			&d->config, d->db, &problem) < 0)
		return answer(d, frame->serial, &problem, err);
	return 0;
}

static int change_round(struct clusterd *d, struct error *err)
{
	struct error problem;
	int r;

	if (!change_run(&d->change, d->db, &problem))
		return 0;
	r = answer(d, d->change.serial, &problem, err);
	change_end(&d->change);
	return r;
}

/* Takes requests one after the other as long as they can be answered without waiting. */
static int agent_round(struct clusterd *d, struct error *err)
{
	if (ipc_flush(d->ipc, err) < 0 || change_round(d, err) < 0)
		return -1;
	while (d->change.state == CHANGE_NONE) {
		struct ipc_frame frame;
		int r = ipc_recv(d->ipc, &frame, err);

		if (r <= 0)
			return r;
		r = take_request(d, &frame, err);
		ipc_frame_done(&frame);
		if (r < 0 || change_round(d, err) < 0)
			return -1;
	}
	return 0;
}

/* While a change is under way requests wait in the socket, but its end is seen. */
static bool agent_is_gone(const struct clusterd *d)
{
	struct pollfd p = { .fd = ipc_fd(d->ipc) };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

static void wait_for_more(struct clusterd *d)
{
	short events = 0;

	if (d->change.state == CHANGE_NONE)
		events |= POLLIN;
	if (ipc_wants_write(d->ipc))
		events |= POLLOUT;
	database_wait(d->db);
	change_wait(&d->change);
	poll_fd_wait(ipc_fd(d->ipc), events);
	poll_fd_wait(connector_fd(), POLLIN);
	poll_block();
}

/* Returns when the agent closed the connection (0), or something is broken (-1). */
static int loop(struct clusterd *d, struct error *err)
{
	for (;;) {
		if (database_round(d, err) < 0 || agent_round(d, err) < 0)
			return err->code == ERR_UNAVAILABLE ? 0 : -1;
		if (agent_is_gone(d))
			return 0;
		if (connector_is_gone())
			return error_set(err, ERR_INTERNAL, 0, "the connector is gone");
		wait_for_more(d);
	}
}

int main(int argc, char **argv)
{
	struct arguments arguments;
	struct clusterd d = { 0 };
	struct error err = { 0 };

	log_init("bulkhead-clusterd", LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	if (arguments_parse(&arguments, argc, argv, &err) < 0 || start(&d, &arguments, &err) < 0) {
		log_error("%s", err.text);
		return err.code == ERR_INVALID ? 2 : 1;
	}
	if (loop(&d, &err) < 0) {
		log_error("%s", err.text);
		return 1;
	}
	return 0;
}
