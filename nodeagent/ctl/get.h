/* What `get` does alike for every kind; pods have a file of their own. */
#ifndef NODEAGENT_CTL_GET_H
#define NODEAGENT_CTL_GET_H

#include "nodeagent/ctl/ctl.h"

#define GET_CELL_SIZE 128

int get_pods(struct ctl *ctl, const struct ctl_names *names, struct error *err);

/* Whether -o is 'format'. */
bool get_wants(const struct args *args, const char *format);

/* How long ago 'created_at' (seconds since 1970) was; "<unknown>" for 0. Borrows 'buf'. */
const char *get_age(int64_t created_at, char *buf);

/* Prints objects as -o json or yaml: one alone when it was named, else a List. */
int get_print_objects(const struct args *args, const ProtobufCMessage *const *objects, size_t n,
	bool single, const char *kind, struct error *err);

/* Whether 'name' is among the names, or there are none. */
bool get_is_named(const struct ctl_names *names, const char *name);

/*
 * The objects that were named, in the order of the names; all when none was. *ret is as long as
 * 'n' and the names together. -1 when one is not there; the others are in *ret all the same.
 */
int get_pick(const ProtobufCMessage *const *objects, size_t n,
	const char *(*name_of)(const ProtobufCMessage *), const struct ctl_names *names,
	const char *plural, const ProtobufCMessage **ret, size_t *ret_len, struct error *err);

#endif
