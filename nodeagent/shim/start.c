/* From a plan to a clone: directories, cgroup, log, pipes, filter. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/path.h"
#include "nodeagent/shim/rootfs.h"
#include "nodeagent/shim/shim.h"
#include "nodeagent/shim/sys.h"

int filters_load(struct shim *shim, const Bulkhead__V1__ContainerPlan *plan, uint64_t caps,
	struct launch *launch, struct error *err)
{
	const struct seccomp_filter *filter;
	const char *profile = plan->seccomp == BULKHEAD__V1__SECCOMP_KIND__SECCOMP_LOCALHOST
				      ? plan->seccomp_profile
				      : NULL;

	if (plan->seccomp == BULKHEAD__V1__SECCOMP_KIND__SECCOMP_UNCONFINED)
		return 0;
	if (seccomp_get(&shim->seccomp, profile, caps, &filter, err) < 0)
		return -1;
	for (size_t i = 0; i < filter->len; i++) {
		if (seccomp_read(filter, i, &launch->filters[i], &launch->filters_len[i], err) < 0)
			return -1;
		launch->filters_count = i + 1;
	}
	return 0;
}

/* FNV-1a: names the filter in a report, and proves nothing. */
static uint64_t filters_hash(const struct launch *launch)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < launch->filters_count; i++) {
		const uint8_t *data = (const uint8_t *)launch->filters[i];
		size_t size = launch->filters_len[i] * sizeof(struct sock_filter);

		for (size_t k = 0; k < size; k++)
			hash = (hash ^ data[k]) * UINT64_C(0x100000001b3);
	}
	return hash;
}

void filters_free(struct launch *launch)
{
	for (size_t i = 0; i < SECCOMP_FILTERS_MAX; i++)
		free(launch->filters[i]);
}

void launch_cgroup(struct launch *launch, const struct cgroup *cgroup, struct clone_args *args)
{
	int group_fd = cgroup_clone_fd(cgroup);

	launch->cgroup = cgroup;
	if (group_fd < 0)
		return;
	args->flags |= CLONE_INTO_CGROUP;
	args->cgroup = (uint64_t)group_fd;
	launch->cgroup_already = 1u << cgroup->tree->unified;
}

static void close_pair(int pair[2])
{
	cleanup_close_fn(&pair[0]);
	cleanup_close_fn(&pair[1]);
	pair[0] = pair[1] = -1;
}

struct ends {
	int status[2]; /* [0] the shim's */
	int in[2];
	int out[2];
	int errors[2];
};

static void ends_close(struct ends *e)
{
	close_pair(e->status);
	close_pair(e->in);
	close_pair(e->out);
	close_pair(e->errors);
}

#define cleanup_ends __attribute__((cleanup(ends_close)))
#define ENDS_NONE    ((struct ends){ { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } })

static int ends_open(struct ends *e, const Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, e->status) < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "cannot make a socket pair");
	if (plan->tty)
		return 0;
	if ((plan->stdin && pipe2(e->in, O_CLOEXEC) < 0) || pipe2(e->out, O_CLOEXEC) < 0 ||
		pipe2(e->errors, O_CLOEXEC) < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "cannot make a pipe");
	if (fd_set_nonblock(e->out[0], 1, err) < 0 || fd_set_nonblock(e->errors[0], 1, err) < 0)
		return -1;
	return 0;
}

/* The throttle of cgroup v1 does not look at groups above: each container gets what the pod has. */
static void io_limits_copy(const struct sandbox *s, struct cgroup_limits *limits)
{
	struct cgroup_limits pod;

	if (s->tree.mode == CGROUP_V2)
		return;
	sandbox_limits(s->plan->limits, &pod);
#ifdef BULKHEAD_WEAK_DISK_IO
	sandbox_limits(NULL, &pod);
#endif
	memcpy(limits->io, pod.io, sizeof(limits->io));
	limits->io_major = pod.io_major;
	limits->io_minor = pod.io_minor;
}

static int cgroup_prepare(struct shim *shim, struct container *c, struct error *err)
{
	struct cgroup_limits limits;

	sandbox_limits(c->plan->limits, &limits);
#ifdef BULKHEAD_WEAK_MEMORY
	limits.memory_max = 0;
#endif
	io_limits_copy(&shim->sandbox, &limits);
	if (cgroup_make_child(&c->cgroup, &shim->sandbox.cgroup, c->plan->name, err) < 0)
		return -1;
	if (cgroup_limit(&c->cgroup, &limits, err) < 0)
		return -1;
	if (shim->sandbox.plan->all_devices && !c->plan->privileged &&
		cgroup_restrict_devices(&c->cgroup, err) < 0)
		return -1;
	cgroup_oom_begin(&c->cgroup, sandbox_project_up(&shim->sandbox), c->oom_before);
	return 0;
}

/* Makes the directory of an emptyDir on disk, in what its limit leaves of it. */
static int empty_dir_prepare(
	const struct sandbox *s, const Bulkhead__V1__Mount *m, struct error *err)
{
	cleanup_close int limited_fd = -1;
	cleanup_free char *path = NULL;

	if (sandbox_is_limited(s, m->volume)) {
		if (asprintf(&path, SANDBOX_LIMITED "/%s", m->volume) < 0)
			return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot open a volume");
		limited_fd = path_open_beneath(s->pod_dirfd, path, O_PATH | O_DIRECTORY, err);
		if (limited_fd < 0)
			return -1;
	}
	return rootfs_empty_dir(limited_fd >= 0 ? limited_fd : s->pod_dirfd, m->volume, s->root_uid,
		s->root_gid, m->gid, s->plan->selinux_mount_label, err);
}

/* One record of the container's output, to the journal too. */
static void output_to_journal(
	void *user, enum cri_stream stream, int partial, const char *data, size_t size)
{
	const struct container *c = user;
	struct journal_record r = { .container = c->plan->name,
		.label = c->plan->selinux_label,
		.severity = stream == CRI_STDOUT ? JOURNAL_STDOUT : JOURNAL_STDERR,
		.facility = -1,
		.identifier = c->plan->name,
		.identifier_len = strlen(c->plan->name),
		.stream = stream == CRI_STDOUT ? "stdout" : "stderr",
		.partial = partial,
		.text = data,
		.text_len = size };

	journal_send(c->journal, &r, monotonic_usec());
}

static int log_open(struct shim *shim, struct container *c, struct error *err)
{
	const Bulkhead__V1__SandboxPlan *plan = shim->sandbox.plan;

	if (cri_log_open(&c->log, shim->sandbox.log_dirfd, c->plan->name, c->plan->restart,
		    plan->log_files_off ? CRI_NO_FILE : CRI_FILE_SIZE_MAX, err) < 0)
		return -1;
	if (plan->log_journal)
		cri_log_tee(c->log, output_to_journal, c);
	return 0;
}

/* Where its output goes, unless its caller reads it, and its /dev/log. */
static int output_prepare(struct shim *shim, struct container *c, struct error *err)
{
	c->journal = &shim->journal;
	if (!c->plan->debug && log_open(shim, c, err) < 0)
		return -1;
	return dev_log_open(shim, c, err);
}

static int directories_prepare(struct shim *shim, struct container *c, struct error *err)
{
	const struct sandbox *s = &shim->sandbox;
	int remover_fd;

	for (size_t i = 0; i < c->plan->n_mounts; i++) {
		const Bulkhead__V1__Mount *m = c->plan->mounts[i];

		if (m->kind == BULKHEAD__V1__MOUNT_KIND__MOUNT_EMPTY_DIR &&
			empty_dir_prepare(s, m, err) < 0)
			return -1;
	}
	if (rootfs_prepare(
		    s->pod_dirfd, c->plan->name, s->root_uid, s->root_gid, &remover_fd, err) < 0)
		return -1;
	helper_watch(shim, remover_fd);
	return output_prepare(shim, c, err);
}

/*
 * The pid namespace to be born in: the pod's, or that of the container to be debugged. -1: none
 * that is there.
 */
static int pid_ns_of(const struct shim *shim, const Bulkhead__V1__ContainerPlan *plan)
{
	const char *target = plan->debug ? plan->debug->target : "";

	if (shim->sandbox.pid_fd >= 0 || !target[0])
		return shim->sandbox.pid_fd;
	return container_find(shim, target)->fds[LAUNCH_PID_NS];
}

/* Born in the pid namespace that its plan says: one of its own, another's, or the host's. */
static pid_t clone_born(
	struct shim *shim, const Bulkhead__V1__ContainerPlan *plan, struct clone_args *args)
{
	int ns_fd = pid_ns_of(shim, plan);
	pid_t pid;

	if (ns_fd < 0) {
		args->flags |= shim->sandbox.plan->host_pid ? 0 : CLONE_NEWPID;
		return sys_clone3(args);
	}
	if (setns(ns_fd, CLONE_NEWPID) < 0)
		return -1;
	pid = sys_clone3(args);
	if (pid != 0)
		shim_pid_ns_leave(shim);
	return pid;
}

static int clone_container(struct shim *shim, struct container *c, struct launch *launch,
	struct ends *ends, int *ret_pidfd, struct error *err)
{
	struct clone_args args = { .flags = CLONE_PIDFD | CLONE_NEWNS };
	pid_t pid;

	launch_cgroup(launch, &c->cgroup, &args);
	args.pidfd = (uint64_t)(uintptr_t)ret_pidfd;
	pid = clone_born(shim, c->plan, &args);
	if (pid < 0)
		return error_set(err, error_code_of(errno), errno, "cannot clone");
	if (pid == 0) {
		close(ends->status[0]);
		launch_container_child(launch);
	}
	c->pid = pid;
	c->cloned = monotonic_usec();
	close(ends->status[1]);
	ends->status[1] = -1;
	return 0;
}

int container_start(struct shim *shim, struct container *c, struct error *err)
{
	cleanup_ends struct ends ends = ENDS_NONE;
	cleanup_close int pidfd = -1;
	struct launch launch;
	int n;

#ifdef BULKHEAD_WEAK_PRIVILEGES
	c->plan->no_new_privs = 0;
#endif
	launch_init(&launch);
	if (directories_prepare(shim, c, err) < 0 || cgroup_prepare(shim, c, err) < 0 ||
		ends_open(&ends, c->plan, err) < 0)
		return -1;
	if (filters_load(shim, c->plan, c->caps, &launch, err) < 0) {
		filters_free(&launch);
		return -1;
	}
	c->filters_len = launch.filters_count + (c->plan->record ? 1 : 0);
	c->filters_hash = filters_hash(&launch);
	launch.sandbox = &shim->sandbox;
	launch.plan = c->plan;
	launch.args = c->plan->args;
	launch.args_len = c->plan->n_args;
	launch.caps = c->caps;
	launch.status_fd = ends.status[1];
	launch.stdio[0] = ends.in[0];
	launch.stdio[1] = ends.out[1];
	launch.stdio[2] = ends.errors[1];
	launch.tty = c->plan->tty;
	if (c->plan->debug) {
		launch.rows = (uint16_t)c->plan->debug->rows;
		launch.columns = (uint16_t)c->plan->debug->columns;
	}
	launch.record = c->plan->record;
	n = clone_container(shim, c, &launch, &ends, &pidfd, err);
	filters_free(&launch);
	if (n < 0) {
		if (pidfd >= 0)
			sys_pidfd_reap(pidfd, NULL);
		return -1;
	}
	c->process.fd = take_fd(&pidfd);
	c->status.fd = take_fd(&ends.status[0]);
	if (c->plan->debug) {
		debug_pipes_take(
			c, take_fd(&ends.in[1]), take_fd(&ends.out[0]), take_fd(&ends.errors[0]));
		return 0;
	}
	c->output[CRI_STDOUT].fd = take_fd(&ends.out[0]);
	c->output[CRI_STDERR].fd = take_fd(&ends.errors[0]);
	c->stdin_fd = take_fd(&ends.in[1]);
	return 0;
}
