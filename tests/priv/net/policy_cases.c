#include "tests/priv/net/policy_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "proto/decode.h"

#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "policy case: %s\n", #condition);                          \
			exit(99);                                                                  \
		}                                                                                  \
	} while (0)

struct policy_labels case_labels(const char *text)
{
	Bulkhead__V1__NetLabel **items = calloc(16, sizeof(Bulkhead__V1__NetLabel *));
	char *copy = strdup(text), *rest = copy, *word;
	size_t n = 0;

	must(items && copy);
	while ((word = strsep(&rest, ","))) {
		char *equals = strchr(word, '=');

		if (!equals)
			continue;
		*equals = '\0';
		must(n < 16 && (items[n] = malloc(sizeof(*items[n]))));
		bulkhead__v1__net_label__init(items[n]);
		items[n]->key = word;
		items[n++]->value = equals + 1;
	}
	return (struct policy_labels){ items, n };
}

void case_pod(struct policy_case *c, const char *project, uint32_t address, const char *labels)
{
	must(c->input.pods_len < CASE_PODS_MAX);
	c->pods[c->input.pods_len++] = (struct policy_pod){ .project = project,
		.labels = case_labels(labels ? labels : ""),
		.labels_known = labels != NULL,
		.address = address };
	c->input.pods = c->pods;
}

void case_project(struct policy_case *c, const char *name, const char *labels)
{
	must(c->input.projects_len < CASE_PROJECTS_MAX);
	c->projects[c->input.projects_len++] =
		(struct policy_project){ .name = name, .labels = case_labels(labels) };
	c->input.projects = c->projects;
}

void case_policy(struct policy_case *c, const char *project, const char *name, const char *spec)
{
	ProtobufCMessage *message;
	struct error err = { 0 };
	cleanup_free char *text = NULL;

	must(asprintf(&text,
		     "{\"apiVersion\": \"networking.k8s.io/v1\", \"kind\": \"NetworkPolicy\","
		     " \"metadata\": {\"name\": \"%s\", \"namespace\": \"%s\"}, \"spec\": %s}",
		     name, project, spec) > 0);
	if (decode_object(K8S_NETWORK_POLICY_DESC, K8S_NETWORK_POLICY_VERSION,
		    K8S_NETWORK_POLICY_KIND, text, strlen(text), &message, &err) < 0) {
		fprintf(stderr, "policy case: %s: %s\n", spec, err.text);
		exit(99);
	}
	must(c->input.policies_len < CASE_POLICIES_MAX);
	c->policies[c->input.policies_len++] = (K8sNetworkPolicy *)message;
	c->input.policies = c->policies;
}
