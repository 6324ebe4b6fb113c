/*
 * What ovs-vswitchd prints for ofproto/trace (ovs-vswitchd(8), "OFPROTO COMMANDS"), taken apart:
 * which flow of which table the packet met, and what became of it. Pure.
 *
 * Only the first pipeline is read, up to where conntrack takes the packet: what ofproto/trace
 * prints behind that knows nothing of the connection's original tuple, which our policies match, so
 * it is asked for again with one (trace.c).
 */
#ifndef NETPLUGIN_TRACE_TEXT_H
#define NETPLUGIN_TRACE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define TRACE_TEXT_MAX    (256 * 1024) /* bytes */
#define TRACE_STEPS_MAX   64           /* a packet of ours meets about ten */
#define TRACE_ACTIONS_MAX 32           /* of one step */
#define TRACE_LOCAL       0xfffffffeu  /* the bridge's own port: to the node, and out */
#define TRACE_REGS        16

enum trace_end {
	TRACE_DROPPED,
	TRACE_OUTPUT,    /* to 'port' */
	TRACE_BACK,      /* to where it came from */
	TRACE_CONNTRACK, /* goes on in 'table', with the state of its connection */
};

/* One flow that the packet met. */
struct trace_step {
	unsigned table;
	unsigned priority;
	uint64_t cookie;
	int missed;  /* no flow of the table fits; the four others are then 0 or "" */
	char *match; /* "": any packet */
	char *actions[TRACE_ACTIONS_MAX];
	size_t actions_len;
};

struct trace_text {
	struct trace_step steps[TRACE_STEPS_MAX];
	size_t steps_len;
	enum trace_end end;
	uint32_t port;             /* OpenFlow number, of TRACE_OUTPUT */
	unsigned table;            /* of TRACE_CONNTRACK */
	uint32_t regs[TRACE_REGS]; /* as the pipeline left them */
	char *datapath;            /* "Datapath actions": "drop", "5" */
};

/*
 * Reads 'text' of 'size' bytes. The caller owns *ret, which trace_text_free() frees. Errors:
 * ERR_INVALID (not what ofproto/trace prints), ERR_EXHAUSTED (one of the limits above, memory).
 */
int trace_text_parse(const char *text, size_t size, struct trace_text **ret, struct error *err);
void trace_text_free(struct trace_text *trace);

#endif
