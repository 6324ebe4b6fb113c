/*
 * One pod of the node, from its acceptance to its end. For the agent's pod modules alone (pod*.c,
 * pods.c, methods_pod.c, methods_apply.c, methods_stream.c); the others see pods.h.
 *
 * pod.c feeds events to the machine of pod_machine.h and does what it says; the other files do a
 * part each: pod_containers.c, pod_net.c, pod_volumes.c, pod_status.c, pod_frames.c.
 */
#ifndef NODEAGENT_AGENT_POD_H
#define NODEAGENT_AGENT_POD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "bulkhead/v1/node.pb-c.h"
#include "bulkhead/v1/state.pb-c.h"
#include "lib/error.h"
#include "lib/log.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/node_facts.h"
#include "nodeagent/agent/plan.h"
#include "nodeagent/agent/pod_machine.h"
#include "nodeagent/agent/pod_shim.h"
#include "nodeagent/agent/userns.h"
#include "nodeagent/agent/watch.h"
#include "proto/k8s.h"

#define POD_RECORDS_MAX      32 /* events kept of a pod; the oldest goes first */
#define POD_PATH_SIZE        512
#define POD_STREAMS_MAX      256 /* logs and execs of one pod under way */
#define POD_ADDRESS_SIZE     64
#define POD_DRIFT_CALLS_MAX  64 /* that wait for one pod's comparison */
#define POD_DRIFT_EVENTS_MAX 8  /* differences told one by one; more are counted in one event */

struct pod;
struct stream;     /* methods_stream.c */
struct drift_call; /* pod_drift.c */

/* What the shim said last of drift. */
struct pod_drift {
	Bulkhead__V1__Drift *last; /* NULL: nothing yet; owned */
	int64_t since_usec;        /* it differs, or is well again */
	struct drift_call *calls;
	size_t calls_len;
};

/* All pods; pods.c. */
struct pods {
	struct agent *agent;
	struct pod *first; /* newest first */
	size_t len;        /* without those that are done */
	struct userns *userns;
	struct watch *watch;
	struct node_facts facts;
	sd_event_source *turn; /* runs once after this turn of the loop: kicks, news, removals */
	bool kicked;
	bool freeing;
	uint64_t next_exec;
	struct orphan *orphans;
};

/* Something that happened to a pod, for `describe`. */
struct pod_record {
	int64_t at_usec;
	bool warning;
	const char *reason; /* a literal */
	char *message;
	uint32_t count;
};

/* CLOCK_MONOTONIC microseconds; 0 is not known. */
struct pod_times {
	uint64_t received; /* the request */
	uint64_t accepted;
	uint64_t sandbox_start;
	uint64_t sandbox_end;
	uint64_t secrets_start;
	uint64_t secrets_end;
	uint64_t network_start;
	uint64_t network_end;
	uint64_t launch_start; /* of the first main container */
	uint64_t launch_end;
	uint64_t exec_end;
};

enum net_stage {
	NET_NONE,    /* it has no port */
	NET_UNKNOWN, /* netd will say, with its next NET_SYNCED */
	NET_WANTED,
	NET_PLUGGING,
	NET_UP,
	NET_HOST,    /* it uses the node's; netd never hears of it */
	NET_LEAVING, /* to be unplugged */
	NET_UNPLUGGING,
};

struct pod_net {
	enum net_stage stage;
	int fds[3]; /* network namespace and sockets in it; -1 once it is plugged */
	char mac[32];
	char port[32];
	sd_event_source *timer;
	unsigned failures;
};

enum volume_stage {
	VOLUME_WANTED, /* to be written, now or once what it waits for is there */
	VOLUME_STAGING,
	VOLUME_GROWING, /* what is staged did not fit; staged again afterwards */
	VOLUME_OWNING,
	VOLUME_PUBLISHING,
	VOLUME_DONE,
};

struct pod_volume {
	struct pod *pod;
	size_t index; /* among plan_secret_volumes() */
	int fd;       /* its tmpfs; -1: not there yet */
	enum volume_stage stage;
	bool published; /* at least once */
	char *name;
	char *directory;
	int64_t refresh_at;
	uint64_t version; /* plan_secrets_version() of what was staged last */
	bool grown;       /* once for what is being staged */
	sd_event_source *timer;
	unsigned failures;
};

struct pod_container {
	struct pod *pod;
	const K8sContainer *spec;
	bool init;
	const char *image;                         /* digest */
	Bulkhead__V1__ContainerProgress *progress; /* in pod->progress */
	enum container_stage stage;
	int64_t started_usec; /* of the run under way */
	const char *reason;   /* why it waits; a literal, or NULL */
	char *message;
	int signal; /* that asks it to end; 0: not looked up yet */
	bool asked; /* it was sent */
	sd_event_source *timer;
	bool probe_started; /* of the run under way; pod_probes.c */
	bool probe_ready;
	bool unwell; /* it is being ended, and runs again unless the policy is Never */
	sd_event_source *kill_timer;
	unsigned failures; /* in a row, of planning it */
};

struct pod {
	struct pods *pods;
	struct pod *next;
	Bulkhead__V1__PodFile *file;
	K8sPod *object; /* file->pod: as admitted, its status as of pod_status_fill() */
	Bulkhead__V1__PodProgress *progress;
	struct log_subject subject;
	enum pod_state state;
	bool begun;     /* a container's plan was sent, in this boot */
	bool restoring; /* New, and whether a shim of it runs is not known yet */
	bool done;      /* it is out of the list at the end of this turn */
	struct shim *shim;
	struct pod_container *containers; /* init ones first */
	size_t containers_len;
	size_t inits;
	struct pod_net net;
	struct pod_volume *volumes;
	size_t volumes_len;
	sd_event_source *timer; /* of the state: retry, grace, destruction, release */
	unsigned failures;      /* in a row, of the sandbox */
	unsigned kills;         /* SIGKILLs sent to all containers */
	bool answer_due;        /* the plan of the sandbox was sent */
	bool released_cgroup;
	struct scope_wait *scope; /* systemd was asked for the pod's scope */
	bool scoped;              /* and the shim is in it */
	struct pod_times times;
	struct pod_record records[POD_RECORDS_MAX];
	size_t records_len;
	int64_t ready_since_usec;
	uint64_t added_sequence;
	uint64_t changed_sequence;
	bool added;   /* watchers were told of it */
	bool changed; /* and will be told of this */
	struct stream *streams;
	size_t streams_len;
	struct pod_drift drift;
};

/* ---- pod.c --------------------------------------------------------------------------------- */

/* Takes over 'file' and 'progress' (NULL: it is new) on success. */
int pod_new(struct pod **ret, struct pods *pods, Bulkhead__V1__PodFile *file,
	Bulkhead__V1__PodProgress *progress, struct error *err);
/* Lets go of it: what runs runs on. */
void pod_free(struct pod *pod);

void pod_feed(struct pod *pod, enum pod_event event);
/* Begins a pod that was just accepted, or goes on with one found on disk. */
void pod_begin(struct pod *pod);
void pod_restore(struct pod *pod);
/* What it may wait for has changed. */
void pod_kick(struct pod *pod);
/*
 * Writes down that it is to go 'grace_seconds' from now (-1: its own) and lets it go. A later time
 * than one given before is not taken.
 */
int pod_delete(struct pod *pod, int64_t grace_seconds, struct error *err);
bool pod_deleting(const struct pod *pod);
/* Its sandbox stands, and is needed. */
bool pod_lives(const struct pod *pod);
/* Sends the shim what to build, when there is a scope for it. */
void pod_sandbox_plan(struct pod *pod);
/* Network and volumes may be complete. */
void pod_prepare_check(struct pod *pod);
/* Whether all is given back. */
void pod_release_check(struct pod *pod);
/* Writes pod->progress; a failure is logged. */
void pod_save(struct pod *pod);
struct plan_pod pod_plan(const struct pod *pod);
/* For plan_find_secret; 'user' is the pod. */
const Bulkhead__V1__ClusterSecret *pod_find_secret(void *user, const char *name);

/* ---- pod_cgroup.c -------------------------------------------------------------------------- */

/*
 * Whether the shim may build what 'plan' says: with systemd, once it is in the pod's scope. 1 yes;
 * 0 systemd was asked, and pod_sandbox_plan() is called again.
 */
int pod_scope_ready(struct pod *pod, const Bulkhead__V1__SandboxPlan *plan, struct error *err);
/* Another shim needs to be put in it. */
void pod_scope_forget(struct pod *pod);
/* What the kernel tells of waits in the pod's and the project's group, if anything. */
int pod_cgroup_pressure(const struct pod *pod, Bulkhead__V1__Pressure ***list, size_t *n);
/* Ends and removes what the pod has in cgroups. False: not yet, call again. */
bool pod_cgroup_reap(const struct pod *pod);

/* ---- pod_paths.c --------------------------------------------------------------------------- */

/* <run>/pods/<uid>/<name>, <state>/logs/<project>_<pod>_<uid>, <parent>/<project>/pod<uid>. */
void pod_run_path(const struct pod *pod, const char *name, char ret[POD_PATH_SIZE]);
void pod_log_path(const struct pod *pod, char ret[POD_PATH_SIZE]);
/* Makes the run and log folders. */
int pod_folders_make(const struct pod *pod, struct error *err);
/* A mark in the run folder: a container began in this boot of the machine. */
int pod_begun_mark(const struct pod *pod, struct error *err);
bool pod_begun_marked(const struct pod *pod);
bool pod_run_folder_exists(const struct pod *pod);
void pod_run_folder_remove(const struct pod *pod);
/* Removes logs and pod directory; what takes long goes on in a child. */
void pod_folders_remove(const struct pod *pod);
/* What removed pods left, of one or (NULL) of all: in a child, for it may be much. */
int pod_folders_clear(int state_dirfd, const char *uid, struct error *err);
/* Opens the log folder of one container, which it makes when absent. */
int pod_container_logs_open(const struct pod *pod, const char *container, struct error *err);

/* ---- pod_frames.c -------------------------------------------------------------------------- */

extern const struct shim_ops pod_shim_ops; /* 'user' is the pod */

/* ---- pod_containers.c ---------------------------------------------------------------------- */

int pod_containers_init(struct pod *pod, struct error *err);
void pod_containers_done(struct pod *pod);
struct pod_container *pod_container_find(const struct pod *pod, const char *name);
/* A new sandbox: what ran in an old one runs again, but for main containers that ended for good. */
void pod_containers_reset(struct pod *pod);
void pod_containers_start_init(struct pod *pod);
void pod_containers_run(struct pod *pod);
/* Asks all to end; those that were asked are not asked again. */
void pod_containers_stop(struct pod *pod);
/* Ends all by SIGKILL. */
void pod_containers_kill(struct pod *pod);
/* Brings stages in line with what the shim says. */
void pod_containers_reconcile(struct pod *pod, const Bulkhead__V1__ShimState *state);
/* Whether the pod's state is over: feeds INIT_DONE, OVER, QUIET. */
void pod_containers_check(struct pod *pod);
/* Whether no container would run again, from what is on disk. */
bool pod_containers_over(const struct pod *pod);
/* All that ran have ended with the shim. */
void pod_containers_lost(struct pod *pod);
void pod_container_started(struct pod *pod, const Bulkhead__V1__ContainerStarted *message);
void pod_container_exited(struct pod *pod, const Bulkhead__V1__ContainerExited *message);

/* Sends one signal; 0 is the one that asks it to end. */
void pod_container_signal(struct pod_container *container, int sig);

/* ---- pod_probes.c -------------------------------------------------------------------------- */

/* A run began, or is over. */
void pod_probes_begin(struct pod_container *container);
void pod_probes_end(struct pod_container *container);
/* 'again': told before, to an agent that is no more. */
void pod_probes_take(struct pod *pod, const Bulkhead__V1__ProbeState *message, bool again);

/* ---- pod_net.c ----------------------------------------------------------------------------- */

void pod_net_init(struct pod_net *net);
/* Takes over 'fds'. */
void pod_net_take(struct pod *pod, int fds[3]);
void pod_net_want(struct pod *pod);
void pod_net_kick(struct pod *pod);
/* Whether its port is to be in NET_SYNC. */
bool pod_net_lives(const struct pod *pod);
/* Of its project, as the cluster has it now; UINT32_MAX: not known, and no VNID. */
uint32_t pod_vnid(const struct pod *pod);
/* Its own, or the node's; "" while it has none. Borrowed. */
const char *pod_net_address(const struct pod *pod);
/* Whether it has the network it asked for. */
bool pod_net_ready(const struct pod *pod);
/* What the switch has; NULL: no port. */
void pod_net_synced(struct pod *pod, const Bulkhead__V1__NetPlugged *port);
void pod_net_release(struct pod *pod);
void pod_net_done(struct pod *pod);

/* ---- pod_volumes.c ------------------------------------------------------------------------- */

/* Writes all anew. 'fds' (one a volume) are taken over. */
int pod_volumes_take(struct pod *pod, const int *fds, size_t len, struct error *err);
void pod_volumes_write(struct pod *pod);
/* Those that wait, and those whose secrets are others now. */
void pod_volumes_kick(struct pod *pod);
bool pod_volumes_ready(const struct pod *pod);
void pod_volume_owned(struct pod *pod, const Bulkhead__V1__VolumeOwned *message);
void pod_volume_resized(struct pod *pod, const Bulkhead__V1__VolumeResized *message);
void pod_volumes_done(struct pod *pod);

/* ---- pod_status.c -------------------------------------------------------------------------- */

/* Something that watchers see has changed. */
void pod_changed(struct pod *pod);
/* 'reason' is a literal. The same once more in a row only counts. */
void pod_record(struct pod *pod, bool warning, const char *reason, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void pod_records_done(struct pod *pod);
/* Brings pod->object->status up to date. */
int pod_status_fill(struct pod *pod, struct error *err);
/* The caller frees *ret; its 'pod' is borrowed from the pod and must be taken out before. */
int pod_describe(struct pod *pod, Bulkhead__V1__DescribePodResponse **ret, struct error *err);

/* ---- pod_drift.c --------------------------------------------------------------------------- */

/* The shim's report: events for what is new and what is well again, answers to who asked. */
void pod_drift_take(struct pod *pod, const Bulkhead__V1__Drift *message);
/* Differences known now; *ret_text (may be NULL) the first one, to be freed. */
size_t pod_drift_count(const struct pod *pod, char **ret_text);
/* The connection was made anew: what was asked may be lost. */
void pod_drift_again(struct pod *pod);
/* A container ended: what differed of it is over. */
void pod_drift_forget(struct pod *pod, const char *container);
/* Nothing runs any more: who waits is told. */
void pod_drift_end(struct pod *pod);

/* ---- pods.c -------------------------------------------------------------------------------- */

struct pod *pods_find(const struct pods *pods, const char *project, const char *name);
struct pod *pods_find_uid(const struct pods *pods, const char *uid);
void pods_add(struct pods *pods, struct pod *pod);
/* Lets the turn's end come: news, kicks, removals. */
void pods_turn(struct pods *pods);

/* ---- methods_debug.c ----------------------------------------------------------------------- */

/* status.ephemeralContainerStatuses: the debug containers that run. */
int debug_statuses_fill(const struct pod *pod, K8sPodStatus *status, struct error *err);

/* ---- methods_stream.c ---------------------------------------------------------------------- */

void streams_exec_started(
	struct pod *pod, const Bulkhead__V1__ExecStarted *message, struct ipc_frame *frame);
void streams_exec_exited(struct pod *pod, const Bulkhead__V1__ExecExited *message);
/* The run 'number' of a container has ended: whoever follows its log has all. */
void streams_run_ended(struct pod *pod, const struct pod_container *container);
/* The shim is gone: execs end with 'why', logs with what there is. */
void streams_end(struct pod *pod, const struct error *why);

#endif
