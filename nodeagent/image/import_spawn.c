#include "nodeagent/image/import_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "proto/ipc_table.h"

#define AWAY_FD 32 /* where descriptors wait until those they shall become are free */

static pid_t clone_pidfd(uint64_t flags, int *ret_pidfd)
{
	struct clone_args args = { .flags = flags | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)ret_pidfd };

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int import_reap(int pidfd, int now, int *ret_status)
{
	siginfo_t info = { 0 };
	int n;

	do {
		n = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | __WALL | (now ? WNOHANG : 0));
	} while (n < 0 && errno == EINTR);
	*ret_status = 0;
	/* Somebody else reaped it: then it did end, and how is not known. */
	if (n < 0)
		return 1;
	if (info.si_pid == 0)
		return 0;
	*ret_status = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0)
						 : W_EXITCODE(0, info.si_status);
	return 1;
}

static int map_write(pid_t pid, const char *file, const char *map, struct error *err)
{
	cleanup_close int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[64];

	if (proc_fd < 0)
		return error_set(err, ERR_PRECONDITION, errno, "cannot open /proc");
	snprintf(name, sizeof(name), "%d/%s", (int)pid, file);
	return file_poke_at(proc_fd, name, map, err);
}

static int map_and_open(pid_t pid, uid_t image_base, uid_t uid, struct error *err)
{
	char path[64];
	char map[96];
	int fd;

	snprintf(map, sizeof(map), "0 %u %d\n%d %u 1\n", image_base, IMAGE_IDS, UNPACK_OWN_ID, uid);
	if (map_write(pid, "uid_map", map, err) < 0 || map_write(pid, "gid_map", map, err) < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? error_set(err, ERR_INTERNAL, errno, "cannot open '%s'", path) : fd;
}

int import_userns_make(uid_t image_base, uid_t uid, struct error *err)
{
	int pidfd = -1;
	int status;
	pid_t pid;
	int fd;

	if (image_base == 0 || image_base > UINT32_MAX - IMAGE_IDS || uid == 0 ||
		(uid >= image_base && uid - image_base < IMAGE_IDS))
		return error_set(err, ERR_INVALID, 0,
			"image_base %u and uid %u: must not be 0, and the uid none of the %d ids "
			"from image_base on",
			image_base, uid, IMAGE_IDS);
	pid = clone_pidfd(CLONE_NEWUSER, &pidfd);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (pid < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make a user namespace");
	fd = map_and_open(pid, image_base, uid, err);
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	import_reap(pidfd, 0, &status);
	close(pidfd);
	return fd;
}

/* Everything that is not one of 'fds' goes; they take their places. */
static int arrange(const int fds[UNPACK_FD_END], int program_fd, struct error *err)
{
	int away[UNPACK_FD_END];
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < UNPACK_FD_END; i++) {
		away[i] = fcntl(i < UNPACK_LIFELINE_FD ? null_fd : fds[i], F_DUPFD, AWAY_FD);
		if (away[i] < 0)
			return error_set(err, ERR_INTERNAL, errno, "cannot move descriptors");
	}
	program_fd = fcntl(program_fd, F_DUPFD, AWAY_FD);
	for (int i = 0; i < UNPACK_FD_END; i++) {
		if (dup2(away[i], i) < 0)
			return error_set(err, ERR_INTERNAL, errno, "cannot move descriptors");
	}
	if (dup3(program_fd, UNPACK_FD_END, O_CLOEXEC) < 0 ||
		close_range(UNPACK_FD_END + 1, ~0u, 0) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot move descriptors");
	return 0;
}

static void signals_reset(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The child: never returns. What goes wrong is its verdict. */
static void child(const char *directory, const int fds[UNPACK_FD_END], int program_fd)
{
	Bulkhead__V1__ImportVerdict verdict = BULKHEAD__V1__IMPORT_VERDICT__INIT;
	Bulkhead__V1__Error message;
	char name[] = "bulkhead-unpack";
	char *const argv[] = { name, (char *)(uintptr_t)directory, NULL };
	char *const envp[] = { NULL };
	struct error err = { 0 };
	int verdict_fd = fds[UNPACK_VERDICT_FD];

	signals_reset();
	setsid();
	if (chdir("/") == 0 && arrange(fds, program_fd, &err) == 0) {
		verdict_fd = UNPACK_VERDICT_FD;
		syscall(SYS_execveat, UNPACK_FD_END, "", argv, envp, AT_EMPTY_PATH);
		error_set(&err, ERR_INTERNAL, errno, "cannot execute bulkhead-unpack");
	}
	ipc_error_pack(&err, &message);
	verdict.error = &message;
	unpack_message_write(verdict_fd, &verdict.base, NULL);
	_exit(127);
}

int import_spawn(const char *program, const char *directory, const int fds[UNPACK_FD_END],
	int *ret_pidfd, struct error *err)
{
	cleanup_close int program_fd = open(program, O_PATH | O_CLOEXEC);
	pid_t pid;

	if (program_fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", program);
	pid = clone_pidfd(CLONE_NEWPID, ret_pidfd);
	if (pid == 0)
		child(directory, fds, program_fd);
	if (pid < 0)
		return error_set(err, error_code_of(errno), errno, "cannot start bulkhead-unpack");
	return 0;
}
