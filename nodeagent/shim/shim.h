/*
 * The state of one shim: its pod, its connection, its containers and execs, and the event loop
 * that drives them. One thread; every descriptor that can become ready is a struct source.
 */
#ifndef NODEAGENT_SHIM_SHIM_H
#define NODEAGENT_SHIM_SHIM_H

#include <stdint.h>

#include "lib/ipc.h"
#include "nodeagent/shim/cri_log.h"
#include "nodeagent/shim/journal.h"
#include "nodeagent/shim/launch.h"
#include "nodeagent/shim/probe_watch.h"
#include "nodeagent/shim/sandbox.h"
#include "nodeagent/shim/seccomp_filter.h"
#include "proto/ipc_table.h"

#define SHIM_CONTAINERS_MAX 128
#define SHIM_EXECS_MAX      128

struct clone_args;
struct shim;

/* Something to poll. Embedded in its owner; 'fd' is owned, -1 when there is nothing. */
struct source {
	int fd;
	void (*ready)(struct shim *shim, struct source *source);
	void *owner;
	int paused; /* pace.c */
};

enum container_state {
	CONTAINER_STARTING,
	CONTAINER_RUNNING,
	CONTAINER_EXITED,
};

struct container {
	struct container *next;
	Bulkhead__V1__ContainerPlan *plan; /* owned */
	enum container_state state;
	uint32_t serial; /* of the plan's frame, to reply to */
	uint64_t caps;
	struct source process;             /* pidfd */
	struct source status;              /* launch reports */
	struct source output[CRI_STREAMS]; /* pipes, or the pty master as stdout */
	struct source dev_log;             /* the socket behind its /dev/log */
	struct cri_log *log;
	struct journal *journal; /* the shim's */
	struct source listener;  /* of a container that is recorded */
	struct record *record;   /* NULL: it is not; owned */
	struct cgroup cgroup;
	struct cgroup_oom oom_before[CGROUP_OOM_LEVELS];
	int killed;       /* we sent SIGKILL ourselves */
	int stdin_fd;     /* write end, held open */
	int debug_fds[3]; /* of a debug container: for the agent */
	int fds[LAUNCH_FDS];
	struct user user;
	int ready;                     /* LAUNCH_READY came */
	struct error error;            /* why it did not start */
	struct probes *probes;         /* NULL: none, or not running; probe_watch.c */
	struct container_drift *drift; /* NULL: not running; drift_watch.c */
	size_t filters_len;            /* loaded into it */
	uint64_t filters_hash;
	int pid;
	uint64_t received, cloned, mounted, exec;
	uint64_t started_at;
	int wait_status;
	enum cgroup_oom_level oom;
	uint64_t finished_at;
};

struct exec {
	struct exec *next;
	uint64_t id;
	uint32_t serial;
	struct container *container; /* borrowed; outlives its execs, which die with its pid 1 */
	struct source process;
	struct source status;
	int fds[3]; /* for the agent */
	size_t fds_len;
	int ready;
	int started; /* ExecStarted was sent */
	int probing; /* nobody is told but probe_watch.c, and not even that once it lost interest */
	struct probe_run *probe;
	struct error error;
};

/* pace.c: what was handled of the pod's output since 'since'. */
struct pace {
	struct source timer; /* wakes what is paused */
	int armed;
	uint64_t since; /* CLOCK_MONOTONIC */
	size_t spent;
};

struct shim {
	int epoll_fd;
	int pid_ns_fd; /* our own, to come back to */
	const char *socket_path;
	struct ipc *ipc; /* NULL while the agent is away */
	struct source link;
	struct source listen;
	struct sandbox sandbox;
	struct journal journal;
	struct pace pace;
	struct seccomp_cache seccomp;
	struct container *containers;
	struct exec *execs;
	struct source drift_timer;
	struct source probe_timer;
	char *pod_values;             /* cgroup_values_read() of the pod's cgroup at its start */
	struct drift_list *pod_drift; /* what was told of it; NULL: as admitted */
	int destroying;
	uint32_t destroy_serial;
	uint64_t destroy_deadline;
	int done;
};

/* Takes over 'fd' and polls it for input. */
int source_add(struct shim *shim, struct source *source, int fd,
	void (*ready)(struct shim *shim, struct source *source), void *owner, struct error *err);
/* Stops and closes; one whose fd is -1 is allowed. */
void source_done(struct shim *shim, struct source *source);

/* Reaps the child behind 'pidfd' (taken over; -1 is none) when it ends. */
void helper_watch(struct shim *shim, int pidfd);
/* Runs until shim->done. */
int shim_loop(struct shim *shim, struct error *err);

/* Sends when the agent is there. What it misses, SHIM_STATE tells it later. */
void shim_send(struct shim *shim, enum ipc_type type, uint32_t reply_to,
	const ProtobufCMessage *message, const int *fds, size_t fds_len);

/* link.c: the connection to the agent. */
int link_open(struct shim *shim, int agent_fd, struct error *err);
void link_close(struct shim *shim);
int link_listen(struct shim *shim, struct error *err);
/* Writes what is queued, waiting up to 'timeout_ms'. */
void link_flush(struct shim *shim, int timeout_ms);

/* dispatch.c: one frame from the agent. Errors mean the connection is to be closed. */
int dispatch(struct shim *shim, struct ipc_frame *frame, struct error *err);
void dispatch_state_send(struct shim *shim);
/* Goes on with a SHIM_DESTROY once the last container is gone or time is up. */
void dispatch_destroy_step(struct shim *shim);

/* container.c */
void container_plan(struct shim *shim, Bulkhead__V1__ContainerPlan *plan, uint32_t serial);
struct container *container_find(const struct shim *shim, const char *name);
int container_kill(struct container *container, int sig, struct error *err);
int container_alive(const struct container *container);
void container_free(struct shim *shim, struct container *container);
/* The messages as of now; strings are borrowed, 'error' backs 'started'. */
void container_started_fill(const struct container *c, Bulkhead__V1__ContainerStarted *started,
	Bulkhead__V1__LaunchTimes *times, Bulkhead__V1__Error *error);
void container_exited_fill(const struct container *c, Bulkhead__V1__ContainerExited *exited);

/*
 * drift_watch.c: the timer that compares running containers with what was admitted. Nothing here
 * fails a pod: what cannot be read is told as a difference.
 */
void drift_start(struct shim *shim);
/* The container's process is about to run its program: all that is recorded of it, is now. */
void drift_container_start(struct shim *shim, struct container *c);
void drift_container_end(struct container *c);
/* Compares now, and tells when asked or when it differs from what was told last. */
void drift_check(struct shim *shim, int asked, uint32_t serial);
/* Tells an agent that came anew what it missed. */
void drift_tell(struct shim *shim);
/* A tmpfs of the pod was made larger on purpose: the tables are recorded anew. */
void drift_mounts_changed(struct shim *shim);
void drift_stop(struct shim *shim);

/*
 * debug.c: debug containers, whose caller has their streams. The agent hears of them what it hears
 * of an exec.
 */
/* Whether what it is to join is there. */
int debug_place_check(
	const struct shim *shim, const Bulkhead__V1__DebugPlan *plan, struct error *err);
/* The shim's ends of the pipes that container_start() made; taken over. */
void debug_pipes_take(struct container *c, int in_fd, int out_fd, int errors_fd);
/* The terminal that the child handed back becomes the caller's. */
int debug_tty_take(struct container *c, struct error *err);
void debug_started(struct shim *shim, struct container *c);
/* Tells the end and forgets the container: 'c' is freed, its directory goes. */
void debug_ended(struct shim *shim, struct container *c);
void debug_kill(const struct shim *shim, uint64_t id);
/* Nobody is left who could end them or hear of them. */
void debug_kill_all(const struct shim *shim);

/* start.c: everything between a plan and the clone. */
int container_start(struct shim *shim, struct container *container, struct error *err);
int filters_load(struct shim *shim, const Bulkhead__V1__ContainerPlan *plan, uint64_t caps,
	struct launch *launch, struct error *err);
void filters_free(struct launch *launch);
/* Clones into the group where there is v2; the child enters the other hierarchies by itself. */
void launch_cgroup(struct launch *launch, const struct cgroup *cgroup, struct clone_args *args);

/* dev_log.c; does nothing where the plan has no journal */
int dev_log_open(struct shim *shim, struct container *container, struct error *err);
void dev_log_done(struct shim *shim, struct container *container);

/* record_watch.c: takes over 'listener_fd' */
int record_listen(
	struct shim *shim, struct container *container, int listener_fd, struct error *err);
/* Writes what is new, if any. */
void record_save(struct shim *shim, struct container *container);
void record_end(struct shim *shim, struct container *container);

/* pace.c */
#define PACE_RATE    (16u << 20) /* bytes of output a second, of the whole pod */
#define PACE_MESSAGE 256         /* what a message by itself counts for */
/* Counts 'size' bytes; 1 when the pod has had its share for now. */
int pace_spend(struct shim *shim, size_t size);
/* Leaves 'source', a container's output or /dev/log, alone for a moment. */
void pace_pause(struct shim *shim, struct source *source);

/* exec.c */
/* Children are born in the shim's own pid namespace again. */
void shim_pid_ns_leave(struct shim *shim);
void exec_plan(struct shim *shim, const Bulkhead__V1__ExecPlan *plan, uint32_t serial);
void exec_kill(struct shim *shim, uint64_t id);
/* All but probes: their callers went with the agent. */
void exec_kill_all(struct shim *shim);
/* Runs 'args' without streams; the end goes to probes_exec_done(). *ret_exec is valid until then.
 */
int exec_probe(struct shim *shim, struct container *container, char **args, size_t args_len,
	struct probe_run *run, struct exec **ret_exec, struct error *err);
/* Ends the execs of a container whose first process is gone. */
void exec_container_gone(struct shim *shim, const struct container *container);

#endif
