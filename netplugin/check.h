/*
 * Whether the switch does what the projects' networks say: each pair of this node's pods, and a way
 * to each other node, asked of the switch one after the other (trace.c drives it). Above
 * CHECK_ASKED_MAX pairs some of them, spread evenly.
 */
#ifndef NETPLUGIN_CHECK_H
#define NETPLUGIN_CHECK_H

#include "netplugin/trace_answer.h"

#define CHECK_ASKED_MAX       4096
#define CHECK_DIFFERENCES_MAX 32 /* told; all are counted */
#define CHECK_DEADLINE_MSEC   30000

struct check;

/* As the ports are now. The caller owns the result. */
struct check *check_new(const struct netd *netd);
void check_free(struct check *check);

/* Writes both ends of the next question; false when there is none. */
bool check_next(struct check *check, struct trace_found *found);

/* Compares what came out of it. */
void check_take(const struct netd *netd, struct check *check, const struct trace_found *found);

/* Sends NET_CHECKED; 'err' is ERR_NONE for success. */
void check_answer(
	struct netd *netd, uint32_t serial, const struct check *check, const struct error *err);

#endif
