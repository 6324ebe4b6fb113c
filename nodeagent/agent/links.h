/*
 * The host ends of pods' veth pairs. netd removes them one by one; at a node's end they are found
 * by the alias that netd gave them. They would go by themselves with their pods' network
 * namespaces, but the kernel takes its time for those.
 */
#ifndef NODEAGENT_AGENT_LINKS_H
#define NODEAGENT_AGENT_LINKS_H

#include "lib/error.h"

/*
 * Removes every link of this network namespace whose alias begins with 'prefix'. One that goes by
 * itself meanwhile is no error.
 */
int links_remove(const char *prefix, struct error *err);

#endif
