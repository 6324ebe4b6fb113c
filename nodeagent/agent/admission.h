/*
 * From what somebody asks for to what the node will run: one pod defaulted, judged and completed.
 * Reads the node's state and changes nothing.
 */
#ifndef NODEAGENT_AGENT_ADMISSION_H
#define NODEAGENT_AGENT_ADMISSION_H

#include "auth/rbac.h"
#include "bulkhead/v1/state.pb-c.h"
#include "lib/error.h"
#include "nodeagent/agent/node_facts.h"

struct agent;

/* Who asks, and where. Borrowed. */
struct admission {
	const struct agent *agent;
	const struct node_facts *facts;
	const struct principal *principal;
	const char *suffix; /* of the token volume: DEFAULTS_SUFFIX_LEN characters */
	const char *uid;    /* that the pod will have */
};

/*
 * 'asked' is the request's pod, left as it is. On success the caller frees *ret: pod, asked (the
 * defaulted one), project facts and images are set; slice and accepted_usec are not.
 *
 * Errors, in this order: ERR_INVALID (no name or project, a field that is invalid), ERR_NOT_FOUND
 * (project), ERR_UNAVAILABLE (nothing is known of the cluster yet), ERR_DENIED (no security context
 * constraint lets it in), ERR_UNSUPPORTED (a field that is not honoured), ERR_NOT_FOUND (image,
 * secret), and what else its plan would fail with. Each names the field.
 */
int admission_judge(const struct admission *admission, const K8sPod *asked,
	Bulkhead__V1__PodFile **ret, struct error *err);

/*
 * 'asked' once more, beside a pod that is there ('file' with its 'asked'): 0 when it is the same,
 * else ERR_PRECONDITION that names the first field that differs.
 */
int admission_compare(const Bulkhead__V1__PodFile *file, const K8sPod *asked, struct error *err);

/* Fills 'ret' with random characters. */
int admission_suffix(char ret[6], struct error *err);
int admission_uid(char ret[37], struct error *err);

#endif
