/*
 * Pods for tests of auth/: short YAML in flow style, decoded and defaulted as the agent does it.
 */
#ifndef TESTS_UNIT_POD_CASES_H
#define TESTS_UNIT_POD_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/defaults.h"
#include "auth/violation.h"
#include "lib/cleanup.h"
#include "proto/decode.h"
#include "proto/k8s.h"

#define CASE_SUFFIX "bcdfg"

#define WITH_META(meta, spec) "{apiVersion: v1, kind: Pod, metadata: {" meta "}, spec: {" spec "}}"
#define POD(spec)             WITH_META("name: p", spec)
#define ONE                   "containers: [{name: c, image: i}]"
#define META(meta)            WITH_META(meta, ONE)
#define SPEC(fields)          POD(ONE ", " fields)
#define CONTAINER(more)       POD("containers: [{name: c, image: i, " more "}]")
#define VOLUME(source)        SPEC("volumes: [{name: v, " source "}]")
#define MOUNTED(mounts)                                                                            \
	POD("containers: [{name: c, image: i, volumeMounts: [" mounts                              \
	    "]}], volumes: [{name: v, emptyDir: {}}, {name: w, emptyDir: {}}]")

static inline K8sPod *case_decode(const char *yaml)
{
	struct error err = { 0 };
	ProtobufCMessage *msg = NULL;

	if (decode_object(K8S_POD_DESC, "v1", "Pod", yaml, strlen(yaml), &msg, &err) < 0)
		fail_msg("%s\n%s", err.text, yaml);
	return (K8sPod *)msg;
}

static inline K8sPod *case_pod(const char *yaml)
{
	struct error err = { 0 };
	K8sPod *pod = case_decode(yaml);

	if (pod_default(pod, "red", CASE_SUFFIX, &err) < 0)
		fail_msg("%s\n%s", err.text, yaml);
	return pod;
}

static inline const struct violation *case_find(
	const struct violations *list, const char *field, const char *part)
{
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->items[i].field, field) == 0 && strstr(list->items[i].reason, part))
			return &list->items[i];
	}
	return NULL;
}

static inline void case_print(const struct violations *list)
{
	for (size_t i = 0; i < list->n; i++)
		fprintf(stderr, "# %s: %s: %s\n", list->items[i].check, list->items[i].field,
			list->items[i].reason);
}

/* With a field: that objection, of this check and code, is there. Without: none is. */
static inline void case_expect(const struct violations *list, const char *yaml, const char *check,
	enum error_code code, const char *field, const char *part)
{
	const struct violation *found;

	if (!field) {
		if (violations_any(list)) {
			case_print(list);
			fail_msg("refused: %s", yaml);
		}
		return;
	}
	found = case_find(list, field, part);
	if (!found) {
		case_print(list);
		fail_msg("lacks '%s: %s': %s", field, part, yaml);
		return;
	}
	assert_string_equal(found->check, check);
	assert_int_equal(found->code, code);
	assert_null(strchr(found->reason, '\n'));
}

#endif
