/*
 * What a pod's containers share: user, network, IPC and UTS namespaces held by descriptor (no pause
 * process), cgroups, tmpfs volumes, managed files. Built once from a SANDBOX_PLAN.
 *
 * The shim has a mount namespace of its own; tmpfs volumes are attached in it, below
 * <pod_dir>/.shim, because kernels before 6.15 clone no mount that is attached nowhere.
 */
#ifndef NODEAGENT_SHIM_SANDBOX_H
#define NODEAGENT_SHIM_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"
#include "lib/ipc.h"
#include "nodeagent/cgroup/cgroup.h"
#include "nodeagent/shim/id_map.h"

#define SANDBOX_DIR         ".shim"
#define SANDBOX_LOG_DIR     "log" /* in the scratch tmpfs: a socket a container */
#define SANDBOX_LIMITED     "limited"
#define SANDBOX_LIMITED_MAX 16 /* loop devices are the machine's */
#define SANDBOX_FDS         3  /* netns, NETLINK_ROUTE, AF_INET */
#define SANDBOX_TMPFS_MAX   64
#define SANDBOX_SECRETS_MAX (IPC_FDS_MAX - SANDBOX_FDS) /* their descriptors go in one message */

/* Two versions of 4096 files (secrets/deliver.h) of whole pages, each in directories of its own. */
#define SANDBOX_SECRET_SIZE_MAX   (64u << 20)
#define SANDBOX_SECRET_INODES_MAX (1u << 18)

struct sandbox_tmpfs {
	int dirfd; /* its root, open for reading; owned */
	int secret;
};

struct sandbox {
	Bulkhead__V1__SandboxPlan *plan; /* owned; NULL while there is no sandbox */
	struct id_map map;               /* empty with host_users */
	uint32_t root_uid;               /* host ids of the pod's root */
	uint32_t root_gid;
	int proc_fd; /* a procfs no path leads to */
	int user_fd; /* namespaces; user_fd is -1 with host_users */
	int net_fd;
	int ipc_fd;
	int uts_fd;
	int time_fd;         /* -1: the host's clocks */
	int pid_fd;          /* the containers' common pid namespace, -1 where each has its own */
	int init_pidfd;      /* its first process */
	int layer_userns_fd; /* image ids on disk -> the pod's */
	int netlink_fd;
	int inet_fd;
	int pod_dirfd;   /* where containers' roots and volumes lie */
	int pod_lock_fd; /* pod_dir as the host has it: the same, unless 'storage' limits it */
	int log_dirfd;
	int scratch_dirfd; /* the private tmpfs on <pod_dir>/.shim */
	struct cgroup_tree tree;
	struct cgroup cgroup;
	struct sandbox_tmpfs *tmpfs; /* as plan->tmpfs */
	size_t tmpfs_len;
	int cgroup_made;
};

/* What a blank sandbox is; sandbox_down() accepts it. */
void sandbox_init(struct sandbox *sandbox);

/*
 * Builds everything and takes over 'plan', also on failure, when what was built is undone.
 * Errors: ERR_INVALID and ERR_UNSUPPORTED (name the field), ERR_PRECONDITION (no controller...).
 */
int sandbox_up(struct sandbox *sandbox, Bulkhead__V1__SandboxPlan *plan, struct error *err);

/* Kills what is left, removes cgroups and mounts, closes. Errors are the first one met. */
int sandbox_down(struct sandbox *sandbox, struct error *err);

/* The descriptors of SANDBOX_READY in order; 'ret' has room for IPC_FDS_MAX. Borrowed. */
size_t sandbox_fds(const struct sandbox *sandbox, int *ret);

/* Whether an emptyDir of that name has a limit, and so lies below SANDBOX_LIMITED/<name>. */
int sandbox_is_limited(const struct sandbox *sandbox, const char *volume);

/* Limits as a plan says them; NULL has none. Borrows from 'message'. */
void sandbox_limits(const Bulkhead__V1__CgroupLimits *message, struct cgroup_limits *ret);

/* How many steps the project's cgroup lies above a container's. */
unsigned sandbox_project_up(const struct sandbox *sandbox);

/* Index in plan->tmpfs, or -1. */
int sandbox_tmpfs_find(const struct sandbox *sandbox, const char *name);

/*
 * Rewrites the pod's /etc/hosts where 'plan' has other lines than it was written from; those it
 * takes out of 'plan' (the old ones go there). Running containers see it at once.
 */
int sandbox_hosts(struct sandbox *sandbox, Bulkhead__V1__ContainerPlan *plan, struct error *err);

/* Makes a secret volume larger; one that is as large already stays. See VolumeResize. */
int sandbox_volume_resize(const struct sandbox *sandbox, const Bulkhead__V1__VolumeResize *message,
	struct error *err);

/* Chowns the staged directory of a secret volume; see VolumeOwn in ipc.proto. */
int sandbox_volume_own(
	const struct sandbox *sandbox, const Bulkhead__V1__VolumeOwn *message, struct error *err);

#endif
