/*
 * Limits of what pods and projects send and receive, measured by UDP that is sent faster. Direction
 * by direction: what is not limited is the control.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/bandwidth.h"
#include "lib/cleanup.h"
#include "netplugin/flow_sync.h"
#include "tests/priv/net/lab.h"

#define RED  11
#define BLUE 12

#define PAYLOAD    1400
#define ON_WIRE    (PAYLOAD + 42)     /* with Ethernet, IP and UDP headers */
#define OFFERED    UINT64_C(40000000) /* bits a second of one stream, when none is lost */
#define DRAIN_MSEC 700                /* until what may come at once has come */
#define RUN_MSEC   1500
#define STREAMS    4

#define MBIT UINT64_C(1000000)

static struct lab lab;

static int setup(void **state)
{
	const char *datapath = getenv("BULKHEAD_TEST_DATAPATH");

	(void)state;
	lab_start(&lab, "10.128.0.0/23", datapath ? datapath : "netdev");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lab_stop(&lab);
	return 0;
}

static void plug(struct pod *pod, const char *uid, uint64_t ingress, uint64_t egress)
{
	char text[ERROR_TEXT_SIZE];

	pod_open(&lab, pod, uid, RED);
	pod->ingress = ingress;
	pod->egress = egress;
	if (pod_plug(&lab, pod, text) != 0)
		fail_msg("%s", text);
}

static void unplug(struct pod *pod)
{
	assert_int_equal(pod_unplug(&lab, pod->uid), 0);
	pod_close(pod);
}

/* ---- measuring ----------------------------------------------------------------------------- */

struct stream {
	const struct pod *from, *to;
	int from_fd, to_fd;
	uint64_t received; /* bytes on the wire */
};

static void stream_open(struct stream *stream, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(stream->to->address),
		.sin_port = htons(port) };
	int size = 4 << 20;

	stream->from_fd = pod_socket(&lab, stream->from, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	stream->to_fd = pod_socket(&lab, stream->to, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(
		setsockopt(stream->to_fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)), 0);
	assert_int_equal(bind(stream->to_fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(connect(stream->from_fd, (struct sockaddr *)&at, sizeof(at)), 0);
}

static void stream_take(struct stream *stream)
{
	char data[PAYLOAD];

	while (recv(stream->to_fd, data, sizeof(data), 0) == PAYLOAD)
		stream->received += ON_WIRE;
}

/* Sends as much as belongs to 'msec', evenly; what the sockets do not take is not sent. */
static void streams_run(struct stream *streams, size_t len, unsigned msec)
{
	static const char data[PAYLOAD];
	uint64_t begin = lab_msec(), now = begin, sent = 0;

	for (; now < begin + msec; now = lab_msec()) {
		uint64_t due = (now - begin) * OFFERED / 1000 / (ON_WIRE * 8);

		for (; sent < due; sent++) {
			for (size_t i = 0; i < len; i++)
				(void)!send(streams[i].from_fd, data, PAYLOAD, 0);
		}
		for (size_t i = 0; i < len; i++)
			stream_take(&streams[i]);
		poll(NULL, 0, 1);
	}
}

/* Bits a second that all streams together bring over; each of its own in 'ret' unless NULL. */
static double measure(struct stream *streams, size_t len, double *ret)
{
	double sum = 0;
	uint64_t begin;

	for (size_t i = 0; i < len; i++)
		stream_open(&streams[i], (uint16_t)(5000 + i));
	streams_run(streams, len, DRAIN_MSEC);
	begin = lab_msec();
	for (size_t i = 0; i < len; i++)
		streams[i].received = 0;
	streams_run(streams, len, RUN_MSEC);
	for (size_t i = 0; i < len; i++) {
		double rate = (double)streams[i].received * 8000 / (double)(lab_msec() - begin);

		if (ret)
			ret[i] = rate;
		sum += rate;
		close(streams[i].from_fd);
		close(streams[i].to_fd);
	}
	return sum;
}

static double rate(const struct pod *from, const struct pod *to)
{
	struct stream stream = { .from = from, .to = to };
	double bits = measure(&stream, 1, NULL);

	print_message("# %s to %s: %.2f Mbit/s\n", from->uid, to->uid, bits / 1e6);
	return bits;
}

static void is_limited(double rate, uint64_t limit)
{
	if (rate < 0.7 * (double)limit || rate > 1.3 * (double)limit)
		fail_msg("%.0f bits a second, and the limit is %llu", rate,
			(unsigned long long)limit);
}

/* Far beyond every limit that the tests set. */
static void is_free(double rate)
{
	if (rate < 0.5 * (double)OFFERED)
		fail_msg("%.0f bits a second, and nothing limits them", rate);
}

static void becomes(char *(*dump)(struct lab *), const char *expected)
{
	for (int i = 0; i < 100; i++) {
		cleanup_free char *now = dump(&lab);

		if (strcmp(now, expected) == 0)
			return;
		usleep(100 * 1000);
	}
	fail_msg("the switch does not become what it must be");
}

/* ---- tests --------------------------------------------------------------------------------- */

static void each_direction_has_its_limit(void **state)
{
	cleanup_free char *flows = lab_flows(&lab), *meters = lab_meters(&lab);
	struct pod in, out, other;

	(void)state;
	plug(&in, "pod-in", 6 * MBIT, 0);
	plug(&out, "pod-out", 0, 9 * MBIT);
	plug(&other, "pod-other", 0, 0);
	is_limited(rate(&other, &in), 6 * MBIT);
	is_free(rate(&in, &other));
	is_limited(rate(&out, &other), 9 * MBIT);
	is_free(rate(&other, &out));
	/* The lower of two on the way. */
	is_limited(rate(&out, &in), 6 * MBIT);
	unplug(&in);
	unplug(&out);
	unplug(&other);
	becomes(lab_flows, flows);
	becomes(lab_meters, meters);
}

static void a_change_holds_at_once(void **state)
{
	cleanup_free char *meters = lab_meters(&lab);
	struct pod a, b;

	(void)state;
	plug(&a, "pod-a", 0, 5 * MBIT);
	plug(&b, "pod-b", 0, 0);
	is_limited(rate(&a, &b), 5 * MBIT);
	assert_int_equal(pod_limit(&lab, "pod-a", 0, 12 * MBIT, NULL), 0);
	is_limited(rate(&a, &b), 12 * MBIT);
	assert_int_equal(pod_limit(&lab, "pod-a", 4 * MBIT, 0, NULL), 0);
	is_free(rate(&a, &b));
	is_limited(rate(&b, &a), 4 * MBIT);
	assert_int_equal(pod_limit(&lab, "pod-a", 0, 0, NULL), 0);
	becomes(lab_meters, meters);
	is_free(rate(&b, &a));
	unplug(&a);
	unplug(&b);
}

static void a_project_shares_its_limit(void **state)
{
	cleanup_free char *flows = lab_flows(&lab), *meters = lab_meters(&lab);
	struct pod a, b, other;
	struct stream streams[2];
	double each[2];

	(void)state;
	plug(&a, "pod-a", 0, 0);
	pod_open(&lab, &other, "pod-other", RED);
	other.project = "green"; /* joined: the same VNID, limits of its own */
	assert_int_equal(pod_plug(&lab, &other, NULL), 0);
	assert_int_equal(lab_limit_project(&lab, "red", RED, 10 * MBIT, 6 * MBIT), 0);
	plug(&b, "pod-b", 0, 2 * MBIT);
	streams[0] = (struct stream){ .from = &a, .to = &other };
	streams[1] = (struct stream){ .from = &b, .to = &other };
	is_limited(measure(streams, 2, each), 6 * MBIT);
	/* What the pod's own limit drops is not counted for the project. */
	assert_true(each[1] <= 1.3 * 2 * MBIT);
	assert_true(each[0] >= 3 * MBIT);
	streams[0] = (struct stream){ .from = &other, .to = &a };
	streams[1] = (struct stream){ .from = &other, .to = &b };
	is_limited(measure(streams, 2, NULL), 10 * MBIT);
	assert_int_equal(lab_limit_project(&lab, "red", RED, 0, 12 * MBIT), 0);
	is_free(rate(&other, &a));
	is_limited(rate(&a, &other), 12 * MBIT);
	assert_int_equal(lab_limit_project(&lab, "red", RED, 0, 0), 0);
	is_free(rate(&a, &other));
	unplug(&a);
	unplug(&b);
	unplug(&other);
	becomes(lab_flows, flows);
	becomes(lab_meters, meters);
}

static void limits_survive_netd_and_the_switch(void **state)
{
	cleanup_free char *flows = NULL, *meters = NULL;
	struct pod a, b;

	(void)state;
	assert_int_equal(lab_limit_project(&lab, "red", RED, 20 * MBIT, 0), 0);
	plug(&a, "pod-a", 0, 5 * MBIT);
	plug(&b, "pod-b", 0, 0);
	assert_int_equal(pod_limit(&lab, "pod-a", 0, 7 * MBIT, NULL), 0);
	flows = lab_flows(&lab);
	meters = lab_meters(&lab);
	lab_kill(&lab.netd);
	is_limited(rate(&a, &b), 7 * MBIT);
	lab_start_netd(&lab);
	lab_await_ready(&lab, true);
	/* Before the agent has said anything. */
	becomes(lab_flows, flows);
	becomes(lab_meters, meters);
	is_limited(rate(&a, &b), 7 * MBIT);
	lab_kill(&lab.vswitchd);
	lab_await_ready(&lab, false);
	lab_start_vswitchd(&lab);
	lab_await_ready(&lab, true);
	becomes(lab_flows, flows);
	becomes(lab_meters, meters);
	is_limited(rate(&a, &b), 7 * MBIT);
	is_limited(rate(&b, &a), 20 * MBIT);
	assert_int_equal(lab_limit_project(&lab, "red", RED, 0, 0), 0);
	unplug(&a);
	unplug(&b);
}

/* Meters are compared as flows are: taken away, changed, foreign. */
static void meters_are_mended(void **state)
{
	cleanup_free char *flows = NULL, *meters = NULL;
	struct ipc_frame frame;
	uint64_t had = lab.mended;
	struct pod a, b;

	(void)state;
	plug(&a, "pod-a", 30 * MBIT, 5 * MBIT);
	plug(&b, "pod-b", 0, 6 * MBIT);
	flows = lab_flows(&lab);
	meters = lab_meters(&lab);
	free(lab_run("ovs-ofctl -O OpenFlow15 mod-meter unix:%s/br0.mgmt "
		     "meter=%u,kbps,burst,band=type=drop,rate=900000,burst_size=900000",
		lab.dir, (a.address & 511) * 2 + 1));
	free(lab_run("ovs-ofctl -O OpenFlow15 del-meter unix:%s/br0.mgmt meter=%u", lab.dir,
		(b.address & 511) * 2 + 1));
	free(lab_run("ovs-ofctl -O OpenFlow15 add-meter unix:%s/br0.mgmt "
		     "meter=99,pktps,band=type=drop,rate=1",
		lab.dir));
	becomes(lab_meters, meters);
	becomes(lab_flows, flows);
	/* Two meters and the flow that went with one of them, and one too many. */
	while (lab.mended < had + 4) {
		lab_await(&lab, IPC_NET_STATE, &frame, FLOW_CHECK_MSEC);
		ipc_frame_done(&frame);
	}
	is_limited(rate(&a, &b), 5 * MBIT);
	is_limited(rate(&b, &a), 6 * MBIT);
	unplug(&a);
	unplug(&b);
}

/* One that netd has not seen yet has the number: refused, looked at, and made what it must be. */
static void a_meter_in_the_way_is_replaced(void **state)
{
	char text[ERROR_TEXT_SIZE];
	struct pod a, b;
	unsigned code;

	(void)state;
	plug(&a, "pod-a", 0, 0);
	plug(&b, "pod-b", 0, 0);
	free(lab_run("ovs-ofctl -O OpenFlow15 add-meter unix:%s/br0.mgmt "
		     "meter=%u,kbps,burst,band=type=drop,rate=900000,burst_size=900000",
		lab.dir, (a.address & 511) * 2 + 1));
	code = pod_limit(&lab, "pod-a", 0, 5 * MBIT, text);
	if (code != 0 && !strstr(text, "OFPMMFC_METER_EXISTS"))
		fail_msg("%s", text);
	for (int i = 0; i < 100; i++) {
		cleanup_free char *meters = lab_meters(&lab);

		if (strstr(meters, "rate=5000 "))
			break;
		usleep(100 * 1000);
	}
	is_limited(rate(&a, &b), 5 * MBIT);
	/* Others are plugged meanwhile as ever. */
	assert_int_equal(pod_limit(&lab, "pod-b", 0, 6 * MBIT, NULL), 0);
	is_limited(rate(&b, &a), 6 * MBIT);
	unplug(&a);
	unplug(&b);
}

static void refuse(uint64_t ingress, uint64_t egress, const char *why)
{
	char text[ERROR_TEXT_SIZE];
	struct pod pod;

	pod_open(&lab, &pod, "pod-no", RED);
	pod.ingress = ingress;
	pod.egress = egress;
	assert_int_not_equal(pod_plug(&lab, &pod, text), 0);
	if (!strstr(text, why))
		fail_msg("%s", text);
	pod_close(&pod);
}

static void what_no_meter_counts_is_refused(void **state)
{
	char text[ERROR_TEXT_SIZE];
	struct pod a, b;

	(void)state;
	refuse(BANDWIDTH_MIN - 1, 0, "bandwidth.ingress: 999 bits a second");
	refuse(0, BANDWIDTH_MAX + 1, "bandwidth.egress: 4294967295001 bits a second are more than");
	plug(&a, "pod-a", BANDWIDTH_MAX, BANDWIDTH_MAX);
	plug(&b, "pod-b", 0, 0);
	is_free(rate(&a, &b));
	assert_int_equal(pod_limit(&lab, "pod-a", BANDWIDTH_MAX + 1, 0, text), ERR_UNSUPPORTED);
	assert_int_equal(pod_limit(&lab, "pod-x", 0, MBIT, text), ERR_NOT_FOUND);
	/* The least: what may come at once comes, and then next to nothing. */
	assert_int_equal(pod_limit(&lab, "pod-a", 0, BANDWIDTH_MIN, NULL), 0);
	assert_true(rate(&a, &b) < 100000);
	unplug(&a);
	unplug(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_direction_has_its_limit),
		cmocka_unit_test(a_change_holds_at_once),
		cmocka_unit_test(a_project_shares_its_limit),
		cmocka_unit_test(limits_survive_netd_and_the_switch),
		cmocka_unit_test(meters_are_mended),
		cmocka_unit_test(a_meter_in_the_way_is_replaced),
		cmocka_unit_test(what_no_meter_counts_is_refused),
	};

	return cmocka_run_group_tests_name("bandwidth", tests, setup, teardown);
}
