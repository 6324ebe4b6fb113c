/*
 * How much a group of processes, or the machine, waited for CPU, memory and I/O: the kernel's
 * pressure stall information (Documentation/accounting/psi.rst), as it writes it, less the totals.
 */
#ifndef NODEAGENT_AGENT_PRESSURE_H
#define NODEAGENT_AGENT_PRESSURE_H

#include <stddef.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/error.h"

#define PRESSURE_TEXT_SIZE 64
#define PRESSURES          3 /* cpu, memory, io */

struct pressure {
	char some[PRESSURE_TEXT_SIZE]; /* "avg10=0.00 avg60=0.00 avg300=0.00"; "" not there */
	char full[PRESSURE_TEXT_SIZE];
};

/* Pure: what a pressure file says. -1 when it says nothing. */
int pressure_parse(const char *text, struct pressure *ret);

/*
 * Appends a row for each resource that has a file "<resource><suffix>" in 'dirfd'. A kernel without
 * them gives none. Errors: no memory.
 */
int pressure_append(Bulkhead__V1__Pressure ***list, size_t *n, const char *group, int dirfd,
	const char *suffix, struct error *err);

#endif
