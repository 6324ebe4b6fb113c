/* Images that would have the shim mount, write or read elsewhere: rows 4, 5, 6, 13, 15. */
#include "tests/priv/escapes/escapes.h"

#define CANARY "untouched\n"

/* Shell commands in the image's root; its files are the image's root user's afterwards. */
static void image_change(struct pod *p, const char *script)
{
	run_host("host=%s/host; cd %s && %s && chown -hR %u:%u .", p->dir, p->layer, script,
		IMAGE_BASE, IMAGE_BASE);
}

/* A file of the host that an image's links lead to; "/../.." in front leads out of no root. */
static void canary_make(struct pod *p)
{
	run_host("mkdir %s/host && printf '" CANARY "' >%s/host/canary", p->dir, p->dir);
}

static void canary_is_untouched(struct pod *p)
{
	char path[128];
	cleanup_free char *text = NULL;
	size_t size;

	snprintf(path, sizeof(path), "%s/host/canary", p->dir);
	assert_int_equal(file_read_at(AT_FDCWD, path, 64, &text, &size, &test_err), 0);
	assert_string_equal(text, CANARY);
	run_host("test $(ls -A %s/host | wc -l) = 1", p->dir);
}

static char *core_pattern(void)
{
	char *text;
	size_t size;

	assert_int_equal(file_read_at(AT_FDCWD, "/proc/sys/kernel/core_pattern", 256, &text, &size,
				 &test_err),
		0);
	return text;
}

/* Row 15, CVE-2023-27561: mounts would land where the link leads, and leave /proc unmasked. */
static void kernel_directories_must_be_real(void **state)
{
	static const char *const names[] = { "proc", "sys", "dev" };
	static const char *const changes[] = { "ln -s etc $n", "ln -s / $n", "ln -s ../../host $n",
		"touch $n", "mkfifo $n", "mkdir d && ln -s d $n" };
	struct pod *p = *state;
	struct box b;

	canary_make(p);
	pod_up(p);
	box_init(&b, p, "main");
	box_args(&b, "true", NULL);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		for (size_t k = 0; k < ARRAY_LEN(changes); k++) {
			char expected[128];

			run_host(
				"n=%s; cd %s && rm -rf d $n && %s", names[i], p->layer, changes[k]);
			snprintf(expected, sizeof(expected), "the image's /%s is not a directory",
				names[i]);
			assert_has(box_try(p, &b, NULL), expected);
			b.plan.restart++;
		}
		image_change(p, "rm -rf d proc sys dev && mkdir proc sys dev");
	}
	canary_is_untouched(p);
	box_start(p, &b);
	assert_int_equal(box_wait(p, "main").code, 0);
}

/* Row 4, CVE-2025-31133: what covers is the shim's null device, whatever the image calls so. */
static void masks_are_not_the_images(void **state)
{
	static const char *const nulls[] = { "ln -s /proc/sys/kernel/core_pattern dev/null",
		"ln -s ../../../host/canary dev/null", "printf image >dev/null", "mkdir dev/null",
		"mknod dev/null c 1 5" };
	struct pod *p = *state;
	cleanup_free char *before = core_pattern();
	cleanup_free char *after = NULL;
	struct box b;

	canary_make(p);
	pod_up(p);
	for (uint32_t i = 0; i < ARRAY_LEN(nulls); i++) {
		cleanup_free char *text = NULL;

		image_change(p, "rm -rf dev && mkdir dev");
		image_change(p, nulls[i]);
		box_init(&b, p, "main");
		box_covers(&b);
		b.plan.restart = i;
		box_shell(&b, "stat -c '%n %F %t:%T' /dev/null /proc/interrupts /proc/keys; "
			      "cat /proc/interrupts /proc/keys; echo x >/dev/null; echo x "
			      ">/proc/interrupts; "
			      "grep -c ' /proc/interrupts ' /proc/self/mountinfo; "
			      "cat /proc/acpi/* /sys/firmware/* 2>/dev/null; true");
		text = box_run(p, &b, NULL);
		box_covers_done(&b);
		assert_string_equal(text, "/dev/null character special file 1:3\n"
					  "/proc/interrupts character special file 1:3\n"
					  "/proc/keys character special file 1:3\n1\n");
	}
	after = core_pattern();
	assert_string_equal(before, after);
	canary_is_untouched(p);
}

/* Row 5, CVE-2025-52565: the console is the terminal itself, and none of the image's links is used.
 */
static void the_console_is_not_the_images(void **state)
{
	static const char *const changes[] = { "ln -s /proc/sys/kernel/core_pattern dev/console",
		"ln -s ../../../host/canary dev/console",
		"ln -s / dev/pts && ln -s /etc dev/shm && ln -s ../../host dev/mqueue && "
		"ln -s /proc dev/fd && ln -s /etc/group dev/ptmx" };
	struct pod *p = *state;
	cleanup_free char *before = core_pattern();
	cleanup_free char *after = NULL;
	struct box b;

	canary_make(p);
	pod_up(p);
	for (uint32_t i = 0; i < ARRAY_LEN(changes); i++) {
		cleanup_free char *text = NULL;

		image_change(p, "rm -rf dev && mkdir dev");
		image_change(p, changes[i]);
		box_init(&b, p, "main");
		b.plan.restart = i;
		b.plan.tty = 1;
		box_shell(&b, "stat -c '%n %F %t:%T' /dev/console; tty; ls /dev/pts; "
			      "grep -c 'devpts\\|mqueue\\|/dev/shm' /proc/self/mountinfo; "
			      "echo through >/dev/console");
		text = box_run(p, &b, NULL);
		/* devpts is shown twice: as the console, too. */
		assert_string_equal(text, "/dev/console character special file 88:0\r\n"
					  "/dev/pts/0\r\n0     ptmx\r\n4\r\nthrough\r\n");
	}
	after = core_pattern();
	assert_string_equal(before, after);
	canary_is_untouched(p);
}

/* Managed files and volumes go where the image's links lead inside its own root, or nowhere. */
static void mount_points_stay_in_the_root(void **state)
{
	static const struct {
		const char *change;
		const char *refused; /* NULL: it runs, with files of its own where the link leads */
	} rows[] = {
		{ "ln -s /../../../..$host/canary etc/hosts", NULL },
		{ "ln -s $host/new etc/hosts", NULL },
		{ "rm -rf etc && ln -s $host etc", "/etc/hosts: cannot open 'etc'" },
		{ "ln -s /proc/sys/kernel/hostname etc/hostname", "kernel file system" },
		{ "ln -s /proc/self/exe etc/hosts", "/etc/hosts" },
		{ "ln -s /proc/1/root/tmp etc/resolv.conf", "/etc/resolv.conf" },
		{ "rm -rf data && ln -s $host data", "volume 'data' on '/data/sub'" },
		{ "rm -rf data && ln -s /proc/1/root data", "volume 'data' on '/data/sub'" },
		{ "rm -rf data && ln -s /proc data", "volume 'data' on '/data/sub'" },
		{ "rm -rf data && ln -s /sys/kernel data", "volume 'data' on '/data/sub'" },
		{ "rm -rf data && ln -s ../../../.. data", NULL },
	};
	struct pod *p = *state;
	struct box b;

	canary_make(p);
	pod_up(p);
	for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *text;

		image_change(p, "rm -rf data etc && mkdir data etc");
		image_change(p, rows[i].change);
		box_init(&b, p, "main");
		b.plan.restart = i;
		box_mount(&b, 0, "data", "/data/sub", 0);
		box_args(&b, "true", NULL);
		text = box_try(p, &b, NULL);
		if (rows[i].refused)
			assert_has(text, rows[i].refused);
		else
			assert_null(text);
		if (!text)
			box_wait(p, "main");
		canary_is_untouched(p);
	}
}

/* Row 13: the image's passwd is read by the host's root, so it must be a file, of this root, small.
 */
static void passwd_is_a_small_file_of_the_image(void **state)
{
	static const struct {
		const char *change;
		const char *refused;
	} rows[] = {
		{ "mkfifo etc/passwd", "'/etc/passwd' of the image is not a regular file" },
		{ "mkdir etc/passwd", "'/etc/passwd' of the image is not a regular file" },
		{ "truncate -s 2G etc/passwd", "'/etc/passwd' of the image" },
		{ "ln -s /proc/self/environ etc/passwd", "is not in its /etc/passwd" },
		{ "ln -s /../../../../etc/shadow etc/passwd", "is not in its /etc/passwd" },
		{ "ln -s passwd etc/passwd", "/etc/passwd" },
		{ "printf 'alice:x:4294967296:0::/:\\n' >etc/passwd", "is not in its /etc/passwd" },
		{ "printf 'alice:x:-1:0::/:\\n' >etc/passwd", "is not in its /etc/passwd" },
		{ "printf 'alice:x::0::/:\\n' >etc/passwd", "is not in its /etc/passwd" },
		{ "printf 'alice:x:0:0::/:\\nalice:x:1000:0::/:\\n' >etc/passwd",
			"runAsNonRoot is set but the container would run as uid 0" },
		{ "printf 'alice:x:1000:70000::/:\\n' >etc/passwd", "is not mapped" },
	};
	struct pod *p = *state;
	struct box b;

	pod_up(p);
	for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
		image_change(p, "rm -rf etc/passwd");
		image_change(p, rows[i].change);
		box_init(&b, p, "main");
		b.plan.restart = i;
		b.plan.must_be_non_root = 1;
		b.plan.user = (char *)(uintptr_t) "alice";
		box_args(&b, "true", NULL);
		assert_has(box_try(p, &b, NULL), rows[i].refused);
	}
}

/* Row 6: even with all rights in its own user namespace, the mounts are not the pod's to change. */
static void a_pod_cannot_change_its_mounts(void **state)
{
	struct pod *p = *state;
	cleanup_free char *text = NULL;
	struct box b;

	pod_up(p);
	box_init(&b, p, "main");
	box_unconfined(&b);
	box_cap(&b, "CAP_SYS_ADMIN");
	box_args(&b, "/bin/hostile", "proc-over", "/data", NULL);
	text = box_run(p, &b, NULL);
	assert_has(text, "mount 1\n");
}

/* Row 6, CVE-2025-52881: who may mount puts a /proc of its own in the way of an exec's settings. */
static void settings_are_not_written_by_path(void **state)
{
	struct pod *p = *state;
	cleanup_free char *text = NULL;
	struct box b;

	pod_of_host_users(p);
	pod_up(p);
	box_init(&b, p, "main");
	box_unconfined(&b);
	box_cap(&b, "CAP_SYS_ADMIN");
	box_mount(&b, 0, "data", "/data", 0);
	b.plan.oom_score_adj = 777;
	box_shell(&b,
		"mkdir -p /data/v/attr; printf victim >/data/v/oom_score_adj; "
		"printf victim >/data/v/attr/exec; /bin/hostile proc-over /data/v; sleep 1000");
	box_start(p, &b);
	free(box_log_wait(p, "main", 0, "thread-self 0\n"));
	assert_null(exec_refused(p, "main", "/bin/true"));
	text = box_exec(p, "main", "cat /proc/self/oom_score_adj /data/v/attr/exec", NULL);
	assert_string_equal(text, "victimvictim");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		hostile_test(kernel_directories_must_be_real),
		hostile_test(masks_are_not_the_images),
		hostile_test(the_console_is_not_the_images),
		hostile_test(mount_points_stay_in_the_root),
		hostile_test(passwd_is_a_small_file_of_the_image),
		hostile_test(a_pod_cannot_change_its_mounts),
		hostile_test(settings_are_not_written_by_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
