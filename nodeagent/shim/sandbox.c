#include "nodeagent/shim/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/path.h"
#include "nodeagent/shim/mnt.h"
#include "nodeagent/shim/plan_check.h"
#include "nodeagent/shim/pod_init.h"
#include "nodeagent/shim/sandbox_ns.h"
#include "nodeagent/shim/scope.h"
#include "nodeagent/shim/selinux.h"
#include "nodeagent/shim/storage.h"
#include "nodeagent/shim/sys.h"
#include "nodeagent/shim/tmpfs.h"

#define SCRATCH_SIZE   (1u << 20)
#define SCRATCH_INODES 512
#define SHM_SIZE       (64u << 20)
#define SHM_INODES     16384
#define REAP_MS        2000
#define LOCK_USEC      500000
#define LOCK_STEP_USEC 5000

void sandbox_init(struct sandbox *sandbox)
{
	*sandbox = (struct sandbox){ .proc_fd = -1,
		.user_fd = -1,
		.net_fd = -1,
		.ipc_fd = -1,
		.uts_fd = -1,
		.time_fd = -1,
		.pid_fd = -1,
		.init_pidfd = -1,
		.layer_userns_fd = -1,
		.netlink_fd = -1,
		.inet_fd = -1,
		.pod_dirfd = -1,
		.pod_lock_fd = -1,
		.log_dirfd = -1,
		.scratch_dirfd = -1 };
}

/* A step that leaves something behind has an undo in sandbox_down(), which copes with half of it.
 */
struct sandbox_step {
	const char *name;
	int (*run)(struct sandbox *sandbox, struct error *err);
	const char *reason;
};

/*
 * One shim for a pod: two would give one cgroup, one root and one slice of ids to two lives. The
 * kernel lets go of the lock with the shim's last child, which dies with it; that is waited for.
 */
static int pod_lock(const struct sandbox *s, struct error *err)
{
#ifndef BULKHEAD_WEAK_LOCK
	uint64_t end = monotonic_usec() + LOCK_USEC;

	while (flock(s->pod_lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return error_set(err, ERR_INTERNAL, errno, "pod_dir: cannot lock '%s'",
				s->plan->pod_dir);
		if (monotonic_usec() > end)
			return error_set(err, ERR_EXISTS, 0,
				"pod_dir: another shim has '%s'; end it first", s->plan->pod_dir);
		usleep(LOCK_STEP_USEC);
	}
#endif
	return 0;
}

static int pod_open(const struct sandbox *s, struct error *err)
{
	int fd = open(s->plan->pod_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "pod_dir: cannot open '%s'",
			s->plan->pod_dir);
	return fd;
}

static int open_directories(struct sandbox *s, struct error *err)
{
	s->pod_lock_fd = pod_open(s, err);
	if (s->pod_lock_fd < 0 || pod_lock(s, err) < 0)
		return -1;
	s->log_dirfd = open(s->plan->log_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->log_dirfd < 0)
		return error_set(err, error_code_of(errno), errno, "log_dir: cannot open '%s'",
			s->plan->log_dir);
	s->proc_fd = sys_proc_open();
	if (s->proc_fd < 0)
		return error_set(err, ERR_PRECONDITION, errno, "cannot mount a private procfs");
	return 0;
}

void sandbox_limits(const Bulkhead__V1__CgroupLimits *message, struct cgroup_limits *ret)
{
	*ret = (struct cgroup_limits){ 0 };
	if (!message)
		return;
	ret->cpu_shares = message->cpu_shares;
	ret->cpu_quota_us = message->cpu_quota_us;
	ret->cpu_period_us = message->cpu_period_us;
	ret->memory_max = message->memory_max;
	ret->pids_max = message->pids_max;
	ret->cpuset_cpus = message->cpuset_cpus[0] ? message->cpuset_cpus : NULL;
	ret->io[CGROUP_IO_READ_BPS] = message->io_read_bps;
	ret->io[CGROUP_IO_WRITE_BPS] = message->io_write_bps;
	ret->io[CGROUP_IO_READ_IOPS] = message->io_read_iops;
	ret->io[CGROUP_IO_WRITE_IOPS] = message->io_write_iops;
	ret->io_major = message->io_major;
	ret->io_minor = message->io_minor;
	for (size_t i = 0; i < message->n_huge_pages && i < CGROUP_HUGE_SIZES_MAX; i++)
		ret->huge[ret->huge_len++] =
			(struct cgroup_huge){ message->huge_pages[i]->page_size,
				message->huge_pages[i]->max };
}

static int make_cgroups(struct sandbox *s, struct error *err)
{
	cleanup_close int root_fd = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct cgroup_limits limits;

	if (root_fd < 0)
		return error_set(err, ERR_PRECONDITION, errno, "cannot open /sys/fs/cgroup");
	if (cgroup_tree_open(&s->tree, root_fd, err) < 0)
		return -1;
	sandbox_limits(s->plan->limits, &limits);
	if (!limits.cpuset_cpus)
		cgroup_tree_drop(&s->tree, 1u << CGROUP_CPUSET);
	/* From here on there may be something to remove, even when the next call fails half way. */
	s->cgroup_made = 1;
	if (s->plan->cgroup_scope[0]
			? scope_divide(&s->cgroup, &s->tree, s->plan->cgroup_scope, err)
			: cgroup_make(&s->cgroup, &s->tree, s->plan->cgroup, 1, err))
		return -1;
	if (cgroup_limit(&s->cgroup, &limits, err) < 0)
		return -1;
	/* Then each container that is not privileged is restricted by itself. */
	if (s->plan->all_devices)
		return 0;
#ifndef BULKHEAD_WEAK_DEVICE_GROUP
	return cgroup_restrict_devices(&s->cgroup, err);
#else
	return 0;
#endif
}

/* Attaches a tmpfs on the directory 'name' beneath 'dirfd', which it makes. */
static int attach(int dirfd, const char *name, int mount_fd, struct error *err)
{
	cleanup_close int at_fd = -1;

	if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return error_set(err, error_code_of(errno), errno, "cannot make '%s'", name);
	at_fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (at_fd < 0 || sys_move_mount(mount_fd, at_fd) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot mount on '%s'", name);
	return 0;
}

/* In this mount namespace the pod's directory is what the limit leaves of the disk. */
static int limit_storage(struct sandbox *s, struct error *err)
{
	cleanup_close int fd = -1;

#ifndef BULKHEAD_WEAK_STORAGE
	if (s->plan->storage &&
		(storage_make(s->pod_lock_fd, "storage.img", s->plan->storage, &fd, err) < 0 ||
			mnt_attach(fd, s->pod_lock_fd, err) < 0))
		return -1;
#endif
	s->pod_dirfd = pod_open(s, err);
	return s->pod_dirfd < 0 ? -1 : 0;
}

static int limit_volume(const struct sandbox *s, int at_dirfd, const Bulkhead__V1__LimitedVolume *v,
	struct error *err)
{
	cleanup_close int fd = -1;
	char image[80];

	snprintf(image, sizeof(image), "%s.img", v->name);
	if (storage_make(s->pod_lock_fd, image, v->size, &fd, err) < 0 ||
		attach(at_dirfd, v->name, fd, err) < 0)
		return error_prefix(err, "emptyDir '%s'", v->name);
	return 0;
}

static int limit_volumes(struct sandbox *s, struct error *err)
{
	struct mnt_owner root = { 0, 0 };
	cleanup_close int fd = -1;

	if (s->plan->n_limited_volumes == 0)
		return 0;
	fd = mnt_mkdir(s->pod_dirfd, SANDBOX_LIMITED, 0700, &root, err);
	if (fd < 0)
		return -1;
	for (size_t i = 0; i < s->plan->n_limited_volumes; i++) {
		if (limit_volume(s, fd, s->plan->limited_volumes[i], err) < 0)
			return -1;
	}
	return 0;
}

static const char *context_of(const struct sandbox *s)
{
	return s->plan->selinux_mount_label[0] ? s->plan->selinux_mount_label : NULL;
}

static int make_scratch(struct sandbox *s, struct error *err)
{
	struct tmpfs_options scratch = { .size = SCRATCH_SIZE,
		.inodes = SCRATCH_INODES,
		.mode = 0700,
		.attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		.context = context_of(s) };
	struct tmpfs_options shm = { .size = SHM_SIZE,
		.inodes = SHM_INODES,
		.mode = 01777,
		.uid = s->root_uid,
		.gid = s->root_gid,
		.attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		.context = context_of(s) };
	cleanup_close int fd = tmpfs_make(&scratch, err);
	cleanup_close int shm_fd = -1;

	if (fd < 0 || attach(s->pod_dirfd, SANDBOX_DIR, fd, err) < 0)
		return -1;
	s->scratch_dirfd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->scratch_dirfd < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot open the shim's tmpfs");
	shm_fd = tmpfs_make(&shm, err);
	if (shm_fd < 0)
		return error_prefix(err, "/dev/shm");
	return attach(s->scratch_dirfd, "shm", shm_fd, err);
}

/*
 * The root of a second mount that is attached nowhere: bulkhead-secretd gets it, and from where the
 * first one lies '..' would lead on to the pod's other volumes and the node's root.
 */
static int open_detached(int mount_fd, struct error *err)
{
#ifndef BULKHEAD_WEAK_WAY_UP
	cleanup_close int tree_fd = sys_open_tree(mount_fd, "", OPEN_TREE_CLONE);
#else
	cleanup_close int tree_fd = fcntl(mount_fd, F_DUPFD_CLOEXEC, 3);
#endif
	int fd = tree_fd < 0 ? -1 : openat(tree_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open it");
	return fd;
}

static int volume_make(struct sandbox *s, size_t i, struct error *err)
{
	const Bulkhead__V1__Tmpfs *t = s->plan->tmpfs[i];
	int secret = t->kind == BULKHEAD__V1__TMPFS_KIND__TMPFS_SECRET;
	struct tmpfs_options options = { .size = t->size,
		.inodes = t->inodes,
		.uid = t->uid,
		.gid = t->gid,
		.mode = t->mode,
		.noswap = secret,
		.swap_allowed = s->plan->secrets_on_swap,
		.attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		.context = context_of(s) };
	cleanup_close int fd = tmpfs_make(&options, err);
	char name[32];

	if (fd < 0)
		return -1;
	snprintf(name, sizeof(name), "v%zu", i);
	if (attach(s->scratch_dirfd, name, fd, err) < 0)
		return -1;
	s->tmpfs[i].secret = secret;
	s->tmpfs[i].dirfd = open_detached(fd, err);
	return s->tmpfs[i].dirfd < 0 ? -1 : 0;
}

static int make_volumes(struct sandbox *s, struct error *err)
{
	size_t len = s->plan->n_tmpfs;

	s->tmpfs = calloc(len + 1, sizeof(*s->tmpfs));
	if (!s->tmpfs)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make volumes");
	s->tmpfs_len = len;
	for (size_t i = 0; i < len; i++)
		s->tmpfs[i].dirfd = -1;
	for (size_t i = 0; i < len; i++) {
		if (volume_make(s, i, err) < 0)
			return error_prefix(err, "tmpfs '%s'", s->plan->tmpfs[i]->name);
	}
	return 0;
}

/* 'how' is O_CREAT | O_EXCL, or O_TRUNC for a file that containers have mounted. */
static int write_lines(const struct sandbox *s, const char *name, int how, char **lines, size_t len,
	struct error *err)
{
	cleanup_close int fd =
		openat(s->scratch_dirfd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | how, 0644);

	if (fd < 0 || fchown(fd, s->root_uid, s->root_gid) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make '%s'", name);
	for (size_t i = 0; i < len; i++) {
		if (fd_write_all(fd, lines[i], strlen(lines[i]), err) < 0 ||
			fd_write_all(fd, "\n", 1, err) < 0)
			return error_prefix(err, "etc file '%s'", name);
	}
	return 0;
}

static int make_files(struct sandbox *s, struct error *err)
{
	const int how = O_CREAT | O_EXCL;

	if (write_lines(s, "hosts", how, s->plan->etc_hosts, s->plan->n_etc_hosts, err) < 0 ||
		write_lines(
			s, "resolv.conf", how, s->plan->etc_resolv, s->plan->n_etc_resolv, err) < 0)
		return -1;
	return write_lines(s, "hostname", how, &s->plan->hostname, 1, err);
}

static int same_lines(char *const *a, size_t a_len, char *const *b, size_t b_len)
{
	for (size_t i = 0; a_len == b_len && i < a_len; i++) {
		if (strcmp(a[i], b[i]) != 0)
			return 0;
	}
	return a_len == b_len;
}

int sandbox_hosts(struct sandbox *sandbox, Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	Bulkhead__V1__SandboxPlan *own = sandbox->plan;
	char **lines = plan->etc_hosts;
	size_t len = plan->n_etc_hosts;

	/* What a container wrote into it since stays, as long as the plan says the same. */
	if (len == 0 || same_lines(lines, len, own->etc_hosts, own->n_etc_hosts))
		return 0;
	if (write_lines(sandbox, "hosts", O_TRUNC, lines, len, err) < 0)
		return -1;
	plan->etc_hosts = own->etc_hosts;
	plan->n_etc_hosts = own->n_etc_hosts;
	own->etc_hosts = lines;
	own->n_etc_hosts = len;
	return 0;
}

/* A user namespace that nobody lives in: it only says how image ids become the pod's. */
static int make_layer_map(struct sandbox *s, struct error *err)
{
	const struct id_row *row = id_map_row(&s->map, 0);
	struct id_map map = { .len = 1 };

	map.rows[0] = (struct id_row){ s->plan->image_base, s->root_uid, row ? row->count : 65536 };
	s->layer_userns_fd = userns_make(&map, s->proc_fd, err);
	return s->layer_userns_fd < 0 ? error_prefix(err, "image_base") : 0;
}

static const struct sandbox_step steps[] = {
	{ "cgroups", make_cgroups, "first: the limits hold before anything of the pod exists" },
	{ "storage", limit_storage, "before anything is written to the pod's directory" },
	{ "limited volumes", limit_volumes, "on directories in it" },
	{ "scratch", make_scratch, "carries the mount points of the next ones" },
	{ "volumes", make_volumes, "before SANDBOX_READY, which hands secret ones to the agent" },
	{ "files", make_files, "owned by the pod's root, so after the id map is known" },
	{ "layer map", make_layer_map, "needed by every container's root" },
};

static int build(struct sandbox *s, struct error *err)
{
	struct sandbox_ns ns;

	if (plan_check_sandbox(s->plan, &s->map, err) < 0)
		return -1;
	if (s->plan->selinux_mount_label[0] && !selinux_enabled())
		return error_set(err, ERR_PRECONDITION, 0,
			"selinux_mount_label is set but SELinux is not enabled on this node");
	if (id_map_outside(&s->map, 0, &s->root_uid, err) < 0)
		return error_prefix(err, "uid_map");
	s->root_gid = s->root_uid;
	if (s->plan->cgroup_scope[0] && scope_step_aside(s->plan->cgroup_scope, err) < 0)
		return error_prefix(err, "cgroup_scope");
	if (open_directories(s, err) < 0 || sandbox_ns_start(&ns, s, err) < 0)
		return -1;
	/* The child makes the network namespace meanwhile, which takes longest. */
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (steps[i].run(s, err) < 0) {
			error_prefix(err, "%s", steps[i].name);
			sandbox_ns_finish(&ns, NULL, NULL);
			return -1;
		}
	}
	if (sandbox_ns_finish(&ns, s, err) < 0)
		return -1;
	return s->plan->share_process_namespace ? pod_init_start(s, &s->init_pidfd, &s->pid_fd, err)
						: 0;
}

int sandbox_up(struct sandbox *sandbox, Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	if (sandbox->plan) {
		bulkhead__v1__sandbox_plan__free_unpacked(plan, NULL);
		return error_set(err, ERR_EXISTS, 0, "the pod has its sandbox already");
	}
	sandbox->plan = plan;
	if (build(sandbox, err) < 0) {
		error_prefix(err, "sandbox");
		sandbox_down(sandbox, NULL);
		return -1;
	}
	return 0;
}

static void close_all(struct sandbox *s)
{
	int *const fds[] = { &s->proc_fd, &s->user_fd, &s->net_fd, &s->ipc_fd, &s->uts_fd,
		&s->time_fd, &s->pid_fd, &s->init_pidfd, &s->layer_userns_fd, &s->netlink_fd,
		&s->inet_fd, &s->pod_dirfd, &s->pod_lock_fd, &s->log_dirfd, &s->scratch_dirfd };

	for (size_t i = 0; i < s->tmpfs_len; i++)
		cleanup_close_fn(&s->tmpfs[i].dirfd);
	free(s->tmpfs);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		cleanup_close_fn(fds[i]);
}

static void unmount(const struct sandbox *s, const char *name, const char *in_it)
{
	cleanup_free char *path = NULL;

	if (asprintf(&path, "%s/%s%s", s->plan->pod_dir, name, in_it) < 0)
		return;
	umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
	rmdir(path);
}

static void unmount_all(struct sandbox *s)
{
	if (s->scratch_dirfd >= 0)
		unmount(s, SANDBOX_DIR, "");
	if (s->pod_dirfd < 0)
		return;
	for (size_t i = 0; i < s->plan->n_limited_volumes; i++)
		unmount(s, SANDBOX_LIMITED "/", s->plan->limited_volumes[i]->name);
	if (s->plan->storage)
		umount2(s->plan->pod_dir, MNT_DETACH | UMOUNT_NOFOLLOW);
}

int sandbox_down(struct sandbox *sandbox, struct error *err)
{
	int n = 0;

	if (!sandbox->plan)
		return 0;
	if (sandbox->init_pidfd >= 0) {
		sys_pidfd_kill(sandbox->init_pidfd, SIGKILL);
		sys_pidfd_reap(sandbox->init_pidfd, NULL);
	}
	if (sandbox->cgroup_made) {
		cgroup_done(&sandbox->cgroup);
		n = cgroup_reap(&sandbox->tree, sandbox->plan->cgroup, REAP_MS, err);
		cgroup_tree_done(&sandbox->tree);
	}
	unmount_all(sandbox);
	close_all(sandbox);
	bulkhead__v1__sandbox_plan__free_unpacked(sandbox->plan, NULL);
	sandbox_init(sandbox);
	return n;
}

size_t sandbox_fds(const struct sandbox *sandbox, int *ret)
{
	size_t n = 0;

	ret[n++] = sandbox->net_fd;
	ret[n++] = sandbox->netlink_fd;
	ret[n++] = sandbox->inet_fd;
	for (size_t i = 0; i < sandbox->tmpfs_len; i++) {
		if (sandbox->tmpfs[i].secret)
			ret[n++] = sandbox->tmpfs[i].dirfd;
	}
	return n;
}

int sandbox_is_limited(const struct sandbox *sandbox, const char *volume)
{
	for (size_t i = 0; i < sandbox->plan->n_limited_volumes; i++) {
		if (strcmp(sandbox->plan->limited_volumes[i]->name, volume) == 0)
			return 1;
	}
	return 0;
}

unsigned sandbox_project_up(const struct sandbox *sandbox)
{
	return sandbox->plan->cgroup_scope[0] ? 3 : 2;
}

int sandbox_tmpfs_find(const struct sandbox *sandbox, const char *name)
{
	for (size_t i = 0; i < sandbox->tmpfs_len; i++) {
		if (strcmp(sandbox->plan->tmpfs[i]->name, name) == 0)
			return (int)i;
	}
	return -1;
}

static int secret_find(const struct sandbox *sandbox, const char *name, struct error *err)
{
	int i = sandbox_tmpfs_find(sandbox, name);

	if (i < 0 || !sandbox->tmpfs[i].secret)
		return error_set(
			err, ERR_NOT_FOUND, 0, "volume '%s' is no secret volume of this pod", name);
	return i;
}

int sandbox_volume_resize(
	const struct sandbox *sandbox, const Bulkhead__V1__VolumeResize *message, struct error *err)
{
	int i = secret_find(sandbox, message->volume, err);
	Bulkhead__V1__Tmpfs *t = i < 0 ? NULL : sandbox->plan->tmpfs[i];
	uint64_t size, inodes;

	if (!t)
		return -1;
	size = message->size > t->size ? message->size : t->size;
	inodes = message->inodes > t->inodes ? message->inodes : t->inodes;
	if ((size > t->size && size > SANDBOX_SECRET_SIZE_MAX) ||
		(inodes > t->inodes && inodes > SANDBOX_SECRET_INODES_MAX))
		return error_set(err, ERR_EXHAUSTED, 0,
			"volume '%s': a secret volume has at most %u bytes and %u inodes",
			message->volume, SANDBOX_SECRET_SIZE_MAX, SANDBOX_SECRET_INODES_MAX);
	if (tmpfs_resize(sandbox->tmpfs[i].dirfd, size, inodes, 1, err) < 0)
		return error_prefix(err, "volume '%s'", message->volume);
	t->size = size;
	t->inodes = inodes;
	return 0;
}

int sandbox_volume_own(
	const struct sandbox *sandbox, const Bulkhead__V1__VolumeOwn *message, struct error *err)
{
	int i = secret_find(sandbox, message->volume, err);

	if (i < 0)
		return -1;
	if (tmpfs_own(sandbox->tmpfs[i].dirfd, message->directory, message->uid, message->gid,
		    message->group_readable, err) < 0)
		return error_prefix(err, "volume '%s'", message->volume);
	return 0;
}
