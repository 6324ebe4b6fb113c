/* The driver: feeds the machine, and does what it says. */
#include "nodeagent/agent/pod.h"
#include "nodeagent/agent/pod_bandwidth.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/pod_store.h"
#include "nodeagent/agent/timer.h"

/* How long a shim may take to answer before it is taken for hung, and killed. */
#define ADOPT_USEC   UINT64_C(10000000)
#define SANDBOX_USEC UINT64_C(60000000)
#define DESTROY_USEC UINT64_C(15000000) /* the shim gives up at 10 s itself */
#define REAP_USEC    UINT64_C(200000)
#define KILL_USEC    UINT64_C(2000000) /* between one SIGKILL and the next */
#define RESTORES_MAX 10                /* of a pod whose shim cannot be asked */
#define KILLS_MAX    3 /* then the shim does not hear, or the containers hang in the kernel */

static void arm(struct pod *pod, uint64_t usec);

/* ---- making and freeing -------------------------------------------------------------------- */

static int progress_new(struct pod *pod, struct error *err)
{
	pod->progress = malloc(sizeof(*pod->progress));
	if (!pod->progress)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot hold a pod");
	bulkhead__v1__pod_progress__init(pod->progress);
	return 0;
}

int pod_new(struct pod **ret, struct pods *pods, Bulkhead__V1__PodFile *file,
	Bulkhead__V1__PodProgress *progress, struct error *err)
{
	struct pod *pod = calloc(1, sizeof(*pod));

	if (!pod)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot hold a pod");
	pod->pods = pods;
	pod->object = file->pod;
	pod->subject = (struct log_subject){ .project = pod->object->metadata->namespace_,
		.pod = pod->object->metadata->name,
		.uid = pod->object->metadata->uid };
	pod->progress = progress;
	pod_net_init(&pod->net);
	if ((!progress && progress_new(pod, err) < 0) ||
		pod_bandwidth_restore(pod->object, progress, err) < 0 ||
		pod_containers_init(pod, err) < 0) {
		if (pod->progress == progress)
			pod->progress = NULL;
		pod_free(pod);
		return -1;
	}
	pod->file = file;
	/* Read again from disk when it is wanted, which is seldom. */
	if (file->asked)
		k8s__io__api__core__v1__pod__free_unpacked(file->asked, NULL);
	file->asked = NULL;
	*ret = pod;
	return 0;
}

void pod_free(struct pod *pod)
{
	if (!pod)
		return;
	streams_end(pod, NULL);
	pod_drift_end(pod);
	pod_scope_forget(pod);
	shim_free(pod->shim);
	pod_net_done(pod);
	pod_volumes_done(pod);
	pod_containers_done(pod);
	pod_records_done(pod);
	sd_event_source_disable_unref(pod->timer);
	if (pod->progress)
		bulkhead__v1__pod_progress__free_unpacked(pod->progress, NULL);
	if (pod->file)
		bulkhead__v1__pod_file__free_unpacked(pod->file, NULL);
	free(pod);
}

struct plan_pod pod_plan(const struct pod *pod)
{
	struct plan_pod plan = {
		.pod = pod->object,
		.slice = pod->file->slice,
		.address = pod_net_address(pod),
	};

	/* What was parsed when the pod was accepted parses again. */
	project_facts_parse(
		pod->subject.project, pod->file->uid_range, pod->file->mcs, &plan.project, NULL);
	return plan;
}

const Bulkhead__V1__ClusterSecret *pod_find_secret(void *user, const char *name)
{
	const struct pod *pod = user;

	return cluster_secret(pod->pods->agent->cluster, pod->subject.project, name);
}

void pod_save(struct pod *pod)
{
	struct error err = { 0 };

	if (pod_store_progress(
		    pod->pods->agent->state_dirfd, pod->subject.uid, pod->progress, &err) < 0)
		log_write(LOG_LEVEL_ERROR, &pod->subject, "cannot save its progress: %s", err.text);
}

bool pod_deleting(const struct pod *pod)
{
	return pod->progress->delete_at != 0;
}

bool pod_lives(const struct pod *pod)
{
	return pod->state == POD_PREPARING || pod->state == POD_INIT || pod->state == POD_RUNNING ||
	       pod->state == POD_STOPPING;
}

/* ---- sandbox ------------------------------------------------------------------------------- */

static void refuse(struct pod *pod, const char *reason, const struct error *err)
{
	pod_record(pod, true, reason, "%s", err->text);
	pod_feed(pod, POD_REFUSED);
}

void pod_sandbox_plan(struct pod *pod)
{
	struct pods *pods = pod->pods;
	struct plan_pod plan = pod_plan(pod);
	Bulkhead__V1__SandboxPlan *message = NULL;
	struct error err = { 0 };
	int ready;

	node_facts_refresh(&pods->facts, pods->agent);
	if (!cluster_known(pods->agent->cluster)) {
		error_set(&err, ERR_UNAVAILABLE, 0, "the cluster database was not read yet");
		refuse(pod, "FailedMount", &err);
		return;
	}
	if (plan_sandbox(&pods->facts.node, &plan, pod_find_secret, pod, &message, &err) < 0) {
		refuse(pod, "FailedMount", &err);
		return;
	}
	ready = pod_scope_ready(pod, message, &err);
	if (ready < 0 ||
		(ready && shim_send(pod->shim, IPC_SANDBOX_PLAN, &message->base, &err) < 0)) {
		refuse(pod, "FailedCreatePodSandBox", &err);
	} else {
		pod->answer_due = true;
		arm(pod, SANDBOX_USEC);
	}
	bulkhead__v1__sandbox_plan__free_unpacked(message, NULL);
}

static int spawn(struct pod *pod, struct error *err)
{
	const struct agent *agent = pod->pods->agent;
	char socket[POD_PATH_SIZE];
	char program[POD_PATH_SIZE];
	struct shim_config config = { .event = agent->event,
		.program = program,
		.socket = socket,
		.ops = &pod_shim_ops,
		.user = pod };

	pod_scope_forget(pod);
	if (pod_folders_make(pod, err) < 0)
		return -1;
	pod_run_path(pod, "shim.sock", socket);
	snprintf(program, sizeof(program), "%s/bulkhead-shim", agent->config->libexec_dir);
	return shim_spawn(&pod->shim, &config, err);
}

static void do_spawn(struct pod *pod)
{
	struct error err = { 0 };

	pod->times.sandbox_start = monotonic_usec();
	pod_containers_reset(pod);
	if (!pod->shim && spawn(pod, &err) < 0) {
		refuse(pod, "FailedCreatePodSandBox", &err);
		return;
	}
	/* The plan waits for SHIM_STATE: a shim that has one can be found by its socket. */
	pod->answer_due = true;
	arm(pod, SANDBOX_USEC);
}

static void do_connect(struct pod *pod)
{
	arm(pod, ADOPT_USEC);
}

static void do_retry(struct pod *pod)
{
	pod->answer_due = false;
	arm(pod, timer_retry_usec(++pod->failures));
}

static void do_again(struct pod *pod)
{
	arm(pod, pod->failures ? timer_retry_usec(pod->failures) : 0);
	pod->failures++;
}

/* ---- network and volumes ------------------------------------------------------------------- */

static void do_prepare(struct pod *pod)
{
	pod->failures = 0;
	timer_stop(pod->timer);
	pod_net_want(pod);
	pod_volumes_write(pod);
	pod_prepare_check(pod);
}

void pod_prepare_check(struct pod *pod)
{
	if (pod->state == POD_PREPARING && pod_net_ready(pod) && pod_volumes_ready(pod))
		pod_feed(pod, POD_PREPARED);
}

/* ---- running ------------------------------------------------------------------------------- */

static void do_resume(struct pod *pod)
{
	timer_stop(pod->timer);
	pod_net_want(pod);
	pod_volumes_write(pod);
	if (pod->state == POD_RUNNING)
		pod_containers_run(pod);
	pod_containers_check(pod);
}

/* ---- the end ------------------------------------------------------------------------------- */

static uint64_t grace_left(const struct pod *pod)
{
	int64_t end = (pod->progress->delete_at + pod->progress->grace_seconds) * 1000000;
	int64_t now = (int64_t)realtime_usec();

	return end > now ? (uint64_t)(end - now) : 0;
}

static void kill_shim(struct pod *pod, const char *what)
{
	pod_record(pod, true, "FailedKillPod", "%s; the pod's shim is killed", what);
	shim_kill(pod->shim);
}

static void kill_all(struct pod *pod)
{
	if (pod->kills++ >= KILLS_MAX) {
		kill_shim(pod, "containers do not end by SIGKILL");
		return;
	}
	pod_containers_kill(pod);
	arm(pod, KILL_USEC);
}

static void do_stop(struct pod *pod)
{
	uint64_t left = pod->progress->grace_seconds > 0 ? grace_left(pod) : 0;

	if (left > 0) {
		pod_containers_stop(pod);
		arm(pod, left);
	} else {
		kill_all(pod);
	}
	pod_containers_check(pod);
}

/* A shim that does not hear it is killed when the time is over. */
static void do_destroy(struct pod *pod)
{
	Bulkhead__V1__ShimDestroy destroy = BULKHEAD__V1__SHIM_DESTROY__INIT;
	struct error err = { 0 };

	if (!pod->shim) {
		pod_feed(pod, POD_SHIM_GONE);
		return;
	}
	shim_leaving(pod->shim);
	if (shim_send(pod->shim, IPC_SHIM_DESTROY, &destroy.base, &err) < 0) {
		log_write(LOG_LEVEL_WARNING, &pod->subject, "%s", err.text);
		shim_kill(pod->shim);
	}
	arm(pod, DESTROY_USEC);
}

static void reap_cgroup(struct pod *pod)
{
	if (pod_cgroup_reap(pod))
		pod->released_cgroup = true;
	else
		arm(pod, REAP_USEC);
}

static void do_release(struct pod *pod)
{
	timer_stop(pod->timer);
	pod_drift_end(pod);
	pod_scope_forget(pod);
	shim_free(pod->shim);
	pod->shim = NULL;
	pod_volumes_done(pod);
	pod->released_cgroup = false;
	pod_net_release(pod);
	reap_cgroup(pod);
	pod_release_check(pod);
}

void pod_release_check(struct pod *pod)
{
	if (pod->released_cgroup && pod->net.stage == NET_NONE) {
		pod->begun = false;
		pod_run_folder_remove(pod);
		pod_feed(pod, POD_RELEASED);
	}
}

static void do_report_lost(struct pod *pod)
{
	struct error why = { 0 };

	error_set(&why, ERR_UNAVAILABLE, 0, "the pod's shim died");
	streams_end(pod, &why);
	if (!pod->progress->lost) {
		pod->progress->lost = true;
		edit_string(&pod->progress->reason, "ShimExited", NULL);
		edit_string(&pod->progress->message,
			"the pod's shim was killed or crashed, and its containers with it", NULL);
		pod_record(pod, true, "ShimExited",
			"the pod's shim was killed or crashed; its containers are ended");
		pod_containers_lost(pod);
		pod_save(pod);
	}
	do_release(pod);
}

static void do_clear(struct pod *pod)
{
	pod_record(pod, true, "ShimExited", "the pod's shim ended before a container began");
	do_release(pod);
}

static void do_keep(struct pod *pod)
{
	edit_string(&pod->progress->address, "", NULL);
	pod->progress->ended = true;
	pod_save(pod);
	/* Execs that a killed shim could not end, logs of containers that never ran. */
	streams_end(pod, NULL);
}

static void do_remove(struct pod *pod)
{
	streams_end(pod, NULL);
	pod_folders_remove(pod);
	userns_release(pod->pods->userns, pod->file->slice);
	pod->done = true;
	pod->pods->len--;
	pods_turn(pod->pods);
}

static void begin_afresh(struct pod *pod)
{
	/* What restore_later() assumed: netd never heard of it. */
	if (pod->net.stage == NET_UNKNOWN)
		pod->net.stage = NET_NONE;
	pod_feed(pod, POD_BEGIN);
}

/* No shim runs: what there is on disk says how far the pod had come. */
static void do_look(struct pod *pod)
{
	bool traces = pod_run_folder_exists(pod);

	shim_free(pod->shim);
	pod->shim = NULL;
	if (pod_deleting(pod))
		pod_feed(pod, POD_DELETE);
	else if (pod->progress->lost ||
		 (traces && pod_begun_marked(pod) && !pod_containers_over(pod)))
		pod_feed(pod, POD_SHIM_GONE);
	else if (pod_containers_over(pod))
		pod_feed(pod, POD_OVER);
	else if (traces)
		pod_feed(pod, POD_SHIM_EARLY);
	else
		begin_afresh(pod);
}

static void do_nothing(struct pod *pod)
{
	(void)pod;
}

/* ---- the machine --------------------------------------------------------------------------- */

static void (*const actions[])(struct pod *pod) = {
	[POD_DO_NOTHING] = do_nothing,
	[POD_DO_SPAWN] = do_spawn,
	[POD_DO_CONNECT] = do_connect,
	[POD_DO_RETRY] = do_retry,
	[POD_DO_PLAN] = pod_sandbox_plan,
	[POD_DO_PREPARE] = do_prepare,
	[POD_DO_INIT] = pod_containers_start_init,
	[POD_DO_RUN] = pod_containers_run,
	[POD_DO_RESUME] = do_resume,
	[POD_DO_STOP] = do_stop,
	[POD_DO_DESTROY] = do_destroy,
	[POD_DO_REPORT_LOST] = do_report_lost,
	[POD_DO_RELEASE] = do_release,
	[POD_DO_CLEAR] = do_clear,
	[POD_DO_LOOK] = do_look,
	[POD_DO_AGAIN] = do_again,
	[POD_DO_KEEP] = do_keep,
	[POD_DO_REMOVE] = do_remove,
};

void pod_feed(struct pod *pod, enum pod_event event)
{
	struct pod_step step = pod_machine_step(pod->state, event);

	if (!step.taken)
		return;
	log_write(LOG_LEVEL_DEBUG, &pod->subject, "%s: %s -> %s", pod_event_name(event),
		pod_state_name(pod->state), pod_state_name(step.next));
	pod->state = step.next;
	pod_changed(pod);
	actions[step.action](pod);
}

/* What the one timer means depends on the state. */
static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	struct pod *pod = user;

	(void)source;
	(void)usec;
	switch (pod->state) {
	case POD_NEW:
		if (pod->restoring)
			pod_restore(pod);
		else
			pod_feed(pod, POD_BEGIN);
		break;
	case POD_ADOPTING:
		kill_shim(pod, "its state is not told");
		break;
	case POD_SANDBOX:
		if (pod->answer_due)
			kill_shim(pod, "the sandbox is not built in time");
		else if (pod->shim)
			pod_sandbox_plan(pod);
		else
			do_spawn(pod);
		break;
	case POD_STOPPING:
		kill_all(pod);
		break;
	case POD_FINISHING:
	case POD_DESTROYING:
		kill_shim(pod, "the sandbox is not taken apart in time");
		break;
	case POD_RETIRING:
	case POD_RELEASING:
	case POD_CLEARING:
		reap_cgroup(pod);
		pod_release_check(pod);
		break;
	case POD_PREPARING:
	case POD_INIT:
	case POD_RUNNING:
	case POD_ENDED:
	case POD_REMOVED:
	case POD_STATES:
		break;
	}
	return 0;
}

static void arm(struct pod *pod, uint64_t usec)
{
	struct error err = { 0 };

	if (timer_set(&pod->timer, pod->pods->agent->event, usec, on_timer, pod, &err) < 0)
		log_write(LOG_LEVEL_ERROR, &pod->subject, "%s", err.text);
}

void pod_begin(struct pod *pod)
{
	pod_feed(pod, POD_BEGIN);
}

/* No descriptor or memory is free now, or the shim's socket takes no connection yet. */
static bool passes(const struct error *err)
{
	return err->code == ERR_EXHAUSTED || err->code == ERR_UNAVAILABLE;
}

/* Whether a shim runs cannot be told now; to take it for dead would end a pod that runs. */
static void restore_later(struct pod *pod, const struct error *err)
{
	log_write(LOG_LEVEL_WARNING, &pod->subject, "%s; tried again", err->text);
	pod->restoring = true;
	pod->net.stage = view_spec(pod->object)->hostnetwork ? NET_HOST : NET_UNKNOWN;
	arm(pod, timer_retry_usec(++pod->failures));
}

void pod_restore(struct pod *pod)
{
	char socket[POD_PATH_SIZE];
	struct shim_config config = { .event = pod->pods->agent->event,
		.socket = socket,
		.ops = &pod_shim_ops,
		.user = pod };
	struct error err = { 0 };

	if (pod->progress->ended) {
		pod->state = POD_ENDED;
		if (pod_deleting(pod))
			pod_feed(pod, POD_DELETE);
		return;
	}
	pod_run_path(pod, "shim.sock", socket);
	if (shim_connect(&pod->shim, &config, &err) < 0) {
		if (passes(&err) && pod->failures < RESTORES_MAX) {
			restore_later(pod, &err);
			return;
		}
		if (err.code != ERR_NOT_FOUND)
			log_write(LOG_LEVEL_WARNING, &pod->subject, "%s", err.text);
	}
	pod->restoring = false;
	pod->failures = 0;
	if (!pod->shim) {
		do_look(pod);
		return;
	}
	pod->begun = pod_begun_marked(pod);
	pod->net.stage = view_spec(pod->object)->hostnetwork ? NET_HOST : NET_UNKNOWN;
	pod_feed(pod, POD_FOUND);
}

void pod_kick(struct pod *pod)
{
	if (pod->state == POD_SANDBOX && !pod->answer_due)
		arm(pod, 0);
	pod_net_kick(pod);
	pod_volumes_kick(pod);
}

int pod_delete(struct pod *pod, int64_t grace_seconds, struct error *err)
{
	Bulkhead__V1__PodProgress *p = pod->progress;
	Bulkhead__V1__PodProgress before = *p;
	int64_t now = (int64_t)(realtime_usec() / 1000000);
	const K8sPodSpec *spec = pod->object->spec;

	if (grace_seconds < 0)
		grace_seconds = spec->has_terminationgraceperiodseconds
					? spec->terminationgraceperiodseconds
					: 30;
	if (p->delete_at && now + grace_seconds >= p->delete_at + p->grace_seconds)
		return 0;
	p->delete_at = now;
	p->grace_seconds = grace_seconds;
	if (pod_store_progress(pod->pods->agent->state_dirfd, pod->subject.uid, p, err) < 0) {
		p->delete_at = before.delete_at;
		p->grace_seconds = before.grace_seconds;
		return error_prefix(err, "the deletion cannot be recorded");
	}
	pod_record(pod, false, "Killing", "to be deleted within %lld s", (long long)grace_seconds);
	/* Otherwise it is asked again when it is known what runs. */
	if (!pod->restoring)
		pod_feed(pod, POD_DELETE);
	pod_changed(pod);
	return 0;
}
