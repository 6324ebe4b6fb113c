/*
 * One process that becomes a container's (or an exec's) program: what the shim prepares, what the
 * child does step by step, what it reports. The child never unwinds: a step that fails is
 * reported and the process ends.
 */
#ifndef NODEAGENT_SHIM_LAUNCH_H
#define NODEAGENT_SHIM_LAUNCH_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"
#include "nodeagent/shim/sandbox.h"
#include "nodeagent/shim/seccomp_build.h"
#include "nodeagent/shim/user.h"

#define LAUNCH_PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Descriptors that a container's first process hands back, for execs to join it later. */
enum launch_fd {
	LAUNCH_MNT_NS,
	LAUNCH_PID_NS,
	LAUNCH_CGROUP_NS,
	LAUNCH_MOUNTS, /* /proc/PID/mountinfo: the namespace's table, whatever the process does */
	LAUNCH_DEVPTS, /* root of the container's devpts */
	LAUNCH_NULL,   /* its null device */
	LAUNCH_MASTER, /* pty master, with a tty only */
	LAUNCH_FDS,
};

enum launch_report_kind {
	LAUNCH_MOUNTED = 1, /* a container's root stands */
	LAUNCH_READY, /* about to load the filter and exec; with descriptors for a container */
	LAUNCH_FAILED,
	LAUNCH_LISTENER, /* with the descriptor of record.h's filter */
};

/* Child to shim over a SOCK_SEQPACKET pair. The end of the stream after READY is a successful exec.
 */
struct launch_report {
	enum launch_report_kind kind;
	uint64_t usec;    /* CLOCK_MONOTONIC */
	struct user user; /* READY: who it became */
	struct error err; /* FAILED */
};

struct launch {
	/* given by the shim */
	const struct sandbox *sandbox;
	const Bulkhead__V1__ContainerPlan *plan;
	char **args;
	size_t args_len;
	uint64_t caps;
	const struct cgroup *cgroup;
	unsigned cgroup_already; /* as cgroup_enter() takes it */
	int status_fd;
	int stdio[3]; /* -1: null device, or the tty */
	int record;   /* a container that is recorded; its execs are not */
	int tty;
	uint16_t rows;
	uint16_t columns;
	const char *term;
	struct sock_filter *filters[SECCOMP_FILTERS_MAX];
	unsigned short filters_len[SECCOMP_FILTERS_MAX];
	size_t filters_count;
	/* given by the shim for an exec */
	const struct user *known_user;
	const int *join_fds; /* enum launch_fd, borrowed from the container */

	/* the child's own */
	int scratch_fd;     /* private tmpfs on the container's directory, gone after pivot_root */
	int pod_scratch_fd; /* the sandbox's tmpfs, in the child's mount namespace */
	int root_fd;
	int dev_fd;
	int devpts_fd;
	int null_fd;
	int master_fd;
	int slave_fd;
	struct user user;
	uint32_t out_uid; /* user.uid on the host */
	uint32_t out_gid;
	char **argv; /* args and env as execve(2) takes them */
	char **env;
	char *program; /* args[0] as found */
	uint64_t mounted_usec;
};

typedef int launch_fn(struct launch *launch, struct error *err);

struct launch_step {
	const char *name;
	launch_fn *run;
	const char *reason;
};

/* The child's life; neither returns. 'launch' lies in the child's copy of the shim's memory. */
_Noreturn void launch_container_child(struct launch *launch);
_Noreturn void launch_exec_child(struct launch *launch);

/* Blank working state. */
void launch_init(struct launch *launch);

/* Steps of a container's root, in child_root.c, child_system.c and child_volumes.c. */
launch_fn child_root_build, child_root_check, child_user_resolve;
launch_fn child_dev_build, child_proc_build, child_sys_build, child_paths_cover;
launch_fn child_files_attach, child_volumes_attach, child_cwd_make, child_root_seal;
launch_fn child_pivot;

/* Makes the host's devices, as /dev has them, beneath 'dev_dirfd': for who is privileged. */
int child_devices_copy(int dev_dirfd, struct error *err);

/* Steps that container and exec share, in child_identity.c. */
launch_fn child_no_core, child_oom_score, child_label, child_join_user, child_session,
	child_bounding, child_cwd;
launch_fn child_ids, child_keyring, child_descriptors, child_no_new_privs, child_caps;
launch_fn child_parent_death, child_program_find, child_filter_and_exec;

/* Reports from the child; do nothing about failure, for there is nobody else to tell. */
void launch_report(const struct launch *launch, enum launch_report_kind kind,
	const struct error *err, const int *fds, size_t fds_len);

/* Allocates a pty in the devpts instance 'devpts_dirfd'; the slave belongs to the host id 'uid'. */
int pty_open(int devpts_dirfd, uint32_t uid, int *ret_master, int *ret_slave, struct error *err);
int pty_resize(int master_fd, uint16_t rows, uint16_t columns);

#endif
