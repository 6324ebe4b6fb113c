#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/defaults.h"
#include "auth/explain.h"
#include "auth/pod_edit.h"
#include "auth/validate.h"
#include "lib/cleanup.h"

/* The token volume's name has a suffix that a real admission chooses at random. */
#define REVIEW_SUFFIX "bcdfg"

typedef Bulkhead__V1__Violation violation_message;
typedef Bulkhead__V1__ConstraintReview constraint_message;
typedef Bulkhead__V1__ReviewPodResponse response_message;

static void response_free(response_message **response)
{
	if (*response)
		bulkhead__v1__review_pod_response__free_unpacked(*response, NULL);
}

static void pod_free(K8sPod **pod)
{
	k8s_pod_free(*pod);
}

#define cleanup_response __attribute__((cleanup(response_free)))
#define cleanup_pod      __attribute__((cleanup(pod_free)))

/* What is asked, and what is found on the way. */
struct review {
	const struct project_facts *project;
	const struct scc_subject *user;
	const char *node_name;
	K8sPod *pod;             /* a copy: defaulted, and admitted when a constraint lets it in */
	struct violations found; /* of no single constraint */
	const char *constraint;  /* that lets it in, or NULL */
};

/* A namespace in the manifest that is not the project would be applied elsewhere. */
static void check_project(struct review *r)
{
	const K8sObjectMeta *meta = r->pod->metadata;

	if (meta && meta->namespace_ && *meta->namespace_ &&
		strcmp(meta->namespace_, r->project->name) != 0)
		violation_add(&r->found, ERR_INVALID, "validate", "metadata.namespace",
			"is '%.63s', but the review is for project '%s': leave it out or review "
			"for that project",
			meta->namespace_, r->project->name);
}

/* Which constraint would let the pod in; objections of single constraints are in the reviews. */
static int admit(struct review *r, const struct scc_subject *account, struct error *err)
{
	cleanup_violations struct violations objections = { 0 };
	struct error denied = { 0 };
	struct scc_result result;

	if (scc_admit(account, r->user, r->project, r->pod, &result, &objections, &denied) == 0) {
		r->constraint = result.scc->name;
		return 0;
	}
	if (denied.code != ERR_DENIED) {
		if (err)
			*err = denied;
		return -1;
	}
	for (size_t i = 0; i < objections.n; i++) {
		const struct violation *v = &objections.items[i];

		if (!scc_find(v->check))
			violation_add(&r->found, v->code, v->check, v->field, "%s", v->reason);
	}
	return 0;
}

/* ---- the answer as a message ---------------------------------------------------------------- */

/* Cuts between characters. */
static int set_text(char **field, const char *text, struct error *err)
{
	char buf[EXPLAIN_TEXT_MAX + 1];
	size_t size = strlen(text);

	if (size > EXPLAIN_TEXT_MAX) {
		size = EXPLAIN_TEXT_MAX - 3;
		while (((unsigned char)text[size] & 0xc0) == 0x80)
			size--;
		snprintf(buf, sizeof(buf), "%.*s...", (int)size, text);
		text = buf;
	}
	return edit_string(field, text, err);
}

/* Appends one to the repeated field 'list'. */
static int to_message(const struct violation *v, void *list, size_t *n, struct error *err)
{
	violation_message *m = edit_append(list, n, &bulkhead__v1__violation__descriptor, err);

	if (!m || set_text(&m->check, v->check, err) < 0 ||
		set_text(&m->field, v->field, err) < 0 || set_text(&m->reason, v->reason, err) < 0)
		return -1;
	return 0;
}

static int to_messages(const struct violations *from, void *list, size_t *n, struct error *err)
{
	size_t listed = from->n < EXPLAIN_LISTED_MAX ? from->n : EXPLAIN_LISTED_MAX;
	size_t more = from->n - listed + from->more;
	char check[] = "more", field[] = "", reason[64];
	const struct violation rest = { .check = check, .field = field, .reason = reason };

	for (size_t i = 0; i < listed; i++) {
		if (to_message(&from->items[i], list, n, err) < 0)
			return -1;
	}
	snprintf(reason, sizeof(reason), "and %zu more that are not listed", more);
	return more ? to_message(&rest, list, n, err) : 0;
}

static int add_review(response_message *response, const struct scc_review *from, struct error *err)
{
	constraint_message *m = edit_append(&response->reviews, &response->n_reviews,
		&bulkhead__v1__constraint_review__descriptor, err);

	if (!m || edit_string(&m->constraint, from->scc->name, err) < 0)
		return -1;
	m->usable = from->usable;
	m->allowed = from->allowed;
	return to_messages(&from->violations, &m->violations, &m->n_violations, err);
}

static int add_reviews(response_message *response, const struct review *r,
	const struct scc_subject *account, struct error *err)
{
	struct scc_review *reviews;
	size_t n;
	int ret = 0;

	if (scc_review(account, r->user, r->project, r->pod, &reviews, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n && ret == 0; i++)
		ret = add_review(response, &reviews[i], err);
	scc_reviews_free(reviews, n);
	return ret;
}

static int conclude(response_message *response, const struct review *r, struct error *err)
{
	response->allowed = r->constraint && !violations_any(&r->found);
	if (r->constraint && edit_string(&response->constraint, r->constraint, err) < 0)
		return -1;
	return to_messages(&r->found, &response->violations, &response->n_violations, err);
}

static response_message *response_new(struct error *err)
{
	response_message *response = malloc(sizeof(*response));

	if (response)
		bulkhead__v1__review_pod_response__init(response);
	else
		error_set(err, ERR_EXHAUSTED, 0, "no memory for a review");
	return response;
}

/* ---- the steps of a real admission, in its order -------------------------------------------- */

/* The constraints copy a pod a dozen times, on the node's one thread. */
static bool too_large(const struct review *r)
{
	return violations_any(&r->found) &&
	       protobuf_c_message_get_packed_size(&r->pod->base) > EXPLAIN_INVALID_SIZE_MAX;
}

static int ask_constraints(
	struct review *r, const char *account_name, response_message *response, struct error *err)
{
	struct scc_subject account = { 0 };
	int ret = -1;

	if (too_large(r))
		return 0;
	if (scc_subject_service_account(&account, r->project->name, account_name, err) < 0)
		return -1;
	if (add_reviews(response, r, &account, err) == 0)
		ret = admit(r, &account, err);
	scc_subject_done(&account);
	return ret;
}

static int review(
	struct review *r, const char *account_name, response_message *response, struct error *err)
{
	if (pod_validate(r->pod, &r->found, err) < 0 ||
		ask_constraints(r, account_name, response, err) < 0 ||
		pod_honoured(r->pod, r->node_name, &r->found, err) < 0 ||
		violations_end(&r->found, err) < 0)
		return -1;
	return conclude(response, r, err);
}

int explain_review(const K8sPod *pod, const struct project_facts *project,
	const struct scc_subject *user, const char *node_name,
	Bulkhead__V1__ReviewPodResponse **ret, struct error *err)
{
	cleanup_response response_message *response = response_new(err);
	cleanup_pod K8sPod *copy = response ? edit_copy(pod, err) : NULL;
	struct review r = { .project = project, .user = user, .node_name = node_name, .pod = copy };
	cleanup_free char *account = NULL;
	int done;

	if (!copy)
		return -1;
	check_project(&r);
	if (pod_default(copy, project->name, REVIEW_SUFFIX, err) < 0)
		return -1;
	account =
		strdup(copy->spec && copy->spec->serviceaccountname ? copy->spec->serviceaccountname
								    : "default");
	if (!account)
		return error_set(err, ERR_EXHAUSTED, 0, "no memory for a review");
	done = review(&r, account, response, err);
	violations_done(&r.found);
	if (done < 0)
		return -1;
	*ret = take_ptr(response);
	return 0;
}
