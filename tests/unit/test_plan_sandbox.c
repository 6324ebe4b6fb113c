#include "plan_fixture.h"

#include <limits.h>

#include "nodeagent/agent/plan_etc.h"
#include "nodeagent/agent/plan_volumes.h"

static void test_names(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	fixture_container(&f, "", "");
	fixture_sandboxed(&f);
	assert_string_equal(f.sandbox->pod_uid, POD_UID);
	assert_string_equal(f.sandbox->project, "red");
	assert_string_equal(f.sandbox->pod, "web");
	assert_string_equal(f.sandbox->hostname, "web");
	assert_string_equal(f.sandbox->cgroup, "bulkhead/red/pod" POD_UID);
	assert_string_equal(f.sandbox->log_dir, "/var/lib/bulkhead/logs/red_web_" POD_UID);
	assert_string_equal(f.sandbox->pod_dir, "/var/lib/bulkhead/pods/" POD_UID);
	assert_int_equal(f.sandbox->image_base, 268369920);
	fixture_done(&f);
}

static void name_pod(struct fixture *f, const char *name)
{
	assert_int_equal(edit_string(&f->owned->metadata->name, name, &f->err), 0);
}

static void test_hostname(void **state)
{
	static const char *const rows[][2] = {
		{ "web-1", "web-1" },
		{ "a.b.c", "a.b.c" },
		{ "012345678901234567890123456789012345678901234567890123456789012",
			"012345678901234567890123456789012345678901234567890123456789012" },
		{ "0123456789012345678901234567890123456789012345678901234567890123",
			"012345678901234567890123456789012345678901234567890123456789012" },
		{ "01234567890123456789012345678901234567890123456789012345678901.-x",
			"01234567890123456789012345678901234567890123456789012345678901" },
		{ "0123456789012345678901234567890123456789012345678901234567890.-x",
			"0123456789012345678901234567890123456789012345678901234567890" },
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	fixture_container(&f, "", "");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		name_pod(&f, rows[i][0]);
		fixture_sandboxed(&f);
		assert_string_equal(f.sandbox->hostname, rows[i][1]);
	}
	fixture_container(&f, "", "hostname: other");
	fixture_sandboxed(&f);
	assert_string_equal(f.sandbox->hostname, "other");
	fixture_planned(&f);
	assert_string_equal(f.container->env[0], "HOSTNAME=other");
	fixture_done(&f);
}

/* The folder of the logs holds project, pod and uid in one name. */
static void test_long_name(void **state)
{
	struct fixture f;
	char name[300];
	size_t fits = NAME_MAX - strlen("red__" POD_UID);

	(void)state;
	fixture_init(&f);
	fixture_container(&f, "", "");
	memset(name, 'x', sizeof(name));
	name[fits] = '\0';
	name_pod(&f, name);
	fixture_sandboxed(&f);
	assert_int_equal(strlen(strrchr(f.sandbox->log_dir, '/') + 1), NAME_MAX);
	name[fits] = 'x';
	name[fits + 1] = '\0';
	name_pod(&f, name);
	fixture_sandbox_refused(
		&f, ERR_INVALID, "metadata.name: too long for the folder of its logs");
	assert_non_null(strstr(f.err.text, "use at most 214 characters"));
	name_pod(&f, "web");
	assert_int_equal(edit_string(&f.owned->metadata->uid, "", &f.err), 0);
	fixture_sandbox_refused(&f, ERR_INTERNAL, "metadata.uid");
	fixture_done(&f);
}

static void test_map(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	fixture_container(&f, "", "");
	fixture_sandboxed(&f);
	assert_false(f.sandbox->host_users);
	assert_int_equal(f.sandbox->n_uid_map, 2);
	assert_int_equal(f.sandbox->uid_map[0]->inside, 0);
	assert_int_equal(f.sandbox->uid_map[0]->outside, SLICE);
	assert_int_equal(f.sandbox->uid_map[0]->count, 65536);
	assert_int_equal(f.sandbox->uid_map[1]->inside, BLOCK);
	assert_int_equal(f.sandbox->uid_map[1]->outside, BLOCK);
	assert_int_equal(f.sandbox->uid_map[1]->count, 10000);
	/* Overlaps with the slice, one id each side, and none. */
	f.pod.slice = BLOCK - 65535;
	fixture_sandbox_refused(
		&f, ERR_INVALID, "project 'red': its uid range 1000010000/10000 overlaps");
	f.pod.slice = BLOCK + 9999;
	fixture_sandbox_refused(&f, ERR_INVALID, "overlaps");
	f.pod.slice = BLOCK - 65536;
	fixture_sandboxed(&f);
	f.pod.slice = BLOCK + 10000;
	fixture_sandboxed(&f);
	f.pod.project.uids = (struct project_range){ 65535, 10000 };
	fixture_sandbox_refused(&f, ERR_INVALID, "overlaps the ids 0-65535");
	f.pod.project.uids = (struct project_range){ 65536, 10000 };
	fixture_sandboxed(&f);
	f.pod.slice = 0;
	fixture_sandbox_refused(&f, ERR_INTERNAL, "no slice");
	fixture_container(&f, "", "hostUsers: true");
	fixture_sandboxed(&f);
	assert_true(f.sandbox->host_users);
	assert_int_equal(f.sandbox->n_uid_map, 0);
	fixture_done(&f);
}

static void test_host_namespaces(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	/* The network is the node's, its name too; no setting of it is written. */
	fixture_container(&f, "", "hostNetwork: true, hostUsers: true");
	fixture_sandboxed(&f);
	assert_true(f.sandbox->host_network && !f.sandbox->host_pid && !f.sandbox->host_ipc);
	assert_int_equal(f.sandbox->n_sysctls, 0);
	assert_string_equal(f.sandbox->hostname, f.config.node_name);
	fixture_container(&f, "", "hostPID: true, hostIPC: true, hostUsers: true, hostname: own");
	fixture_sandboxed(&f);
	assert_true(f.sandbox->host_pid && f.sandbox->host_ipc && !f.sandbox->host_network);
	assert_string_equal(f.sandbox->hostname, "own");
	assert_false(f.sandbox->all_devices);
	/* Devices are the host's root's only. */
	fixture_container(&f, "securityContext: {privileged: true}", "hostUsers: true");
	fixture_sandboxed(&f);
	assert_true(f.sandbox->all_devices);
	fixture_container(&f, "securityContext: {privileged: true}", "");
	fixture_sandboxed(&f);
	assert_false(f.sandbox->all_devices);
	fixture_container(&f, "", "shareProcessNamespace: true");
	fixture_sandboxed(&f);
	assert_true(f.sandbox->share_process_namespace);
	fixture_done(&f);
}

static void test_sysctls(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	fixture_container(&f, "",
		"securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies, value: \"1\"}, "
		"{name: net.ipv4.ip_local_port_range, value: 1024 65000}]}");
	fixture_sandboxed(&f);
	assert_int_equal(f.sandbox->n_sysctls, 3);
	/* Ours first, so that the pod's own value would win. */
	assert_string_equal(f.sandbox->sysctls[0]->name, "net.ipv4.ping_group_range");
	assert_string_equal(f.sandbox->sysctls[0]->value, "0 65535");
	assert_string_equal(f.sandbox->sysctls[2]->name, "net.ipv4.ip_local_port_range");
	assert_string_equal(f.sandbox->sysctls[2]->value, "1024 65000");
	fixture_container(&f, "",
		"securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies, value: \"1\"}, "
		"{name: kernel.core_pattern, value: x}]}");
	fixture_sandbox_refused(&f, ERR_UNSUPPORTED,
		"spec.securityContext.sysctls[1].name: 'kernel.core_pattern' is not one");
	fixture_done(&f);
}

#define BASE                                                                                       \
	"# Managed by Bulkhead.|127.0.0.1\tlocalhost|::1\tlocalhost ip6-localhost ip6-loopback|"   \
	"fe00::0\tip6-localnet|fe00::0\tip6-mcastprefix|fe00::1\tip6-allnodes|fe00::2\tip6-"       \
	"allrouters"
#define HOSTS BASE "|"

static void test_hosts(void **state)
{
	static const char *const rows[][2] = {
		{ "", HOSTS "10.128.0.5\tweb" },
		{ "hostname: h", HOSTS "10.128.0.5\th" },
		{ "hostname: h, subdomain: s", HOSTS "10.128.0.5\th.s.red.svc.cluster.local\th" },
		{ "hostAliases: [{ip: 192.0.2.7, hostnames: [a, b.c]}, {ip: 192.0.2.8, hostnames: "
		  "[d]}]",
			HOSTS "10.128.0.5\tweb|192.0.2.7\ta\tb.c|192.0.2.8\td" },
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fixture_container(&f, "", rows[i][0]);
		fixture_sandboxed(&f);
		assert_list(f.sandbox->etc_hosts, f.sandbox->n_etc_hosts, rows[i][1]);
		fixture_planned(&f);
		assert_list(f.container->etc_hosts, f.container->n_etc_hosts, rows[i][1]);
	}
	f.pod.address = "";
	fixture_container(&f, "", "");
	fixture_sandboxed(&f);
	assert_list(f.sandbox->etc_hosts, f.sandbox->n_etc_hosts, BASE);
	/* No container is told anything before there is an address. */
	fixture_planned(&f);
	assert_int_equal(f.container->n_etc_hosts, 0);
	fixture_container(
		&f, "", "hostAliases: [{ip: 192.0.2.7, hostnames: [a, \"b\\n10.0.0.1 bank\"]}]");
	fixture_sandbox_refused(&f, ERR_INVALID, "spec.hostAliases[0]: hostnames: has a blank");
	fixture_container(&f, "", "hostAliases: [{ip: \"1.2.3.4 bank\", hostnames: [a]}]");
	fixture_sandbox_refused(&f, ERR_INVALID, "spec.hostAliases[0]: ip: has a blank");
	fixture_done(&f);
}

static void test_resolv(void **state)
{
	static const struct {
		const char *spec;
		const char *node[4];
		const char *lines;
	} rows[] = {
		{ "", { "nameserver 192.0.2.53", "search example.net" },
			"search example.net|nameserver 192.0.2.53" },
		{ "dnsPolicy: Default", { "nameserver 192.0.2.53", "options ndots:1 edns0" },
			"nameserver 192.0.2.53|options ndots:1 edns0" },
		{ "dnsPolicy: ClusterFirst", { "nameserver 192.0.2.53" }, "nameserver 192.0.2.53" },
		/* Not resolv.conf's keys, comments, odd blanks. */
		{ "", { "# nameserver 1.1.1.1", "  nameserver\t192.0.2.53  ; x", "domain a", "" },
			"nameserver 192.0.2.53" },
		/* The last search and options count; "." is no domain. */
		{ "", { "search a b", "options x", "search c . d", "options y" },
			"search c d|options y" },
		/* The node's loopback is not the pod's. */
		{ "", { "nameserver 127.0.0.53", "nameserver ::1", "nameserver 192.0.2.53" },
			"nameserver 192.0.2.53" },
		{ "", { "nameserver", "search" }, "" },
		{ "dnsPolicy: None, dnsConfig: {nameservers: [192.0.2.9], searches: [x.y], "
		  "options: [{name: ndots, value: \"2\"}, {name: edns0}]}",
			{ "nameserver 192.0.2.53", "search example.net" },
			"search x.y|nameserver 192.0.2.9|options ndots:2 edns0" },
		{ "dnsConfig: {nameservers: [192.0.2.9, 192.0.2.53], searches: [x.y, example.net], "
		  "options: [{name: ndots, value: \"2\"}]}",
			{ "nameserver 192.0.2.53", "search example.net", "options ndots:1 edns0" },
			"search example.net x.y|nameserver 192.0.2.53|nameserver 192.0.2.9|options "
			"ndots:2 edns0" },
		{ "dnsConfig: {options: [{name: nd, value: \"2\"}, {name: edns0, value: \"1\"}]}",
			{ "options ndots:1 edns0" }, "options ndots:1 edns0:1 nd:2" },
		/* Three nameservers, whoever gave them. */
		{ "dnsConfig: {nameservers: [192.0.2.3, 192.0.2.4]}",
			{ "nameserver 192.0.2.1", "nameserver 192.0.2.2" },
			"nameserver 192.0.2.1|nameserver 192.0.2.2|nameserver 192.0.2.3" },
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		memcpy(f.resolv, rows[i].node, sizeof(rows[i].node));
		f.resolv[4] = NULL;
		fixture_container(&f, "", rows[i].spec);
		fixture_sandboxed(&f);
		assert_list(f.sandbox->etc_resolv, f.sandbox->n_etc_resolv, rows[i].lines);
	}
	f.node.resolv = NULL;
	fixture_container(&f, "", "");
	fixture_sandboxed(&f);
	assert_int_equal(f.sandbox->n_etc_resolv, 0);
	fixture_done(&f);
}

/* 'n' domains of 'len' characters. */
static char *searches(size_t n, size_t len)
{
	char *text = malloc(64 + n * (len + 2));
	size_t at = (size_t)sprintf(text, "dnsPolicy: None, dnsConfig: {searches: [");

	for (size_t i = 0; i < n; i++)
		at += (size_t)sprintf(text + at, "%s%c%0*zu", i ? "," : "", 'a', (int)len - 1, i);
	strcpy(text + at, "]}");
	return text;
}

static void test_resolv_limits(void **state)
{
	static const struct {
		size_t n, len, words;
	} rows[] = {
		{ 32, 10, 32 },
		{ 33, 10, 32 },
		{ 32, 63, 32 }, /* 32 * 63 + 31 = 2047 */
		{ 32, 64, 31 }, /* 2079 */
		{ 1, 2048, 1 },
		{ 1, 2049, 0 },
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_free char *text = searches(rows[i].n, rows[i].len);
		size_t words = 0;

		fixture_container(&f, "", text);
		fixture_sandboxed(&f);
		for (size_t k = 0; k < f.sandbox->n_etc_resolv; k++) {
			for (const char *p = f.sandbox->etc_resolv[k]; (p = strchr(p, ' ')); p++)
				words++;
		}
		if (words != rows[i].words)
			fail_msg("%zu of %zu: %zu", rows[i].n, rows[i].len, words);
	}
	fixture_container(&f, "", "dnsConfig: {searches: [\"a b\"]}");
	fixture_sandbox_refused(&f, ERR_INVALID, "spec.dnsConfig: searches: has a blank");
	fixture_container(&f, "", "dnsConfig: {nameservers: [\"\"]}");
	fixture_sandbox_refused(&f, ERR_INVALID, "spec.dnsConfig: nameservers: is empty");
	fixture_container(&f, "", "dnsConfig: {options: [{name: \"a\\nb\"}]}");
	fixture_sandbox_refused(&f, ERR_INVALID, "spec.dnsConfig: options.name: has a blank");
	fixture_container(&f, "", "dnsConfig: {options: [{name: a, value: \"b\\tc\"}]}");
	fixture_sandbox_refused(&f, ERR_INVALID, "spec.dnsConfig: options.value: has a blank");
	fixture_done(&f);
}

/* Size and inodes of the one volume, emptyDir in memory. */
static void test_memory(void **state)
{
	static const struct {
		const char *volume;
		const char *container;
		uint64_t size, inodes;
	} rows[] = {
		{ "", "", 8 * GIB, 1 << 20 },
		{ "sizeLimit: 1Gi", "", GIB, 262144 },
		{ "sizeLimit: 1", "", 4096, 64 },
		{ "sizeLimit: 4096", "", 4096, 64 },
		{ "sizeLimit: 4097", "", 8192, 64 },
		{ "sizeLimit: 266240", "", 266240, 65 },
		{ "sizeLimit: 0", "", 8 * GIB, 1 << 20 },
		{ "sizeLimit: 1Gi", "resources: {limits: {memory: 64Mi}}", 64 << 20, 16384 },
		{ "sizeLimit: 1Mi", "resources: {limits: {memory: 64Mi}}", 1 << 20, 256 },
		{ "", "resources: {limits: {memory: 64Mi}}", 64 << 20, 16384 },
		{ "sizeLimit: 7Ei", "", 8 * GIB, 1 << 20 },
	};
	struct fixture f;
	char pod[256];

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const Bulkhead__V1__Tmpfs *t;

		snprintf(pod, sizeof(pod), "volumes: [{name: v, emptyDir: {medium: Memory%s%s}}]",
			rows[i].volume[0] ? ", " : "", rows[i].volume);
		fixture_container(&f, rows[i].container, pod);
		fixture_sandboxed(&f);
		assert_int_equal(f.sandbox->n_tmpfs, 1);
		t = f.sandbox->tmpfs[0];
		assert_string_equal(t->name, "v");
		assert_int_equal(t->kind, BULKHEAD__V1__TMPFS_KIND__TMPFS_EMPTY_DIR);
		if (t->size != rows[i].size || t->inodes != rows[i].inodes)
			fail_msg("row %zu: %lu, %lu inodes", i, (unsigned long)t->size,
				(unsigned long)t->inodes);
		assert_int_equal(t->uid, SLICE);
		assert_int_equal(t->gid, SLICE);
		assert_int_equal(t->mode, 0777);
	}
	fixture_container(&f, "",
		"volumes: [{name: v, emptyDir: {medium: Memory}}], securityContext: {fsGroup: "
		"1000010007}");
	fixture_sandboxed(&f);
	assert_int_equal(f.sandbox->tmpfs[0]->gid, 1000010007);
	assert_int_equal(f.sandbox->tmpfs[0]->mode, 02777);
	fixture_container(
		&f, "", "volumes: [{name: v, emptyDir: {medium: Memory, sizeLimit: \"-1\"}}]");
	fixture_sandbox_refused(
		&f, ERR_INVALID, "spec.volumes[0]: emptyDir.sizeLimit: '-1' is negative");
	fixture_container(&f, "",
		"volumes: [{name: v, emptyDir: {medium: Memory}}], securityContext: {fsGroup: "
		"65536}");
	fixture_sandbox_refused(
		&f, ERR_INVALID, "spec.volumes[0]: spec.securityContext.fsGroup: 65536");
	fixture_done(&f);
}

static void test_volumes_refused(void **state)
{
	static const char *const rows[][2] = {
		{ "{name: v, hostPath: {path: /}}", "spec.volumes[0]: hostPath: not honoured" },
		{ "{name: v, nfs: {server: a, path: /}}", "spec.volumes[0]: nfs: not honoured" },
		{ "{name: v, emptyDir: {medium: HugePages}}",
			"emptyDir.medium: 'HugePages' is not honoured" },
	};
	struct fixture f;
	char pod[256];

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(pod, sizeof(pod), "volumes: [%s]", rows[i][0]);
		fixture_container(&f, "volumeMounts: [{name: v, mountPath: /v}]", pod);
		fixture_sandbox_refused(&f, ERR_UNSUPPORTED, rows[i][1]);
		fixture_refused(&f, ERR_UNSUPPORTED,
			"spec.containers[0].volumeMounts[0]: name: volume 'v'");
	}
	fixture_done(&f);
}

#define VOLUMES                                                                                    \
	"volumes: [{name: disk, emptyDir: {}}, {name: mem, emptyDir: {medium: Memory}}, "          \
	"{name: sec, secret: {secretName: db, optional: true}}, {name: down, downwardAPI: "        \
	"{items: []}}]"

/* "kind volume target rw" of each mount. */
static void test_mounts(void **state)
{
	static const char *const rows[][2] = {
		{ "{name: disk, mountPath: /a}", "1 disk /a rw" },
		{ "{name: mem, mountPath: /a}", "0 mem /a rw" },
		{ "{name: sec, mountPath: /a}", "0 sec /a ro" },
		{ "{name: down, mountPath: /a}", "0 down /a ro" },
		{ "{name: disk, mountPath: /a, readOnly: true}", "1 disk /a ro" },
		{ "{name: mem, mountPath: /a, readOnly: true, recursiveReadOnly: Enabled}",
			"0 mem /a ro" },
		{ "{name: disk, mountPath: /a, mountPropagation: None}", "1 disk /a rw" },
		{ "{name: disk, mountPath: a/}", "1 disk /a rw" },
		{ "{name: disk, mountPath: //a/./b//}", "1 disk /a/b rw" },
		{ "{name: disk, mountPath: /..a}", "1 disk /..a rw" },
		/* Outer ones first, otherwise as written. */
		{ "{name: disk, mountPath: /a/b}, {name: mem, mountPath: /a}, {name: sec, "
		  "mountPath: /z}",
			"0 mem /a rw|0 sec /z ro|1 disk /a/b rw" },
		{ "{name: disk, mountPath: /a}, {name: disk, mountPath: /b}",
			"1 disk /a rw|1 disk /b rw" },
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[512], *list[8];

		snprintf(text, sizeof(text), "volumeMounts: [%s]", rows[i][0]);
		fixture_container(&f, text, VOLUMES);
		fixture_planned(&f);
		for (size_t k = 0; k < f.container->n_mounts; k++) {
			const Bulkhead__V1__Mount *m = f.container->mounts[k];

			assert_true(asprintf(&list[k], "%d %s %s %s", m->kind, m->volume, m->target,
					    m->read_only ? "ro" : "rw") > 0);
		}
		assert_list(list, f.container->n_mounts, rows[i][1]);
		for (size_t k = 0; k < f.container->n_mounts; k++)
			free(list[k]);
	}
	/* What is made in an emptyDir on disk is fsGroup's; one in memory has its own root. */
	fixture_container(&f,
		"volumeMounts: [{name: disk, mountPath: /a}, {name: mem, mountPath: /b}]",
		VOLUMES ", securityContext: {fsGroup: 9}");
	fixture_planned(&f);
	assert_int_equal(f.container->mounts[0]->gid, SLICE + 9);
	assert_int_equal(f.container->mounts[1]->gid, 0);
	fixture_done(&f);
}

static void test_mounts_refused(void **state)
{
	static const struct {
		const char *mounts;
		enum error_code code;
		const char *text;
	} rows[] = {
		{ "{name: none, mountPath: /a}", ERR_INVALID,
			"volumeMounts[0]: name: the pod has no volume 'none'" },
		{ "{name: disk, mountPath: /}", ERR_INVALID, "mountPath: '/' is the root" },
		{ "{name: disk, mountPath: \"\"}", ERR_INVALID, "mountPath: '' is the root" },
		{ "{name: disk, mountPath: /a/../b}", ERR_INVALID,
			"mountPath: '/a/../b' has a '..' part" },
		{ "{name: disk, mountPath: /a}, {name: mem, mountPath: /a/}", ERR_INVALID,
			"volumeMounts[1]: mountPath: volume 'disk' is mounted on '/a' already" },
		{ "{name: disk, mountPath: /a, subPath: b}", ERR_UNSUPPORTED,
			"volumeMounts[0]: subPath: not honoured" },
		{ "{name: disk, mountPath: /a, subPathExpr: $(B)}", ERR_UNSUPPORTED,
			"subPathExpr: not honoured" },
		{ "{name: disk, mountPath: /a, mountPropagation: Bidirectional}", ERR_UNSUPPORTED,
			"mountPropagation: 'Bidirectional' is not honoured" },
	};
	struct fixture f;
	char text[PATH_MAX + 128];

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(text, sizeof(text), "volumeMounts: [%s]", rows[i].mounts);
		fixture_container(&f, text, VOLUMES);
		fixture_refused(&f, rows[i].code, rows[i].text);
	}
	for (int over = 0; over < 2; over++) {
		int n = sprintf(text, "volumeMounts: [{name: disk, mountPath: ");

		memset(text + n, '/', PATH_MAX - 2 + over);
		strcpy(text + n + PATH_MAX - 2 + over, "a}]");
		fixture_container(&f, text, VOLUMES);
		if (over)
			fixture_refused(&f, ERR_INVALID, "mountPath: is longer than 4095 bytes");
		else
			fixture_planned(&f);
	}
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_hostname),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_host_namespaces),
		cmocka_unit_test(test_sysctls),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_resolv),
		cmocka_unit_test(test_resolv_limits),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_volumes_refused),
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_mounts_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
