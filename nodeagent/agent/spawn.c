#include "nodeagent/agent/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <selinux/context.h>
#include <selinux/selinux.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"

#define CHILD_FD 3

/* What a child may see of the agent's environment: logging and debugging. */
static const char *const passed[] = { "JOURNAL_STREAM", "BULKHEAD_DEBUG" };

/* All strings are borrowed. Ends with NULL. */
struct environment {
	const char *strings[2 + ARRAY_LEN(passed) + SPAWN_ENV_MAX + 1];
};

/* "NAME=value" as it is in the agent's own environment; NULL when it is not set. */
static const char *own_variable(const char *name)
{
	size_t len = strlen(name);

	for (char **p = environ; *p; p++) {
		if (strncmp(*p, name, len) == 0 && (*p)[len] == '=')
			return *p;
	}
	return NULL;
}

static void environment_fill(struct environment *env, const char *const *extra)
{
	size_t n = 0;

	env->strings[n++] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	env->strings[n++] = "LC_ALL=C.UTF-8";
	for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
		const char *own = own_variable(passed[i]);

		if (own)
			env->strings[n++] = own;
	}
	for (size_t i = 0; extra && extra[i] && i < SPAWN_ENV_MAX; i++)
		env->strings[n++] = extra[i];
}

/* Descriptors in this order: stdin, stdout, the connection, nothing above it. */
static int actions_fill(posix_spawn_file_actions_t *actions, const struct spawn_config *config)
{
	const int fd = config->fd;
	int r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	if (r == 0 && config->quiet)
		r = posix_spawn_file_actions_addopen(
			actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	else if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, STDERR_FILENO, STDOUT_FILENO);
	if (r == 0 && fd >= 0)
		r = posix_spawn_file_actions_adddup2(actions, fd, CHILD_FD);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(
			actions, fd >= 0 ? CHILD_FD + 1 : CHILD_FD);
	if (r == 0)
		r = posix_spawn_file_actions_addchdir_np(actions, "/");
	return r;
}

/* A session of its own: a terminal's ^C reaches the agent alone, which then ends its children. */
static int attributes_fill(posix_spawnattr_t *attributes)
{
	const short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID;
	sigset_t all, none;
	int r;

	sigfillset(&all);
	sigemptyset(&none);
	r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setflags(attributes, flags);
	return r;
}

static int spawn(pid_t *ret, const struct spawn_config *config, const struct environment *env)
{
	char *const *argv = (char *const *)(uintptr_t)config->argv;
	char *const *envp = (char *const *)(uintptr_t)env->strings;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return r;
	r = posix_spawnattr_init(&attributes);
	if (r == 0) {
		r = actions_fill(&actions, config);
		if (r == 0)
			r = attributes_fill(&attributes);
		if (r == 0)
			r = posix_spawn(ret, config->program, &actions, &attributes, argv, envp);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

/* What a child of now on executes first, runs as 'domain'. NULL: as the policy says. */
static void domain_set(const char *domain)
{
	char *label = NULL;
	context_t context;

	if (!domain) {
		setexeccon(NULL);
		return;
	}
	if (getcon(&label) < 0)
		return;
	context = context_new(label);
	/* A policy without this type runs it as it runs the agent. */
	if (context && context_type_set(context, domain) == 0)
		setexeccon(context_str(context));
	if (context)
		context_free(context);
	freecon(label);
}

int spawn_program(struct spawned *ret, const struct spawn_config *config, struct error *err)
{
	const char *program = config->program;
	struct environment env = { 0 };
	struct spawned child = { .pidfd = -1 };
	bool labelled;
	int r;

	environment_fill(&env, config->env);
	labelled = config->domain && is_selinux_enabled() > 0;
	if (labelled)
		domain_set(config->domain);
	r = spawn(&child.pid, config, &env);
	if (labelled)
		domain_set(NULL);
	if (r != 0)
		return error_set(err, error_code_of(r), r, "cannot run '%s'", program);
	/* Nobody else reaps it, so the number is still its own. */
	child.pidfd = pidfd_open(child.pid, 0);
	if (child.pidfd < 0) {
		error_set(err, error_code_of(errno), errno, "cannot watch '%s'", program);
		kill(child.pid, SIGKILL);
		waitpid(child.pid, NULL, 0);
		return -1;
	}
	*ret = child;
	return 0;
}

int spawn_reap(struct spawned *child, struct error *err)
{
	siginfo_t info = { 0 };
	int r;

	do
		r = waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED);
	while (r < 0 && errno == EINTR);
	close(child->pidfd);
	child->pidfd = -1;
	if (r < 0 || info.si_pid == 0)
		return error_set(err, ERR_UNAVAILABLE, 0, "ended");
	if (info.si_code == CLD_EXITED)
		return error_set(err, ERR_UNAVAILABLE, 0, "exited with status %d", info.si_status);
	return error_set(err, ERR_UNAVAILABLE, 0, "was killed by signal %d", info.si_status);
}

void spawn_kill(const struct spawned *child)
{
	if (child->pidfd >= 0)
		pidfd_send_signal(child->pidfd, SIGKILL, NULL, 0);
}

/* 1 it ended, 0 not yet. */
static int await(const struct spawned *child, int timeout_ms)
{
	uint64_t end = monotonic_usec() + (uint64_t)timeout_ms * 1000;
	struct pollfd p = { .fd = child->pidfd, .events = POLLIN };
	int r;

	do {
		uint64_t now = monotonic_usec();

		r = poll(&p, 1, now < end ? (int)((end - now + 999) / 1000) : 0);
	} while (r < 0 && errno == EINTR);
	return r > 0;
}

void spawn_end(struct spawned *child, int timeout_ms)
{
	if (child->pidfd < 0)
		return;
	if (!await(child, timeout_ms))
		spawn_kill(child);
	spawn_reap(child, NULL);
}

int spawn_tool(const struct spawn_config *config, int timeout_ms, struct error *err)
{
	const char *program = config->program;
	struct spawned child = { .pidfd = -1 };
	siginfo_t info = { 0 };
	int ended;

	if (spawn_program(&child, config, err) < 0)
		return -1;
	ended = await(&child, timeout_ms);
	if (ended && waitid(P_PIDFD, (id_t)child.pidfd, &info, WEXITED | WNOWAIT) == 0 &&
		info.si_code == CLD_EXITED && info.si_status == 0) {
		spawn_reap(&child, NULL);
		return 0;
	}
	if (!ended) {
		spawn_end(&child, 0);
		return error_set(
			err, ERR_TIMEOUT, 0, "'%s' did not end within %d ms", program, timeout_ms);
	}
	spawn_reap(&child, err);
	err->code = ERR_INTERNAL;
	return error_prefix(err, "'%s'", program);
}
