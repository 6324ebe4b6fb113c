/* Drift: each field of the comparer, what it lets pass, and the texts of procfs. */
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/shim/drift.h"

#define CAP(name) (UINT64_C(1) << CAP_##name)
#define SLICE     268435456u

static const char *const mounts =
	"10 1 0:51 / / ro,nosuid - overlay overlay rw,lowerdir=a\n"
	"11 10 0:55 / /proc rw,nosuid - proc proc rw\n"
	"12 11 0:53 /null /proc/keys rw,noexec - tmpfs tmpfs rw,size=64k\n"
	"13 11 0:55 /sys /proc/sys ro,nosuid master:3 - proc proc rw\n";

/* A container as admitted, and the same as found: uid 1000 of a slice, no capabilities. */
struct pair {
	struct drift_plan plan;
	struct drift_facts found;
	struct drift_list list;
};

static void pair_init(struct pair *p)
{
	struct drift_facts *f = &p->plan.facts;

	memset(p, 0, sizeof(*p));
	for (int i = 0; i < 4; i++) {
		f->uids[i] = SLICE + 1000;
		f->gids[i] = SLICE + 1000;
	}
	f->groups[0] = SLICE + 2000;
	f->groups_len = 1;
	f->no_new_privs = 1;
	f->seccomp = 2;
	f->filters = 2;
	f->oom_score_adj = 100;
	for (size_t i = 0; i < DRIFT_LIMITS; i++)
		f->limits[i] = 1000;
	for (size_t i = 0; i < DRIFT_NS_LEN; i++)
		f->ns[i].inode = 4026531000 + i;
	snprintf(f->label, sizeof(f->label), "system_u:system_r:container_t:s0:c1,c2");
	f->uid_map.len = f->gid_map.len = 1;
	f->uid_map.rows[0] = f->gid_map.rows[0] = (struct id_row){ 0, SLICE, 65536 };
	f->cgroups = (char *)(uintptr_t) "4:memory:/b/red/pod1/main\n0::/b/red/pod1/main\n";
	f->values = (char *)(uintptr_t) "memory.max=1024\nio.max=8:0 rbps=1;8:16 rbps=2\n";
	f->mounts = (char *)(uintptr_t)mounts;
	p->found = *f;
}

static void compare(struct pair *p)
{
	p->list.len = p->list.more = 0;
	drift_compare(&p->plan, &p->found, &p->list);
}

static void assert_well(struct pair *p)
{
	compare(p);
	if (p->list.len)
		print_message("%s: %s, %s\n", p->list.rows[0].field, p->list.rows[0].expected,
			p->list.rows[0].found);
	assert_int_equal(p->list.len, 0);
}

static void assert_row(struct pair *p, const char *field, const char *expected, const char *found)
{
	compare(p);
	assert_int_equal(p->list.len, 1);
	assert_string_equal(p->list.rows[0].field, field);
	assert_string_equal(p->list.rows[0].expected, expected);
	assert_string_equal(p->list.rows[0].found, found);
}

static void the_same_is_none(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	assert_well(&p);
}

static void capabilities_gained(void **state)
{
	static const struct {
		enum drift_cap_set set;
		const char *field;
	} rows[] = {
		{ DRIFT_INHERITABLE, "capabilities.inheritable" },
		{ DRIFT_PERMITTED, "capabilities.permitted" },
		{ DRIFT_EFFECTIVE, "capabilities.effective" },
		{ DRIFT_BOUNDING, "capabilities.bounding" },
		{ DRIFT_AMBIENT, "capabilities.ambient" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pair p;

		pair_init(&p);
		p.found.caps[rows[i].set] = CAP(SYS_ADMIN);
		assert_row(&p, rows[i].field, "at most 0000000000000000", "0000000000200000");
		p.plan.caps = CAP(SYS_ADMIN);
		p.plan.facts.caps[DRIFT_PERMITTED] = CAP(SYS_ADMIN);
		assert_well(&p);
	}
}

static void capabilities_of_a_user_under_no_new_privs(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	p.plan.caps = CAP(CHOWN);
	p.plan.facts.caps[DRIFT_BOUNDING] = CAP(CHOWN);
	p.found.caps[DRIFT_BOUNDING] = CAP(CHOWN);
	assert_well(&p);
	p.found.caps[DRIFT_EFFECTIVE] = CAP(CHOWN);
	assert_row(&p, "capabilities.effective", "at most 0000000000000000", "0000000000000001");
	/* Without it, a program with the set-user-ID bit may. */
	p.plan.facts.no_new_privs = 0;
	assert_well(&p);
}

static void dropping_is_none(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	p.plan.caps = p.plan.facts.caps[DRIFT_PERMITTED] = CAP(CHOWN) | CAP(SETUID);
	p.found.groups_len = 0;
	p.found.filters = 5;
	p.found.oom_score_adj = 1000;
	p.found.limits[RLIMIT_NOFILE] = 1;
	assert_well(&p);
	p.plan.facts.no_new_privs = 0;
	assert_well(&p);
}

static void confinement_lost(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	p.found.no_new_privs = 0;
	assert_row(&p, "no_new_privs", "1", "0");
	pair_init(&p);
	p.found.seccomp = 0;
	assert_row(&p, "seccomp.mode", "2", "0");
	pair_init(&p);
	p.plan.filter_hash = 0xabc;
	p.found.filters = 1;
	assert_row(&p, "seccomp.filters", "2, loaded with hash 0000000000000abc", "1");
	pair_init(&p);
	snprintf(p.found.label, sizeof(p.found.label), "unconfined");
	assert_row(&p, "selinux_label", "system_u:system_r:container_t:s0:c1,c2", "unconfined");
	p.plan.facts.label[0] = '\0';
	assert_well(&p);
}

static void ids_changed(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	p.found.uids[1] = SLICE;
	assert_row(&p, "uid.effective", "268436456", "268435456");
	/* With the right to it, within the pod's ids only. */
	p.plan.caps = p.plan.facts.caps[DRIFT_PERMITTED] = CAP(SETUID);
	assert_well(&p);
	p.found.uids[1] = 0;
	assert_row(&p, "uid.effective", "268436456", "0");
	pair_init(&p);
	p.found.gids[3] = 0;
	assert_row(&p, "gid.fs", "268436456", "0");
	pair_init(&p);
	p.found.groups[p.found.groups_len++] = 0;
	assert_row(&p, "groups", "not a member", "0");
	p.plan.facts.no_new_privs = 0;
	assert_row(&p, "groups", "not a member", "0");
	p.found.groups[1] = SLICE + 5;
	assert_well(&p);
}

static void maps_changed(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	p.found.uid_map.rows[0].outside = 0;
	compare(&p);
	assert_int_equal(p.list.len, 1);
	assert_string_equal(p.list.rows[0].field, "uid_map");
	pair_init(&p);
	p.found.gid_map.len = 0;
	compare(&p);
	assert_int_equal(p.list.len, 1);
	assert_string_equal(p.list.rows[0].field, "gid_map");
	p.plan.host_users = 1;
	assert_well(&p);
}

static void namespaces_changed(void **state)
{
	static const char *const names[DRIFT_NS_LEN] = { "namespaces.user", "namespaces.mnt",
		"namespaces.pid", "namespaces.net", "namespaces.ipc", "namespaces.uts",
		"namespaces.cgroup" };

	(void)state;
	for (size_t i = 0; i < DRIFT_NS_LEN; i++) {
		struct pair p;

		pair_init(&p);
		p.found.ns[i].inode = 7;
		compare(&p);
		assert_int_equal(p.list.len, 1);
		assert_string_equal(p.list.rows[0].field, names[i]);
		assert_string_equal(p.list.rows[0].found, "7");
		/* What belongs to the pod needs the right to make it; what is below needs none. */
		p.found.ns[i].owner = DRIFT_OWNER_POD;
		compare(&p);
		assert_int_equal(p.list.len, 1);
		p.plan.caps = CAP(SYS_ADMIN);
		assert_well(&p);
		p.plan.caps = 0;
		p.found.ns[i].owner = DRIFT_OWNER_BELOW;
		assert_well(&p);
	}
}

/* Inside a user namespace of its own making its numbers are its own. */
static void a_user_namespace_below(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	p.found.ns[DRIFT_NS_USER] = (struct drift_ns_fact){ 7, DRIFT_OWNER_BELOW };
	p.found.caps[DRIFT_EFFECTIVE] = ~UINT64_C(0);
	p.found.uid_map.rows[0].count = 1;
	assert_well(&p);
	p.found.uids[0] = 0;
	assert_row(&p, "uid.real", "268436456", "0");
}

static void limits_raised(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	p.found.limits[RLIMIT_MEMLOCK] = 1001;
	assert_row(&p, "rlimits.Max locked memory", "1000", "1001");
	/* The capability is the host's only for who lives in its user namespace. */
	p.plan.caps = p.plan.facts.caps[DRIFT_PERMITTED] = CAP(SYS_RESOURCE);
	assert_row(&p, "rlimits.Max locked memory", "1000", "1001");
	p.plan.host_users = 1;
	assert_well(&p);
	pair_init(&p);
	p.found.oom_score_adj = 99;
	assert_row(&p, "oom_score_adj", "100", "99");
}

static void cgroups_changed(void **state)
{
	struct pair p;

	(void)state;
	pair_init(&p);
	p.found.cgroups = (char *)(uintptr_t) "4:memory:/\n0::/b/red/pod1/main\n";
	assert_row(&p, "cgroup_path.4:memory", "/b/red/pod1/main", "/");
	p.found.cgroups = (char *)(uintptr_t) "4:memory:/b/red/pod1/main\n";
	assert_row(&p, "cgroup_path.0:", "/b/red/pod1/main", "absent");
	pair_init(&p);
	p.found.values = (char *)(uintptr_t) "memory.max=10240\nio.max=8:0 rbps=1;8:16 rbps=2\n";
	assert_row(&p, "cgroup.memory.max", "1024", "10240");
	p.found.values = (char *)(uintptr_t) "memory.max=1024\n";
	assert_row(&p, "cgroup.io.max", "8:0 rbps=1;8:16 rbps=2", "absent");
}

static void mounts_changed(void **state)
{
	struct pair p;
	char text[1024];

	(void)state;
	pair_init(&p);
	snprintf(text, sizeof(text), "%s14 10 0:9 / /mnt rw - tmpfs extra rw\n", mounts);
	p.found.mounts = text;
	assert_row(&p, "mounts./mnt", "no mount", "tmpfs rw source=extra root=/ device=0:9");
	/* A second one on the same point is new, too. */
	snprintf(text, sizeof(text), "%s14 12 0:9 / /proc/keys rw - tmpfs extra rw\n", mounts);
	assert_row(&p, "mounts./proc/keys", "no mount", "tmpfs rw source=extra root=/ device=0:9");
	snprintf(text, sizeof(text), "%.*s", (int)(strstr(mounts, "12 11") - mounts), mounts);
	compare(&p);
	assert_int_equal(p.list.len, 2);
	assert_string_equal(p.list.rows[0].field, "mounts./proc/keys");
	assert_string_equal(p.list.rows[0].found, "no mount");
}

static void mounts_changed_in_place(void **state)
{
	struct pair p;
	char text[1024];
	char *at;

	(void)state;
	pair_init(&p);
	snprintf(text, sizeof(text), "%s", mounts);
	p.found.mounts = text;
	at = strstr(text, "/proc/sys ro");
	memcpy(at + 10, "rw", 2);
	assert_row(&p, "mounts./proc/sys", "proc ro,nosuid", "proc rw,nosuid");
	snprintf(text, sizeof(text), "%s", mounts);
	memcpy(strstr(text, "size=64k"), "size=99k", 8);
	assert_row(&p, "mounts./proc/keys", "tmpfs superblock rw,size=64k",
		"tmpfs superblock rw,size=99k");
	/* Only who it propagates from has changed, and the numbers. */
	snprintf(text, sizeof(text), "%s", mounts);
	memcpy(strstr(text, "master:3"), "shared:9", 8);
	memcpy(strstr(text, "13 11"), "99 11", 5);
	assert_well(&p);
}

static void too_many_mounts(void **state)
{
	size_t size = (size_t)(DRIFT_MOUNTS_MAX + 1) * 64;
	cleanup_free char *text = malloc(size);
	struct pair p;
	size_t n = 0;

	(void)state;
	assert_non_null(text);
	pair_init(&p);
	for (size_t i = 0; i <= DRIFT_MOUNTS_MAX; i++)
		n += (size_t)snprintf(text + n, size - n, "%zu 1 0:1 / /m%zu rw - t s rw\n", i, i);
	p.found.mounts = text;
	compare(&p);
	assert_int_equal(p.list.len, DRIFT_ROWS_MAX);
	/* All but the four that went and the line about the table. */
	assert_int_equal(p.list.more, 4 + DRIFT_MOUNTS_MAX + 1 - DRIFT_ROWS_MAX);
}

static void text_is_made_printable(void **state)
{
	struct drift_list list = { .len = 0 };
	char longer[DRIFT_TEXT_SIZE * 2];

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	drift_add(&list, "a\nb\033[0m\xff", longer, "");
	assert_string_equal(list.rows[0].field, "a?b?[0m?");
	assert_int_equal(strlen(list.rows[0].expected), DRIFT_TEXT_SIZE - 1);
}

static void own_proc_is_read(void **state)
{
	struct drift_facts facts = { 0 };
	struct error err = { 0 };
	cleanup_free char *status = NULL;
	cleanup_free char *limits = NULL;
	struct rlimit limit;
	size_t size;

	(void)state;
	assert_int_equal(file_read_at(-1, "/proc/self/status", 65536, &status, &size, &err), 0);
	assert_int_equal(file_read_at(-1, "/proc/self/limits", 65536, &limits, &size, &err), 0);
	assert_int_equal(drift_parse_status(&facts, status, &err), 0);
	assert_int_equal(drift_parse_limits(&facts, limits, &err), 0);
	assert_int_equal(facts.state, 'R');
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(facts.limits[RLIMIT_NOFILE], limit.rlim_max);
}

#define STATUS                                                                                     \
	"Name:\tx\nState:\tS (sleeping)\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \n"     \
	"CapInh:\t0\nCapPrm:\t1\nCapEff:\t2\nCapBnd:\t000001ffffffffff\nCapAmb:\t0\n"              \
	"NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n"

static void status_is_parsed(void **state)
{
	struct drift_facts f = { 0 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(drift_parse_status(&f, STATUS, &err), 0);
	assert_int_equal(f.uids[3], 4);
	assert_int_equal(f.gids[0], 5);
	assert_int_equal(f.groups_len, 2);
	assert_int_equal(f.groups[1], 10);
	assert_int_equal(f.caps[DRIFT_BOUNDING], 0x1ffffffffff);
	assert_int_equal(f.filters, 3);
}

static void bad_texts_are_refused(void **state)
{
	static const char *const texts[] = { "", "Uid:\t1\n", STATUS "Uid:\t0\t0\t0\t0\n",
		STATUS "CapEff:\t0\n" };
	static const char *const maps[] = { "0 1\n", "a b c\n", "0 1 2 3\n", "0 -1 2\n",
		"0 4294967296 1\n",
		"1 1 1\n1 1 1\n1 1 1\n1 1 1\n1 1 1\n1 1 1\n1 1 1\n1 1 1\n1 1 1\n" };
	struct drift_facts f;
	struct id_map map;
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(drift_parse_status(&f, texts[i], &err), -1);
	for (size_t i = 0; i < ARRAY_LEN(maps); i++)
		assert_int_equal(drift_parse_map(&map, maps[i], &err), -1);
	assert_int_equal(drift_parse_limits(&f, "Max cpu time  x y\n", &err), -1);
	assert_int_equal(drift_parse_map(&map, "         0          0 4294967295\n", &err), 0);
	assert_int_equal(map.rows[0].count, 4294967295u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_is_none),
		cmocka_unit_test(capabilities_gained),
		cmocka_unit_test(capabilities_of_a_user_under_no_new_privs),
		cmocka_unit_test(dropping_is_none),
		cmocka_unit_test(confinement_lost),
		cmocka_unit_test(ids_changed),
		cmocka_unit_test(maps_changed),
		cmocka_unit_test(namespaces_changed),
		cmocka_unit_test(a_user_namespace_below),
		cmocka_unit_test(limits_raised),
		cmocka_unit_test(cgroups_changed),
		cmocka_unit_test(mounts_changed),
		cmocka_unit_test(mounts_changed_in_place),
		cmocka_unit_test(too_many_mounts),
		cmocka_unit_test(text_is_made_printable),
		cmocka_unit_test(own_proc_is_read),
		cmocka_unit_test(status_is_parsed),
		cmocka_unit_test(bad_texts_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
