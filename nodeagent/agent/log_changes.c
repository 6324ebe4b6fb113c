#include "nodeagent/agent/log_changes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define LOG_CHANGES (IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE)

#define KEEP ((uid_t)-1)

/*
 * The kernel counts an instance for the effective user that makes it. Real and saved ones stay
 * root's, so that no process of 'uid' may signal or trace this one meanwhile.
 */
static int instance_make(uid_t uid)
{
	int fd;
	int saved;

	if (setresuid(KEEP, uid, KEEP) < 0)
		return -1;
	fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	saved = errno;
	/* An agent that went on without its rights would fail in worse ways. */
	if (setresuid(KEEP, 0, KEEP) < 0)
		abort();
	errno = saved;
	return fd;
}

int log_changes_open(int log_dirfd, uid_t uid, struct error *err)
{
	cleanup_close int fd = instance_make(uid);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", log_dirfd);
	if (fd < 0 && errno == EMFILE)
		return error_set(err, ERR_EXHAUSTED, 0,
			"too many logs are being followed on this node; end some of them");
	if (fd < 0 || inotify_add_watch(fd, path, LOG_CHANGES) < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot follow the log directory");
	return take_fd(&fd);
}
