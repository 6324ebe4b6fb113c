/*
 * The agent's pod half on a loop of its own with the real shim: cluster, secretd, netd, images and
 * the API's calls are made here, so that a test can make each of them fail, and the agent die, at
 * any moment. For test_shim_pods*.c, which include it once each.
 */
#ifndef TESTS_PRIV_PODS_RIG_H
#define TESTS_PRIV_PODS_RIG_H

#include "tests/priv/shim_harness.h"

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "bulkhead/v1/node.pb-c.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/api.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/netd.h"
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

/* ---- the node ------------------------------------------------------------------------------ */

static void config_init(void)
{
	Bulkhead__V1__NodeConfig *c = &rig.config;

	bulkhead__v1__node_config__init(c);
	c->node_name = NAME("node");
	c->state_dir = rig.state;
	c->run_dir = rig.run;
	c->libexec_dir = rig.build;
	c->cgroup_parent = rig.cgroup;
	c->seccomp_dir = NAME("/nonexistent");
	c->token_issuer = NAME("https://node");
	c->image_base = IMAGE_BASE;
	c->userns_start = SLICE;
	c->userns_slices = RIG_SLICES;
	c->max_pods = RIG_PODS_MAX;
	c->api_uid = 0;
	rig.agent.config = c;
	bulkhead__v1__cluster_project__init(&rig.project);
	rig.project.name = NAME("red");
	rig.project.vnid = 10;
	rig.project.uid_range = NAME("1920000000/10000");
	rig.project.mcs = NAME("s0:c1,c0");
	bulkhead__v1__cluster_node__init(&rig.node);
	rig.node.name = NAME("node");
	rig.node.address = NAME("192.0.2.1");
	rig.node.uid = NAME("node-uid");
	rig.known = true;
}

static void node_up(void)
{
	if (pods_new(&rig.agent.pods, &rig.agent, &test_err) < 0)
		fail_msg("%s", test_err.text);
	net_sync();
}

/* As kill -9: nothing is said to anybody, and the daemons' answers have nowhere to go. */
static void node_kill(void)
{
	pods_free(rig.agent.pods);
	rig.agent.pods = NULL;
	rig.pending_len = 0;
	rig.net_ready = false;
}

static int rig_setup(void **unused)
{
	char path[160];
	int root_fd = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)unused;
	memset(&rig, 0, sizeof(rig));
	strcpy(rig.dir, "/tmp/bh-pods-XXXXXX");
	assert_non_null(mkdtemp(rig.dir));
	snprintf(rig.state, sizeof(rig.state), "%s/state", rig.dir);
	snprintf(rig.run, sizeof(rig.run), "%s/run", rig.dir);
	snprintf(rig.layer, sizeof(rig.layer), "%s/layer", rig.dir);
	snprintf(rig.cgroup, sizeof(rig.cgroup), "bh-pods-%d", getpid());
	build_dir(rig.build, sizeof(rig.build));
	assert_int_equal(mkdir(rig.state, 0711), 0);
	assert_int_equal(mkdir(rig.run, 0711), 0);
	layer_make(rig.layer);
	layer_own(rig.layer);
	run_host("mkdir %s/pki && echo ca >%s/pki/ca.pem", rig.state, rig.state);
	snprintf(path, sizeof(path), "%s", rig.state);
	rig.agent.state_dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rig.agent.run_dirfd = open(rig.run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(cgroup_tree_open(&rig.agent.cgroups, root_fd, &test_err), 0);
	close(root_fd);
	assert_true(sd_event_new(&rig.agent.event) >= 0);
	assert_true(sd_event_add_defer(rig.agent.event, &rig.answers, on_answers, NULL) >= 0);
	config_init();
	node_up();
	return 0;
}

static int rig_teardown(void **unused)
{
	(void)unused;
	node_kill();
	if (pods_teardown(&rig.agent, true, &test_err) < 0)
		print_error("teardown: %s\n", test_err.text);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	sd_event_source_disable_unref(rig.answers);
	sd_event_unref(rig.agent.event);
	cgroup_tree_done(&rig.agent.cgroups);
	close(rig.agent.state_dirfd);
	close(rig.agent.run_dirfd);
	if (rig.reply)
		protobuf_c_message_free_unpacked(rig.reply, NULL);
	run_host("rm -rf --one-file-system %s", rig.dir);
	return 0;
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

/* One turn of the loop; false when nothing happened for 'usec'. */
static bool turn(uint64_t usec)
{
	int r = sd_event_run(rig.agent.event, usec);

	assert_true(r >= 0);
	return r > 0;
}

/* ---- pods ---------------------------------------------------------------------------------- */

/* A pod of one container; 'extra' is more of its spec. */
static int apply(const char *name, const char *script, const char *extra)
{
	Bulkhead__V1__ApplyPodRequest request = BULKHEAD__V1__APPLY_POD_REQUEST__INIT;
	cleanup_free char *yaml = NULL;
	ProtobufCMessage *message;
	int n;

	n = asprintf(&yaml,
		"{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"%s\", "
		"\"namespace\": \"red\"}, \"spec\": {\"containers\": [{\"name\": \"main\", "
		"\"image\": \"box\", \"command\": [\"/bin/sh\", \"-c\", \"%s\"]}]%s}}",
		name, script, extra);
	assert_true(n > 0);
	if (decode_object(K8S_POD_DESC, "v1", "Pod", yaml, (size_t)n, &message, &test_err) < 0)
		fail_msg("%s", test_err.text);
	request.pod = (K8sPod *)message;
	n = call(method_apply_pod, &request.base);
	protobuf_c_message_free_unpacked(message, NULL);
	return n;
}

#define SLEEP  "exec sleep 1000"
#define NEVER  ", \"restartPolicy\": \"Never\", \"terminationGracePeriodSeconds\": 0"
#define ALWAYS ", \"terminationGracePeriodSeconds\": 0"

static void applied(const char *name, const char *script, const char *extra)
{
	if (apply(name, script, extra) < 0)
		fail_msg("%s", rig.call_err.text);
}

static int delete (const char *name, int64_t grace)
{
	Bulkhead__V1__DeletePodRequest request = BULKHEAD__V1__DELETE_POD_REQUEST__INIT;

	request.project = NAME("red");
	request.name = NAME(name);
	request.grace_period_seconds = grace;
	return call(method_delete_pod, &request.base);
}

/* The pod as the API shows it, until the next call; NULL when there is none. */
static const K8sPod *get(const char *name)
{
	Bulkhead__V1__ListPodsRequest request = BULKHEAD__V1__LIST_PODS_REQUEST__INIT;

	request.project = NAME("red");
	request.name = NAME(name);
	if (call(method_list_pods, &request.base) < 0)
		return NULL;
	return ((Bulkhead__V1__ListPodsResponse *)rig.reply)->pods[0];
}

static bool in_phase(const char *name, const char *phase)
{
	const K8sPod *pod = get(name);

	return pod && strcmp(pod->status->phase, phase) == 0;
}

static bool runs(const char *name)
{
	const K8sPod *pod = get(name);

	return pod && pod->status->n_containerstatuses && pod->status->containerstatuses[0]->ready;
}

static bool absent(const char *name)
{
	return get(name) == NULL;
}

/* Runs the loop until 'condition' holds. */
#define until(condition)                                                                           \
	do {                                                                                       \
		uint64_t end_ = monotonic_usec() + RIG_WAIT_USEC;                                  \
                                                                                                   \
		while (!(condition)) {                                                             \
			if (monotonic_usec() > end_)                                               \
				fail_msg("not within time: %s", #condition);                       \
			turn(100000);                                                              \
		}                                                                                  \
	} while (0)

static void uid_of(const char *name, char ret[40])
{
	const K8sPod *pod = get(name);

	assert_non_null(pod);
	snprintf(ret, 40, "%s", pod->metadata->uid);
}

/* The pid of a pod's shim, from the socket that it listens on; 0 when there is none. */
static pid_t shim_pid(const char *uid)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char command[256];
	char line[32] = "";
	FILE *out;

	(void)addr;
	snprintf(command, sizeof(command), "pgrep -f '[b]ulkhead-shim.*%s'", uid);
	out = popen(command, "re");
	assert_non_null(out);
	if (!fgets(line, sizeof(line), out))
		line[0] = '\0';
	pclose(out);
	return (pid_t)atoi(line);
}

static size_t entries(const char *dir)
{
	char path[256];
	DIR *d;
	struct dirent *entry;
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/%s", rig.dir, dir);
	d = opendir(path);
	while (d && (entry = readdir(d)))
		n += entry->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

/* Of all pods that were nothing is left. */
static void nothing_left(void)
{
	char command[256];

	assert_int_equal(entries("state/pods"), 0);
	assert_int_equal(entries("state/logs"), 0);
	assert_int_equal(entries("run/pods"), 0);
	assert_int_equal(ports_count(), 0);
	snprintf(command, sizeof(command),
		"[ -z \"$(find /sys/fs/cgroup -type d -path '*%s*' -name 'pod*')\" ]", rig.cgroup);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "! pgrep -f '[b]ulkhead-shim.*%s' >/dev/null", rig.dir);
	for (int i = 0; i < 50 && system(command) != 0; i++)
		usleep(100000);
	assert_int_equal(system(command), 0);
}

#endif
