#include "plan_fixture.h"

#include "nodeagent/agent/plan_security.h"
#include "nodeagent/shim/caps.h"

#define DEFAULT_CAPS                                                                               \
	"CAP_CHOWN|CAP_DAC_OVERRIDE|CAP_FOWNER|CAP_FSETID|CAP_KILL|CAP_SETGID|CAP_SETUID|"         \
	"CAP_SETPCAP|CAP_NET_BIND_SERVICE"

static void test_capabilities(void **state)
{
	static const char *const rows[][2] = {
		{ "", DEFAULT_CAPS },
		{ "capabilities: {drop: [ALL]}", "" },
		{ "capabilities: {drop: [all]}", "" },
		{ "capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}", "CAP_NET_BIND_SERVICE" },
		{ "capabilities: {drop: [ALL], add: [CAP_NET_BIND_SERVICE]}",
			"CAP_NET_BIND_SERVICE" },
		{ "capabilities: {drop: [ALL], add: [net_bind_service]}", "CAP_NET_BIND_SERVICE" },
		{ "capabilities: {add: [NET_RAW]}",
			"CAP_CHOWN|CAP_DAC_OVERRIDE|CAP_FOWNER|CAP_FSETID|CAP_KILL|CAP_SETGID|CAP_"
			"SETUID|"
			"CAP_SETPCAP|CAP_NET_BIND_SERVICE|CAP_NET_RAW" },
		{ "capabilities: {drop: [KILL, MKNOD, SETUID, SETGID]}",
			"CAP_CHOWN|CAP_DAC_OVERRIDE|CAP_FOWNER|CAP_FSETID|CAP_SETPCAP|CAP_NET_BIND_"
			"SERVICE" },
		/* A name in both lists is dropped. */
		{ "capabilities: {drop: [ALL, CHOWN], add: [CHOWN, KILL]}", "CAP_KILL" },
		/* Both ALL: dropped. */
		{ "capabilities: {drop: [ALL], add: [ALL]}", "" },
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[256];

		snprintf(text, sizeof(text), "securityContext: {%s}", rows[i][0]);
		fixture_container(&f, text, "");
		fixture_planned(&f);
		assert_list(f.container->capabilities, f.container->n_capabilities, rows[i][1]);
	}
	fixture_container(&f, "securityContext: {capabilities: {add: [KILL, MAGIC]}}", "");
	fixture_refused(&f, ERR_INVALID,
		"spec.containers[0].securityContext.capabilities.add[1]: 'MAGIC' is not a "
		"capability");
	fixture_container(&f, "securityContext: {capabilities: {drop: [CAP_]}}", "");
	fixture_refused(&f, ERR_INVALID, "capabilities.drop[0]: 'CAP_' is not a capability");
	fixture_done(&f);
}

/* Every capability the shim knows, and no other, has a name here. */
static void test_capability_names(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	fixture_container(&f, "securityContext: {capabilities: {add: [ALL]}}", "");
	fixture_planned(&f);
	assert_int_equal(f.container->n_capabilities, cap_last() + 1);
	for (size_t i = 0; i < f.container->n_capabilities; i++)
		assert_int_equal(cap_number(f.container->capabilities[i]), i);
	fixture_done(&f);
}

/* Who a container is, by what container, pod and image say. */
static const struct who {
	const char *container;
	const char *pod;
	const char *image;
	int uid_set, gid_set;
	uint32_t uid, gid;
	int non_root;
} whos[] = {
	{ "", "", "", 0, 0, 0, 0, 0 },
	{ "", "", "app:app", 0, 0, 0, 0, 0 },
	{ "", "", "1000:1000", 0, 0, 0, 0, 0 },
	{ "runAsUser: 0", "", "", 1, 0, 0, 0, 0 },
	{ "runAsUser: 1000", "", "app", 1, 0, 1000, 0, 0 },
	{ "runAsUser: 65535", "", "", 1, 0, 65535, 0, 0 },
	{ "runAsUser: 1000010000", "", "", 1, 0, 1000010000, 0, 0 },
	{ "runAsUser: 1000019999", "", "", 1, 0, 1000019999, 0, 0 },
	{ "runAsGroup: 100", "", "", 0, 1, 0, 100, 0 },
	{ "runAsUser: 1, runAsGroup: 2", "runAsUser: 3, runAsGroup: 4", "", 1, 1, 1, 2, 0 },
	{ "runAsGroup: 2", "runAsUser: 3, runAsGroup: 4", "", 1, 1, 3, 2, 0 },
	{ "", "runAsUser: 3, runAsGroup: 4", "", 1, 1, 3, 4, 0 },
	{ "", "runAsNonRoot: true", "app", 0, 0, 0, 0, 1 },
	{ "runAsNonRoot: false", "runAsNonRoot: true", "", 0, 0, 0, 0, 0 },
	{ "runAsNonRoot: true, runAsUser: 1", "runAsNonRoot: false", "", 1, 0, 1, 0, 1 },
};

static void security_pod(struct fixture *f, const char *container, const char *pod)
{
	char a[512], b[512];

	snprintf(a, sizeof(a), "securityContext: {%s}", container);
	snprintf(b, sizeof(b), "securityContext: {%s}", pod);
	fixture_container(f, a, b);
}

static void test_identity(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(whos); i++) {
		const struct who *w = &whos[i];
		const Bulkhead__V1__ContainerPlan *p;

		f.image.user = S(w->image);
		security_pod(&f, w->container, w->pod);
		fixture_planned(&f);
		p = f.container;
		if (p->uid_set != w->uid_set || p->gid_set != w->gid_set || p->uid != w->uid ||
			p->gid != w->gid || p->must_be_non_root != w->non_root ||
			strcmp(p->user, w->image) != 0)
			fail_msg("row %zu: uid %d %u, gid %d %u, non-root %d, user '%s'", i,
				p->uid_set, p->uid, p->gid_set, p->gid, p->must_be_non_root,
				p->user);
	}
	fixture_done(&f);
}

static void test_unmapped(void **state)
{
	static const struct {
		const char *container;
		const char *pod;
		const char *image;
		const char *text;
	} rows[] = {
		{ "runAsUser: 65536", "", "",
			"spec.containers[0].securityContext.runAsUser: 65536 does not exist in the "
			"pod's user "
			"namespace; use 0-65535 or one of the project's 1000010000-1000019999" },
		{ "runAsUser: 1000009999", "", "", "runAsUser: 1000009999 does not exist" },
		{ "runAsUser: 1000020000", "", "", "runAsUser: 1000020000 does not exist" },
		{ "runAsUser: -1", "", "", "runAsUser: -1 is not in 0-2147483647" },
		{ "runAsUser: 2147483648", "", "", "runAsUser: 2147483648 is not in 0-2147483647" },
		{ "runAsUser: 4294967296", "", "", "runAsUser: 4294967296 is not in 0-2147483647" },
		{ "", "runAsUser: 65536", "", "spec.securityContext.runAsUser: 65536 does not" },
		{ "runAsGroup: 65536", "", "",
			"spec.containers[0].securityContext.runAsGroup: 65536" },
		{ "", "runAsGroup: 65536", "", "spec.securityContext.runAsGroup: 65536" },
		{ "", "supplementalGroups: [1, 65536]", "",
			"spec.securityContext.supplementalGroups[1]: 65536" },
		{ "", "fsGroup: 65536", "", "spec.securityContext.fsGroup: 65536" },
		{ "", "", "65536",
			"spec.containers[0]: the user of image 'app:1': 65536 does not exist" },
		{ "", "", "65536:0", "the user of image 'app:1': 65536" },
		{ "", "", "999999999999999999", "the user of image 'app:1': 999999999999999999" },
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		f.image.user = S(rows[i].image);
		security_pod(&f, rows[i].container, rows[i].pod);
		fixture_refused(&f, ERR_INVALID, rows[i].text);
	}
	/* With the node's own user namespace every id is itself. */
	f.image.user = S("");
	fixture_container(&f, "securityContext: {runAsUser: 65536}", "hostUsers: true");
	fixture_planned(&f);
	assert_int_equal(f.container->uid, 65536);
	fixture_container(&f, "securityContext: {runAsUser: 2147483648}", "hostUsers: true");
	fixture_refused(&f, ERR_INVALID, "runAsUser: 2147483648");
	/* Root that says it is none. */
	security_pod(&f, "runAsUser: 0", "runAsNonRoot: true");
	fixture_refused(&f, ERR_DENIED,
		"spec.containers[0].securityContext.runAsUser: is 0 although runAsNonRoot is set");
	/* A pod that no slice was reserved for. */
	f.pod.slice = 0;
	security_pod(&f, "runAsUser: 1", "");
	fixture_refused(&f, ERR_INTERNAL, "no slice of user ids");
	fixture_done(&f);
}

static void test_groups(void **state)
{
	static const struct {
		const char *pod;
		size_t n;
		uint32_t groups[3];
		int strict;
	} rows[] = {
		{ "", 0, { 0 }, 0 },
		{ "fsGroup: 7", 1, { 7 }, 0 },
		{ "supplementalGroups: [5, 6]", 2, { 5, 6 }, 0 },
		{ "supplementalGroups: [5, 6], fsGroup: 1000010000", 3, { 5, 6, 1000010000 }, 0 },
		{ "supplementalGroups: [5, 6, 5], fsGroup: 6", 2, { 5, 6 }, 0 },
		{ "supplementalGroups: [5], supplementalGroupsPolicy: Strict", 1, { 5 }, 1 },
		{ "supplementalGroups: [5], supplementalGroupsPolicy: Merge", 1, { 5 }, 0 },
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		security_pod(&f, "", rows[i].pod);
		fixture_planned(&f);
		assert_int_equal(f.container->n_groups, rows[i].n);
		for (size_t k = 0; k < rows[i].n; k++)
			assert_int_equal(f.container->groups[k], rows[i].groups[k]);
		assert_int_equal(f.container->run_as_group_strict, rows[i].strict);
	}
	fixture_done(&f);
}

static void test_flags(void **state)
{
	static const struct {
		const char *container;
		int no_new_privs, read_only, privileged;
	} rows[] = {
		{ "", 0, 0, 0 },
		{ "allowPrivilegeEscalation: true", 0, 0, 0 },
		{ "allowPrivilegeEscalation: false", 1, 0, 0 },
		{ "readOnlyRootFilesystem: true", 0, 1, 0 },
		{ "readOnlyRootFilesystem: false", 0, 0, 0 },
		{ "privileged: true", 0, 0, 1 },
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		security_pod(&f, rows[i].container, "");
		fixture_planned(&f);
		assert_int_equal(f.container->no_new_privs, rows[i].no_new_privs);
		assert_int_equal(f.container->read_only_root, rows[i].read_only);
		assert_int_equal(f.container->privileged, rows[i].privileged);
	}
	fixture_container(&f, "tty: true, stdin: true", "");
	fixture_planned(&f);
	assert_true(f.container->tty && f.container->stdin);
	assert_int_equal(f.container->restart, 3);
	assert_string_equal(f.container->name, "a");
	assert_list(f.container->layers, f.container->n_layers,
		"/var/lib/bulkhead/images/layers/aa|/var/lib/bulkhead/images/layers/bb");
	fixture_done(&f);
}

#define DEFAULT_KIND    BULKHEAD__V1__SECCOMP_KIND__SECCOMP_RUNTIME_DEFAULT
#define UNCONFINED_KIND BULKHEAD__V1__SECCOMP_KIND__SECCOMP_UNCONFINED
#define LOCALHOST_KIND  BULKHEAD__V1__SECCOMP_KIND__SECCOMP_LOCALHOST

static void test_seccomp(void **state)
{
	static const struct {
		const char *container;
		const char *pod;
		Bulkhead__V1__SeccompKind kind;
		const char *profile;
	} rows[] = {
		{ "", "", DEFAULT_KIND, "" },
		{ "", "seccompProfile: {type: RuntimeDefault}", DEFAULT_KIND, "" },
		{ "", "seccompProfile: {type: Unconfined}", UNCONFINED_KIND, "" },
		{ "seccompProfile: {type: RuntimeDefault}", "seccompProfile: {type: Unconfined}",
			DEFAULT_KIND, "" },
		{ "seccompProfile: {type: Unconfined}", "seccompProfile: {type: RuntimeDefault}",
			UNCONFINED_KIND, "" },
		{ "seccompProfile: {type: Localhost, localhostProfile: my/app.json}", "",
			LOCALHOST_KIND, "/etc/bulkhead/seccomp/my/app.json" },
		{ "seccompProfile: {type: Localhost, localhostProfile: ..app.json}", "",
			LOCALHOST_KIND, "/etc/bulkhead/seccomp/..app.json" },
	};
	static const char *const bad[] = { "../app.json", "a/../b", "/etc/app.json", "", "a//b",
		"a/", ".", "..", "a/./b" };
	struct fixture f;
	char text[256];

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		security_pod(&f, rows[i].container, rows[i].pod);
		fixture_planned(&f);
		assert_int_equal(f.container->seccomp, rows[i].kind);
		assert_string_equal(f.container->seccomp_profile, rows[i].profile);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof(text),
			"seccompProfile: {type: Localhost, localhostProfile: \"%s\"}", bad[i]);
		security_pod(&f, text, "");
		fixture_refused(&f, ERR_INVALID,
			"spec.containers[0].securityContext.seccompProfile.localhostProfile:");
	}
	security_pod(&f, "", "seccompProfile: {type: Strict}");
	fixture_refused(
		&f, ERR_INVALID, "spec.securityContext.seccompProfile.type: 'Strict' is not");
	security_pod(&f, "seccompProfile: {type: Localhost, localhostProfile: a.json}", "");
	f.config.seccomp_dir = S("");
	fixture_refused(&f, ERR_PRECONDITION, "seccompProfile: this node has no seccomp profiles");
	fixture_done(&f);
}

#define MASKED                                                                                     \
	"/proc/acpi|/proc/asound|/proc/interrupts|/proc/kcore|/proc/keys|/proc/latency_stats|"     \
	"/proc/sched_debug|/proc/scsi|/proc/timer_list|/proc/timer_stats|"                         \
	"/sys/devices/virtual/powercap|/sys/firmware|"                                             \
	"/sys/devices/system/cpu/cpu0/thermal_throttle|/sys/devices/system/cpu/cpu1/"              \
	"thermal_throttle"

static void test_covers(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (int i = 0; i < 2; i++) {
		security_pod(&f, i ? "procMount: Default" : "", "");
		fixture_planned(&f);
		assert_list(f.container->masked_paths, f.container->n_masked_paths, MASKED);
		assert_list(f.container->read_only_paths, f.container->n_read_only_paths,
			"/proc/bus|/proc/fs|/proc/irq|/proc/sys|/proc/sysrq-trigger");
	}
	security_pod(&f, "procMount: Unmasked", "");
	fixture_planned(&f);
	assert_int_equal(f.container->n_masked_paths, 0);
	assert_int_equal(f.container->n_read_only_paths, 0);
	fixture_container(&f, "securityContext: {procMount: Unmasked}", "hostUsers: true");
	fixture_refused(&f, ERR_INVALID, "procMount: Unmasked needs spec.hostUsers: false");
	security_pod(&f, "procMount: Half", "");
	fixture_refused(
		&f, ERR_INVALID, "spec.containers[0].securityContext.procMount: 'Half' is not");
	security_pod(&f, "", "");
	f.node.cpu_millis = PLAN_CPUS_MAX * 1000ull;
	fixture_planned(&f);
	f.node.cpu_millis += 1000;
	fixture_refused(&f, ERR_UNSUPPORTED, "more than 8192 CPUs");
	fixture_done(&f);
}

static void test_selinux(void **state)
{
	static const struct {
		const char *container;
		const char *pod;
		const char *process;
		const char *mount;
	} rows[] = {
		{ "", "", "system_u:system_r:container_t:s0:c2,c3",
			"system_u:object_r:container_file_t:s0:c2,c3" },
		{ "", "seLinuxOptions: {level: \"s0:c9,c8\"}",
			"system_u:system_r:container_t:s0:c8,c9",
			"system_u:object_r:container_file_t:s0:c8,c9" },
		{ "seLinuxOptions: {type: spc_t}", "seLinuxOptions: {level: \"s0:c9,c8\"}",
			"system_u:system_r:spc_t:s0:c2,c3",
			"system_u:object_r:container_file_t:s0:c8,c9" },
		{ "seLinuxOptions: {level: \"s0:c7,c1.c3,c9,c8,c20,c21\"}", "",
			"system_u:system_r:container_t:s0:c1.c3,c7.c9,c20,c21",
			"system_u:object_r:container_file_t:s0:c2,c3" },
		{ "seLinuxOptions: {level: \"s0:c3,x\"}", "",
			"system_u:system_r:container_t:s0:c3,x",
			"system_u:object_r:container_file_t:s0:c2,c3" },
		{ "seLinuxOptions: {user: u, role: r, type: t, level: s1}", "", "u:r:t:s1",
			"system_u:object_r:container_file_t:s0:c2,c3" },
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		security_pod(&f, rows[i].container, rows[i].pod);
		f.node.selinux = true;
		fixture_planned(&f);
		assert_string_equal(f.container->selinux_label, rows[i].process);
		fixture_sandboxed(&f);
		assert_string_equal(f.sandbox->selinux_mount_label, rows[i].mount);
		f.node.selinux = false;
		fixture_planned(&f);
		assert_string_equal(f.container->selinux_label, "");
		fixture_sandboxed(&f);
		assert_string_equal(f.sandbox->selinux_mount_label, "");
	}
	security_pod(&f, "seLinuxOptions: {type: \"a:b\"}", "");
	fixture_refused(&f, ERR_INVALID,
		"spec.containers[0].securityContext.seLinuxOptions.type: 'a:b' is not part");
	security_pod(&f, "", "seLinuxOptions: {level: 's0\",x'}");
	fixture_refused(&f, ERR_INVALID, "spec.securityContext.seLinuxOptions.level");
	fixture_sandbox_refused(&f, ERR_INVALID, "spec.securityContext.seLinuxOptions.level");
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_capability_names),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_unmapped),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_seccomp),
		cmocka_unit_test(test_covers),
		cmocka_unit_test(test_selinux),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
