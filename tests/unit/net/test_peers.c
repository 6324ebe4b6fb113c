/* Which flows a new list of other nodes touches, and which lists are refused. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "netplugin/netd.h"
#include "netplugin/peers.h"

struct row {
	const char *subnet;
	const char *address;
};

static struct netd netd;

static int setup(void **state)
{
	(void)state;
	netd = (struct netd){ .config.node = { { 0x0a800000, 24 }, { 0x0a800000, 9 }, 1 } };
	netd.peers = peers_new();
	netd.flows = flow_sync_new("unix:/nowhere");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	flow_sync_free(netd.flows);
	return 0;
}

static int tell(const struct row *rows, size_t len, struct error *err)
{
	Bulkhead__V1__NetPeers message = BULKHEAD__V1__NET_PEERS__INIT;
	Bulkhead__V1__NetPeer peers[8], *list[8];

	for (size_t i = 0; i < len; i++) {
		bulkhead__v1__net_peer__init(&peers[i]);
		peers[i].node = (char *)(uintptr_t) "b";
		peers[i].subnet = (char *)(uintptr_t)rows[i].subnet;
		peers[i].address = (char *)(uintptr_t)rows[i].address;
		list[i] = &peers[i];
	}
	message.peers = list;
	message.n_peers = len;
	return peers_set(&netd, &message, err);
}

/* How many objects of flows were changed since the last call. */
static uint64_t changes(void)
{
	static uint64_t before;
	const struct flow_list none = { 0 };
	uint64_t now, made;
	struct error err;

	assert_int_equal(
		flow_sync_want(netd.flows, flow_cookie(FLOW_PEER, 1), &none, &now, &err), 0);
	made = now - before - 1;
	before = now;
	return made;
}

static void take(const struct row *rows, size_t len, uint64_t expected)
{
	struct error err = { 0 };

	if (tell(rows, len, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(changes(), expected);
}

static void only_what_differs_is_touched(void **state)
{
	const struct row three[] = { { "10.128.3.0/24", "172.16.0.3" },
		{ "10.128.1.0/24", "172.16.0.1" }, { "10.128.2.0/24", "172.16.0.2" } };
	const struct row moved[] = { { "10.128.2.0/24", "172.16.0.9" },
		{ "10.128.1.0/24", "172.16.0.1" }, { "10.128.3.0/24", "172.16.0.3" } };
	const struct row wider[] = { { "10.128.1.0/24", "172.16.0.1" },
		{ "10.128.2.0/23", "172.16.0.9" } };

	(void)state;
	changes();
	take(three, 3, 3);
	take(three, 3, 0);
	take(moved, 3, 1);
	take(wider, 2, 2); /* one goes, one has another prefix */
	assert_int_equal(peers_find(netd.peers, 0x0a800301)->address, 0xac100009);
	take(moved, 3, 2);
	take(three + 1, 1, 2);
	take(NULL, 0, 1);
}

static void what_overlaps_is_refused_whole(void **state)
{
	const struct row good[] = { { "10.129.1.0/24", "172.16.0.1" } };
	const struct row cases[][3] = {
		{ { "10.129.4.0/24", "172.16.0.4" }, { "10.129.9.0/24", "172.16.0.5" },
			{ "10.129.4.0/24", "172.16.0.6" } },
		{ { "10.129.4.128/25", "172.16.0.4" }, { "10.129.4.0/24", "172.16.0.5" },
			{ "10.129.9.0/24", "172.16.0.6" } },
		{ { "10.129.8.0/22", "172.16.0.4" }, { "10.129.8.0/24", "172.16.0.5" },
			{ "10.129.12.0/24", "172.16.0.6" } },
		{ { "10.129.4.0/24", "172.16.0.4" }, { "10.128.0.128/25", "172.16.0.5" },
			{ "10.129.12.0/24", "172.16.0.6" } },
		{ { "10.129.4.0/24", "172.16.0.4" }, { "10.1.0.0/24", "172.16.0.5" },
			{ "10.129.12.0/24", "172.16.0.6" } },
	};

	(void)state;
	changes();
	take(good, 1, 1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct error err = { 0 };

		assert_int_equal(tell(cases[i], 3, &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
		assert_int_equal(changes(), 0);
		assert_non_null(peers_find(netd.peers, 0x0a810105));
	}
	take(NULL, 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_differs_is_touched),
		cmocka_unit_test(what_overlaps_is_refused_whole),
	};

	return cmocka_run_group_tests_name("peers", tests, setup, teardown);
}
