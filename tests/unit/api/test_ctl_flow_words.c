/* Actions in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "nodeagent/ctl/flow_words.h"

static void actions(void **state)
{
	static const struct {
		const char *action;
		const char *words;
	} rows[] = {
		{ "goto_table:20", "goes on in table 20" },
		{ "drop", "is dropped" },
		{ "set_field:0xa->reg0", "comes from network 10" },
		{ "set_field:0xffffff->reg1", "goes to network 16777215" },
		{ "set_field:0x1->reg4", "is for another node" },
		{ "set_field:0x2->reg4", "is for outside the cluster" },
		{ "set_field:10.77.0.2->tun_dst", "goes through the tunnel to node 10.77.0.2" },
		{ "output:NXM_NX_REG2[]", "is delivered to that port" },
		{ "output:1", "leaves by port 1" },
		{ "ct(table=27,zone=25192)", "is looked up in conntrack, and goes on in table 27" },
		{ "ct(commit,zone=25192)", "its connection is remembered" },
		/* What is not known is shown. */
		{ "set_field:0x7->reg7", "set_field:0x7->reg7" },
		{ "dropped", "dropped" },
		{ "note:62.68", "note:62.68" },
		{ "", "" },
		{ "set_field:", "set_field:" },
		{ "set_field:->reg0", "comes from network " },
	};
	char buf[FLOW_WORDS_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(flow_words(rows[i].action, buf), rows[i].words);
}

static void a_long_one_is_cut(void **state)
{
	char buf[FLOW_WORDS_SIZE], action[1024];

	(void)state;
	memset(action, 'x', sizeof(action) - 1);
	action[sizeof(action) - 1] = '\0';
	assert_int_equal(strlen(flow_words(action, buf)), FLOW_WORDS_SIZE - 1);
	memcpy(action, "set_field:", 10);
	memcpy(action + sizeof(action) - 7, "->reg0", 6);
	assert_true(strlen(flow_words(action, buf)) < FLOW_WORDS_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(actions),
		cmocka_unit_test(a_long_one_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
