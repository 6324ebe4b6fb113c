/*
 * The life of a pod, and of a container in it, as two tables of state and event. Pure: what is to
 * be done is returned, and done by pod.c and pod_containers.c.
 */
#ifndef NODEAGENT_AGENT_POD_MACHINE_H
#define NODEAGENT_AGENT_POD_MACHINE_H

#include <stdbool.h>

enum pod_state {
	POD_NEW,       /* accepted; nothing of it exists */
	POD_ADOPTING,  /* a shim was found: what it holds is awaited */
	POD_SANDBOX,   /* the shim builds the sandbox */
	POD_PREPARING, /* network and volumes */
	POD_INIT,      /* init containers, one after the other */
	POD_RUNNING,
	POD_FINISHING,  /* ended by itself: the shim takes the sandbox apart */
	POD_RETIRING,   /* ended by itself: address and cgroup are given back */
	POD_ENDED,      /* only the record and the logs are left */
	POD_STOPPING,   /* to be deleted: containers are asked to end */
	POD_DESTROYING, /* to be deleted: the shim takes the sandbox apart */
	POD_RELEASING,  /* to be deleted: address and cgroup are given back */
	POD_REMOVED,
	POD_CLEARING, /* its shim died before a container began: traces go, then it begins again */
	POD_STATES,
};

enum pod_event {
	POD_BEGIN,      /* nothing runs: start it */
	POD_FOUND,      /* a live shim answers at the pod's socket */
	POD_EMPTY,      /* the adopted shim has no sandbox */
	POD_STANDS,     /* the adopted shim has a sandbox, no container of which began */
	POD_BEGUN_INIT, /* ... of which an init container began */
	POD_BEGUN,      /* ... of which a main container began */
	POD_BUILT,      /* the sandbox stands */
	POD_REFUSED,    /* the sandbox could not be built */
	POD_PREPARED,   /* network and volumes are there */
	POD_INIT_DONE,  /* the last init container succeeded */
	POD_OVER,       /* no container will run again */
	POD_DELETE,     /* it is to go, or to go sooner */
	POD_QUIET,      /* no container is alive */
	POD_SHIM_GONE,  /* the shim's process has ended */
	POD_SHIM_EARLY, /* it has ended, and no container ever began */
	POD_RELEASED,   /* address and cgroup are given back */
	POD_EVENTS,
};

enum pod_action {
	POD_DO_NOTHING,
	POD_DO_SPAWN,       /* start the shim, which then asks for its plan */
	POD_DO_CONNECT,     /* wait for its SHIM_STATE */
	POD_DO_RETRY,       /* try the sandbox again after a while */
	POD_DO_PLAN,        /* send the plan to a shim that is there */
	POD_DO_PREPARE,     /* plug it in, write its volumes */
	POD_DO_INIT,        /* start the first init container */
	POD_DO_RUN,         /* start all containers */
	POD_DO_RESUME,      /* go on with what runs */
	POD_DO_STOP,        /* ask its containers to end */
	POD_DO_DESTROY,     /* tell the shim to end */
	POD_DO_REPORT_LOST, /* say that the shim died, then release */
	POD_DO_RELEASE,     /* give back address and cgroup */
	POD_DO_CLEAR,       /* say that the shim died, release, but count nothing as run */
	POD_DO_LOOK,        /* the shim that was found is gone: go by what is on disk */
	POD_DO_AGAIN,       /* begin again after a while */
	POD_DO_KEEP,        /* write down how it ended */
	POD_DO_REMOVE,      /* remove its folders and forget it */
};

struct pod_step {
	bool taken; /* false: the event means nothing in this state, and nothing changes */
	enum pod_state next;
	enum pod_action action;
};

struct pod_step pod_machine_step(enum pod_state state, enum pod_event event);

/* "Running", for logs. */
const char *pod_state_name(enum pod_state state);
const char *pod_event_name(enum pod_event event);

enum container_stage {
	CONTAINER_WAITING, /* its turn has not come */
	CONTAINER_STARTING,
	CONTAINER_RUNNING,
	CONTAINER_BACKOFF, /* it will be started again */
	CONTAINER_ENDED,   /* for good */
	CONTAINER_STAGES,
};

enum container_event {
	CONTAINER_START, /* its turn has come */
	CONTAINER_STARTED,
	CONTAINER_EXIT_AGAIN, /* it ended, or could not start, and is to run again */
	CONTAINER_EXIT_LAST,  /* it ended, or could not start, and is not to run again */
	CONTAINER_TIMER,      /* the back-off is over */
	CONTAINER_HALT,       /* the pod stops */
	CONTAINER_EVENTS,
};

enum container_action {
	CONTAINER_DO_NOTHING,
	CONTAINER_DO_SEND,   /* send its plan */
	CONTAINER_DO_WAIT,   /* arm the back-off */
	CONTAINER_DO_SIGNAL, /* ask it to end */
};

struct container_step {
	bool taken;
	enum container_stage next;
	enum container_action action;
};

struct container_step container_machine_step(
	enum container_stage stage, enum container_event event);

#endif
