/*
 * What the CLI's commands share: the parsed flags, the connection made when first needed, and one
 * function a command. main.c has the table of commands.
 */
#ifndef NODEAGENT_CTL_CTL_H
#define NODEAGENT_CTL_CTL_H

#include "bulkhead/v1/node.pb-c.h"
#include "nodeagent/ctl/args.h"
#include "nodeagent/ctl/client.h"
#include "proto/k8s.h"
#include "proto/k8s_policy.h"

/* Exit codes; exec returns the remote command's own. */
#define CTL_OK      0
#define CTL_FAILED  1
#define CTL_INVALID 2 /* explain: the input is not a valid manifest */
#define CTL_DRIFT                                                                                  \
	3 /* drift: something differs from what was admitted; network why: no way there            \
	   */

struct ctl {
	const struct args *args;
	Bulkhead__V1__Context *context; /* NULL until ctl_connect() */
	struct client *client;          /* NULL until ctl_connect() */
};

/* Reads the context file and prepares the client; nothing when that was done. */
int ctl_connect(struct ctl *ctl, struct error *err);

/* Connects if need be and makes one unary call. *ret is the caller's. */
int ctl_call(struct ctl *ctl, const char *method, const ProtobufCMessage *request,
	ProtobufCMessage **ret, struct error *err);

/* The project to act in: -n, else the context's, else "default". Borrowed. */
const char *ctl_project(const struct ctl *ctl);

/* Frees a message of any type; NULL is allowed. */
void ctl_free(void *message);
static inline void cleanup_message_fn(void *p)
{
	ctl_free(*(void **)p);
}
#define cleanup_message __attribute__((cleanup(cleanup_message_fn)))

/*
 * What kind of object a word names ("pods", "po", "pod/web" sets *ret_name). Errors: ERR_INVALID
 * lists the kinds.
 */
enum ctl_kind {
	CTL_PODS,
	CTL_PROJECTS,
	CTL_NODES,
	CTL_SECRETS,
	CTL_IMAGES,
	CTL_QUOTAS,
	CTL_POLICIES,
	CTL_EGRESS
};
int ctl_kind(const char *word, enum ctl_kind *ret, const char **ret_name, struct error *err);

/*
 * What the words behind the verb name: "pods a b" or "pod/a pod/b", all of one kind. No name when
 * none is given. Borrowed from argv. Errors: ERR_INVALID.
 */
struct ctl_names {
	enum ctl_kind kind;
	const char *items[ARGS_LIST_MAX];
	size_t len;
};
int ctl_names(const struct args *args, struct ctl_names *ret, struct error *err);

/*
 * Calls one of 'each' for every object in the -f files, in order; of a folder its *.yaml, *.yml and
 * *.json by name. Stops at the first failure. A kind without its function is refused as
 * no pod.
 */
typedef int (*ctl_pod_fn)(struct ctl *ctl, K8sPod *pod, void *user, struct error *err);
typedef int (*ctl_policy_fn)(
	struct ctl *ctl, K8sNetworkPolicy *policy, void *user, struct error *err);
typedef int (*ctl_egress_fn)(
	struct ctl *ctl, Bulkhead__V1__EgressNetworkPolicy *policy, void *user, struct error *err);
struct ctl_each {
	ctl_pod_fn pod;
	ctl_policy_fn policy;
	ctl_egress_fn egress;
};
int ctl_each_object(struct ctl *ctl, const struct ctl_each *each, void *user, struct error *err);

/* Of an object that may have no namespace: it gets -n's; one with another is a contradiction. */
int ctl_settle_project(struct ctl *ctl, K8sObjectMeta *meta, struct error *err);

/*
 * The commands: an exit code, or -1 with 'err' set (main prints it and exits 1).
 * Words and flags were checked against the table before.
 */
int ctl_apply(struct ctl *ctl, struct error *err);
int ctl_create_project(struct ctl *ctl, struct error *err);
int ctl_create_secret(struct ctl *ctl, struct error *err);
int ctl_create_quota(struct ctl *ctl, struct error *err);

/* quota.c: what get, describe and delete do with quotas. */
int ctl_quotas_list(struct ctl *ctl, ProtobufCMessage **ret, struct error *err);
int ctl_quota_describe(struct ctl *ctl, const char *name, struct error *err);
int ctl_quota_delete(struct ctl *ctl, const char *name, struct error *err);

/* policy.c: what apply, get, describe and delete do with network policies. */
int ctl_policy_apply(struct ctl *ctl, K8sNetworkPolicy *policy, void *user, struct error *err);
int ctl_policies_list(struct ctl *ctl, ProtobufCMessage **ret, struct error *err);
int ctl_policy_describe(struct ctl *ctl, const char *name, struct error *err);
int ctl_policy_delete(struct ctl *ctl, const char *project, const char *name, struct error *err);
/* "app=db,tier in (a,b)", "<none>" for one that selects all; cut to 'size'. */
void ctl_policy_selector(const K8sLabelSelector *selector, char *buf, size_t size);

/* egress.c: what apply, get, describe and delete do with egress firewalls. */
int ctl_egress_apply(
	struct ctl *ctl, Bulkhead__V1__EgressNetworkPolicy *policy, void *user, struct error *err);
int ctl_egress_list(struct ctl *ctl, ProtobufCMessage **ret, struct error *err);
int ctl_egress_describe(struct ctl *ctl, const char *name, struct error *err);
int ctl_egress_delete(struct ctl *ctl, const char *project, const char *name, struct error *err);
int ctl_get(struct ctl *ctl, struct error *err);
int ctl_describe(struct ctl *ctl, struct error *err);
int ctl_drift(struct ctl *ctl, struct error *err);
int ctl_label(struct ctl *ctl, struct error *err);
int ctl_network_join(struct ctl *ctl, struct error *err);
int ctl_network_isolate(struct ctl *ctl, struct error *err);
int ctl_network_global(struct ctl *ctl, struct error *err);
int ctl_network_why(struct ctl *ctl, struct error *err);
int ctl_network_trace(struct ctl *ctl, struct error *err);
int ctl_network_denials(struct ctl *ctl, struct error *err);
int ctl_network_check(struct ctl *ctl, struct error *err);
int ctl_profile(struct ctl *ctl, struct error *err);
int ctl_logs(struct ctl *ctl, struct error *err);
int ctl_exec(struct ctl *ctl, struct error *err);
int ctl_debug(struct ctl *ctl, struct error *err);
int ctl_delete(struct ctl *ctl, struct error *err);
int ctl_wait(struct ctl *ctl, struct error *err);
int ctl_image(struct ctl *ctl, struct error *err);
int ctl_explain(struct ctl *ctl, struct error *err);
int ctl_init(struct ctl *ctl, struct error *err);
int ctl_token_create(struct ctl *ctl, struct error *err);
int ctl_join(struct ctl *ctl, struct error *err);
int ctl_up(struct ctl *ctl, struct error *err);
int ctl_down(struct ctl *ctl, struct error *err);
int ctl_version(struct ctl *ctl, struct error *err);
int ctl_completion(struct ctl *ctl, struct error *err);

/* 'ms' as a call takes it: a time longer than fits becomes the longest, never none. */
int ctl_deadline_ms(uint64_t ms);

/* Waits until the pod is gone or 'timeout_s' passed (-1: for ever). */
int ctl_wait_gone(struct ctl *ctl, const char *project, const char *name, const char *uid,
	int64_t timeout_s, struct error *err);

/* "Running", "CrashLoopBackOff", "Completed"...: kubectl's STATUS column. Borrowed from the pod. */
const char *ctl_pod_status(const K8sPod *pod);

#endif
