#include "netplugin/gateway_rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "netplugin/netlink.h"

#define BATCH_SIZE 8192
#define SOURCE_AT  12 /* of the source address in an IPv4 header */

/* Conntrack's states as nf_tables has them (NF_CT_STATE_BIT of the kernel). */
#define STATE_INVALID     1u
#define STATE_ESTABLISHED 2u
#define STATE_RELATED     4u

/* What a rule asks of a packet; all must be so. */
#define IN_GATEWAY  1u
#define IN_OTHER    2u
#define OUT_GATEWAY 4u
#define OUT_OTHER   8u
#define NOT_UNICAST 16u /* to the node itself, or to many */
#define INVALID     32u /* conntrack knows nothing of it: it would keep its source address */
#define UNASKED     64u /* belongs to no connection that stands */
#define FROM_POD    128u

struct chain {
	const char *name;
	const char *type;
	uint32_t hook;
	int32_t priority;
};

/* After conntrack (-200); prerouting before others rewrite the target (-100). */
static const struct chain chains[] = {
	{ "prerouting", "filter", NF_INET_PRE_ROUTING, -150 },
	{ "input", "filter", NF_INET_LOCAL_IN, -10 },
	{ "forward", "filter", NF_INET_FORWARD, -10 },
	{ "output", "filter", NF_INET_LOCAL_OUT, -10 },
	{ "postrouting", "nat", NF_INET_POST_ROUTING, 100 },
};

static const struct rule {
	const char *chain;
	unsigned asks;
	bool masquerade; /* else drop */
	bool alone;      /* only with gateway_rules.alone */
} table[] = {
#ifndef BULKHEAD_WEAK_EGRESS_NODE
	{ "prerouting", IN_GATEWAY | NOT_UNICAST, false, false },
	{ "input", IN_GATEWAY, false, false },
#endif
	{ "forward", IN_GATEWAY | OUT_GATEWAY, false, false },
	{ "forward", IN_GATEWAY | INVALID, false, false },
#ifndef BULKHEAD_WEAK_EGRESS_UNASKED
	{ "forward", OUT_GATEWAY | UNASKED, false, false },
	{ "output", OUT_GATEWAY | UNASKED, false, false },
#endif
#ifndef BULKHEAD_WEAK_EGRESS_ALONE
	{ "forward", IN_OTHER | OUT_OTHER, false, true },
#endif
	{ "postrouting", FROM_POD | OUT_OTHER, true, false },
};

void gateway_table(const char *link, char ret[GATEWAY_TABLE_SIZE])
{
	snprintf(ret, GATEWAY_TABLE_SIZE, GATEWAY_TABLE_PREFIX "%s", link);
}

/* ---- expressions --------------------------------------------------------------------------- */

static struct nftnl_expr *add(struct nftnl_rule *rule, const char *name)
{
	struct nftnl_expr *expr = nftnl_expr_alloc(name);

	if (expr)
		nftnl_rule_add_expr(rule, expr);
	return expr;
}

static int add_compare(
	struct nftnl_rule *rule, enum nft_cmp_ops op, const void *data, uint32_t size)
{
	struct nftnl_expr *expr = add(rule, "cmp");

	if (!expr)
		return -1;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
	nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, data, size);
	return 0;
}

static int add_link(
	struct nftnl_rule *rule, enum nft_meta_keys key, enum nft_cmp_ops op, const char *link)
{
	struct nftnl_expr *expr = add(rule, "meta");
	char name[IFNAMSIZ] = "";

	if (!expr)
		return -1;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, NFT_REG_1);
	snprintf(name, sizeof(name), "%s", link);
	return add_compare(rule, op, name, sizeof(name));
}

/* Keeps of register 1 what 'mask' has. */
static int add_mask(struct nftnl_rule *rule, const uint32_t *mask)
{
	const uint32_t none = 0;
	struct nftnl_expr *expr = add(rule, "bitwise");

	if (!expr)
		return -1;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, sizeof(*mask));
	nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, mask, sizeof(*mask));
	nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, &none, sizeof(none));
	return 0;
}

/* 'op' compares the bits of the connection's state that 'states' has with none. */
static int add_state(struct nftnl_rule *rule, uint32_t states, enum nft_cmp_ops op)
{
	const uint32_t none = 0;
	struct nftnl_expr *expr = add(rule, "ct");

	if (!expr)
		return -1;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, NFT_REG_1);
	if (add_mask(rule, &states) < 0)
		return -1;
	return add_compare(rule, op, &none, sizeof(none));
}

static int add_not_unicast(struct nftnl_rule *rule)
{
	const uint32_t unicast = RTN_UNICAST;
	struct nftnl_expr *expr = add(rule, "fib");

	if (!expr)
		return -1;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_DREG, NFT_REG_1);
	return add_compare(rule, NFT_CMP_NEQ, &unicast, sizeof(unicast));
}

static int add_source(struct nftnl_rule *rule, const struct ipnet *net)
{
	const uint32_t mask = htonl(UINT32_MAX << (32 - net->prefix));
	const uint32_t wire = htonl(net->address);
	struct nftnl_expr *expr = add(rule, "payload");

	if (!expr)
		return -1;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, SOURCE_AT);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, sizeof(wire));
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	if (add_mask(rule, &mask) < 0)
		return -1;
	return add_compare(rule, NFT_CMP_EQ, &wire, sizeof(wire));
}

static int add_verdict(struct nftnl_rule *rule, bool masquerade)
{
	struct nftnl_expr *expr = add(rule, masquerade ? "masq" : "immediate");

	if (!expr)
		return -1;
	if (!masquerade) {
		nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
		nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, NF_DROP);
	}
	return 0;
}

static int add_asked(struct nftnl_rule *rule, unsigned ask, const struct gateway_rules *rules)
{
	switch (ask) {
	case IN_GATEWAY:
		return add_link(rule, NFT_META_IIFNAME, NFT_CMP_EQ, rules->link);
	case IN_OTHER:
		return add_link(rule, NFT_META_IIFNAME, NFT_CMP_NEQ, rules->link);
	case OUT_GATEWAY:
		return add_link(rule, NFT_META_OIFNAME, NFT_CMP_EQ, rules->link);
	case OUT_OTHER:
		return add_link(rule, NFT_META_OIFNAME, NFT_CMP_NEQ, rules->link);
	case NOT_UNICAST:
		return add_not_unicast(rule);
	case INVALID:
		return add_state(rule, STATE_INVALID, NFT_CMP_NEQ);
	case UNASKED:
		return add_state(rule, STATE_ESTABLISHED | STATE_RELATED, NFT_CMP_EQ);
	case FROM_POD:
		return add_source(rule, &rules->subnet);
	default:
		return 0;
	}
}

/* ---- messages ------------------------------------------------------------------------------ */

/*
 * All messages have one sequence number: netlink_request() takes errors of any, and waits for the
 * acknowledgement of the last.
 */
struct transaction {
	char buffer[2 * BATCH_SIZE];
	struct mnl_nlmsg_batch *batch;
	uint32_t seq;
	char name[GATEWAY_TABLE_SIZE];
};

static int begin(struct transaction *t, const char *link, struct error *err)
{
	t->batch = mnl_nlmsg_batch_start(t->buffer, BATCH_SIZE);
	if (!t->batch)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory");
	t->seq = netlink_seq();
	gateway_table(link, t->name);
	nftnl_batch_begin(mnl_nlmsg_batch_current(t->batch), t->seq);
	mnl_nlmsg_batch_next(t->batch);
	return 0;
}

static struct nlmsghdr *put(struct transaction *t, uint16_t type, uint16_t flags)
{
	return nftnl_nlmsg_build_hdr(
		mnl_nlmsg_batch_current(t->batch), type, NFPROTO_IPV4, flags, t->seq);
}

/* 'flags' of the last message has NLM_F_ACK. */
static int put_table(struct transaction *t, uint16_t type, uint16_t flags)
{
	struct nftnl_table *object = nftnl_table_alloc();

	if (!object)
		return -1;
	nftnl_table_set_u32(object, NFTNL_TABLE_FAMILY, NFPROTO_IPV4);
	nftnl_table_set_str(object, NFTNL_TABLE_NAME, t->name);
	nftnl_table_nlmsg_build_payload(put(t, type, flags), object);
	nftnl_table_free(object);
	mnl_nlmsg_batch_next(t->batch);
	return 0;
}

static int put_chain(struct transaction *t, const struct chain *chain)
{
	struct nftnl_chain *object = nftnl_chain_alloc();

	if (!object)
		return -1;
	nftnl_chain_set_str(object, NFTNL_CHAIN_TABLE, t->name);
	nftnl_chain_set_str(object, NFTNL_CHAIN_NAME, chain->name);
	nftnl_chain_set_str(object, NFTNL_CHAIN_TYPE, chain->type);
	nftnl_chain_set_u32(object, NFTNL_CHAIN_HOOKNUM, chain->hook);
	nftnl_chain_set_s32(object, NFTNL_CHAIN_PRIO, chain->priority);
	nftnl_chain_set_u32(object, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	nftnl_chain_nlmsg_build_payload(put(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE), object);
	nftnl_chain_free(object);
	mnl_nlmsg_batch_next(t->batch);
	return 0;
}

static int put_rule(struct transaction *t, const struct rule *row,
	const struct gateway_rules *rules, uint16_t flags)
{
	struct nftnl_rule *object = nftnl_rule_alloc();
	int r = object ? 0 : -1;

	if (!object)
		return -1;
	nftnl_rule_set_str(object, NFTNL_RULE_TABLE, t->name);
	nftnl_rule_set_str(object, NFTNL_RULE_CHAIN, row->chain);
	for (unsigned ask = 1; ask <= FROM_POD && r == 0; ask <<= 1)
		r = add_asked(object, row->asks & ask, rules);
	if (r == 0)
		r = add_verdict(object, row->masquerade);
	if (r == 0)
		nftnl_rule_nlmsg_build_payload(
			put(t, NFT_MSG_NEWRULE, (uint16_t)(NLM_F_CREATE | NLM_F_APPEND | flags)),
			object);
	nftnl_rule_free(object);
	if (r == 0)
		mnl_nlmsg_batch_next(t->batch);
	return r;
}

/* 0, -1, or the errno (positive) of the message that the kernel refused. */
static int commit(struct transaction *t, int fd, struct error *err)
{
	int r;

	nftnl_batch_end(mnl_nlmsg_batch_current(t->batch), t->seq);
	mnl_nlmsg_batch_next(t->batch);
	r = netlink_request(
		fd, mnl_nlmsg_batch_head(t->batch), mnl_nlmsg_batch_size(t->batch), 1, err);
	mnl_nlmsg_batch_stop(t->batch);
	return r;
}

static int put_all(struct transaction *t, const struct gateway_rules *rules)
{
	/* Made if need be, so that it can be deleted, and made anew. */
	if (put_table(t, NFT_MSG_NEWTABLE, NLM_F_CREATE) < 0 ||
		put_table(t, NFT_MSG_DELTABLE, 0) < 0 ||
		put_table(t, NFT_MSG_NEWTABLE, NLM_F_CREATE) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(chains); i++) {
		if (put_chain(t, &chains[i]) < 0)
			return -1;
	}
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		const bool last = i + 1 == ARRAY_LEN(table);

		if ((!table[i].alone || rules->alone) &&
			put_rule(t, &table[i], rules, last ? NLM_F_ACK : 0) < 0)
			return -1;
	}
	return 0;
}

int gateway_rules_put(int fd, const struct gateway_rules *rules, struct error *err)
{
	struct transaction t;

	if (begin(&t, rules->link, err) < 0)
		return -1;
	if (put_all(&t, rules) < 0) {
		mnl_nlmsg_batch_stop(t.batch);
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for nf_tables rules");
	}
	if (commit(&t, fd, err) != 0)
		return error_prefix(err, "cannot make the nf_tables table '%s'", t.name);
	return 0;
}

int gateway_rules_remove(int fd, const char *link, struct error *err)
{
	struct transaction t;
	int r;

	if (begin(&t, link, err) < 0)
		return -1;
	if (put_table(&t, NFT_MSG_DELTABLE, NLM_F_ACK) < 0) {
		mnl_nlmsg_batch_stop(t.batch);
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for nf_tables rules");
	}
	r = commit(&t, fd, err);
	if (r != 0 && r != ENOENT)
		return error_prefix(err, "cannot remove the nf_tables table '%s'", t.name);
	return 0;
}

/* ---- what is there ------------------------------------------------------------------------- */

struct mark {
	const char *table;
	uint64_t hash;
};

/* The kernel numbers the rules of a table as they come. */
static int mark_answer(const struct nlmsghdr *message, void *context)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct mark *mark = context;

	if (!rule)
		return MNL_CB_ERROR;
	if (nftnl_rule_nlmsg_parse(message, rule) == 0 &&
		strcmp(nftnl_rule_get_str(rule, NFTNL_RULE_TABLE), mark->table) == 0)
		mark->hash = mark->hash * UINT64_C(0x100000001b3) +
			     nftnl_rule_get_u64(rule, NFTNL_RULE_HANDLE);
	nftnl_rule_free(rule);
	return MNL_CB_OK;
}

int gateway_rules_mark(int fd, const char *link, uint64_t *ret, struct error *err)
{
	char buffer[NETLINK_BUFFER], name[GATEWAY_TABLE_SIZE];
	struct nftnl_rule *filter = nftnl_rule_alloc();
	struct mark mark = { .table = name };
	struct nlmsghdr *request;
	int r;

	if (!filter)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory");
	gateway_table(link, name);
	nftnl_rule_set_str(filter, NFTNL_RULE_TABLE, name);
	request = nftnl_nlmsg_build_hdr(
		buffer, NFT_MSG_GETRULE, NFPROTO_IPV4, NLM_F_DUMP, netlink_seq());
	nftnl_rule_nlmsg_build_payload(request, filter);
	nftnl_rule_free(filter);
	r = netlink_dump(fd, request, mark_answer, &mark, err);
	if (r != 0)
		return error_prefix(err, "cannot read the nf_tables table '%s'", name);
	*ret = mark.hash;
	return 0;
}
