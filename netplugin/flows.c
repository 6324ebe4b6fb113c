#include "netplugin/flows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "netplugin/names.h"

#define IF_TENANT  1u  /* only for a VNID other than 0 */
#define IF_GLOBAL  2u  /* only for VNID 0 */
#define IF_OVERLAY 4u  /* only with a tunnel */
#define IF_GATEWAY 8u  /* only with a way out of the cluster */
#define IF_CLOSED  16u /* only without */

/* $name is replaced by what flow_values says. */
struct flow_row {
	unsigned table;
	unsigned priority;
	const char *match;
	const char *actions;
	unsigned when;
};

/* An ARP request is answered with the target's address and sent back where it came from. */
#define ARP_ANSWER                                                                                 \
	"move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:$mac->eth_src,"                         \
	"set_field:2->arp_op,move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],set_field:$mac->arp_sha,"     \
	"move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],set_field:$ip->arp_spa,in_port"

static const struct flow_row base_rows[] = {
	/* A tag would hide what is behind it from no match here, but reach the other pod. */
	{ 0, 300, "vlan_tci=0x1000/0x1000", "drop", 0 },
	{ 0, 300, "in_port=LOCAL", "drop", IF_CLOSED },
	{ 0, 200, "ipv6", "drop", 0 },
	{ 0, 160, "ip,in_port=$tunnel", "goto_table:10", IF_OVERLAY },
	{ 0, 150, "in_port=$tunnel", "drop", IF_OVERLAY }, /* ARP is answered where it is asked */
	{ 0, 100, "arp", "goto_table:20", 0 },
	{ 0, 100, "ip", "goto_table:20", 0 },
	{ 0, 0, "", "drop", 0 },

	{ 10, 0, "", "drop", 0 }, /* from no node of the cluster */

	{ 20, 300, "udp,tp_dst=4789", "drop", 0 }, /* VXLAN is the nodes' */
	{ 20, 300, "udp,tp_src=67", "drop", 0 },   /* a pod is no DHCP server */
	/* From outside comes what the node's own rules let in (gateway_rules.c), and nothing that
	 * says to be a pod's. */
	{ 20, 250, "arp,in_port=LOCAL,arp_spa=$gateway,arp_tpa=$subnet", "goto_table:40",
		IF_GATEWAY },
	{ 20, 250, "ip,in_port=LOCAL,nw_src=$gateway,nw_dst=$subnet", "goto_table:30", IF_GATEWAY },
	{ 20, 240, "ip,in_port=LOCAL,nw_src=$cluster", "drop", IF_GATEWAY },
	{ 20, 230, "ip,in_port=LOCAL,nw_dst=$subnet", "goto_table:30", IF_GATEWAY },
	{ 20, 0, "", "drop", 0 }, /* forged MAC, IP or ARP */
	{ 21, 0, "", "goto_table:22", 0 },
	{ 22, 0, "", "goto_table:30", 0 },

	{ 27, 300, "ct_state=+inv+trk,ip", "drop", 0 },
	{ 27, 0, "", "goto_table:30", 0 },
	{ 30, 0, "", "goto_table:31", 0 },

	{ 31, 400, "ip,nw_dst=224.0.0.0/4", "drop", 0 },
	{ 31, 400, "ip,nw_dst=255.255.255.255", "drop", 0 },
	{ 31, 300, "arp,arp_tpa=$gateway", "drop", IF_CLOSED },
	{ 31, 300, "ip,nw_dst=$gateway", "drop", 0 }, /* a way, no place */
	{ 31, 200, "arp,arp_tpa=$subnet", "goto_table:40", 0 },
	{ 31, 200, "ip,nw_dst=$subnet", "goto_table:70", 0 },
	{ 31, 100, "arp,arp_tpa=$cluster", "goto_table:50", 0 },
	{ 31, 100, "ip,nw_dst=$cluster", "set_field:1->reg4,goto_table:75", 0 },
	{ 31, 50, "ip", "set_field:2->reg4,goto_table:75", 0 },
	{ 31, 0, "", "drop", 0 },

	{ 40, 100, "arp,arp_op=1,arp_tpa=$gateway", ARP_ANSWER, IF_GATEWAY },
	{ 40, 0, "", "drop", 0 },
	{ 50, 0, "", "drop", 0 },
	{ 70, 0, "", "drop", 0 },

	{ 75, 0, "", "goto_table:76", 0 },
	/* Whose opening was not seen: who opened it is not known, unless a rule allows this end to.
	 */
	{ 76, 200, "ct_state=+new+trk,tcp,tcp_flags=-syn,reg5=0", "goto_table:77", 0 },
	{ 76, 100, "ct_state=+new+trk,ip", "set_field:1->reg6,goto_table:77", 0 },
	{ 76, 0, "", "goto_table:77", 0 },
	{ 77, 200, "ip,reg4=1,reg6=1", "ct(commit,zone=$zone),goto_table:90", 0 },
	{ 77, 100, "reg4=1", "goto_table:90", 0 },
	{ 77, 100, "reg4=2", "goto_table:99", 0 },
	{ 77, 50, "ip,in_port=LOCAL", "goto_table:78", IF_GATEWAY },
	{ 77, 0, "", "goto_table:80", 0 },
	/* What routers say of a connection is let in with it. */
	{ 78, 65000, "icmp,icmp_type=3", "goto_table:80", IF_GATEWAY },
	{ 78, 65000, "icmp,icmp_type=11", "goto_table:80", IF_GATEWAY },
	{ 78, 65000, "icmp,icmp_type=12", "goto_table:80", IF_GATEWAY },
	{ 78, 0, "", "goto_table:80", 0 },

	{ 80, 200, "reg0=0", "goto_table:81", 0 },
	{ 80, 200, "reg1=0", "goto_table:81", 0 },
	{ 80, 0, "", "drop", 0 },
	/* Only what is delivered is remembered. */
	{ 81, 100, "ip,reg6=1", "ct(commit,zone=$zone),goto_table:82", 0 },
	{ 81, 0, "", "goto_table:82", 0 },
	{ 82, 0, "", "goto_table:83", 0 },
	{ 83, 0, "", "goto_table:84", 0 },
	{ 84, 0, "", "output:NXM_NX_REG2[]", 0 },

	{ 90, 0, "", "drop", 0 },

	/* Never out of the cluster: "this network", loopback, link-local (metadata), reserved. */
	{ 99, 300, "ip,nw_dst=0.0.0.0/8", "drop", IF_GATEWAY },
#ifndef BULKHEAD_WEAK_EGRESS_PLACES
	{ 99, 300, "ip,nw_dst=127.0.0.0/8", "drop", IF_GATEWAY },
	{ 99, 300, "ip,nw_dst=169.254.0.0/16", "drop", IF_GATEWAY },
#endif
	{ 99, 300, "ip,nw_dst=240.0.0.0/4", "drop", IF_GATEWAY },
	{ 99, 100, "ip", "goto_table:100", IF_GATEWAY },
	{ 99, 0, "", "drop", 0 },
	{ 100, 0, "", "goto_table:101", 0 },
	{ 101, 200, "ip,reg6=1", "ct(commit,zone=$zone),output:LOCAL", IF_GATEWAY },
	{ 101, 100, "ip", "output:LOCAL", IF_GATEWAY },
	{ 101, 0, "", "drop", 0 },
	{ 253, 0, "", "note:$note", 0 },
};

static const struct flow_row pod_rows[] = {
#ifdef BULKHEAD_WEAK_SPOOF
	{ 20, 100, "in_port=$port", "set_field:$vnid->reg0,goto_table:21", 0 },
#else
	/* Port, MAC and IP, and in ARP both again, must be the pod's. */
	{ 20, 100, "arp,in_port=$port,dl_src=$mac,arp_sha=$mac,arp_spa=$ip",
		"set_field:$vnid->reg0,goto_table:21", 0 },
	{ 20, 100, "ip,in_port=$port,dl_src=$mac,nw_src=$ip", "set_field:$vnid->reg0,goto_table:21",
		0 },
#endif
	{ 40, 100, "arp,arp_op=1,reg0=$vnid,arp_tpa=$ip", ARP_ANSWER, IF_TENANT },
	{ 40, 100, "arp,arp_op=1,reg0=0,arp_tpa=$ip", ARP_ANSWER, IF_TENANT },
	{ 40, 100, "arp,arp_op=1,arp_tpa=$ip", ARP_ANSWER, IF_GLOBAL },
	{ 70, 100, "ip,dl_dst=$mac,nw_dst=$ip",
		"set_field:$vnid->reg1,set_field:$port->reg2,goto_table:75", 0 },
};

static const struct flow_row vnid_rows[] = {
#ifdef BULKHEAD_WEAK_TENANCY
	{ 80, 100, "reg0=$vnid", "goto_table:81", 0 },
#endif
	{ 80, 100, "reg0=$vnid,reg1=$vnid", "goto_table:81", 0 },
};

/*
 * What a node sends must come from its own pods and go to ours; which VNID a pod of it has, it
 * says. A pod's MAC address follows from its IP address, so requests for any of the peer's are
 * answered here, whether there is a pod or not.
 */
static const struct flow_row peer_rows[] = {
#ifdef BULKHEAD_WEAK_TUNNEL
	{ 10, 100, "ip,nw_src=$remote", "move:NXM_NX_TUN_ID[0..31]->NXM_NX_REG0[],goto_table:30",
		0 },
#else
	{ 10, 100, "ip,tun_src=$peer,nw_src=$remote,nw_dst=$subnet",
		"move:NXM_NX_TUN_ID[0..31]->NXM_NX_REG0[],goto_table:30", 0 },
#endif
	{ 50, 100, "arp,arp_op=1,arp_tpa=$remote",
		"move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:$prefix->eth_src,"
		"move:NXM_OF_ARP_TPA[]->NXM_OF_ETH_SRC[0..31],set_field:2->arp_op,"
		"move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],set_field:$prefix->arp_sha,"
		"move:NXM_OF_ARP_TPA[]->NXM_NX_ARP_SHA[0..31],"
		"move:NXM_OF_ARP_TPA[]->NXM_NX_REG3[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],"
		"move:NXM_NX_REG3[]->NXM_OF_ARP_SPA[],in_port",
		0 },
	{ 99, 300, "ip,nw_dst=$peer", "drop", 0 }, /* the nodes themselves are not for pods */
	{ 90, 100, "ip,nw_dst=$remote",
		"move:NXM_NX_REG0[]->NXM_NX_TUN_ID[0..31],set_field:$peer->tun_dst,output:$tunnel",
		0 },
};

/* Values of the placeholders, as text. */
enum {
	V_GATEWAY,
	V_SUBNET,
	V_CLUSTER,
	V_NOTE,
	V_PORT,
	V_PEER,
	V_PREFIX,
	V_REMOTE,
	V_TUNNEL,
	V_MAC,
	V_IP,
	V_VNID,
	V_ZONE,
	V_END
};

static const char *const value_names[V_END] = {
	[V_GATEWAY] = "gateway",
	[V_SUBNET] = "subnet",
	[V_CLUSTER] = "cluster",
	[V_NOTE] = "note",
	[V_PORT] = "port",
	[V_PEER] = "peer",
	[V_PREFIX] = "prefix",
	[V_REMOTE] = "remote",
	[V_TUNNEL] = "tunnel",
	[V_MAC] = "mac",
	[V_IP] = "ip",
	[V_VNID] = "vnid",
	[V_ZONE] = "zone",
};

struct flow_values {
	char text[V_END][32];
};

uint64_t flow_cookie(enum flow_class flow_class, uint32_t object)
{
	return (uint64_t)FLOWS_EPOCH << 48 | (uint64_t)flow_class << 32 | object;
}

uint32_t flow_gateway(const struct flow_node *node)
{
	return node->subnet.address + 1;
}

void flow_list_done(struct flow_list *list)
{
	for (size_t i = 0; i < list->len; i++)
		free(list->lines[i]);
	free(list->lines);
	*list = (struct flow_list){ 0 };
}

int flow_list_add(struct flow_list *list, char *line, struct error *err)
{
	char **lines = reallocarray(list->lines, list->len + 1, sizeof(*lines));

	if (!lines) {
		free(line);
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot compute flows");
	}
	lines[list->len++] = line;
	list->lines = lines;
	return 0;
}

/* A line being written; 'len' grows past the room when that is too little. */
struct flow_text {
	char text[1024];
	size_t len;
};

static void put(struct flow_text *out, const char *text, size_t len)
{
	if (out->len + len < sizeof(out->text))
		memcpy(out->text + out->len, text, len);
	out->len += len;
}

/* Writes 'template' with its placeholders replaced. */
static void expand(struct flow_text *out, const char *template, const struct flow_values *values)
{
	for (const char *p = template; *p; p++) {
		size_t len = strcspn(p, "$");
		size_t i = 0;

		put(out, p, len);
		p += len;
		if (!*p)
			return;
		while (i < V_END && strncmp(p + 1, value_names[i], strlen(value_names[i])) != 0)
			i++;
		if (i == V_END) /* the unit test reads every row: none has an unknown name */
			continue;
		put(out, values->text[i], strlen(values->text[i]));
		p += strlen(value_names[i]);
	}
}

static int append(struct flow_list *list, uint64_t cookie, const struct flow_row *row,
	const struct flow_values *values, struct error *err)
{
	struct flow_text out;
	char *line;

	out.len =
		(size_t)snprintf(out.text, sizeof(out.text), "cookie=0x%llx,table=%u,priority=%u,",
			(unsigned long long)cookie, row->table, row->priority);
	expand(&out, row->match, values);
	expand(&out, row->match[0] ? ",actions=" : "actions=", values);
	expand(&out, row->actions, values);
	if (out.len >= sizeof(out.text))
		return error_set(
			err, ERR_INTERNAL, 0, "a flow of table %u is too long", row->table);
	line = strndup(out.text, out.len);
	if (!line)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot compute flows");
	return flow_list_add(list, line, err);
}

static int append_rows(struct flow_list *list, uint64_t cookie, const struct flow_row *rows,
	size_t rows_len, unsigned exclude, const struct flow_values *values, struct error *err)
{
	for (size_t i = 0; i < rows_len; i++) {
		if (rows[i].when & exclude)
			continue;
		if (append(list, cookie, &rows[i], values, err) < 0)
			return -1;
	}
	return 0;
}

static void set_tunnel(struct flow_values *values)
{
	snprintf(values->text[V_TUNNEL], sizeof(values->text[0]), "%d", FLOW_TUNNEL_PORT);
}

int flows_base(const struct flow_node *node, struct flow_list *list, struct error *err)
{
	struct flow_values values = { 0 };
	uint8_t mac[6];

	address_format(flow_gateway(node), values.text[V_GATEWAY]);
	address_format(flow_gateway(node), values.text[V_IP]);
	mac_of_address(flow_gateway(node), mac);
	mac_format(mac, values.text[V_MAC]);
	ipnet_format(&node->subnet, values.text[V_SUBNET]);
	ipnet_format(&node->cluster, values.text[V_CLUSTER]);
	snprintf(values.text[V_NOTE], sizeof(values.text[0]), "62.68.%02x.%02x.00.00",
		FLOWS_EPOCH >> 8, FLOWS_EPOCH & 255); /* "bh", the epoch, padding as in a dump */
	snprintf(values.text[V_ZONE], sizeof(values.text[0]), "%u", FLOWS_CT_ZONE);
	set_tunnel(&values);
	return append_rows(list, flow_cookie(FLOW_BASE, 0), base_rows, ARRAY_LEN(base_rows),
		(node->overlay ? 0 : IF_OVERLAY) | (node->gateway ? IF_CLOSED : IF_GATEWAY),
		&values, err);
}

int flows_pod(const struct flow_port *port, struct flow_list *list, struct error *err)
{
	struct flow_values values = { 0 };
	uint8_t mac[6];

	mac_of_address(port->address, mac);
	mac_format(mac, values.text[V_MAC]);
	address_format(port->address, values.text[V_IP]);
	snprintf(values.text[V_PORT], sizeof(values.text[0]), "%u", port->ofport);
	snprintf(values.text[V_VNID], sizeof(values.text[0]), "%u", port->vnid);
	return append_rows(list, flow_cookie(FLOW_POD, port->address), pod_rows,
		ARRAY_LEN(pod_rows), port->vnid == VNID_GLOBAL ? IF_TENANT : IF_GLOBAL, &values,
		err);
}

int flows_vnid(uint32_t vnid, struct flow_list *list, struct error *err)
{
	struct flow_values values = { 0 };

	snprintf(values.text[V_VNID], sizeof(values.text[0]), "%u", vnid);
	return append_rows(list, flow_cookie(FLOW_VNID, vnid), vnid_rows, ARRAY_LEN(vnid_rows), 0,
		&values, err);
}

int flows_peer(const struct flow_node *node, const struct flow_peer *peer, struct flow_list *list,
	struct error *err)
{
	struct flow_values values = { 0 };
	uint8_t mac[6];

	mac_of_address(0, mac);
	mac_format(mac, values.text[V_PREFIX]);
	ipnet_format(&node->subnet, values.text[V_SUBNET]);
	ipnet_format(&peer->subnet, values.text[V_REMOTE]);
	address_format(peer->address, values.text[V_PEER]);
	set_tunnel(&values);
	return append_rows(list, flow_cookie(FLOW_PEER, peer->subnet.address), peer_rows,
		ARRAY_LEN(peer_rows), 0, &values, err);
}
