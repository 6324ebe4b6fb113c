#include <string.h>

#include "auth/validate_parts.h"
#include "proto/quantity.h"

#define HUGE_PAGES "hugepages-"

/* A map entry of limits or requests: both have the same members under two names. */
struct amount {
	const char *key;
	const K8sQuantity *quantity;
};

static bool is_huge(const char *name)
{
	return strncmp(name, HUGE_PAGES, strlen(HUGE_PAGES)) == 0;
}

/* Extended ones have a domain that is not Kubernetes'. */
static bool is_extended(const char *name)
{
	return strchr(name, '/') && !strstr(name, "kubernetes.io/");
}

static const char *rule_resource(const char *text)
{
	static const char *const known[] = { "cpu", "memory", "ephemeral-storage" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(text, known[i]) == 0)
			return NULL;
	}
	if (is_huge(text) || (is_extended(text) && !rule_label_key(text)))
		return NULL;
	return "must be cpu, memory, ephemeral-storage, hugepages-SIZE or an extended resource "
	       "with a domain";
}

/* In thousandths for cpu, else in units. */
static int amount_read(const struct amount *a, int64_t *ret, struct error *err)
{
	const char *text = a->quantity && a->quantity->string ? a->quantity->string : "0";

	return strcmp(a->key, "cpu") == 0 ? quantity_milli(text, ret, err)
					  : quantity_units(text, ret, err);
}

static void check_huge(
	const struct validation *v, const char *key, int64_t value, const struct place *at)
{
	int64_t page_size;

	if (quantity_units(key + strlen(HUGE_PAGES), &page_size, NULL) < 0 || page_size <= 0)
		invalid(v, at, "must be named for a page size, as hugepages-2Mi");
	else if (value == 0 || value % page_size != 0)
		invalid(v, at, "must be a multiple of the page size, and not 0");
}

static void check_amount(const struct validation *v, const struct amount *a, const struct place *at)
{
	struct error err = { 0 };
	int64_t value;

	want_text(v, at, a->key, rule_resource);
	if (amount_read(a, &value, &err) < 0)
		invalid(v, at, "%s", err.text);
	else if (value < 0)
		invalid(v, at, "must not be negative");
	else if (is_huge(a->key))
		check_huge(v, a->key, value, at);
}

static bool find_limit(const K8sResourceRequirements *r, const char *key, struct amount *ret)
{
	for (size_t i = 0; i < r->n_limits; i++) {
		if (!text_is(r->limits[i]->key, key))
			continue;
		*ret = (struct amount){ r->limits[i]->key, r->limits[i]->value };
		return true;
	}
	return false;
}

/* What cannot be taken back once given must be asked for exactly. */
static void check_limit(const struct validation *v, const struct amount *request,
	const K8sResourceRequirements *r, const struct place *at)
{
	bool exact = is_huge(request->key) || is_extended(request->key);
	struct error err = { 0 };
	struct amount limit;
	int64_t asked, most;

	if (!find_limit(r, request->key, &limit)) {
		if (exact)
			invalid(v, at, "must have a limit of the same amount");
		return;
	}
	if (amount_read(request, &asked, &err) < 0 || amount_read(&limit, &most, &err) < 0)
		return;
	if (exact && asked != most)
		invalid(v, at, "must equal the limit");
	else if (asked > most)
		invalid(v, at, "must not be more than the limit");
}

/* Who has huge pages only would be of the lowest quality of service, and the first to be killed. */
static void check_huge_beside(
	const struct validation *v, const K8sResourceRequirements *r, const struct place *at)
{
	const char *huge = NULL;
	bool beside = false;

	for (size_t i = 0; r && i < r->n_limits; i++) {
		const char *key = r->limits[i]->key ? r->limits[i]->key : "";

		huge = is_huge(key) ? key : huge;
		beside = beside || strcmp(key, "cpu") == 0 || strcmp(key, "memory") == 0;
	}
	for (size_t i = 0; r && i < r->n_requests; i++) {
		const char *key = r->requests[i]->key ? r->requests[i]->key : "";

		beside = beside || strcmp(key, "cpu") == 0 || strcmp(key, "memory") == 0;
	}
	if (huge && !beside)
		invalid(v, AT_KEY(AT(at, "limits"), huge), "needs cpu or memory beside it");
}

void validate_resources(
	const struct validation *v, const K8sResourceRequirements *r, const struct place *at)
{
	for (size_t i = 0; r && i < r->n_limits; i++) {
		const struct amount a = { r->limits[i]->key ? r->limits[i]->key : "",
			r->limits[i]->value };

		check_amount(v, &a, AT_KEY(AT(at, "limits"), a.key));
	}
	check_huge_beside(v, r, at);
	for (size_t i = 0; r && i < r->n_requests; i++) {
		const struct amount a = { r->requests[i]->key ? r->requests[i]->key : "",
			r->requests[i]->value };
		const struct place *here = AT_KEY(AT(at, "requests"), a.key);

		check_amount(v, &a, here);
		check_limit(v, &a, r, here);
	}
}

void validate_quantity(
	const struct validation *v, const K8sQuantity *quantity, const struct place *at)
{
	const struct amount a = { "", quantity };
	struct error err = { 0 };
	int64_t value;

	if (!quantity)
		return;
	if (amount_read(&a, &value, &err) < 0)
		invalid(v, at, "%s", err.text);
	else if (value < 0)
		invalid(v, at, "must not be negative");
}
