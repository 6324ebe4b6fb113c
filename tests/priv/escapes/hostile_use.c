/* Using up: takes all there is of one thing, says how much and what ended it, and holds on to it.
 */
#include "tests/priv/escapes/hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAKE_MAX  200000
#define FORKS_MAX 5000

/* Takes until it fails or 'max' is reached; then waits to be killed. */
static void take_all(const char *name, long (*one)(int i), int max)
{
	int n = 0;

	errno = 0;
	while (n < max && one(n) >= 0)
		n++;
	printf("%s %d errno %d\n", name, n, n < max ? errno : 0);
	fflush(stdout);
	for (;;)
		pause();
}

static long inotify_one(int i)
{
	(void)i;
	return inotify_init1(IN_CLOEXEC);
}

void verb_inotify(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	take_all("inotify", inotify_one, TAKE_MAX);
}

/* As large as anybody may make one. */
static long queue_one(int i)
{
	struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = 8192 };
	char name[32];

	snprintf(name, sizeof(name), "q%d", i);
	return syscall(SYS_mq_open, name, O_CREAT | O_RDWR | O_CLOEXEC, 0600, &attr);
}

void verb_queues(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	take_all("queues", queue_one, TAKE_MAX);
}

static long signal_one(int i)
{
	union sigval value = { .sival_int = i };

	return sigqueue(getpid(), SIGRTMIN, value);
}

void verb_signals(int argc, char **argv)
{
	sigset_t set;

	(void)argc;
	(void)argv;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	take_all("signals", signal_one, TAKE_MAX);
}

static long pty_one(int i)
{
	(void)i;
	return open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

void verb_ptys(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	take_all("ptys", pty_one, TAKE_MAX);
}

static long file_one(int i)
{
	(void)i;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* In as many processes as it may have: a limit for each is none for all. */
void verb_files(int argc, char **argv)
{
	struct rlimit limit;
	int n = 0;

	(void)argc;
	(void)argv;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	for (;; n++) {
		pid_t pid = fork();

		if (pid == 0)
			take_all("files", file_one, TAKE_MAX);
		if (pid < 0)
			break;
	}
	printf("processes %d errno %d\n", n, errno);
	fflush(stdout);
	for (;;)
		pause();
}

/* Each child forks as well. */
void verb_forks(int argc, char **argv)
{
	int failed = 0;

	(void)argc;
	(void)argv;
	for (int i = 0; i < FORKS_MAX; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			failed = errno;
			break;
		}
	}
	if (getpid() == 1) {
		printf("forks errno %d\n", failed);
		fflush(stdout);
	}
	for (;;)
		pause();
}

void verb_core(int argc, char **argv)
{
	struct rlimit limit = { 0 };
	struct rlimit more = { RLIM_INFINITY, RLIM_INFINITY };
	int status = 0;
	pid_t pid;

	(void)argc;
	(void)argv;
	getrlimit(RLIMIT_CORE, &limit);
	printf("limit %lu %lu\n", (unsigned long)limit.rlim_cur, (unsigned long)limit.rlim_max);
	say("raise", setrlimit(RLIMIT_CORE, &more));
	pid = fork();
	if (pid == 0) {
		if (chdir("/tmp") == 0)
			raise(SIGSEGV);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	printf("signal %d dumped %d\n", WTERMSIG(status), WCOREDUMP(status) ? 1 : 0);
	say("file", access("/tmp/core", F_OK));
}

/* What would forge a record of the log, or drive a terminal it is shown on. */
void verb_print(int argc, char **argv)
{
	static const char text[] =
		"\r2026-01-01T00:00:00.000000000Z stdout F forged\n"
		"2026-01-01T00:00:00.000000000Z stderr P forged too\n"
		"nul \0 escape \033[2J\033]0;title\a bell \b\b csi \233 nel \302\205 bad \377\376\n"
		"\n"
		"unfinished";

	(void)argc;
	(void)argv;
	if (write(1, text, sizeof(text) - 1) < 0 || write(2, "\nF \n", 4) < 0)
		exit(1);
}

void verb_flood(int argc, char **argv)
{
	static char data[1 << 20];

	(void)argc;
	memset(data, 'x', sizeof(data));
	for (int i = 0; i < atoi(argv[0]); i++) {
		for (size_t done = 0; done < sizeof(data);) {
			ssize_t n = write(1, data + done, sizeof(data) - done);

			if (n < 0)
				exit(1);
			done += (size_t)n;
		}
	}
}
