#include <string.h>

#include "netplugin/policy.h"

static const char *value_of(const struct policy_labels *labels, const char *key)
{
	for (size_t i = 0; i < labels->len; i++) {
		if (strcmp(labels->items[i]->key, key) == 0)
			return labels->items[i]->value;
	}
	return NULL;
}

static bool is_one_of(const K8sLabelSelectorRequirement *r, const char *value)
{
	for (size_t i = 0; i < r->n_values; i++) {
		if (strcmp(r->values[i], value) == 0)
			return true;
	}
	return false;
}

static bool meets(const K8sLabelSelectorRequirement *r, const struct policy_labels *labels)
{
	const char *value = value_of(labels, r->key ? r->key : "");
	const char *operator= r->operator_ ? r->operator_ : "";

	if (strcmp(operator, "In") == 0)
		return value && is_one_of(r, value);
	if (strcmp(operator, "NotIn") == 0)
		return !value || !is_one_of(r, value);
	if (strcmp(operator, "Exists") == 0)
		return value != NULL;
	return strcmp(operator, "DoesNotExist") == 0 && !value;
}

bool policy_selects(const K8sLabelSelector *selector, const struct policy_labels *labels)
{
	for (size_t i = 0; i < selector->n_matchlabels; i++) {
		const char *key = selector->matchlabels[i]->key;
		const char *wanted = selector->matchlabels[i]->value;
		const char *value = value_of(labels, key ? key : "");

		if (!value || strcmp(value, wanted ? wanted : "") != 0)
			return false;
	}
	for (size_t i = 0; i < selector->n_matchexpressions; i++) {
		if (!meets(selector->matchexpressions[i], labels))
			return false;
	}
	return true;
}
