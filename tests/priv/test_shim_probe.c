/*
 * Probes by a real shim: each handler, what hostile servers can do to it (nothing), and what the
 * prober is allowed, as seen from outside.
 */
#include "tests/priv/shim_harness.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>

#define PORT 8080

struct probed {
	struct box b;
	Bulkhead__V1__ProbePlan plan, *list[1];
	char *exec[3];
};

struct told {
	int started, ready, failed, kill;
	char text[256];
};

static void probed_init(struct probed *q, struct pod *p, Bulkhead__V1__ProbeKind kind)
{
	pod_up(p);
	box_init(&q->b, p, "main");
	box_args(&q->b, "sleep", "1000", NULL);
	bulkhead__v1__probe_plan__init(&q->plan);
	q->plan.kind = kind;
	q->plan.period = q->plan.timeout = 1;
	q->plan.success_threshold = q->plan.failure_threshold = 1;
	q->list[0] = &q->plan;
	q->b.plan.probes = q->list;
	q->b.plan.n_probes = 1;
}

static void probe_shell(struct probed *q, const char *script)
{
	q->exec[0] = (char *)(uintptr_t) "/bin/sh";
	q->exec[1] = (char *)(uintptr_t) "-c";
	q->exec[2] = (char *)(uintptr_t)script;
	q->plan.exec = q->exec;
	q->plan.n_exec = 3;
}

static void probe_http(struct probed *q)
{
	static char request[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

	q->plan.address = (char *)(uintptr_t) "127.0.0.1";
	q->plan.port = PORT;
	q->plan.request.data = (uint8_t *)request;
	q->plan.request.len = sizeof(request) - 1;
}

static struct told told(struct pod *p)
{
	struct ipc_frame frame;
	Bulkhead__V1__ProbeState *m =
		(Bulkhead__V1__ProbeState *)pod_recv(p, IPC_PROBE_STATE, &frame);
	struct told t = { m->started, m->ready, m->failed, m->kill, "" };

	assert_string_equal(m->name, "main");
	snprintf(t.text, sizeof(t.text), "%s", m->text);
	ipc_frame_done(&frame);
	bulkhead__v1__probe_state__free_unpacked(m, NULL);
	return t;
}

/* ---- a server in the pod's network namespace ------------------------------------------------- */

enum answer {
	FULL,
	SILENT,
	SLOW,
	ENDLESS,
	HEADERS,
	BODY,
	REDIRECT,
	UNAVAILABLE,
	GARBAGE,
	CLOSED,
	FINE
};

static void answer_write(int fd, enum answer how)
{
	static const char *const texts[] = {
		[HEADERS] = "HTTP/1.1 100 a\r\nX-Header: value\r\n\r\n",
		[ENDLESS] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		[BODY] = "HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\naaaaaaaaaaaaaaaa",
		[REDIRECT] = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
		[UNAVAILABLE] = "HTTP/1.1 503 Busy\r\n\r\n",
		[GARBAGE] = "\x16\x03\x01\x02\n\n",
		[FINE] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	};

	if (how == SILENT)
		pause();
	if (how == CLOSED)
		return;
	for (size_t i = 0; how == SLOW; i = (i + 1) % 12) {
		if (send(fd, &"HTTP/1.1 200"[i], 1, MSG_NOSIGNAL) < 0)
			return;
		usleep(100000);
	}
	do {
		if (send(fd, texts[how], strlen(texts[how]), MSG_NOSIGNAL) < 0)
			return;
	} while (how == ENDLESS || how == HEADERS || how == BODY);
}

/* A queue of one, which is taken: nobody else's connection comes about. */
static _Noreturn void serve_nobody(int s, const struct sockaddr_in *at, int ready_fd)
{
	int c = socket(AF_INET, SOCK_STREAM, 0);

	if (listen(s, 0) < 0 || connect(c, (const struct sockaddr *)at, sizeof(*at)) < 0 ||
		write(ready_fd, "r", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* The child serves until it is killed. */
static pid_t server_start(const struct pod *p, enum answer how)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int one = 1;
		int s;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (setns(p->fds[0], CLONE_NEWNET) < 0)
			_exit(1);
		s = socket(AF_INET, SOCK_STREAM, 0);
		setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
		if (bind(s, (struct sockaddr *)&at, sizeof(at)) < 0)
			_exit(1);
		if (how == FULL)
			serve_nobody(s, &at, ready[1]);
		if (listen(s, 8) < 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;) {
			int c = accept(s, NULL, NULL);

			answer_write(c, how);
			close(c);
		}
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void server_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- exec ---------------------------------------------------------------------------------- */

static void exec_becomes_ready_and_unready(void **state)
{
	struct pod *p = *state;
	struct probed q;
	struct told t;

	probed_init(&q, p, BULKHEAD__V1__PROBE_KIND__PROBE_READINESS);
	box_shell(&q.b, "sleep 2; touch /tmp/ready; sleep 3; rm /tmp/ready; sleep 1000");
	probe_shell(&q, "test -e /tmp/ready");
	box_start(p, &q.b);
	t = told(p);
	assert_false(t.ready);
	t = told(p);
	assert_true(t.ready && !t.failed);
	t = told(p);
	assert_true(!t.ready && t.failed);
}

static void exec_that_hangs_is_killed(void **state)
{
	struct pod *p = *state;
	struct probed q;
	struct told t;

	probed_init(&q, p, BULKHEAD__V1__PROBE_KIND__PROBE_LIVENESS);
	probe_shell(&q, "exec sleep 1000");
	box_start(p, &q.b);
	t = told(p);
	assert_true(t.kill && !t.ready);
	assert_string_equal(t.text, "no answer within 1 s");
}

static void exec_of_nothing_fails(void **state)
{
	struct pod *p = *state;
	struct probed q;
	struct told t;

	probed_init(&q, p, BULKHEAD__V1__PROBE_KIND__PROBE_STARTUP);
	probe_shell(&q, "");
	q.exec[0] = (char *)(uintptr_t) "/no/such/program";
	box_start(p, &q.b);
	t = told(p);
	assert_true(!t.started && !t.ready && t.kill);
	assert_non_null(strstr(t.text, "/no/such/program"));
}

/* ---- HTTP, TCP ----------------------------------------------------------------------------- */

static const struct {
	enum answer how;
	int ready;
	const char *text;
} servers[] = {
	{ FINE, 1, "" },
	{ REDIRECT, 1, "" },
	{ BODY, 1, "" },
	{ UNAVAILABLE, 0, "HTTP status 503" },
	{ GARBAGE, 0, "the answer is no HTTP" },
	{ CLOSED, 0, "the answer is no HTTP" },
	{ SILENT, 0, "no answer within 1 s" },
	{ SLOW, 0, "no answer within 1 s" },
	{ ENDLESS, 0, "no HTTP status within 10240 bytes" },
	{ HEADERS, 0, "no HTTP status within 10240 bytes" },
};

static void servers_of_every_kind(void **state)
{
	struct pod *p = *state;
	struct probed q;

	probed_init(&q, p, BULKHEAD__V1__PROBE_KIND__PROBE_READINESS);
	probe_http(&q);
	for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
		Bulkhead__V1__ContainerKill end = BULKHEAD__V1__CONTAINER_KILL__INIT;
		pid_t server = server_start(p, servers[i].how);
		struct told t;

		q.b.plan.restart = (uint32_t)i;
		box_start(p, &q.b);
		t = told(p);
		server_stop(server);
		if (t.ready != servers[i].ready ||
			(!t.ready && strcmp(t.text, servers[i].text) != 0 &&
				!(servers[i].how == CLOSED && strstr(t.text, "connection"))))
			fail_msg("server %zu: ready %d, '%s'", i, t.ready, t.text);
		end.name = q.b.plan.name;
		end.signal = SIGKILL;
		pod_send(p, IPC_CONTAINER_KILL, &end.base);
		for (;;) {
			struct ipc_frame frame;
			uint32_t type;

			if (ipc_recv_wait(p->ipc, &frame, WAIT_MS, &test_err) != 1)
				fail_msg("%s", test_err.text);
			type = frame.type;
			ipc_frame_done(&frame);
			if (type == IPC_CONTAINER_EXITED)
				break;
			assert_int_equal(type, IPC_PROBE_STATE);
		}
	}
}

static void tcp_connects(void **state)
{
	struct pod *p = *state;
	struct probed q;
	struct told t;
	pid_t server;

	probed_init(&q, p, BULKHEAD__V1__PROBE_KIND__PROBE_READINESS);
	q.plan.address = (char *)(uintptr_t) "127.0.0.1";
	q.plan.port = PORT;
	box_start(p, &q.b);
	t = told(p);
	assert_false(t.ready);
	assert_string_equal(t.text, "connection: Connection refused");
	server = server_start(p, SILENT);
	t = told(p);
	server_stop(server);
	assert_true(t.ready);
}

/* ---- the prober from outside --------------------------------------------------------------- */

/* A child of the shim that is not the container. */
static pid_t prober_find(const struct pod *p, pid_t container)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", p->shim, p->shim);
	for (int i = 0; i < WAIT_MS / 10; i++) {
		cleanup_free char *text = NULL;
		size_t size;
		char *at;

		assert_int_equal(file_read_at(AT_FDCWD, path, 4096, &text, &size, NULL), 0);
		for (char *one = strtok_r(text, " ", &at); one; one = strtok_r(NULL, " ", &at)) {
			cleanup_free char *status = NULL;
			char own[64];

			if (atoi(one) == container)
				continue;
			snprintf(own, sizeof(own), "/proc/%d/status", atoi(one));
			if (file_read_at(AT_FDCWD, own, 16384, &status, &size, NULL) == 0 &&
				strstr(status, "Seccomp:\t2"))
				return atoi(one);
		}
		usleep(10000);
	}
	fail_msg("no prober comes");
	return -1;
}

static void count_fds(pid_t pid, size_t *ret)
{
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	assert_non_null(dir);
	for (*ret = 0; readdir(dir);)
		(*ret)++;
	*ret -= 2;
	closedir(dir);
}

static void prober_check(struct pod *p, enum answer how)
{
	struct probed q;
	cleanup_free char *status = NULL;
	cleanup_free char *group = NULL;
	char path[96], want[96];
	size_t size, fds;
	pid_t server, prober, container;

	probed_init(&q, p, BULKHEAD__V1__PROBE_KIND__PROBE_LIVENESS);
	probe_http(&q);
	q.plan.timeout = 10;
	server = server_start(p, how);
	container = box_start(p, &q.b);
	prober = prober_find(p, container);
	snprintf(path, sizeof(path), "/proc/%d/status", prober);
	assert_int_equal(file_read_at(AT_FDCWD, path, 16384, &status, &size, NULL), 0);
	snprintf(path, sizeof(path), "/proc/%d/cgroup", prober);
	assert_int_equal(file_read_at(AT_FDCWD, path, 16384, &group, &size, NULL), 0);
	count_fds(prober, &fds);
	snprintf(path, sizeof(path), "/proc/%d/root", prober);
	run_host("test -d %s/. && test -z \"$(ls -A %s/)\"", path, path);
	server_stop(server);
	snprintf(want, sizeof(want), "Uid:\t%u\t%u\t%u\t%u", SLICE + 65534, SLICE + 65534,
		SLICE + 65534, SLICE + 65534);
	assert_non_null(strstr(status, want));
	assert_non_null(strstr(status, "Groups:\t \n"));
	assert_non_null(strstr(status, "CapPrm:\t0000000000000000"));
	assert_non_null(strstr(status, "CapEff:\t0000000000000000"));
	assert_non_null(strstr(status, "CapBnd:\t0000000000000000"));
	assert_non_null(strstr(status, "NoNewPrivs:\t1"));
	assert_non_null(strstr(group, "/main"));
	assert_int_equal(fds, 2);
}

static void prober_has_no_rights(void **state)
{
	prober_check(*state, SILENT);
}

static void prober_has_none_while_it_connects(void **state)
{
	prober_check(*state, FULL);
}

/* ---- an agent that comes anew, refusals -------------------------------------------------------
 */

static void state_is_kept_for_the_next_agent(void **state)
{
	struct pod *p = *state;
	struct probed q;
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct ipc_frame frame;
	Bulkhead__V1__ShimState *m;
	struct told t;
	int s;

	probed_init(&q, p, BULKHEAD__V1__PROBE_KIND__PROBE_LIVENESS);
	probe_shell(&q, "exit 3");
	box_start(p, &q.b);
	t = told(p);
	assert_true(t.kill);
	ipc_free(p->ipc);
	p->ipc = NULL;
	s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", p->socket);
	for (int i = 0; connect(s, (struct sockaddr *)&to, sizeof(to)) < 0; i++) {
		assert_true(i < WAIT_MS / 10);
		usleep(10000);
	}
	assert_int_equal(ipc_table_connect(&p->ipc, s, IPC_AGENT, IPC_SHIM, &test_err), 0);
	m = (Bulkhead__V1__ShimState *)pod_recv(p, IPC_SHIM_STATE, &frame);
	assert_int_equal(m->n_containers, 1);
	assert_non_null(m->containers[0]->probes);
	assert_true(m->containers[0]->probes->kill && m->containers[0]->probes->failed);
	assert_string_equal(m->containers[0]->probes->text, "exit code 3");
	bulkhead__v1__shim_state__free_unpacked(m, NULL);
	ipc_frame_done(&frame);
}

static void refusals(void **state)
{
	struct pod *p = *state;
	struct probed q;

	probed_init(&q, p, BULKHEAD__V1__PROBE_KIND__PROBE_LIVENESS);
	q.plan.address = (char *)(uintptr_t) "pod";
	q.plan.port = 1;
	assert_non_null(strstr(box_try(p, &q.b, NULL), "no IPv4 address"));
	q.plan.address = (char *)(uintptr_t) "127.0.0.1";
	q.plan.port = 65536;
	assert_non_null(strstr(box_try(p, &q.b, NULL), "port 65536"));
	q.plan.port = 1;
	q.plan.period = 0;
	assert_non_null(strstr(box_try(p, &q.b, NULL), "period"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pod_test(exec_becomes_ready_and_unready),
		pod_test(exec_that_hangs_is_killed),
		pod_test(exec_of_nothing_fails),
		pod_test(servers_of_every_kind),
		pod_test(tcp_connects),
		pod_test(prober_has_no_rights),
		pod_test(prober_has_none_while_it_connects),
		pod_test(state_is_kept_for_the_next_agent),
		pod_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
