/*
 * Which fields of a pod this version honours: a table with one row for each field of each message
 * that a pod can hold. A field without a row is refused, so that nothing new slips through.
 */
#ifndef AUTH_VALIDATE_HONOUR_H
#define AUTH_VALIDATE_HONOUR_H

#include "auth/validate.h"
#include "auth/validate_walk.h"

#define HONOUR_TEXT_SIZE 256

/* What a check sees: one value of a field that is set. Borrowed. */
struct honour_case {
	const K8sPod *pod;
	const char *node_name;
	const struct walk_field *field;
	const void *value; /* walk_value(): a string, a message or entry, a scalar's address */
	char *text;        /* HONOUR_TEXT_SIZE bytes for a reason that is not static */
};

/* Of a limit of disk space, as the plans say. */
#define HONOURED_STORAGE_MIN (INT64_C(1) << 20)
#define HONOURED_STORAGE_MAX (INT64_C(1) << 43)

/* NULL when the value is honoured, else the rule and the fix. */
typedef const char *(*honour_check)(const struct honour_case *c);

struct honour_row {
	const ProtobufCMessageDescriptor *desc;
	const char *field; /* "*": every field, for messages of which none is honoured */
	enum honour honour;
	const char *fix;    /* REFUSED: what to do about it; NULL: remove it */
	honour_check check; /* SOME: which values are; REFUSED: which are not even asked for */
};

extern const struct honour_row honour_rows[];
extern const size_t honour_rows_len;

/* NULL when there is none. */
const struct honour_row *honour_row_find(const ProtobufCMessageDescriptor *desc, const char *field);

/* The checks, in the order of the table. */
const char *honour_empty(const struct honour_case *c); /* honoured when nothing is in it */
const char *honour_name(const struct honour_case *c);
const char *honour_annotation(const struct honour_case *c);
const char *honour_node(const struct honour_case *c);
const char *honour_scheduler(const struct honour_case *c);
const char *honour_preemption(const struct honour_case *c);
const char *honour_os(const struct honour_case *c);
const char *honour_id(const struct honour_case *c);
const char *honour_capability(const struct honour_case *c);
const char *honour_host_port(const struct honour_case *c);
const char *honour_sysctl_name(const struct honour_case *c);
const char *honour_sysctl_value(const struct honour_case *c);
const char *honour_message_path(const struct honour_case *c);
const char *honour_message_policy(const struct honour_case *c);
const char *honour_size_limit(const struct honour_case *c);
const char *honour_resource(const struct honour_case *c);
const char *honour_resource_ref(const struct honour_case *c);
const char *honour_mount_path(const struct honour_case *c);
const char *honour_propagation(const struct honour_case *c);
const char *honour_recursion(const struct honour_case *c);
const char *honour_probe_scheme(const struct honour_case *c);
const char *honour_probe_host(const struct honour_case *c);
const char *honour_probe_path(const struct honour_case *c);
const char *honour_medium(const struct honour_case *c);
const char *honour_config_map(const struct honour_case *c);

#endif
