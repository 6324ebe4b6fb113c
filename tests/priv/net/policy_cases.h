/*
 * Policies written as YAML and pods as text, for what tests their flows. Everything lives until the
 * program ends.
 */
#ifndef TESTS_PRIV_NET_POLICY_CASES_H
#define TESTS_PRIV_NET_POLICY_CASES_H

#include "netplugin/policy.h"

#define CASE_PODS_MAX     32
#define CASE_POLICIES_MAX 32
#define CASE_PROJECTS_MAX 8

struct policy_case {
	struct policy_input input;
	struct policy_pod pods[CASE_PODS_MAX];
	struct policy_project projects[CASE_PROJECTS_MAX];
	K8sNetworkPolicy *policies[CASE_POLICIES_MAX];
};

/* "app=web,tier=db" */
struct policy_labels case_labels(const char *text);
void case_pod(struct policy_case *c, const char *project, uint32_t address, const char *labels);
void case_project(struct policy_case *c, const char *name, const char *labels);
/* 'spec' is the text behind "spec: " in JSON. */
void case_policy(struct policy_case *c, const char *project, const char *name, const char *spec);

#endif
