#include "nodeagent/shim/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/xattr.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "nodeagent/shim/selinux.h"
#include "nodeagent/shim/sys.h"

#define MKE2FS     "/sbin/mke2fs"
#define IMAGE_FD   3
#define BLOCK      4096
#define JOURNAL    (UINT64_C(4) << 20) /* the least that ext4 takes */
#define IMAGE_MIN  (UINT64_C(9) << 20) /* of ext4 with a journal */
#define LABEL_SIZE 4096                /* an SELinux label and its end */
#define LOOP_TRIES 100                 /* another process may take the device that is free */

/* What ext4 keeps for itself: journal, an inode of 256 bytes for every 8 KiB, bitmaps. */
static uint64_t image_size(uint64_t bytes)
{
	uint64_t size = bytes + bytes / 16 + JOURNAL + (UINT64_C(1) << 20);

	if (size < IMAGE_MIN)
		size = IMAGE_MIN;
	return (size + BLOCK - 1) / BLOCK * BLOCK;
}

/* The file is full of holes and stays so: nothing is written that is zero already. */
static int format(int fd, struct error *err)
{
	static char *const argv[] = { (char *)"mke2fs", (char *)"-q", (char *)"-F", (char *)"-t",
		(char *)"ext4", (char *)"-b", (char *)"4096", (char *)"-i", (char *)"8192",
		(char *)"-m", (char *)"0", (char *)"-J", (char *)"size=4", (char *)"-E",
		(char *)"nodiscard,assume_storage_prezeroed=1,lazy_journal_init=1",
		(char *)"/proc/self/fd/3", NULL };
	static char *const env[] = { NULL };
	posix_spawn_file_actions_t actions;
	int status = 0;
	pid_t pid;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, IMAGE_FD);
	r = posix_spawn(&pid, MKE2FS, &actions, NULL, argv, env);
	posix_spawn_file_actions_destroy(&actions);
	if (r != 0)
		return error_set(
			err, ERR_PRECONDITION, r, "cannot run " MKE2FS " (package e2fsprogs)");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return error_set(err, ERR_EXHAUSTED, 0,
			"mke2fs ended with status %d; is the disk full?", WEXITSTATUS(status));
	return 0;
}

/* Opens the image, made anew unless one of that size is there. *ret_fresh says which. */
static int image_open(int dirfd, const char *name, uint64_t size, int *ret_fresh, struct error *err)
{
	cleanup_close int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", name);
	*ret_fresh = (uint64_t)st.st_size != size;
	if (!*ret_fresh)
		return take_fd(&fd);
	if (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)size) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make '%s' of %llu bytes",
			name, (unsigned long long)size);
	if (format(fd, err) < 0) {
		unlinkat(dirfd, name, 0);
		return -1;
	}
	return take_fd(&fd);
}

/* Attaches the image to a device, which is let go when it is neither open nor mounted. */
static int loop_attach(int image_fd, char ret_path[32], struct error *err)
{
	cleanup_close int control_fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	struct loop_config config = { .fd = (uint32_t)image_fd,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO };

	if (control_fd < 0)
		return error_set(err, ERR_PRECONDITION, errno,
			"the node cannot limit disk space: it has no loop devices");
	for (int i = 0; i < LOOP_TRIES; i++) {
		int number = ioctl(control_fd, LOOP_CTL_GET_FREE);
		cleanup_close int fd = -1;

		if (number < 0)
			break;
		snprintf(ret_path, 32, "/dev/loop%d", number);
		fd = open(ret_path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config) == 0)
			return take_fd(&fd);
		if (fd < 0 || errno != EBUSY)
			break;
	}
	return error_set(err, ERR_PRECONDITION, errno, "cannot set up a loop device");
}

/* The new file system's root is labelled as the folder 'dirfd' is; what is made in it inherits
 * that. */
static int label_root(int fs_fd, int dirfd)
{
	char label[LABEL_SIZE];
	ssize_t n;

	if (!selinux_enabled())
		return 0;
	n = fgetxattr(dirfd, XATTR_NAME_SELINUX, label, sizeof(label) - 1);
	if (n < 0)
		return -1;
	label[n] = '\0';
	return sys_fsconfig_string(fs_fd, "rootcontext", label);
}

static int mount_device(const char *device, int dirfd, struct error *err)
{
	cleanup_close int fs_fd = sys_fsopen("ext4");
	int fd;

	/* discard: what is deleted inside becomes a hole in the file. */
	if (fs_fd < 0 || sys_fsconfig_string(fs_fd, "source", device) < 0 ||
		sys_fsconfig_string(fs_fd, "errors", "remount-ro") < 0 ||
		sys_fsconfig_flag(fs_fd, "discard") < 0 || label_root(fs_fd, dirfd) < 0 ||
		sys_fsconfig_create(fs_fd) < 0)
		return error_set(err, ERR_PRECONDITION, errno, "cannot mount ext4");
	fd = sys_fsmount(fs_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (fd < 0)
		return error_set(err, ERR_PRECONDITION, errno, "cannot mount ext4");
	return fd;
}

int storage_make(int dirfd, const char *name, uint64_t bytes, int *ret_fd, struct error *err)
{
	char device[32];
	int fresh;
	cleanup_close int image_fd = image_open(dirfd, name, image_size(bytes), &fresh, err);
	cleanup_close int loop_fd = -1;
	int fd;

	if (image_fd < 0)
		return error_prefix(err, "disk limit");
	loop_fd = loop_attach(image_fd, device, err);
	fd = loop_fd < 0 ? -1 : mount_device(device, dirfd, err);
	if (fd < 0 && loop_fd >= 0 && !fresh) {
		/* Half of one, from a machine that stopped amid: what a pod has on disk may go. */
		cleanup_close_fn(&loop_fd);
		cleanup_close_fn(&image_fd);
		unlinkat(dirfd, name, 0);
		return storage_make(dirfd, name, bytes, ret_fd, err);
	}
	if (fd < 0)
		return error_prefix(err, "disk limit");
	*ret_fd = fd;
	return 0;
}
