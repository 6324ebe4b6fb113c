/* links_remove() against the kernel, in a network namespace of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/links.h"
#include "nodeagent/agent/spawn.h"

#define MANY 260 /* more than are removed at a time */

static void ip(const char *const *argv)
{
	const struct spawn_config config = {
		.program = "/usr/sbin/ip",
		.argv = argv,
		.quiet = true,
		.fd = -1,
	};
	struct error err = { 0 };

	if (spawn_tool(&config, 10000, &err) < 0)
		fail_msg("%s", err.text);
}

static void make_link(const char *name, const char *alias)
{
	char peer[16];
	const char *add[] = { "ip", "link", "add", name, "type", "veth", "peer", "name", peer,
		NULL };
	const char *set[] = { "ip", "link", "set", name, "alias", alias, NULL };

	snprintf(peer, sizeof(peer), "p%.14s", name);
	ip(add);
	ip(set);
}

static int own_namespace(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNET);
}

static void links_go_by_their_alias(void **state)
{
	struct error err = { 0 };

	(void)state;
	make_link("mine1", "bulkhead:br0:a");
	make_link("mine2", "bulkhead:br0:b");
	make_link("other", "bulkhead:br01:a");
	make_link("empty", "bulkhead:br0:");
	assert_int_equal(links_remove("bulkhead:br0:", &err), 0);
	assert_int_equal(if_nametoindex("mine1"), 0);
	assert_int_equal(if_nametoindex("mine2"), 0);
	assert_int_not_equal(if_nametoindex("other"), 0);
	assert_int_not_equal(if_nametoindex("lo"), 0);
	assert_int_equal(links_remove("bulkhead:br0:", &err), 0);
}

static void any_number_goes(void **state)
{
	struct error err = { 0 };
	char name[16];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "many%d", i);
		make_link(name, "bulkhead:br9:x");
	}
	assert_int_equal(links_remove("bulkhead:br9:", &err), 0);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "many%d", i);
		assert_int_equal(if_nametoindex(name), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_go_by_their_alias),
		cmocka_unit_test(any_number_goes),
	};

	return cmocka_run_group_tests(tests, own_namespace, NULL);
}
