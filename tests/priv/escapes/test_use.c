/* Row 27: what one pod uses up is its own; a second pod and the host go on. */
#include "tests/priv/escapes/escapes.h"

#include <linux/keyctl.h>
#include <sys/syscall.h>

#define FILE_SIZE_MIN 128 /* bytes of kernel memory behind a descriptor, at least */
#define EXECS         110 /* of a pod: two pods have more than kernel.keys.maxkeys together */

/* Starts a verb that takes all it gets; what it says. */
static char *take(struct pod *p, const char *verb, uint32_t restart)
{
	struct box b;

	box_init(&b, p, "main");
	b.plan.restart = restart;
	box_args(&b, "/bin/hostile", verb, NULL);
	box_start(p, &b);
	return box_log_wait(p, "main", restart, "errno ");
}

static void stop(struct pod *p)
{
	box_signal(p, "main", SIGKILL);
	box_wait(p, "main");
}

/*
 * What the kernel counts for each user, or for each user namespace and whoever made it: the second
 * pod gets as much as the first, while that holds all it could get.
 */
static void one_pod_leaves_the_other_its_share(void **state)
{
	static const struct {
		const char *verb;
		int error;
	} rows[] = { { "inotify", EMFILE }, { "queues", EMFILE }, { "signals", EAGAIN },
		{ "ptys", ENOSPC } };
	struct pair *pair = *state;
	struct pod *red = &pair->red;
	struct pod *blue = &pair->blue;

	pair_up(pair);
	for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_free char *first = take(red, rows[i].verb, i);
		cleanup_free char *second = take(blue, rows[i].verb, i);
		char expected[64];
		int n;

		assert_int_equal(sscanf(first, "%*s %d", &n), 1);
		assert_true(n > 0);
		snprintf(expected, sizeof(expected), "%s %d errno %d\n", rows[i].verb, n,
			rows[i].error);
		assert_string_equal(first, expected);
		assert_string_equal(second, expected);
		stop(red);
		stop(blue);
	}
}

static void execs_begin(struct pod *p)
{
	const char *const args[] = { "sleep", "1000", NULL };
	struct box b;

	pod_up(p);
	box_init(&b, p, "main");
	box_user(&b, PROJECT_ID + 5);
	box_args(&b, "sleep", "1000", NULL);
	box_start(p, &b);
	for (uint64_t i = 1; i <= EXECS; i++)
		assert_null(exec_begin(p, i, "main", args));
}

/* Pods of a project share its uids; each process has a keyring, and a user has few. */
static void keyrings_do_not_run_out(void **state)
{
	struct pair *pair = *state;

	/* As a service has one; without, the kernel lets each process have its first. */
	assert_true(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0);
	pair->blue.maps[1] = pair->red.maps[1];
	execs_begin(&pair->red);
	execs_begin(&pair->blue);
}

/* A number of the pod's group: 'file' of controller 'v1', or "<v1>.<file>" on v2. */
static long group_value(struct pod *p, const char *v1, const char *file, const char *v2)
{
	char paths[2][256];

	snprintf(paths[0], sizeof(paths[0]), "/sys/fs/cgroup/%s/%s/%s", v1, p->cgroup, file);
	snprintf(paths[1], sizeof(paths[1]), "/sys/fs/cgroup/%s/%s", p->cgroup, v2);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		cleanup_free char *text = NULL;
		size_t size;

		if (file_read_at(AT_FDCWD, paths[i], 64, &text, &size, &test_err) == 0)
			return atol(text);
	}
	fail_msg("neither %s nor %s\n", paths[0], paths[1]);
	return -1;
}

static long files_open(void)
{
	cleanup_free char *text = NULL;
	size_t size;

	assert_int_equal(
		file_read_at(AT_FDCWD, "/proc/sys/fs/file-nr", 64, &text, &size, &test_err), 0);
	return atol(text);
}

/* That the second pod works meanwhile. */
static void neighbour_works(struct pod *p, uint32_t restart)
{
	struct box b;
	struct ending e;
	cleanup_free char *text = NULL;

	box_init(&b, p, "main");
	b.plan.restart = restart;
	box_shell(&b, "x=$(echo works); echo $x");
	text = box_run(p, &b, &e);
	assert_string_equal(text, "works\n");
	assert_int_equal(e.code, 0);
}

/* The limit of the pod binds all its containers together, and leaves room to end them. */
static void a_fork_bomb_stays_in_its_pod(void **state)
{
	static const char *const names[] = { "one", "two" };
	struct pair *pair = *state;
	struct pod *red = &pair->red;
	struct pod *blue = &pair->blue;
	struct box b;

	pair_up(pair);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		box_init(&b, red, names[i]);
		box_args(&b, "/bin/hostile", "forks", NULL);
		box_start(red, &b);
		free(box_log_wait(red, names[i], 0, "forks errno 11\n"));
	}
	/* A container's first process enters the full group all the same. */
	assert_true(group_value(red, "pids", "pids.current", "pids.current") <= 256 + 2);
	neighbour_works(blue, 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		box_signal(red, names[i], SIGKILL);
		assert_int_equal(box_wait(red, names[i]).signal, SIGKILL);
	}
	assert_int_equal(group_value(red, "pids", "pids.current", "pids.current"), 0);
}

/* Descriptors are limited for each process only; together they are kernel memory, which is charged.
 */
static void open_files_are_charged(void **state)
{
	struct pair *pair = *state;
	struct pod *red = &pair->red;
	struct pod *blue = &pair->blue;
	struct box b;
	long before = files_open();
	long most = 0;

	pair_up(pair);
	box_init(&b, red, "main");
	b.limits.memory_max = 32 << 20;
	box_args(&b, "/bin/hostile", "files", NULL);
	box_start(red, &b);
	for (int i = 0; i < 100; i++) {
		long now = files_open() - before;

		most = now > most ? now : most;
		usleep(10000);
	}
	neighbour_works(blue, 0);
	assert_true(most < (32 << 20) / FILE_SIZE_MIN);
	assert_true(group_value(red, "memory", "memory.usage_in_bytes", "memory.current") <=
		    (33 << 20));
}

static void shared_memory_is_bounded(void **state)
{
	struct pod *p = *state;
	cleanup_free char *text = NULL;
	struct box b;

	pod_up(p);
	box_init(&b, p, "main");
	box_shell(&b, "dd if=/dev/zero of=/dev/shm/x bs=1M count=65 2>&1");
	text = box_run(p, &b, NULL);
	assert_has(text, "No space left on device");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pair_test(one_pod_leaves_the_other_its_share),
		pair_test(keyrings_do_not_run_out),
		pair_test(a_fork_bomb_stays_in_its_pod),
		pair_test(open_files_are_charged),
		hostile_test(shared_memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
