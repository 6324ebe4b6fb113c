#include "nodeagent/image/trash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define REMOVER_FD 3 /* the trash, in the process that empties it */
#define OWNER_FD   4 /* pidfd of who started it */
#define NICENESS   10

void trash_name(char ret[TRASH_NAME_SIZE])
{
	uint64_t number = 0;

	(void)!getrandom(&number, sizeof(number), 0);
	snprintf(ret, TRASH_NAME_SIZE, "%016llx", (unsigned long long)number);
}

static int open_folder(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static DIR *list(int dirfd)
{
	int fd = open_folder(dirfd, ".");
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

/* The next name that is neither "." nor ".."; NULL at the end. */
static const char *list_next(DIR *dir)
{
	struct dirent *entry;

	do {
		entry = readdir(dir);
	} while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	return entry ? entry->d_name : NULL;
}

static int move(int from_fd, const char *name, int trash_fd)
{
	char to[TRASH_NAME_SIZE];

	trash_name(to);
	return renameat(from_fd, name, trash_fd, to);
}

int trash_move(int store_dirfd, const char *folder, const char *name, struct error *err)
{
	cleanup_close int from_fd = open_folder(store_dirfd, folder);
	cleanup_close int trash_fd = open_folder(store_dirfd, STORE_TRASH);

	if (from_fd < 0 || trash_fd < 0 || (move(from_fd, name, trash_fd) < 0 && errno != ENOENT))
		return error_set(
			err, error_code_of(errno), errno, "cannot remove '%s/%s'", folder, name);
	return 0;
}

int trash_move_all(int store_dirfd, const char *folder, struct error *err)
{
	cleanup_close int from_fd = open_folder(store_dirfd, folder);
	cleanup_close int trash_fd = open_folder(store_dirfd, STORE_TRASH);
	cleanup_dir DIR *dir = from_fd < 0 ? NULL : list(from_fd);
	const char *name;

	if (!dir || trash_fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot empty '%s'", folder);
	while ((name = list_next(dir))) {
		if (move(from_fd, name, trash_fd) < 0 && errno != ENOENT)
			return error_set(err, error_code_of(errno), errno, "cannot remove '%s/%s'",
				folder, name);
	}
	return 0;
}

static int owner_is_gone(void)
{
	struct pollfd fd = { .fd = OWNER_FD, .events = POLLIN };

	return poll(&fd, 1, 0) != 0;
}

/* Empties one directory of the trash: files go, directories move up beside it. */
static void flatten(int trash_fd, int fd)
{
	cleanup_dir DIR *dir = list(fd);
	const char *name;

	while (dir && !owner_is_gone() && (name = list_next(dir))) {
		if (unlinkat(fd, name, 0) < 0)
			move(fd, name, trash_fd);
	}
}

/*
 * Removes all there is, however deep: nothing recurses, two directories are open at a time. 1 when
 * something was left that the next pass may remove.
 */
static int empty_once(int trash_fd)
{
	cleanup_dir DIR *dir = list(trash_fd);
	const char *name;
	int again = 0;

	while (dir && !owner_is_gone() && (name = list_next(dir))) {
		cleanup_close int fd = -1;

		if (unlinkat(trash_fd, name, 0) == 0)
			continue;
		fd = open_folder(trash_fd, name);
		if (fd < 0)
			continue;
		flatten(trash_fd, fd);
		if (unlinkat(trash_fd, name, AT_REMOVEDIR) == 0)
			again = 1;
	}
	return again;
}

/* Behaves as fork(2), but no signal tells of the end, so that no SIGCHLD handler is confused. */
static pid_t quiet_fork(void)
{
	struct clone_args args = { 0 };

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* The child of the child, which nobody waits for. */
static void remover(int trash_fd, int owner_fd)
{
	/* Above both places first, so that neither takes the other's. */
	trash_fd = fcntl(trash_fd, F_DUPFD, OWNER_FD + 1);
	owner_fd = fcntl(owner_fd, F_DUPFD, OWNER_FD + 1);
	if (dup2(trash_fd, REMOVER_FD) < 0 || dup2(owner_fd, OWNER_FD) < 0)
		_exit(1);
	close(0);
	close(1);
	close(2);
	close_range(OWNER_FD + 1, ~0u, 0);
	prctl(PR_SET_NAME, "bulkhead-trash");
	(void)!nice(NICENESS);
	while (empty_once(REMOVER_FD))
		continue;
	_exit(0);
}

void trash_empty(int store_dirfd)
{
	cleanup_close int trash_fd = open_folder(store_dirfd, STORE_TRASH);
	cleanup_close int owner_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	cleanup_dir DIR *dir = trash_fd < 0 ? NULL : list(trash_fd);
	pid_t pid;

	if (owner_fd < 0 || !dir || !list_next(dir))
		return;
	pid = quiet_fork();
	if (pid == 0) {
		pid = quiet_fork();
		if (pid == 0)
			remover(trash_fd, owner_fd);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		continue;
}
