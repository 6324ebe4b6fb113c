/* Plans of whole pods, admitted as the agent does it, must be ones that the shim takes. */
#include "plan_fixture.h"

#include "auth/scc.h"
#include "lib/fdio.h"
#include "nodeagent/agent/plan_etc.h"
#include "nodeagent/agent/plan_security.h"
#include "nodeagent/shim/plan_check.h"
#include "nodeagent/shim/sandbox.h"

#include <fcntl.h>

static const Bulkhead__V1__ClusterSecret *find(void *user, const char *name)
{
	static Bulkhead__V1__ClusterSecretKey key = BULKHEAD__V1__CLUSTER_SECRET_KEY__INIT;
	static Bulkhead__V1__ClusterSecretKey *keys[] = { &key };
	static Bulkhead__V1__ClusterSecret secret = BULKHEAD__V1__CLUSTER_SECRET__INIT;

	(void)user;
	key.name = S("password");
	key.size = 8;
	secret.name = S("db");
	secret.node = S("node-1");
	secret.keys = keys;
	secret.n_keys = 1;
	return strcmp(name, "db") == 0 ? &secret : NULL;
}

/* Plans everything of the fixture's pod and asks the shim's own judge. */
static void check_all(struct fixture *f)
{
	const K8sPodSpec *spec = f->owned->spec;
	struct sandbox sandbox;
	struct id_map map = { 0 };
	uint64_t caps;

	fixture_clear(f);
	if (plan_sandbox(&f->node, &f->pod, find, NULL, &f->sandbox, &f->err) < 0 ||
		plan_check_sandbox(f->sandbox, &map, &f->err) < 0)
		fail_msg("%s", f->err.text);
	sandbox_init(&sandbox);
	sandbox.plan = f->sandbox;
	sandbox.tmpfs_len = f->sandbox->n_tmpfs;
	for (size_t i = 0; i < spec->n_initcontainers + spec->n_containers; i++) {
		bool init = i < spec->n_initcontainers;
		const K8sContainer *c = init ? spec->initcontainers[i]
					     : spec->containers[i - spec->n_initcontainers];
		Bulkhead__V1__ContainerPlan *plan;
		uint32_t outside;

		if (plan_container(&f->node, &f->pod, c, init, 0, &f->image, &plan, &f->err) < 0 ||
			plan_check_container(plan, &sandbox, &caps, &f->err) < 0)
			fail_msg("%s", f->err.text);
		if (plan->uid_set && id_map_outside(&map, plan->uid, &outside, &f->err) < 0)
			fail_msg("%s", f->err.text);
		for (size_t k = 0; k < plan->n_groups; k++)
			assert_int_equal(
				id_map_outside(&map, plan->groups[k], &outside, &f->err), 0);
		bulkhead__v1__container_plan__free_unpacked(plan, NULL);
	}
}

static int admit(struct fixture *f, K8sPod *pod, int token)
{
	struct scc_subject account;
	struct scc_result result;
	int n;

	fixture_take(f, pod, token);
	snprintf(f->pod.project.name, sizeof(f->pod.project.name), "%s", pod->metadata->namespace_);
	assert_int_equal(scc_subject_service_account(
				 &account, pod->metadata->namespace_, "default", &f->err),
		0);
	n = scc_admit(&account, NULL, &f->pod.project, pod, &result, NULL, &f->err);
	scc_subject_done(&account);
	return n;
}

static size_t file_check(struct fixture *f, const char *path, bool denied)
{
	cleanup_free char *text = NULL;
	struct decode_documents docs = { 0 };
	struct decode_document doc;
	size_t n = 0;

	if (file_read_at(AT_FDCWD, path, DECODE_SIZE_MAX, &text, &docs.size, &f->err) < 0)
		fail_msg("%s", f->err.text);
	docs.text = text;
	for (; decode_documents_next(&docs, &doc); n++) {
		ProtobufCMessage *message;

		if (decode_object(
			    K8S_POD_DESC, "v1", "Pod", doc.text, doc.size, &message, &f->err) < 0)
			fail_msg("%s: %s", path, f->err.text);
		if (admit(f, (K8sPod *)message, 1) < 0) {
			if (!denied)
				fail_msg("%s: %s", path, f->err.text);
			continue;
		}
		assert_false(denied);
		check_all(f);
	}
	return n;
}

static void test_files(void **state)
{
	static const struct {
		const char *path;
		size_t pods;
		bool denied;
	} files[] = {
		{ "examples/red.yaml", 2, false },
		{ "examples/blue.yaml", 1, false },
		{ "examples/default.yaml", 1, false },
		{ "examples/job.yaml", 1, false },
		{ "examples/privileged.yaml", 1, true },
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		assert_int_equal(file_check(&f, files[i].path, files[i].denied), files[i].pods);
	fixture_done(&f);
}

/* What restricted-v2 makes of a pod that says nothing. */
static void test_restricted(void **state)
{
	struct fixture f;
	const Bulkhead__V1__ContainerPlan *p;

	(void)state;
	fixture_init(&f);
	assert_int_equal(admit(&f,
				 pod_decode("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"
					    "spec: {containers: [{name: a, image: i}]}"),
				 1),
		0);
	fixture_planned(&f);
	p = f.container;
	assert_int_equal(p->uid, BLOCK);
	assert_true(p->uid_set && p->must_be_non_root && p->no_new_privs);
	assert_int_equal(p->n_groups, 1);
	assert_int_equal(p->groups[0], BLOCK);
	assert_int_equal(p->n_capabilities, 0);
	assert_int_equal(p->seccomp, BULKHEAD__V1__SECCOMP_KIND__SECCOMP_RUNTIME_DEFAULT);
	assert_int_equal(p->n_mounts, 1);
	assert_string_equal(p->mounts[0]->target, "/var/run/secrets/kubernetes.io/serviceaccount");
	assert_true(p->mounts[0]->read_only);
	f.node.selinux = true;
	fixture_planned(&f);
	assert_string_equal(f.container->selinux_label, "system_u:system_r:container_t:s0:c2,c3");
	assert_int_equal(plan_volume_own(&f.node, &f.pod, 0, &f.own, &f.err), 0);
	assert_int_equal(f.own->uid, BLOCK);
	assert_int_equal(f.own->gid, BLOCK);
	assert_true(f.own->group_readable);
	fixture_done(&f);
}

/* Pods with everything that is honoured, and names at their limits. */
static void test_others(void **state)
{
	static const char *const specs[] = {
		"hostname: h.x, containers: [{name: a, image: i, command: [x]}]",
		"hostUsers: true, containers: [{name: a, image: i, command: [x]}]",
		"securityContext: {sysctls: [{name: net.ipv4.tcp_rmem, value: 1 2 3}], "
		"seLinuxOptions: {level: s0}}, "
		"containers: [{name: a, image: i, securityContext: {capabilities: {add: [ALL]}}}]",
		"dnsPolicy: None, dnsConfig: {nameservers: [192.0.2.1], searches: [a.b], options: "
		"[{name: ndots}]}, "
		"hostAliases: [{ip: 192.0.2.7, hostnames: [a, b]}], containers: [{name: a, image: "
		"i}]",
		"volumes: [{name: m, emptyDir: {medium: Memory, sizeLimit: 1}}, {name: d, "
		"emptyDir: {}}, "
		"{name: s, projected: {sources: [{secret: {name: db}}]}}], "
		"initContainers: [{name: i, image: i, volumeMounts: [{name: m, mountPath: /m//}, "
		"{name: d, mountPath: /m/d}]}], "
		"containers: [{name: a, image: i, workingDir: /x, stdin: true, tty: true, env: "
		"[{name: A, value: b}], "
		"volumeMounts: [{name: s, mountPath: s}]}]",
		"containers: [{name: a, image: i, securityContext: {procMount: Unmasked, "
		"seccompProfile: "
		"{type: Localhost, localhostProfile: a/b.json}}}]",
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	f.node.selinux = true;
	f.node.cpu_millis = PLAN_CPUS_MAX * 1000ull;
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		fixture_spec(&f, specs[i]);
		check_all(&f);
	}
	/* The longest host name; the shim takes no byte more. */
	fixture_spec(&f, "containers: [{name: a, image: i}]");
	assert_int_equal(
		edit_string(&f.owned->metadata->name,
			"a.234567890123456789012345678901234567890123456789012345678901234",
			&f.err),
		0);
	check_all(&f);
	assert_int_equal(strlen(f.sandbox->hostname), PLAN_HOSTNAME_LEN_MAX);
	for (size_t len = 63; len <= 64; len++) {
		struct id_map map = { 0 };
		char name[80];

		memset(name, 'x', len);
		name[len] = '\0';
		name[30] = '.';
		assert_int_equal(edit_string(&f.sandbox->hostname, name, &f.err), 0);
		assert_int_equal(plan_check_sandbox(f.sandbox, &map, &f.err), len == 63 ? 0 : -1);
	}
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_restricted),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
