/*
 * What a trace means: verdict, reason and what would change it, in words. Pure; what the words need
 * to know beside the trace is given.
 */
#ifndef NODEAGENT_AGENT_TRACE_WORDS_H
#define NODEAGENT_AGENT_TRACE_WORDS_H

#include <stdint.h>

#include "bulkhead/v1/ipc.pb-c.h"

#define TRACE_REASON_SIZE 1024
#define TRACE_ADVICE_SIZE 512

#define TRACE_REACHES "reaches"
#define TRACE_NOT     "does not reach"
#define TRACE_LEAVES  "leaves"

struct trace_facts {
	const char *node;           /* name of the other node, where one end is there; else "" */
	const char *source_project; /* of a source on another node; else "" */
	int64_t source_row;         /* VNID that the cluster's row of its project has; -1: no row */
	int64_t destination_row;
};

struct trace_words {
	const char *verdict;
	char reason[TRACE_REASON_SIZE];
	char advice[TRACE_ADVICE_SIZE];
};

/* 'traced' is no error and has all its parts. */
void trace_words(struct trace_words *ret, const Bulkhead__V1__NetTraced *traced,
	const struct trace_facts *facts);

/* "pod", "delivered"...: what the API calls them; "unknown" for a foreign number. */
const char *trace_place_name(Bulkhead__V1__NetPlace place);
const char *trace_verdict_name(Bulkhead__V1__NetVerdict verdict);

#endif
