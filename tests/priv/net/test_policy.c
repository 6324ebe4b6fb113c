/*
 * Network policies on real connections: what may be opened, what happens to what is open, and what
 * stands while netd is away. Each refusal has a control that passes.
 */
#include <arpa/inet.h>
#include <errno.h>
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

#include "lib/cleanup.h"
#include "tests/priv/net/lab.h"
#include "tests/priv/net/policy_cases.h"

#define SILENCE_MSEC  400
#define PATIENCE_MSEC 5000
#define RED           11
#define BLUE          12

static struct lab lab;
static struct pod web, db, other, blue;

struct member {
	struct pod *pod;
	const char *labels; /* NULL: netd is not told of it */
};

static const struct member members[] = {
	{ &web, "app=web" },
	{ &db, "app=db" },
	{ &other, "app=other" },
	{ &blue, "app=web" },
};

static void plug(struct pod *pod, const char *uid, const char *project, uint32_t vnid)
{
	char text[ERROR_TEXT_SIZE];

	pod_open(&lab, pod, uid, vnid);
	pod->project = project;
	if (pod_plug(&lab, pod, text) != 0)
		fail_msg("%s", text);
}

/* Tells netd the policies of project red (specs as case_policy() takes them) and awaits its answer.
 */
static void tell(const char *const *specs, size_t specs_len, bool wait)
{
	Bulkhead__V1__NetPolicyPod pods[4], *pod_list[4];
	Bulkhead__V1__NetPolicyProject projects[2], *project_list[2];
	Bulkhead__V1__NetPolicies message = BULKHEAD__V1__NET_POLICIES__INIT;
	Bulkhead__V1__NetPoliciesSet *set;
	ProtobufCBinaryData bytes[8];
	struct policy_case c = { 0 };
	struct ipc_frame frame;
	ProtobufCMessage *base;
	struct error err = { 0 };

	for (size_t i = 0; i < 4; i++) {
		struct policy_labels labels = case_labels(members[i].labels);

		bulkhead__v1__net_policy_pod__init(&pods[i]);
		pods[i].pod_uid = members[i].pod->uid;
		pods[i].project = (char *)(uintptr_t)(members[i].pod == &blue ? "blue" : "red");
		pods[i].labels = (Bulkhead__V1__NetLabel **)(uintptr_t)labels.items;
		pods[i].n_labels = labels.len;
		pod_list[i] = &pods[i];
	}
	for (size_t i = 0; i < 2; i++) {
		bulkhead__v1__net_policy_project__init(&projects[i]);
		projects[i].name = (char *)(uintptr_t)(i ? "blue" : "red");
		project_list[i] = &projects[i];
	}
	for (size_t i = 0; i < specs_len; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%zu", i);
		case_policy(&c, "red", name, specs[i]);
		bytes[i].len = protobuf_c_message_get_packed_size(&c.policies[i]->base);
		bytes[i].data = malloc(bytes[i].len);
		protobuf_c_message_pack(&c.policies[i]->base, bytes[i].data);
	}
	message.policies = bytes;
	message.n_policies = specs_len;
	message.pods = pod_list;
	message.n_pods = 4;
	message.projects = project_list;
	message.n_projects = 2;
	lab_send_policies(&lab, &message);
	if (!wait)
		return;
	lab_await(&lab, IPC_NET_POLICIES_SET, &frame, 8000);
	assert_int_equal(ipc_table_unpack(&frame, &base, &err), 0);
	set = (Bulkhead__V1__NetPoliciesSet *)base;
	if (set->error)
		fail_msg("%s", set->error->text);
	protobuf_c_message_free_unpacked(base, NULL);
	ipc_frame_done(&frame);
	/* The userspace datapath looks at what it has cached once more. */
	usleep(500000);
}

static void tell_one(const char *spec)
{
	tell(&spec, 1, true);
}

static int setup(void **state)
{
	(void)state;
	lab_start(&lab, "10.128.0.0/23", "netdev");
	plug(&web, "pod-web", "red", RED);
	plug(&db, "pod-db", "red", RED);
	plug(&other, "pod-other", "red", RED);
	plug(&blue, "pod-blue", "blue", BLUE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		pod_close(members[i].pod);
	lab_stop(&lab);
	return 0;
}

/* ---- connections --------------------------------------------------------------------------- */

static struct sockaddr_in at(const struct pod *pod, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(pod->address) };
}

struct connection {
	int client;
	int server;
};

static void hang_up(struct connection *c)
{
	if (c->client >= 0)
		close(c->client);
	if (c->server >= 0)
		close(c->server);
}

/* Whether 'from' gets a TCP connection to 'to'; *ret is the caller's to hang up. */
static bool connects(
	const struct pod *from, const struct pod *to, uint16_t port, struct connection *ret)
{
	cleanup_close int listener = pod_socket(&lab, to, AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = at(to, port);
	struct pollfd p;
	int one = 1;

	*ret = (struct connection){ -1, -1 };
	assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	ret->client = pod_socket(&lab, from, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(ret->client, (struct sockaddr *)&address, sizeof(address)), -1);
	assert_int_equal(errno, EINPROGRESS);
	p = (struct pollfd){ .fd = listener, .events = POLLIN };
	if (poll(&p, 1, SILENCE_MSEC) != 1)
		return false;
	ret->server = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return ret->server >= 0;
}

static bool opens(const struct pod *from, const struct pod *to, uint16_t port)
{
	struct connection c;
	bool r = connects(from, to, port, &c);

	hang_up(&c);
	return r;
}

/* Whether a byte sent into 'from' comes out of 'to'; TCP tries again and again by itself. */
static bool carries(int from, int to, int msec)
{
	struct pollfd p = { .fd = to, .events = POLLIN };
	char byte = 'x';

	if (send(from, &byte, 1, MSG_NOSIGNAL) != 1)
		return false;
	return poll(&p, 1, msec) == 1 && recv(to, &byte, 1, 0) == 1;
}

static const char db_from_web[] =
	"{\"podSelector\": {\"matchLabels\": {\"app\": \"db\"}}, \"ingress\": [{\"from\":"
	" [{\"podSelector\": {\"matchLabels\": {\"app\": \"web\"}}}], \"ports\": [{\"port\": "
	"80}]}]}";
static const char db_from_nobody[] = "{\"podSelector\": {\"matchLabels\": {\"app\": \"db\"}}}";

/* ---- tests --------------------------------------------------------------------------------- */

static void who_may_and_who_may_not(void **state)
{
	(void)state;
	tell(NULL, 0, true);
	assert_true(opens(&other, &db, 80));
	tell_one(db_from_web);
	assert_true(opens(&web, &db, 80));
	assert_false(opens(&web, &db, 81));
	assert_false(opens(&other, &db, 80));
	assert_false(pod_pings(&lab, &web, db.address, SILENCE_MSEC));
	/* Its own connections, and their replies. */
	assert_true(opens(&db, &other, 80));
	assert_true(pod_pings(&lab, &db, web.address, 1000));
	tell(NULL, 0, true);
	assert_true(pod_pings(&lab, &web, db.address, 1000));
}

static void tenancy_stands_above(void **state)
{
	(void)state;
	tell_one("{\"podSelector\": {}, \"ingress\": [{}, {\"from\": [{\"namespaceSelector\": "
		 "{}}]}]}");
	assert_true(opens(&web, &db, 80));
	assert_false(opens(&blue, &db, 80));
	assert_false(pod_pings(&lab, &blue, web.address, SILENCE_MSEC));
}

static void egress_of_one_pod(void **state)
{
	(void)state;
	tell_one("{\"podSelector\": {\"matchLabels\": {\"app\": \"web\"}}, \"policyTypes\": "
		 "[\"Egress\"],"
		 " \"egress\": [{\"to\": [{\"podSelector\": {\"matchLabels\": {\"app\": "
		 "\"db\"}}}]}]}");
	assert_true(opens(&web, &db, 80));
	assert_false(opens(&web, &other, 80));
	assert_true(opens(&other, &web, 80));
}

static void a_revoked_permission_ends_what_is_open(void **state)
{
	struct connection c, control;

	(void)state;
	tell_one(db_from_web);
	assert_true(connects(&web, &db, 80, &c));
	assert_true(connects(&db, &web, 80, &control));
	assert_true(carries(c.client, c.server, PATIENCE_MSEC));
	assert_true(carries(c.server, c.client, PATIENCE_MSEC));
	tell_one(db_from_nobody);
	assert_false(carries(c.server, c.client, SILENCE_MSEC)); /* what would be a reply */
	assert_false(carries(c.client, c.server, SILENCE_MSEC));
	assert_true(carries(control.client, control.server, PATIENCE_MSEC));
	assert_true(carries(control.server, control.client, PATIENCE_MSEC));
	/* Given again, it goes on where it was. */
	tell_one(db_from_web);
	assert_true(carries(c.client, c.server, PATIENCE_MSEC));
	hang_up(&c);
	hang_up(&control);
}

/* Nobody tracked it, so far: its project had no policy. */
static void the_first_policy_knows_what_is_open(void **state)
{
	struct connection allowed, forbidden, elsewhere;

	(void)state;
	tell(NULL, 0, true);
	assert_true(connects(&web, &db, 80, &allowed));
	assert_true(connects(&other, &db, 80, &forbidden));
	assert_true(connects(&web, &other, 80, &elsewhere));
	tell_one(db_from_web);
	/* The server speaks first: it might be the one that opened it. */
	assert_false(carries(forbidden.server, forbidden.client, SILENCE_MSEC));
	assert_false(carries(forbidden.client, forbidden.server, SILENCE_MSEC));
	assert_true(carries(allowed.client, allowed.server, PATIENCE_MSEC));
	assert_true(carries(allowed.server, allowed.client, PATIENCE_MSEC));
	assert_true(carries(elsewhere.server, elsewhere.client, PATIENCE_MSEC));
	assert_true(carries(elsewhere.client, elsewhere.server, PATIENCE_MSEC));
	hang_up(&allowed);
	hang_up(&forbidden);
	hang_up(&elsewhere);
}

/* A datagram of 'size' bytes and, if it came, one back. */
static bool exchanges(const struct pod *from, const struct pod *to, uint16_t port, size_t size)
{
	cleanup_close int server = pod_socket(&lab, to, AF_INET, SOCK_DGRAM, 0);
	cleanup_close int client = pod_socket(&lab, from, AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in address = at(to, port), peer;
	struct pollfd p = { .fd = server, .events = POLLIN };
	socklen_t peer_size = sizeof(peer);
	static char data[8192];

	assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(
		sendto(client, data, size, 0, (struct sockaddr *)&address, sizeof(address)), size);
	if (poll(&p, 1, SILENCE_MSEC) != 1)
		return false;
	assert_int_equal(
		recvfrom(server, data, sizeof(data), 0, (struct sockaddr *)&peer, &peer_size),
		size);
	assert_int_equal(sendto(server, data, size, 0, (struct sockaddr *)&peer, peer_size), size);
	p.fd = client;
	return poll(&p, 1, SILENCE_MSEC) == 1 &&
	       recv(client, data, sizeof(data), 0) == (ssize_t)size;
}

static void datagrams_whole_and_in_fragments(void **state)
{
	(void)state;
	tell_one("{\"podSelector\": {\"matchLabels\": {\"app\": \"db\"}}, \"ingress\": [{\"ports\":"
		 " [{\"protocol\": \"UDP\", \"port\": 53, \"endPort\": 59}]}]}");
	assert_true(exchanges(&web, &db, 53, 100));
	assert_true(exchanges(&web, &db, 59, 100));
	assert_false(exchanges(&web, &db, 60, 100));
	assert_true(exchanges(&web, &db, 53, 4000));
	assert_false(exchanges(&web, &db, 60, 4000));
	assert_true(exchanges(&db, &web, 60, 4000));
}

/* In the bundle that lets it speak at all. */
static void a_pod_that_nobody_told_of_is_shut(void **state)
{
	struct pod late;

	(void)state;
	tell_one(db_from_web);
	plug(&late, "pod-late", "red", RED);
	assert_false(opens(&late, &web, 80));
	assert_false(opens(&web, &late, 80));
	assert_true(opens(&web, &other, 80));
	assert_int_equal(pod_unplug(&lab, "pod-late"), 0);
	pod_close(&late);
}

static void it_stands_while_netd_is_away(void **state)
{
	cleanup_free char *before = NULL, *away = NULL, *after = NULL;

	(void)state;
	tell_one(db_from_web);
	before = lab_flows(&lab);
	lab_kill(&lab.netd);
	lab.policies_untold = true;
	lab_start_netd(&lab);
	lab.policies_untold = false;
	/* Till it is told, it touches nothing. */
	usleep(500000);
	away = lab_flows(&lab);
	assert_string_equal(before, away);
	assert_false(lab.ready);
	assert_false(opens(&other, &db, 80));
	tell((const char *const[]){ db_from_web }, 1, true);
	lab_await_ready(&lab, true);
	after = lab_flows(&lab);
	assert_string_equal(before, after);
	assert_int_equal(lab.mended, 0);
	assert_true(opens(&web, &db, 80));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_may_and_who_may_not),
		cmocka_unit_test(tenancy_stands_above),
		cmocka_unit_test(egress_of_one_pod),
		cmocka_unit_test(a_revoked_permission_ends_what_is_open),
		cmocka_unit_test(the_first_policy_knows_what_is_open),
		cmocka_unit_test(datagrams_whole_and_in_fragments),
		cmocka_unit_test(a_pod_that_nobody_told_of_is_shut),
		cmocka_unit_test(it_stands_while_netd_is_away),
	};

	return cmocka_run_group_tests_name("policy", tests, setup, teardown);
}
