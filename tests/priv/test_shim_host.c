/* Namespaces that are the host's, the pod's, or new: seen from outside by /proc, in real pods. */
#include "tests/priv/shim_harness.h"

static char link_text[128];

static const char *ns_of(int pid, const char *name)
{
	char path[64];
	ssize_t n;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	else
		snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	n = readlink(path, link_text, sizeof(link_text) - 1);
	assert_true(n > 0);
	link_text[n] = '\0';
	return link_text;
}

static int same_ns(int a, int b, const char *name)
{
	char first[128];

	strcpy(first, ns_of(a, name));
	return strcmp(first, ns_of(b, name)) == 0;
}

static void of_host_users(struct pod *p)
{
	p->plan.host_users = 1;
	p->plan.n_uid_map = 0;
}

static int sleeper(struct pod *p, const char *name)
{
	struct box b;

	box_init(&b, p, name);
	box_args(&b, "/bin/sleep", "1000", NULL);
	return box_start(p, &b);
}

static void each_is_the_hosts_when_asked_for(void **state)
{
	static const char *const own[] = { "uts", "mnt", "cgroup" };
	static const char *const hosts[] = { "net", "pid", "ipc", "user" };
	struct pod *p = *state;
	int pid;

	of_host_users(p);
	p->plan.host_network = p->plan.host_pid = p->plan.host_ipc = 1;
	pod_up(p);
	pid = sleeper(p, "main");
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		if (!same_ns(0, pid, hosts[i]))
			fail_msg("%s is not the host's", hosts[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		if (same_ns(0, pid, own[i]))
			fail_msg("%s is the host's", own[i]);
	}
}

static void each_by_itself(void **state)
{
	struct pod *p = *state;
	int pid;

	of_host_users(p);
	p->plan.host_ipc = 1;
	pod_up(p);
	pid = sleeper(p, "main");
	assert_true(same_ns(0, pid, "ipc"));
	assert_false(same_ns(0, pid, "net"));
	assert_false(same_ns(0, pid, "pid"));
}

/* Seeing the host's processes is no right over them. */
static void the_hosts_processes_are_out_of_reach(void **state)
{
	struct pod *p = *state;
	struct box b;
	char script[512];
	cleanup_free char *text = NULL;

	of_host_users(p);
	p->plan.host_pid = 1;
	pod_up(p);
	box_init(&b, p, "main");
	b.plan.uid = b.plan.gid = 1000;
	b.plan.uid_set = b.plan.gid_set = 1;
	snprintf(script, sizeof(script),
		"p=%d; [ -d /proc/$p ] && echo seen; cat /proc/$p/environ >/dev/null && echo "
		"environ; "
		"ls /proc/$p/root/ && echo root; ls /proc/$p/fd && echo fd; kill -0 $p && echo "
		"kill; "
		"cat /proc/$p/mem >/dev/null && echo mem; echo end",
		p->shim);
	box_shell(&b, script);
	text = box_run(p, &b, NULL);
	assert_has(text, "seen");
	assert_has(text, "end");
	assert_has_not(text, "environ\n");
	assert_has_not(text, "root\n");
	assert_has_not(text, "fd\n");
	assert_has_not(text, "kill\n");
	assert_has_not(text, "mem\n");
}

/* Without a pid namespace that ends with its first process, the cgroup is what holds the others. */
static void what_a_container_leaves_behind_ends_with_it(void **state)
{
	struct pod *p = *state;
	struct box b;
	char text[64];

	of_host_users(p);
	p->plan.host_pid = 1;
	pod_up(p);
	box_init(&b, p, "main");
	snprintf(text, sizeof(text), "sleep %d & exec sleep 0.2", 400000 + getpid());
	box_shell(&b, text);
	box_start(p, &b);
	box_wait(p, "main");
	run_host("for i in 1 2 3 4 5 6 7 8 9; do pgrep -f '^sleep %d' || exit 0; sleep 0.1; done; "
		 "exit 1",
		400000 + getpid());
}

static void containers_share_processes(void **state)
{
	struct pod *p = *state;
	cleanup_free char *text = NULL;
	cleanup_free char *init = NULL;
	int first, second, code;
	struct box b;

	p->plan.share_process_namespace = 1;
	pod_up(p);
	first = sleeper(p, "first");
	box_init(&b, p, "second");
	box_args(&b, "/bin/sleep", "2000", NULL);
	second = box_start(p, &b);
	assert_true(same_ns(first, second, "pid"));
	assert_false(same_ns(0, first, "pid"));
	assert_false(same_ns(first, second, "mnt"));
	text = box_exec(p, "first", "ps -o pid,args", &code);
	assert_has(text, "sleep 1000");
	assert_has(text, "sleep 2000");
	assert_has(text, "1 pod-init");
	assert_has_not(text, "bulkhead");
	/* Nobody in the pod looks into what holds it together. */
	init = box_exec(p, "first",
		"ls /proc/1/root/ && echo in; ls -l /proc/1/fd && echo in; cat /proc/1/environ && "
		"echo in; "
		"kill -9 1; kill -15 1; sleep 0.1; [ -d /proc/1 ] && echo alive; grep -E "
		"'^(Uid|CapEff|NoNewPrivs|Seccomp):' /proc/1/status",
		&code);
	assert_has_not(init, "in\n");
	assert_has(init, "alive");
	assert_has(init, "65534");
	assert_has(init, "CapEff:\t0000000000000000");
	assert_has(init, "NoNewPrivs:\t1");
	assert_has(init, "Seccomp:\t2");
	/* One ends, with what it left behind; the other goes on. */
	free(box_exec(p, "first", "sleep 3000 >/dev/null 2>&1 </dev/null &", &code));
	kill(first, SIGKILL);
	box_wait(p, "first");
	free(text);
	text = box_exec(p, "second", "ps -o pid,args", &code);
	assert_has(text, "sleep 2000");
	assert_has_not(text, "sleep 1000");
	assert_has_not(text, "sleep 3000");
	/* Orphans are reaped: no zombie stays. */
	free(box_exec(
		p, "second", "for i in 1 2 3 4 5; do (sleep 0.01 &); done; sleep 0.3", &code));
	free(text);
	text = box_exec(p, "second", "grep -l '^State:.Z' /proc/[0-9]*/status; echo end", &code);
	assert_string_equal(text, "end\n");
}

static void a_shared_namespace_dies_with_the_shim(void **state)
{
	struct pod *p = *state;
	int pid;

	p->plan.share_process_namespace = 1;
	pod_up(p);
	pid = sleeper(p, "main");
	kill(p->shim, SIGKILL);
	waitpid(p->shim, NULL, 0);
	p->shim = 0;
	run_host("for i in 1 2 3 4 5 6 7 8 9; do grep -q '^State:.[^Z]' /proc/%d/status "
		 "2>/dev/null || exit 0; sleep 0.1; done; exit 1",
		pid);
}

static void clocks_begin_with_the_pod(void **state)
{
	struct pod *p = *state;
	cleanup_free char *text = NULL;
	int pid, code;

	p->plan.time_namespace = 1;
	pod_up(p);
	pid = sleeper(p, "main");
	assert_false(same_ns(0, pid, "time"));
	text = box_exec(p, "main", "cut -d. -f1 /proc/uptime", &code);
	assert_in_range(atoi(text), 0, 60);
}

static uint64_t caps_of(int pid, const char *set)
{
	char path[64], name[32];
	cleanup_free char *text = NULL;
	size_t size;
	char *at;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	snprintf(name, sizeof(name), "\n%s:\t", set);
	assert_int_equal(file_read_at(AT_FDCWD, path, 65536, &text, &size, NULL), 0);
	at = strstr(text, name);
	assert_non_null(at);
	return strtoull(at + strlen(name), NULL, 16);
}

static void all_caps(struct box *b, char *names[41])
{
	static const char *const all[] = { "CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_MKNOD",
		"CAP_NET_ADMIN", "CAP_SYS_PTRACE" };

	b->plan.capabilities = names;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		names[b->plan.n_capabilities++] = (char *)(uintptr_t)all[i];
	b->plan.privileged = 1;
	b->plan.no_new_privs = 0;
	b->plan.seccomp = BULKHEAD__V1__SECCOMP_KIND__SECCOMP_UNCONFINED;
}

static void privileged_has_the_hosts_devices_alone(void **state)
{
	struct pod *p = *state;
	struct box b, other;
	char *names[41];
	cleanup_free char *text = NULL;
	cleanup_free char *plain = NULL;
	int pid, code;

	of_host_users(p);
	p->plan.all_devices = 1;
	pod_up(p);
	box_init(&b, p, "main");
	all_caps(&b, names);
	box_args(&b, "/bin/sleep", "1000", NULL);
	pid = box_start(p, &b);
	assert_true(caps_of(pid, "CapEff") & (1 << 21));
	text = box_exec(p, "main",
		"[ -c /dev/loop-control ] && echo device; cat </dev/loop-control; "
		"grep ' /sys ' /proc/self/mounts; grep ^Seccomp: /proc/self/status; "
		"mknod /tmp/loop c 10 237 && echo made; cat </tmp/loop",
		&code);
	assert_has(text, "device\n");
	assert_has(text, "made\n");
	assert_has(text, " sysfs rw,");
	assert_has(text, "Seccomp:\t0");
	assert_has_not(text, "not permitted");
	/* Its neighbour in the same pod, with the right to make one: it cannot be opened. */
	box_init(&other, p, "plain");
	other.caps[other.plan.n_capabilities++] = (char *)(uintptr_t) "CAP_MKNOD";
	box_args(&other, "/bin/sleep", "1000", NULL);
	box_start(p, &other);
	plain = box_exec(p, "plain",
		"[ -c /dev/loop-control ] || echo none; mknod /loop c 10 237; "
		"cat </loop; grep ' /sys ' /proc/self/mounts",
		&code);
	assert_has(plain, "none\n");
	assert_has(plain, "not permitted");
	assert_has(plain, " sysfs ro,");
}

static void privileged_in_its_own_user_namespace(void **state)
{
	struct pod *p = *state;
	struct box b;
	char *names[41];
	cleanup_free char *text = NULL;
	int pid, code;

	pod_up(p);
	box_init(&b, p, "main");
	all_caps(&b, names);
	box_args(&b, "/bin/sleep", "1000", NULL);
	pid = box_start(p, &b);
	assert_false(same_ns(0, pid, "user"));
	text = box_exec(p, "main",
		"mknod /x c 10 237 || echo no; [ -c /dev/loop-control ] || echo none; "
		"mkdir -p /t && unshare -m mount -t tmpfs t /t && echo mounted; "
		"echo 1 >/proc/sys/kernel/sysrq || echo kept",
		&code);
	assert_has(text, "no\n");
	assert_has(text, "none\n");
	assert_has(text, "mounted\n");
	assert_has(text, "kept\n");
}

static void contradictions_are_refused(void **state)
{
	struct pod *p = *state;

	pod_spawn(p);
	p->plan.host_network = 1;
	assert_has(
		pod_sandbox(p), "host_network, host_pid, host_ipc and all_devices need host_users");
	of_host_users(p);
	p->plan.host_network = 0;
	p->plan.host_pid = p->plan.share_process_namespace = 1;
	assert_has(pod_sandbox(p), "share_process_namespace: not with host_pid");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pod_test(each_is_the_hosts_when_asked_for),
		pod_test(each_by_itself),
		pod_test(the_hosts_processes_are_out_of_reach),
		pod_test(what_a_container_leaves_behind_ends_with_it),
		pod_test(containers_share_processes),
		pod_test(a_shared_namespace_dies_with_the_shim),
		pod_test(clocks_begin_with_the_pod),
		pod_test(privileged_has_the_hosts_devices_alone),
		pod_test(privileged_in_its_own_user_namespace),
		pod_test(contradictions_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
