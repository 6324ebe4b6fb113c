#include "nodeagent/shim/selinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/xattr.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/path.h"
#include "nodeagent/shim/sys.h"

int selinux_enabled(void)
{
	struct statfs st;

	return statfs("/sys/fs/selinux", &st) == 0 && st.f_type == SELINUX_MAGIC;
}

int selinux_exec_label(int proc_dirfd, const char *label, struct error *err)
{
	cleanup_close int fd = -1;
	size_t size = strlen(label) + 1;

	/* "thread-self" is a link of procfs itself, so links are allowed; other mounts are not. */
	fd = sys_openat2(proc_dirfd, "thread-self/attr/exec", O_WRONLY, 0,
		RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
	if (fd < 0 || sys_fs_magic(fd) != PROC_SUPER_MAGIC)
		return error_set(
			err, ERR_PRECONDITION, errno, "cannot open the process's attr/exec");
	if (write(fd, label, size) != (ssize_t)size)
		return error_set(err, ERR_INVALID, errno, "cannot take selinux_label '%s'", label);
	return 0;
}

int selinux_file_label(int dirfd, const char *label, struct error *err)
{
	cleanup_close int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsetxattr(fd, XATTR_NAME_SELINUX, label, strlen(label) + 1, 0) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot label it '%s'", label);
	return 0;
}
