#include "nodeagent/ctl/flow_words.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

/* An action is 'prefix', a number or address where 'words' has a '*', and 'suffix'. */
static const struct {
	const char *prefix;
	const char *suffix;
	const char *words;
} rows[] = {
	{ "goto_table:", "", "goes on in table *" },
	{ "drop", "", "is dropped" },
	{ "set_field:", "->reg0", "comes from network *" },
	{ "set_field:", "->reg1", "goes to network *" },
	{ "set_field:", "->reg2", "would be delivered to port *" },
	{ "set_field:0x1", "->reg4", "is for another node" },
	{ "set_field:0x2", "->reg4", "is for outside the cluster" },
	{ "set_field:0x1", "->reg5", "is allowed by a network policy" },
	{ "set_field:0x1", "->reg6", "opens a connection that is to be remembered" },
	{ "output:NXM_NX_REG2[]", "", "is delivered to that port" },
	{ "output:", "", "leaves by port *" },
	{ "LOCAL", "", "leaves by the node's gateway" },
	{ "meter:", "", "is dropped above the rate of meter *" },
	{ "IN_PORT", "", "is sent back to where it came from" },
	{ "move:NXM_NX_REG0[]->NXM_NX_TUN_ID[0..31]", "",
		"carries its network as the tunnel's key" },
	{ "move:NXM_NX_TUN_ID[0..31]->NXM_NX_REG0[]", "",
		"comes from the network of the tunnel's key" },
	{ "set_field:", "->tun_dst", "goes through the tunnel to node *" },
	{ "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]", "", "is addressed to who sent it" },
	{ "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]", "",
		"names the asker's MAC address as target" },
	{ "move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[]", "", "names the asker's address as target" },
	{ "set_field:", "->eth_src", "is sent from MAC address *" },
	{ "set_field:", "->arp_spa", "says that it is * which answers" },
	{ "set_field:2", "->arp_op", "becomes an ARP answer" },
	{ "set_field:", "->arp_sha", "which says the MAC address *" },
	{ "ct(table=27", ")", "is looked up in conntrack, and goes on in table 27" },
	{ "ct(commit", ")", "its connection is remembered" },
};

/* Takes 'action' apart by row 'i'. */
static bool fits(size_t i, const char *action, const char **ret_value, size_t *ret_len)
{
	const size_t len = strlen(action), prefix = strlen(rows[i].prefix);
	const size_t suffix = strlen(rows[i].suffix);

	if (len < prefix + suffix || strncmp(action, rows[i].prefix, prefix) != 0 ||
		strcmp(action + len - suffix, rows[i].suffix) != 0)
		return false;
	*ret_value = action + prefix;
	*ret_len = len - prefix - suffix;
	/* Without a place for it there must be none, but for a ct()'s further arguments. */
	return strchr(rows[i].words, '*') || *ret_len == 0 || rows[i].prefix[0] == 'c';
}

/* Hexadecimal numbers are shown as decimal ones: networks and ports are, elsewhere. */
static void value_text(const char *value, size_t len, char *buf, size_t size)
{
	char *end;
	unsigned long n;

	snprintf(buf, size, "%.*s", (int)len, value);
	n = strtoul(buf, &end, 16);
	if (strncmp(buf, "0x", 2) == 0 && *end == '\0')
		snprintf(buf, size, "%lu", n);
}

const char *flow_words(const char *action, char buf[FLOW_WORDS_SIZE])
{
	const char *value;
	char text[64];
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *star = strchr(rows[i].words, '*');

		if (!fits(i, action, &value, &len))
			continue;
		if (!star) {
			snprintf(buf, FLOW_WORDS_SIZE, "%s", rows[i].words);
			return buf;
		}
		value_text(value, len, text, sizeof(text));
		snprintf(buf, FLOW_WORDS_SIZE, "%.*s%s%s", (int)(star - rows[i].words),
			rows[i].words, text, star + 1);
		return buf;
	}
	snprintf(buf, FLOW_WORDS_SIZE, "%s", action);
	return buf;
}
