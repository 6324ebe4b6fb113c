#include "netplugin/guard.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>

#include "netplugin/netlink.h"

#define PRIORITY (-500) /* before any chain of the administrator's */

int guard_open(int *ret_fd, struct error *err)
{
	return netlink_open(NETLINK_NETFILTER, ret_fd, err);
}

static struct nftnl_chain *chain_new(const char *name)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();

	if (!chain)
		return NULL;
	nftnl_chain_set_u32(chain, NFTNL_CHAIN_FAMILY, NFPROTO_NETDEV);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, GUARD_TABLE);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
	return chain;
}

static void put_table(struct mnl_nlmsg_batch *batch, uint32_t seq, struct nftnl_table *table)
{
	struct nlmsghdr *message = nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(batch),
		NFT_MSG_NEWTABLE, NFPROTO_NETDEV, NLM_F_CREATE | NLM_F_ACK, seq);

	nftnl_table_nlmsg_build_payload(message, table);
	mnl_nlmsg_batch_next(batch);
}

static void put_chain(struct mnl_nlmsg_batch *batch, uint16_t type, uint16_t flags, uint32_t seq,
	struct nftnl_chain *chain)
{
	struct nlmsghdr *message = nftnl_nlmsg_build_hdr(
		mnl_nlmsg_batch_current(batch), type, NFPROTO_NETDEV, flags | NLM_F_ACK, seq);

	nftnl_chain_nlmsg_build_payload(message, chain);
	mnl_nlmsg_batch_next(batch);
}

/* Sends table (may be NULL) and chain in one nf_tables transaction. */
static int commit(int fd, struct nftnl_table *table, struct nftnl_chain *chain, uint16_t type,
	uint16_t flags, struct error *err)
{
	char buffer[NETLINK_BUFFER];
	struct mnl_nlmsg_batch *batch = mnl_nlmsg_batch_start(buffer, sizeof(buffer) / 2);
	uint32_t seq = netlink_seq();
	unsigned acks = 1;
	int r;

	if (!batch)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory");
	nftnl_batch_begin(mnl_nlmsg_batch_current(batch), seq++);
	mnl_nlmsg_batch_next(batch);
	if (table) {
		put_table(batch, seq++, table);
		acks++;
	}
	put_chain(batch, type, flags, seq++, chain);
	nftnl_batch_end(mnl_nlmsg_batch_current(batch), seq);
	mnl_nlmsg_batch_next(batch);
	r = netlink_request(
		fd, mnl_nlmsg_batch_head(batch), mnl_nlmsg_batch_size(batch), acks, err);
	mnl_nlmsg_batch_stop(batch);
	return r;
}

int guard_add(int fd, const char *name, struct error *err)
{
	struct nftnl_table *table = nftnl_table_alloc();
	struct nftnl_chain *chain = chain_new(name);
	int r = -1;

	if (!table || !chain) {
		error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory");
	} else {
		nftnl_table_set_u32(table, NFTNL_TABLE_FAMILY, NFPROTO_NETDEV);
		nftnl_table_set_str(table, NFTNL_TABLE_NAME, GUARD_TABLE);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, NF_NETDEV_INGRESS);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, PRIORITY);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_DROP);
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter");
		nftnl_chain_set_str(chain, NFTNL_CHAIN_DEV, name);
		r = commit(fd, table, chain, NFT_MSG_NEWCHAIN, NLM_F_CREATE, err);
	}
	if (table)
		nftnl_table_free(table);
	if (chain)
		nftnl_chain_free(chain);
	return r == 0 ? 0 : error_prefix(err, "cannot guard link '%s' with nf_tables", name);
}

int guard_remove(int fd, const char *name, struct error *err)
{
	struct nftnl_chain *chain = chain_new(name);
	int r;

	if (!chain)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory");
	r = commit(fd, NULL, chain, NFT_MSG_DELCHAIN, 0, err);
	nftnl_chain_free(chain);
	if (r != 0 && r != ENOENT)
		return error_prefix(err, "cannot take the guard off link '%s'", name);
	return 0;
}
