/*
 * What the parts of validation share: the pod under judgement, how an objection is raised, and the
 * rules for texts and numbers.
 */
#ifndef AUTH_VALIDATE_RULES_H
#define AUTH_VALIDATE_RULES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "auth/validate_place.h"
#include "auth/violation.h"
#include "proto/k8s.h"

struct validation {
	const K8sPod *pod;
	const K8sPodSpec *spec;                /* never NULL */
	const K8sPodSecurityContext *security; /* never NULL */
	struct violations *out;
};

/* Check "validate", code ERR_INVALID. */
void invalid(const struct validation *v, const struct place *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* NULL when the text follows the rule, else what it must be: "must be ...". Static text. */
typedef const char *(*text_rule)(const char *text);

const char *rule_dns_label(const char *text);     /* RFC 1123 */
const char *rule_dns_subdomain(const char *text); /* RFC 1123 */
const char *rule_port_name(const char *text);     /* IANA_SVC_NAME, RFC 6335 */
const char *rule_label_key(const char *text);     /* qualified name with optional prefix */
const char *rule_annotation_key(const char *text);
const char *rule_label_value(const char *text);
const char *rule_env_name(const char *text);   /* printable ASCII but '=' */
const char *rule_config_key(const char *text); /* a key of a secret or config map */
const char *rule_sysctl_name(const char *text);
const char *rule_ip(const char *text);
const char *rule_relative_path(const char *text); /* of a file in a volume */
const char *rule_absolute_path(const char *text); /* without ".." parts */
const char *rule_local_profile(const char *text); /* a path beneath the profiles' directory */

/*
 * An absolute path as it is meant: without "", "." and a '/' at its end. False, and 'ret' is "",
 * when rule_absolute_path() objects.
 */
bool path_normal(const char *path, char ret[PATH_MAX]);

/* A text that must be there. */
void want_text(
	const struct validation *v, const struct place *at, const char *text, text_rule rule);

/* One that may be absent or empty. */
void want_text_if(
	const struct validation *v, const struct place *at, const char *text, text_rule rule);

/* One of a list that ends with NULL, or absent. */
void want_one_of(const struct validation *v, const struct place *at, const char *text,
	const char *const *allowed);

/* min <= value <= max */
void want_range(const struct validation *v, const struct place *at, int64_t value, int64_t min,
	int64_t max);

/* False, after an objection, when a list is longer than may be: the caller looks no further. */
bool want_count(const struct validation *v, const struct place *at, size_t n, size_t max);

/* Ids as pods have them: 0 to 2^31-1. */
void want_id(const struct validation *v, const struct place *at, bool has, int64_t id);

/* Exactly one member of a message of messages; 'what' names them in the objection. */
void want_one_member(const struct validation *v, const struct place *at,
	const ProtobufCMessage *msg, const char *what);

static inline bool is_set(const char *text)
{
	return text && *text;
}

static inline bool text_is(const char *text, const char *other)
{
	return text && strcmp(text, other) == 0;
}

#endif
