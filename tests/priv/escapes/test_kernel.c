/* What the kernel shows and lets be set: rows 10, 16, 28, 29, 30, 32, and devices. */
#include "tests/priv/escapes/escapes.h"

#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define HOST_KEY "bulkhead-host-key"
#define RED_KEY  "bulkhead-red-key"

/* Runs a verb of the hostile program to its end. */
static char *hostile_run(struct pod *p, struct box *b, const char *verb, const char *arg)
{
	box_args(b, "/bin/hostile", verb, arg, NULL);
	return box_run(p, b, NULL);
}

/*
 * Row 10, CVE-2022-0492: a hierarchy of one's own, or the one shown, and its release_agent. Nothing
 * of it works; without a filter, and in a user namespace of its own making, the mount does, but
 * what it shows is the host's to write.
 */
static void no_release_agent(void **state)
{
	struct pod *p = *state;
	struct box b;

	pod_up(p);
	for (uint32_t i = 0; i < 3; i++) {
		cleanup_free char *text = NULL;

		box_init(&b, p, "main");
		b.plan.restart = i;
		if (i > 0)
			box_unconfined(&b);
		if (i > 1)
			box_cap(&b, "CAP_SYS_ADMIN");
		b.plan.read_only_root = 1;
		text = hostile_run(p, &b, "release_agent", NULL);
		assert_has(text, "mount cgroup at once 1\n");
		assert_has(text, "mount cgroup2 at once 1\n");
		assert_has(text, "mount option at once 1\n");
		assert_has(text, i ? "\nunshare 0\n" : "\nunshare 1\n");
		assert_has(text, i ? "\nmount option after unshare 22\n"
				   : "\nmount option after unshare 1\n");
		assert_int_equal(times(text, " 0\n"), i ? times(text, "unshare 0\n") : 0);
		if (i > 0)
			assert_has(text, "\nrelease_agent after unshare 13\n"
					 "notify after unshare 13\ngroup after unshare 13\n");
	}
}

/* Row 16, CVE-2023-25809: no file of any hierarchy can be opened for writing. */
static void cgroup_files_are_read_only(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	pod_up(p);
	box_init(&b, p, "main");
	text = hostile_run(p, &b, "cgroup", "/sys/fs/cgroup");
	assert_has_not(text, "writable");
	assert_has_not(text, "errno 0:");
	assert_has(text, " files\nmkdir 30\n");
}

/* The files are root's, who is the host's here: it is the mount that is read-only. */
static void nor_the_hosts_root_writes_them(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;
	const char *at;

	pod_of_host_users(p);
	pod_up(p);
	box_init(&b, p, "main");
	box_cap(&b, "CAP_DAC_OVERRIDE");
	text = hostile_run(p, &b, "cgroup", "/sys/fs/cgroup");
	assert_has_not(text, "writable");
	at = strstr(text, "errno 30: ");
	assert_non_null(at);
	assert_ptr_equal(at, text);
	assert_true(atoi(at + strlen("errno 30: ")) > 20);
}

static long key_find(const char *keyring, const char *text)
{
	char part[64];

	snprintf(part, sizeof(part), "%s 0\n", keyring);
	assert_has(text, part);
	return atol(strstr(text, part) + strlen(part) + strlen("serial "));
}

/* Row 28: neither the keys of whoever started the node nor another project's. */
static void keys_are_not_shared(void **state)
{
	struct pair *pair = *state;
	struct pod *red = &pair->red;
	struct pod *blue = &pair->blue;
	cleanup_free char *added = NULL;
	cleanup_free char *found = NULL;
	char serials[4][16];
	struct box b;
	long key;

	assert_true(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0);
	key = syscall(SYS_add_key, "user", HOST_KEY, "canary", (size_t)6, KEY_SPEC_SESSION_KEYRING);
	assert_true(key > 0);
	pair_up(pair);
	box_init(&b, red, "main");
	box_unconfined(&b);
	box_args(&b, "/bin/hostile", "keys-add", RED_KEY, NULL);
	box_start(red, &b);
	added = box_log_wait(red, "main", 0, "user-session 0\nserial ");
	for (uint32_t i = 0; i < 2; i++) {
		box_init(&b, blue, "main");
		b.plan.restart = i;
		box_unconfined(&b);
		snprintf(serials[0], 16, "%ld", key);
		snprintf(serials[1], 16, "%ld", key_find("session", added));
		snprintf(serials[2], 16, "%ld", key_find("user", added));
		snprintf(serials[3], 16, "%ld", key_find("user-session", added));
		box_args(&b, "/bin/hostile", "keys-find", i ? RED_KEY : HOST_KEY, serials[0],
			serials[1], serials[2], serials[3], NULL);
		found = box_run(blue, &b, NULL);
		assert_has_not(found, " 0\n");
		assert_has(found, "request_key 126\n");
		assert_int_equal(times(found, "read serial 13\n"), 4);
		free(take_ptr(found));
	}
	syscall(SYS_keyctl, KEYCTL_REVOKE, key);
}

/* Row 29: what tells of the host, or rules it, by how it is closed. */
enum closed {
	MASKED,    /* reads as empty and swallows what is written, or is an empty directory */
	READ_ONLY, /* the mount says so, where it is not the owner that the kernel looks at first */
	UNREADABLE,
	ABSENT,
};

static const struct {
	const char *path;
	enum closed closed;
} paths[] = {
	{ "/proc/kcore", MASKED },
	{ "/proc/keys", MASKED },
	{ "/proc/timer_list", MASKED },
	{ "/proc/interrupts", MASKED },
	{ "/proc/sched_debug", MASKED },
	{ "/proc/latency_stats", MASKED },
	{ "/proc/acpi", MASKED },
	{ "/proc/scsi", MASKED },
	{ "/sys/firmware", MASKED },
	{ "/sys/devices/virtual/powercap", MASKED },
	{ "/proc/sysrq-trigger", READ_ONLY },
	{ "/proc/sys/kernel/core_pattern", READ_ONLY },
	{ "/proc/sys/kernel/modprobe", READ_ONLY },
	{ "/proc/sys/kernel/sysrq", READ_ONLY },
	{ "/proc/sys/kernel/randomize_va_space", READ_ONLY },
	{ "/proc/sys/vm/overcommit_memory", READ_ONLY },
	{ "/proc/sys/net/ipv4/ip_forward", READ_ONLY },
	{ "/proc/irq/default_smp_affinity", READ_ONLY },
	{ "/sys/kernel/uevent_helper", READ_ONLY },
	{ "/sys/power/state", READ_ONLY },
	{ "/sys/kernel/mm/transparent_hugepage/enabled", READ_ONLY },
	{ "/proc/kmsg", UNREADABLE },
	{ "/dev/mem", ABSENT },
	{ "/dev/port", ABSENT },
	{ "/dev/kmsg", ABSENT },
};

static void path_check(const char *text, size_t i, int host_users)
{
	const char *line = strstr(text, paths[i].path);
	int write_errno;
	int read_errno;
	char what[16];

	assert_non_null(line);
	assert_int_equal(sscanf(line + strlen(paths[i].path), " write %d read %d %15s",
				 &write_errno, &read_errno, what),
		3);
	/* Not every kernel has all of them. */
	if (write_errno == ENOENT && read_errno == ENOENT)
		return;
	switch (paths[i].closed) {
	case MASKED:
		assert_true((write_errno == EISDIR && read_errno == EISDIR) ||
			    (write_errno == 0 && strcmp(what, "empty") == 0));
		return;
	case READ_ONLY:
		assert_true(write_errno == EROFS || (!host_users && write_errno == EACCES));
		return;
	case UNREADABLE:
		assert_true(read_errno == EACCES || read_errno == EPERM);
		return;
	case ABSENT:
		fail_msg("%s is there", paths[i].path);
	}
}

static void covers_check(struct pod *p, int host_users)
{
	struct box b;
	cleanup_free char *text = NULL;
	cleanup_free char *rest = NULL;
	char *args[2 + ARRAY_LEN(paths)] = { (char *)(uintptr_t) "/bin/hostile",
		(char *)(uintptr_t) "open" };

	pod_up(p);
	box_init(&b, p, "main");
	box_covers(&b);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		args[2 + i] = (char *)(uintptr_t)paths[i].path;
	b.plan.args = args;
	b.plan.n_args = ARRAY_LEN(args);
	text = box_run(p, &b, NULL);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		path_check(text, i, host_users);
	b.plan.args = b.args;
	b.plan.restart = 1;
	box_shell(&b,
		"ls -A /proc/acpi /sys/firmware /proc/scsi 2>/dev/null | grep -v -e : -e '^$'; "
		"grep -v '^0* ' /proc/kallsyms | head -n 3; "
		"grep -v '^ *0*-0* ' /proc/iomem | head -n 3; echo end");
	rest = box_run(p, &b, NULL);
	assert_string_equal(rest, "end\n");
	box_covers_done(&b);
}

static void the_hosts_kernel_is_covered(void **state)
{
	covers_check(*state, 0);
}

static void also_from_the_hosts_root(void **state)
{
	pod_of_host_users(*state);
	covers_check(*state, 1);
}

/* Row 30: a crash leaves nothing of the container's memory, and the limit cannot be raised again.
 */
static void no_core_is_dumped(void **state)
{
	struct pod *p = *state;
	const char *const args[] = { "/bin/hostile", "core" };
	cleanup_free char *text = NULL;
	cleanup_free char *exec = NULL;
	struct rlimit limit;
	struct box b;

	assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_CORE, &limit), 0);
	pod_up(p);
	box_init(&b, p, "main");
	box_cap(&b, "CAP_SYS_RESOURCE");
	text = hostile_run(p, &b, "core", NULL);
	assert_string_equal(text, "limit 1 1\nraise 1\nsignal 11 dumped 0\nfile 2\n");
	box_init(&b, p, "other");
	box_args(&b, "sleep", "1000", NULL);
	box_start(p, &b);
	exec = box_exec_args(p, "other", args, ARRAY_LEN(args), NULL);
	assert_string_equal(text, exec);
}

/* Row 30: where the kernel can, the pages of a secret never go to swap. */
static void secrets_are_not_swapped(void **state)
{
	struct pod *p = *state;
	cleanup_free char *text = NULL;
	struct box b;

	tmpfs_add(p, "secret", 1, SLICE, 0750);
	pod_up(p);
	box_init(&b, p, "main");
	box_mount(&b, 1, "secret", "/secret", 0);
	box_shell(&b, "grep ' /secret ' /proc/self/mountinfo");
	text = box_run(p, &b, NULL);
	assert_has(text, ",noswap");
}

/* A file of the image that is the image's root's and has the set-user-ID bit or a capability. */
static void gifted_make(struct pod *p)
{
	struct vfs_cap_data data = { .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE };
	char path[160];

	run_host("cp %s/bin/hostile %s/bin/suid && cp %s/bin/hostile %s/bin/gifted && "
		 "chown %u:%u %s/bin/suid %s/bin/gifted && chmod 06755 %s/bin/suid",
		p->layer, p->layer, p->layer, p->layer, IMAGE_BASE, IMAGE_BASE, p->layer, p->layer,
		p->layer);
	data.data[0].permitted = 1u << CAP_NET_BIND_SERVICE;
	snprintf(path, sizeof(path), "%s/bin/gifted", p->layer);
	assert_int_equal(setxattr(path, "security.capability", &data, XATTR_CAPS_SZ_2, 0), 0);
}

/* Row 32: no_new_privs. */
static void the_images_gifts_are_not_taken(void **state)
{
	static const char *const programs[] = { "/bin/suid", "/bin/gifted" };
	struct pod *p = *state;
	struct box b;

	gifted_make(p);
	pod_up(p);
	for (uint32_t i = 0; i < ARRAY_LEN(programs); i++) {
		cleanup_free char *text = NULL;

		box_init(&b, p, "main");
		b.plan.restart = i;
		box_user(&b, 1000);
		box_cap(&b, "CAP_NET_BIND_SERVICE");
		box_args(&b, programs[i], "ids", NULL);
		text = box_run(p, &b, NULL);
		assert_has(text, "uid 1000 1000 1000\n");
		assert_has(text, "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n");
		assert_has(text, "NoNewPrivs:\t1\n");
	}
}

/* Where the pod may gain privileges, it gains its own root's within the bounds, and none from
 * volumes. */
static void gifts_that_are_taken_stay_in_the_pod(void **state)
{
	struct pod *p = *state;
	cleanup_free char *maker = NULL;
	cleanup_free char *text = NULL;
	struct box b;

	gifted_make(p);
	pod_up(p);
	box_init(&b, p, "maker");
	b.plan.no_new_privs = 0;
	box_mount(&b, 0, "data", "/data", 0);
	box_shell(&b, "cat /bin/hostile >/data/suid && chmod 4755 /data/suid && echo made");
	run_host("ln -s busybox %s/bin/chmod", p->layer);
	maker = box_run(p, &b, NULL);
	assert_string_equal(maker, "made\n");
	box_init(&b, p, "main");
	b.plan.no_new_privs = 0;
	box_user(&b, 1000);
	box_cap(&b, "CAP_NET_BIND_SERVICE");
	box_mount(&b, 0, "data", "/data", 0);
	box_shell(&b, "/data/suid ids; echo; /bin/suid ids");
	text = box_run(p, &b, NULL);
	assert_has(text, "uid 1000 1000 1000\nCapInh:\t0000000000000000\n"
			 "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n");
	assert_has(text, "\n\nuid 1000 0 0\nCapInh:\t0000000000000000\n"
			 "CapPrm:\t0000000000000400\nCapEff:\t0000000000000400\n");
}

/* Devices of the host: made nowhere, and no file system a pod can write to opens one. */
static void devices_are_out_of_reach(void **state)
{
	struct pod *p = *state;
	cleanup_free char *text = NULL;
	struct box b;

	pod_up(p);
	box_init(&b, p, "main");
	box_cap(&b, "CAP_MKNOD");
	text = hostile_run(p, &b, "device", NULL);
	assert_string_equal(text, "mknod disk 1\nopen disk 2\nmknod mem 1\nopen mem 2\n"
				  "mknod null 1\nopen null 2\n");
}

/* With the host's root it is the devices cgroup that says no, and nodev to what it lets be made. */
static void devices_are_out_of_the_hosts_roots_reach(void **state)
{
	struct pod *p = *state;
	cleanup_free char *text = NULL;
	struct box b;

	pod_of_host_users(p);
	pod_up(p);
	box_init(&b, p, "main");
	box_cap(&b, "CAP_MKNOD");
	text = hostile_run(p, &b, "device", NULL);
	assert_has(text, "mknod disk 1\nopen disk 2\nmknod mem 1\nopen mem 2\n");
	assert_has(text, "open null 13\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		hostile_test(no_release_agent),
		hostile_test(cgroup_files_are_read_only),
		hostile_test(nor_the_hosts_root_writes_them),
		pair_test(keys_are_not_shared),
		hostile_test(the_hosts_kernel_is_covered),
		hostile_test(also_from_the_hosts_root),
		hostile_test(no_core_is_dumped),
		hostile_test(secrets_are_not_swapped),
		hostile_test(the_images_gifts_are_not_taken),
		hostile_test(gifts_that_are_taken_stay_in_the_pod),
		hostile_test(devices_are_out_of_reach),
		hostile_test(devices_are_out_of_the_hosts_roots_reach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
