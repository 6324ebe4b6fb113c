/* The CLI's flags as kubectl users type them, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "nodeagent/ctl/args.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/print.h"

/* What is parsed borrows from argv, so that is static. */
#define PARSE(args, err, ...)                                                                      \
	({                                                                                         \
		static char *argv_[] = { (char *)(uintptr_t) "bulkhead", __VA_ARGS__, NULL };      \
		args_parse(args, (int)(sizeof(argv_) / sizeof(argv_[0])) - 1, argv_, err);         \
	})
#define W(s) ((char *)(uintptr_t)(s))

static void flags_in_every_spelling(void **state)
{
	struct error err = { 0 };
	struct args a;

	(void)state;
	assert_int_equal(PARSE(&a, &err, W("get"), W("pods"), W("-n"), W("red"), W("-owide")), 0);
	assert_string_equal(a.project, "red");
	assert_string_equal(a.output, "wide");
	assert_int_equal(a.words_len, 2);
	assert_int_equal(
		PARSE(&a, &err, W("get"), W("--namespace=blue"), W("pods"), W("-o=json")), 0);
	assert_string_equal(a.project, "blue");
	assert_string_equal(a.output, "json");
	assert_int_equal(PARSE(&a, &err, W("logs"), W("-f"), W("web"), W("--tail"), W("5")), 0);
	assert_true(a.follow);
	assert_int_equal(a.tail, 5);
	assert_int_equal(PARSE(&a, &err, W("apply"), W("-f"), W("a.yaml"), W("-f"), W("-")), 0);
	assert_int_equal(a.files.len, 2);
	assert_string_equal(a.files.items[1], "-");
	assert_false(a.follow);
}

static void exec_keeps_what_is_behind_the_dashes(void **state)
{
	struct error err = { 0 };
	struct args a;

	(void)state;
	assert_int_equal(PARSE(&a, &err, W("exec"), W("-it"), W("web"), W("--"), W("sh"), W("-c"),
				 W("ls -l")),
		0);
	assert_true(a.stdin_open && a.tty);
	assert_int_equal(a.rest_len, 3);
	assert_string_equal(a.rest[1], "-c");
	assert_null(a.rest[3]);
}

static void bad_flags_are_named(void **state)
{
	struct error err = { 0 };
	struct args a;

	(void)state;
	assert_int_equal(PARSE(&a, &err, W("get"), W("--outpt=json")), -1);
	assert_non_null(strstr(err.text, "did you mean --output"));
	assert_int_equal(PARSE(&a, &err, W("get"), W("-Z")), -1);
	assert_non_null(strstr(err.text, "-Z"));
	assert_int_equal(PARSE(&a, &err, W("get"), W("-n")), -1);
	assert_non_null(strstr(err.text, "needs a value"));
	assert_int_equal(PARSE(&a, &err, W("logs"), W("x"), W("--tail=many")), -1);
	assert_non_null(strstr(err.text, "--tail"));
	assert_int_equal(PARSE(&a, &err, W("delete"), W("--wait=perhaps")), -1);
	assert_int_equal(PARSE(&a, &err, W("get"), W("pods"), W("--tail=3")), 0);
	assert_int_equal(args_allow(&a, ARG(PROJECT), "get", &err), -1);
	assert_non_null(strstr(err.text, "--tail"));
}

static void names_of_one_kind(void **state)
{
	struct error err = { 0 };
	struct ctl_names n;
	struct args a;

	(void)state;
	assert_int_equal(PARSE(&a, &err, W("get"), W("po"), W("a"), W("b")), 0);
	assert_int_equal(ctl_names(&a, &n, &err), 0);
	assert_int_equal(n.kind, CTL_PODS);
	assert_int_equal(n.len, 2);
	assert_string_equal(n.items[1], "b");
	assert_int_equal(PARSE(&a, &err, W("get"), W("ns/a"), W("project/b")), 0);
	assert_int_equal(ctl_names(&a, &n, &err), 0);
	assert_int_equal(n.kind, CTL_PROJECTS);
	assert_string_equal(n.items[0], "a");
	assert_string_equal(n.items[1], "b");
	assert_int_equal(PARSE(&a, &err, W("get"), W("nodes")), 0);
	assert_int_equal(ctl_names(&a, &n, &err), 0);
	assert_int_equal(n.len, 0);
	assert_int_equal(PARSE(&a, &err, W("get"), W("pod/a"), W("secret/b")), 0);
	assert_int_equal(ctl_names(&a, &n, &err), -1);
	assert_int_equal(PARSE(&a, &err, W("get"), W("pod/a"), W("b")), 0);
	assert_int_equal(ctl_names(&a, &n, &err), -1);
	assert_int_equal(PARSE(&a, &err, W("get"), W("pod/")), 0);
	assert_int_equal(ctl_names(&a, &n, &err), -1);
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: refused */
	} rows[] = { { "90", 90 }, { "90s", 90 }, { "5m", 300 }, { "1h30m", 5400 }, { "0", 0 },
		{ "", -1 }, { "5x", -1 }, { "-5", -1 }, { "m", -1 }, { "5m ", -1 },
		{ "99999999999999999999", -1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t seconds = -1;
		struct error err;

		assert_int_equal(
			args_duration(rows[i].text, &seconds, &err), rows[i].seconds < 0 ? -1 : 0);
		assert_int_equal(seconds, rows[i].seconds);
	}
}

/* A time too long for gRPC's number must not turn into one before the epoch, or into "for ever". */
static void a_deadline_is_never_none(void **state)
{
	(void)state;
	assert_int_equal(ctl_deadline_ms(0), 0);
	assert_int_equal(ctl_deadline_ms(2147483646), 2147483646);
	assert_int_equal(ctl_deadline_ms(2147483648), 2147483647);
	assert_int_equal(ctl_deadline_ms(UINT64_MAX), 2147483647);
}

static void ages(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} rows[] = { { -5, "0s" }, { 0, "0s" }, { 119, "119s" }, { 120, "2m" }, { 192, "3m12s" },
		{ 3600, "60m" }, { 4 * 3600, "4h" }, { 50 * 3600, "2d" } };
	char buf[PRINT_AGE_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(print_age(rows[i].seconds, buf), rows[i].text);
}

static void a_terminal_is_not_driven_by_a_log(void **state)
{
	static const char data[] = "a\033[2Jb\tc\r\n\x7f";
	char text[64] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	print_untrusted(f, data, sizeof(data) - 1, true);
	fclose(f);
	assert_string_equal(text, "a\\x1b[2Jb\tc\\x0d\n\\x7f");
	memset(text, 0, sizeof(text));
	f = fmemopen(text, sizeof(text), "w");
	print_untrusted(f, data, sizeof(data) - 1, false);
	fclose(f);
	assert_memory_equal(text, data, sizeof(data) - 1);
}

static void c1_controls_are_shown_in_both_forms(void **state)
{
	/* CSI as a byte and as U+009B; letters beside them in two, three and four bytes stay. */
	static const char data[] = "\x9b"
				   "2J\xc2\x9b"
				   "2J \xc3\x9b \xe2\x80\x99 \xf0\x9f\x98\x80 \xc2\xa9";
	char text[96] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	print_untrusted(f, data, sizeof(data) - 1, true);
	fclose(f);
	assert_string_equal(
		text, "\\x9b2J\\xc2\\x9b2J \xc3\x9b \xe2\x80\x99 \xf0\x9f\x98\x80 \xc2\xa9");
}

static void later_rows_stand_beneath_earlier_ones(void **state)
{
	static const char *const wide[] = { "a-long-name", "x" };
	static const char *const narrow[] = { "b", "y" };
	struct print_table *table = print_table_new();
	char text[64] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	print_table_row(table, wide, 2);
	print_table_write(table, f);
	print_table_row(table, narrow, 2);
	print_table_write(table, f);
	fclose(f);
	print_table_free(table);
	assert_string_equal(text, "a-long-name   x\nb             y\n");
}

static void columns_line_up_and_are_escaped(void **state)
{
	static const char *const head[] = { "NAME", "STATUS" };
	static const char *const row[] = { "a-long-name", "x\033y" };
	static const char *const empty[] = { "b", NULL };
	struct print_table *table = print_table_new();
	char text[256] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	(void)state;
	print_table_row(table, head, 2);
	print_table_row(table, row, 2);
	print_table_row(table, empty, 2);
	print_table_write(table, f);
	fclose(f);
	print_table_free(table);
	assert_string_equal(
		text, "NAME          STATUS\na-long-name   x\\x1by\nb             <none>\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_in_every_spelling),
		cmocka_unit_test(exec_keeps_what_is_behind_the_dashes),
		cmocka_unit_test(bad_flags_are_named),
		cmocka_unit_test(names_of_one_kind),
		cmocka_unit_test(durations),
		cmocka_unit_test(a_deadline_is_never_none),
		cmocka_unit_test(ages),
		cmocka_unit_test(a_terminal_is_not_driven_by_a_log),
		cmocka_unit_test(c1_controls_are_shown_in_both_forms),
		cmocka_unit_test(later_rows_stand_beneath_earlier_ones),
		cmocka_unit_test(columns_line_up_and_are_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
