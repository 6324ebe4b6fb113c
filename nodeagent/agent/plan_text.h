/*
 * Text into plans: formatted strings and lines on the heap, as protobuf-c frees them, and how a
 * field is named in an error. For the plan_*.c files only.
 */
#ifndef NODEAGENT_AGENT_PLAN_TEXT_H
#define NODEAGENT_AGENT_PLAN_TEXT_H

#include <stddef.h>

#include "lib/error.h"
#include "proto/k8s.h"

#define PLAN_FIELD_SIZE 160 /* "spec.containers[0].volumeMounts[3].mountPath" fits */

/* Replaces a message's string. ERR_EXHAUSTED only. */
int plan_print(char **field, struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Appends to a message's repeated string. ERR_EXHAUSTED only. */
int plan_append(char ***list, size_t *n, struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* "spec.containers[1]" or "spec.initContainers[0]" of a container of this spec. Returns 'buf'. */
const char *plan_container_field(
	const K8sPodSpec *spec, const K8sContainer *container, char buf[PLAN_FIELD_SIZE]);

/* An empty string for NULL. */
static inline const char *plan_or_empty(const char *text)
{
	return text ? text : "";
}

int plan_no_memory(struct error *err);

#endif
