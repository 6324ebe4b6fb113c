#include "nodeagent/agent/plan_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/pod_edit.h"
#include "lib/cleanup.h"

int plan_no_memory(struct error *err)
{
	return error_set(err, ERR_EXHAUSTED, 0, "no memory for the plan");
}

int plan_print(char **field, struct error *err, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		return plan_no_memory(err);
	}
	return edit_string(field, text, err);
}

int plan_append(char ***list, size_t *n, struct error *err, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0) {
		text = NULL;
		return plan_no_memory(err);
	}
	return edit_append_string(list, n, text, err);
}

const char *plan_container_field(
	const K8sPodSpec *spec, const K8sContainer *container, char buf[PLAN_FIELD_SIZE])
{
	for (size_t i = 0; i < spec->n_initcontainers; i++) {
		if (spec->initcontainers[i] == container) {
			snprintf(buf, PLAN_FIELD_SIZE, "spec.initContainers[%zu]", i);
			return buf;
		}
	}
	for (size_t i = 0; i < spec->n_containers; i++) {
		if (spec->containers[i] == container) {
			snprintf(buf, PLAN_FIELD_SIZE, "spec.containers[%zu]", i);
			return buf;
		}
	}
	snprintf(buf, PLAN_FIELD_SIZE, "container '%.63s'", plan_or_empty(container->name));
	return buf;
}
