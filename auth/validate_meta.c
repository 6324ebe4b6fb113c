#include <string.h>

#include "auth/validate.h"
#include "auth/validate_parts.h"
#include "proto/text.h"

static void check_labels(const struct validation *v, const K8sObjectMeta *m, const struct place *at)
{
	if (!want_count(v, at, m->n_labels, VALIDATE_LABELS_MAX))
		return;
	for (size_t i = 0; i < m->n_labels; i++) {
		const char *key = m->labels[i]->key ? m->labels[i]->key : "";
		const struct place *here = AT_KEY(at, key);

		want_text(v, here, key, rule_label_key);
		want_text_if(v, here, m->labels[i]->value, rule_label_value);
	}
}

static void check_annotations(
	const struct validation *v, const K8sObjectMeta *m, const struct place *at)
{
	size_t size = 0;

	for (size_t i = 0; i < m->n_annotations; i++) {
		const char *key = m->annotations[i]->key ? m->annotations[i]->key : "";
		const char *value = m->annotations[i]->value;

		want_text(v, AT_KEY(at, key), key, rule_annotation_key);
		size += strlen(key) + (value ? strlen(value) : 0);
	}
	if (size > VALIDATE_ANNOTATIONS_MAX)
		invalid(v, at, "keys and values are %zu bytes together; at most %d are allowed",
			size, VALIDATE_ANNOTATIONS_MAX);
}

void validate_meta(const struct validation *v)
{
	const struct place *at = AT(NULL, "metadata");
	const K8sObjectMeta *m = v->pod->metadata;

	if (!m) {
		invalid(v, at, "must be given");
		return;
	}
	want_text(v, AT(at, "name"), m->name, rule_dns_subdomain);
	want_text(v, AT(at, "namespace"), m->namespace_, rule_dns_label);
	check_labels(v, m, AT(at, "labels"));
	check_annotations(v, m, AT(at, "annotations"));
}
