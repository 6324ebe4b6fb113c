/* Which hierarchies there are, and directories made in them. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/cgroup/cgroup_internal.h"

#define CPUSET_MAX 4096

/* v2 calls cpuacct part of cpu and has no controllers for the rest of these. */
static const struct {
	const char *v1;
	const char *v2;
} names[CGROUP_CONTROLLERS] = {
	[CGROUP_CPU] = { "cpu", "cpu" },
	[CGROUP_CPUACCT] = { "cpuacct", NULL },
	[CGROUP_MEMORY] = { "memory", "memory" },
	[CGROUP_PIDS] = { "pids", "pids" },
	[CGROUP_DEVICES] = { "devices", NULL },
	[CGROUP_FREEZER] = { "freezer", NULL },
	[CGROUP_BLKIO] = { "blkio", "io" },
	[CGROUP_CPUSET] = { "cpuset", "cpuset" },
	[CGROUP_HUGETLB] = { "hugetlb", "hugetlb" },
};

const char *cgroup_controller_name(enum cgroup_controller controller)
{
	return names[controller].v1;
}

/* Whether the space-separated list 'text' has 'word'. */
static int list_has(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = text; (p = strstr(p, word)); p += len) {
		if ((p == text || p[-1] == ' ') &&
			(p[len] == ' ' || p[len] == '\n' || p[len] == '\0'))
			return 1;
	}
	return 0;
}

static int v2_controllers(int dirfd, unsigned *ret, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t size;
	unsigned set = 0;

	if (file_read_at(dirfd, "cgroup.controllers", 4096, &text, &size, err) < 0)
		return -1;
	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		if (names[i].v2 && list_has(text, names[i].v2))
			set |= 1u << i;
	}
	*ret = set;
	return 0;
}

static int same_directory(int a_fd, int b_fd)
{
	struct stat a;
	struct stat b;

	return fstat(a_fd, &a) == 0 && fstat(b_fd, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static void tree_add(struct cgroup_tree *tree, const char *name, unsigned controllers, int fd)
{
	struct cgroup_hierarchy *h = &tree->hierarchies[tree->len++];

	snprintf(h->name, sizeof(h->name), "%s", name);
	h->controllers = controllers;
	h->fd = fd;
}

/* Controllers mounted together appear under several names: one hierarchy all the same. */
static void v1_add(struct cgroup_tree *tree, int root_dirfd, enum cgroup_controller controller)
{
	const char *name = names[controller].v1;
	cleanup_close int fd = openat(root_dirfd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || faccessat(fd, "cgroup.procs", F_OK, 0) < 0)
		return;
	for (size_t i = 0; i < tree->len; i++) {
		if (same_directory(tree->hierarchies[i].fd, fd)) {
			tree->hierarchies[i].controllers |= 1u << controller;
			return;
		}
	}
	tree_add(tree, name, 1u << controller, take_fd(&fd));
}

/* systemd's hybrid has all that it uses in v1; hugetlb it leaves alone, and so v2 has it. */
static int hybrid_controllers(
	const struct cgroup_tree *tree, int dirfd, unsigned *ret, struct error *err)
{
	unsigned there;

	*ret = 0;
	for (size_t i = 0; i < tree->len; i++) {
		if (tree->hierarchies[i].controllers & (1u << CGROUP_HUGETLB))
			return 0;
	}
	if (v2_controllers(dirfd, &there, err) < 0)
		return -1;
	if (faccessat(dirfd, "cgroup.subtree_control", W_OK, AT_EACCESS) == 0)
		*ret = there & (1u << CGROUP_HUGETLB);
	return 0;
}

int cgroup_tree_open(struct cgroup_tree *ret, int root_dirfd, struct error *err)
{
	struct cgroup_tree tree = { .unified = -1 };
	cleanup_close int fd = -1;
	unsigned set = 0;

	if (faccessat(root_dirfd, "cgroup.controllers", F_OK, 0) == 0) {
		fd = openat(root_dirfd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return error_set(err, ERR_INTERNAL, errno, "cannot open the cgroup root");
		if (v2_controllers(fd, &set, err) < 0)
			return error_prefix(err, "cgroup root");
		tree.mode = CGROUP_V2;
		tree.unified = 0;
		tree_add(&tree, "", set, take_fd(&fd));
		*ret = tree;
		return 0;
	}
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		v1_add(&tree, root_dirfd, (enum cgroup_controller)i);
	tree.mode = CGROUP_V1;
	fd = openat(root_dirfd, "unified", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && faccessat(fd, "cgroup.controllers", F_OK, 0) == 0) {
		if (hybrid_controllers(&tree, fd, &set, err) < 0)
			return error_prefix(err, "cgroup root 'unified'");
		tree.mode = CGROUP_HYBRID;
		tree.unified = (int)tree.len;
		tree_add(&tree, "unified", set, take_fd(&fd));
	}
	if (tree.len == 0)
		return error_set(err, ERR_PRECONDITION, 0,
			"no cgroup hierarchy is mounted; mount cgroup2 at /sys/fs/cgroup");
	*ret = tree;
	return 0;
}

void cgroup_tree_drop(struct cgroup_tree *tree, unsigned controllers)
{
	size_t kept = 0;

	if (tree->mode == CGROUP_V2)
		return;
	for (size_t i = 0; i < tree->len; i++) {
		int v2 = (int)i == tree->unified;

		if (!v2 && !(tree->hierarchies[i].controllers & ~controllers)) {
			close(tree->hierarchies[i].fd);
			continue;
		}
		if (v2)
			tree->unified = (int)kept;
		tree->hierarchies[kept++] = tree->hierarchies[i];
	}
	tree->len = kept;
}

void cgroup_tree_done(struct cgroup_tree *tree)
{
	for (size_t i = 0; i < tree->len; i++)
		close(tree->hierarchies[i].fd);
	tree->len = 0;
}

int cgroup_name_check(const char *name, size_t len, struct error *err)
{
	if (len == 0 || len > NAME_MAX || name[0] == '.' || memchr(name, '\n', len))
		return error_set(err, ERR_INVALID, 0,
			"cgroup: '%.*s' is no directory name; use letters, digits, '-', '_'",
			(int)len, name);
	return 0;
}

/* Hands the v2 controllers that are there down to the children of 'dirfd'. */
static int v2_delegate(const struct cgroup_tree *tree, int dirfd, struct error *err)
{
	unsigned set = tree->hierarchies[tree->unified].controllers;
	char text[64] = "";
	size_t size = 0;

	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		if (set & (1u << i))
			size += (size_t)snprintf(text + size, sizeof(text) - size, "%s+%s",
				size ? " " : "", names[i].v2);
	}
	if (size == 0)
		return 0;
	return file_poke_at(dirfd, "cgroup.subtree_control", text, err);
}

/* A cpuset of v1 begins empty, and takes no process until it has CPUs and memory nodes. */
static int cpuset_inherit(int dirfd, struct error *err)
{
	static const char *const lists[] = { "cpuset.cpus", "cpuset.mems" };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		cleanup_free char *own = NULL;
		cleanup_free char *above = NULL;
		char parent[32];
		size_t size;

		snprintf(parent, sizeof(parent), "../%s", lists[i]);
		if (file_read_at(dirfd, lists[i], CPUSET_MAX, &own, &size, err) < 0)
			return -1;
		if (own[0] != '\n' && own[0] != '\0')
			continue;
		if (file_read_at(dirfd, parent, CPUSET_MAX, &above, &size, err) < 0 ||
			file_poke_at(dirfd, lists[i], above, err) < 0)
			return -1;
	}
	return 0;
}

static int step_make(const struct cgroup_tree *tree, size_t i, int dirfd, const char *name,
	int delegate, struct error *err)
{
	cleanup_close int fd = -1;

	if (mkdirat(dirfd, name, 0755) < 0 && errno != EEXIST)
		return error_set(err, error_code_of(errno), errno,
			"cannot make cgroup '%s' in '%s'", name, tree->hierarchies[i].name);
	fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno,
			"cannot open cgroup '%s' in '%s'", name, tree->hierarchies[i].name);
	if (delegate && (int)i == tree->unified && v2_delegate(tree, fd, err) < 0)
		return error_prefix(err, "cgroup '%s'", name);
	if (tree->mode != CGROUP_V2 && (tree->hierarchies[i].controllers & (1u << CGROUP_CPUSET)) &&
		cpuset_inherit(fd, err) < 0)
		return error_prefix(err, "cgroup '%s' in 'cpuset'", name);
	return take_fd(&fd);
}

static int path_make(
	const struct cgroup_tree *tree, size_t i, const char *path, int delegate, struct error *err)
{
	cleanup_close int at_fd = fcntl(tree->hierarchies[i].fd, F_DUPFD_CLOEXEC, 3);

	if (at_fd < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "cannot open a cgroup");
	if ((int)i == tree->unified && v2_delegate(tree, at_fd, err) < 0)
		return error_prefix(err, "cgroup root");
	for (;;) {
		char name[NAME_MAX + 1];
		size_t len = strcspn(path, "/");
		int last = path[len] == '\0';
		int next;

		if (cgroup_name_check(path, len, err) < 0)
			return -1;
		memcpy(name, path, len);
		name[len] = '\0';
		next = step_make(tree, i, at_fd, name, !last || delegate, err);
		if (next < 0)
			return -1;
		close(at_fd);
		at_fd = next;
		if (last)
			return take_fd(&at_fd);
		path += len + 1;
	}
}

static void cgroup_blank(struct cgroup *cgroup, const struct cgroup_tree *tree)
{
	cgroup->tree = tree;
	for (size_t i = 0; i < CGROUP_HIERARCHIES_MAX; i++)
		cgroup->fds[i] = -1;
}

int cgroup_make(struct cgroup *ret, const struct cgroup_tree *tree, const char *path, int delegate,
	struct error *err)
{
	struct cgroup cgroup;

	cgroup_blank(&cgroup, tree);
	for (size_t i = 0; i < tree->len; i++) {
		cgroup.fds[i] = path_make(tree, i, path, delegate, err);
		if (cgroup.fds[i] < 0) {
			cgroup_done(&cgroup);
			return -1;
		}
	}
	*ret = cgroup;
	return 0;
}

int cgroup_make_beneath(struct cgroup *ret, const struct cgroup_tree *tree, const char *path,
	const char *name, struct error *err)
{
	struct cgroup parent;
	struct cgroup cgroup;
	int fd;
	int n = 0;

	if (tree->mode != CGROUP_V2)
		return error_set(err, ERR_UNSUPPORTED, 0, "cgroup scopes need cgroup v2 alone");
	if (cgroup_name_check(name, strlen(name), err) < 0)
		return -1;
	cgroup_blank(&cgroup, tree);
	if (cgroup_find(&parent, tree, path) == 0)
		n = error_set(err, ERR_NOT_FOUND, 0, "there is no cgroup '%s'", path);
	if (n == 0)
		n = v2_delegate(tree, parent.fds[0], err);
	fd = n < 0 ? -1 : step_make(tree, 0, parent.fds[0], name, 1, err);
	cgroup_done(&parent);
	if (fd < 0)
		return -1;
	cgroup.fds[0] = fd;
	*ret = cgroup;
	return 0;
}

int cgroup_hand_down(const struct cgroup_tree *tree, const char *path,
	enum cgroup_controller controller, struct error *err)
{
	cleanup_close int at_fd = -1;
	char text[32];

	if (!cgroup_is_v2(tree, controller))
		return 0;
	snprintf(text, sizeof(text), "+%s", names[controller].v2);
	at_fd = fcntl(tree->hierarchies[tree->unified].fd, F_DUPFD_CLOEXEC, 3);
	for (const char *name = path;; name += strcspn(name, "/") + 1) {
		char step[NAME_MAX + 1];
		size_t len = strcspn(name, "/");
		int next;

		if (at_fd < 0)
			return error_set(
				err, error_code_of(errno), errno, "cannot open cgroup '%s'", path);
		if (file_poke_at(at_fd, "cgroup.subtree_control", text, err) < 0)
			return error_prefix(err, "cgroup '%.*s'", (int)(name - path), path);
		if (name[len] == '\0')
			return 0;
		if (cgroup_name_check(name, len, err) < 0)
			return -1;
		memcpy(step, name, len);
		step[len] = '\0';
		next = openat(at_fd, step, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(at_fd);
		at_fd = next;
	}
}

int cgroup_tree_narrow(struct cgroup_tree *tree, const char *path, struct error *err)
{
	struct cgroup group;
	unsigned set = 0;
	int n = 0;

	if (cgroup_find(&group, tree, path) == 0)
		n = error_set(err, ERR_NOT_FOUND, 0, "there is no cgroup '%s'", path);
	else
		n = v2_controllers(group.fds[0], &set, err);
	cgroup_done(&group);
	if (n < 0)
		return -1;
	tree->hierarchies[0].controllers &= set;
	return 0;
}

int cgroup_make_child(
	struct cgroup *ret, const struct cgroup *parent, const char *name, struct error *err)
{
	struct cgroup cgroup;

	cgroup_blank(&cgroup, parent->tree);
	if (cgroup_name_check(name, strcspn(name, "/"), err) < 0)
		return -1;
	if (strchr(name, '/'))
		return error_set(err, ERR_INVALID, 0, "cgroup: '%s' has a '/'", name);
	for (size_t i = 0; i < parent->tree->len; i++) {
		cgroup.fds[i] = step_make(parent->tree, i, parent->fds[i], name, 0, err);
		if (cgroup.fds[i] < 0) {
			cgroup_done(&cgroup);
			return -1;
		}
	}
	*ret = cgroup;
	return 0;
}

void cgroup_done(struct cgroup *cgroup)
{
	if (!cgroup->tree)
		return;
	cgroup->tree = NULL;
	for (size_t i = 0; i < CGROUP_HIERARCHIES_MAX; i++) {
		if (cgroup->fds[i] >= 0)
			close(cgroup->fds[i]);
		cgroup->fds[i] = -1;
	}
}

int cgroup_dirfd_of(const struct cgroup *cgroup, enum cgroup_controller controller)
{
	for (size_t i = 0; i < cgroup->tree->len; i++) {
		if (cgroup->tree->hierarchies[i].controllers & (1u << controller))
			return cgroup->fds[i];
	}
	return -1;
}

int cgroup_is_v2(const struct cgroup_tree *tree, enum cgroup_controller controller)
{
	return tree->unified >= 0 &&
	       tree->hierarchies[tree->unified].controllers & (1u << controller);
}

int cgroup_clone_fd(const struct cgroup *cgroup)
{
	return cgroup->tree->unified < 0 ? -1 : cgroup->fds[cgroup->tree->unified];
}
