/*
 * The calls that bulkhead-api forwards: authorized by one table of methods (methods.c), answered by
 * one handler each. A handler answers at once or keeps the call and answers later.
 */
#ifndef NODEAGENT_AGENT_API_H
#define NODEAGENT_AGENT_API_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/rbac.h"
#include "bulkhead/v1/ipc.pb-c.h"
#include "bulkhead/v1/node.pb-c.h"
#include "lib/error.h"

#define JOINS_MAX     8    /* nodes that join at a time */
#define API_CALLS_MAX 1024 /* under way at a time, as bulkhead-api's own limit */

struct agent;
struct api;

/* One call under way. Freed by the answer that ends it, or when the caller went away. */
struct call {
	struct agent *agent;
	uint64_t id;
	struct principal principal; /* name and groups stay valid as long as the call */
	const char *method;         /* "ApplyPod" */
	const char *peer;
	uint64_t received_usec;    /* CLOCK_MONOTONIC */
	ProtobufCMessage *message; /* the request, owned by the call */
	/*
	 * For a handler that keeps the call: 'state' is its own, 'gone' is called when the caller
	 * went away or bulkhead-api died; afterwards the call must not be touched. Not called after
	 * an ending answer.
	 */
	void *state;
	void (*gone)(struct call *call);
};

/* Starts the supervised daemon. */
int api_new(struct api **ret, struct agent *agent, struct error *err);
void api_free(struct api *api);

/* One response; with 'end' the last, and the call is freed. */
void call_reply(struct call *call, const ProtobufCMessage *message, bool end);
/* Opens the byte stream of a call; descriptors are borrowed. */
void call_reply_stream(
	struct call *call, Bulkhead__V1__StreamKind kind, const int *fds, size_t fds_len);
/* Ends the call with success and no (further) message. */
void call_end(struct call *call);
/* Ends the call with an error. */
void call_fail(struct call *call, const struct error *err);

/*
 * rbac_authorize() for the call's principal, audited by one log record. methods.c's table does it
 * for every call: a handler needs it only for what its row does not say.
 */
int call_authorize(struct call *call, const char *verb, const char *resource, const char *project,
	struct error *err);

/* The same question without a record: for lists that show each caller its own part. */
bool call_may(const struct call *call, const char *verb, const char *resource, const char *project);

/* The handlers of methods.c's table; each owns the call from then on. The table's row has
 * authorized the call before. */
typedef void (*call_fn)(struct agent *agent, struct call *call);

/* methods_pod.c */
void method_apply_pod(struct agent *agent, struct call *call);
void method_review_pod(struct agent *agent, struct call *call);
void method_list_pods(struct agent *agent, struct call *call);
void method_watch_pods(struct agent *agent, struct call *call);
void method_delete_pod(struct agent *agent, struct call *call);
void method_describe_pod(struct agent *agent, struct call *call);
/* pod_profile.c */
void method_pod_profile(struct agent *agent, struct call *call);

/* pod_drift.c */
void method_pod_drift(struct agent *agent, struct call *call);

/* methods_debug.c */
void method_debug(struct agent *agent, struct call *call);

/* methods_stream.c */
void method_pod_logs(struct agent *agent, struct call *call);
void method_exec(struct agent *agent, struct call *call);
/* methods_cluster.c */
void method_create_project(struct agent *agent, struct call *call);
void method_list_projects(struct agent *agent, struct call *call);
void method_label_project(struct agent *agent, struct call *call);
void method_move_projects(struct agent *agent, struct call *call);
void method_delete_project(struct agent *agent, struct call *call);
void method_put_secret(struct agent *agent, struct call *call);
void method_put_quota(struct agent *agent, struct call *call);
void method_apply_network_policy(struct agent *agent, struct call *call);
void method_list_network_policies(struct agent *agent, struct call *call);
void method_delete_network_policy(struct agent *agent, struct call *call);
void method_apply_egress(struct agent *agent, struct call *call);
void method_list_egress(struct agent *agent, struct call *call);
void method_delete_egress(struct agent *agent, struct call *call);
void method_list_quotas(struct agent *agent, struct call *call);
void method_delete_quota(struct agent *agent, struct call *call);
void method_list_secrets(struct agent *agent, struct call *call);
void method_delete_secret(struct agent *agent, struct call *call);
/* methods_node.c */
void method_list_nodes(struct agent *agent, struct call *call);
void method_get_version(struct agent *agent, struct call *call);
/* methods_trace.c */
void method_trace_network(struct agent *agent, struct call *call);
void method_check_network(struct agent *agent, struct call *call);
void method_list_denials(struct agent *agent, struct call *call);
/* methods_join.c */
void method_join_node(struct agent *agent, struct call *call);
void method_delete_node(struct agent *agent, struct call *call);
/* methods_import.c */
void method_import_image(struct agent *agent, struct call *call);
void method_list_images(struct agent *agent, struct call *call);
void method_remove_image(struct agent *agent, struct call *call);

#endif
