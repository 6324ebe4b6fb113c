/* The host's devices in the /dev of a privileged container. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "nodeagent/shim/launch.h"
#include "nodeagent/shim/mnt.h"

#define DEPTH_MAX 3 /* /dev/bus/usb/001/001 is as deep as it gets */

static int copy_dir(int from_fd, int to_fd, int depth, struct error *err);

static int copy_one(int from_fd, int to_fd, const char *name, int depth, struct error *err)
{
	struct mnt_owner root = { 0, 0 };
	cleanup_close int sub_fd = -1;
	cleanup_close int at_fd = -1;
	struct stat st;

	/* Gone meanwhile: devices come and go. */
	if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
		/* Those that every container has are there. */
		if (mknodat(to_fd, name, st.st_mode, st.st_rdev) < 0)
			return errno == EEXIST ? 0
					       : error_set(err, ERR_PRECONDITION, errno,
							 "cannot make /dev/.../%s", name);
		return fchownat(to_fd, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0
			       ? error_set(err, ERR_INTERNAL, errno, "cannot own '%s'", name)
			       : 0;
	}
	if (!S_ISDIR(st.st_mode) || depth == DEPTH_MAX)
		return 0;
	sub_fd = openat(from_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub_fd < 0)
		return 0;
	at_fd = mnt_mkdir(to_fd, name, 0755, &root, err);
	return at_fd < 0 ? -1 : copy_dir(sub_fd, at_fd, depth + 1, err);
}

static int copy_dir(int from_fd, int to_fd, int depth, struct error *err)
{
	static const char *const own[] = { ".", "..", "pts", "shm", "mqueue", "fd", "console" };
	int list_fd = fcntl(from_fd, F_DUPFD_CLOEXEC, 3);
	cleanup_dir DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);
	struct dirent *entry;

	if (!dir) {
		error_set(err, ERR_INTERNAL, errno, "cannot list the host's /dev");
		if (list_fd >= 0)
			close(list_fd);
		return -1;
	}
	while ((entry = readdir(dir))) {
		int skip = 0;

		for (size_t i = 0; i < ARRAY_LEN(own); i++)
			skip |= strcmp(entry->d_name, own[i]) == 0;
		if (!skip && copy_one(from_fd, to_fd, entry->d_name, depth, err) < 0)
			return -1;
	}
	return 0;
}

int child_devices_copy(int dev_dirfd, struct error *err)
{
	cleanup_close int fd = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot open the host's /dev");
	return copy_dir(fd, dev_dirfd, 0, err);
}
