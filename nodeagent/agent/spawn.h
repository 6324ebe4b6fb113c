/*
 * Starts a program for the agent: signals reset, a process group of its own, an environment of a
 * few known variables, working directory "/", and no descriptor but stderr and the one meant for
 * it.
 */
#ifndef NODEAGENT_AGENT_SPAWN_H
#define NODEAGENT_AGENT_SPAWN_H

#include <sys/types.h>

#include "lib/error.h"

/* A child process. Whoever holds it reaps it through the pidfd. */
struct spawned {
	pid_t pid;
	int pidfd; /* owned; -1: none */
};

/*
 * 'program' is an absolute path, argv[0] the name that the process shows. 'fd' becomes descriptor 3
 * (-1: there is none); it stays the caller's. stdin is /dev/null, stdout and stderr are the agent's
 * stderr. An execve(2) that fails is reported here.
 */
int spawn_program(
	struct spawned *ret, const char *program, char *const *argv, int fd, struct error *err);

/*
 * Runs a short-lived tool to its end, at most 'timeout_ms', then it is killed. An exit status other
 * than 0 is ERR_INTERNAL.
 */
int spawn_tool(const char *program, char *const *argv, int timeout_ms, struct error *err);

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
