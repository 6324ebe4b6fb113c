/*
 * Pods for the tests of auth/pss: the least pod that a level and version allows, and changes to it
 * as JSON (single quotes for double ones). null removes a member, a list replaces a list:
 *   {'spec': {...}, 'meta': {...}, 'c': {...}, 'i': {...}}
 * where c is the container, i the init container.
 */
#ifndef TESTS_UNIT_PSS_POD_H
#define TESTS_UNIT_PSS_POD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "auth/pss.h"
#include "proto/decode.h"
#include "proto/k8s.h"

static inline json_t *pss_json(const char *text)
{
	json_error_t error;
	char *copy = strdup(text);
	json_t *json;

	assert_non_null(copy);
	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	json = json_loads(copy, JSON_DECODE_ANY, &error);
	if (!json)
		fail_msg("%s: %s", copy, error.text);
	free(copy);
	return json;
}

/* RFC 7396 */
static inline void pss_merge(json_t *to, json_t *patch)
{
	const char *key;
	json_t *value;

	json_object_foreach(patch, key, value)
	{
		json_t *old = json_object_get(to, key);

		if (json_is_null(value)) {
			json_object_del(to, key);
		} else if (json_is_object(value)) {
			if (!json_is_object(old)) {
				json_object_set_new(to, key, json_object());
				old = json_object_get(to, key);
			}
			pss_merge(old, value);
		} else {
			json_object_set(to, key, value);
		}
	}
}

static inline void pss_patch(json_t *pod, const char *text)
{
	static const struct {
		const char *key, *list;
	} places[] = { { "c", "containers" }, { "i", "initContainers" } };
	json_t *patch = pss_json(text);
	json_t *spec = json_object_get(pod, "spec");

	if (json_object_get(patch, "meta"))
		pss_merge(json_object_get(pod, "metadata"), json_object_get(patch, "meta"));
	if (json_object_get(patch, "spec"))
		pss_merge(spec, json_object_get(patch, "spec"));
	for (size_t i = 0; i < 2; i++) {
		json_t *one = json_object_get(patch, places[i].key);

		if (one)
			pss_merge(json_array_get(json_object_get(spec, places[i].list), 0), one);
	}
	json_decref(patch);
}

/* What restricted asks for, by the version since which it does. */
static inline json_t *pss_least(enum pss_level level, unsigned minor)
{
	static const struct {
		unsigned since;
		const char *patch;
	} rows[] = {
		{ 0, "{'spec':{'securityContext':{'runAsNonRoot':true}}}" },
		{ 8, "{'c':{'securityContext':{'allowPrivilegeEscalation':false}},"
		     "'i':{'securityContext':{'allowPrivilegeEscalation':false}}}" },
		{ 19, "{'spec':{'securityContext':{'seccompProfile':{'type':'RuntimeDefault'}}}}" },
		{ 22, "{'c':{'securityContext':{'capabilities':{'drop':['ALL']}}},"
		      "'i':{'securityContext':{'capabilities':{'drop':['ALL']}}}}" },
	};
	json_t *pod = pss_json("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'p'},'spec':{"
			       "'initContainers':[{'name':'initcontainer1','image':'pause'}],"
			       "'containers':[{'name':'container1','image':'pause'}]}}");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (level == PSS_RESTRICTED && rows[i].since <= minor)
			pss_patch(pod, rows[i].patch);
	}
	return pod;
}

/* Through the manifest's decoder, as everywhere. */
static inline K8sPod *pss_pod_of(const json_t *json)
{
	char *text = json_dumps(json, 0);
	struct error err = { 0 };
	ProtobufCMessage *pod;

	assert_non_null(text);
	if (decode_object(K8S_POD_DESC, "v1", "Pod", text, strlen(text), &pod, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	free(text);
	return (K8sPod *)pod;
}

/* The message for the least pod with a change; "" when it is allowed. To be freed. */
static inline char *pss_verdict(
	const struct pss_policy *policy, const char *patch, struct violations *found)
{
	json_t *json = pss_least(policy->level, policy->minor);
	struct error err = { 0 };
	char *message;
	K8sPod *pod;

	pss_patch(json, patch);
	pod = pss_pod_of(json);
	json_decref(json);
	if (pss_judge(policy, pod, found, &err) < 0)
		fail_msg("%s", err.text);
	k8s_pod_free(pod);
	if (!violations_any(found))
		return strdup("");
	assert_int_equal(pss_message(policy, found, &message, &err), 0);
	return message;
}

#endif
