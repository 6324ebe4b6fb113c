/* The files of one process in procfs, read beneath a descriptor of its directory. */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/shim/drift.h"

#define TEXT_MAX   (64u << 10)
#define USERNS_MAX 33 /* the kernel nests 32 */

int drift_read_text(int fd, char **ret, struct error *err)
{
	size_t size = 0;
	size_t room = 8192;
	cleanup_free char *text = NULL;

	for (;;) {
		char *larger = realloc(text, room + 1);
		ssize_t n;

		if (!larger)
			return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot read");
		text = larger;
		n = pread(fd, text + size, room - size, (off_t)size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, errno == ESRCH ? ERR_NOT_FOUND : error_code_of(errno),
				errno, "cannot read");
		if (n == 0)
			break;
		size += (size_t)n;
		if (size >= DRIFT_FILE_MAX)
			break;
		if (room - size < 4096)
			room *= 2;
	}
	text[size] = '\0';
	*ret = take_ptr(text);
	return 0;
}

static int text_read(int dirfd, const char *name, char **ret, struct error *err)
{
	size_t size;

	if (file_read_at(dirfd, name, TEXT_MAX, ret, &size, err) == 0)
		return 0;
	if (err && (err->sys == ESRCH || err->sys == ENOENT))
		err->code = ERR_NOT_FOUND;
	return -1;
}

/* Whether user namespace 'fd' is beneath the one with 'inode'. Takes over 'fd'. */
static int is_below(int fd, uint64_t inode)
{
	int found = 0;

	for (int i = 0; i < USERNS_MAX && fd >= 0 && !found; i++) {
		int parent_fd = ioctl(fd, NS_GET_PARENT);
		struct stat st;

		close(fd);
		fd = parent_fd;
		found = fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == inode;
	}
	if (fd >= 0)
		close(fd);
	return found;
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* Whose it is, for a namespace that is not the admitted one. */
static enum drift_owner owner_of(int ns_fd, enum drift_ns ns, uint64_t pod_inode)
{
	int owner_fd;

	if (ns == DRIFT_NS_USER)
		return is_below(fcntl(ns_fd, F_DUPFD_CLOEXEC, 3), pod_inode) ? DRIFT_OWNER_BELOW
									     : DRIFT_OWNER_OTHER;
	owner_fd = ioctl(ns_fd, NS_GET_USERNS);
	if (owner_fd < 0)
		return DRIFT_OWNER_OTHER;
	if (inode_of(owner_fd) == pod_inode) {
		close(owner_fd);
		return DRIFT_OWNER_POD;
	}
	return is_below(owner_fd, pod_inode) ? DRIFT_OWNER_BELOW : DRIFT_OWNER_OTHER;
}

static int ns_read(
	struct drift_facts *ret, int proc_dirfd, const struct drift_plan *plan, struct error *err)
{
	for (int i = 0; i < DRIFT_NS_LEN; i++) {
		struct stat st;
		char name[32];
		cleanup_close int fd = -1;

		snprintf(name, sizeof(name), "ns/%s", drift_ns_name((enum drift_ns)i));
		if (fstatat(proc_dirfd, name, &st, 0) < 0)
			return error_set(err,
				errno == ENOENT || errno == ESRCH ? ERR_NOT_FOUND
								  : error_code_of(errno),
				errno, "cannot see '%s'", name);
		ret->ns[i] = (struct drift_ns_fact){ .inode = st.st_ino };
		if (st.st_ino == plan->facts.ns[i].inode)
			continue;
		fd = openat(proc_dirfd, name, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			ret->ns[i].owner =
				owner_of(fd, (enum drift_ns)i, plan->facts.ns[DRIFT_NS_USER].inode);
	}
	return 0;
}

static int label_read(struct drift_facts *ret, int proc_dirfd, struct error *err)
{
	cleanup_free char *text = NULL;

	if (text_read(proc_dirfd, "attr/current", &text, err) < 0)
		return -1;
	snprintf(ret->label, sizeof(ret->label), "%.*s", (int)strcspn(text, "\n"), text);
	return 0;
}

static int status_read(struct drift_facts *ret, int proc_dirfd, struct error *err)
{
	static const struct {
		const char *name;
		int (*parse)(struct drift_facts *ret, const char *text, struct error *err);
	} files[] = {
		{ "status", drift_parse_status },
		{ "limits", drift_parse_limits },
	};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		cleanup_free char *text = NULL;

		if (text_read(proc_dirfd, files[i].name, &text, err) < 0 ||
			files[i].parse(ret, text, err) < 0)
			return -1;
	}
	if (ret->state == 'Z' || ret->state == 'X')
		return error_set(err, ERR_NOT_FOUND, 0, "the process has ended");
	return 0;
}

static int maps_read(struct drift_facts *ret, int proc_dirfd, struct error *err)
{
	cleanup_free char *uids = NULL;
	cleanup_free char *gids = NULL;
	cleanup_free char *score = NULL;

	if (text_read(proc_dirfd, "uid_map", &uids, err) < 0 ||
		text_read(proc_dirfd, "gid_map", &gids, err) < 0 ||
		text_read(proc_dirfd, "oom_score_adj", &score, err) < 0)
		return -1;
	if (sscanf(score, "%d", &ret->oom_score_adj) != 1)
		return error_set(err, ERR_INVALID, 0, "oom_score_adj: no number");
	if (drift_parse_map(&ret->uid_map, uids, err) < 0)
		return error_prefix(err, "uid_map");
	if (drift_parse_map(&ret->gid_map, gids, err) < 0)
		return error_prefix(err, "gid_map");
	return 0;
}

int drift_read(
	struct drift_facts *ret, int proc_dirfd, const struct drift_plan *plan, struct error *err)
{
	struct drift_facts facts = { 0 };

	if (status_read(&facts, proc_dirfd, err) < 0 || maps_read(&facts, proc_dirfd, err) < 0 ||
		ns_read(&facts, proc_dirfd, plan, err) < 0 ||
		(plan->facts.label[0] && label_read(&facts, proc_dirfd, err) < 0) ||
		text_read(proc_dirfd, "cgroup", &facts.cgroups, err) < 0)
		return -1;
	*ret = facts;
	return 0;
}
