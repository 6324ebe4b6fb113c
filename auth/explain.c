#include "auth/explain.h"

#include <jansson.h>
#include <string.h>

#include "auth/pss.h"
#include "lib/cleanup.h"
#include "proto/text.h"

int explain_policy(const K8sPod *pod, const char *policy, struct violations *ret, struct error *err)
{
	struct pss_policy parsed;

	if (pss_policy_parse(policy, &parsed, err) < 0)
		return -1;
	return pss_judge(&parsed, pod, ret, err);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

/* Jansson reports want of memory only by NULL, which its functions hand on. */
static int no_memory(struct error *err)
{
	return error_set(err, ERR_EXHAUSTED, 0, "no memory for a report");
}

/* Text that was cut in the middle of a character loses the rest of it. */
static json_t *text(const char *s)
{
	size_t size = strlen(s);
	size_t bad;

	if (!text_utf8(s, size, &bad))
		size = bad;
	return json_stringn(s, size);
}

static json_t *one_violation(const char *check, const char *field, const char *reason)
{
	return json_pack("{s:o, s:o, s:o}", "check", text(check), "field", text(field), "reason",
		text(reason));
}

/* Of a list that was too long, the last one says how many there were. */
static json_t *found_violations(const struct violations *found)
{
	json_t *list = json_array();
	char more[64];

	for (size_t i = 0; i < found->n; i++) {
		const struct violation *v = &found->items[i];

		if (json_array_append_new(list, one_violation(v->check, v->field, v->reason)) < 0)
			goto fail;
	}
	snprintf(more, sizeof(more), "and %zu more that are not listed", found->more);
	if (found->more && json_array_append_new(list, one_violation("more", "", more)) < 0)
		goto fail;
	return list;
fail:
	json_decref(list);
	return NULL;
}

static int append_messages(json_t *list, Bulkhead__V1__Violation *const *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (json_array_append_new(list,
			    one_violation(items[i]->check, items[i]->field, items[i]->reason)) < 0)
			return -1;
	}
	return 0;
}

/* Takes 'json' over, NULL too. */
static int print(json_t *json, char **ret, struct error *err)
{
	char *line = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
	int n = line ? asprintf(ret, "%s\n", line) : -1;

	free(line);
	json_decref(json);
	return n < 0 ? no_memory(err) : 0;
}

int explain_json(bool allowed, const struct violations *violations, char **ret, struct error *err)
{
	if (violations_end(violations, err) < 0)
		return -1;
	return print(json_pack("{s:b, s:o}", "allowed", allowed, "violations",
			     found_violations(violations)),
		ret, err);
}

/* ---- reviews -------------------------------------------------------------------------------- */

static json_t *one_review(const Bulkhead__V1__ConstraintReview *r)
{
	json_t *list = json_array();

	if (append_messages(list, r->violations, r->n_violations) < 0) {
		json_decref(list);
		return NULL;
	}
	return json_pack("{s:o, s:b, s:b, s:o}", "constraint", text(r->constraint), "usable",
		r->usable, "allowed", r->allowed, "violations", list);
}

static json_t *all_reviews(const Bulkhead__V1__ReviewPodResponse *review)
{
	json_t *list = json_array();

	for (size_t i = 0; i < review->n_reviews; i++) {
		if (json_array_append_new(list, one_review(review->reviews[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* Why the whole is denied: also what each constraint objects to that one could have used. */
static json_t *all_violations(const Bulkhead__V1__ReviewPodResponse *review)
{
	json_t *list = json_array();
	int r = append_messages(list, review->violations, review->n_violations);

	for (size_t i = 0; r == 0 && !*review->constraint && i < review->n_reviews; i++) {
		const Bulkhead__V1__ConstraintReview *one = review->reviews[i];

		if (one->usable)
			r = append_messages(list, one->violations, one->n_violations);
	}
	if (r == 0)
		return list;
	json_decref(list);
	return NULL;
}

int explain_review_json(
	const Bulkhead__V1__ReviewPodResponse *review, char **ret, struct error *err)
{
	json_t *json = json_pack("{s:b, s:o, s:o}", "allowed", review->allowed, "violations",
		all_violations(review), "reviews", all_reviews(review));

	if (json && *review->constraint &&
		json_object_set_new(json, "constraint", text(review->constraint)) < 0) {
		json_decref(json);
		json = NULL;
	}
	return print(json, ret, err);
}
