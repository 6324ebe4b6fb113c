/* Where a pod's things lie, made and removed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/pod.h"
#include "nodeagent/agent/pod_store.h"

#define BEGUN_MARK "begun" /* content: the boot's id */
#define BOOT_ID    "/proc/sys/kernel/random/boot_id"
#define BOOT_SIZE  64

#define STATE_FD 3 /* of a child that clears */

void pod_run_path(const struct pod *pod, const char *name, char ret[POD_PATH_SIZE])
{
	snprintf(ret, POD_PATH_SIZE, "%s/pods/%s%s%s", pod->pods->agent->config->run_dir,
		pod->subject.uid, *name ? "/" : "", name);
}

void pod_log_path(const struct pod *pod, char ret[POD_PATH_SIZE])
{
	snprintf(ret, POD_PATH_SIZE, "%s/logs/%s_%s_%s", pod->pods->agent->config->state_dir,
		pod->subject.project, pod->subject.pod, pod->subject.uid);
}

/* bulkhead-api reads what lies here through descriptors; the folders' group is handed down. */
static int log_folder_make(const struct pod *pod, const char *path, struct error *err)
{
	gid_t gid = (gid_t)pod->pods->agent->config->api_uid;

	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		return error_set(err, error_code_of(errno), errno, "cannot make '%s'", path);
	/* Also of one that is there: an agent may have been killed before it came to this. */
	if (chown(path, 0, gid) < 0 || chmod(path, 02750) < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot hand '%s' to bulkhead-api", path);
	return 0;
}

static int logs_make(const struct pod *pod, struct error *err)
{
	char all[POD_PATH_SIZE];
	char path[POD_PATH_SIZE];

	snprintf(all, sizeof(all), "%s/logs", pod->pods->agent->config->state_dir);
	pod_log_path(pod, path);
	if (mkdir(all, 0711) < 0 && errno != EEXIST)
		return error_set(err, error_code_of(errno), errno, "cannot make '%s'", all);
	return log_folder_make(pod, path, err);
}

int pod_folders_make(const struct pod *pod, struct error *err)
{
	char path[POD_PATH_SIZE];

	pod_run_path(pod, "", path);
	if (mkdir_parents(path, 0700, err) < 0)
		return -1;
	return logs_make(pod, err);
}

static void boot_id(char ret[BOOT_SIZE])
{
	cleanup_close int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, BOOT_SIZE - 1);

	ret[n > 0 ? n : 0] = '\0';
}

/* Not synced: it need not outlive the boot that it names. */
int pod_begun_mark(const struct pod *pod, struct error *err)
{
	cleanup_close int fd = -1;
	char path[POD_PATH_SIZE];
	char id[BOOT_SIZE];

	boot_id(id);
	pod_run_path(pod, BEGUN_MARK, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make '%s'", path);
	return fd_write_all(fd, id, strlen(id), err);
}

bool pod_begun_marked(const struct pod *pod)
{
	cleanup_free char *was = NULL;
	char path[POD_PATH_SIZE];
	char now[BOOT_SIZE];
	size_t size;

	boot_id(now);
	pod_run_path(pod, BEGUN_MARK, path);
	return file_read_at(AT_FDCWD, path, BOOT_SIZE, &was, &size, NULL) == 0 &&
	       strcmp(was, now) == 0;
}

bool pod_run_folder_exists(const struct pod *pod)
{
	char path[POD_PATH_SIZE];

	pod_run_path(pod, "", path);
	return access(path, F_OK) == 0;
}

void pod_run_folder_remove(const struct pod *pod)
{
	char path[POD_PATH_SIZE];
	struct error err = { 0 };

	pod_run_path(pod, "", path);
	if (tree_remove_at(AT_FDCWD, path, &err) < 0)
		log_write(LOG_LEVEL_WARNING, &pod->subject, "%s", err.text);
}

/* Nobody waits for it: what an interrupted child leaves, the next start of the agent removes. */
int pod_folders_clear(int state_dirfd, const char *uid, struct error *err)
{
	pid_t pid = fork();

	if (pid < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "cannot fork");
	if (pid == 0) {
		/* Twice, so that the agent has no child to reap but this one, at once. */
		pid = fork();
		if (pid != 0)
			_exit(pid < 0);
		/* A copy of a daemon's connection held here would hide the agent's end from it. */
		if (dup2(state_dirfd, STATE_FD) < 0 || close_range(STATE_FD + 1, ~0U, 0) < 0)
			_exit(1);
		_exit((uid ? pod_store_clear(STATE_FD, uid, NULL)
			   : pod_store_clear_all(STATE_FD, NULL)) < 0);
	}
	return waitpid(pid, NULL, 0) == pid ? 0 : error_set(err, ERR_INTERNAL, errno, "no child");
}

void pod_folders_remove(const struct pod *pod)
{
	int state_dirfd = pod->pods->agent->state_dirfd;
	struct error err = { 0 };
	char path[POD_PATH_SIZE];

	pod_log_path(pod, path);
	if (tree_remove_at(AT_FDCWD, path, &err) < 0)
		log_write(LOG_LEVEL_WARNING, &pod->subject, "%s", err.text);
	/* Last: while the record is there, a restart goes on with the removal. */
	if (pod_store_remove(state_dirfd, pod->subject.uid, &err) < 0)
		log_write(LOG_LEVEL_ERROR, &pod->subject, "%s", err.text);
	else if (pod_folders_clear(state_dirfd, pod->subject.uid, &err) < 0)
		log_write(LOG_LEVEL_WARNING, &pod->subject, "%s", err.text);
}

int pod_container_logs_open(const struct pod *pod, const char *container, struct error *err)
{
	char path[POD_PATH_SIZE];
	int folder_fd;
	int fd;

	if (logs_make(pod, err) < 0)
		return -1;
	pod_log_path(pod, path);
	folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder_fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", path);
	if (mkdirat(folder_fd, container, 0750) < 0 && errno != EEXIST)
		error_set(err, error_code_of(errno), errno, "cannot make '%s/%s'", path, container);
	fd = openat(folder_fd, container, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		error_set(err, error_code_of(errno), errno, "cannot open '%s/%s'", path, container);
	close(folder_fd);
	return fd;
}
