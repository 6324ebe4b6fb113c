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

/* ---- with cmocka's assertions ---------------------------------------------------------------- */

/* A configuration; 'more' is members with a comma before each. The next call's takes its place. */
const char *cni_config(
	const struct lab *lab, const char *version, const char *network, const char *more);
const char *cni_with_prev(
	const struct lab *lab, const char *version, const char *network, const json_t *prev);
/* CNI_ARGS as Kubernetes' runtimes give it; the next call's takes its place. */
const char *cni_args(const char *project);

/* The exit, and of a refusal code and message. */
void cni_is_done(struct plugin_run run);
void cni_is_refused(struct plugin_run run, unsigned code, const char *says);

/* ADD and DEL in network "pods"; ADD fills pod->address, and the caller owns its result. */
json_t *cni_attach(const struct lab *lab, struct pod *pod, const char *container,
	const char *ifname, const char *project, const char *version);
void cni_detach(const struct lab *lab, const char *container, const char *ifname);

/* Ports of the bridge. */
unsigned cni_ports(const struct lab *lab);

/* Wait for it, some seconds. */
void cni_flows_become(struct lab *lab, const char *expected);
void cni_status_becomes(const struct lab *lab, unsigned code);

#endif
