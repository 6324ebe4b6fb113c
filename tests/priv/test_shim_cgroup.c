/* What cgroups do to containers: whose memory limit kills, CPUs, disks. */
#include "tests/priv/shim_harness.h"

#include <sys/sysmacros.h>

/* How container 'name' ended, and whose limit ended it, in 'limit' (of 16 bytes). */
static struct ending wait_limit(struct pod *p, const char *name, char *limit)
{
	struct ipc_frame frame;
	Bulkhead__V1__ContainerExited *e =
		(Bulkhead__V1__ContainerExited *)pod_recv(p, IPC_CONTAINER_EXITED, &frame);
	struct ending ret = { e->exit_code, e->signal, e->oom_killed };

	assert_string_equal(e->name, name);
	snprintf(limit, 16, "%s", e->oom_limit);
	ipc_frame_done(&frame);
	bulkhead__v1__container_exited__free_unpacked(e, NULL);
	return ret;
}

static void eater(struct pod *p, struct box *b, const char *name, uint64_t max)
{
	box_init(b, p, name);
	b->limits.memory_max = max;
	box_args(b, "/bin/workload", "eat", "64", NULL);
	box_start(p, b);
}

static void own_limit_is_named(void **state)
{
	struct pod *p = *state;
	struct box b;
	struct ending e;
	char limit[16];

	p->limits.memory_max = 256 << 20;
	pod_up(p);
	eater(p, &b, "main", 16 << 20);
	e = wait_limit(p, "main", limit);
	assert_int_equal(e.signal, SIGKILL);
	assert_true(e.oom);
	assert_string_equal(limit, "container");
}

static void limit_of_the_pod_is_named(void **state)
{
	struct pod *p = *state;
	struct box b;
	struct ending e;
	char limit[16];

	p->limits.memory_max = 24 << 20;
	pod_up(p);
	eater(p, &b, "main", 0);
	e = wait_limit(p, "main", limit);
	assert_int_equal(e.signal, SIGKILL);
	assert_true(e.oom);
	assert_string_equal(limit, "pod");
}

/* "bulkhead-test-PID" holds the pods of a test: a project's place. */
static void project_limit(struct pod *p, const char *value)
{
	char path[512];
	char *slash;

	snprintf(path, sizeof(path), "/sys/fs/cgroup/memory/%s", p->cgroup);
	if (access("/sys/fs/cgroup/memory", F_OK) < 0)
		snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", p->cgroup);
	slash = strrchr(path, '/');
	assert_non_null(slash);
	*slash = '\0';
	if (file_poke_at(AT_FDCWD, strcat(path, "/memory.max"), value, NULL) == 0)
		return;
	*strrchr(path, '/') = '\0';
	assert_int_equal(
		file_poke_at(AT_FDCWD, strcat(path, "/memory.limit_in_bytes"), value, NULL), 0);
}

static void limit_of_the_project_is_named(void **state)
{
	struct pod *p = *state;
	struct box b;
	struct ending e;
	char limit[16];

	pod_up(p);
	project_limit(p, "25165824");
	eater(p, &b, "main", 0);
	e = wait_limit(p, "main", limit);
	assert_int_equal(e.signal, SIGKILL);
	assert_true(e.oom);
	assert_string_equal(limit, "project");
}

static void what_is_no_oom_is_none(void **state)
{
	static const char *const scripts[] = { "exit 137", "sh -c 'kill -9 $$'; exit $?",
		"kill -9 $$; exit 137" };
	struct pod *p = *state;

	pod_up(p);
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		struct box b;
		struct ending e;
		char limit[16];

		box_init(&b, p, "main");
		b.plan.restart = (uint32_t)i;
		b.limits.memory_max = 16 << 20;
		box_shell(&b, scripts[i]);
		box_start(p, &b);
		e = wait_limit(p, "main", limit);
		assert_int_equal(e.code, 137);
		assert_false(e.oom);
		assert_string_equal(limit, "");
	}
}

static void cpuset_binds(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	p->limits.cpuset_cpus = (char *)(uintptr_t) "0";
	pod_up(p);
	box_init(&b, p, "main");
	box_shell(&b, "grep Cpus_allowed_list /proc/self/status");
	text = box_run(p, &b, NULL);
	assert_string_equal(text, "Cpus_allowed_list:\t0\n");
}

static void cpu_that_is_not_there_is_refused(void **state)
{
	struct pod *p = *state;
	const char *text;

	p->limits.cpuset_cpus = (char *)(uintptr_t) "4000";
	pod_spawn(p);
	text = pod_sandbox(p);
	assert_non_null(text);
	assert_has(text, "limits.cpuset_cpus");
}

/*
 * Where hugetlb is: v1's own hierarchy, v2, or v2 beside v1. The value of its file for 2 MiB, -1
 * for no limit.
 */
static long long huge_max(const struct pod *p, const char *below)
{
	static const char *const roots[] = { "hugetlb/", "", "unified/" };
	static const char *const files[] = { "limit_in_bytes", "max" };

	for (size_t i = 0; i < 2 * ARRAY_LEN(roots); i++) {
		cleanup_free char *text = NULL;
		char path[512];
		size_t size;

		snprintf(path, sizeof(path), "/sys/fs/cgroup/%s%s%s/hugetlb.2MB.%s", roots[i / 2],
			p->cgroup, below, files[i % 2]);
		if (file_read_at(AT_FDCWD, path, 64, &text, &size, NULL) == 0)
			return strncmp(text, "max", 3) == 0 || atoll(text) > 1ll << 60
				       ? -1
				       : atoll(text);
	}
	fail_msg("no file for %s has hugetlb's limit", below);
	return 0;
}

static void huge_pages_are_limited(void **state)
{
	struct pod *p = *state;
	struct box b;
	Bulkhead__V1__HugePages of_pod = BULKHEAD__V1__HUGE_PAGES__INIT;
	Bulkhead__V1__HugePages none = BULKHEAD__V1__HUGE_PAGES__INIT;
	Bulkhead__V1__HugePages *of_pod_list[] = { &of_pod };
	Bulkhead__V1__HugePages *none_list[] = { &none };

	of_pod.page_size = none.page_size = 2 << 20;
	of_pod.max = 4 << 20;
	p->limits.huge_pages = of_pod_list;
	p->limits.n_huge_pages = 1;
	pod_up(p);
	box_init(&b, p, "main");
	box_args(&b, "sleep", "1000", NULL);
	box_start(p, &b);
	box_init(&b, p, "other");
	b.limits.huge_pages = none_list;
	b.limits.n_huge_pages = 1;
	box_args(&b, "sleep", "1000", NULL);
	box_start(p, &b);
	assert_int_equal(huge_max(p, ""), 4 << 20);
	assert_int_equal(huge_max(p, "/main"), -1);
	assert_int_equal(huge_max(p, "/other"), 0);
}

/* The whole disk below the test's folder; false where there is none. */
static int disk_of(const char *dir, unsigned *ret_major, unsigned *ret_minor)
{
	cleanup_free char *text = NULL;
	char path[128];
	struct stat st;
	size_t size;

	assert_int_equal(stat(dir, &st), 0);
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", major(st.st_dev),
		minor(st.st_dev));
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(st.st_dev), minor(st.st_dev),
		access(path, F_OK) == 0 ? "../dev" : "dev");
	return file_read_at(AT_FDCWD, path, 64, &text, &size, NULL) == 0 &&
	       sscanf(text, "%u:%u", ret_major, ret_minor) == 2;
}

/* 8 MiB at 4 MiB a second: what a burst may save is less than the second that is asserted. */
static void disk_limit_binds(void **state)
{
	struct pod *p = *state;
	struct box b;
	struct ending e;
	unsigned disk_major = 0;
	unsigned disk_minor = 0;
	cleanup_free char *text = NULL;
	uint64_t begin;

	if (!disk_of(p->dir, &disk_major, &disk_minor)) {
		print_message("# no disk below %s\n", p->dir);
		return;
	}
	p->limits.io_write_bps = 4 << 20;
	p->limits.io_major = disk_major;
	p->limits.io_minor = disk_minor;
	pod_up(p);
	box_init(&b, p, "main");
	box_shell(&b, "dd if=/dev/zero of=/tmp/x bs=1M count=8 oflag=direct 2>&1");
	begin = monotonic_usec();
	text = box_run(p, &b, &e);
	if (e.code != 0)
		fail_msg("%s", text);
	assert_true(monotonic_usec() - begin > 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pod_test(own_limit_is_named),
		pod_test(limit_of_the_pod_is_named),
		pod_test(limit_of_the_project_is_named),
		pod_test(what_is_no_oom_is_none),
		pod_test(cpuset_binds),
		pod_test(cpu_that_is_not_there_is_refused),
		pod_test(huge_pages_are_limited),
		pod_test(disk_limit_binds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
