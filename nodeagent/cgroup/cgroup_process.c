/* Processes of a group: moving one in, killing all, removing what is empty. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/cgroup/cgroup_internal.h"

#define PROCS_SIZE_MAX  (1u << 20)
#define DEPTH_MAX       32
#define KILL_ROUNDS_MAX 100
#define REAP_POLL_MS    5

int cgroup_enter(const struct cgroup *cgroup, unsigned already, struct error *err)
{
	const struct cgroup_tree *tree = cgroup->tree;

	for (size_t i = 0; i < tree->len; i++) {
		const char *file = (int)i == tree->unified ? "cgroup.procs" : "tasks";

		if (already & (1u << i))
			continue;
		if (file_poke_at(cgroup->fds[i], file, "0", err) < 0)
			return error_prefix(
				err, "cgroup hierarchy '%s'", tree->hierarchies[i].name);
	}
	return 0;
}

typedef int each_fn(int dirfd, void *user, struct error *err);

static int group_each(int dirfd, int depth, each_fn *fn, void *user, struct error *err);

static int children_each(int dirfd, int depth, each_fn *fn, void *user, struct error *err)
{
	int list_fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);
	struct dirent *entry;

	if (!dir) {
		error_set(err, error_code_of(errno), errno, "cannot list a cgroup");
		if (list_fd >= 0)
			close(list_fd);
		return -1;
	}
	while ((entry = readdir(dir))) {
		cleanup_close int sub_fd = -1;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		sub_fd =
			openat(dirfd, entry->d_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub_fd < 0 && errno == ENOENT)
			continue;
		if (sub_fd < 0)
			return error_set(err, error_code_of(errno), errno,
				"cannot open cgroup '%s'", entry->d_name);
		if (group_each(sub_fd, depth + 1, fn, user, err) < 0)
			return -1;
	}
	return 0;
}

/* Calls 'fn' for every group at and below 'dirfd', deepest first. */
static int group_each(int dirfd, int depth, each_fn *fn, void *user, struct error *err)
{
	if (depth > DEPTH_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "cgroups lie more than %d deep", DEPTH_MAX);
	if (children_each(dirfd, depth, fn, user, err) < 0)
		return -1;
	return fn(dirfd, user, err);
}

/* Kills by descriptor, so that a number used again by another process is never hit. */
static int kill_listed(int dirfd, const char *pid_text, struct error *err)
{
	pid_t pid = (pid_t)strtol(pid_text, NULL, 10);
	cleanup_close int pidfd = -1;
	cleanup_free char *procs = NULL;
	size_t size;
	char line[16];
	char *found;

	if (pid <= 0)
		return 0;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return 0;
	/* Still listed after the descriptor was opened: it is the process that was meant. */
	if (file_read_at(dirfd, "cgroup.procs", PROCS_SIZE_MAX, &procs, &size, err) < 0)
		return -1;
	snprintf(line, sizeof(line), "%d\n", pid);
	found = strstr(procs, line);
	if (found && (found == procs || found[-1] == '\n'))
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	return 0;
}

struct kill_round {
	size_t seen;
};

static int kill_group(int dirfd, void *user, struct error *err)
{
	struct kill_round *round = user;
	cleanup_free char *procs = NULL;
	size_t size;
	char *save = NULL;

	if (file_read_at(dirfd, "cgroup.procs", PROCS_SIZE_MAX, &procs, &size, err) < 0)
		return -1;
	for (char *p = strtok_r(procs, "\n", &save); p; p = strtok_r(NULL, "\n", &save)) {
		round->seen++;
		if (kill_listed(dirfd, p, err) < 0)
			return -1;
	}
	return 0;
}

static void freezer_set(const struct cgroup *cgroup, const char *state)
{
	int dirfd = cgroup_dirfd_of(cgroup, CGROUP_FREEZER);

	/* Without a freezer the rounds below still win against anything but a fork bomb. */
	if (dirfd >= 0)
		file_poke_at(dirfd, "freezer.state", state, NULL);
}

static void sleep_ms(long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static int unthrottle(int dirfd, void *user, struct error *err)
{
	(void)user;
	(void)err;
	/* One of the two is there. */
	if (file_poke_at(dirfd, "cpu.max", "max", NULL) < 0)
		file_poke_at(dirfd, "cpu.cfs_quota_us", "-1", NULL);
	return 0;
}

void cgroup_unthrottle(const struct cgroup *cgroup)
{
	int dirfd = cgroup_dirfd_of(cgroup, CGROUP_CPU);

	if (dirfd >= 0)
		group_each(dirfd, 0, unthrottle, NULL, NULL);
}

int cgroup_kill(const struct cgroup *cgroup, struct error *err)
{
	int v2_dirfd = cgroup_clone_fd(cgroup);
	int procs_dirfd;

	cgroup_unthrottle(cgroup);
	if (v2_dirfd >= 0 && faccessat(v2_dirfd, "cgroup.kill", F_OK, 0) == 0 &&
		file_poke_at(v2_dirfd, "cgroup.kill", "1", err) < 0)
		return -1;
	if (cgroup->tree->mode == CGROUP_V2)
		return 0;
	procs_dirfd = cgroup_dirfd_of(cgroup, CGROUP_PIDS);
	for (size_t i = 0; procs_dirfd < 0 && i < cgroup->tree->len; i++)
		procs_dirfd = cgroup->fds[i];
	for (int i = 0; i < KILL_ROUNDS_MAX; i++) {
		struct kill_round round = { 0 };
		int n;

		freezer_set(cgroup, "FROZEN");
		n = group_each(procs_dirfd, 0, kill_group, &round, err);
		freezer_set(cgroup, "THAWED");
		if (n < 0 || round.seen == 0)
			return n;
		sleep_ms(1);
	}
	return error_set(err, ERR_TIMEOUT, 0, "processes of the cgroup do not die");
}

static int remove_at(int dirfd, const char *name, int depth, struct error *err);

static int remove_below(int dirfd, int depth, struct error *err)
{
	int list_fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);
	struct dirent *entry;

	if (!dir) {
		error_set(err, error_code_of(errno), errno, "cannot list a cgroup");
		if (list_fd >= 0)
			close(list_fd);
		return -1;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (remove_at(dirfd, entry->d_name, depth + 1, err) < 0)
			return -1;
	}
	return 0;
}

static int remove_at(int dirfd, const char *name, int depth, struct error *err)
{
	cleanup_close int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open cgroup '%s'", name);
	if (depth > DEPTH_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "cgroups lie more than %d deep", DEPTH_MAX);
	/*
	 * Page cache that is still charged to a removed group of cgroup v1 keeps it in the kernel,
	 * and hundreds of these make every later start slower. Only the memory controller has the
	 * file.
	 */
	(void)file_poke_at(fd, "memory.force_empty", "0", NULL);
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
		return 0;
	if (remove_below(fd, depth, err) < 0)
		return -1;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_set(err, ERR_PRECONDITION, errno, "cannot remove cgroup '%s'", name);
	return 0;
}

/* Opens the parent of 'path' and names its last part; 1, or 0 when the parent is absent. */
static int parent_open(
	int dirfd, const char *path, int *ret_fd, const char **ret_name, struct error *err)
{
	cleanup_close int at_fd = fcntl(dirfd, F_DUPFD_CLOEXEC, 3);

	for (;;) {
		size_t len = strcspn(path, "/");
		char name[NAME_MAX + 1];
		int next;

		if (at_fd < 0)
			return error_set(err, ERR_EXHAUSTED, errno, "cannot open a cgroup");
		if (cgroup_name_check(path, len, err) < 0)
			return -1;
		if (path[len] == '\0')
			break;
		memcpy(name, path, len);
		name[len] = '\0';
		next = openat(at_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0 && errno == ENOENT)
			return 0;
		close(at_fd);
		at_fd = next;
		path += len + 1;
	}
	*ret_fd = take_fd(&at_fd);
	*ret_name = path;
	return 1;
}

int cgroup_remove(const struct cgroup_tree *tree, const char *path, struct error *err)
{
	for (size_t i = 0; i < tree->len; i++) {
		cleanup_close int fd = -1;
		const char *name;
		int n = parent_open(tree->hierarchies[i].fd, path, &fd, &name, err);

		if (n < 0 || (n > 0 && remove_at(fd, name, 0, err) < 0))
			return error_prefix(
				err, "cgroup hierarchy '%s'", tree->hierarchies[i].name);
	}
	return 0;
}

int cgroup_find(struct cgroup *ret, const struct cgroup_tree *tree, const char *path)
{
	int found = 0;

	ret->tree = tree;
	for (size_t i = 0; i < CGROUP_HIERARCHIES_MAX; i++) {
		cleanup_close int fd = -1;
		const char *name;

		ret->fds[i] = -1;
		if (i >= tree->len ||
			parent_open(tree->hierarchies[i].fd, path, &fd, &name, NULL) <= 0)
			continue;
		ret->fds[i] = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		found += ret->fds[i] >= 0;
	}
	return found;
}

int cgroup_reap(const struct cgroup_tree *tree, const char *path, int timeout_ms, struct error *err)
{
	uint64_t end = monotonic_usec() + (uint64_t)timeout_ms * 1000;

	for (;;) {
		struct cgroup cgroup;
		struct error why;
		int found = cgroup_find(&cgroup, tree, path);

		if (found > 0)
			cgroup_kill(&cgroup, NULL);
		cgroup_done(&cgroup);
		if (cgroup_remove(tree, path, &why) == 0)
			return 0;
		/* Only processes that are still on their way out make waiting worth it. */
		if (why.code == ERR_INVALID || monotonic_usec() >= end) {
			if (err)
				*err = why;
			return -1;
		}
		sleep_ms(REAP_POLL_MS);
	}
}
