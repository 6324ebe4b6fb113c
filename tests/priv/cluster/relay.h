/*
 * A relay between a daemon and the database that can lose an answer: a child process that passes
 * bytes on from <dir>/relay.sock to <dir>/db.sock, one connection at a time.
 */
#ifndef TESTS_PRIV_CLUSTER_RELAY_H
#define TESTS_PRIV_CLUSTER_RELAY_H

#include <sys/types.h>

/* Returns its pid; it listens already. Ends with the test, or by SIGKILL. */
pid_t relay_start(const char *dir);

/*
 * The next bytes from the database are thrown away, and both connections are closed; the one after
 * that is passed on again.
 */
void relay_lose_next(pid_t pid);

#endif
