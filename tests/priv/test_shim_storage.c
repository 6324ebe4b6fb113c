/* Limits of disk space, in real pods: what is full is full, also for what hides, and nobody else's.
 */
#include "tests/priv/shim_harness.h"

#include <sys/statvfs.h>

#define MIB (UINT64_C(1) << 20)

static void limit_volume(struct pod *p, const char *name, uint64_t size)
{
	static Bulkhead__V1__LimitedVolume rows[2], *list[2];
	size_t i = p->plan.n_limited_volumes++;

	bulkhead__v1__limited_volume__init(&rows[i]);
	rows[i].name = (char *)(uintptr_t)name;
	rows[i].size = size;
	list[i] = &rows[i];
	p->plan.limited_volumes = list;
}

/* What a filler got onto the disk, in MiB. */
static long filled(const char *text, const char *what)
{
	const char *at = strstr(text, what);

	assert_non_null(at);
	return strtol(at + strlen(what), NULL, 10);
}

/* Sizes that are a little over the limit, as the file system's own needs are not the pod's. */
static void assert_limited(long mib, long limit)
{
	if (mib < limit - 1 || mib > limit + limit / 8 + 8)
		fail_msg("%ld MiB fit where %ld are the limit", mib, limit);
}

static void a_filler_meets_its_limit_and_nobody_elses(void **state)
{
	struct pod *p = *state;
	struct ending ending;
	struct box b;
	cleanup_free char *text = NULL;

	p->plan.storage = 32 * MIB;
	limit_volume(p, "cache", 16 * MIB);
	pod_up(p);
	box_init(&b, p, "main");
	box_mount(&b, 0, "cache", "/cache", 0);
	box_mount(&b, 0, "free", "/shared", 0);
	/* One fills the volume, then the root; the third is of the pod's limit, which is used up.
	 */
	box_shell(&b, "dd if=/dev/zero of=/cache/fill bs=65536; "
		      "echo volume $(($(stat -c %s /cache/fill) >> 20)); "
		      "dd if=/dev/zero of=/root/fill bs=65536; "
		      "echo root $(($(stat -c %s /root/fill) >> 20)); "
		      "dd if=/dev/zero of=/shared/fill bs=65536; "
		      "echo shared $(($(stat -c %s /shared/fill) >> 20)); "
		      "rm /root/fill /cache/fill; echo again >/cache/x && cat /cache/x");
	text = box_run(p, &b, &ending);
	assert_int_equal(ending.code, 0);
	assert_limited(filled(text, "volume "), 16);
	assert_limited(filled(text, "root "), 32);
	assert_true(filled(text, "shared ") <= 1);
	assert_has(text, "No space left on device");
	assert_has(text, "again\n");
}

static void what_is_deleted_but_open_counts(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	p->plan.storage = 16 * MIB;
	pod_up(p);
	box_init(&b, p, "main");
	box_shell(&b, "exec 5>/hidden; rm /hidden; dd if=/dev/zero bs=65536 count=4096 >&5; "
		      "dd if=/dev/zero of=/more bs=65536 count=4096; "
		      "echo more $(($(stat -c %s /more) >> 20))");
	text = box_run(p, &b, NULL);
	assert_true(filled(text, "more ") <= 1);
}

static void many_small_files_meet_a_limit(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	p->plan.storage = 2 * MIB;
	pod_up(p);
	box_init(&b, p, "main");
	box_shell(&b,
		"i=0; while [ $i -lt 20000 ] && true >/tmp/$i; do i=$((i+1)); done; echo made $i");
	text = box_run(p, &b, NULL);
	assert_true(filled(text, "made ") < 2000);
}

/* The image grows with what is written, shrinks with what is deleted, and goes with the pod. */
static void the_image_is_sparse_and_its_device_goes(void **state)
{
	struct pod *p = *state;
	struct box b;
	struct stat st;
	char image[128], command[256];
	cleanup_free char *out = NULL;
	int code;

	p->plan.storage = 1024 * MIB;
	snprintf(image, sizeof(image), "%s/storage.img", p->state);
	pod_up(p);
	box_init(&b, p, "main");
	box_args(&b, "/bin/sleep", "1000", NULL);
	box_start(p, &b);
	assert_int_equal(stat(image, &st), 0);
	assert_true(st.st_blocks * 512 < (off_t)(8 * MIB));
	out = box_exec(p, "main", "dd if=/dev/zero of=/fill bs=65536 count=1024 && sync", &code);
	assert_int_equal(code, 0);
	assert_int_equal(stat(image, &st), 0);
	assert_true(st.st_blocks * 512 > (off_t)(60 * MIB));
	/* Nothing of it is in the host's mount table. */
	snprintf(command, sizeof(command), "! grep -q %s /proc/self/mountinfo", p->dir);
	run_host("%s", command);
	snprintf(command, sizeof(command), "losetup -j %s | grep -q .", image);
	run_host("%s", command);
	assert_int_equal(pod_destroy(p), 0);
	snprintf(command, sizeof(command),
		"for i in 1 2 3 4 5 6 7 8 9; do losetup -j %s | grep -q . || exit 0; sleep 0.2; "
		"done; exit 1",
		image);
	run_host("%s", command);
}

/* A machine that stopped: the next sandbox finds what the last one wrote. */
static void it_is_used_again(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	limit_volume(p, "data", 4 * MIB);
	pod_up(p);
	box_init(&b, p, "main");
	box_mount(&b, 0, "data", "/data", 0);
	box_shell(&b, "echo kept >/data/x; sync");
	free(box_run(p, &b, NULL));
	pod_kill(p);
	pod_up(p);
	b.plan.restart = 1;
	box_shell(&b, "cat /data/x");
	text = box_run(p, &b, NULL);
	assert_has(text, "kept");
}

static void a_spoilt_image_is_made_anew(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	p->plan.storage = 4 * MIB;
	pod_up(p);
	assert_int_equal(pod_destroy(p), 0);
	pod_kill(p);
	run_host("dd if=/dev/urandom of=%s/storage.img bs=4096 count=4 conv=notrunc 2>/dev/null",
		p->state);
	pod_up(p);
	box_init(&b, p, "main");
	box_shell(&b, "echo x >/x && cat /x");
	text = box_run(p, &b, NULL);
	assert_has(text, "x\n");
}

static void bad_limits_are_refused(void **state)
{
	struct pod *p = *state;

	pod_spawn(p);
	p->plan.storage = MIB - 1;
	assert_has(pod_sandbox(p), "storage: 1048575 bytes; use 1048576 to");
	p->plan.storage = 0;
	limit_volume(p, "../x", MIB);
	assert_has(pod_sandbox(p), "limited_volumes: '../x' is not a DNS label");
	p->plan.n_limited_volumes = 0;
	limit_volume(p, "a", MIB);
	limit_volume(p, "a", MIB);
	assert_has(pod_sandbox(p), "limited_volumes: 'a' is there twice");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pod_test(a_filler_meets_its_limit_and_nobody_elses),
		pod_test(what_is_deleted_but_open_counts),
		pod_test(many_small_files_meet_a_limit),
		pod_test(the_image_is_sparse_and_its_device_goes),
		pod_test(it_is_used_again),
		pod_test(a_spoilt_image_is_made_anew),
		pod_test(bad_limits_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
