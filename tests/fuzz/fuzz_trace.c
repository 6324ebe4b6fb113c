/* Any text as what ofproto/trace prints: what is taken from it lies within the limits. */
#include <stdlib.h>
#include <string.h>

#include "netplugin/trace_text.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void look_at(const struct trace_step *step)
{
	if (step->table > 254 || step->priority > 65535 || step->actions_len > TRACE_ACTIONS_MAX ||
		!step->match || (step->missed && (step->priority || step->match[0])))
		abort();
	for (size_t i = 0; i < step->actions_len; i++) {
		if (step->actions[i][0] == '\0' || strchr(step->actions[i], '\n'))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct trace_text *trace = NULL;
	struct error err = { 0 };

	if (trace_text_parse((const char *)data, size, &trace, &err) < 0) {
		if (trace || err.code == ERR_NONE)
			abort();
		return 0;
	}
	if (trace->steps_len == 0 || trace->steps_len > TRACE_STEPS_MAX || !trace->datapath)
		abort();
	for (size_t i = 0; i < trace->steps_len; i++)
		look_at(&trace->steps[i]);
	trace_text_free(trace);
	return 0;
}
