/* What is sent to a switch so that it holds the meters that are wanted, and when. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netplugin/meter_set.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

#define ID 7

static struct meter_set *set;

static int setup(void **state)
{
	(void)state;
	set = meter_set_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	meter_set_free(set);
	return 0;
}

/* Takes the first request: its command, and its meter and band in 'ret_*'. -1 when there is none.
 */
static int take_whole(struct ovs_list *requests, struct ofputil_meter_config *ret,
	struct ofputil_meter_band *ret_band)
{
	struct ofputil_meter_mod mod;
	struct ofpbuf *message;
	struct ofpbuf bands;

	if (ovs_list_is_empty(requests))
		return -1;
	message = CONTAINER_OF(ovs_list_pop_front(requests), struct ofpbuf, list_node);
	ofpbuf_init(&bands, 64);
	assert_int_equal(ofputil_decode_meter_mod(message->data, &mod, &bands), 0);
	*ret = mod.meter;
	if (mod.meter.n_bands)
		*ret_band = mod.meter.bands[0];
	ofpbuf_uninit(&bands);
	ofpbuf_delete(message);
	return mod.command;
}

static int take(struct ovs_list *requests)
{
	struct ofputil_meter_config config;
	struct ofputil_meter_band band;

	return take_whole(requests, &config, &band);
}

static void want(uint32_t rate)
{
	const struct meter meter = { rate, 2 * rate };

	meter_set_want(set, ID, rate ? &meter : NULL);
}

/* As the switch would report it. */
static void have(uint16_t flags, uint16_t type, uint32_t rate, uint16_t n_bands)
{
	struct ofputil_meter_band bands[2] = {
		{ .type = type, .rate = rate, .burst_size = 2 * rate },
		{ .type = type, .rate = rate, .burst_size = 2 * rate },
	};
	const struct ofputil_meter_config config = {
		.meter_id = ID, .flags = flags, .n_bands = n_bands, .bands = bands
	};

	meter_set_have(set, &config);
}

/* Sends and is answered; what is sent before and after the flows, -1 for nothing. */
static void round_is(int before, int after)
{
	struct ovs_list requests = OVS_LIST_INITIALIZER(&requests);

	meter_set_send(set, &requests);
	assert_int_equal(take(&requests), before);
	assert_int_equal(take(&requests), -1);
	meter_set_sent_done(set, &requests);
	assert_int_equal(take(&requests), after);
	assert_int_equal(take(&requests), -1);
}

static void made_changed_and_deleted(void **state)
{
	(void)state;
	want(1000);
	assert_int_equal(meter_set_differences(set), 1);
	assert_int_equal(meter_set_wanted(set), 1);
	round_is(OFPMC13_ADD, -1);
	assert_int_equal(meter_set_differences(set), 0);
	round_is(-1, -1);
	want(2000);
	round_is(OFPMC13_MODIFY, -1);
	want(0);
	assert_int_equal(meter_set_wanted(set), 0);
	assert_int_equal(meter_set_differences(set), 1);
	round_is(-1, OFPMC13_DELETE);
	assert_int_equal(meter_set_differences(set), 0);
}

static void it_says_what_it_limits(void **state)
{
	struct ovs_list requests = OVS_LIST_INITIALIZER(&requests);
	struct ofputil_meter_band band;
	struct ofputil_meter_config config;

	(void)state;
	want(1000);
	assert_int_equal(meter_set_send(set, &requests), 1);
	assert_int_equal(take_whole(&requests, &config, &band), OFPMC13_ADD);
	assert_int_equal(config.n_bands, 1);
	assert_int_equal(config.meter_id, ID);
	assert_int_equal(config.flags, OFPMF13_KBPS | OFPMF13_BURST);
	assert_int_equal(band.type, OFPMBT13_DROP);
	assert_int_equal(band.rate, 1000);
	assert_int_equal(band.burst_size, 2000);
}

/* What the switch has in another form, or has too many, is a difference. */
static void dumps_are_compared(void **state)
{
	const uint16_t flags = OFPMF13_KBPS | OFPMF13_BURST;
	static const struct {
		uint16_t flags, type;
		uint32_t rate;
		uint16_t n_bands;
		size_t differences;
	} rows[] = {
		{ OFPMF13_KBPS | OFPMF13_BURST, OFPMBT13_DROP, 1000, 1, 0 },
		{ OFPMF13_KBPS | OFPMF13_BURST | OFPMF13_STATS, OFPMBT13_DROP, 1000, 1, 0 },
		{ OFPMF13_KBPS | OFPMF13_BURST, OFPMBT13_DROP, 1001, 1, 1 },
		{ OFPMF13_PKTPS | OFPMF13_BURST, OFPMBT13_DROP, 1000, 1, 1 },
		{ OFPMF13_KBPS, OFPMBT13_DROP, 1000, 1, 1 },
		{ OFPMF13_KBPS | OFPMF13_BURST, OFPMBT13_DSCP_REMARK, 1000, 1, 1 },
		{ OFPMF13_KBPS | OFPMF13_BURST, OFPMBT13_DROP, 1000, 2, 1 },
		{ OFPMF13_KBPS | OFPMF13_BURST, OFPMBT13_DROP, 1000, 0, 1 },
	};
	char *text;

	(void)state;
	want(1000);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		meter_set_forget(set);
		assert_int_equal(meter_set_differences(set), 1);
		have(rows[i].flags, rows[i].type, rows[i].rate, rows[i].n_bands);
		assert_int_equal(meter_set_differences(set), rows[i].differences);
	}
	text = meter_set_describe(set);
	assert_string_equal(text, "changed meter 7");
	free(text);
	round_is(OFPMC13_MODIFY, -1);
	want(0);
	round_is(-1, OFPMC13_DELETE);
	have(flags, OFPMBT13_DROP, 1000, 1);
	text = meter_set_describe(set);
	assert_string_equal(text, "foreign meter 7");
	free(text);
	round_is(-1, OFPMC13_DELETE);
}

/* A meter that flows under way need again is not deleted, nor one that they still need. */
static void what_flows_need_stays(void **state)
{
	struct ovs_list requests = OVS_LIST_INITIALIZER(&requests);

	(void)state;
	want(1000);
	round_is(OFPMC13_ADD, -1);
	want(0);
	meter_set_send(set, &requests);
	want(1000);
	meter_set_sent_done(set, &requests);
	assert_int_equal(take(&requests), -1);
	assert_int_equal(meter_set_differences(set), 0);
	/* Wanted when the flows were sent, no more when they are in place: they name it. */
	meter_set_send(set, &requests);
	want(0);
	meter_set_sent_done(set, &requests);
	assert_int_equal(take(&requests), -1);
	round_is(-1, OFPMC13_DELETE);
}

static void a_switch_has_so_many(void **state)
{
	const struct meter meter = { 1, 1 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(meter_set_check_room(set, 0, 0, &err), 0);
	assert_int_equal(meter_set_check_room(set, 0, 1, &err), -1);
	assert_int_equal(err.code, ERR_UNSUPPORTED);
	assert_int_equal(meter_set_check_room(set, 2, 2, &err), 0);
	meter_set_want(set, ID, &meter);
	assert_int_equal(meter_set_check_room(set, 2, 1, &err), 0);
	assert_int_equal(meter_set_check_room(set, 2, 2, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_string_equal(
		err.text, "the switch's 2 meters are in use: no more bandwidth can be limited");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(made_changed_and_deleted, setup, teardown),
		cmocka_unit_test_setup_teardown(it_says_what_it_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(dumps_are_compared, setup, teardown),
		cmocka_unit_test_setup_teardown(what_flows_need_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(a_switch_has_so_many, setup, teardown),
	};

	return cmocka_run_group_tests_name("meter_set", tests, NULL, NULL);
}
