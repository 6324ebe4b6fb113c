/* Which meters and flows limits take, and how they are kept in a Port row. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "netplugin/bandwidth.h"
#include "netplugin/bandwidth_row.h"
#include "smap.h"

static const struct flow_port port = { 0x0a800005, 11, 5 };

static void flows_are(const struct port_bandwidth *bandwidth, const char *const *expected)
{
	struct flow_list list = { 0 };
	struct error err = { 0 };
	size_t n = 0;

	assert_int_equal(flows_bandwidth(&port, 5, bandwidth, &list, &err), 0);
	for (; expected[n]; n++) {
		assert_true(n < list.len);
		assert_string_equal(strchr(list.lines[n], ',') + 1, expected[n]);
	}
	assert_int_equal(list.len, n);
	flow_list_done(&list);
}

static void each_limit_is_a_meter_and_a_flow(void **state)
{
	static const char *const none[] = { NULL };
	static const char *const to[] = {
		"table=82,priority=100,ip,reg2=5,actions=meter:10,goto_table:83", NULL
	};
	static const char *const from[] = {
		"table=21,priority=100,ip,in_port=5,actions=meter:11,goto_table:22", NULL
	};
	static const char *const project[] = {
		"table=83,priority=100,ip,reg2=5,actions=meter:1073741830,goto_table:84",
		"table=22,priority=100,ip,in_port=5,actions=meter:1073741831,goto_table:30", NULL
	};

	(void)state;
	flows_are(&(struct port_bandwidth){ .project_number = 3 }, none);
	flows_are(&(struct port_bandwidth){ .pod = { { [BANDWIDTH_INGRESS] = 1000 } } }, to);
	flows_are(&(struct port_bandwidth){ .pod = { { [BANDWIDTH_EGRESS] = 1000 } } }, from);
	flows_are(&(struct port_bandwidth){ .project = { { 1000, 1000 } }, .project_number = 3 },
		project);
}

/* Pods' numbers and projects' are apart, to the last of both. */
static void numbers_are_apart(void **state)
{
	(void)state;
	assert_true(bandwidth_pod_meter((1 << 24) - 1, BANDWIDTH_EGRESS) <
		    bandwidth_project_meter(0, BANDWIDTH_INGRESS));
	assert_true(bandwidth_project_meter(BANDWIDTH_PROJECT_NUMBER_MAX, BANDWIDTH_EGRESS) <=
		    0xffff0000); /* OFPM13_MAX */
}

static void rates_and_bursts(void **state)
{
	static const struct {
		uint64_t bits;
		struct meter meter;
	} rows[] = {
		{ BANDWIDTH_MIN, { 1, 1049 } },
		{ 1999, { 1, 1049 } },
		{ 10000000, { 10000, 2500 } },
		{ BANDWIDTH_MAX, { UINT32_MAX, UINT32_MAX / 4 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct meter meter = bandwidth_meter(rows[i].bits);

		assert_int_equal(meter.rate, rows[i].meter.rate);
		assert_int_equal(meter.burst, rows[i].meter.burst);
	}
}

static void the_row_keeps_them(void **state)
{
	const struct port_bandwidth all = { { { 1000, 2000 } }, { { 3000, BANDWIDTH_MAX } }, 9 };
	const struct port_bandwidth none = { 0 };
	struct smap ids = SMAP_INITIALIZER(&ids);
	struct port_bandwidth read;
	struct error err = { 0 };

	(void)state;
	smap_add(&ids, "bulkhead-ip", "10.128.0.5");
	bandwidth_row_write(&ids, &all);
	assert_string_equal(smap_get(&ids, "bulkhead-ingress-bandwidth"), "1000");
	assert_string_equal(smap_get(&ids, "bulkhead-egress-bandwidth"), "2000");
	assert_int_equal(bandwidth_row_read(&ids, &read, &err), 0);
	assert_memory_equal(&read, &all, sizeof(uint64_t) * 4);
	assert_int_equal(read.project_number, 9);
	bandwidth_row_write(&ids, &none);
	assert_int_equal(smap_count(&ids), 1);
	assert_int_equal(bandwidth_row_read(&ids, &read, &err), 0);
	assert_int_equal(read.project.rate[BANDWIDTH_EGRESS], 0);
	smap_destroy(&ids);
}

static void a_row_that_nobody_wrote_is_refused(void **state)
{
	static const char *const values[] = { "", "999", "-1000", "1k", " 1000", "1e6",
		"4294967295001", "99999999999999999999" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct smap ids = SMAP_INITIALIZER(&ids);
		struct port_bandwidth read;
		struct error err = { 0 };

		smap_add(&ids, "bulkhead-egress-bandwidth", values[i]);
		assert_int_equal(bandwidth_row_read(&ids, &read, &err), -1);
		assert_non_null(strstr(err.text, "external_ids:bulkhead-egress-bandwidth is '"));
		smap_destroy(&ids);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_limit_is_a_meter_and_a_flow),
		cmocka_unit_test(numbers_are_apart),
		cmocka_unit_test(rates_and_bursts),
		cmocka_unit_test(the_row_keeps_them),
		cmocka_unit_test(a_row_that_nobody_wrote_is_refused),
	};

	return cmocka_run_group_tests_name("bandwidth", tests, NULL, NULL);
}
