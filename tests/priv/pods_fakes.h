/*
 * What the agent's pod half asks for, made by the test: cluster, secretd, netd, images and the
 * API's calls, so that each can fail at any moment. For pods_rig.h alone.
 */
#ifndef TESTS_PRIV_PODS_FAKES_H
#define TESTS_PRIV_PODS_FAKES_H

#include "tests/priv/shim_harness.h"

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "bulkhead/v1/node.pb-c.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/netd.h"
#include "nodeagent/agent/node.h"
#include "nodeagent/agent/pods.h"
#include "nodeagent/agent/secretd.h"
#include "proto/decode.h"
#include "proto/k8s.h"

#define RIG_PORTS_MAX   64
#define RIG_PENDING_MAX 64
#define RIG_SLICES      8
#define RIG_PODS_MAX    6
#define RIG_WAIT_USEC   UINT64_C(20000000)

/* An answer that a fake daemon owes, given at the next turn of the loop. */
struct pending_answer {
	void *user;
	netd_done_fn net_done;
	secretd_done_fn secret_done;
	struct error err;
	char text[64]; /* pod uid, or directory */
	bool plug;
	int64_t refresh_at;
};

struct rig {
	struct agent agent;
	Bulkhead__V1__NodeConfig config;
	char dir[64];
	char state[96], run[96], layer[96], cgroup[64], build[PATH_MAX];
	/* cluster */
	bool known;
	Bulkhead__V1__ClusterProject project;
	Bulkhead__V1__ClusterNode node;
	/* fake daemons */
	struct pending_answer pending[RIG_PENDING_MAX];
	size_t pending_len;
	sd_event_source *answers;
	bool net_ready;
	struct error net_error;    /* of the next plug */
	struct error secret_error; /* of the next stage */
	bool secretd_away;
	int stages, plugs, unplugs;
	int64_t refresh_at;
	char ports[RIG_PORTS_MAX][40];
	/* the last answer to a call */
	struct error call_err;
	ProtobufCMessage *reply;
	int replies;
	int ends;          /* of calls, without an answer */
	char events[512];  /* of watches: "ADDED web, SYNCED", without repetitions */
	uint64_t sequence; /* of the last one */
};

/* The fakes are plain functions, so what they work on is one for the process. */
static struct rig rig;

#define NAME(text) ((char *)(uintptr_t)(text))

/* ---- cluster and images -------------------------------------------------------------------- */

bool cluster_known(const struct cluster *cluster)
{
	(void)cluster;
	return rig.known;
}

const Bulkhead__V1__ClusterProject *cluster_project(const struct cluster *cluster, const char *name)
{
	(void)cluster;
	return strcmp(name, "red") == 0 ? &rig.project : NULL;
}

const Bulkhead__V1__ClusterProject *cluster_project_at(const struct cluster *cluster, size_t i)
{
	(void)cluster;
	return i == 0 ? &rig.project : NULL;
}

const Bulkhead__V1__ClusterSecret *cluster_secret(
	const struct cluster *cluster, const char *project, const char *name)
{
	(void)cluster;
	(void)project;
	(void)name;
	return NULL;
}

const Bulkhead__V1__ClusterNode *cluster_node(const struct cluster *cluster, const char *name)
{
	(void)cluster;
	(void)name;
	return &rig.node;
}

int image_store_find(
	const struct image_store *store, const char *name, struct image **ret, struct error *err)
{
	static char *none[1];
	struct image *image;

	(void)store;
	if (strcmp(name, "box") != 0 && strcmp(name, "sha256:box") != 0)
		return error_set(err, ERR_NOT_FOUND, 0, "image '%s' is not on this node", name);
	image = calloc(1, sizeof(*image));
	image->digest = NAME("sha256:box");
	image->layers = calloc(2, sizeof(char *));
	image->layers[0] = rig.layer;
	image->layers_len = 1;
	image->entrypoint = image->cmd = image->env = none;
	image->name = image->working_dir = image->user = image->stop_signal = NAME("");
	*ret = image;
	return 0;
}

void image_free(struct image *image)
{
	if (image)
		free(image->layers);
	free(image);
}

/* ---- answers that come later --------------------------------------------------------------- */

static struct pending_answer *owe(void *user)
{
	struct pending_answer *p = &rig.pending[rig.pending_len++];

	assert_true(rig.pending_len <= RIG_PENDING_MAX);
	*p = (struct pending_answer){ .user = user };
	sd_event_source_set_enabled(rig.answers, SD_EVENT_ONESHOT);
	return p;
}

static void forget(const void *user)
{
	for (size_t i = 0; i < rig.pending_len; i++) {
		if (rig.pending[i].user == user)
			rig.pending[i].user = NULL;
	}
}

static void answer_net(const struct pending_answer *p)
{
	Bulkhead__V1__NetPlugged plugged = BULKHEAD__V1__NET_PLUGGED__INIT;

	plugged.pod_uid = NAME(p->text);
	plugged.address = NAME("10.128.0.2");
	plugged.mac = NAME("0a:58:0a:80:00:02");
	plugged.port = NAME("bh0");
	if (p->err.code != ERR_NONE)
		p->net_done(p->user, NULL, &p->err);
	else
		p->net_done(p->user, p->plug ? &plugged : NULL, NULL);
}

/* One answer a turn: each is a moment at which the agent can be killed. */
static int on_answers(sd_event_source *source, void *user)
{
	struct pending_answer p = rig.pending[0];

	(void)user;
	if (rig.pending_len == 0)
		return 0;
	memmove(rig.pending, rig.pending + 1, --rig.pending_len * sizeof(p));
	if (rig.pending_len > 0)
		sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	if (!p.user)
		return 0;
	if (p.net_done)
		answer_net(&p);
	else
		p.secret_done(p.user, p.err.code == ERR_NONE && p.text[0] ? p.text : NULL,
			p.refresh_at, p.err.code != ERR_NONE ? &p.err : NULL);
	return 0;
}

/* ---- netd ---------------------------------------------------------------------------------- */

static char *port_find(const char *uid)
{
	for (size_t i = 0; i < RIG_PORTS_MAX; i++) {
		if (strcmp(rig.ports[i], uid) == 0)
			return rig.ports[i];
	}
	return NULL;
}

static size_t ports_count(void)
{
	size_t n = 0;

	for (size_t i = 0; i < RIG_PORTS_MAX; i++)
		n += rig.ports[i][0] != '\0';
	return n;
}

bool netd_ready(const struct netd *netd)
{
	(void)netd;
	return rig.net_ready;
}
bool node_ready(const struct node *node, char reason[NODE_REASON_SIZE], struct error *err)
{
	(void)node;
	snprintf(reason, NODE_REASON_SIZE, "NetworkNotReady");
	error_set(err, ERR_UNAVAILABLE, 0, "network: the switch is away");
	return false;
}

bool netd_synced(const struct netd *netd)
{
	return netd_ready(netd);
}

int netd_plug(struct netd *netd, const Bulkhead__V1__NetPlug *plug, const int fds[3],
	netd_done_fn done, void *user, struct error *err)
{
	struct pending_answer *p;

	(void)netd;
	if (!rig.net_ready)
		return error_set(err, ERR_UNAVAILABLE, 0, "the network is not ready");
	for (int i = 0; i < 3; i++)
		assert_true(fcntl(fds[i], F_GETFD) >= 0);
	rig.plugs++;
	p = owe(user);
	p->net_done = done;
	p->plug = true;
	p->err = rig.net_error;
	snprintf(p->text, sizeof(p->text), "%s", plug->pod_uid);
	if (p->err.code == ERR_NONE && !port_find(plug->pod_uid))
		strcpy(port_find(""), plug->pod_uid);
	rig.net_error = (struct error){ 0 };
	return 0;
}

int netd_limit(struct netd *netd, const Bulkhead__V1__NetLimit *limit, netd_done_fn done,
	void *user, struct error *err)
{
	(void)netd;
	(void)limit;
	(void)done;
	(void)user;
	return error_set(err, ERR_UNAVAILABLE, 0, "not in this test");
}

int netd_unplug(
	struct netd *netd, const char *pod_uid, netd_done_fn done, void *user, struct error *err)
{
	char *port = port_find(pod_uid);

	(void)netd;
	if (!rig.net_ready)
		return error_set(err, ERR_UNAVAILABLE, 0, "the network is not ready");
	rig.unplugs++;
	if (port)
		port[0] = '\0';
	owe(user)->net_done = done;
	return 0;
}

void netd_forget(struct netd *netd, const void *user)
{
	(void)netd;
	forget(user);
}

/* As netd does when it or the agent has started: ports of pods that are not named go. */
static void net_sync(void)
{
	Bulkhead__V1__NetSynced synced = BULKHEAD__V1__NET_SYNCED__INIT;
	Bulkhead__V1__NetPlugged rows[RIG_PORTS_MAX];
	Bulkhead__V1__NetPlugged *list[RIG_PORTS_MAX];
	Bulkhead__V1__NetSync *sync;

	assert_int_equal(pods_net_sync(rig.agent.pods, &sync, &test_err), 0);
	for (size_t i = 0; i < RIG_PORTS_MAX; i++) {
		bool lives = false;

		for (size_t k = 0; k < sync->n_pods; k++)
			lives |= strcmp(sync->pods[k]->pod_uid, rig.ports[i]) == 0;
		if (!lives)
			rig.ports[i][0] = '\0';
		if (!rig.ports[i][0])
			continue;
		bulkhead__v1__net_plugged__init(&rows[i]);
		rows[i].pod_uid = rig.ports[i];
		rows[i].address = NAME("10.128.0.2");
		list[synced.n_ports++] = &rows[i];
	}
	bulkhead__v1__net_sync__free_unpacked(sync, NULL);
	synced.ports = list;
	rig.net_ready = true;
	pods_net_synced(rig.agent.pods, &synced);
}

/* ---- secretd ------------------------------------------------------------------------------- */

int secretd_stage(struct secretd *secretd, const Bulkhead__V1__SecretsStage *stage, int tmpfs_fd,
	secretd_done_fn done, void *user, struct error *err)
{
	struct pending_answer *p;

	(void)secretd;
	(void)stage;
	if (rig.secretd_away)
		return error_set(err, ERR_UNAVAILABLE, 0, "secretd is away");
	p = owe(user);
	p->secret_done = done;
	p->err = rig.secret_error;
	p->refresh_at = rig.refresh_at;
	snprintf(p->text, sizeof(p->text), "..stage.%d", rig.stages++);
	rig.secret_error = (struct error){ 0 };
	if (p->err.code == ERR_NONE)
		assert_int_equal(mkdirat(tmpfs_fd, p->text, 0755), 0);
	return 0;
}

int secretd_publish(struct secretd *secretd, const Bulkhead__V1__SecretsPublish *publish,
	int tmpfs_fd, secretd_done_fn done, void *user, struct error *err)
{
	(void)secretd;
	if (rig.secretd_away)
		return error_set(err, ERR_UNAVAILABLE, 0, "secretd is away");
	unlinkat(tmpfs_fd, "..data", 0);
	assert_int_equal(symlinkat(publish->directory, tmpfs_fd, "..data"), 0);
	owe(user)->secret_done = done;
	return 0;
}

void secretd_forget(struct secretd *secretd, const void *user)
{
	(void)secretd;
	forget(user);
}

/* ---- calls --------------------------------------------------------------------------------- */

static void note_event(const Bulkhead__V1__PodEvent *event)
{
	size_t len = strlen(rig.events);
	char text[64];

	snprintf(text, sizeof(text), "%s%s%s", event->type, event->pod ? " " : "",
		event->pod ? event->pod->metadata->name : "");
	rig.sequence = event->sequence;
	if (len >= strlen(text) && strcmp(rig.events + len - strlen(text), text) == 0)
		return;
	snprintf(rig.events + len, sizeof(rig.events) - len, "%s%s", len ? ", " : "", text);
}

void call_reply(struct call *call, const ProtobufCMessage *message, bool end)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *data = malloc(size + 1);

	(void)call;
	(void)end;
	protobuf_c_message_pack(message, data);
	if (rig.reply)
		protobuf_c_message_free_unpacked(rig.reply, NULL);
	rig.reply = protobuf_c_message_unpack(message->descriptor, NULL, size, data);
	rig.replies++;
	if (message->descriptor == &bulkhead__v1__pod_event__descriptor)
		note_event((const Bulkhead__V1__PodEvent *)message);
	free(data);
}

void call_reply_stream(
	struct call *call, Bulkhead__V1__StreamKind kind, const int *fds, size_t fds_len)
{
	(void)call;
	(void)kind;
	(void)fds;
	(void)fds_len;
	rig.replies++;
}

void call_end(struct call *call)
{
	(void)call;
	rig.replies++;
	rig.ends++;
}

void call_fail(struct call *call, const struct error *err)
{
	(void)call;
	rig.call_err = *err;
}

/* Calls 'fn' as an administrator; 0, or -1 with rig.call_err. */
static int call(call_fn fn, ProtobufCMessage *message)
{
	static char *groups[] = { (char *)(uintptr_t) "system:masters" };
	struct call c = { .agent = &rig.agent,
		.principal = { "admin", groups, 1 },
		.method = "",
		.peer = "",
		.received_usec = monotonic_usec(),
		.message = message };

	rig.call_err = (struct error){ 0 };
	fn(&rig.agent, &c);
	return rig.call_err.code == ERR_NONE ? 0 : -1;
}

#endif
