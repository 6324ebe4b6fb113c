/* Row 3, CVE-2021-30465 and CVE-2024-45310: links swapped in a shared volume while a container
 * starts. */
#include "tests/priv/escapes/escapes.h"

#define RACE_USEC  6000000
#define ROUNDS_MAX 1000
#define ROUNDS_MIN 5 /* of each outcome, or the swapper was not quick enough to try anything */

struct rounds {
	int started;
	int refused;
};

/* Exchanges the directory /data/d and the link /data/l for ever. */
static void swapper_start(struct pod *p, const char *target)
{
	char script[256];
	struct box b;

	box_init(&b, p, "swapper");
	box_mount(&b, 0, "data", "/data", 0);
	snprintf(script, sizeof(script),
		"mkdir -p /data/d && ln -s %s /data/l && exec /bin/hostile swap /data/d /data/l",
		target);
	box_shell(&b, script);
	box_start(p, &b);
	free(box_log_wait(p, "swapper", 0, "swapping"));
}

/* One start of a container whose second volume lies beneath what is being swapped. */
static void round_run(struct pod *p, uint32_t restart, struct rounds *rounds)
{
	cleanup_free char *log = NULL;
	const char *text;
	struct box b;

	box_init(&b, p, "victim");
	b.plan.restart = restart;
	b.plan.cwd = (char *)(uintptr_t) "/data/d/w";
	box_mount(&b, 0, "data", "/data", 0);
	box_mount(&b, 0, "second", "/data/d/sub", 0);
	box_shell(&b, "grep -c volumes/second /proc/self/mountinfo; ls -d /host* /tmp/*; true");
	text = box_try(p, &b, NULL);
	if (text) {
		if (!strstr(text, "volume 'second' on '/data/d/sub'") &&
			!strstr(text, "workingDir"))
			fail_msg("%s\n", text);
		rounds->refused++;
		return;
	}
	assert_int_equal(box_wait(p, "victim").code, 0);
	log = box_log(p, "victim", restart);
	/* Where it started, the volume is in its root, and nothing else has come there. */
	assert_has(log, "1\nls: /host*: No such file or directory\nls: /tmp/*: No such file");
	rounds->started++;
}

/* Mounts of the host that name the pod's directory. */
static size_t mounts_count(struct pod *p)
{
	cleanup_free char *text = NULL;
	size_t size;

	assert_int_equal(
		file_read_at(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &text, &size, &test_err),
		0);
	return times(text, p->dir);
}

static void race(struct pod *p, const char *target)
{
	uint64_t end = monotonic_usec() + RACE_USEC;
	struct rounds rounds = { 0, 0 };
	size_t mounts;

	run_host("mkdir %s/host && touch %s/host/canary", p->dir, p->dir);
	pod_up(p);
	swapper_start(p, target);
	mounts = mounts_count(p);
	for (uint32_t i = 0; i < ROUNDS_MAX && monotonic_usec() < end; i++)
		round_run(p, i, &rounds);
	run_host("test $(ls -A %s/host) = canary", p->dir);
	assert_int_equal(mounts_count(p), mounts);
	print_message("# %d starts, %d refusals\n", rounds.started, rounds.refused);
	assert_true(rounds.started >= ROUNDS_MIN && rounds.refused >= ROUNDS_MIN);
}

/* To a directory of the host, which the container does not have. */
static void a_link_to_the_host_leads_nowhere(void **state)
{
	struct pod *p = *state;
	char target[128];

	snprintf(target, sizeof(target), "%s/host", p->dir);
	race(p, target);
}

/* Out through procfs: the starting process's own descriptors, and its root, are the host's still.
 */
static void a_magic_link_leads_nowhere(void **state)
{
	struct pod *p = *state;
	char target[128];

	snprintf(target, sizeof(target), "/proc/self/root%s/host", p->dir);
	race(p, target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		hostile_test(a_link_to_the_host_leads_nowhere),
		hostile_test(a_magic_link_leads_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
