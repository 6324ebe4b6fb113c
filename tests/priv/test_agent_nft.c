/* nft_table_remove() against the kernel, in a network namespace of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/nft.h"

/* Begin, NEWTABLE with a name of 8 bytes at most, end. */
struct request {
	struct nlmsghdr begin;
	struct nfgenmsg begin_body;
	struct nlmsghdr table;
	struct nfgenmsg table_body;
	struct nlattr name;
	char text[8];
	struct nlmsghdr end;
	struct nfgenmsg end_body;
};

static void fill(struct nlmsghdr *header, struct nfgenmsg *body, uint16_t type, uint16_t flags,
	uint16_t res_id, uint32_t size)
{
	*header = (struct nlmsghdr){ size, type, NLM_F_REQUEST | flags, 1, 0 };
	*body = (struct nfgenmsg){ AF_UNSPEC, NFNETLINK_V0, htons(res_id) };
}

/* Makes the table; an errno: 0, or EEXIST when it was there. */
static int make_table(const char *name)
{
	cleanup_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	const uint32_t plain = sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg);
	struct request r = { 0 };
	union {
		struct nlmsghdr header;
		char bytes[4096];
	} answer;

	fill(&r.begin, &r.begin_body, NFNL_MSG_BATCH_BEGIN, 0, NFNL_SUBSYS_NFTABLES, plain);
	fill(&r.table, &r.table_body, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWTABLE,
		NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 0,
		plain + sizeof(struct nlattr) + sizeof(r.text));
	r.table_body.nfgen_family = NFPROTO_NETDEV;
	r.name = (struct nlattr){ (uint16_t)(sizeof(r.name) + strlen(name) + 1), NFTA_TABLE_NAME };
	strncpy(r.text, name, sizeof(r.text) - 1);
	fill(&r.end, &r.end_body, NFNL_MSG_BATCH_END, 0, NFNL_SUBSYS_NFTABLES, plain);
	assert_true(fd >= 0);
	assert_int_equal(send(fd, &r, sizeof(r), 0), sizeof(r));
	assert_true(recv(fd, &answer, sizeof(answer), 0) > 0);
	assert_int_equal(answer.header.nlmsg_type, NLMSG_ERROR);
	return -((const struct nlmsgerr *)NLMSG_DATA(&answer.header))->error;
}

static int own_namespace(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNET);
}

static void one_table_goes_and_the_others_stay(void **state)
{
	struct error err = { 0 };

	(void)state;
	assert_int_equal(make_table("mine"), 0);
	assert_int_equal(make_table("other"), 0);
	assert_int_equal(make_table("mine"), EEXIST);
	assert_int_equal(nft_table_remove(NFPROTO_NETDEV, "mine", &err), 0);
	assert_int_equal(make_table("other"), EEXIST);
	assert_int_equal(make_table("mine"), 0);
}

static void one_that_is_not_there_is_no_error(void **state)
{
	struct error err = { 0 };

	(void)state;
	assert_int_equal(nft_table_remove(NFPROTO_NETDEV, "absent", &err), 0);
	assert_int_equal(nft_table_remove(NFPROTO_NETDEV, "absent", &err), 0);
}

static void a_name_has_a_limit(void **state)
{
	char name[66] = { 0 };
	struct error err = { 0 };

	(void)state;
	memset(name, 'a', 64);
	assert_int_equal(nft_table_remove(NFPROTO_NETDEV, name, &err), 0);
	name[64] = 'a';
	assert_int_equal(nft_table_remove(NFPROTO_NETDEV, name, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_table_goes_and_the_others_stay),
		cmocka_unit_test(one_that_is_not_there_is_no_error),
		cmocka_unit_test(a_name_has_a_limit),
	};

	return cmocka_run_group_tests(tests, own_namespace, NULL);
}
