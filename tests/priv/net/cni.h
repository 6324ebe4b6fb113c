/*
 * bulkhead-cni as a runtime would run it, in a lab: the test listens in the agent's place and hands
 * the socket to netd.
 */
#ifndef TESTS_PRIV_NET_CNI_H
#define TESTS_PRIV_NET_CNI_H

#include <jansson.h>

#include "tests/priv/net/lab.h"

struct plugin_run {
	int status;     /* of its exit; -1: killed */
	unsigned code;  /* of the error; 0: none */
	char text[512]; /* its message */
	json_t *answer; /* NULL: nothing was printed */
};

/* Makes the socket once, and hands it to the netd that runs now. */
void cni_lab_listen(struct lab *lab, int *listen_fd);

/* NET_PROJECTS: names and VNIDs up to a NULL. The code of the answer. */
unsigned cni_lab_projects(struct lab *lab, const char *const *names, const uint32_t *vnids);

/* NET_SYNC of no pods; how many ports were removed. */
unsigned cni_lab_sync(struct lab *lab);

/*
 * Runs the plugin with these variables (all with "NAME=value", to NULL) and this standard input.
 * The caller frees 'answer'.
 */
struct plugin_run cni_lab_run(
	const struct lab *lab, const char *const *variables, const char *input);

/* The same of a verb about 'container', 'ifname' and the pod's namespace; 'args' may be NULL. */
struct plugin_run cni_lab_verb(const struct lab *lab, const char *verb, const char *container,
	const char *ifname, const struct pod *pod, const char *args, const char *input);

/* Path of the program. */
void cni_lab_program(const struct lab *lab, char path[512]);

#endif
