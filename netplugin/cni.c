#include <config.h>

#include "netplugin/cni.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "lib/path.h"
#include "netplugin/endpoint.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "proto/ipc_table.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

#define ACCEPT_RETRY_MSEC 100 /* after accept4(2) failed for want of something */

struct conn {
	struct ovs_list node; /* in cni.conns */
	uint64_t id;
	struct ipc *ipc;
	long long deadline;
	uint32_t serial;      /* of what it asked; 0: nothing yet */
	bool answered;        /* nothing but to be sent is left */
	size_t waits;         /* for so many unplugs */
	uint32_t removed;     /* by its CNI_GC */
	struct error failure; /* the first of an unplug */
};

struct cni {
	int listen_fd;
	struct ovs_list conns;
	size_t conns_len;
	uint64_t last_id;
	long long accept_at;
};

static char *borrow(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* ---- answers ------------------------------------------------------------------------------- */

static struct conn *find_conn(const struct netd *netd, uint64_t id)
{
	struct conn *conn;

	LIST_FOR_EACH(conn, node, &netd->cni->conns)
	{
		if (conn->id == id)
			return conn;
	}
	return NULL;
}

static void answer(struct conn *conn, Bulkhead__V1__CniReply *reply, const struct error *err)
{
	Bulkhead__V1__Error error;
	struct error failed = { 0 };

	if (err->code != ERR_NONE) {
		ipc_error_pack(err, &error);
		reply->error = &error;
	}
	conn->answered = true;
	conn->deadline = time_msec() + CNI_IDLE_MSEC;
	/* A peer that is gone is seen when its socket is read. */
	if (ipc_table_send(conn->ipc, IPC_CNI_REPLY, conn->serial, &reply->base, NULL, 0, NULL,
		    &failed) < 0)
		log_notice("%s", failed.text);
	reply->error = NULL;
	poll_immediate_wake();
}

static void answer_plain(struct conn *conn, const struct error *err)
{
	Bulkhead__V1__CniReply reply = BULKHEAD__V1__CNI_REPLY__INIT;

	answer(conn, &reply, err);
}

static void answer_endpoint(struct netd *netd, struct conn *conn, const struct endpoint *endpoint)
{
	Bulkhead__V1__CniReply reply = BULKHEAD__V1__CNI_REPLY__INIT;
	char address[IPNET_TEXT_SIZE], mac_text[MAC_TEXT_SIZE];
	const struct error none = { 0 };
	uint8_t mac[6];

	mac_of_address(endpoint->record.address, mac);
	mac_format(mac, mac_text);
	address_format(endpoint->record.address, address);
	reply.address = address;
	reply.prefix = netd->config.node.cluster.prefix;
	reply.mac = mac_text;
	reply.port = borrow(endpoint->record.name);
	reply.mtu = netd->config.mtu;
	answer(conn, &reply, &none);
}

void cni_plugged(struct netd *netd, struct asker asker, const struct endpoint *endpoint,
	const struct error *err)
{
	struct conn *conn = find_conn(netd, asker.conn);

	if (!conn)
		return;
	if (err->code != ERR_NONE)
		answer_plain(conn, err);
	else
		answer_endpoint(netd, conn, endpoint);
}

/* When nothing is left to wait for: of a CNI_GC there may be many, or none. */
static void answer_removed(struct conn *conn)
{
	Bulkhead__V1__CniReply reply = BULKHEAD__V1__CNI_REPLY__INIT;

	if (conn->waits > 0)
		return;
	reply.removed = conn->removed;
	answer(conn, &reply, &conn->failure);
}

void cni_unplugged(struct netd *netd, struct asker asker, const struct error *err)
{
	struct conn *conn = find_conn(netd, asker.conn);

	if (!conn || conn->waits == 0)
		return;
	conn->waits--;
	if (err->code == ERR_NONE)
		conn->removed++;
	else if (conn->failure.code == ERR_NONE)
		conn->failure = *err;
	answer_removed(conn);
}

/* ---- CNI_ADD, CNI_DEL, CNI_CHECK ----------------------------------------------------------- */

static int check_attachment(const Bulkhead__V1__CniAttachment *attachment, struct error *err)
{
	if (!attachment)
		return error_set(err, ERR_INVALID, 0, "attachment: is missing");
	if (!cni_name_is_valid(attachment->container, CNI_ID_MAX))
		return error_set(err, ERR_INVALID, 0, "container: '%s' is not a container id",
			attachment->container);
	if (!link_name_is_valid(attachment->ifname))
		return error_set(err, ERR_INVALID, 0, "ifname: '%s' is not a link's name",
			attachment->ifname);
	return 0;
}

/* 0 and what there is (or NULL); -1 when that is not known, or another has the same uid. */
static int find_attachment(const struct netd *netd, const Bulkhead__V1__CniAttachment *attachment,
	struct endpoint **ret, struct error *err)
{
	char uid[POD_UID_MAX + 1];
	struct endpoint *endpoint;

	if (check_attachment(attachment, err) < 0)
		return -1;
	if (!netd->adopted)
		return error_set(err, ERR_UNAVAILABLE, 0, "which ports there are is not known yet");
	cni_uid_of(attachment->container, attachment->ifname, uid);
	endpoint = endpoint_find(netd, uid);
	if (endpoint && (strcmp(endpoint->record.container, attachment->container) != 0 ||
				strcmp(endpoint->record.link, attachment->ifname) != 0))
		return error_set(err, ERR_EXISTS, 0, "'%s' is the number of '%s', too", uid,
			endpoint->record.pod);
	*ret = endpoint;
	return 0;
}

/* Told by the agent: nothing is asked for now. */
static int find_vnid(const struct netd *netd, const char *project, uint32_t *ret, struct error *err)
{
	const struct simap_node *row;

	if (!netd->vnids.known)
		return error_set(
			err, ERR_UNAVAILABLE, 0, "which projects there are is not known yet");
	if (!name_is_dns_label(project))
		return error_set(err, ERR_INVALID, 0, "project: '%s' is not a DNS label", project);
	row = simap_find(&netd->vnids.now, project);
	if (!row)
		return error_set(err, ERR_NOT_FOUND, 0,
			"there is no project '%s': 'bulkhead create project %s' makes it", project,
			project);
	*ret = row->data;
	return 0;
}

static int add(struct netd *netd, struct conn *conn, const Bulkhead__V1__CniCall *call,
	struct ipc_frame *frame, struct error *err)
{
	const Bulkhead__V1__CniAttachment *attachment = call->attachment;
	struct port_record record = { 0 };
	struct endpoint *endpoint;

	if (frame->fds_len != 3)
		return error_set(err, ERR_INVALID, 0, "CNI_ADD takes 3 descriptors, not %zu",
			frame->fds_len);
	if (find_attachment(netd, attachment, &endpoint, err) < 0 ||
		find_vnid(netd, call->project, &record.vnid, err) < 0 ||
		plug_check_fds(netd, frame->fds, err) < 0)
		return -1;
	if (!cni_name_is_valid(call->network, CNI_ID_MAX) ||
		!cni_name_is_valid(call->pod, POD_NAME_MAX))
		return error_set(err, ERR_INVALID, 0, "network or pod: '%s', '%s' is no name",
			call->network, call->pod);
	if (endpoint && endpoint->direction == ENDPOINT_DOWN)
		return error_set(err, ERR_UNAVAILABLE, 0,
			"container '%s' is being detached from '%s' still", attachment->container,
			attachment->ifname);
	if (endpoint)
		return error_set(err, ERR_EXISTS, 0,
			"container '%s' is attached by '%s' already: DEL comes before another ADD",
			attachment->container, attachment->ifname);
	cni_uid_of(attachment->container, attachment->ifname, record.pod_uid);
	snprintf(record.container, sizeof(record.container), "%s", attachment->container);
	snprintf(record.link, sizeof(record.link), "%s", attachment->ifname);
	snprintf(record.network, sizeof(record.network), "%s", call->network);
	snprintf(record.project, sizeof(record.project), "%s", call->project);
	snprintf(record.pod, sizeof(record.pod), "%s", call->pod);
	endpoint_plug(netd, &record, (struct asker){ conn->id, conn->serial },
		ipc_frame_take_fd(frame, 0), ipc_frame_take_fd(frame, 1),
		ipc_frame_take_fd(frame, 2));
	return 0;
}

/* What is not there is gone as it should be. */
static int del(struct netd *netd, struct conn *conn, const Bulkhead__V1__CniCall *call,
	struct ipc_frame *frame, struct error *err)
{
	struct endpoint *endpoint;

	(void)frame;
	if (find_attachment(netd, call->attachment, &endpoint, err) < 0)
		return -1;
	if (endpoint) {
		if (plug_remove(netd, endpoint, (struct asker){ conn->id, conn->serial }, err) < 0)
			return -1;
		conn->waits = 1;
	}
	answer_removed(conn);
	return 0;
}

static int check(struct netd *netd, struct conn *conn, const Bulkhead__V1__CniCall *call,
	struct ipc_frame *frame, struct error *err)
{
	const Bulkhead__V1__CniAttachment *attachment = call->attachment;
	struct endpoint *endpoint;

	(void)frame;
	if (find_attachment(netd, attachment, &endpoint, err) < 0)
		return -1;
	if (!endpoint)
		return error_set(err, ERR_NOT_FOUND, 0, "container '%s' is not attached by '%s'",
			attachment->container, attachment->ifname);
	if (endpoint->direction != ENDPOINT_SETTLED)
		return error_set(err, ERR_UNAVAILABLE, 0, "port '%s' is not in place",
			endpoint->record.name);
	answer_endpoint(netd, conn, endpoint);
	return 0;
}

/* ---- CNI_GC, CNI_STATUS -------------------------------------------------------------------- */

static int collect(const Bulkhead__V1__CniCall *call, struct sset *valid, struct error *err)
{
	char uid[POD_UID_MAX + 1];

	if (!cni_name_is_valid(call->network, CNI_ID_MAX))
		return error_set(err, ERR_INVALID, 0, "network: '%s' is not a network's name",
			call->network);
	for (size_t i = 0; i < call->n_valid; i++) {
		if (check_attachment(call->valid[i], err) < 0)
			return error_prefix(err, "valid[%zu]", i);
		cni_uid_of(call->valid[i]->container, call->valid[i]->ifname, uid);
		sset_add(valid, uid);
	}
	return 0;
}

/* Those of this network that nobody holds on to. One that is being added is not among them yet. */
static int gc(struct netd *netd, struct conn *conn, const Bulkhead__V1__CniCall *call,
	struct ipc_frame *frame, struct error *err)
{
	struct sset valid = SSET_INITIALIZER(&valid);
	struct endpoint *endpoint;
	int r = collect(call, &valid, err);

	(void)frame;
	if (r == 0 && !netd->adopted)
		r = error_set(err, ERR_UNAVAILABLE, 0, "which ports there are is not known yet");
	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		const struct port_record *record = &endpoint->record;

		if (r < 0)
			break;
		if (!record->container[0] || strcmp(record->network, call->network) != 0 ||
			sset_contains(&valid, record->pod_uid) || endpoint->plugger.serial)
			continue;
		if (plug_remove(netd, endpoint, (struct asker){ conn->id, conn->serial },
			    &conn->failure) == 0)
			conn->waits++;
	}
	sset_destroy(&valid);
	if (r == 0)
		answer_removed(conn);
	return r;
}

/* 'limited': the switch is away. While the database or the agent alone is, it forwards as before.
 */
static int status(struct netd *netd, struct conn *conn, const Bulkhead__V1__CniCall *call,
	struct ipc_frame *frame, struct error *err)
{
	Bulkhead__V1__CniReply reply = BULKHEAD__V1__CNI_REPLY__INIT;
	struct error why = { 0 };
	uint32_t vnid;

	(void)call;
	(void)frame;
	(void)err;
	if (flow_sync_ready(netd->flows, &why) < 0)
		reply.limited = true;
	else if (netd_ready(netd, &why) == 0 && !netd->vnids.known)
		find_vnid(netd, "default", &vnid, &why);
	answer(conn, &reply, &why);
	return 0;
}

static int (*const handlers[])(struct netd *netd, struct conn *conn,
	const Bulkhead__V1__CniCall *call, struct ipc_frame *frame, struct error *err) = {
	[BULKHEAD__V1__CNI_COMMAND__CNI_STATUS] = status,
	[BULKHEAD__V1__CNI_COMMAND__CNI_ADD] = add,
	[BULKHEAD__V1__CNI_COMMAND__CNI_DEL] = del,
	[BULKHEAD__V1__CNI_COMMAND__CNI_CHECK] = check,
	[BULKHEAD__V1__CNI_COMMAND__CNI_GC] = gc,
};

/* ---- connections --------------------------------------------------------------------------- */

static void conn_free(struct netd *netd, struct conn *conn)
{
	struct error why = { 0 };
	struct endpoint *endpoint;

	/* Whoever asked for a port and went away before it came does not have it. */
	error_set(&why, ERR_CANCELLED, 0, "the plugin went away");
	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		if (endpoint->plugger.conn != conn->id)
			continue;
		endpoint_remove(netd, endpoint, &why);
		endpoint->plugger = (struct asker){ 0 };
	}
	ovs_list_remove(&conn->node);
	netd->cni->conns_len--;
	ipc_free(conn->ipc);
	free(conn);
}

/* -1: the connection ends without an answer. */
static int take_call(
	struct netd *netd, struct conn *conn, struct ipc_frame *frame, struct error *err)
{
	const Bulkhead__V1__CniCall *call;
	ProtobufCMessage *message;
	struct error refusal = { 0 };

	if (conn->serial)
		return error_set(err, ERR_INVALID, 0, "a second question on one connection");
	if (ipc_table_unpack(frame, &message, err) < 0)
		return -1;
	call = (const void *)message;
	conn->serial = frame->serial;
	conn->deadline = time_msec() + CNI_CALL_MSEC;
	if ((size_t)call->command >= ARRAY_LEN(handlers))
		error_set(&refusal, ERR_INVALID, 0, "command %d is unknown", call->command);
	else
		handlers[call->command](netd, conn, call, frame, &refusal);
	if (refusal.code != ERR_NONE)
		answer_plain(conn, &refusal);
	protobuf_c_message_free_unpacked(message, NULL);
	return 0;
}

/* Whether it is over. */
static bool conn_run(struct netd *netd, struct conn *conn)
{
	struct error err = { 0 };

	for (;;) {
		struct ipc_frame frame;
		int r = ipc_recv(conn->ipc, &frame, &err);

		if (r == 0)
			break;
		if (r > 0) {
			r = take_call(netd, conn, &frame, &err);
			ipc_frame_done(&frame);
		}
		if (r < 0) {
			if (err.code != ERR_UNAVAILABLE)
				log_warning("a CNI plugin's connection is closed: %s", err.text);
			return true;
		}
	}
	if (ipc_flush(conn->ipc, &err) < 0)
		return true;
	return (conn->answered && !ipc_wants_write(conn->ipc)) || time_msec() >= conn->deadline;
}

static int check_peer(int fd, struct error *err)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return error_set(err, error_code_of(errno), errno, "SO_PEERCRED");
#ifndef BULKHEAD_WEAK_CNI_PEER
	if (peer.uid != 0)
		return error_set(err, ERR_DENIED, 0, "user %u is not root", peer.uid);
#endif
	return 0;
}

static int conn_new(struct cni *cni, int fd, struct error *err)
{
	struct conn *conn;
	struct ipc *ipc;

	if (check_peer(fd, err) < 0 || ipc_table_connect(&ipc, fd, IPC_NETD, IPC_CNI, err) < 0)
		return -1;
	conn = xzalloc(sizeof(*conn));
	conn->id = ++cni->last_id;
	conn->ipc = ipc;
	conn->deadline = time_msec() + CNI_IDLE_MSEC;
	ovs_list_push_back(&cni->conns, &conn->node);
	cni->conns_len++;
	return 0;
}

static bool may_accept(const struct cni *cni)
{
	return cni->conns_len < CNI_CONNS_MAX && time_msec() >= cni->accept_at;
}

static void accept_all(struct cni *cni)
{
	while (may_accept(cni)) {
		cleanup_close int fd =
			accept4(cni->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct error err = { 0 };

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0) {
			if (errno == EAGAIN)
				return;
			log_error("cannot take a CNI plugin's connection: %s", strerror(errno));
			cni->accept_at = time_msec() + ACCEPT_RETRY_MSEC;
			return;
		}
		if (conn_new(cni, fd, &err) < 0)
			log_warning("a CNI plugin's connection is refused: %s", err.text);
		else
			take_fd(&fd);
	}
}

/* ---- for the loop -------------------------------------------------------------------------- */

static int socket_option(int fd, int option)
{
	int value = -1;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0 ? -1 : value;
}

int cni_listen(struct netd *netd, int fd, struct error *err)
{
	cleanup_close int owned_fd = fd;

	if (socket_option(fd, SO_DOMAIN) != AF_UNIX ||
		socket_option(fd, SO_TYPE) != SOCK_SEQPACKET ||
		socket_option(fd, SO_ACCEPTCONN) != 1)
		return error_set(err, ERR_INVALID, 0,
			"the descriptor of NET_CNI is not a listening SOCK_SEQPACKET socket");
	if (fd_set_nonblock(fd, 1, err) < 0)
		return -1;
	if (!netd->cni) {
		netd->cni = xzalloc(sizeof(*netd->cni));
		netd->cni->listen_fd = -1;
		ovs_list_init(&netd->cni->conns);
	}
	if (netd->cni->listen_fd >= 0)
		close(netd->cni->listen_fd);
	netd->cni->listen_fd = take_fd(&owned_fd);
	return 0;
}

void cni_run(struct netd *netd)
{
	struct conn *conn, *next;

	if (!netd->cni)
		return;
	accept_all(netd->cni);
	LIST_FOR_EACH_SAFE(conn, next, node, &netd->cni->conns)
	{
		if (conn_run(netd, conn))
			conn_free(netd, conn);
	}
}

void cni_wait(struct netd *netd)
{
	const struct cni *cni = netd->cni;
	const struct conn *conn;

	if (!cni)
		return;
	if (may_accept(cni))
		poll_fd_wait(cni->listen_fd, POLLIN);
	else if (cni->conns_len < CNI_CONNS_MAX)
		poll_timer_wait_until(cni->accept_at);
	LIST_FOR_EACH(conn, node, &cni->conns)
	{
		short events = (short)(POLLIN | (ipc_wants_write(conn->ipc) ? POLLOUT : 0));

		poll_fd_wait(ipc_fd(conn->ipc), events);
		poll_timer_wait_until(conn->deadline);
	}
}
