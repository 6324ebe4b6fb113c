/*
 * What one check of the Pod Security Standards finds in a pod: the offending fields, and upstream's
 * sentence about them. Used by auth/pss_baseline.c and auth/pss_restricted.c alone.
 */
#ifndef AUTH_PSS_FINDING_H
#define AUTH_PSS_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PSS_REASON_MAX 8192 /* bytes; a longer sentence ends in "..." */

/* Texts on the heap, in the order they came. */
struct pss_texts {
	char **items;
	size_t n;
	bool no_memory;
};

/* Zeroed is empty: nothing found. */
struct pss_finding {
	struct pss_texts fields;   /* "spec.hostNetwork" */
	struct pss_texts subjects; /* names of offending containers or volumes */
	struct pss_texts values;   /* what they are not allowed to say */
	size_t annotations;        /* of the values, how many are annotations */
	bool pod;                  /* the pod itself offends, not only a container */
	FILE *stream;              /* of 'text', while sentences are added */
	char *text;
	size_t text_size;
	bool no_memory;
};

void pss_finding_done(struct pss_finding *f);

/* Formats the path of an offending field; escaped as below. */
void pss_finding_field(struct pss_finding *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* NULL is the name of something that has none. */
void pss_finding_subject(struct pss_finding *f, const char *name);
void pss_finding_value(struct pss_finding *f, const char *value);

/* The value <key>="<value>", with what Go's %q does to 'value'. */
void pss_finding_annotation(struct pss_finding *f, const char *key, const char *value);

/* Sorts the texts from number 'first' on by bytes and drops doubles, as upstream's sets print. */
void pss_texts_set(struct pss_texts *texts, size_t first);

/* Empties texts. */
void pss_texts_done(struct pss_texts *texts);

/*
 * Adds a sentence. In it stand for
 *   {setters}     pod and containers "a", "b" and annotation (those that offend)
 *   {containers}  container "a", or containers "a", "b"
 *   {subjects}    "a", "b"
 *   {ss}          an s unless there is one subject
 *   {use}         uses, or use
 *   {values}      "x", "y"
 *   {list}        x, y
 *   {vs}          an s unless there is one value
 * Control characters and those that nobody sees are escaped, so that it stays one line.
 */
void pss_finding_say(struct pss_finding *f, const char *sentence);

/* Ends the text: cut at PSS_REASON_MAX. Returns it, borrowed; NULL when nothing was said. */
const char *pss_finding_text(struct pss_finding *f);

/* Whether something is missing for want of memory. */
bool pss_finding_no_memory(const struct pss_finding *f);

#endif
