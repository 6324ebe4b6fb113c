/*
 * Calls of one pod that go on: logs that are followed, execs, debug containers. In the pod's list;
 * methods_stream.c and methods_debug.c alone.
 */
#ifndef NODEAGENT_AGENT_STREAM_H
#define NODEAGENT_AGENT_STREAM_H

#include "nodeagent/agent/api.h"
#include "nodeagent/agent/pod.h"

struct stream {
	struct stream *next;
	struct pod *pod;
	struct call *call;
	bool exec;        /* or a debug container, which the shim tells of in the same words */
	bool started;     /* exec: its descriptors were handed on */
	uint64_t exec_id; /* exec: what the shim knows it by */
	const struct pod_container *container; /* logs: whose run is followed */
	struct debug *debug;                   /* a debug container's; owned, NULL: it is none */
};

/* Joins the pod's list and becomes the call's state. NULL with 'err': there are too many. */
struct stream *stream_new(struct pod *pod, struct call *call, struct error *err);
struct stream *stream_exec_new(struct pod *pod, struct call *call, struct error *err);
void stream_free(struct stream *stream);

/*
 * OpenShift's SCCExecRestrictions: who runs something in a pod must be one who could have made it
 * as it is, by constraints of their own and not of its service account. Completes 'pod' (a copy).
 */
int stream_constrain(
	const struct pod *pod, const struct call *call, K8sPod *copy, struct error *err);

/* ---- methods_debug.c ----------------------------------------------------------------------- */

void debug_free(struct debug *debug);
void debug_started(const struct stream *stream);
void debug_ended(const struct stream *stream, int exit_code);

#endif
