/*
 * `bulkhead-agent --teardown`: takes everything of this node off the machine but its state folder.
 */
#ifndef NODEAGENT_AGENT_TEARDOWN_H
#define NODEAGENT_AGENT_TEARDOWN_H

#include <stdbool.h>

#include "lib/error.h"

struct agent;

/*
 * Without a loop, with the agent's lock held: ends pods and Open vSwitch's processes, removes
 * bridge, nf_tables table, cgroups and <run>; with 'purge' also what Bulkhead made in <state>. Of
 * 'agent' config, directories and cgroups are used. What is gone already is no error; goes on after
 * a failure and reports the first.
 */
int teardown(struct agent *agent, bool purge, struct error *err);

#endif
