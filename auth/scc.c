#include "auth/scc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "auth/scc_rules.h"
#include "lib/cleanup.h"

static bool in_group(const struct scc_subject *subject, const char *group)
{
	for (size_t i = 0; i < subject->groups_len; i++) {
		if (strcmp(subject->groups[i], group) == 0)
			return true;
	}
	return false;
}

bool scc_usable(const struct scc *scc, const struct scc_subject *subject)
{
	if (!subject)
		return false;
	if (subject->all)
		return true;
	for (size_t i = 0; i < SCC_LIST_MAX && scc->for_groups[i]; i++) {
		if (in_group(subject, scc->for_groups[i]))
			return true;
	}
	return false;
}

void scc_subject_done(struct scc_subject *subject)
{
	free(subject->name);
	for (size_t i = 0; i < subject->groups_len; i++)
		free(subject->groups[i]);
	free(subject->groups);
	*subject = (struct scc_subject){ 0 };
}

int scc_subject_service_account(
	struct scc_subject *ret, const char *project, const char *account, struct error *err)
{
	struct scc_subject s = { 0 };

	s.groups = calloc(3, sizeof(*s.groups));
	if (!s.groups)
		return error_set(err, ERR_EXHAUSTED, 0, "no memory for a service account");
	s.groups[0] = strdup("system:serviceaccounts");
	s.groups[1] = strdup("system:authenticated");
	s.groups_len = 3;
	if (asprintf(&s.groups[2], "system:serviceaccounts:%s", project) < 0)
		s.groups[2] = NULL;
	if (asprintf(&s.name, "system:serviceaccount:%s:%s", project, account) < 0)
		s.name = NULL;
	if (!s.groups[0] || !s.groups[1] || !s.groups[2] || !s.name) {
		scc_subject_done(&s);
		return error_set(err, ERR_EXHAUSTED, 0, "no memory for a service account");
	}
	*ret = s;
	return 0;
}

/*
 * One constraint on a copy of the pod. *ret_pod is the copy, the caller's, also when 'ret' got
 * objections.
 */
static int try_one(const struct scc *scc, const struct project_facts *project, const K8sPod *pod,
	K8sPod **ret_pod, struct violations *ret, struct error *err)
{
	K8sPod *copy = edit_copy(pod, err);

	if (!copy)
		return -1;
	if (scc_rules_apply(scc, project, copy, err) < 0) {
		k8s_pod_free(copy);
		return -1;
	}
	scc_rules_judge(scc, project, copy, ret);
	*ret_pod = copy;
	return 0;
}

/* Makes the annotated copy the pod: the message structs are swapped, the old content freed. */
static int accept(const struct scc *scc, const char *subject, K8sPod *pod, K8sPod *copy,
	struct scc_result *ret, struct error *err)
{
	K8sPod old;

	if (edit_annotation(copy, SCC_ANNOTATION, scc->name, err) < 0 ||
		edit_annotation(copy, SCC_ANNOTATION_SUBJECT, subject, err) < 0)
		return -1;
	old = *pod;
	*pod = *copy;
	*copy = old;
	*ret = (struct scc_result){ .scc = scc, .subject = subject };
	return 0;
}

/* How it ends when no constraint lets the pod in: 'objections' are handed on. */
static int deny(struct violations *objections, struct violations *ret_violations, struct error *err)
{
	struct error inner = { 0 };

	if (!violations_any(objections))
		violation_add(objections, ERR_DENIED, "scc", "",
			"neither the service account nor the user may use a constraint that could "
			"admit the pod");
	violations_error(objections, NULL, &inner);
	if (ret_violations)
		violations_move(ret_violations, objections);
	return error_set(err, inner.code == ERR_EXHAUSTED ? ERR_EXHAUSTED : ERR_DENIED, 0,
		"unable to validate against any security context constraint: [%s]", inner.text);
}

struct search {
	const struct scc *required; /* NULL: any */
	const struct project_facts *project;
	const struct scc_subject *account;
	const struct scc_subject *user;
	struct violations *objections;
};

/* 1: admitted, 0: not by these, -1: could not judge. */
static int search_as(const struct search *s, bool by_user, K8sPod *pod, struct scc_result *ret,
	struct error *err)
{
	for (size_t i = 0; i < scc_count(); i++) {
		const struct scc *scc = scc_at(i);
		bool theirs = scc_usable(scc, s->account);
		size_t before = s->objections->n + s->objections->more;
		K8sPod *copy;
		int r = 0;

		if ((s->required && scc != s->required) ||
			(by_user ? theirs || !scc_usable(scc, s->user) : !theirs))
			continue;
		if (try_one(scc, s->project, pod, &copy, s->objections, err) < 0)
			return -1;
		if (violations_end(s->objections, err) < 0)
			r = -1;
		else if (s->objections->n + s->objections->more == before)
			r = accept(scc, by_user ? "user" : "serviceaccount", pod, copy, ret, err) <
					    0
				    ? -1
				    : 1;
		k8s_pod_free(copy);
		if (r != 0)
			return r;
	}
	return 0;
}

int scc_admit(const struct scc_subject *account, const struct scc_subject *user,
	const struct project_facts *project, K8sPod *pod, struct scc_result *ret,
	struct violations *ret_violations, struct error *err)
{
	const char *required = view_annotation(pod, SCC_ANNOTATION_REQUIRED);
	cleanup_violations struct violations objections = { 0 };
	struct search s = {
		.required = required ? scc_find(required) : NULL,
		.project = project,
		.account = account,
		.user = user,
		.objections = &objections,
	};
	int r;

	if (required && !s.required) {
		violation_add(&objections, ERR_DENIED, "scc",
			"metadata.annotations[" SCC_ANNOTATION_REQUIRED "]",
			"there is no constraint \"%.253s\"", required);
		return deny(&objections, ret_violations, err);
	}
	r = search_as(&s, false, pod, ret, err);
	if (r == 0)
		r = search_as(&s, true, pod, ret, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	return deny(&objections, ret_violations, err);
}

void scc_reviews_free(struct scc_review *reviews, size_t n)
{
	for (size_t i = 0; reviews && i < n; i++)
		violations_done(&reviews[i].violations);
	free(reviews);
}

int scc_review(const struct scc_subject *account, const struct scc_subject *user,
	const struct project_facts *project, const K8sPod *pod, struct scc_review **ret,
	size_t *ret_len, struct error *err)
{
	struct scc_review *reviews = calloc(scc_count(), sizeof(*reviews));

	if (!reviews)
		return error_set(err, ERR_EXHAUSTED, 0, "no memory to review a pod");
	for (size_t i = 0; i < scc_count(); i++) {
		struct scc_review *r = &reviews[i];
		K8sPod *copy = NULL;

		r->scc = scc_at(i);
		r->usable = scc_usable(r->scc, account) || scc_usable(r->scc, user);
		if (try_one(r->scc, project, pod, &copy, &r->violations, err) < 0 ||
			violations_end(&r->violations, err) < 0) {
			k8s_pod_free(copy);
			scc_reviews_free(reviews, scc_count());
			return -1;
		}
		r->allowed = !violations_any(&r->violations);
		k8s_pod_free(copy);
	}
	*ret = reviews;
	*ret_len = scc_count();
	return 0;
}
