/* Egress firewalls as text and as objects, there and back, and one past each limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth/egress_policy.h"
#include "lib/cleanup.h"
#include "lib/egress.h"

static void what_is_written_is_read(void **state)
{
	static const char *const texts[] = {
		"",
		"deny 0.0.0.0/0",
		"allow 10.0.0.0/8 tcp/80-90 udp/53 sctp/1-65535;deny 0.0.0.0/0",
		"allow 192.0.2.1/32 tcp/65535;allow 192.0.2.1/32 tcp/65535",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct egress_rules rules;
		cleanup_free char *text = NULL;
		struct error err;

		if (egress_parse(texts[i], &rules, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(egress_format(&rules, &text, &err), 0);
		assert_string_equal(text, texts[i]);
		egress_done(&rules);
	}
}

static void what_is_none_is_refused(void **state)
{
	static const char *const texts[] = { ";", "deny", "allow 0.0.0.0/0;", "drop 0.0.0.0/0",
		"deny 10.0.0.1/8", "deny 0.0.0.0/33", "deny 0.0.0.0/0 icmp/1", "deny 0.0.0.0/0 tcp",
		"deny 0.0.0.0/0 tcp/0", "deny 0.0.0.0/0 tcp/65536", "deny 0.0.0.0/0 tcp/9-8",
		"deny 0.0.0.0/0 tcp/8-", "deny 0.0.0.0/0  tcp/8", "Deny 0.0.0.0/0",
		"deny 0.0.0.0/0 tcp/80,actions=output" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct egress_rules rules;
		struct error err = { 0 };

		if (egress_parse(texts[i], &rules, &err) == 0)
			fail_msg("'%s' was read", texts[i]);
		assert_int_equal(err.code, ERR_INVALID);
	}
}

/* 'n' times 'rule'. */
static int parse_many(const char *rule, size_t n, struct error *err)
{
	cleanup_free char *text = calloc(n, strlen(rule) + 2);
	struct egress_rules rules;
	int r;

	for (size_t i = 0; i < n; i++)
		strcat(strcat(text, i ? ";" : ""), rule);
	r = egress_parse(text, &rules, err);
	if (r == 0)
		egress_done(&rules);
	return r;
}

static void limits_hold(void **state)
{
	const char *ports = "deny 0.0.0.0/0 tcp/1 tcp/2 tcp/3 tcp/4 tcp/5 tcp/6 tcp/7 tcp/8 tcp/9 "
			    "tcp/10 tcp/11 tcp/12 tcp/13 tcp/14 tcp/15 tcp/16";
	struct error err = { 0 };
	char more[256];

	(void)state;
	assert_int_equal(parse_many("deny 0.0.0.0/0", EGRESS_RULES_MAX, &err), 0);
	assert_int_equal(parse_many("deny 0.0.0.0/0", EGRESS_RULES_MAX + 1, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_int_equal(parse_many(ports, 1, &err), 0);
	snprintf(more, sizeof(more), "%s tcp/17", ports);
	assert_int_equal(parse_many(more, 1, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	/* Ranges count as rules do. */
	assert_int_equal(parse_many(ports, EGRESS_RULES_MAX / EGRESS_PORTS_MAX, &err), 0);
	assert_int_equal(parse_many(ports, EGRESS_RULES_MAX / EGRESS_PORTS_MAX + 1, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
}

static void an_object_is_its_text(void **state)
{
	const char *text = "allow 10.0.0.0/8 tcp/80-90 udp/53;deny 0.0.0.0/0";
	Bulkhead__V1__EgressNetworkPolicy *policy;
	struct violations found = { 0 };
	cleanup_free char *again = NULL;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(egress_policy_of("red", text, &policy, &err), 0);
	assert_string_equal(policy->spec->egress[0]->ports[0]->protocol, "TCP");
	assert_int_equal(egress_policy_judge(policy, &found, &again, &err), 0);
	assert_false(violations_any(&found));
	assert_string_equal(again, text);
	protobuf_c_message_free_unpacked(&policy->base, NULL);
}

static void an_empty_object_is_refused(void **state)
{
	Bulkhead__V1__EgressNetworkPolicy policy = BULKHEAD__V1__EGRESS_NETWORK_POLICY__INIT;
	cleanup_violations struct violations found = { 0 };
	struct error err = { 0 };
	char *rules = NULL;

	(void)state;
	assert_int_equal(egress_policy_judge(&policy, &found, &rules, &err), 0);
	assert_int_equal(found.n, 2);
	assert_string_equal(found.items[0].field, "metadata");
	assert_string_equal(found.items[1].field, "spec.egress");
	assert_null(rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(what_is_none_is_refused),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(an_object_is_its_text),
		cmocka_unit_test(an_empty_object_is_refused),
	};

	return cmocka_run_group_tests_name("egress", tests, NULL, NULL);
}
