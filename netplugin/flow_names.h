/* What tables and cookies of our flows are called, for those who read them (flows.h). Pure. */
#ifndef NETPLUGIN_FLOW_NAMES_H
#define NETPLUGIN_FLOW_NAMES_H

#include <stdint.h>

/* "verdict"; "" for a table that this version does not use. */
const char *flow_table_name(unsigned table);

/* The class (enum flow_class) and object of a cookie; class 0: the flow is not ours. */
unsigned flow_cookie_class(uint64_t cookie);
uint32_t flow_cookie_object(uint64_t cookie);

#endif
