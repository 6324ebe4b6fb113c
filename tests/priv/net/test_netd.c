/* One node's network as pods see it: who reaches whom, and what survives what. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "tests/priv/net/lab.h"

static struct lab lab;

static int setup(void **state)
{
	(void)state;
	lab_start(&lab, "10.128.0.0/23", "netdev");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab_stop(&lab);
	return 0;
}

static void plug(struct pod *pod, const char *uid, uint32_t vnid)
{
	char text[ERROR_TEXT_SIZE];

	pod_open(&lab, pod, uid, vnid);
	if (pod_plug(&lab, pod, text) != 0)
		fail_msg("%s", text);
}

static void unplug(struct pod *pod)
{
	assert_int_equal(pod_unplug(&lab, pod->uid), 0);
	pod_close(pod);
}

static void same_vnid_pings(void **state)
{
	struct pod a, b;

	(void)state;
	plug(&a, "same-a", 11);
	plug(&b, "same-b", 11);
	assert_true(pod_pings(&lab, &a, b.address, 1000));
	assert_true(pod_pings(&lab, &b, a.address, 1000));
	unplug(&a);
	unplug(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_vnid_pings),
	};

	return cmocka_run_group_tests_name("netd", tests, setup, teardown);
}
