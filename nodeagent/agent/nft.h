/* Removing one table of nf_tables: all of nf_tables that the agent needs, so without a library. */
#ifndef NODEAGENT_AGENT_NFT_H
#define NODEAGENT_AGENT_NFT_H

#include <stdint.h>

#include "lib/error.h"

/* Table 'name' of a family (NFPROTO_NETDEV...) with all in it. One that is not there is no error.
 */
int nft_table_remove(uint8_t family, const char *name, struct error *err);

#endif
