#include "nodeagent/agent/pod_machine.h"

#define TO(state, act)                                                                             \
	{                                                                                          \
		true, state, act                                                                   \
	}

static const struct pod_step steps[POD_STATES][POD_EVENTS] = {
	[POD_NEW] = {
		[POD_BEGIN] = TO(POD_SANDBOX, POD_DO_SPAWN),
		[POD_FOUND] = TO(POD_ADOPTING, POD_DO_CONNECT),
		[POD_SHIM_GONE] = TO(POD_RETIRING, POD_DO_REPORT_LOST),
		[POD_SHIM_EARLY] = TO(POD_CLEARING, POD_DO_RELEASE),
		[POD_OVER] = TO(POD_RETIRING, POD_DO_RELEASE),
		[POD_DELETE] = TO(POD_RELEASING, POD_DO_RELEASE),
	},
	[POD_ADOPTING] = {
		[POD_EMPTY] = TO(POD_SANDBOX, POD_DO_PLAN),
		[POD_STANDS] = TO(POD_PREPARING, POD_DO_PREPARE),
		[POD_BEGUN_INIT] = TO(POD_INIT, POD_DO_RESUME),
		[POD_BEGUN] = TO(POD_RUNNING, POD_DO_RESUME),
		[POD_SHIM_GONE] = TO(POD_NEW, POD_DO_LOOK),
		[POD_SHIM_EARLY] = TO(POD_NEW, POD_DO_LOOK),
		/* Asked again when it is known what runs. */
		[POD_DELETE] = TO(POD_ADOPTING, POD_DO_NOTHING),
	},
	[POD_SANDBOX] = {
		[POD_BUILT] = TO(POD_PREPARING, POD_DO_PREPARE),
		[POD_REFUSED] = TO(POD_SANDBOX, POD_DO_RETRY),
		[POD_SHIM_GONE] = TO(POD_RETIRING, POD_DO_REPORT_LOST),
		[POD_SHIM_EARLY] = TO(POD_CLEARING, POD_DO_CLEAR),
		[POD_DELETE] = TO(POD_DESTROYING, POD_DO_DESTROY),
	},
	[POD_PREPARING] = {
		[POD_PREPARED] = TO(POD_INIT, POD_DO_INIT),
		[POD_SHIM_GONE] = TO(POD_RETIRING, POD_DO_REPORT_LOST),
		[POD_SHIM_EARLY] = TO(POD_CLEARING, POD_DO_CLEAR),
		[POD_DELETE] = TO(POD_DESTROYING, POD_DO_DESTROY),
	},
	[POD_INIT] = {
		[POD_INIT_DONE] = TO(POD_RUNNING, POD_DO_RUN),
		[POD_OVER] = TO(POD_FINISHING, POD_DO_DESTROY),
		[POD_SHIM_GONE] = TO(POD_RETIRING, POD_DO_REPORT_LOST),
		[POD_SHIM_EARLY] = TO(POD_CLEARING, POD_DO_CLEAR),
		[POD_DELETE] = TO(POD_STOPPING, POD_DO_STOP),
	},
	[POD_RUNNING] = {
		[POD_OVER] = TO(POD_FINISHING, POD_DO_DESTROY),
		[POD_SHIM_GONE] = TO(POD_RETIRING, POD_DO_REPORT_LOST),
		[POD_SHIM_EARLY] = TO(POD_CLEARING, POD_DO_CLEAR),
		[POD_DELETE] = TO(POD_STOPPING, POD_DO_STOP),
	},
	[POD_FINISHING] = {
		[POD_SHIM_GONE] = TO(POD_RETIRING, POD_DO_RELEASE),
		[POD_SHIM_EARLY] = TO(POD_RETIRING, POD_DO_RELEASE),
		[POD_DELETE] = TO(POD_DESTROYING, POD_DO_NOTHING),
	},
	[POD_RETIRING] = {
		[POD_RELEASED] = TO(POD_ENDED, POD_DO_KEEP),
		[POD_DELETE] = TO(POD_RELEASING, POD_DO_NOTHING),
	},
	[POD_ENDED] = {
		[POD_DELETE] = TO(POD_RELEASING, POD_DO_RELEASE),
	},
	[POD_STOPPING] = {
		[POD_QUIET] = TO(POD_DESTROYING, POD_DO_DESTROY),
		[POD_SHIM_GONE] = TO(POD_RELEASING, POD_DO_RELEASE),
		[POD_SHIM_EARLY] = TO(POD_RELEASING, POD_DO_RELEASE),
		[POD_DELETE] = TO(POD_STOPPING, POD_DO_STOP),
	},
	[POD_DESTROYING] = {
		[POD_SHIM_GONE] = TO(POD_RELEASING, POD_DO_RELEASE),
		[POD_SHIM_EARLY] = TO(POD_RELEASING, POD_DO_RELEASE),
		[POD_DELETE] = TO(POD_DESTROYING, POD_DO_NOTHING),
	},
	[POD_RELEASING] = {
		[POD_RELEASED] = TO(POD_REMOVED, POD_DO_REMOVE),
		[POD_DELETE] = TO(POD_RELEASING, POD_DO_NOTHING),
	},
	[POD_CLEARING] = {
		[POD_RELEASED] = TO(POD_NEW, POD_DO_AGAIN),
		[POD_DELETE] = TO(POD_RELEASING, POD_DO_NOTHING),
	},
};

static const struct container_step container_steps[CONTAINER_STAGES][CONTAINER_EVENTS] = {
	[CONTAINER_WAITING] = {
		[CONTAINER_START] = TO(CONTAINER_STARTING, CONTAINER_DO_SEND),
		[CONTAINER_HALT] = TO(CONTAINER_ENDED, CONTAINER_DO_NOTHING),
	},
	[CONTAINER_STARTING] = {
		[CONTAINER_STARTED] = TO(CONTAINER_RUNNING, CONTAINER_DO_NOTHING),
		[CONTAINER_EXIT_AGAIN] = TO(CONTAINER_BACKOFF, CONTAINER_DO_WAIT),
		[CONTAINER_EXIT_LAST] = TO(CONTAINER_ENDED, CONTAINER_DO_NOTHING),
		[CONTAINER_HALT] = TO(CONTAINER_STARTING, CONTAINER_DO_SIGNAL),
	},
	[CONTAINER_RUNNING] = {
		[CONTAINER_EXIT_AGAIN] = TO(CONTAINER_BACKOFF, CONTAINER_DO_WAIT),
		[CONTAINER_EXIT_LAST] = TO(CONTAINER_ENDED, CONTAINER_DO_NOTHING),
		[CONTAINER_HALT] = TO(CONTAINER_RUNNING, CONTAINER_DO_SIGNAL),
	},
	[CONTAINER_BACKOFF] = {
		[CONTAINER_TIMER] = TO(CONTAINER_STARTING, CONTAINER_DO_SEND),
		[CONTAINER_HALT] = TO(CONTAINER_ENDED, CONTAINER_DO_NOTHING),
	},
};

struct pod_step pod_machine_step(enum pod_state state, enum pod_event event)
{
	return steps[state][event];
}

struct container_step container_machine_step(enum container_stage stage, enum container_event event)
{
	return container_steps[stage][event];
}

const char *pod_state_name(enum pod_state state)
{
	static const char *const names[POD_STATES] = { "New", "Adopting", "Sandbox", "Preparing",
		"Init", "Running", "Finishing", "Retiring", "Ended", "Stopping", "Destroying",
		"Releasing", "Removed", "Clearing" };

	return names[state];
}

const char *pod_event_name(enum pod_event event)
{
	static const char *const names[POD_EVENTS] = { "Begin", "Found", "Empty", "Stands",
		"BegunInit", "Begun", "Built", "Refused", "Prepared", "InitDone", "Over", "Delete",
		"Quiet", "ShimGone", "ShimEarly", "Released" };

	return names[event];
}
