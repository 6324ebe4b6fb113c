/*
 * What the escape tests share on top of tests/priv/shim_harness.h: images with the hostile program,
 * pods with and without a user namespace of their own, a second pod beside the first, and the
 * covers that the agent orders. For tests/priv/escapes/test_*.c only, which include it once each.
 */
#ifndef TESTS_PRIV_ESCAPES_ESCAPES_H
#define TESTS_PRIV_ESCAPES_ESCAPES_H

#include "tests/priv/shim_harness.h"

#include "nodeagent/agent/plan_security.h"

#define SLICE_OTHER (SLICE + 65536) /* of a second pod */

/* The image gets /bin/hostile, and its path as any other file of the image's root. */
static void hostile_add(struct pod *p)
{
	char build[PATH_MAX];

	build_dir(build, sizeof(build));
	run_host("cp %s/tests/priv/escapes/hostile %s/bin/hostile && chown %u:%u %s/bin/hostile",
		build, p->layer, IMAGE_BASE, IMAGE_BASE, p->layer);
}

static int hostile_setup(void **state)
{
	if (pod_setup(state) < 0)
		return -1;
	hostile_add(*state);
	return 0;
}

#define hostile_test(f) cmocka_unit_test_setup_teardown(f, hostile_setup, pod_teardown)

/* The weakest pod that admission can let in: the host's ids. To be called before pod_up(). */
static void pod_of_host_users(struct pod *p)
{
	p->plan.host_users = 1;
	p->plan.n_uid_map = 0;
}

static void box_cap(struct box *b, const char *name)
{
	b->caps[b->plan.n_capabilities++] = (char *)(uintptr_t)name;
}

static void box_user(struct box *b, uint32_t uid)
{
	b->plan.uid = b->plan.gid = uid;
	b->plan.uid_set = b->plan.gid_set = 1;
}

static void box_unconfined(struct box *b)
{
	b->plan.seccomp = BULKHEAD__V1__SECCOMP_KIND__SECCOMP_UNCONFINED;
}

/* Masked and read-only paths as the agent's plan has them. */
static void box_covers(struct box *b)
{
	const struct plan_node node = { .cpu_millis =
						(uint64_t)sysconf(_SC_NPROCESSORS_ONLN) * 1000 };
	const struct plan_security security = { .node = &node, .field = "" };

	b->plan.masked_paths = b->plan.read_only_paths = NULL;
	if (plan_covers(&security, &b->plan, &test_err) < 0)
		fail_msg("%s", test_err.text);
}

static void box_covers_done(struct box *b)
{
	for (size_t i = 0; i < b->plan.n_masked_paths; i++)
		free(b->plan.masked_paths[i]);
	for (size_t i = 0; i < b->plan.n_read_only_paths; i++)
		free(b->plan.read_only_paths[i]);
	free(b->plan.masked_paths);
	free(b->plan.read_only_paths);
}

/* Executes 'args', a list that NULL ends, as number 'id'. The text of a refusal, or NULL. Static.
 */
static const char *exec_begin(struct pod *p, uint64_t id, const char *name, const char *const *args)
{
	static char text[ERROR_TEXT_SIZE];
	Bulkhead__V1__ExecPlan plan = BULKHEAD__V1__EXEC_PLAN__INIT;
	Bulkhead__V1__ExecStarted *started;
	struct ipc_frame frame;
	int ran;

	plan.id = id;
	plan.container = (char *)(uintptr_t)name;
	plan.args = (char **)(uintptr_t)args;
	while (args[plan.n_args])
		plan.n_args++;
	pod_send(p, IPC_EXEC_PLAN, &plan.base);
	started = (Bulkhead__V1__ExecStarted *)pod_recv(p, IPC_EXEC_STARTED, &frame);
	ran = started->error == NULL;
	snprintf(text, sizeof(text), "%s", ran ? "" : started->error->text);
	ipc_frame_done(&frame);
	bulkhead__v1__exec_started__free_unpacked(started, NULL);
	return ran ? NULL : text;
}

/* Executes 'program' to its end. The text of a refusal, or NULL when it ran. Static. */
static const char *exec_refused(struct pod *p, const char *name, const char *program)
{
	const char *const args[] = { program, NULL };
	const char *text = exec_begin(p, UINT64_C(1) << 40, name, args);
	struct ipc_frame frame;

	if (text)
		return text;
	protobuf_c_message_free_unpacked(pod_recv(p, IPC_EXEC_EXITED, &frame), NULL);
	ipc_frame_done(&frame);
	return NULL;
}

/* Makes a debug container among the processes of 'target' and waits for its end, or says why not.
 */
static const char *debug_refused(struct pod *p, struct box *b, const char *target, uint64_t id)
{
	static char text[ERROR_TEXT_SIZE];
	Bulkhead__V1__DebugPlan debug = BULKHEAD__V1__DEBUG_PLAN__INIT;
	Bulkhead__V1__ExecStarted *started;
	struct ipc_frame frame;

	debug.id = id;
	debug.target = (char *)(uintptr_t)target;
	b->plan.debug = &debug;
	pod_send(p, IPC_CONTAINER_PLAN, &b->plan.base);
	started = (Bulkhead__V1__ExecStarted *)pod_recv(p, IPC_EXEC_STARTED, &frame);
	ipc_frame_done(&frame);
	text[0] = '\0';
	if (started->error)
		snprintf(text, sizeof(text), "%s", started->error->text);
	bulkhead__v1__exec_started__free_unpacked(started, NULL);
	if (text[0])
		return text;
	protobuf_c_message_free_unpacked(pod_recv(p, IPC_EXEC_EXITED, &frame), NULL);
	ipc_frame_done(&frame);
	return NULL;
}

/* Two pods of different projects, cleaned up whatever happens. */
struct pair {
	struct pod red;
	struct pod blue;
};

static int pair_setup(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	*state = pair;
	if (!pair)
		return -1;
	pod_init(&pair->red);
	hostile_add(&pair->red);
	pod_init(&pair->blue);
	hostile_add(&pair->blue);
	pair->blue.maps[0].outside = SLICE_OTHER;
	pair->blue.maps[1].inside = pair->blue.maps[1].outside = PROJECT_ID + 10000;
	return 0;
}

static int pair_teardown(void **state)
{
	struct pair *pair = *state;

	pod_done(&pair->red);
	pod_done(&pair->blue);
	free(pair);
	return 0;
}

static void pair_up(struct pair *pair)
{
	pod_up(&pair->red);
	pod_up(&pair->blue);
}

#define pair_test(f) cmocka_unit_test_setup_teardown(f, pair_setup, pair_teardown)

/* How often 'part' is in 'text'. */
static size_t times(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		n++;
	return n;
}

#endif
