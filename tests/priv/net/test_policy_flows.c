/*
 * Network policies' flows in a real switch: each case's are loaded into a bridge of its own, and
 * ofproto/trace says what becomes of a connection, of its replies, and of what was open before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "netplugin/names.h"
#include "tests/priv/net/lab.h"
#include "tests/priv/net/policy_cases.h"

#define WEB     0x0a800002u /* 10.128.0.2 */
#define DB      0x0a800003u
#define OTHER   0x0a800004u
#define BLUE    0x0a800005u
#define OUTSIDE 0xcb007107u /* 203.0.113.7 */
#define TCP     6
#define UDP     17
#define SCTP    132
#define ICMP    1

static struct lab lab;
static struct error problem; /* of the case that was loaded last */

static int setup(void **state)
{
	(void)state;
	lab_start(&lab, "10.128.0.0/23", "netdev");
	free(lab_run("ovs-vsctl --db=unix:%s/db.sock -- add-br cases -- set bridge cases"
		     " datapath_type=netdev fail_mode=secure",
		lab.dir));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(lab_run("ovs-vsctl --db=unix:%s/db.sock del-br cases", lab.dir));
	lab_stop(&lab);
	return 0;
}

/* The usual pods: web and db of red, one more of red, one of blue. */
static struct policy_case usual(void)
{
	struct policy_case c = { 0 };

	case_project(&c, "red", "kubernetes.io/metadata.name=red,team=a");
	case_project(&c, "blue", "kubernetes.io/metadata.name=blue,team=b");
	case_pod(&c, "red", WEB, "app=web,tier=front");
	case_pod(&c, "red", DB, "app=db");
	case_pod(&c, "red", OTHER, "app=other");
	case_pod(&c, "blue", BLUE, "app=web");
	return c;
}

/* Fills the bridge with all flows of the case; a tracked packet begins where conntrack put it. */
static size_t load(struct policy_case *c)
{
	const struct flow_node node = { { 0x0a800000, 23 }, { 0x0a800000, 14 }, 1, 0 };
	struct flow_list list = { 0 };
	struct error err = { 0 };
	char path[96];
	size_t policy_len;
	FILE *file;

	problem = (struct error){ 0 };
	c->input.pods = c->pods;
	c->input.projects = c->projects;
	c->input.policies = c->policies;
	snprintf(path, sizeof(path), "%s/flows", lab.dir);
	if (policy_flows(&c->input, &list, &problem, &err) < 0)
		fail_msg("%s", err.text);
	policy_len = list.len;
	assert_int_equal(flows_base(&node, &list, &err), 0);
	for (size_t i = 0; i < c->input.pods_len; i++) {
		const struct flow_port port = { c->pods[i].address, 11, (uint32_t)i + 2 };

		assert_int_equal(flows_pod(&port, &list, &err), 0);
	}
	file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file, "table=0,priority=500,ip,ct_state=+trk,actions=goto_table:27\n");
	for (size_t i = 0; i < list.len; i++)
		fprintf(file, "%s\n", list.lines[i]);
	fclose(file);
	flow_list_done(&list);
	free(lab_run("ovs-ofctl -O OpenFlow15 --bundle replace-flows unix:%s/cases.mgmt %s",
		lab.dir, path));
	return policy_len;
}

static const char *protocol_word(unsigned protocol)
{
	return protocol == TCP    ? "tcp"
	       : protocol == UDP  ? "udp"
	       : protocol == SCTP ? "sctp"
				  : "icmp";
}

/* Whether a packet that conntrack says 'ct' and 'orig' of passes both policies' tables. */
static bool passes(uint32_t src, uint32_t dst, unsigned protocol, unsigned port, const char *ct,
	const char *orig)
{
	char from[IPNET_TEXT_SIZE], to[IPNET_TEXT_SIZE], to_mac[MAC_TEXT_SIZE];
	cleanup_free char *text = NULL;
	uint8_t mac[6];

	address_format(src, from);
	address_format(dst, to);
	mac_of_address(dst, mac);
	mac_format(mac, to_mac);
	text = lab_run(
		"ovs-appctl -t %s/ovs-vswitchd.ctl ofproto/trace cases 'in_port=1,%s,dl_dst=%s,"
		"nw_src=%s,nw_dst=%s,ct_state=%s,%s,ct_nw_proto=%u,ct_tp_dst=%u'",
		lab.dir, protocol_word(protocol), to_mac, from, to, ct, orig, protocol, port);
	return strstr(text, "\n77. ") != NULL;
}

/* Whether 'src' may open a connection: its first packet, and its replies, get the same answer. */
static bool opens(uint32_t src, uint32_t dst, unsigned protocol, unsigned port)
{
	char orig[96], syn[112], from[IPNET_TEXT_SIZE], to[IPNET_TEXT_SIZE];
	bool first;

	address_format(src, from);
	address_format(dst, to);
	snprintf(orig, sizeof(orig), "ct_nw_src=%s,ct_nw_dst=%s", from, to);
	snprintf(syn, sizeof(syn), "%s%s", protocol == TCP ? "tcp_flags=0x2," : "", orig);
	first = passes(src, dst, protocol, port, "trk|new", syn);
	assert_int_equal(first, passes(src, dst, protocol, port, "trk|est", orig));
	assert_int_equal(first, passes(dst, src, protocol, port, "trk|est|rpl", orig));
	return first;
}

static void nothing_is_shut_without_policies(void **state)
{
	struct policy_case c = usual();

	(void)state;
	assert_int_equal(load(&c), 0);
	assert_true(opens(WEB, DB, TCP, 80));
}

static void the_default_is_ingress_alone(void **state)
{
	struct policy_case c = usual();

	(void)state;
	case_policy(&c, "red", "deny", "{\"podSelector\": {\"matchLabels\": {\"app\": \"db\"}}}");
	load(&c);
	assert_false(opens(WEB, DB, TCP, 80));
	assert_false(opens(OUTSIDE, DB, UDP, 53));
	assert_false(opens(WEB, DB, ICMP, 0));
	assert_true(opens(DB, WEB, TCP, 80));
	assert_true(opens(DB, OUTSIDE, TCP, 80));
	assert_true(opens(WEB, OTHER, TCP, 80));
}

static void egress_rules_make_it_egress_too(void **state)
{
	struct policy_case c = usual();

	(void)state;
	case_policy(&c, "red", "p",
		"{\"podSelector\": {}, \"egress\": [{\"to\": [{\"podSelector\": {\"matchLabels\":"
		" {\"app\": \"db\"}}}]}]}");
	load(&c);
	/* Both ends count: db may be gone to, but nobody may come. */
	assert_false(opens(WEB, DB, TCP, 80));
	assert_false(opens(WEB, BLUE, TCP, 80));
	assert_true(opens(BLUE, OUTSIDE, TCP, 80));
}

static void egress_alone(void **state)
{
	struct policy_case c = usual();

	(void)state;
	case_policy(&c, "red", "p",
		"{\"podSelector\": {\"matchLabels\": {\"app\": \"web\"}}, \"policyTypes\":"
		" [\"Egress\"], \"egress\": [{\"to\": [{\"podSelector\": {\"matchLabels\": "
		"{\"app\":"
		" \"db\"}}}], \"ports\": [{\"port\": 5432}]}]}");
	load(&c);
	assert_true(opens(WEB, DB, TCP, 5432));
	assert_false(opens(WEB, DB, UDP, 5432));
	assert_false(opens(WEB, DB, TCP, 5433));
	assert_false(opens(WEB, OTHER, TCP, 5432));
	assert_false(opens(WEB, OUTSIDE, TCP, 5432));
	assert_true(opens(DB, WEB, TCP, 80)); /* who comes is not this policy's matter */
	assert_true(opens(OUTSIDE, WEB, TCP, 80));
}

static void peers_by_pod_and_project(void **state)
{
	struct policy_case c = usual();

	(void)state;
	case_pod(&c, "blue", 0x0a800006, "app=db");
	case_policy(&c, "red", "p",
		"{\"podSelector\": {\"matchLabels\": {\"app\": \"db\"}}, \"ingress\": [{\"from\": ["
		"{\"podSelector\": {\"matchLabels\": {\"app\": \"web\"}}},"
		"{\"namespaceSelector\": {\"matchLabels\": {\"team\": \"b\"}}, \"podSelector\":"
		" {\"matchExpressions\": [{\"key\": \"app\", \"operator\": \"In\", \"values\":"
		" [\"web\", \"x\"]}]}}]}]}");
	load(&c);
	assert_true(opens(WEB, DB, TCP, 80));
	assert_true(opens(BLUE, DB, TCP, 80));
	assert_false(opens(0x0a800006, DB, TCP, 80)); /* blue, but not app=web */
	assert_false(opens(OTHER, DB, TCP, 80));
	assert_false(opens(OUTSIDE, DB, TCP, 80));
}

static void all_pods_of_all_projects(void **state)
{
	struct policy_case c = usual();

	(void)state;
	case_policy(&c, "red", "p",
		"{\"podSelector\": {}, \"ingress\": [{\"from\": [{\"namespaceSelector\": {}}]}]}");
	load(&c);
	assert_true(opens(BLUE, DB, TCP, 80));
	assert_true(opens(OTHER, DB, SCTP, 80));
	assert_false(opens(OUTSIDE, DB, TCP, 80));
}

static void blocks_with_exceptions(void **state)
{
	struct policy_case c = usual();

	(void)state;
	case_policy(&c, "red", "p",
		"{\"podSelector\": {\"matchLabels\": {\"app\": \"db\"}}, \"ingress\": [{\"from\":"
		" [{\"ipBlock\": {\"cidr\": \"203.0.112.0/23\", \"except\": [\"203.0.113.7/32\","
		" \"203.0.112.128/25\"]}}], \"ports\": [{\"protocol\": \"UDP\"}]}]}");
	load(&c);
	assert_false(opens(OUTSIDE, DB, UDP, 80));
	assert_true(opens(OUTSIDE - 1, DB, UDP, 80));
	assert_true(opens(OUTSIDE + 1, DB, UDP, 9));
	assert_false(opens(OUTSIDE + 1, DB, TCP, 80));
	assert_true(opens(0xcb00707f, DB, UDP, 80));
	assert_false(opens(0xcb007080, DB, UDP, 80));
	assert_false(opens(0xcb007200, DB, UDP, 80));
	assert_false(opens(WEB, DB, UDP, 80));
}

static void everywhere_but(void **state)
{
	struct policy_case c = usual();

	(void)state;
	case_policy(&c, "red", "p",
		"{\"podSelector\": {}, \"policyTypes\": [\"Egress\"], \"egress\": [{\"to\":"
		" [{\"ipBlock\": {\"cidr\": \"0.0.0.0/0\", \"except\": [\"10.0.0.0/8\"]}}]}]}");
	load(&c);
	assert_true(opens(WEB, OUTSIDE, TCP, 80));
	assert_false(opens(WEB, DB, TCP, 80));
}

static void ranges_of_ports(void **state)
{
	struct policy_case c = usual();

	(void)state;
	case_policy(&c, "red", "p",
		"{\"podSelector\": {}, \"ingress\": [{\"ports\": [{\"port\": 1023, \"endPort\": "
		"4097},"
		" {\"protocol\": \"SCTP\", \"port\": 65535}]}]}");
	load(&c);
	assert_false(opens(WEB, DB, TCP, 1022));
	assert_true(opens(WEB, DB, TCP, 1023));
	assert_true(opens(WEB, DB, TCP, 1024));
	assert_true(opens(WEB, DB, TCP, 4097));
	assert_false(opens(WEB, DB, TCP, 4098));
	assert_false(opens(WEB, DB, UDP, 2000));
	assert_true(opens(OUTSIDE, DB, SCTP, 65535));
	assert_false(opens(WEB, DB, ICMP, 1023));
}

static void policies_add_up(void **state)
{
	struct policy_case c = usual();

	(void)state;
	case_policy(&c, "red", "none", "{\"podSelector\": {}}");
	case_policy(&c, "red", "a",
		"{\"podSelector\": {}, \"ingress\": [{\"from\": [{\"podSelector\": "
		"{\"matchLabels\":"
		" {\"app\": \"web\"}}}], \"ports\": [{\"port\": 80}]}]}");
	case_policy(&c, "red", "b",
		"{\"podSelector\": {\"matchLabels\": {\"app\": \"db\"}}, \"ingress\": [{\"from\":"
		" [{\"podSelector\": {\"matchLabels\": {\"app\": \"other\"}}}], \"ports\": "
		"[{\"port\":"
		" 5432}]}, {\"from\": [{\"podSelector\": {\"matchLabels\": {\"app\": \"web\"}}}],"
		" \"ports\": [{\"port\": 5433}]}]}");
	load(&c);
	assert_true(opens(WEB, DB, TCP, 80));
	assert_true(opens(WEB, DB, TCP, 5433));
	assert_true(opens(OTHER, DB, TCP, 5432));
	assert_false(opens(WEB, DB, TCP, 5432)); /* of two rules each a half */
	assert_false(opens(OTHER, DB, TCP, 80));
	assert_false(opens(OTHER, DB, TCP, 5433));
	assert_false(opens(WEB, OTHER, TCP, 5432));
	assert_true(opens(WEB, OTHER, TCP, 80));
}

static void an_empty_rule_lets_all_in(void **state)
{
	struct policy_case c = usual();

	(void)state;
	case_policy(&c, "red", "none", "{\"podSelector\": {}}");
	case_policy(&c, "red", "all",
		"{\"podSelector\": {\"matchLabels\": {\"app\": \"db\"}}, \"ingress\": [{}]}");
	load(&c);
	assert_true(opens(OUTSIDE, DB, ICMP, 0));
	assert_false(opens(OUTSIDE, WEB, TCP, 80));
}

static void a_policy_is_of_its_project_alone(void **state)
{
	struct policy_case c = usual();

	(void)state;
	case_policy(&c, "blue", "none",
		"{\"podSelector\": {}, \"policyTypes\": [\"Ingress\", \"Egress\"]}");
	load(&c);
	assert_true(opens(WEB, DB, TCP, 80));
	assert_false(opens(WEB, BLUE, TCP, 80));
	assert_false(opens(BLUE, WEB, TCP, 80));
}

static void who_is_not_told_is_shut(void **state)
{
	struct policy_case c = usual();

	(void)state;
	case_pod(&c, "red", 0x0a800007, NULL);
	case_policy(&c, "red", "p",
		"{\"podSelector\": {\"matchLabels\": {\"app\": \"db\"}}, \"ingress\": [{\"from\":"
		" [{\"podSelector\": {}}]}]}");
	load(&c);
	assert_true(opens(OTHER, DB, TCP, 80));
	assert_false(opens(0x0a800007, DB, TCP, 80));
	assert_false(opens(0x0a800007, OUTSIDE, TCP, 80));
	assert_false(opens(DB, 0x0a800007, TCP, 80));
}

/* TCP that was open before anybody looked: no SYN comes that would say who opened it. */
static void what_was_open_before(void **state)
{
	static const char midstream[] = "trk|new";
	struct policy_case c = usual();

	(void)state;
	case_policy(&c, "red", "p",
		"{\"podSelector\": {\"matchLabels\": {\"app\": \"db\"}}, \"ingress\": [{\"from\":"
		" [{\"podSelector\": {\"matchLabels\": {\"app\": \"web\"}}}], \"ports\": "
		"[{\"port\":"
		" 80}]}]}");
	load(&c);
	/* Who may open it goes on, and so its replies are known for such. */
	assert_true(passes(WEB, DB, TCP, 80, midstream,
		"tcp_flags=0x10,ct_nw_src=10.128.0.2,ct_nw_dst=10.128.0.3"));
	/* What db sends first might be a reply to one that may not be open. */
	assert_false(passes(DB, OTHER, TCP, 9, midstream,
		"tcp_flags=0x10,ct_nw_src=10.128.0.3,ct_nw_dst=10.128.0.4"));
	assert_true(passes(DB, OTHER, TCP, 9, midstream,
		"tcp_flags=0x2,ct_nw_src=10.128.0.3,ct_nw_dst=10.128.0.4"));
	assert_true(passes(WEB, OTHER, TCP, 9, midstream,
		"tcp_flags=0x10,ct_nw_src=10.128.0.2,ct_nw_dst=10.128.0.4"));
}

static void a_pod_elsewhere_is_a_peer_and_no_more(void **state)
{
	struct policy_case c = usual();

	(void)state;
	c.pods[1].elsewhere = true;
	c.pods[2].elsewhere = true;
	case_policy(&c, "red", "p",
		"{\"podSelector\": {}, \"ingress\": [{\"from\": [{\"podSelector\": "
		"{\"matchLabels\":"
		" {\"app\": \"db\"}}}]}]}");
	load(&c);
	assert_true(opens(DB, WEB, TCP, 80));
	assert_false(opens(OTHER, WEB, TCP, 80));
	/* Judged where it is. */
	assert_true(opens(WEB, OTHER, TCP, 80));
}

static void rules_cost_a_sum_not_a_product(void **state)
{
	struct policy_case c = { 0 };
	size_t len;

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		case_pod(&c, "red", WEB + i, "app=db");
	for (uint32_t i = 0; i < 10; i++)
		case_pod(&c, "blue", WEB + 10 + i, "app=web");
	case_project(&c, "blue", "a=b");
	case_policy(&c, "red", "p",
		"{\"podSelector\": {}, \"ingress\": [{\"from\": [{\"namespaceSelector\": {}}],"
		" \"ports\": [{\"port\": 1}, {\"port\": 2}, {\"port\": 4}, {\"port\": 8}, "
		"{\"port\": 16},"
		" {\"port\": 32}, {\"port\": 64}, {\"port\": 128}, {\"port\": 256}, {\"port\": "
		"512}]}]}");
	len = load(&c);
	/*
	 * 10 + 10 + 10, fragments and the conjunction; of each pod two to conntrack, one shut, one
	 * midstream.
	 */
	assert_int_equal(len, 32 + 10 * 4);
	assert_true(opens(WEB + 19, WEB + 9, TCP, 512));
	assert_false(opens(WEB + 19, WEB + 9, TCP, 513));
}

/* Somebody wrote it into the database who asked nobody. */
static void what_was_not_admitted_shuts_its_project(void **state)
{
	static const char *const specs[] = {
		"{\"podSelector\": {}, \"ingress\": [{\"from\": [{}]}]}",
		"{\"podSelector\": {}, \"ingress\": [{\"ports\": [{\"port\": \"http\"}]}]}",
		"{\"podSelector\": {}, \"ingress\": [{\"ports\": [{\"port\": 9, \"endPort\": "
		"8}]}]}",
		"{\"podSelector\": {}, \"ingress\": [{\"ports\": [{\"protocol\": \"ICMP\"}]}]}",
		"{\"podSelector\": {}, \"ingress\": [{\"from\": [{\"ipBlock\": {\"cidr\": "
		"\"::/0\"}}]}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		struct policy_case c = usual();

		case_policy(&c, "blue", "fine",
			"{\"podSelector\": {}, \"ingress\": [{\"ports\": [{\"port\": 80}]}]}");
		case_policy(&c, "red", "open", "{\"podSelector\": {}, \"ingress\": [{}]}");
		case_policy(&c, "red", "p", specs[i]);
		load(&c);
		assert_int_equal(problem.code, ERR_INVALID);
		assert_non_null(
			strstr(problem.text, "policy 'p' of project 'red', Ingress rule 0"));
		assert_false(opens(WEB, DB, TCP, 80));
		assert_false(opens(WEB, OUTSIDE, TCP, 80));
		assert_true(opens(OUTSIDE, BLUE, TCP, 80));
	}
}

/* 'n' ports that no mask covers two of. */
static struct policy_case of_ports(size_t n)
{
	struct policy_case c = usual();
	cleanup_free char *spec = NULL;
	size_t size;
	FILE *out = open_memstream(&spec, &size);

	fputs("{\"podSelector\": {\"matchLabels\": {\"app\": \"db\"}}, \"ingress\": [{\"ports\": [",
		out);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s{\"port\": %zu}", i ? "," : "", 2 * i + 1);
	fputs("]}]}", out);
	fclose(out);
	case_policy(&c, "red", "p", spec);
	return c;
}

static void one_project_has_so_many_flows(void **state)
{
	/* Its pod, fragments and the conjunction take one each. */
	struct policy_case c = of_ports(POLICY_FLOWS_MAX - 3);

	(void)state;
	load(&c);
	assert_int_equal(problem.code, ERR_NONE);
	assert_true(opens(WEB, DB, TCP, 2 * (POLICY_FLOWS_MAX - 4) + 1));
	c = of_ports(POLICY_FLOWS_MAX - 2);
	load(&c);
	assert_int_equal(problem.code, ERR_PRECONDITION);
	assert_non_null(strstr(problem.text, "more than 20000 flows"));
	assert_false(opens(WEB, DB, TCP, 1));
	assert_true(opens(BLUE, OUTSIDE, TCP, 1));
}

/* 20 peers, each asked of every pod: 2 a question, as the selector of the policy's own pods. */
static struct policy_case of_pods_elsewhere(size_t n, struct policy_pod *pods)
{
	struct policy_case c = usual();
	cleanup_free char *spec = NULL;
	size_t size;
	FILE *out = open_memstream(&spec, &size);

	fputs("{\"podSelector\": {\"matchLabels\": {\"app\": \"db\"}}, \"ingress\": [{\"from\": [",
		out);
	for (size_t i = 0; i < 20; i++)
		fprintf(out, "%s{\"podSelector\": {\"matchLabels\": {\"a\": \"b\"}}}",
			i ? "," : "");
	fputs("]}]}", out);
	fclose(out);
	case_policy(&c, "red", "p", spec);
	memcpy(pods, c.pods, c.input.pods_len * sizeof(*pods));
	for (size_t i = 0; i < n; i++)
		pods[c.input.pods_len + i] = (struct policy_pod){
			.project = "blue",
			.address = 0x0a800200 + (uint32_t)i,
			.elsewhere = true,
			.labels_known = true,
		};
	return c;
}

/* Without the switch: of so many addresses there are none. */
static size_t flows_of(struct policy_case *c)
{
	struct flow_list list = { 0 };
	struct error err = { 0 };
	size_t len;

	problem = (struct error){ 0 };
	c->input.policies = c->policies;
	c->input.projects = c->projects;
	assert_int_equal(policy_flows(&c->input, &list, &problem, &err), 0);
	len = list.len;
	flow_list_done(&list);
	return len;
}

static void one_project_asks_so_much(void **state)
{
	const size_t own = 4, n = (POLICY_WORK_MAX - 2 * own) / 40 - own;
	cleanup_free struct policy_pod *pods = calloc(own + n + 1, sizeof(*pods));
	struct policy_case c = of_pods_elsewhere(n + 1, pods);
	size_t whole;

	(void)state;
	assert_int_equal(c.input.pods_len, own);
	c.input.pods = pods;
	c.input.pods_len = own + n;
	whole = flows_of(&c);
	assert_int_equal(problem.code, ERR_NONE);
	c.input.pods_len++;
	/* Shut, all three pods of the project, and no rule is left. */
	assert_int_equal(flows_of(&c), 3 * 2 + 3 * 2 * 2);
	assert_true(whole < 3 * 2 + 3 * 2 * 2);
	assert_int_equal(problem.code, ERR_PRECONDITION);
	assert_non_null(strstr(problem.text, "ask more than 4000000 times"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_shut_without_policies),
		cmocka_unit_test(the_default_is_ingress_alone),
		cmocka_unit_test(egress_rules_make_it_egress_too),
		cmocka_unit_test(egress_alone),
		cmocka_unit_test(peers_by_pod_and_project),
		cmocka_unit_test(all_pods_of_all_projects),
		cmocka_unit_test(blocks_with_exceptions),
		cmocka_unit_test(everywhere_but),
		cmocka_unit_test(ranges_of_ports),
		cmocka_unit_test(policies_add_up),
		cmocka_unit_test(an_empty_rule_lets_all_in),
		cmocka_unit_test(a_policy_is_of_its_project_alone),
		cmocka_unit_test(who_is_not_told_is_shut),
		cmocka_unit_test(what_was_open_before),
		cmocka_unit_test(a_pod_elsewhere_is_a_peer_and_no_more),
		cmocka_unit_test(rules_cost_a_sum_not_a_product),
		cmocka_unit_test(what_was_not_admitted_shuts_its_project),
		cmocka_unit_test(one_project_has_so_many_flows),
		cmocka_unit_test(one_project_asks_so_much),
	};

	return cmocka_run_group_tests_name("policy_flows", tests, setup, teardown);
}
