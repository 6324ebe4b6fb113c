/*
 * What a judge found wrong: a growing list of {check, field, reason} that validation, security
 * context constraints and pod security standards all fill, and that the API and the CLI print.
 */
#ifndef AUTH_VIOLATION_H
#define AUTH_VIOLATION_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"

#define VIOLATIONS_MAX 256 /* further ones are only counted, in 'more' */

struct violation {
	enum error_code code; /* ERR_INVALID, ERR_UNSUPPORTED or ERR_DENIED */
	char *check;  /* who objects: "validate", "honoured", "restricted-v2", "hostPorts" */
	char *field;  /* "spec.containers[0].image"; "" when the object as a whole */
	char *reason; /* the rule and the fix, lower case, one line */
};

/* Zeroed is empty. */
struct violations {
	struct violation *items;
	size_t n;
	size_t more;
	bool no_memory; /* something is missing from the list: violations_end() fails */
};

/* Frees all and leaves the list empty. */
void violations_done(struct violations *list);

/* Copies everything. Without memory the list is marked, so that nobody takes it for complete. */
void violation_add(struct violations *list, enum error_code code, const char *check,
	const char *field, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Moves all of 'from' behind 'list' and empties it. */
void violations_move(struct violations *list, struct violations *from);

/* Whether there is any, or might have been one. */
bool violations_any(const struct violations *list);

/* How a judge ends: 0 when the list is whole, else -1 with ERR_EXHAUSTED. */
int violations_end(const struct violations *list, struct error *err);

/*
 * Fills 'err' with all of them in one line, "<subject>: <field>: <reason>; ...", cut with "..."
 * and returns -1; without a subject (NULL) each is led by its check instead. With an empty list
 * returns 0 and leaves 'err' alone. The code is ERR_INVALID if any has it, else ERR_DENIED if any
 * has it, else ERR_UNSUPPORTED.
 */
int violations_error(const struct violations *list, const char *subject, struct error *err);

static inline void violations_cleanup(struct violations *list)
{
	violations_done(list);
}

#define cleanup_violations __attribute__((cleanup(violations_cleanup)))

#endif
