/* Programs run in a container that is there: exit codes, streams, terminals, identity. */
#include "tests/priv/shim_harness.h"

#include <sys/ioctl.h>
#include <termios.h>

static void sleeper(struct pod *p, struct box *b)
{
	pod_up(p);
	box_init(b, p, "main");
	box_args(b, "sleep", "1000", NULL);
}

static void exit_codes_come_back(void **state)
{
	struct pod *p = *state;
	struct box b;
	int code;

	sleeper(p, &b);
	box_start(p, &b);
	free(box_exec(p, "main", "exit 0", &code));
	assert_int_equal(code, 0);
	free(box_exec(p, "main", "exit 7", &code));
	assert_int_equal(code, 7);
	free(box_exec(p, "main", "kill -9 $$", &code));
	assert_int_equal(code, 137);
}

static void streams_are_apart(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	sleeper(p, &b);
	box_start(p, &b);
	text = box_exec(p, "main",
		"echo out; echo err >&2; cat; echo again >/dev/stdout; ls /proc/self/fd", NULL);
	/* stdout is read first, then stderr; the null device ends cat; ls itself opens fd 3. */
	assert_string_equal(text, "out\nagain\n0\n1\n2\n3\nerr\n");
}

static void exec_is_in_every_namespace_and_cgroup(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	sleeper(p, &b);
	b.env[0] = (char *)(uintptr_t) "COLOUR=red";
	b.plan.n_env = 1;
	b.plan.cwd = (char *)(uintptr_t) "/data";
	box_start(p, &b);
	text = box_exec(p, "main",
		"for n in user net ipc uts mnt pid cgroup; do "
		"test $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) || echo differs $n; "
		"done; "
		"diff /proc/1/cgroup /proc/self/cgroup 2>/dev/null || cat /proc/1/cgroup "
		"/proc/self/cgroup; "
		"echo $COLOUR; pwd; cat /proc/self/oom_score_adj",
		NULL);
	assert_has_not(text, "differs");
	assert_has_not(text, "bulkhead-test");
	assert_has(text, "red\n/data\n");
}

/* Sends an exec plan; the reply's message stays in *ret_frame's descriptors. Returns the error
 * text. */
static const char *exec_try(
	struct pod *p, const Bulkhead__V1__ExecPlan *plan, struct ipc_frame *frame)
{
	static char text[ERROR_TEXT_SIZE];
	Bulkhead__V1__ExecStarted *started;
	const char *ret = NULL;

	pod_send(p, IPC_EXEC_PLAN, &plan->base);
	started = (Bulkhead__V1__ExecStarted *)pod_recv(p, IPC_EXEC_STARTED, frame);
	assert_int_equal(started->id, plan->id);
	if (started->error) {
		snprintf(text, sizeof(text), "%s", started->error->text);
		ret = text;
	}
	bulkhead__v1__exec_started__free_unpacked(started, NULL);
	return ret;
}

static int exec_wait(struct pod *p, uint64_t id)
{
	struct ipc_frame frame;
	Bulkhead__V1__ExecExited *exited =
		(Bulkhead__V1__ExecExited *)pod_recv(p, IPC_EXEC_EXITED, &frame);
	int code = exited->exit_code;

	assert_int_equal(exited->id, id);
	bulkhead__v1__exec_exited__free_unpacked(exited, NULL);
	ipc_frame_done(&frame);
	return code;
}

/* The processes of a group, by the host's numbers, as text; "" where there is no group. */
static char *procs_of(int hierarchy_fd, const struct pod *p)
{
	char path[PATH_MAX];
	char *text = NULL;
	size_t size;

	snprintf(path, sizeof(path), "%s/main/cgroup.procs", p->cgroup);
	if (file_read_at(hierarchy_fd, path, 4096, &text, &size, NULL) < 0)
		return strdup("");
	return text;
}

static void check_member(const char *hierarchy, const char *procs, int container_pid)
{
	char line[16];
	size_t n = 0;

	for (const char *c = procs; *c; c++)
		n += *c == '\n';
	snprintf(line, sizeof(line), "%d\n", container_pid);
	if (n != 2 || !strstr(procs, line))
		fail_msg("hierarchy '%s' has not two processes, one of them %d:\n%s", hierarchy,
			container_pid, procs);
}

/* Seen from outside, in each hierarchy there is: what they show inside is of their own telling. */
static void container_and_exec_are_in_every_hierarchy(void **state)
{
	struct pod *p = *state;
	struct box b;
	Bulkhead__V1__ExecPlan plan = BULKHEAD__V1__EXEC_PLAN__INIT;
	char *args[] = { (char *)(uintptr_t) "sleep", (char *)(uintptr_t) "1000" };
	cleanup_close int root_fd = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct cgroup_tree tree;
	struct ipc_frame frame;
	int pid;

	sleeper(p, &b);
	pid = box_start(p, &b);
	plan.id = 400;
	plan.container = (char *)(uintptr_t) "main";
	plan.args = args;
	plan.n_args = 2;
	assert_null(exec_try(p, &plan, &frame));
	assert_int_equal(cgroup_tree_open(&tree, root_fd, &test_err), 0);
	/* Only a pod that asks for CPUs has groups there. */
	cgroup_tree_drop(&tree, 1u << CGROUP_CPUSET);
	assert_true(tree.len > 0);
	for (size_t i = 0; i < tree.len; i++) {
		cleanup_free char *procs = procs_of(tree.hierarchies[i].fd, p);

		check_member(tree.hierarchies[i].name, procs, pid);
	}
	cgroup_tree_done(&tree);
	ipc_frame_done(&frame);
}

static void limits_bind_execs(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;
	int code;

	sleeper(p, &b);
	b.limits.memory_max = 16 << 20;
	b.limits.pids_max = 10;
	box_start(p, &b);
	free(box_exec(p, "main", "exec /bin/workload eat 64", &code));
	assert_int_equal(code, 137);
	text = box_exec(p, "main",
		"for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 >/dev/null 2>&1 & done; echo all",
		&code);
	assert_has(text, "can't fork: Resource temporarily unavailable");
}

static void stdin_is_passed_on(void **state)
{
	struct pod *p = *state;
	struct box b;
	Bulkhead__V1__ExecPlan plan = BULKHEAD__V1__EXEC_PLAN__INIT;
	char *args[] = { (char *)(uintptr_t) "cat" };
	struct ipc_frame frame;
	cleanup_free char *text = NULL;
	size_t size;

	sleeper(p, &b);
	box_start(p, &b);
	plan.id = 5;
	plan.container = (char *)(uintptr_t) "main";
	plan.args = args;
	plan.n_args = 1;
	plan.stdin = 1;
	assert_null(exec_try(p, &plan, &frame));
	assert_int_equal(frame.fds_len, 3);
	assert_int_equal(write(frame.fds[0], "through", 7), 7);
	close(ipc_frame_take_fd(&frame, 0));
	assert_int_equal(fd_read_all(frame.fds[1], 100, &text, &size, &test_err), 0);
	assert_string_equal(text, "through");
	ipc_frame_done(&frame);
	assert_int_equal(exec_wait(p, 5), 0);
}

static void terminal_has_size_and_job_control(void **state)
{
	struct pod *p = *state;
	struct box b;
	Bulkhead__V1__ExecPlan plan = BULKHEAD__V1__EXEC_PLAN__INIT;
	char *args[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
		(char *)(uintptr_t) "stty size; tty; echo $TERM; read x; echo got $x; exit 4" };
	struct ipc_frame frame;
	char text[512] = "";
	size_t n = 0;
	int master;

	sleeper(p, &b);
	b.plan.uid = b.plan.gid = 1000;
	b.plan.uid_set = b.plan.gid_set = 1;
	box_start(p, &b);
	plan.id = 6;
	plan.container = (char *)(uintptr_t) "main";
	plan.args = args;
	plan.n_args = 3;
	plan.tty = plan.stdin = 1;
	plan.rows = 33;
	plan.columns = 101;
	plan.term = (char *)(uintptr_t) "vt100";
	assert_null(exec_try(p, &plan, &frame));
	assert_int_equal(frame.fds_len, 1);
	master = frame.fds[0];
	for (int typed = 0;;) {
		ssize_t got = read(master, text + n, sizeof(text) - 1 - n);

		if (got <= 0)
			break;
		n += (size_t)got;
		text[n] = '\0';
		/* Its echo must not come amid what is printed. */
		if (!typed && strstr(text, "vt100\r\n")) {
			assert_int_equal(write(master, "hey\n", 4), 4);
			typed = 1;
		}
	}
	ipc_frame_done(&frame);
	assert_has(text, "33 101\r\n/dev/pts/0\r\nvt100\r\n");
	assert_has(text, "got hey\r\n");
	assert_int_equal(exec_wait(p, 6), 4);
}

static void exec_can_be_killed_and_dies_with_its_container(void **state)
{
	struct pod *p = *state;
	struct box b;
	Bulkhead__V1__ExecPlan plan = BULKHEAD__V1__EXEC_PLAN__INIT;
	Bulkhead__V1__ExecKill kill_message = BULKHEAD__V1__EXEC_KILL__INIT;
	char *args[] = { (char *)(uintptr_t) "sleep", (char *)(uintptr_t) "1000" };
	struct ipc_frame frame;

	sleeper(p, &b);
	box_start(p, &b);
	plan.container = (char *)(uintptr_t) "main";
	plan.args = args;
	plan.n_args = 2;
	plan.id = 1;
	assert_null(exec_try(p, &plan, &frame));
	ipc_frame_done(&frame);
	kill_message.id = 1;
	pod_send(p, IPC_EXEC_KILL, &kill_message.base);
	assert_int_equal(exec_wait(p, 1), 137);
	plan.id = 2;
	assert_null(exec_try(p, &plan, &frame));
	ipc_frame_done(&frame);
	box_signal(p, "main", SIGKILL);
	assert_int_equal(exec_wait(p, 2), 137);
	assert_int_equal(box_wait(p, "main").signal, SIGKILL);
}

static void refusals(void **state)
{
	struct pod *p = *state;
	struct box b;
	Bulkhead__V1__ExecPlan plan = BULKHEAD__V1__EXEC_PLAN__INIT;
	char *args[] = { (char *)(uintptr_t) "nothing-here" };
	struct ipc_frame frame;

	sleeper(p, &b);
	plan.id = 1;
	plan.container = (char *)(uintptr_t) "main";
	plan.args = args;
	plan.n_args = 1;
	assert_has(exec_try(p, &plan, &frame), "exec: container 'main' does not run");
	ipc_frame_done(&frame);
	box_start(p, &b);
	assert_has(exec_try(p, &plan, &frame), "cannot find 'nothing-here' in $PATH");
	ipc_frame_done(&frame);
	plan.n_args = 0;
	assert_has(exec_try(p, &plan, &frame), "command: nothing to run");
	ipc_frame_done(&frame);
	plan.n_args = 1;
	plan.rows = 70000;
	assert_has(exec_try(p, &plan, &frame), "rows, columns: more than 65535");
	ipc_frame_done(&frame);
}

/* One past SHIM_EXECS_MAX (128). */
static void execs_have_a_limit(void **state)
{
	struct pod *p = *state;
	struct box b;
	Bulkhead__V1__ExecPlan plan = BULKHEAD__V1__EXEC_PLAN__INIT;
	char *args[] = { (char *)(uintptr_t) "sleep", (char *)(uintptr_t) "1000" };
	struct ipc_frame frame;

	sleeper(p, &b);
	box_start(p, &b);
	plan.container = (char *)(uintptr_t) "main";
	plan.args = args;
	plan.n_args = 2;
	for (plan.id = 1; plan.id <= 128; plan.id++) {
		assert_null(exec_try(p, &plan, &frame));
		ipc_frame_done(&frame);
	}
	assert_has(exec_try(p, &plan, &frame), "128 execs run in this pod already");
	ipc_frame_done(&frame);
}

/* A debug container in an exec's words: what is refused, and whom it goes with. */
static const char *debug_try(struct pod *p, struct box *b, struct ipc_frame *frame)
{
	static char text[ERROR_TEXT_SIZE];
	Bulkhead__V1__ExecStarted *started;

	pod_send(p, IPC_CONTAINER_PLAN, &b->plan.base);
	started = (Bulkhead__V1__ExecStarted *)pod_recv(p, IPC_EXEC_STARTED, frame);
	assert_int_equal(started->id, b->plan.debug->id);
	snprintf(text, sizeof(text), "%s", started->error ? started->error->text : "");
	bulkhead__v1__exec_started__free_unpacked(started, NULL);
	return text[0] ? text : NULL;
}

static void debug_containers_are_refused_by_name(void **state)
{
	static const struct {
		const char *name, *target, *program;
		uint32_t rows;
		int record;
		const char *text;
	} rows[] = {
		{ "main", "", "true", 0, 0, "the pod has one of this name" },
		{ "Bad name", "", "true", 0, 0, "'Bad name' is not a container name" },
		{ "probe", "none", "true", 0, 0, "target: container 'none' does not run" },
		{ "probe", "", "true", 65536, 0, "debug: rows, columns: more than 65535" },
		{ "probe", "", "true", 0, 1, "debug: it is neither probed nor recorded" },
		{ "probe", "main", "nothing-here", 0, 0, "cannot find 'nothing-here' in $PATH" },
	};
	struct pod *p = *state;
	struct box main_box, b;
	Bulkhead__V1__DebugPlan debug = BULKHEAD__V1__DEBUG_PLAN__INIT;
	struct ipc_frame frame;

	sleeper(p, &main_box);
	box_start(p, &main_box);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		box_init(&b, p, rows[i].name);
		box_args(&b, rows[i].program, NULL);
		debug.id = i + 1;
		debug.target = (char *)(uintptr_t)rows[i].target;
		debug.rows = rows[i].rows;
		b.plan.record = rows[i].record;
		b.plan.debug = &debug;
		assert_has(debug_try(p, &b, &frame), rows[i].text);
		assert_int_equal(frame.fds_len, 0);
		ipc_frame_done(&frame);
	}
}

static void debug_containers_go_with_their_target(void **state)
{
	struct pod *p = *state;
	struct box main_box, b;
	Bulkhead__V1__DebugPlan debug = BULKHEAD__V1__DEBUG_PLAN__INIT;
	struct ipc_frame frame;

	sleeper(p, &main_box);
	box_start(p, &main_box);
	box_init(&b, p, "probe");
	box_args(&b, "sleep", "1000", NULL);
	debug.id = 9;
	debug.target = (char *)(uintptr_t) "main";
	b.plan.debug = &debug;
	assert_null(debug_try(p, &b, &frame));
	assert_int_equal(frame.fds_len, 3);
	ipc_frame_done(&frame);
	box_signal(p, "main", SIGKILL);
	assert_int_equal(exec_wait(p, 9), 137);
	assert_int_equal(box_wait(p, "main").signal, SIGKILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pod_test(exit_codes_come_back),
		pod_test(streams_are_apart),
		pod_test(exec_is_in_every_namespace_and_cgroup),
		pod_test(container_and_exec_are_in_every_hierarchy),
		pod_test(limits_bind_execs),
		pod_test(stdin_is_passed_on),
		pod_test(terminal_has_size_and_job_control),
		pod_test(exec_can_be_killed_and_dies_with_its_container),
		pod_test(refusals),
		pod_test(execs_have_a_limit),
		pod_test(debug_containers_are_refused_by_name),
		pod_test(debug_containers_go_with_their_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
