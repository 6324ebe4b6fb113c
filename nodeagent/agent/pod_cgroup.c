/* A pod's cgroup as the agent has to do with it: systemd's scope before, and the end of all. */
#include <stdio.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/cgroup_path.h"
#include "nodeagent/agent/pod.h"
#include "nodeagent/agent/pressure.h"
#include "nodeagent/agent/scopes.h"

#define REAP_MS 20 /* a turn of the loop may take */

/* What limits the pod's huge pages, systemd does not give it. */
static int hugetlb_give(const struct pod *pod, struct error *err)
{
	const struct agent *agent = pod->pods->agent;
	char path[CGROUP_PATH_SIZE];

	cgroup_path_scope(agent->config, pod->subject.project, pod->subject.uid, path);
	return cgroup_hand_down(&agent->cgroups, path, CGROUP_HUGETLB, err);
}

static void on_scope(void *user, const struct error *why)
{
	struct pod *pod = user;
	struct error err = { 0 };

	pod->scope = NULL;
	if (!why && hugetlb_give(pod, &err) < 0)
		why = &err;
	pod->scoped = !why;
	if (pod->state != POD_SANDBOX)
		return;
	if (!why) {
		pod_sandbox_plan(pod);
		return;
	}
	pod_record(pod, true, "FailedCreatePodSandBox", "%s", why->text);
	pod_feed(pod, POD_REFUSED);
}

int pod_scope_ready(struct pod *pod, const Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	const struct agent *agent = pod->pods->agent;
	char name[CGROUP_UNIT_SIZE];
	char slice[CGROUP_UNIT_SIZE];
	char description[CGROUP_UNIT_SIZE];
	struct scope_request request = { .name = name,
		.slice = slice,
		.description = description,
		.ready = on_scope,
		.user = pod };

	if (!plan->cgroup_scope[0] || pod->scoped)
		return 1;
	pod_scope_forget(pod);
	cgroup_unit_scope(agent->config, pod->subject.uid, name);
	cgroup_unit_slice(agent->config, pod->subject.project, slice);
	snprintf(description, sizeof(description), "Bulkhead pod %.64s/%.128s",
		pod->subject.project, pod->subject.pod);
	request.pid = shim_pid(pod->shim);
	if (plan->limits)
		request.cpu_weight = cgroup_weight_of_shares(plan->limits->cpu_shares);
	return scope_start(agent->scopes, &request, &pod->scope, err);
}

void pod_scope_forget(struct pod *pod)
{
	scope_cancel(pod->scope);
	pod->scope = NULL;
	pod->scoped = false;
}

/*
 * What systemd made only systemd takes away: a scope whose group went behind its back stays in its
 * books for ever. Killing all in it is quicker than its own stop, which asks first.
 */
static bool scope_reap(const struct pod *pod)
{
	const struct agent *agent = pod->pods->agent;
	char path[CGROUP_PATH_SIZE];
	char unit[CGROUP_UNIT_SIZE];
	struct cgroup cgroup;
	bool found;

	cgroup_path_scope(agent->config, pod->subject.project, pod->subject.uid, path);
	found = cgroup_find(&cgroup, &agent->cgroups, path) > 0;
	if (found)
		cgroup_kill(&cgroup, NULL);
	cgroup_done(&cgroup);
	if (!found)
		return true;
	cgroup_unit_scope(agent->config, pod->subject.uid, unit);
	scope_stop(agent->scopes, unit);
	return false;
}

bool pod_cgroup_reap(const struct pod *pod)
{
	const struct agent *agent = pod->pods->agent;
	char path[CGROUP_PATH_SIZE];
	struct error err = { 0 };

	if (agent->scopes)
		return scope_reap(pod);
	cgroup_path_pod(agent->config, pod->subject.project, pod->subject.uid, path);
	if (cgroup_reap(&agent->cgroups, path, REAP_MS, &err) == 0)
		return true;
	log_write(LOG_LEVEL_DEBUG, &pod->subject, "%s", err.text);
	return false;
}

static int group_pressure(const struct pod *pod, const char *name, const char *path,
	Bulkhead__V1__Pressure ***list, size_t *n)
{
	struct cgroup cgroup;
	int dirfd;
	int r = 0;

	cgroup_find(&cgroup, &pod->pods->agent->cgroups, path);
	/* v2 has the files also where v1 has the controllers. */
	dirfd = cgroup_clone_fd(&cgroup);
	if (dirfd >= 0)
		r = pressure_append(list, n, name, dirfd, ".pressure", NULL);
	cgroup_done(&cgroup);
	return r;
}

int pod_cgroup_pressure(const struct pod *pod, Bulkhead__V1__Pressure ***list, size_t *n)
{
	const Bulkhead__V1__NodeConfig *config = pod->pods->agent->config;
	char path[CGROUP_PATH_SIZE];

	cgroup_path_pod(config, pod->subject.project, pod->subject.uid, path);
	if (group_pressure(pod, "pod", path, list, n) < 0)
		return -1;
	cgroup_path_project(config, pod->subject.project, path);
	return group_pressure(pod, "project", path, list, n);
}
