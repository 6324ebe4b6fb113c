#include "lib/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"

int sys_openat2(int dirfd, const char *path, uint64_t flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
		.resolve = resolve,
	};
	int fd;

	/* EAGAIN: a rename raced with the walk and the kernel could not prove that it stayed
	 * inside. */
	do {
		fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	} while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd;
}

int path_open_beneath(int dirfd, const char *path, uint64_t flags, struct error *err)
{
	int fd = sys_openat2(dirfd, path, flags, 0,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);

	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", path);
	return fd;
}

int path_open_in_root(int root_dirfd, const char *path, uint64_t flags, struct error *err)
{
	int fd = sys_openat2(root_dirfd, path, flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	if (fd < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot open '%s' in the root", path);
	return fd;
}

/* Steps from 'dirfd' into 'name', making it where it is missing. */
static int step_into(int root_dirfd, const char *walked, int dirfd, const char *name, mode_t mode)
{
	int fd = sys_openat2(root_dirfd, walked, O_PATH | O_DIRECTORY, 0,
		RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (mkdirat(dirfd, name, mode) < 0 && errno != EEXIST)
		return -1;
	return sys_openat2(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

int path_mkdirs_in_root(int root_dirfd, const char *path, mode_t mode, struct error *err)
{
	char walked[PATH_MAX] = "";
	size_t size = 0;
	cleanup_close int at_fd =
		sys_openat2(root_dirfd, ".", O_PATH | O_DIRECTORY, 0, RESOLVE_IN_ROOT);

	while (at_fd >= 0) {
		size_t len;
		char name[NAME_MAX + 1];
		int next;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 0)
			return take_fd(&at_fd);
		if (len > NAME_MAX || size + len + 2 > sizeof(walked)) {
			errno = ENAMETOOLONG;
			break;
		}
		memcpy(name, path, len);
		name[len] = '\0';
		size += (size_t)snprintf(walked + size, sizeof(walked) - size, "/%s", name);
		next = step_into(root_dirfd, walked, at_fd, name, mode);
		if (next < 0)
			break;
		close(at_fd);
		at_fd = next;
		path += len;
	}
	return error_set(err, error_code_of(errno), errno, "cannot make '%s' in the root", walked);
}

int path_open_detached(int dirfd, struct error *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };
	cleanup_close int fd =
		open_tree(dirfd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return error_set(err, error_code_of(errno), errno,
			"cannot detach a directory from the rest");
	return take_fd(&fd);
}

static int label_len(const char *s)
{
	int n = 0;

	while ((s[n] >= 'a' && s[n] <= 'z') || (s[n] >= '0' && s[n] <= '9') || s[n] == '-')
		n++;
	if (n == 0 || s[0] == '-' || s[n - 1] == '-')
		return -1;
	return n;
}

int name_is_dns_label(const char *name)
{
	int n = label_len(name);

	return n > 0 && n <= 63 && name[n] == '\0';
}

int name_is_dns_subdomain(const char *name)
{
	if (strnlen(name, 254) > 253)
		return 0;
	for (;;) {
		int n = label_len(name);

		if (n < 0)
			return 0;
		if (name[n] == '\0')
			return 1;
		if (name[n] != '.')
			return 0;
		name += n + 1;
	}
}
