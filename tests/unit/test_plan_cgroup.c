/* Where cgroups lie, what annotations ask of them, and whose limit an OOM kill was. */
#include "plan_fixture.h"

#include "nodeagent/agent/cgroup_path.h"
#include "nodeagent/agent/plan_cgroup.h"
#include "nodeagent/agent/pressure.h"
#include "nodeagent/cgroup/cgroup.h"

static void test_paths(void **state)
{
	static const struct {
		const char *parent;
		const char *project;
		const char *slice;
		const char *scope;
		const char *pod;
	} rows[] = {
		{ "bulkhead", "red", "bulkhead-red.slice", "bulkhead-podu-1.scope",
			"bulkhead.slice/bulkhead-red.slice/bulkhead-podu-1.scope/pod" },
		{ "bulkhead", "a-b", "bulkhead-a\\x2db.slice", "bulkhead-podu-1.scope",
			"bulkhead.slice/bulkhead-a\\x2db.slice/bulkhead-podu-1.scope/pod" },
		{ "a/b", "red", "a-b-red.slice", "a-b-podu-1.scope",
			"a.slice/a-b.slice/a-b-red.slice/a-b-podu-1.scope/pod" },
		{ "my-node", "red", "my\\x2dnode-red.slice", "my\\x2dnode-podu-1.scope",
			"my\\x2dnode.slice/my\\x2dnode-red.slice/my\\x2dnode-podu-1.scope/pod" },
	};
	Bulkhead__V1__NodeConfig config;
	char unit[CGROUP_UNIT_SIZE];
	char path[CGROUP_PATH_SIZE];

	(void)state;
	bulkhead__v1__node_config__init(&config);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		config.cgroup_parent = S(rows[i].parent);
		config.cgroup_driver = S("systemd");
		cgroup_unit_slice(&config, rows[i].project, unit);
		assert_string_equal(unit, rows[i].slice);
		cgroup_unit_scope(&config, "u-1", unit);
		assert_string_equal(unit, rows[i].scope);
		cgroup_path_pod(&config, rows[i].project, "u-1", path);
		assert_string_equal(path, rows[i].pod);
	}
	config.cgroup_parent = S("a/b");
	config.cgroup_driver = S("");
	cgroup_path_pod(&config, "red", "u-1", path);
	assert_string_equal(path, "a/b/red/podu-1");
	cgroup_path_scope(&config, "red", "u-1", path);
	assert_string_equal(path, "");
	cgroup_path_project(&config, "red", path);
	assert_string_equal(path, "a/b/red");
}

/* The longest parent and project that are let in: the unit's name still has its end. */
static void test_long_names(void **state)
{
	Bulkhead__V1__NodeConfig config;
	char unit[CGROUP_UNIT_SIZE];
	char parent[65];

	(void)state;
	bulkhead__v1__node_config__init(&config);
	memset(parent, '-', 64);
	parent[64] = '\0';
	config.cgroup_parent = parent;
	config.cgroup_driver = S("systemd");
	cgroup_unit_slice(
		&config, "p01234567890123456789012345678901234567890123456789012345678901", unit);
	assert_string_equal(unit + strlen(unit) - 6, ".slice");
	cgroup_unit_scope(&config, POD_UID, unit);
	assert_string_equal(unit + strlen(unit) - 6, ".scope");
	assert_non_null(strstr(unit, POD_UID));
}

static void annotate(struct fixture *f, const char *key, const char *value)
{
	fixture_container(f, "", "");
	assert_int_equal(edit_annotation(f->owned, key, value, &f->err), 0);
}

static void refused(struct fixture *f, enum error_code code, const char *text)
{
	if (fixture_sandbox_try(f) == 0)
		fail_msg("planned, although it should be refused: %s", text);
	if (f->err.code != code || !strstr(f->err.text, text))
		fail_msg("%s (%s)", f->err.text, error_code_name(f->err.code));
}

static void test_cpuset(void **state)
{
	static const char *const good[] = { "0", "0-3", "3", "0,2", "0-1,3", "1,1" };
	static const char *const bad[] = { "", "-", "0-", "1-0", "a", "0,", "0 ", "0\n", "0-3:2",
		"4096", "99999999999999999999" };
	struct fixture f;

	(void)state;
	fixture_init(&f);
	f.node.cpus = "0-3\n";
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		annotate(&f, PLAN_CPUSET_ANNOTATION, good[i]);
		fixture_sandboxed(&f);
		assert_string_equal(f.sandbox->limits->cpuset_cpus, good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		annotate(&f, PLAN_CPUSET_ANNOTATION, bad[i]);
		refused(&f, ERR_INVALID, "is not a list of CPUs");
	}
	annotate(&f, PLAN_CPUSET_ANNOTATION, "4");
	refused(&f, ERR_UNSUPPORTED, "CPU 4 is not one of the node's, 0-3; name some of those");
	f.node.missing_controllers = 1u << CGROUP_CPUSET;
	annotate(&f, PLAN_CPUSET_ANNOTATION, "0");
	refused(&f, ERR_UNSUPPORTED, "needs the cgroup controller 'cpuset'");
	fixture_done(&f);
}

static void test_io(void **state)
{
	static const char *const bad[] = { "0", "-1", "x", "", "4097Gi" };
	struct fixture f;

	(void)state;
	fixture_init(&f);
	annotate(&f, "bulkhead/io-read-bps", "1Mi");
	refused(&f, ERR_UNSUPPORTED, "is on no disk that can be limited");
	f.node.has_disk = true;
	f.node.disk_major = 254;
	f.node.disk_minor = 16;
	annotate(&f, "bulkhead/io-read-bps", "1Mi");
	assert_int_equal(edit_annotation(f.owned, "bulkhead/io-write-bps", "2Mi", NULL), 0);
	assert_int_equal(edit_annotation(f.owned, "bulkhead/io-read-iops", "100", NULL), 0);
	assert_int_equal(edit_annotation(f.owned, "bulkhead/io-write-iops", "1k", NULL), 0);
	fixture_sandboxed(&f);
	assert_int_equal(f.sandbox->limits->io_read_bps, 1 << 20);
	assert_int_equal(f.sandbox->limits->io_write_bps, 2 << 20);
	assert_int_equal(f.sandbox->limits->io_read_iops, 100);
	assert_int_equal(f.sandbox->limits->io_write_iops, 1000);
	assert_int_equal(f.sandbox->limits->io_major, 254);
	assert_int_equal(f.sandbox->limits->io_minor, 16);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		annotate(&f, "bulkhead/io-write-iops", bad[i]);
		refused(&f, ERR_INVALID, "metadata.annotations[bulkhead/io-write-iops]");
	}
	f.node.missing_controllers = 1u << CGROUP_BLKIO;
	annotate(&f, "bulkhead/io-read-bps", "1Mi");
	refused(&f, ERR_UNSUPPORTED, "needs the cgroup controller 'blkio'");
	fixture_done(&f);
}

#define MIB (UINT64_C(1) << 20)
#define HUGE(mib)                                                                                  \
	"resources: {limits: {cpu: 1, hugepages-2Mi: " #mib "Mi}, requests: {hugepages-2Mi: " #mib \
	"Mi}}"

static uint64_t huge_of(const Bulkhead__V1__CgroupLimits *limits, uint64_t page_size)
{
	for (size_t i = 0; i < limits->n_huge_pages; i++) {
		if (limits->huge_pages[i]->page_size == page_size)
			return limits->huge_pages[i]->max;
	}
	return UINT64_MAX;
}

/* Who asks for none has none, of every size; a pod has what runs in it at a time. */
static void test_huge_pages(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	f.node.huge_sizes[0] = 2 * MIB;
	f.node.huge_sizes[1] = 1024 * MIB;
	f.node.huge_sizes_len = 2;
	fixture_container(&f, "resources: {limits: {cpu: 1}}", "");
	fixture_sandboxed(&f);
	assert_int_equal(huge_of(f.sandbox->limits, 2 * MIB), 0);
	assert_int_equal(huge_of(f.sandbox->limits, 1024 * MIB), 0);
	fixture_planned(&f);
	assert_int_equal(f.container->limits->n_huge_pages, 0);

	fixture_spec(&f,
		"initContainers: [{name: i, image: app:1, " HUGE(
			10) "}, {name: s, image: "
			    "app:1, restartPolicy: Always, " HUGE(
				    2) "}], containers: [{name: c, "
				       "image: app:1, " HUGE(4) "}, {name: d, image: app:1}]");
	fixture_sandboxed(&f);
	assert_int_equal(huge_of(f.sandbox->limits, 2 * MIB), 10 * MIB);
	assert_int_equal(huge_of(f.sandbox->limits, 1024 * MIB), 0);
	fixture_planned(&f);
	assert_int_equal(f.container->limits->n_huge_pages, 1);
	assert_int_equal(huge_of(f.container->limits, 2 * MIB), 4 * MIB);

	fixture_container(&f, "resources: {limits: {cpu: 1, hugepages-64Ki: 64Ki}}", "");
	refused(&f, ERR_UNSUPPORTED,
		"limits[hugepages-64Ki]: this node has no huge pages of that size, but 2Mi, 1Gi");
	f.node.missing_controllers = 1u << CGROUP_HUGETLB;
	fixture_container(&f, HUGE(2), "");
	refused(&f, ERR_UNSUPPORTED,
		"limits[hugepages-2Mi]: needs the cgroup controller 'hugetlb'");
	fixture_container(&f, "resources: {limits: {cpu: 1}}", "");
	fixture_sandboxed(&f);
	assert_int_equal(f.sandbox->limits->n_huge_pages, 0);
	fixture_done(&f);
}

static void test_missing_controllers(void **state)
{
	static const struct {
		enum cgroup_controller controller;
		const char *text;
	} rows[] = {
		{ CGROUP_CPU, "'cpu'" },
		{ CGROUP_MEMORY, "limits[memory]: needs the cgroup controller 'memory'" },
		{ CGROUP_PIDS, "spec: needs the cgroup controller 'pids'" },
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		f.node.missing_controllers = 1u << rows[i].controller;
		fixture_container(&f, "resources: {limits: {cpu: 1, memory: 64Mi}}", "");
		refused(&f, ERR_UNSUPPORTED, rows[i].text);
	}
	fixture_done(&f);
}

static void test_oom_judge(void **state)
{
	enum { C = CGROUP_OOM_CONTAINER, P = CGROUP_OOM_POD, J = CGROUP_OOM_PROJECT };
	struct cgroup_oom before[CGROUP_OOM_LEVELS] = { { 1, 1, 0, 0 }, { 0, 7, 1, 0 },
		{ 0, 9, 0, 0 } };
	struct cgroup_oom after[CGROUP_OOM_LEVELS];

	(void)state;
	memcpy(after, before, sizeof(before));
	after[P].hits++;
	assert_int_equal(cgroup_oom_judge(before, after), CGROUP_OOM_NONE);
	after[C].kills++;
	assert_int_equal(cgroup_oom_judge(before, after), CGROUP_OOM_POD);
	after[C].near = 1;
	assert_int_equal(cgroup_oom_judge(before, after), CGROUP_OOM_CONTAINER);
	after[C].near = 0;
	after[C].hits++;
	assert_int_equal(cgroup_oom_judge(before, after), CGROUP_OOM_CONTAINER);
	memcpy(after, before, sizeof(before));
	after[C].kills++;
	after[P].full = 0;
	assert_int_equal(cgroup_oom_judge(before, after), CGROUP_OOM_NODE);
	after[J].full = 1;
	assert_int_equal(cgroup_oom_judge(before, after), CGROUP_OOM_PROJECT);
	assert_string_equal(cgroup_oom_level_name(CGROUP_OOM_NODE), "node");
	assert_string_equal(cgroup_oom_level_name(CGROUP_OOM_NONE), "");
}

static void test_pressure(void **state)
{
	static const char *const bad[] = { "", "some", "some \n", "some avg10=1 avg60=2\n",
		"none avg10=1 total=2\n",
		"some avg10=0000000000000000000000000000000000000000000000000000000000000000.00 "
		"total=1\n" };
	struct pressure p;

	(void)state;
	assert_int_equal(pressure_parse("some avg10=1.50 avg60=0.20 avg300=0.00 total=12\n"
					"full avg10=0.10 avg60=0.00 avg300=0.00 total=3\n",
				 &p),
		0);
	assert_string_equal(p.some, "avg10=1.50 avg60=0.20 avg300=0.00");
	assert_string_equal(p.full, "avg10=0.10 avg60=0.00 avg300=0.00");
	/* Of CPU before Linux 5.13. */
	assert_int_equal(
		pressure_parse("some avg10=1.50 avg60=0.20 avg300=0.00 total=12\n", &p), 0);
	assert_string_equal(p.full, "");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(pressure_parse(bad[i], &p), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_cpuset),
		cmocka_unit_test(test_io),
		cmocka_unit_test(test_huge_pages),
		cmocka_unit_test(test_missing_controllers),
		cmocka_unit_test(test_oom_judge),
		cmocka_unit_test(test_pressure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
