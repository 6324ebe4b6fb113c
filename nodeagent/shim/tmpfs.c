#include "nodeagent/shim/tmpfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/path.h"
#include "nodeagent/shim/sys.h"

#define OWN_DEPTH_MAX 16
#define SWAPS_MAX     65536

static int number_set(int fd, const char *key, const char *format, uint64_t value)
{
	char text[32];

	if (strcmp(format, "o") == 0)
		snprintf(text, sizeof(text), "%" PRIo64, value);
	else
		snprintf(text, sizeof(text), "%" PRIu64, value);
	return sys_fsconfig_string(fd, key, text);
}

int tmpfs_swap_check(const char *swaps, int allowed, struct error *err)
{
	/* One line of headings, then one for each. */
	const char *first = strchr(swaps, '\n');

	if (allowed || (first && first[1] == '\0'))
		return 0;
	return error_set(err, ERR_PRECONDITION, 0,
		"this kernel's tmpfs has no 'noswap' (Linux 6.4 has), and swap is active, where "
		"secrets would be written to disk: run 'swapoff -a', or set secrets_on_swap: allow "
		"in node.yaml");
}

/* Fails closed: what the kernel cannot promise is asked of the machine. */
static int set_noswap(int fs_fd, int allowed, struct error *err)
{
	cleanup_free char *swaps = NULL;
	size_t size;

#ifdef BULKHEAD_WEAK_NOSWAP
	return 0;
#endif
	if (sys_fsconfig_flag(fs_fd, "noswap") == 0)
		return 0;
	if (file_read_at(AT_FDCWD, "/proc/swaps", SWAPS_MAX, &swaps, &size, err) < 0)
		return -1;
	return tmpfs_swap_check(swaps, allowed, err);
}

int tmpfs_make(const struct tmpfs_options *options, struct error *err)
{
	cleanup_close int fs_fd = sys_fsopen("tmpfs");
	int fd;

	if (fs_fd < 0 || sys_fsconfig_string(fs_fd, "source", "tmpfs") < 0 ||
		number_set(fs_fd, "size", "u", options->size) < 0 ||
		number_set(fs_fd, "nr_inodes", "u", options->inodes) < 0 ||
		number_set(fs_fd, "uid", "u", options->uid) < 0 ||
		number_set(fs_fd, "gid", "u", options->gid) < 0 ||
		number_set(fs_fd, "mode", "o", options->mode) < 0 ||
		(options->context && sys_fsconfig_string(fs_fd, "context", options->context) < 0))
		return error_set(err, error_code_of(errno), errno, "cannot configure a tmpfs");
	if (options->noswap && set_noswap(fs_fd, options->swap_allowed, err) < 0)
		return -1;
	if (sys_fsconfig_create(fs_fd) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make a tmpfs");
	fd = sys_fsmount(fs_fd, options->attr);
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot mount a tmpfs");
	return fd;
}

int tmpfs_resize(int dirfd, uint64_t size, uint64_t inodes, int noswap, struct error *err)
{
	cleanup_close int fs_fd = sys_fspick(dirfd);

	if (fs_fd < 0 || number_set(fs_fd, "size", "u", size) < 0 ||
		number_set(fs_fd, "nr_inodes", "u", inodes) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot configure a tmpfs");
	/* What was said when it was made must be said again. */
	if (noswap)
		sys_fsconfig_flag(fs_fd, "noswap");
	if (sys_fsconfig_reconfigure(fs_fd) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot resize a tmpfs");
	return 0;
}

struct owner {
	uint32_t uid;
	uint32_t gid;
	int group_readable;
};

static int own_below(int dirfd, const struct owner *owner, int depth, struct error *err);

/* 'fd' is the very file that gets the owner: nothing is looked up again. */
static int own_fd(int fd, const char *name, const struct stat *st, const struct owner *owner,
	int depth, struct error *err)
{
	mode_t mode = st->st_mode & 07777;
	/* A directory stays its maker's, who must empty it when the next version is there. */
	uid_t uid = S_ISDIR(st->st_mode) ? (uid_t)-1 : owner->uid;

	if (S_ISDIR(st->st_mode) && own_below(fd, owner, depth + 1, err) < 0)
		return error_prefix(err, "'%s'", name);
	if (fchown(fd, uid, owner->gid) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot chown '%s'", name);
	if (owner->group_readable)
		mode |= S_ISDIR(st->st_mode) ? 0050 : 0040;
	/* Also when nothing is added: chown(2) may have taken set-id bits away. */
	if (fchmod(fd, mode) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot chmod '%s'", name);
	return 0;
}

static int own_entry(
	int dirfd, const char *name, const struct owner *owner, int depth, struct error *err)
{
	cleanup_close int fd = -1;
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot look at '%s'", name);
	if (S_ISLNK(st.st_mode)) {
		if (fchownat(dirfd, name, owner->uid, owner->gid, AT_SYMLINK_NOFOLLOW) < 0)
			return error_set(
				err, error_code_of(errno), errno, "cannot chown '%s'", name);
		return 0;
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return error_set(
			err, ERR_INVALID, 0, "'%s' is neither a file nor a directory", name);
	fd = sys_openat2(dirfd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0,
		RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", name);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return error_set(
			err, ERR_INVALID, 0, "'%s' is neither a file nor a directory", name);
	return own_fd(fd, name, &st, owner, depth, err);
}

static int own_below(int dirfd, const struct owner *owner, int depth, struct error *err)
{
	int list_fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = list_fd < 0 ? NULL : fdopendir(list_fd);
	struct dirent *entry;

	if (!dir) {
		error_set(err, error_code_of(errno), errno, "cannot list a directory");
		if (list_fd >= 0)
			close(list_fd);
		return -1;
	}
	if (depth > OWN_DEPTH_MAX)
		return error_set(
			err, ERR_INVALID, 0, "directories lie more than %d deep", OWN_DEPTH_MAX);
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (own_entry(dirfd, entry->d_name, owner, depth, err) < 0)
			return -1;
	}
	return 0;
}

int tmpfs_own(int dirfd, const char *name, uint32_t uid, uint32_t gid, int group_readable,
	struct error *err)
{
	struct owner owner = { uid, gid, group_readable };

	if (name[0] == '\0' || strchr(name, '/') || strcmp(name, ".") == 0 ||
		strcmp(name, "..") == 0)
		return error_set(err, ERR_INVALID, 0, "directory: '%s' is not a name", name);
	return own_entry(dirfd, name, &owner, 0, err);
}
