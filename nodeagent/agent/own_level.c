#include "nodeagent/agent/own_level.h"

#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "auth/project.h"

#define FIELD "metadata.annotations[" VIEW_SELINUX_LEVEL "]"

static bool is_used(const struct pods *pods, const char *mcs)
{
	for (const struct pod *p = pods->first; p; p = p->next) {
		if (!p->done && strcmp(p->file->mcs, mcs) == 0)
			return true;
	}
	return false;
}

static int choose(const struct pods *pods, const struct project_facts *project,
	char ret[PROJECT_MCS_SIZE], struct error *err)
{
	uint32_t block;

	if (project_block_of(&project->uids, &block, err) < 0)
		return -1;
	for (uint32_t i = 1; i < PROJECT_MCS_LABELS; i++) {
		if (project_mcs_of(block, i, ret, err) < 0)
			return -1;
		if (!is_used(pods, ret))
			return 0;
	}
	return error_set(err, ERR_EXHAUSTED, 0,
		FIELD ": project '%s' has %u labels for pods of this node that want one of their "
		      "own, and all are used; delete one of these pods, or remove the annotation",
		project->name, PROJECT_MCS_LABELS - 1);
}

static bool asks_level(const K8sSELinuxOptions *o)
{
	return o && o->level && o->level[0];
}

/* The level that admission wrote is the project's. */
static int replace(K8sSELinuxOptions *o, const char *was, const char *mcs, struct error *err)
{
	if (!o || !o->level || strcmp(o->level, was) != 0)
		return 0;
	return edit_string(&o->level, mcs, err);
}

static int contradiction(struct error *err)
{
	return error_set(err, ERR_INVALID, 0,
		FIELD ": not with seLinuxOptions.level; remove one of the two");
}

int own_level_give(const struct pods *pods, Bulkhead__V1__PodFile *file, struct error *err)
{
	K8sPodSecurityContext *of_pod = view_spec(file->pod)->securitycontext;
	struct view_walk asked = { .pod = file->asked };
	struct view_walk walk = { .pod = file->pod };
	struct project_facts project;
	struct view_container c;
	char mcs[PROJECT_MCS_SIZE];

	if (!view_own_level(file->pod))
		return 0;
	if (view_spec(file->asked)->securitycontext &&
		asks_level(view_spec(file->asked)->securitycontext->selinuxoptions))
		return contradiction(err);
	while (view_next(&asked, &c)) {
		if (*c.security && asks_level((*c.security)->selinuxoptions))
			return contradiction(err);
	}
	if (project_facts_parse(file->pod->metadata->namespace_, file->uid_range, file->mcs,
		    &project, err) < 0 ||
		choose(pods, &project, mcs, err) < 0)
		return -1;
	if (of_pod && replace(of_pod->selinuxoptions, project.mcs, mcs, err) < 0)
		return -1;
	while (view_next(&walk, &c)) {
		if (*c.security &&
			replace((*c.security)->selinuxoptions, project.mcs, mcs, err) < 0)
			return -1;
	}
	return edit_string(&file->mcs, mcs, err);
}
