/* Bandwidth by annotation: which is whose, and what is refused. */
#include "plan_fixture.h"

#include "auth/pod_view.h"
#include "nodeagent/agent/plan_bandwidth.h"
#include "nodeagent/agent/pod_bandwidth.h"

#define INGRESS "kubernetes.io/ingress-bandwidth"
#define EGRESS  "kubernetes.io/egress-bandwidth"

static void annotate(struct fixture *f, const char *name, const char *value)
{
	assert_int_equal(edit_annotation(f->owned, name, value, NULL), 0);
}

static void test_directions(void **state)
{
	struct bandwidth bandwidth;
	struct error err = { 0 };
	struct fixture f;

	(void)state;
	fixture_init(&f);
	fixture_container(&f, "", "");
	assert_int_equal(plan_bandwidth(f.owned, &bandwidth, &err), 0);
	assert_int_equal(bandwidth.rate[BANDWIDTH_INGRESS], 0);
	assert_int_equal(bandwidth.rate[BANDWIDTH_EGRESS], 0);
	annotate(&f, INGRESS, "1k");
	assert_int_equal(plan_bandwidth(f.owned, &bandwidth, &err), 0);
	assert_int_equal(bandwidth.rate[BANDWIDTH_INGRESS], 1000);
	assert_int_equal(bandwidth.rate[BANDWIDTH_EGRESS], 0);
	annotate(&f, EGRESS, "1Mi");
	assert_int_equal(plan_bandwidth(f.owned, &bandwidth, &err), 0);
	assert_int_equal(bandwidth.rate[BANDWIDTH_EGRESS], 1048576);
	annotate(&f, EGRESS, "4294967295k");
	assert_int_equal(plan_bandwidth(f.owned, &bandwidth, &err), 0);
	fixture_done(&f);
}

static void test_refused(void **state)
{
	static const struct {
		const char *value;
		enum error_code code;
	} rows[] = {
		{ "", ERR_INVALID },
		{ "x", ERR_INVALID },
		{ "-1M", ERR_INVALID },
		{ "0", ERR_INVALID },
		{ "999", ERR_INVALID },
		{ "1000000000000001", ERR_INVALID },
		{ "99999999999999999999", ERR_INVALID },
		{ "4294967295001", ERR_UNSUPPORTED },
		{ "1P", ERR_UNSUPPORTED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct bandwidth before = { { 1, 2 } };
		struct bandwidth bandwidth = before;
		struct error err = { 0 };
		struct fixture f;

		fixture_init(&f);
		fixture_container(&f, "", "");
		annotate(&f, EGRESS, rows[i].value);
		assert_int_equal(plan_bandwidth(f.owned, &bandwidth, &err), -1);
		assert_int_equal(err.code, rows[i].code);
		assert_int_equal(strncmp(err.text, "metadata.annotations[" EGRESS "]: ",
					 strlen("metadata.annotations[" EGRESS "]: ")),
			0);
		assert_memory_equal(&bandwidth, &before, sizeof(before));
		fixture_done(&f);
	}
}

static void test_the_nodes_network(void **state)
{
	struct bandwidth bandwidth;
	struct error err = { 0 };
	struct fixture f;

	(void)state;
	fixture_init(&f);
	fixture_container(&f, "", "hostNetwork: true, hostUsers: true");
	assert_int_equal(plan_bandwidth(f.owned, &bandwidth, &err), 0);
	annotate(&f, INGRESS, "1M");
	assert_int_equal(plan_bandwidth(f.owned, &bandwidth, &err), -1);
	assert_int_equal(err.code, ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "cannot be limited with hostNetwork"));
	/* So is the pod. */
	fixture_sandbox_refused(&f, ERR_UNSUPPORTED, "cannot be limited with hostNetwork");
	fixture_done(&f);
}

static void test_changes(void **state)
{
	Bulkhead__V1__PodBandwidth changed = BULKHEAD__V1__POD_BANDWIDTH__INIT;
	Bulkhead__V1__PodProgress progress = BULKHEAD__V1__POD_PROGRESS__INIT;
	struct fixture a, b;

	(void)state;
	fixture_init(&a);
	fixture_container(&a, "", "");
	fixture_init(&b);
	fixture_container(&b, "", "");
	annotate(&a, INGRESS, "1M");
	annotate(&a, "other", "stays");
	assert_false(pod_bandwidth_same(a.owned, b.owned));
	assert_int_equal(pod_bandwidth_copy(b.owned, a.owned, NULL), 0);
	assert_true(pod_bandwidth_same(a.owned, b.owned));
	assert_null(view_annotation(b.owned, "other"));
	/* Nothing was changed; then one was, and one taken away. */
	assert_int_equal(pod_bandwidth_restore(a.owned, NULL, NULL), 0);
	assert_int_equal(pod_bandwidth_restore(a.owned, &progress, NULL), 0);
	assert_true(pod_bandwidth_same(a.owned, b.owned));
	progress.bandwidth = &changed;
	changed.egress = (char *)(uintptr_t) "2M";
	assert_int_equal(pod_bandwidth_restore(a.owned, &progress, NULL), 0);
	assert_null(view_annotation(a.owned, INGRESS));
	assert_string_equal(view_annotation(a.owned, EGRESS), "2M");
	assert_string_equal(view_annotation(a.owned, "other"), "stays");
	fixture_done(&a);
	fixture_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_directions),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_the_nodes_network),
		cmocka_unit_test(test_changes),
	};

	return cmocka_run_group_tests_name("plan_bandwidth", tests, NULL, NULL);
}
