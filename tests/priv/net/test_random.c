/*
 * Pods come and go, projects join and part, other nodes appear and leave, and netd, ovs-vswitchd
 * and ovsdb-server are killed in the middle of it, all at random from one seed. Whenever nothing is
 * under way, the switch holds exactly what was asked for; at the end it is as it was.
 *
 *   BULKHEAD_RANDOM_OPS=1000   operations      BULKHEAD_RANDOM_SEED=N   those of an earlier run
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/ipnet.h"
#include "tests/priv/net/model.h"

#define OPS         300
#define BURST       8 /* operations under way at once */
#define ANSWER_MS   9000
#define SETTLE_MS   15000
#define TRACES      2 /* pairs of pods looked at after each burst */
#define KILL_ONE_IN 3 /* bursts */
#define TUNNEL      "192.0.2.1"

static struct lab lab;
static struct model model;
static uint64_t random_state;
static uint64_t seed;
static uint32_t moving;    /* serial of the NET_PROJECTS that is not answered, or 0 */
static unsigned limiting;  /* NET_LIMITs that are not answered */
static bool killed;        /* something was, in this burst: answers may be errors */
static bool peers_sent;    /* in this burst: nobody answers that */
static unsigned counts[8]; /* of each kind of operation */

enum kind { PLUG, UNPLUG, MOVE, LIMIT, PEERS, KILL_NETD, KILL_VSWITCHD, KILL_OVSDB, KINDS };
static const char *const kind_names[KINDS] = { "plugs", "unplugs", "moves", "limits", "peers",
	"kills of netd", "of ovs-vswitchd", "of ovsdb-server" };

/* xorshift64*: the same everywhere from the same seed. */
static unsigned below(unsigned n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (unsigned)((random_state * 0x2545f4914f6cdd1dULL) >> 33) % n;
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

#define fail_seed(...)                                                                             \
	do {                                                                                       \
		print_message("# seed %llu\n", (unsigned long long)seed);                          \
		fail_msg(__VA_ARGS__);                                                             \
	} while (0)

static uint32_t send_frame(
	enum ipc_type type, const ProtobufCMessage *message, const int *fds, size_t fds_len)
{
	struct error err = { 0 };
	uint32_t serial = 0;

	if (ipc_table_send(lab.ipc, type, 0, message, fds, fds_len, &serial, &err) < 0)
		fail_seed("%s", err.text);
	return serial;
}

/* ---- operations ---------------------------------------------------------------------------- */

static char *borrow(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* None, one or both. */
static struct bandwidth some_limits(void)
{
	struct bandwidth limits = { 0 };

	for (enum bandwidth_direction d = 0; d < BANDWIDTH_DIRECTIONS; d++) {
		if (below(2) == 0)
			limits.rate[d] = (1 + below(3)) * UINT64_C(1000000);
	}
	return limits;
}

static void send_plug(struct model_pod *pod)
{
	Bulkhead__V1__NetPlug message = BULKHEAD__V1__NET_PLUG__INIT;
	const int fds[] = { pod->pod.netns_fd, pod->pod.route_fd, pod->pod.inet_fd };
	Bulkhead__V1__NetBandwidth bandwidth;
	char project[16];

	snprintf(project, sizeof(project), "p%u", pod->project);
	message.pod_uid = pod->pod.uid;
	message.project = project;
	message.pod = borrow("web");
	message.vnid = model_vnid(&model, pod);
	message.bandwidth = model_fill_limits(&pod->limits, &bandwidth);
	pod->plugging = send_frame(IPC_NET_PLUG, &message.base, fds, 3);
	counts[PLUG]++;
}

static void plug_new(struct model_pod *pod)
{
	snprintf(pod->pod.uid, sizeof(pod->pod.uid), "pod-%u", model.pods_ever++);
	pod->project = below(MODEL_PROJECTS);
	pod->limits = some_limits();
	send_plug(pod);
}

static void send_unplug(struct model_pod *pod)
{
	Bulkhead__V1__NetUnplug message = BULKHEAD__V1__NET_UNPLUG__INIT;

	message.pod_uid = pod->pod.uid;
	pod->unplugging = send_frame(IPC_NET_UNPLUG, &message.base, NULL, 0);
	counts[UNPLUG]++;
}

static void send_limit(struct model_pod *pod)
{
	Bulkhead__V1__NetLimit message = BULKHEAD__V1__NET_LIMIT__INIT;
	Bulkhead__V1__NetBandwidth bandwidth;

	pod->limits = some_limits();
	message.pod_uid = pod->pod.uid;
	message.bandwidth = model_fill_limits(&pod->limits, &bandwidth);
	send_frame(IPC_NET_LIMIT, &message.base, NULL, 0);
	limiting++;
	counts[LIMIT]++;
}

static void send_projects(void)
{
	Bulkhead__V1__NetProjects message = BULKHEAD__V1__NET_PROJECTS__INIT;
	Bulkhead__V1__NetProject rows[MODEL_PROJECTS];
	Bulkhead__V1__NetProject *list[MODEL_PROJECTS];
	Bulkhead__V1__NetBandwidth limits[MODEL_PROJECTS];
	char names[MODEL_PROJECTS][16];

	for (unsigned i = 0; i < MODEL_PROJECTS; i++) {
		bulkhead__v1__net_project__init(&rows[i]);
		snprintf(names[i], sizeof(names[i]), "p%u", i);
		rows[i].name = names[i];
		rows[i].vnid = model.vnids[i];
		rows[i].number = i;
		rows[i].bandwidth = model_fill_limits(&model.limits[i], &limits[i]);
		list[i] = &rows[i];
	}
	message.projects = list;
	message.n_projects = MODEL_PROJECTS;
	moving = send_frame(IPC_NET_PROJECTS, &message.base, NULL, 0);
}

static void send_peers(void)
{
	Bulkhead__V1__NetPeers message = BULKHEAD__V1__NET_PEERS__INIT;
	Bulkhead__V1__NetPeer rows[MODEL_PEERS];
	Bulkhead__V1__NetPeer *list[MODEL_PEERS];
	char subnets[MODEL_PEERS][32], addresses[MODEL_PEERS][32];

	for (unsigned i = 0; i < MODEL_PEERS; i++) {
		Bulkhead__V1__NetPeer *row = &rows[message.n_peers];

		if (!model.peers[i].there)
			continue;
		bulkhead__v1__net_peer__init(row);
		model_peer_subnet(i, subnets[i]);
		model_peer_address(&model.peers[i], addresses[i]);
		row->node = borrow("peer");
		row->subnet = subnets[i];
		row->address = addresses[i];
		list[message.n_peers++] = row;
	}
	message.peers = list;
	send_frame(IPC_NET_PEERS, &message.base, NULL, 0);
	peers_sent = true;
}

/* ---- answers ------------------------------------------------------------------------------- */

static void take_state(const Bulkhead__V1__NetState *state)
{
	lab.ready = state->ready;
	lab.mended = state->flows_mended;
	snprintf(lab.reason, sizeof(lab.reason), "%s", state->reason);
}

static struct model_pod *asked(uint32_t serial, bool plug)
{
	for (size_t i = 0; i < MODEL_PODS; i++) {
		struct model_pod *pod = &model.pods[i];

		if ((plug ? pod->plugging : pod->unplugging) == serial)
			return pod;
	}
	fail_seed("an answer to nothing");
	return NULL;
}

/* What an operation may be told when something that it needs was killed. */
static bool may_fail(const Bulkhead__V1__Error *error)
{
	return !error || (killed && error->code == ERR_UNAVAILABLE);
}

static void take_port(struct model_pod *pod, const Bulkhead__V1__NetPlugged *plugged)
{
	struct error err;

	assert_string_equal(plugged->pod_uid, pod->pod.uid);
	assert_int_equal(address_parse(plugged->address, &pod->pod.address, &err), 0);
	pod->pod.ofport = plugged->ofport;
	pod->alive = true;
}

static void take_plugged(uint32_t serial, const Bulkhead__V1__NetPlugged *plugged)
{
	struct model_pod *pod = asked(serial, true);
	bool cut = pod->unplugging && plugged->error && plugged->error->code == ERR_CANCELLED;

	if (!cut && !may_fail(plugged->error))
		fail_seed("plug of '%s': %s", pod->pod.uid, plugged->error->text);
	pod->plugging = 0;
	if (!plugged->error)
		take_port(pod, plugged);
}

static void take_unplugged(uint32_t serial, const Bulkhead__V1__NetUnplugged *unplugged)
{
	struct model_pod *pod = asked(serial, false);

	if (!may_fail(unplugged->error))
		fail_seed("unplug of '%s': %s", pod->pod.uid, unplugged->error->text);
	assert_int_equal(pod->plugging, 0); /* that is answered before */
	pod->unplugging = 0;
	pod->alive = false;
}

static void take_projects_set(uint32_t serial, const Bulkhead__V1__NetProjectsSet *set)
{
	assert_int_equal(serial, moving);
	if (!may_fail(set->error))
		fail_seed("move: %s", set->error->text);
	moving = 0;
}

/* A pod that goes, or is limited again, takes its change with it. */
static void take_limited(const Bulkhead__V1__NetLimited *limited)
{
	unsigned code = limited->error ? limited->error->code : 0;

	limiting--;
	if (code != ERR_CANCELLED && code != ERR_NOT_FOUND && !may_fail(limited->error))
		fail_seed("limit of '%s': %s", limited->pod_uid, limited->error->text);
}

static uint32_t syncing;
static bool synced;

/* Pods that were on the list and are not in the answer are not there. */
static void take_synced(uint32_t serial, const Bulkhead__V1__NetSynced *message)
{
	assert_int_equal(serial, syncing);
	syncing = 0;
	synced = !message->error;
	if (!may_fail(message->error))
		fail_seed("sync: %s", message->error->text);
	for (size_t i = 0; i < MODEL_PODS && synced; i++) {
		struct model_pod *pod = &model.pods[i];
		bool listed = pod->alive;

		pod->alive = false;
		for (size_t k = 0; k < message->n_ports && listed; k++) {
			if (strcmp(message->ports[k]->pod_uid, pod->pod.uid) == 0)
				take_port(pod, message->ports[k]);
		}
	}
}

static void take_one(int timeout_ms)
{
	struct error err = { 0 };
	struct ipc_frame frame;
	ProtobufCMessage *base;

	if (ipc_recv_wait(lab.ipc, &frame, timeout_ms, &err) != 1)
		fail_seed("no answer of netd: %s (state: %s)", err.text, lab.reason);
	assert_int_equal(ipc_table_unpack(&frame, &base, &err), 0);
	if (frame.type == IPC_NET_STATE)
		take_state((const void *)base);
	else if (frame.type == IPC_NET_PLUGGED)
		take_plugged(frame.reply_to, (const void *)base);
	else if (frame.type == IPC_NET_UNPLUGGED)
		take_unplugged(frame.reply_to, (const void *)base);
	else if (frame.type == IPC_NET_PROJECTS_SET)
		take_projects_set(frame.reply_to, (const void *)base);
	else if (frame.type == IPC_NET_LIMITED)
		take_limited((const void *)base);
	else if (frame.type == IPC_NET_SYNCED)
		take_synced(frame.reply_to, (const void *)base);
	else if (frame.type != IPC_NET_POLICIES_SET)
		fail_seed("frame %s", ipc_table_name(frame.type));
	protobuf_c_message_free_unpacked(base, NULL);
	ipc_frame_done(&frame);
}

static bool waiting(void)
{
	for (size_t i = 0; i < MODEL_PODS; i++) {
		if (model.pods[i].plugging || model.pods[i].unplugging)
			return true;
	}
	return moving || syncing || limiting;
}

/* ---- kills --------------------------------------------------------------------------------- */

static void nap(unsigned msec_max)
{
	usleep(below(msec_max * 1000 + 1));
}

/*
 * What the agent does: it says the other nodes, then the pods that live. What was not answered is
 * kept or given up, by chance; what netd does not have of it is plugged anew by later operations.
 */
static void resync(void)
{
	Bulkhead__V1__NetSync message = BULKHEAD__V1__NET_SYNC__INIT;
	Bulkhead__V1__NetPod rows[MODEL_PODS], *list[MODEL_PODS];
	Bulkhead__V1__NetBandwidth limits[MODEL_PODS];

	for (size_t i = 0; i < MODEL_PODS; i++) {
		struct model_pod *pod = &model.pods[i];

		if (pod->plugging || pod->unplugging)
			pod->alive = below(2) == 0;
		pod->plugging = pod->unplugging = 0;
		if (!pod->alive)
			continue;
		bulkhead__v1__net_pod__init(&rows[message.n_pods]);
		rows[message.n_pods].pod_uid = pod->pod.uid;
		rows[message.n_pods].vnid = model_vnid(&model, pod);
		rows[message.n_pods].bandwidth =
			model_fill_limits(&pod->limits, &limits[message.n_pods]);
		list[message.n_pods] = &rows[message.n_pods];
		message.n_pods++;
	}
	message.pods = list;
	moving = limiting = 0;
	send_peers();
	do {
		while (!lab.ready)
			take_one(ANSWER_MS);
		syncing = send_frame(IPC_NET_SYNC, &message.base, NULL, 0);
		while (syncing)
			take_one(ANSWER_MS);
	} while (!synced);
	send_projects();
}

static void kill_netd(void)
{
	do {
		lab_kill(&lab.netd);
		nap(10);
		lab_start_netd(&lab);
		counts[KILL_NETD]++;
		/* Or it dies again before it is done. */
		nap(60);
	} while (below(3) == 0);
	resync();
}

static void kill_something(void)
{
	killed = true;
	nap(20);
	switch (below(6)) {
	default:
		kill_netd();
		break;
	case 1:
	case 2:
		lab_kill(&lab.vswitchd);
		nap(50);
		lab_start_vswitchd(&lab);
		counts[KILL_VSWITCHD]++;
		break;
	case 0: /* ovs-vswitchd takes its time to come back to it */
		lab_kill(&lab.ovsdb);
		nap(50);
		lab_start_ovsdb(&lab);
		counts[KILL_OVSDB]++;
	}
}

/* ---- the test ------------------------------------------------------------------------------ */

static void change_pod(void)
{
	struct model_pod *pod = &model.pods[below(MODEL_PODS)];

	if (pod->unplugging)
		return;
	if ((pod->alive || pod->plugging) && below(3) == 0)
		send_limit(pod);
	else if (pod->alive || pod->plugging)
		send_unplug(pod);
	else
		plug_new(pod);
}

/* Joins another project, is isolated, or reaches all. */
static void change_project(void)
{
	unsigned project = below(MODEL_PROJECTS);

	while (moving)
		take_one(ANSWER_MS);
	if (below(3) == 0)
		model.limits[project] = some_limits();
	else if (below(5) == 0)
		model.vnids[project] = 0;
	else if (below(2) == 0)
		model.vnids[project] = 11 + project;
	else
		model.vnids[project] = model.vnids[below(MODEL_PROJECTS)];
	send_projects();
	counts[MOVE]++;
}

static void change_peers(void)
{
	for (unsigned n = 1 + below(3); n > 0; n--) {
		unsigned i = below(MODEL_PEERS);

		model.peers[i].there = below(3) != 0;
		model.peers[i].host = 10 + i + 20 * below(2);
	}
	send_peers();
	counts[PEERS]++;
}

static void change_something(void)
{
	unsigned dice = below(10);

	if (dice < 7)
		change_pod();
	else if (dice < 9)
		change_project();
	else
		change_peers();
}

/* What netd answered it has done: only after a kill, and of peers, it may be done later. */
static void settle(void)
{
	uint64_t end = lab_msec() + SETTLE_MS;
	char *differs;

	while (waiting())
		take_one(ANSWER_MS);
	for (;;) {
		while (!lab.ready)
			take_one(ANSWER_MS);
		differs = model_differs(&model);
		if (!differs)
			return;
		if ((!killed && !peers_sent) || lab_msec() > end)
			break;
		free(differs);
		usleep(50000);
	}
	print_message("%s\n", differs);
	fail_seed("that is not what was asked for%s", killed ? ", some time after a kill" : "");
}

static void look_at_pairs(void)
{
	for (unsigned i = 0; i < TRACES; i++) {
		const struct model_pod *from = &model.pods[below(MODEL_PODS)];
		const struct model_pod *to = &model.pods[below(MODEL_PODS)];
		uint32_t a = model_vnid(&model, from), b = model_vnid(&model, to);
		bool may = a == b || a == 0 || b == 0;

		if (from == to || !from->alive || !to->alive)
			continue;
		if (model_traces(&model, from, to) != may)
			fail_seed("VNID %u reaches %u: %d", a, b, !may);
	}
}

/* All addresses can be had at once: none was lost. */
static void fill_up(void)
{
	killed = peers_sent = false;
	for (size_t i = 0; i < MODEL_PODS; i++) {
		if (!model.pods[i].alive)
			plug_new(&model.pods[i]);
	}
	settle();
}

static void take_all_away(void)
{
	memset(model.peers, 0, sizeof(model.peers));
	send_peers();
	for (size_t i = 0; i < MODEL_PODS; i++)
		send_unplug(&model.pods[i]);
	settle();
}

static char *whole_state(void)
{
	return lab_run("ovs-ofctl -O OpenFlow15 dump-flows --no-stats unix:%s/br0.mgmt | sort; "
		       "ovs-ofctl -O OpenFlow15 dump-meters unix:%s/br0.mgmt | grep rate=; "
		       "ovs-vsctl --db=unix:%s/db.sock list-ports br0; ip -o link | grep -c .; "
		       "nft list ruleset | grep chain; true",
		lab.dir, lab.dir, lab.dir);
}

static void random_operations(void **state)
{
	unsigned ops = (unsigned)number_of("BULKHEAD_RANDOM_OPS", OPS);
	cleanup_free char *before = NULL, *after = NULL;

	(void)state;
	settle();
	before = whole_state();
	for (unsigned done = 0; done < ops;) {
		unsigned burst = 1 + below(BURST), kill_at = below(burst);

		killed = peers_sent = false;
		if (below(KILL_ONE_IN) != 0)
			kill_at = burst;
		for (unsigned i = 0; i < burst; i++) {
			change_something();
			if (below(2) == 0)
				nap(4);
			if (i == kill_at)
				kill_something();
		}
		done += burst + (kill_at < burst);
		settle();
		look_at_pairs();
	}
	fill_up();
	take_all_away();
	after = whole_state();
	assert_string_equal(after, before);
	for (size_t i = 0; i < KINDS; i++)
		print_message("# %u %s\n", counts[i], kind_names[i]);
}

static int setup(void **state)
{
	(void)state;
	seed = number_of(
		"BULKHEAD_RANDOM_SEED", (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid());
	random_state = seed ? seed : 1;
	print_message("# BULKHEAD_RANDOM_SEED=%llu\n", (unsigned long long)seed);
	lab_start_tunnel(&lab, "10.128.0.0/27", TUNNEL);
	model_init(&model, &lab);
	send_peers();
	lab_await_ready(&lab, true);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	model_done(&model);
	lab_stop(&lab);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations),
	};

	return cmocka_run_group_tests_name("random", tests, setup, teardown);
}
