/* A container as its plan says: who it is, what it sees, what it may use, how it ends. */
#include "tests/priv/shim_harness.h"

#include <regex.h>

#define CRI_LINE                                                                                   \
	"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{9}Z (stdout|stderr) [FP] "

static void cap_add(struct box *b, const char *name)
{
	b->caps[b->plan.n_capabilities++] = (char *)(uintptr_t)name;
}

static void user_set(struct box *b, uint32_t uid, uint32_t gid)
{
	b->plan.uid = uid;
	b->plan.gid = gid;
	b->plan.uid_set = b->plan.gid_set = 1;
}

static const char identity[] =
	"grep -e ^Uid -e ^Gid -e ^Groups -e ^Cap -e ^NoNew -e ^Seccomp: /proc/self/status; "
	"echo HOME=$HOME";

static void check_identity(const char *text)
{
	assert_has(text,
		"Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t1000 2000");
	assert_has(text,
		"CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
		"CapBnd:\t0000000000000400\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:"
		"\t2\n");
	assert_has(text, "HOME=/home/alice\n");
}

static void ordinary_user_has_no_capability(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;
	cleanup_free char *exec_text = NULL;

	pod_up(p);
	box_init(&b, p, "main");
	b.plan.user = (char *)(uintptr_t) "alice";
	b.groups[0] = 1000;
	b.plan.n_groups = 1;
	cap_add(&b, "CAP_NET_BIND_SERVICE");
	box_shell(&b,
		"grep -e ^Uid -e ^Gid -e ^Groups -e ^Cap -e ^NoNew -e ^Seccomp: /proc/self/status; "
		"echo HOME=$HOME; sleep 1000");
	box_start(p, &b);
	exec_text = box_exec(p, "main", identity, NULL);
	check_identity(exec_text);
	text = box_log_wait(p, "main", 0, "HOME=");
	check_identity(text);
}

static void root_has_what_was_given(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;
	cleanup_free char *exec_text = NULL;

	pod_up(p);
	box_init(&b, p, "main");
	b.plan.no_new_privs = 0;
	cap_add(&b, "CAP_CHOWN");
	cap_add(&b, "CAP_SYS_PTRACE");
	box_shell(&b, "grep -e ^Cap -e ^NoNew -e ^Seccomp: /proc/self/status; sleep 1000");
	box_start(p, &b);
	exec_text = box_exec(p, "main", identity, NULL);
	text = box_log_wait(p, "main", 0, "\nSeccomp:");
	/* Not CAP_SYS_ADMIN, which loading the filter without no_new_privs took. */
	assert_has(text,
		"CapInh:\t0000000000000000\nCapPrm:\t0000000000080001\nCapEff:\t0000000000080001\n"
		"CapBnd:\t0000000000080001\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:"
		"\t2\n");
	assert_has(exec_text, "CapPrm:\t0000000000080001\nCapEff:\t0000000000080001\n"
			      "CapBnd:\t0000000000080001\nCapAmb:\t0000000000000000\nNoNewPrivs:"
			      "\t0\nSeccomp:\t2\n");
}

static void unconfined_user_without_nnp_has_nothing_either(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	pod_up(p);
	box_init(&b, p, "main");
	b.plan.no_new_privs = 0;
	user_set(&b, 1000, 1000);
	cap_add(&b, "CAP_CHOWN");
	box_shell(&b, identity);
	text = box_run(p, &b, NULL);
	assert_has(text, "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:"
			 "\t0000000000000001\n");
	b.plan.restart = 1;
	b.plan.seccomp = BULKHEAD__V1__SECCOMP_KIND__SECCOMP_UNCONFINED;
	free(take_ptr(text));
	text = box_run(p, &b, NULL);
	assert_has(text, "Seccomp:\t0\n");
}

/* CVE-2019-11245: whatever way a user is written, root is found out, at each start. */
static void non_root_is_judged_by_the_effective_uid(void **state)
{
	static const char *const refused[] = { "", "0", "00", "root", "toor", "root:alice",
		"0:1000" };
	static const char *const unknown[] = { "nobody", "-1", "0x0", " 0", "4294967296",
		"2147483648" };
	struct pod *p = *state;
	struct box b;
	struct ending e;

	pod_up(p);
	for (uint32_t round = 0; round < 2; round++) {
		box_init(&b, p, "main");
		b.plan.must_be_non_root = 1;
		b.plan.restart = round;
		box_shell(&b, "id -u");
		for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
			const char *text;

			b.plan.user = (char *)(uintptr_t)refused[i];
			text = box_try(p, &b, NULL);
			assert_non_null(text);
			assert_has(
				text, "runAsNonRoot is set but the container would run as uid 0");
		}
		for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
			b.plan.user = (char *)(uintptr_t)unknown[i];
			assert_non_null(box_try(p, &b, NULL));
		}
		b.plan.user = (char *)(uintptr_t) "alice";
		free(box_run(p, &b, &e));
		assert_int_equal(e.code, 0);
	}
	box_init(&b, p, "main");
	user_set(&b, 70000, 0);
	box_shell(&b, "id");
	assert_has(box_try(p, &b, NULL), "id 70000 is not mapped in the pod's user namespace");
	user_set(&b, PROJECT_ID + 5, 0);
	free(box_run(p, &b, &e));
	assert_int_equal(e.code, 0);
}

static void mounts_are_as_they_should(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	pod_up(p);
	box_init(&b, p, "main");
	box_mount(&b, 0, "data", "/data/deep/er", 0);
	box_mount(&b, 0, "data", "/ro", 1);
	box_shell(&b,
		"cat /proc/self/mountinfo; touch /data/deep/er/x && echo written; touch /ro/y; "
		"ls -l /dev; stat -c '%t:%T' /dev/null; touch /dev/mqueue/q /dev/shm/s && echo "
		"shared");
	text = box_run(p, &b, NULL);
	assert_has(text, " / / rw,nosuid,nodev,relatime - overlay overlay rw,");
	assert_has(text, " / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw");
	assert_has(text, " / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ");
	assert_has(text, " / /dev/shm rw,nosuid,nodev,noexec,relatime - tmpfs ");
	assert_has(text, " /data/deep/er rw,nosuid,nodev,");
	assert_has(text, " /ro ro,nosuid,nodev,");
	assert_has(text, "written");
	assert_has(text, "touch: /ro/y: Read-only file system");
	assert_has(text, "1:3\nshared\n");
	/* What lies on the host, where, is none of the pod's business. */
	assert_has_not(text, p->layer);
	assert_has_not(text, "lowerdir=/");
}

static void empty_dir_gives_its_group(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	pod_up(p);
	box_init(&b, p, "main");
	b.plan.uid_set = b.plan.gid_set = 1;
	b.plan.uid = b.plan.gid = 1000;
	b.groups[b.plan.n_groups++] = 2000;
	box_mount(&b, 0, "plain", "/plain", 0);
	box_mount(&b, 0, "shared", "/shared", 0);
	b.mounts[1].gid = SLICE + 2000;
	box_shell(&b, "touch /plain/x /shared/x; mkdir /shared/d; chmod 2770 /shared/d; "
		      "stat -c '%n %a %u:%g' /plain /plain/x /shared /shared/x /shared/d");
	text = box_run(p, &b, NULL);
	assert_string_equal(text, "/plain 777 0:0\n/plain/x 644 1000:1000\n/shared 2777 0:2000\n"
				  "/shared/x 644 1000:2000\n/shared/d 2770 1000:2000\n");
	/* A second start leaves it as the pod has it. */
	free(text);
	b.plan.restart = 1;
	box_shell(&b, "stat -c '%n %a %u:%g' /shared/x");
	text = box_run(p, &b, NULL);
	assert_string_equal(text, "/shared/x 644 1000:2000\n");
}

static void root_can_be_read_only(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	pod_up(p);
	box_init(&b, p, "main");
	b.plan.read_only_root = 1;
	box_mount(&b, 0, "data", "/made", 0);
	b.plan.cwd = (char *)(uintptr_t) "/made/too";
	box_shell(&b, "pwd; touch /x; echo z >/etc/hosts; touch /made/y && echo volume");
	text = box_run(p, &b, NULL);
	assert_has(text, "/made/too\n");
	assert_has(text, "touch: /x: Read-only file system");
	assert_has(text, "can't create /etc/hosts: Read-only file system");
	assert_has(text, "volume");
}

/* The value of a controller's file as the container itself sees it. */
static char *cgroup_value(struct pod *p, const char *v1, const char *v2)
{
	char script[256];

	snprintf(script, sizeof(script),
		"cat /sys/fs/cgroup/%s 2>/dev/null || cat /sys/fs/cgroup/%s", v1, v2);
	return box_exec(p, "main", script, NULL);
}

static void limits_reach_the_kernel(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *memory = NULL;
	cleanup_free char *pids = NULL;
	cleanup_free char *quota = NULL;
	cleanup_free char *shares = NULL;
	cleanup_free char *groups = NULL;

	pod_up(p);
	box_init(&b, p, "main");
	b.limits.memory_max = 32 << 20;
	b.limits.pids_max = 17;
	b.limits.cpu_quota_us = 25000;
	b.limits.cpu_period_us = 100000;
	b.limits.cpu_shares = 102;
	box_args(&b, "sleep", "1000", NULL);
	box_start(p, &b);
	memory = cgroup_value(p, "memory/memory.limit_in_bytes", "memory.max");
	assert_string_equal(memory, "33554432\n");
	pids = cgroup_value(p, "pids/pids.max", "pids.max");
	assert_string_equal(pids, "17\n");
	quota = cgroup_value(p, "cpu/cpu.cfs_quota_us", "cpu.max");
	assert_has(quota, "25000");
	shares = cgroup_value(p, "cpu/cpu.shares", "cpu.weight");
	assert_true(strcmp(shares, "102\n") == 0 || strcmp(shares, "17\n") == 0);
	/* In a cgroup namespace of its own: every path ends at its root. */
	groups = box_exec(p, "main", "cat /proc/self/cgroup", NULL);
	assert_has_not(groups, "bulkhead-test");
	assert_has(groups, ":/\n");
}

static void fork_bomb_ends_at_the_limit(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	pod_up(p);
	box_init(&b, p, "main");
	b.limits.pids_max = 10;
	box_shell(&b, "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 100 & done; echo all");
	text = box_run(p, &b, NULL);
	assert_has(text, "can't fork: Resource temporarily unavailable");
}

static void out_of_memory_is_told_from_a_kill(void **state)
{
	struct pod *p = *state;
	struct box b;
	struct ending e;

	pod_up(p);
	box_init(&b, p, "main");
	b.limits.memory_max = 16 << 20;
	box_args(&b, "/bin/workload", "eat", "64", NULL);
	box_start(p, &b);
	e = box_wait(p, "main");
	assert_int_equal(e.code, 137);
	assert_int_equal(e.signal, SIGKILL);
	assert_true(e.oom);

	/* The same cgroup counts no kill of an earlier run. */
	b.plan.restart = 1;
	box_args(&b, "sleep", "1000", NULL);
	box_start(p, &b);
	box_signal(p, "main", SIGKILL);
	e = box_wait(p, "main");
	assert_int_equal(e.signal, SIGKILL);
	assert_false(e.oom);

	/* A child that the kernel killed is not the container. */
	b.plan.restart = 2;
	box_shell(&b, "/bin/workload eat 64; echo child $?; exit 0");
	box_start(p, &b);
	e = box_wait(p, "main");
	assert_int_equal(e.code, 0);
	assert_false(e.oom);

	/* After such a child, a SIGKILL of ours is ours. */
	b.plan.restart = 3;
	box_shell(&b, "/bin/workload eat 64; echo ready; sleep 1000");
	box_start(p, &b);
	free(box_log_wait(p, "main", 3, "ready"));
	box_signal(p, "main", SIGKILL);
	e = box_wait(p, "main");
	assert_int_equal(e.signal, SIGKILL);
	assert_false(e.oom);
}

static void exit_codes_and_signals(void **state)
{
	static const struct {
		const char *script;
		int code;
	} rows[] = { { "exit 0", 0 }, { "exit 1", 1 }, { "exit 255", 255 } };
	struct pod *p = *state;
	struct box b;
	struct ending e;

	pod_up(p);
	box_init(&b, p, "main");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		b.plan.restart = (uint32_t)i;
		box_shell(&b, rows[i].script);
		free(box_run(p, &b, &e));
		assert_int_equal(e.code, rows[i].code);
		assert_int_equal(e.signal, 0);
	}
	/* pid 1 must handle a signal for it to arrive. */
	b.plan.restart = 3;
	box_shell(&b, "trap 'exit 43' TERM; echo up; while :; do sleep 0.01; done");
	box_start(p, &b);
	free(box_log_wait(p, "main", 3, "up"));
	box_signal(p, "main", SIGTERM);
	e = box_wait(p, "main");
	assert_int_equal(e.code, 43);
}

static void what_cannot_run_is_said(void **state)
{
	struct pod *p = *state;
	struct box b;

	pod_up(p);
	box_init(&b, p, "main");
	box_args(&b, "nothing-here", NULL);
	assert_has(box_try(p, &b, NULL),
		"container 'main': program: cannot find 'nothing-here' in $PATH");
	box_args(&b, "/etc/passwd", NULL);
	assert_has(box_try(p, &b, NULL), "cannot run '/etc/passwd': Permission denied");
	box_args(&b, "/bin", NULL);
	assert_has(box_try(p, &b, NULL), "cannot run '/bin': Permission denied");
	box_args(&b, NULL);
	assert_has(box_try(p, &b, NULL), "args: nothing to run");
	box_args(&b, "true", NULL);
	b.env[0] = (char *)(uintptr_t) "PATH=/nowhere:/bin:/x";
	b.plan.n_env = 1;
	box_start(p, &b);
	assert_int_equal(box_wait(p, "main").code, 0);
	b.env[0] = (char *)(uintptr_t) "NOVALUE";
	assert_has(box_try(p, &b, NULL), "env[0] is not NAME=value");
	b.plan.n_env = 0;
	b.plan.selinux_label = (char *)(uintptr_t) "system_u:system_r:container_t:s0:c1,c2";
	if (access("/sys/fs/selinux/enforce", F_OK) < 0)
		assert_has(box_try(p, &b, NULL), "SELinux is not enabled on this node");
	b.plan.selinux_label = (char *)(uintptr_t) "";
	b.layers[0] = (char *)(uintptr_t) "/nonexistent/layer";
	assert_has(box_try(p, &b, NULL), "cannot open layer '/nonexistent/layer'");
	b.layers[0] = p->layer;
	cap_add(&b, "CAP_NONSENSE");
	assert_has(box_try(p, &b, NULL), "capabilities: 'CAP_NONSENSE' is not known");
	b.plan.n_capabilities = 0;
	b.plan.seccomp = BULKHEAD__V1__SECCOMP_KIND__SECCOMP_LOCALHOST;
	b.plan.seccomp_profile = (char *)(uintptr_t) "/nonexistent.json";
	assert_has(box_try(p, &b, NULL), "cannot open seccomp profile '/nonexistent.json'");
	b.plan.seccomp = 0;
	box_args(&b, "true", NULL);
	box_start(p, &b);
	box_wait(p, "main");
}

static void localhost_profile_is_applied(void **state)
{
	static const char json[] =
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\","
		"\"mkdirat\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":99}]}";
	struct pod *p = *state;
	struct box b;
	char path[160];
	cleanup_free char *text = NULL;
	int fd;

	snprintf(path, sizeof(path), "%s/profile.json", p->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, json, sizeof(json) - 1), sizeof(json) - 1);
	close(fd);
	pod_up(p);
	box_init(&b, p, "main");
	b.plan.seccomp = BULKHEAD__V1__SECCOMP_KIND__SECCOMP_LOCALHOST;
	b.plan.seccomp_profile = path;
	box_shell(&b, "mkdir /x; grep ^Seccomp: /proc/self/status");
	text = box_run(p, &b, NULL);
	assert_has(text, "Cannot assign requested address");
	assert_has(text, "Seccomp:\t2");
	/* CVE-2023-2431: an empty profile is an error, not "unconfined". */
	assert_int_equal(truncate(path, 0), 0);
	b.plan.restart = 1;
	assert_has(box_try(p, &b, NULL), "seccomp profile is empty");
}

static void logs_are_cri_lines(void **state)
{
	struct pod *p = *state;
	struct box b;
	char path[256];
	struct stat st;
	cleanup_free char *text = NULL;
	cleanup_free char *raw = NULL;
	size_t size;
	regex_t regex;
	size_t lines = 0;
	size_t partial = 0;

	pod_up(p);
	assert_int_equal(chown(p->logs, 0, 12345), 0);
	assert_int_equal(chmod(p->logs, 02750), 0);
	box_init(&b, p, "main");
	box_shell(&b,
		"echo out; echo err >&2; echo '2026-01-01T00:00:00.000000000Z stdout F forged'; "
		"/bin/workload flood 40000; echo; printf unfinished");
	text = box_run(p, &b, NULL);
	snprintf(path, sizeof(path), "%s/main/0.log", p->logs);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_gid, 12345);
	assert_int_equal(file_read_at(AT_FDCWD, path, 1 << 20, &raw, &size, &test_err), 0);
	assert_int_equal(regcomp(&regex, CRI_LINE, REG_EXTENDED | REG_NOSUB), 0);
	for (char *line = strtok(raw, "\n"); line; line = strtok(NULL, "\n")) {
		assert_int_equal(regexec(&regex, line, 0, NULL, 0), 0);
		lines++;
		partial += line[38] == 'P';
	}
	regfree(&regex);
	/* out, err, forged, 40000 bytes in three pieces, the unfinished one */
	assert_int_equal(lines, 7);
	assert_int_equal(partial, 3);
	assert_has(text, "\n2026-01-01T00:00:00.000000000Z stdout F forged\n");
	assert_has(text, "err\n");
	assert_true(strlen(text) > 40000 && strcmp(text + strlen(text) - 10, "unfinished") == 0);
}

static void tty_container_has_a_console(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	pod_up(p);
	box_init(&b, p, "main");
	b.plan.tty = 1;
	user_set(&b, 1000, 1000);
	box_shell(&b, "tty; stat -c %t:%T /dev/console; ls -ln /dev/pts/0; echo TERM=$TERM; "
		      "echo to-console >/dev/console; exec 0<&- 1>&- 2>&-; true");
	text = box_run(p, &b, NULL);
	assert_has(text, "/dev/pts/0\r\n88:0\r\n");
	assert_has(text, "1 1000     5");
	assert_has(text, "TERM=xterm\r\n");
	assert_has(text, "to-console");
}

static void restart_gets_a_fresh_root(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *first = NULL;
	cleanup_free char *second = NULL;

	pod_up(p);
	box_init(&b, p, "main");
	box_mount(&b, 0, "keep", "/keep", 0);
	box_shell(&b, "ls /mark /keep/mark; mkdir -p /a/b/c; touch /mark /keep/mark; rm /bin/yes; "
		      "exit 1");
	first = box_run(p, &b, NULL);
	assert_has(first, "ls: /mark: No such file");
	b.plan.restart = 1;
	box_shell(&b, "ls /mark /keep/mark /bin/yes");
	second = box_run(p, &b, NULL);
	assert_has(second, "ls: /mark: No such file");
	assert_has(second, "/keep/mark\n");
	assert_has(second, "/bin/yes\n");
}

static void containers_share_what_a_pod_shares(void **state)
{
	struct pod *p = *state;
	struct box a;
	struct box b;
	cleanup_free char *text = NULL;

	pod_up(p);
	box_init(&a, p, "first");
	box_mount(&a, 0, "data", "/data", 0);
	box_shell(&a, "echo hello >/data/x; echo shm >/dev/shm/x; touch /only-here; sleep 1000");
	box_start(p, &a);
	box_init(&b, p, "second");
	box_mount(&b, 0, "data", "/data", 1);
	box_shell(&b, "while ! test -s /dev/shm/x; do sleep 0.01; done; cat /data/x /dev/shm/x; ls "
		      "/only-here; ps");
	text = box_run(p, &b, NULL);
	assert_has(text, "hello\nshm\n");
	assert_has(text, "ls: /only-here: No such file");
	/* Its own processes and nobody else's. */
	assert_has_not(text, "sleep 1000");
	assert_has(box_try(p, &a, NULL), "container 'first': it runs already");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pod_test(ordinary_user_has_no_capability),
		pod_test(root_has_what_was_given),
		pod_test(unconfined_user_without_nnp_has_nothing_either),
		pod_test(non_root_is_judged_by_the_effective_uid),
		pod_test(mounts_are_as_they_should),
		pod_test(empty_dir_gives_its_group),
		pod_test(root_can_be_read_only),
		pod_test(limits_reach_the_kernel),
		pod_test(fork_bomb_ends_at_the_limit),
		pod_test(out_of_memory_is_told_from_a_kill),
		pod_test(exit_codes_and_signals),
		pod_test(what_cannot_run_is_said),
		pod_test(localhost_profile_is_applied),
		pod_test(logs_are_cri_lines),
		pod_test(tty_container_has_a_console),
		pod_test(restart_gets_a_fresh_root),
		pod_test(containers_share_what_a_pod_shares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
