/* up and down: a node's life as the operator sees it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/ctl/node_files.h"

#define READY_TIMEOUT 60 /* seconds until a node must answer */

static int open_log(const char *state, int flags, struct error *err)
{
	char log[PATH_MAX];
	int fd;

	snprintf(log, sizeof(log), "%s/agent.log", state);
	fd = open(log, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		error_set(err, error_code_of(errno), errno, "cannot open %s", log);
	return fd;
}

/* Where the last 'size' bytes of the file begin. */
static off_t tail_offset(int fd, size_t size)
{
	off_t end = lseek(fd, 0, SEEK_END);

	return end > (off_t)size ? end - (off_t)size : 0;
}

/*
 * Starts the agent in a session of its own with its messages in <state>/agent.log, forked twice, so
 * that it is nobody's child and outlives the terminal. *ret_pidfd tells when it ends.
 */
static int start_agent(const Bulkhead__V1__NodeConfig *config, int *ret_pidfd, struct error *err)
{
	char program[PATH_MAX];
	char file[PATH_MAX];
	char *argv[] = { program, (char *)(uintptr_t) "--config", file, NULL };
	cleanup_close int log_fd = open_log(config->state_dir, O_WRONLY | O_CREAT | O_APPEND, err);
	cleanup_close int told_fd = -1;
	int pair[2];
	pid_t pid, agent = -1;

	snprintf(program, sizeof(program), "%s/bulkhead-agent", config->libexec_dir);
	snprintf(file, sizeof(file), "%s/node.yaml", config->state_dir);
	if (log_fd < 0)
		return -1;
	if (access(program, X_OK) < 0 || pipe2(pair, O_CLOEXEC) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot run '%s'", program);
	told_fd = pair[0];
	pid = fork();
	if (pid == 0) {
		int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (null_fd < 0 || setsid() < 0)
			_exit(1);
		agent = fork();
		if (agent != 0)
			_exit(write(pair[1], &agent, sizeof(agent)) != sizeof(agent));
		dup2(null_fd, STDIN_FILENO);
		dup2(log_fd, STDOUT_FILENO);
		dup2(log_fd, STDERR_FILENO);
		close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
		execv(program, argv);
		_exit(127);
	}
	close(pair[1]);
	if (pid < 0 || read(told_fd, &agent, sizeof(agent)) != sizeof(agent) || agent < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "cannot fork");
	waitpid(pid, NULL, 0);
	*ret_pidfd = (int)syscall(SYS_pidfd_open, agent, 0);
	return 0;
}

/* 1 ready, 0 not yet; *err then says why not. */
static int node_is_ready(struct ctl *ctl, struct error *err)
{
	Bulkhead__V1__ListNodesRequest request;
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__ListNodesResponse *list;

	bulkhead__v1__list_nodes_request__init(&request);
	if (ctl_connect(ctl, err) < 0 ||
		client_unary(ctl->client, "ListNodes", &request.base, &response, 2000, err) < 0)
		return 0;
	list = (Bulkhead__V1__ListNodesResponse *)response;
	for (size_t i = 0; i < list->n_nodes; i++) {
		const Bulkhead__V1__NodeInfo *node = list->nodes[i];

		for (size_t j = 0; j < node->n_conditions; j++) {
			const Bulkhead__V1__NodeCondition *c = node->conditions[j];

			if (strcmp(c->type, "Ready") != 0)
				continue;
			if (strcmp(c->status, "True") == 0)
				return 1;
			error_set(err, ERR_UNAVAILABLE, 0, "%s",
				*c->message ? c->message : c->reason);
			return 0;
		}
	}
	error_set(err, ERR_UNAVAILABLE, 0, "the node has not registered itself yet");
	return 0;
}

/* The agent ended while it was waited for: the last thing it logged says why. */
static int ended_early(const char *state, struct error *err)
{
	cleanup_close int fd = open_log(state, O_RDONLY, NULL);
	char tail[1024] = "";
	ssize_t n =
		fd < 0 ? 0 : pread(fd, tail, sizeof(tail) - 1, tail_offset(fd, sizeof(tail) - 1));
	char *line;

	while (n > 0 && tail[n - 1] == '\n')
		tail[--n] = '\0';
	line = strrchr(tail, '\n');
	return error_set(err, ERR_PRECONDITION, 0, "the agent ended: %s", line ? line + 1 : tail);
}

/* 'pidfd' is the agent's, or -1. */
static int wait_ready(const char *state, int pidfd, struct error *err)
{
	char path[PATH_MAX];
	struct args args = { .context = path };
	struct ctl ctl = { .args = &args };
	struct pollfd agent = { .fd = pidfd, .events = POLLIN };
	uint64_t start = monotonic_usec();
	int ready = 0;

	snprintf(path, sizeof(path), "%s/context.yaml", state);
	while (!ready && !agent.revents &&
		monotonic_usec() - start < READY_TIMEOUT * UINT64_C(1000000)) {
		ready = node_is_ready(&ctl, err);
		if (!ready)
			poll(&agent, 1, 100);
	}
	client_free(ctl.client);
	ctl_free(ctl.context);
	if (!ready && agent.revents)
		return ended_early(state, err);
	if (!ready)
		return error_prefix(err, "the node is not ready after %d s (see %s/agent.log)",
			READY_TIMEOUT, state);
	printf("node is ready after %.1f s\n", (double)(monotonic_usec() - start) / 1e6);
	return 0;
}

int ctl_up(struct ctl *ctl, struct error *err)
{
	const char *state = or_default(ctl->args->state_dir, NODE_STATE_DIR);
	cleanup_message Bulkhead__V1__NodeConfig *config = NULL;
	cleanup_close int pidfd = -1;

	if (node_read_config(state, &config, err) < 0 || start_agent(config, &pidfd, err) < 0)
		return -1;
	return wait_ready(state, pidfd, err);
}

/* Sends SIGTERM to the agent of the pid file, by a descriptor checked against its program. */
static int stop_agent(const Bulkhead__V1__NodeConfig *config, struct error *err)
{
	cleanup_close int run_fd = open(config->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_free char *text = NULL;
	cleanup_close int pid_fd = -1;
	char exe[PATH_MAX];
	char link[64];
	size_t size;
	ssize_t n;
	struct pollfd p = { .events = POLLIN };

	if (run_fd < 0 || file_read_at(run_fd, "agent.pid", 32, &text, &size, NULL) < 0)
		return 0;
	pid_fd = (int)syscall(SYS_pidfd_open, atoi(text), 0);
	snprintf(link, sizeof(link), "/proc/%d/exe", atoi(text));
	n = readlink(link, exe, sizeof(exe) - 1);
	if (pid_fd < 0 || n <= 0)
		return 0;
	exe[n] = '\0';
	if (!strstr(exe, "/bulkhead-agent"))
		return 0; /* the number was given to somebody else */
	if (syscall(SYS_pidfd_send_signal, pid_fd, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
		return error_set(err, error_code_of(errno), errno, "cannot stop the agent");
	p.fd = pid_fd;
	if (poll(&p, 1, 15000) == 0)
		return error_set(
			err, ERR_TIMEOUT, 0, "the agent (pid %d) does not stop", atoi(text));
	return 0;
}

int ctl_down(struct ctl *ctl, struct error *err)
{
	const char *state = or_default(ctl->args->state_dir, NODE_STATE_DIR);
	cleanup_message Bulkhead__V1__NodeConfig *config = NULL;
	char program[PATH_MAX];
	char file[PATH_MAX];
	char *argv[] = { program, (char *)(uintptr_t) "--teardown", (char *)(uintptr_t) "--config",
		file, ctl->args->purge ? (char *)(uintptr_t) "--purge" : NULL, NULL };

	if (ctl->args->purge && node_is_half_made(state)) {
		node_take_back(state);
		if (node_is_half_made(state))
			return error_set(err, ERR_DENIED, 0,
				"cannot remove %s/keys: it is root's to do", state);
		printf("removed what an 'init' or 'join' that was cut short left in %s\n", state);
		return CTL_OK;
	}
	if (node_read_config(state, &config, err) < 0 || stop_agent(config, err) < 0)
		return -1;
	snprintf(program, sizeof(program), "%s/bulkhead-agent", config->libexec_dir);
	snprintf(file, sizeof(file), "%s/node.yaml", state);
	return run_tool(argv, err);
}
