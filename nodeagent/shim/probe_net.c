#include "nodeagent/shim/probe_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/confine.h"
#include "lib/fdio.h"
#include "nodeagent/shim/probe_http.h"
#include "nodeagent/shim/sys.h"

#define ROOT_DIR   "probe" /* in the scratch tmpfs; always empty */
#define NOBODY     65534
#define READ_SIZE  2048
#define RESULT_FD  3
#define SOCKET_FD  4
#define FIRST_FREE 5

/* What the child works on, in its copy of the shim's memory. */
struct job {
	const struct sandbox *sandbox;
	const struct cgroup *cgroup;
	unsigned cgroup_already;
	const Bulkhead__V1__ProbePlan *plan;
	uint32_t uid;
	int result_fd;
};

static _Noreturn void tell(int fd, int kind, int value)
{
	const struct probe_net_result result = { kind, value };

	(void)!write(fd, &result, sizeof(result));
	_exit(0);
}

/* ---- the child, confined ------------------------------------------------------------------- */

/* The socket is there: a confined process makes none. */
static void connect_to(const Bulkhead__V1__ProbePlan *plan)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)plan->port) };

	inet_pton(AF_INET, plan->address, &to.sin_addr);
	if (connect(SOCKET_FD, (const struct sockaddr *)&to, sizeof(to)) < 0)
		tell(RESULT_FD, PROBE_NET_ERROR, errno);
}

static int request_send(const Bulkhead__V1__ProbePlan *plan)
{
	for (size_t at = 0; at < plan->request.len;) {
		ssize_t n = send(
			SOCKET_FD, plan->request.data + at, plan->request.len - at, MSG_NOSIGNAL);

		if (n < 0)
			return -1;
		at += (size_t)n;
	}
	return 0;
}

static _Noreturn void answer_read(void)
{
	struct probe_http http = { 0 };
	enum probe_http_end end = PROBE_HTTP_MORE;
	char data[READ_SIZE];

	while (end == PROBE_HTTP_MORE) {
		ssize_t n = recv(SOCKET_FD, data, sizeof(data), 0);

		if (n < 0)
			tell(RESULT_FD, PROBE_NET_ERROR, errno);
		if (n == 0)
			tell(RESULT_FD, PROBE_NET_HTTP, PROBE_HTTP_BAD);
		end = probe_http_feed(&http, data, (size_t)n);
	}
	if (end != PROBE_HTTP_DONE)
		tell(RESULT_FD, PROBE_NET_HTTP, (int)end);
	if (http.status < 200 || http.status > 399)
		tell(RESULT_FD, PROBE_NET_STATUS, http.status);
	tell(RESULT_FD, PROBE_NET_OK, http.status);
}

static _Noreturn void talk(const struct job *job)
{
	connect_to(job->plan);
	if (job->plan->request.len == 0)
		tell(RESULT_FD, PROBE_NET_OK, 0);
	if (request_send(job->plan) < 0)
		tell(RESULT_FD, PROBE_NET_ERROR, errno);
	answer_read();
}

/* ---- the child, on its way there ----------------------------------------------------------- */

/* The two descriptors get their places, and no other stays open. */
static int descriptors_settle(int result_fd, int socket_fd)
{
	int result = fcntl(result_fd, F_DUPFD_CLOEXEC, FIRST_FREE);
	int sock = fcntl(socket_fd, F_DUPFD_CLOEXEC, FIRST_FREE);

	if (result < 0 || sock < 0 || dup3(result, RESULT_FD, O_CLOEXEC) < 0 ||
		dup3(sock, SOCKET_FD, O_CLOEXEC) < 0)
		return -1;
	return close_range(0, RESULT_FD - 1, 0) < 0 ? -1 : close_range(FIRST_FREE, ~0u, 0);
}

static _Noreturn void child(const struct job *job)
{
	char root[4096];
	struct confine confine = { .uid = job->uid,
		.gid = job->uid,
		.empty_root = root,
		.flags = CONFINE_NO_NEWNET | CONFINE_WITH_PARENT | CONFINE_CONNECT_TCP };
	struct error err = { .code = ERR_NONE };
	int sock;

	sys_signals_reset();
	snprintf(
		root, sizeof(root), "%s/%s/%s", job->sandbox->plan->pod_dir, SANDBOX_DIR, ROOT_DIR);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || sys_not_dumpable() < 0 ||
		cgroup_enter(job->cgroup, job->cgroup_already, &err) < 0 ||
		setns(job->sandbox->net_fd, CLONE_NEWNET) < 0)
		tell(job->result_fd, PROBE_NET_SETUP, errno);
	sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || descriptors_settle(job->result_fd, sock) < 0)
		tell(job->result_fd, PROBE_NET_SETUP, errno);
#ifndef BULKHEAD_WEAK_PROBER
	if (confine_apply(&confine, &err) < 0)
		tell(RESULT_FD, PROBE_NET_SETUP, err.sys);
#else
	(void)confine;
#endif
	talk(job);
}

/* ---- the shim ------------------------------------------------------------------------------ */

static int identity(const struct sandbox *sandbox, uint32_t *ret_uid, struct error *err)
{
	*ret_uid = NOBODY;
	return sandbox->user_fd < 0 ? 0 : id_map_outside(&sandbox->map, NOBODY, ret_uid, err);
}

int probe_net_start(const struct sandbox *sandbox, const struct cgroup *cgroup,
	const Bulkhead__V1__ProbePlan *plan, int *ret_pidfd, int *ret_fd, struct error *err)
{
	struct clone_args args = { .flags = CLONE_PIDFD };
	struct job job = { .sandbox = sandbox, .cgroup = cgroup, .plan = plan };
	cleanup_close int read_fd = -1;
	cleanup_close int write_fd = -1;
	int pair[2];
	int pidfd = -1;
	int group_fd = cgroup_clone_fd(cgroup);
	pid_t pid;

	if (identity(sandbox, &job.uid, err) < 0)
		return -1;
	if (mkdirat(sandbox->scratch_dirfd, ROOT_DIR, 0555) < 0 && errno != EEXIST)
		return error_set(err, ERR_INTERNAL, errno, "cannot make a probe's directory");
	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "cannot make a pipe");
	read_fd = pair[0];
	write_fd = pair[1];
	job.result_fd = write_fd;
	args.pidfd = (uint64_t)(uintptr_t)&pidfd;
	if (group_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)group_fd;
		job.cgroup_already = 1u << cgroup->tree->unified;
	}
	pid = sys_clone3(&args);
	if (pid < 0)
		return error_set(err, error_code_of(errno), errno, "cannot clone");
	if (pid == 0)
		child(&job);
	*ret_pidfd = pidfd;
	*ret_fd = take_fd(&read_fd);
	return 0;
}
