/* Denials: each once, and one port's do not push out another's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "netplugin/denial_table.h"

static size_t of_port(const struct denial_table *table, uint32_t in_port)
{
	size_t n = 0;

	for (size_t i = 0; i < DENIALS_MAX; i++)
		n += table->rows[i].used && table->rows[i].key.in_port == in_port;
	return n;
}

static const struct denial *find(const struct denial_table *table, uint32_t in_port, uint16_t port)
{
	for (size_t i = 0; i < DENIALS_MAX; i++) {
		const struct denial *row = &table->rows[i];

		if (row->used && row->key.in_port == in_port && row->key.port == port)
			return row;
	}
	return NULL;
}

static bool note(struct denial_table *table, uint32_t in_port, uint16_t port, int64_t now)
{
	const struct denial_key key = { in_port, 1, 2, 80, 17, port };

	return denial_table_note(table, &key, now);
}

static void the_same_is_counted(void **state)
{
	struct denial_table *table = calloc(1, sizeof(*table));
	struct denial_key other = { 2, 1, 2, 80, 17, 53 };

	(void)state;
	assert_true(note(table, 2, 53, 100));
	assert_false(note(table, 2, 53, 200));
	assert_int_equal(find(table, 2, 53)->count, 2);
	assert_int_equal(find(table, 2, 53)->first_msec, 100);
	assert_int_equal(find(table, 2, 53)->last_msec, 200);
	/* Each part of the key tells one from another. */
	other.table = 40;
	assert_true(denial_table_note(table, &other, 300));
	other.source = 9;
	assert_true(denial_table_note(table, &other, 300));
	other.destination = 9;
	assert_true(denial_table_note(table, &other, 300));
	other.protocol = 6;
	assert_true(denial_table_note(table, &other, 300));
	other.in_port = 3;
	assert_true(denial_table_note(table, &other, 300));
	assert_int_equal(of_port(table, 2), 5);
	free(table);
}

static void one_port_has_a_limit(void **state)
{
	struct denial_table *table = calloc(1, sizeof(*table));

	(void)state;
	note(table, 7, 1, 50);
	for (uint16_t i = 0; i < DENIALS_PORT_MAX; i++)
		note(table, 2, (uint16_t)(1000 + i), 100 + i);
	assert_int_equal(of_port(table, 2), DENIALS_PORT_MAX);
	note(table, 2, 1000, 200); /* the oldest is not any more */
	note(table, 2, 9999, 300);
	assert_int_equal(of_port(table, 2), DENIALS_PORT_MAX);
	assert_non_null(find(table, 2, 1000));
	assert_null(find(table, 2, 1001));
	assert_non_null(find(table, 2, 9999));
	assert_non_null(find(table, 7, 1));
	free(table);
}

static void a_full_table_gives_up_its_oldest(void **state)
{
	struct denial_table *table = calloc(1, sizeof(*table));

	(void)state;
	for (uint32_t i = 0; i < DENIALS_MAX; i++)
		assert_true(note(table, i, 1, 1000 + i));
	assert_true(note(table, 9999, 1, 5000));
	assert_null(find(table, 0, 1));
	assert_non_null(find(table, 1, 1));
	assert_non_null(find(table, 9999, 1));
	free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_is_counted),
		cmocka_unit_test(one_port_has_a_limit),
		cmocka_unit_test(a_full_table_gives_up_its_oldest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
