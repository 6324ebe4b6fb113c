/*
 * Starts a program for the agent: signals reset, a session of its own, an environment of a few
 * known variables, working directory "/", and no descriptor but stderr and the one meant for it.
 */
#ifndef NODEAGENT_AGENT_SPAWN_H
#define NODEAGENT_AGENT_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/error.h"

#define SPAWN_ENV_MAX 8

/* What to run. Borrowed. */
struct spawn_config {
	const char *program;     /* absolute path */
	const char *const *argv; /* [0] is the name that the process shows; ends with NULL */
	/* "NAME=value" beside the usual; ends with NULL, at most SPAWN_ENV_MAX. NULL: none. */
	const char *const *env;
	/* SELinux type to run as, for a program that the policy cannot tell by its file; NULL: as
	 * the policy has it. Ignored where it is not known. */
	const char *domain;
	bool quiet; /* stdout is /dev/null, not the agent's stderr */
	int fd;     /* becomes descriptor 3, stays the caller's; -1: there is none */
};

/* A child process. Whoever holds it reaps it through the pidfd. */
struct spawned {
	pid_t pid;
	int pidfd; /* owned; -1: none */
};

/*
 * stdin is /dev/null, stdout (unless 'quiet') and stderr are the agent's stderr. An execve(2) that
 * fails is reported here.
 */
int spawn_program(struct spawned *ret, const struct spawn_config *config, struct error *err);

/*
 * Runs a short-lived tool to its end, at most 'timeout_ms', then it is killed. An exit status other
 * than 0 is ERR_INTERNAL.
 */
int spawn_tool(const struct spawn_config *config, int timeout_ms, struct error *err);

/*
 * Reaps the process that ended (the pidfd is readable), closes the pidfd, and says in 'err' how it
 * ended: "exited with status 1", "was killed by signal 9". Always -1, code ERR_UNAVAILABLE.
 */
int spawn_reap(struct spawned *child, struct error *err);

/* Waits up to 'timeout_ms' for its end, then kills it; reaps it. */
void spawn_end(struct spawned *child, int timeout_ms);

/* SIGKILL, if it is still there. */
void spawn_kill(const struct spawned *child);

#endif
