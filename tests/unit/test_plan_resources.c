#include "plan_fixture.h"

#include "nodeagent/agent/plan_resources.h"

/* What a container's resources become, alone in its pod. */
static const struct row {
	const char *resources;
	const char *qos;
	uint64_t shares;
	int64_t quota;
	uint64_t memory;
	int32_t oom;
} rows[] = {
	{ "", "BestEffort", 2, 0, 0, 1000 },
	{ "requests: {cpu: 0}", "BestEffort", 2, 0, 0, 1000 },
	{ "requests: {cpu: 1m}", "Burstable", 2, 0, 0, 999 },
	{ "requests: {cpu: 2m}", "Burstable", 2, 0, 0, 999 },
	{ "requests: {cpu: 3m}", "Burstable", 3, 0, 0, 999 },
	{ "requests: {cpu: 100m}", "Burstable", 102, 0, 0, 999 },
	{ "requests: {cpu: 1}", "Burstable", 1024, 0, 0, 999 },
	{ "requests: {cpu: 255999m}", "Burstable", 262142, 0, 0, 999 },
	{ "requests: {cpu: 256}", "Burstable", 262144, 0, 0, 999 },
	{ "requests: {cpu: 257}", "Burstable", 262144, 0, 0, 999 },
	{ "requests: {cpu: 1P}", "Burstable", 262144, 0, 0, 999 },
	{ "requests: {cpu: 0}, limits: {cpu: 500m}", "Burstable", 512, 50000, 0, 999 },
	{ "limits: {cpu: 500m}", "Burstable", 512, 50000, 0, 999 },
	{ "limits: {cpu: 1m}", "Burstable", 2, 1000, 0, 999 },
	{ "limits: {cpu: 10m}", "Burstable", 10, 1000, 0, 999 },
	{ "limits: {cpu: 11m}", "Burstable", 11, 1100, 0, 999 },
	{ "limits: {cpu: 2500m}", "Burstable", 2560, 250000, 0, 999 },
	{ "limits: {cpu: 1P}", "Burstable", 262144, INT64_C(1) << 43, 0, 999 },
	{ "limits: {memory: 64Mi}", "Burstable", 2, 0, 67108864, 993 },
	{ "requests: {memory: 16Mi}, limits: {memory: 64Mi}", "Burstable", 2, 0, 67108864, 999 },
	{ "requests: {memory: 4Gi}", "Burstable", 2, 0, 0, 500 },
	{ "requests: {memory: 8Gi}", "Burstable", 2, 0, 0, 3 },
	{ "requests: {memory: 7Ei}", "Burstable", 2, 0, 0, 3 },
	{ "requests: {memory: 1}", "Burstable", 2, 0, 0, 999 },
	{ "limits: {cpu: 1, memory: 64Mi}", "Guaranteed", 1024, 100000, 67108864, -997 },
	{ "requests: {cpu: 1, memory: 64Mi}, limits: {cpu: 1, memory: 64Mi}", "Guaranteed", 1024,
		100000, 67108864, -997 },
	{ "requests: {cpu: 500m, memory: 64Mi}, limits: {cpu: 1, memory: 64Mi}", "Burstable", 512,
		100000, 67108864, 993 },
	{ "requests: {cpu: 1, memory: 64Mi}, limits: {memory: 64Mi}", "Burstable", 1024, 0,
		67108864, 993 },
	{ "requests: {ephemeral-storage: 1Gi}", "BestEffort", 2, 0, 0, 1000 },
};

static void test_rows(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		char text[256];
		const Bulkhead__V1__CgroupLimits *l;

		snprintf(text, sizeof(text), "resources: {%s}", r->resources);
		fixture_container(&f, text, "");
		fixture_planned(&f);
		l = f.container->limits;
		if (strcmp(plan_qos(f.owned), r->qos) != 0 || l->cpu_shares != r->shares ||
			l->cpu_quota_us != r->quota || l->memory_max != r->memory ||
			l->cpu_period_us != (r->quota ? 100000 : 0) || l->pids_max != 0 ||
			f.container->oom_score_adj != r->oom)
			fail_msg("{%s}: %s, shares %lu, quota %ld, memory %lu, oom %d",
				r->resources, plan_qos(f.owned), (unsigned long)l->cpu_shares,
				(long)l->cpu_quota_us, (unsigned long)l->memory_max,
				f.container->oom_score_adj);
	}
	fixture_done(&f);
}

#define RES(cpu, memory) "resources: {limits: {cpu: " cpu ", memory: " memory "}}"
#define A(fields)        "{name: a, image: i, " fields "}"
#define B(fields)        "{name: b, image: i, " fields "}"
#define I(fields)        "{name: i, image: i, " fields "}"
#define J(fields)        "{name: j, image: i, " fields "}"
#define SIDECAR          "restartPolicy: Always, "

/* What several containers become together. */
static const struct pod_row {
	const char *spec;
	const char *qos;
	uint64_t shares;
	int64_t quota;
	uint64_t memory;
} pod_rows[] = {
	{ "containers: [" A(RES("1", "64Mi")) ", " B(RES("500m", "32Mi")) "]", "Guaranteed", 1536,
		150000, 96 << 20 },
	/* One without a limit: the pod has none. */
	{ "containers: [" A(RES("1", "64Mi")) ", " B("stdin: false") "]", "Burstable", 1024, 0, 0 },
	{ "containers: [" A(RES("1", "64Mi")) ", " B("resources: {limits: {memory: 32Mi}}") "]",
		"Burstable", 1024, 0, 96 << 20 },
	/* An init container runs alone: the larger of both. */
	{ "initContainers: [" I(RES("4", "16Mi")) "], containers: [" A(RES("1", "64Mi")) "]",
		"Guaranteed", 4096, 400000, 64 << 20 },
	{ "initContainers: [" I("stdin: false") "], containers: [" A(RES("1", "64Mi")) "]",
		"Burstable", 1024, 0, 0 },
	/* A sidecar adds to the containers, and to init containers after it. */
	{ "initContainers: [" I(SIDECAR RES("1", "8Mi")) ", " J(
		  RES("1", "100Mi")) "], containers: [" A(RES("1", "64Mi")) "]",
		"Guaranteed", 2048, 200000, 108 << 20 },
	{ "initContainers: [" J(RES("1", "100Mi")) ", " I(
		  SIDECAR RES("1", "8Mi")) "], containers: [" A(RES("1", "64Mi")) "]",
		"Guaranteed", 2048, 200000, 100 << 20 },
	{ "containers: [" A("stdin: false") ", " B("stdin: false") "]", "BestEffort", 2, 0, 0 },
	/* More than 64 bits hold. */
	{ "containers: [" A("resources: {requests: {cpu: 9P}}") ", " B(
		  "resources: {requests: {cpu: 9P}}") "]",
		"Burstable", 262144, 0, 0 },
};

static void test_pods(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(pod_rows); i++) {
		const struct pod_row *r = &pod_rows[i];
		const Bulkhead__V1__CgroupLimits *l;

		fixture_spec(&f, r->spec);
		fixture_sandboxed(&f);
		l = f.sandbox->limits;
		if (strcmp(plan_qos(f.owned), r->qos) != 0 || l->cpu_shares != r->shares ||
			l->cpu_quota_us != r->quota || l->memory_max != r->memory ||
			l->pids_max != PLAN_PIDS_MAX)
			fail_msg("%s: %s, shares %lu, quota %ld, memory %lu", r->spec,
				plan_qos(f.owned), (unsigned long)l->cpu_shares,
				(long)l->cpu_quota_us, (unsigned long)l->memory_max);
	}
	fixture_done(&f);
}

static void test_sidecar_oom(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	fixture_spec(&f,
		"initContainers: [" I(SIDECAR "resources: {requests: {memory: 1Gi}}") ", " J(
			"resou"
			"rces:"
			" {"
			"reque"
			"sts: "
			"{memo"
			"ry: "
			"1Gi}"
			"}") "], containers: [" A("resources: {requests: {memory: 4Gi}}") ", " B("s"
												 "t"
												 "d"
												 "i"
												 "n"
												 ":"
												 " "
												 "f"
												 "a"
												 "l"
												 "s"
												 "e") "]");
	/* A sidecar is no worse off than the main container that is best off; others are. */
	assert_int_equal(plan_container(&f.node, &f.pod, f.owned->spec->initcontainers[0], true, 0,
				 &f.image, &f.container, &f.err),
		0);
	assert_int_equal(f.container->oom_score_adj, 500);
	fixture_clear(&f);
	assert_int_equal(plan_container(&f.node, &f.pod, f.owned->spec->initcontainers[1], true, 0,
				 &f.image, &f.container, &f.err),
		0);
	assert_int_equal(f.container->oom_score_adj, 875);
	fixture_done(&f);
}

static void test_refused(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	fixture_container(&f, "resources: {requests: {memory: \"-1\"}}", "");
	fixture_refused(&f, ERR_INVALID,
		"spec.containers[0].resources.requests['memory']: '-1' is negative");
	fixture_sandbox_refused(&f, ERR_INVALID, "spec.containers[0].resources.requests['memory']");
	fixture_container(&f, "resources: {limits: {cpu: 10P}}", "");
	fixture_refused(&f, ERR_INVALID, "spec.containers[0].resources.requests['cpu']");
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_pods),
		cmocka_unit_test(test_sidecar_oom),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
