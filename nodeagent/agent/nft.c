#include "nodeagent/agent/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define BATCH_SIZE    512
#define TABLE_LEN_MAX 64 /* of a table here; the kernel takes 255 */
#define SEQ_TABLE     2u /* the message of the three that is acknowledged */
#define ANSWER_SECS   5

/* Three messages: the begin and end of a transaction, and what it does. */
struct batch {
	union {
		struct nlmsghdr align;
		char bytes[BATCH_SIZE];
	};
	size_t size;
};

static struct nlmsghdr *add_message(
	struct batch *batch, uint16_t type, uint16_t flags, uint8_t family, uint16_t res_id)
{
	struct nlmsghdr *header = (struct nlmsghdr *)(void *)(batch->bytes + batch->size);
	struct nfgenmsg *body = NLMSG_DATA(header);

	header->nlmsg_len = NLMSG_LENGTH(sizeof(*body));
	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	header->nlmsg_seq = (uint32_t)(batch->size ? SEQ_TABLE : SEQ_TABLE - 1);
	body->nfgen_family = family;
	body->version = NFNETLINK_V0;
	body->res_id = htons(res_id);
	batch->size += NLMSG_ALIGN(header->nlmsg_len);
	return header;
}

static void add_name(struct batch *batch, struct nlmsghdr *header, const char *name)
{
	struct nlattr *attribute = (struct nlattr *)(void *)(batch->bytes + batch->size);
	size_t size = strlen(name) + 1;

	attribute->nla_type = NFTA_TABLE_NAME;
	attribute->nla_len = (uint16_t)(NLA_HDRLEN + size);
	memcpy((char *)attribute + NLA_HDRLEN, name, size);
	header->nlmsg_len += NLA_ALIGN(attribute->nla_len);
	batch->size += NLA_ALIGN(attribute->nla_len);
}

/* The acknowledgement of SEQ_TABLE: its error as an errno, 0 none; -1 none came. */
static int receive_verdict(int fd)
{
	union {
		struct nlmsghdr header;
		char bytes[4096];
	} answer;
	ssize_t size = recv(fd, &answer, sizeof(answer), 0);
	const struct nlmsghdr *header = &answer.header;

	for (; size > 0 && NLMSG_OK(header, (size_t)size); header = NLMSG_NEXT(header, size)) {
		const struct nlmsgerr *verdict = NLMSG_DATA(header);

		if (header->nlmsg_type == NLMSG_ERROR && header->nlmsg_seq == SEQ_TABLE)
			return -verdict->error;
	}
	return -1;
}

int nft_table_remove(uint8_t family, const char *name, struct error *err)
{
	cleanup_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	const struct timeval wait = { .tv_sec = ANSWER_SECS };
	struct batch batch = { .size = 0 };
	int r;

	if (strlen(name) > TABLE_LEN_MAX)
		return error_set(err, ERR_INVALID, 0, "table name '%.64s...' is too long", name);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0) {
		/* A kernel without nf_tables has no table either. */
		return errno == EPROTONOSUPPORT ? 0
						: error_set(err, error_code_of(errno), errno,
							  "cannot reach nf_tables");
	}
	add_message(&batch, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	add_name(&batch,
		add_message(&batch, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_DELTABLE, NLM_F_ACK,
			family, 0),
		name);
	add_message(&batch, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	r = send(fd, batch.bytes, batch.size, 0) == (ssize_t)batch.size ? receive_verdict(fd) : -1;
	if (r < 0)
		return error_set(err, ERR_INTERNAL, errno, "no answer from nf_tables");
	if (r > 0 && r != ENOENT)
		return error_set(
			err, error_code_of(r), r, "cannot remove nf_tables table '%s'", name);
	return 0;
}
