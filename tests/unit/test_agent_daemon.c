/*
 * Supervision: a daemon is this program again under another name, so that real processes are
 * started, killed and started again. What it does is its argument.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/agent/daemon.h"
#include "nodeagent/agent/spawn.h"

#define NAME      "bulkhead-fake"
#define WAIT_USEC UINT64_C(5000000)
#define STEP_USEC 20000

/* ---- the daemon ---------------------------------------------------------------------------- */

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Says on its connection how many descriptors it has and whether signals are as they should be. */
static int say_hello(struct ipc *ipc)
{
	Bulkhead__V1__SecretsHello hello = BULKHEAD__V1__SECRETS_HELLO__INIT;
	struct sigaction action;
	struct error err;
	sigset_t mask;
	char text[64];

	sigprocmask(SIG_SETMASK, NULL, &mask);
	sigaction(SIGPIPE, NULL, &action);
	snprintf(text, sizeof(text), "fds %u pipe %d term %d home %s", open_descriptors(),
		action.sa_handler == SIG_DFL, sigismember(&mask, SIGTERM),
		getenv("HOME") ? "set" : "unset");
	hello.key_id = text;
	return ipc_table_send(ipc, IPC_SECRETS_HELLO, 0, &hello.base, NULL, 0, NULL, &err);
}

static int fake_main(const char *what)
{
	struct ipc_frame frame;
	struct ipc *ipc;
	struct error err;

	if (strcmp(what, "fail") == 0)
		return 3;
	if (strcmp(what, "deaf") == 0) {
		poll(NULL, 0, 60000);
		return 0;
	}
	if (ipc_table_connect(&ipc, 3, IPC_SECRETD, IPC_AGENT, &err) < 0 || say_hello(ipc) < 0)
		return 1;
	if (strcmp(what, "garbage") == 0 && write(3, "garbage", 7) != 7)
		return 1;
	while (ipc_recv_wait(ipc, &frame, -1, &err) > 0)
		ipc_frame_done(&frame);
	return 0;
}

/* ---- the rig ------------------------------------------------------------------------------- */

struct rig {
	char dir[PATH_MAX];
	sd_event *event;
	struct daemon *daemon;
	unsigned hellos;
	unsigned lost;
	char hello[64];
	struct error why;
};

static int on_frame(
	void *user, struct ipc_frame *frame, const ProtobufCMessage *message, struct error *err)
{
	struct rig *rig = user;

	(void)err;
	assert_int_equal(frame->type, IPC_SECRETS_HELLO);
	snprintf(rig->hello, sizeof(rig->hello), "%s",
		((const Bulkhead__V1__SecretsHello *)message)->key_id);
	rig->hellos++;
	return 0;
}

static void on_lost(void *user, const struct error *err)
{
	struct rig *rig = user;

	rig->lost++;
	rig->why = *err;
}

static const struct daemon_ops ops = { .frame = on_frame, .lost = on_lost };

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	char self[PATH_MAX], link[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_non_null(rig);
	assert_true(n > 0);
	self[n] = '\0';
	/* What the daemon does to itself is not this log's business. */
	log_init("test", LOG_LEVEL_ERROR - 1);
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/bulkhead-daemon-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	snprintf(link, sizeof(link), "%s/%s", rig->dir, NAME);
	assert_int_equal(symlink(self, link), 0);
	assert_true(sd_event_new(&rig->event) >= 0);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	char link[PATH_MAX + 32];

	daemon_free(rig->daemon);
	sd_event_unref(rig->event);
	snprintf(link, sizeof(link), "%s/%s", rig->dir, NAME);
	unlink(link);
	rmdir(rig->dir);
	free(rig);
	return 0;
}

static int start(struct rig *rig, const char *what, struct error *err)
{
	const char *args[] = { what, NULL };
	const struct daemon_config config = {
		.event = rig->event,
		.dir = rig->dir,
		.name = NAME,
		.role = IPC_SECRETD,
		.args = args,
	};

	return daemon_new(&rig->daemon, &config, &ops, rig, err);
}

/* Runs the loop until *value reaches 'wanted'. */
static void run_until(struct rig *rig, const unsigned *value, unsigned wanted)
{
	uint64_t end = monotonic_usec() + WAIT_USEC;

	while (*value < wanted && monotonic_usec() < end)
		assert_true(sd_event_run(rig->event, STEP_USEC) >= 0);
	assert_true(*value >= wanted);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void a_daemon_gets_its_connection_and_nothing_else(void **state)
{
	struct rig *rig = *state;
	struct error err = { 0 };
	int extra = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, to be closed all the same */

	assert_true(extra > 3);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(setenv("HOME", "/root", 1), 0);
	assert_int_equal(start(rig, "serve", &err), 0);
	run_until(rig, &rig->hellos, 1);
	close(extra);
	assert_string_equal(rig->hello, "fds 4 pipe 1 term 0 home unset");
	assert_true(daemon_running(rig->daemon));
}

static void a_killed_daemon_comes_back(void **state)
{
	struct rig *rig = *state;
	Bulkhead__V1__SecretsPublish message = BULKHEAD__V1__SECRETS_PUBLISH__INIT;
	struct error err = { 0 };
	cleanup_close int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	uint64_t killed_at;
	pid_t first;

	assert_int_equal(start(rig, "serve", &err), 0);
	run_until(rig, &rig->hellos, 1);
	first = daemon_pid(rig->daemon);
	killed_at = monotonic_usec();
	assert_int_equal(kill(first, SIGKILL), 0);
	run_until(rig, &rig->lost, 1);
	assert_int_equal(rig->why.code, ERR_UNAVAILABLE);
	assert_false(daemon_running(rig->daemon));
	assert_int_equal(
		daemon_send(rig->daemon, IPC_SECRETS_PUBLISH, &message.base, &fd, 1, NULL, &err),
		-1);
	assert_int_equal(err.code, ERR_UNAVAILABLE);
	run_until(rig, &rig->hellos, 2);
	assert_true(monotonic_usec() - killed_at < 1000000);
	assert_int_not_equal(daemon_pid(rig->daemon), first);
	assert_non_null(strstr(daemon_reason(rig->daemon), "was killed by signal 9"));
	assert_int_equal(
		daemon_send(rig->daemon, IPC_SECRETS_PUBLISH, &message.base, &fd, 1, NULL, &err),
		0);
	assert_int_equal(rig->lost, 1);
}

static void one_that_breaks_the_protocol_is_ended(void **state)
{
	struct rig *rig = *state;
	struct error err = { 0 };

	assert_int_equal(start(rig, "garbage", &err), 0);
	run_until(rig, &rig->lost, 1);
	run_until(rig, &rig->hellos, 2); /* the next one says hello, too */
}

static void one_that_fails_at_once_is_tried_again_later(void **state)
{
	struct rig *rig = *state;
	uint64_t began = monotonic_usec();
	struct error err = { 0 };

	assert_int_equal(start(rig, "fail", &err), 0);
	run_until(rig, &rig->lost, 3);
	/* 0.1 s and 0.2 s between the three. */
	assert_true(monotonic_usec() - began >= 300000);
	assert_non_null(strstr(daemon_reason(rig->daemon), "exited with status 3"));
}

static void one_that_does_not_go_is_killed(void **state)
{
	struct rig *rig = *state;
	struct error err = { 0 };
	uint64_t began;
	pid_t pid;

	assert_int_equal(start(rig, "deaf", &err), 0);
	pid = daemon_pid(rig->daemon);
	assert_int_equal(kill(pid, 0), 0);
	began = monotonic_usec();
	daemon_free(rig->daemon);
	rig->daemon = NULL;
	assert_int_equal(kill(pid, 0), -1);
	assert_true(monotonic_usec() - began < 8000000);
}

static void a_program_that_is_not_there_is_an_error(void **state)
{
	struct rig *rig = *state;
	char link[PATH_MAX + 32];
	struct error err = { 0 };

	snprintf(link, sizeof(link), "%s/%s", rig->dir, NAME);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(start(rig, "serve", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, link));
}

static void the_back_off_doubles_and_starts_anew(void **state)
{
	uint64_t last = 0;

	(void)state;
	for (uint64_t expected = DAEMON_BACKOFF_FIRST_USEC; expected < DAEMON_BACKOFF_MAX_USEC;
		expected *= 2) {
		last = daemon_backoff_usec(last, 0);
		assert_int_equal(last, expected);
	}
	last = daemon_backoff_usec(last, 0);
	assert_int_equal(last, DAEMON_BACKOFF_MAX_USEC);
	assert_int_equal(daemon_backoff_usec(last, 0), DAEMON_BACKOFF_MAX_USEC);
	assert_int_equal(
		daemon_backoff_usec(last, DAEMON_HEALTHY_USEC - 1), DAEMON_BACKOFF_MAX_USEC);
	assert_int_equal(daemon_backoff_usec(last, DAEMON_HEALTHY_USEC), DAEMON_BACKOFF_FIRST_USEC);
}

static int tool(const char *program, const char *argument, int timeout_ms, struct error *err)
{
	const char *argv[] = { program, argument, NULL };
	const struct spawn_config config = {
		.program = program,
		.argv = argv,
		.quiet = true,
		.fd = -1,
	};

	return spawn_tool(&config, timeout_ms, err);
}

static void tools_end_or_are_ended(void **state)
{
	struct error err = { 0 };

	(void)state;
	assert_int_equal(tool("/bin/true", NULL, 5000, &err), 0);
	assert_int_equal(tool("/bin/false", NULL, 5000, &err), -1);
	assert_int_equal(err.code, ERR_INTERNAL);
	assert_non_null(strstr(err.text, "exited with status 1"));
	assert_int_equal(tool("/bin/sleep", "60", 50, &err), -1);
	assert_int_equal(err.code, ERR_TIMEOUT);
	assert_int_equal(tool("/nonexistent", NULL, 50, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_daemon_gets_its_connection_and_nothing_else),
		TEST(a_killed_daemon_comes_back),
		TEST(one_that_breaks_the_protocol_is_ended),
		TEST(one_that_fails_at_once_is_tried_again_later),
		TEST(one_that_does_not_go_is_killed),
		TEST(a_program_that_is_not_there_is_an_error),
		cmocka_unit_test(the_back_off_doubles_and_starts_anew),
		cmocka_unit_test(tools_end_or_are_ended),
	};

	if (argc == 2 && strstr(argv[0], "/" NAME))
		return fake_main(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
