/* bulkhead-clusterd's command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "nodeagent/cluster/arguments.h"

#define WORDS_MAX 16

/* Splits 'text' at its blanks. */
static int parse(struct arguments *ret, const char *text, struct error *err)
{
	static char copy[256];
	char *argv[WORDS_MAX + 2] = { copy };
	int argc = 1;

	assert_true(strlen(text) < sizeof(copy));
	memcpy(copy, text, strlen(text) + 1);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
		assert_true(argc <= WORDS_MAX);
		argv[argc++] = word;
	}
	argv[0] = (char *)(uintptr_t) "bulkhead-clusterd";
	return arguments_parse(ret, argc, argv, err);
}

static void good_arguments_are_taken(void **state)
{
	struct arguments a;
	struct error err = { 0 };

	(void)state;
	if (parse(&a,
		    "--db unix:/run/x/db.sock --uid 9 --root /empty --cluster-network 10.0.0.0/8 "
		    "--host-subnet-bits 9 --member",
		    &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(a.db_dir, "/run/x");
	assert_string_equal(a.db_name, "db.sock");
	assert_int_equal(a.gid, 9);
	assert_int_equal(a.host_bits, 9);
	assert_true(a.member);
	assert_int_equal(parse(&a,
				 "--db unix:/x --uid 9 --root / --cluster-network 10.0.0.0/8 "
				 "--host-subnet-bits 9",
				 &err),
		0);
	assert_string_equal(a.db_dir, "/");
	assert_false(a.member);
}

static void bad_arguments_are_named(void **state)
{
	static const struct {
		const char *arguments;
		const char *says;
	} rows[] = {
		{ "", "--db is missing" },
		{ "--db tcp:1.2.3.4:5", "--db: 'tcp:1.2.3.4:5' is not unix:/PATH" },
		{ "--db unix:/tmp/x --uid 0", "--uid: '0' is not a number from 1" },
		{ "--db unix:/tmp/x --uid 9 --root x", "--root: 'x' is not an absolute path" },
		{ "--cluster-network 10.0.0.1/8", "bits set behind its prefix" },
		{ "--host-subnet-bits 16",
			"--host-subnet-bits: '16' is not a number from 3 to 15" },
		{ "--db unix:/x --uid 9 --root / --cluster-network 10.0.0.0/28 --host-subnet-bits "
		  "9",
			"is larger than --cluster-network" },
		{ "--nonsense", "'--nonsense' is unknown" },
		{ "stray", "'stray' is not an option" },
	};
	struct arguments a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct error err = { 0 };

		assert_int_equal(parse(&a, rows[i].arguments, &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
		if (!strstr(err.text, rows[i].says))
			fail_msg("'%s': %s", rows[i].arguments, err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_arguments_are_taken),
		cmocka_unit_test(bad_arguments_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
