/*
 * A node, an image and pods from short YAML for the test_plan*.c programs, which include it once
 * each. Pods are defaulted as the agent does it; what a test makes it frees with fixture_done().
 */
#ifndef TESTS_UNIT_PLAN_FIXTURE_H
#define TESTS_UNIT_PLAN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/defaults.h"
#include "auth/pod_edit.h"
#include "lib/cleanup.h"
#include "nodeagent/agent/plan.h"
#include "proto/decode.h"

#pragma GCC diagnostic ignored "-Wunused-function"

#define SLICE   268500992u
#define BLOCK   1000010000u
#define POD_UID "0b0c5e0a-3c0e-4b0e-8b62-1f0c6f7a0001"
#define GIB     (UINT64_C(1) << 30)
#define S(text) ((char *)(uintptr_t)(text))

struct fixture {
	Bulkhead__V1__NodeConfig config;
	struct plan_node node;
	struct plan_pod pod;
	K8sPod *owned;
	char *entrypoint[3], *cmd[3], *env[4], *layers[3];
	struct image image;
	const char *resolv[5];
	Bulkhead__V1__SandboxPlan *sandbox;
	Bulkhead__V1__ContainerPlan *container;
	Bulkhead__V1__SecretsStage *stage;
	Bulkhead__V1__VolumeOwn *own;
	struct error err;
};

static void fixture_init(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	bulkhead__v1__node_config__init(&f->config);
	f->config.node_name = S("node-1");
	f->config.state_dir = S("/var/lib/bulkhead");
	f->config.cgroup_parent = S("bulkhead");
	f->config.secretd_uid = 64202;
	f->config.image_base = 268369920;
	f->config.seccomp_dir = S("/etc/bulkhead/seccomp");
	f->config.token_issuer = S("https://node-1");
	f->resolv[0] = "nameserver 192.0.2.53";
	f->resolv[1] = "search example.net";
	f->node = (struct plan_node){ .config = &f->config,
		.node_uid = "node-uid",
		.node_address = "192.0.2.1",
		.ca_pem = "-----BEGIN CERTIFICATE-----\n",
		.memory_bytes = 8 * GIB,
		.cpu_millis = 2000,
		.resolv = f->resolv };
	f->entrypoint[0] = S("/entry");
	f->cmd[0] = S("serve");
	f->env[0] = S("PATH=/usr/bin:/bin");
	f->env[1] = S("FROM=image");
	f->layers[0] = S("/var/lib/bulkhead/images/layers/aa");
	f->layers[1] = S("/var/lib/bulkhead/images/layers/bb");
	f->image = (struct image){ .name = S("app:1"),
		.digest = S("sha256:00"),
		.layers = f->layers,
		.layers_len = 2,
		.entrypoint = f->entrypoint,
		.cmd = f->cmd,
		.env = f->env,
		.working_dir = S(""),
		.user = S(""),
		.stop_signal = S("") };
	f->pod = (struct plan_pod){
		.project = { .name = "red", .uids = { BLOCK, 10000 }, .mcs = "s0:c3,c2" },
		.slice = SLICE,
		.address = "10.128.0.5"
	};
}

static void fixture_clear(struct fixture *f)
{
	if (f->sandbox)
		bulkhead__v1__sandbox_plan__free_unpacked(f->sandbox, NULL);
	if (f->container)
		bulkhead__v1__container_plan__free_unpacked(f->container, NULL);
	if (f->stage)
		bulkhead__v1__secrets_stage__free_unpacked(f->stage, NULL);
	if (f->own)
		bulkhead__v1__volume_own__free_unpacked(f->own, NULL);
	f->sandbox = NULL;
	f->container = NULL;
	f->stage = NULL;
	f->own = NULL;
}

static void fixture_done(struct fixture *f)
{
	fixture_clear(f);
	k8s_pod_free(f->owned);
	f->owned = NULL;
}

static K8sPod *pod_decode(const char *yaml)
{
	ProtobufCMessage *message;
	struct error err;

	if (decode_object(K8S_POD_DESC, "v1", "Pod", yaml, strlen(yaml), &message, &err) < 0)
		fail_msg("%s\n%s", err.text, yaml);
	return (K8sPod *)message;
}

/* Replaces the fixture's pod. 'token': with the service account's volume. */
static void fixture_take(struct fixture *f, K8sPod *pod, int token)
{
	fixture_done(f);
	if (!token) {
		pod->spec->has_automountserviceaccounttoken = 1;
		pod->spec->automountserviceaccounttoken = 0;
	}
	if (pod_default(pod, "red", "x7k2p", &f->err) < 0)
		fail_msg("%s", f->err.text);
	assert_int_equal(edit_string(&pod->metadata->uid, POD_UID, &f->err), 0);
	f->owned = pod;
	f->pod.pod = pod;
}

/* A pod with this spec, in YAML's flow style. */
static void fixture_spec(struct fixture *f, const char *spec)
{
	cleanup_free char *yaml = NULL;

	assert_true(asprintf(&yaml,
			    "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: red}\n"
			    "spec: {%s}\n",
			    spec) > 0);
	fixture_take(f, pod_decode(yaml), 0);
}

/* A pod of one container "a" with these fields, the pod with those. Either may be "". */
static void fixture_container(struct fixture *f, const char *container, const char *pod)
{
	cleanup_free char *spec = NULL;

	assert_true(asprintf(&spec, "%s%scontainers: [{name: a, image: app%s%s}]", pod,
			    *pod ? ", " : "", *container ? ", " : "", container) > 0);
	fixture_spec(f, spec);
}

/* The plan of the pod's first container. 0 or -1 with f->err. */
static int fixture_plan(struct fixture *f)
{
	fixture_clear(f);
	return plan_container(&f->node, &f->pod, f->owned->spec->containers[0], false, 3, &f->image,
		&f->container, &f->err);
}

static void fixture_planned(struct fixture *f)
{
	if (fixture_plan(f) < 0)
		fail_msg("%s", f->err.text);
}

static void fixture_refused(struct fixture *f, enum error_code code, const char *text)
{
	if (fixture_plan(f) == 0)
		fail_msg("planned, although it should be refused: %s", text);
	if (f->err.code != code || !strstr(f->err.text, text))
		fail_msg("%s (%s), not %s: %s", f->err.text, error_code_name(f->err.code),
			error_code_name(code), text);
}

static int fixture_sandbox_try(struct fixture *f)
{
	fixture_clear(f);
	return plan_sandbox(&f->node, &f->pod, NULL, NULL, &f->sandbox, &f->err);
}

static void fixture_sandboxed(struct fixture *f)
{
	if (fixture_sandbox_try(f) < 0)
		fail_msg("%s", f->err.text);
}

static void fixture_sandbox_refused(struct fixture *f, enum error_code code, const char *text)
{
	if (fixture_sandbox_try(f) == 0)
		fail_msg("planned, although it should be refused: %s", text);
	if (f->err.code != code || !strstr(f->err.text, text))
		fail_msg("%s (%s), not %s: %s", f->err.text, error_code_name(f->err.code),
			error_code_name(code), text);
}

/* "a|b|c" of a list, to compare it at one glance. The caller frees it. */
static char *joined(char *const *list, size_t n)
{
	char *text = calloc(1, 1);
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		size_t more = strlen(list[i]);

		text = realloc(text, len + more + 2);
		assert_non_null(text);
		if (i)
			text[len++] = '|';
		memcpy(text + len, list[i], more + 1);
		len += more;
	}
	return text;
}

static void assert_list(char *const *list, size_t n, const char *expected)
{
	cleanup_free char *text = joined(list, n);

	assert_string_equal(text, expected);
}

#endif
