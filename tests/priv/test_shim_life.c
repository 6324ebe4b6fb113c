/* The shim's own life: it outlives the agent, is adopted again, takes its pod with it, leaves
 * nothing. */
#include "tests/priv/shim_harness.h"

#include <dirent.h>

static void sleeper(struct pod *p, struct box *b, const char *name)
{
	box_init(b, p, name);
	box_args(b, "sleep", "1000", NULL);
}

static int connect_shim(struct pod *p)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", p->socket);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static Bulkhead__V1__ShimState *adopt(struct pod *p, struct ipc_frame *frame)
{
	int fd = connect_shim(p);

	assert_true(fd >= 0);
	ipc_free(p->ipc);
	p->ipc = NULL;
	assert_int_equal(ipc_table_connect(&p->ipc, fd, IPC_AGENT, IPC_SHIM, &test_err), 0);
	return (Bulkhead__V1__ShimState *)pod_recv(p, IPC_SHIM_STATE, frame);
}

static int gone(pid_t pid)
{
	for (int i = 0; i < 500; i++) {
		if (kill(pid, 0) < 0 && errno == ESRCH)
			return 1;
		usleep(10000);
	}
	return 0;
}

static void survives_the_agent_and_tells_what_it_missed(void **state)
{
	struct pod *p = *state;
	struct box lives;
	struct box dies;
	struct box fails;
	struct ipc_frame frame;
	Bulkhead__V1__ShimState *s;
	int pid;
	int seen = 0;

	tmpfs_add(p, "secret", 1, SLICE, 0750);
	pod_up(p);
	sleeper(p, &lives, "lives");
	pid = box_start(p, &lives);
	box_init(&dies, p, "dies");
	box_shell(&dies, "while ! test -e /dev/shm/go; do sleep 0.01; done; sleep 0.2; exit 9");
	dies.plan.restart = 4;
	box_start(p, &dies);
	box_init(&fails, p, "fails");
	box_args(&fails, "nothing-here", NULL);
	assert_non_null(box_try(p, &fails, NULL));
	/* The agent dies; the container ends meanwhile. */
	free(box_exec(p, "lives", "touch /dev/shm/go", NULL));
	ipc_free(p->ipc);
	p->ipc = NULL;
	usleep(700000);

	s = adopt(p, &frame);
	assert_string_equal(s->pod_uid, p->uid);
	assert_true(s->sandbox);
	assert_int_equal(frame.fds_len, 4);
	assert_int_equal(s->n_containers, 3);
	for (size_t i = 0; i < s->n_containers; i++) {
		const Bulkhead__V1__ContainerState *c = s->containers[i];

		if (strcmp(c->name, "lives") == 0) {
			assert_int_equal(c->pid, pid);
			assert_int_equal(c->started->pid, pid);
			assert_null(c->exited);
			seen |= 1;
		} else if (strcmp(c->name, "dies") == 0) {
			assert_int_equal(c->pid, 0);
			assert_int_equal(c->exited->exit_code, 9);
			assert_int_equal(c->exited->restart, 4);
			seen |= 2;
		} else if (strcmp(c->name, "fails") == 0) {
			assert_has(c->started->error->text, "nothing-here");
			assert_null(c->exited);
			seen |= 4;
		}
	}
	assert_int_equal(seen, 7);
	bulkhead__v1__shim_state__free_unpacked(s, NULL);
	ipc_frame_done(&frame);
	free(box_exec(p, "lives", "true", NULL));
	assert_int_equal(pod_destroy(p), 0);
}

static void newest_connection_wins(void **state)
{
	struct pod *p = *state;
	struct ipc_frame frame;
	struct ipc *old;
	struct ipc_frame nothing;

	pod_up(p);
	old = p->ipc;
	p->ipc = NULL;
	bulkhead__v1__shim_state__free_unpacked(adopt(p, &frame), NULL);
	ipc_frame_done(&frame);
	assert_int_equal(ipc_recv_wait(old, &nothing, 2000, &test_err), -1);
	assert_int_equal(test_err.code, ERR_UNAVAILABLE);
	ipc_free(old);
	assert_int_equal(pod_destroy(p), 0);
}

/* An agent that died between the start and the plan would leave a shim that nobody knows of. */
static void without_a_sandbox_it_ends_with_its_agent(void **state)
{
	struct pod *p = *state;
	int status;

	pod_spawn(p);
	ipc_free(p->ipc);
	p->ipc = NULL;
	for (int i = 0; i < 100 && waitpid(p->shim, &status, WNOHANG) == 0; i++)
		usleep(50000);
	assert_int_equal(kill(p->shim, 0), -1);
	assert_int_equal(status, 0);
	p->shim = 0;
}

static void only_root_may_connect(void **state)
{
	struct pod *p = *state;
	struct stat st;
	int status;
	pid_t pid;
	char byte;

	pod_up(p);
	assert_int_equal(stat(p->socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* Even with directory and socket open to all, the peer's uid is looked at. */
	assert_int_equal(chmod(p->dir, 0755), 0);
	assert_int_equal(chmod(p->socket, 0666), 0);
	pid = fork();
	if (pid == 0) {
		int fd;

		if (setresuid(65534, 65534, 65534) < 0)
			_exit(9);
		fd = connect_shim(p);
		_exit(fd < 0 ? 0 : recv(fd, &byte, 1, 0) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* The agent's own connection was not touched. */
	assert_int_equal(pod_destroy(p), 0);
}

static void a_broken_peer_costs_only_the_connection(void **state)
{
	struct pod *p = *state;
	struct box b;
	struct ipc_frame frame;
	int pid;

	pod_up(p);
	sleeper(p, &b, "main");
	pid = box_start(p, &b);
	assert_true(send(ipc_fd(p->ipc), "garbage", 7, MSG_NOSIGNAL) == 7);
	assert_int_equal(ipc_recv_wait(p->ipc, &frame, 2000, &test_err), -1);
	assert_int_equal(kill(pid, 0), 0);
	bulkhead__v1__shim_state__free_unpacked(adopt(p, &frame), NULL);
	ipc_frame_done(&frame);
	assert_int_equal(pod_destroy(p), 0);
	assert_true(gone(pid));
}

static void signals_do_not_end_it(void **state)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1,
		SIGTSTP };
	struct pod *p = *state;

	pod_up(p);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		assert_int_equal(kill(p->shim, signals[i]), 0);
	usleep(50000);
	assert_int_equal(waitpid(p->shim, NULL, WNOHANG), 0);
	assert_int_equal(getsid(p->shim), p->shim);
	assert_int_equal(pod_destroy(p), 0);
}

static void killed_shim_takes_its_containers_down(void **state)
{
	struct pod *p = *state;
	struct box a;
	struct box b;
	int pids[2];

	pod_up(p);
	sleeper(p, &a, "root");
	pids[0] = box_start(p, &a);
	sleeper(p, &b, "user");
	b.plan.user = (char *)(uintptr_t) "alice";
	pids[1] = box_start(p, &b);
	kill(p->shim, SIGKILL);
	assert_int_equal(waitpid(p->shim, NULL, 0), p->shim);
	p->shim = 0;
	assert_true(gone(pids[0]));
	assert_true(gone(pids[1]));
}

/* Counts what a pod could leave: cgroup directories, mounts below its directory. */
static int leftovers(struct pod *p)
{
	cleanup_free char *mounts = NULL;
	size_t size;
	char path[512];
	DIR *dir = opendir("/sys/fs/cgroup");
	struct dirent *entry;
	int n = 0;

	assert_int_equal(
		file_read_at(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &mounts, &size, &test_err),
		0);
	n += strstr(mounts, p->dir) != NULL;
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/%s", entry->d_name, p->cgroup);
		n += access(path, F_OK) == 0;
	}
	closedir(dir);
	snprintf(path, sizeof(path), "%s/.shim", p->state);
	n += access(path, F_OK) == 0;
	n += access(p->socket, F_OK) == 0;
	return n;
}

static void destroy_leaves_nothing(void **state)
{
	struct pod *p = *state;
	struct box a;
	struct box b;
	int pids[2];

	tmpfs_add(p, "secret", 1, SLICE, 0750);
	pod_up(p);
	sleeper(p, &a, "one");
	pids[0] = box_start(p, &a);
	box_init(&b, p, "two");
	box_shell(&b, "trap '' TERM; while :; do sleep 1000 & wait; done");
	pids[1] = box_start(p, &b);
	assert_true(leftovers(p) > 0);
	assert_int_equal(pod_destroy(p), 0);
	assert_true(gone(pids[0]) && gone(pids[1]));
	assert_int_equal(leftovers(p), 0);
}

/* The sum of Private_* in smaps_rollup, in KiB. */
static long private_kib(pid_t pid)
{
	char path[64];
	cleanup_free char *text = NULL;
	size_t size;
	long sum = 0;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	assert_int_equal(file_read_at(AT_FDCWD, path, 65536, &text, &size, &test_err), 0);
	for (const char *at = text; (at = strstr(at, "\nPrivate_")); at++) {
		long kib = 0;

		assert_int_equal(sscanf(at, "\nPrivate_%*[^:]: %ld", &kib), 1);
		sum += kib;
	}
	return sum;
}

static size_t count_fds(pid_t pid)
{
	char path[64];
	DIR *dir;
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

#ifndef __SANITIZE_ADDRESS__ /* its own memory is ten times that */
static void it_stays_small(void **state)
{
	struct pod *p = *state;
	struct box b;
	size_t fds;
	long kib;

	pod_up(p);
	sleeper(p, &b, "main");
	box_start(p, &b);
	free(box_exec(p, "main", "true", NULL));
	/* What was started on the way is reaped by then. */
	usleep(200000);
	fds = count_fds(p->shim);
	kib = private_kib(p->shim);
	/* Of that some 200 are the descriptors of all messages between processes (ipc.proto). */
	if (kib > 896)
		fail_msg("%ld KiB are private", kib);
	for (int i = 0; i < 100; i++)
		free(box_exec(p, "main", "echo x; echo y >&2", NULL));
	for (uint32_t i = 1; i <= 20; i++) {
		box_signal(p, "main", SIGKILL);
		box_wait(p, "main");
		b.plan.restart = i;
		box_start(p, &b);
	}
	usleep(100000);
	assert_int_equal(count_fds(p->shim), fds);
	/* Timers of probes and drift touch pages of their own, once; a leak would go on. */
	if (private_kib(p->shim) > kib + 256)
		fail_msg("grew from %ld to %ld KiB", kib, private_kib(p->shim));
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		pod_test(survives_the_agent_and_tells_what_it_missed),
		pod_test(newest_connection_wins),
		pod_test(without_a_sandbox_it_ends_with_its_agent),
		pod_test(only_root_may_connect),
		pod_test(a_broken_peer_costs_only_the_connection),
		pod_test(signals_do_not_end_it),
		pod_test(killed_shim_takes_its_containers_down),
		pod_test(destroy_leaves_nothing),
#ifndef __SANITIZE_ADDRESS__
		pod_test(it_stays_small),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
