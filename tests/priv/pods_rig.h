/*
 * A node whose pods are real and whose daemons are pods_fakes.h: brought up, killed, asked for
 * pods. For test_shim_pods*.c, which include it once each.
 */
#ifndef TESTS_PRIV_PODS_RIG_H
#define TESTS_PRIV_PODS_RIG_H

#include "tests/priv/pods_fakes.h"

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
	rig.project.mcs = NAME("s0:c959,c639"); /* of block 92000 */
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

/* The pid of a pod's shim; 0 when there is none. */
static pid_t shim_pid(const char *uid)
{
	char command[256];
	char line[32] = "";
	FILE *out;

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
