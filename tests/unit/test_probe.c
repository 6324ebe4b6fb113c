/* When probes run and what their results mean; what is read of an HTTP response. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "lib/cleanup.h"
#include "nodeagent/shim/probe.h"
#include "nodeagent/shim/probe_http.h"

#define S         UINT64_C(1000000)
#define STARTUP   BULKHEAD__V1__PROBE_KIND__PROBE_STARTUP
#define LIVENESS  BULKHEAD__V1__PROBE_KIND__PROBE_LIVENESS
#define READINESS BULKHEAD__V1__PROBE_KIND__PROBE_READINESS

static Bulkhead__V1__ProbePlan plan_of(
	Bulkhead__V1__ProbeKind kind, uint32_t delay, uint32_t successes, uint32_t failures)
{
	Bulkhead__V1__ProbePlan plan = BULKHEAD__V1__PROBE_PLAN__INIT;

	plan.kind = kind;
	plan.initial_delay = delay;
	plan.period = 10;
	plan.timeout = 2;
	plan.success_threshold = successes;
	plan.failure_threshold = failures;
	return plan;
}

/* Results ('+', '-') and the flags that each is to give: '.', F(ailing), C(hanged), K(ill). */
static const struct {
	Bulkhead__V1__ProbeKind kind;
	uint32_t successes, failures;
	const char *results;
	const char *flags;
	int ready;
} rows[] = {
	{ READINESS, 1, 3, "", "", 0 },
	{ READINESS, 1, 3, "+", "C", 1 },
	{ READINESS, 1, 3, "++", "C.", 1 },
	{ READINESS, 3, 3, "++", "..", 0 },
	{ READINESS, 3, 3, "+++", "..C", 1 },
	{ READINESS, 3, 3, "++-+++", "..F..C", 1 },
	{ READINESS, 1, 1, "+-", "CB", 0 },
	{ READINESS, 1, 1, "+-+", "CBC", 1 },
	{ READINESS, 1, 3, "+--", "CF.", 1 },
	{ READINESS, 1, 3, "+---", "CF.C", 0 },
	{ READINESS, 1, 3, "+--+--", "CF..F.", 1 },
	{ READINESS, 2, 2, "++--+",
		"."
		"C"
		"F"
		"C"
		".",
		0 },
	{ READINESS, 1, 3, "----", "F...", 0 },
	{ LIVENESS, 1, 1, "+", ".", 1 },
	{ LIVENESS, 1, 1, "-", "X", 0 },
	{ LIVENESS, 1, 3, "--", "F.", 1 },
	{ LIVENESS, 1, 3, "---", "F.K", 0 },
	{ LIVENESS, 1, 3, "--+--", "F..F.", 1 },
	{ LIVENESS, 1, 3, "---+", "F.K.", 0 },
	{ LIVENESS, 1, 3, "----", "F.K.", 0 },
	{ STARTUP, 1, 2, "", "", 0 },
	{ STARTUP, 1, 2, "-", "F", 0 },
	{ STARTUP, 1, 2, "--", "FK", 0 },
	{ STARTUP, 1, 2, "-+", "FC", 1 },
};

static char flag_of(unsigned flags)
{
	switch (flags) {
	case 0:
		return '.';
	case PROBE_FAILING:
		return 'F';
	case PROBE_CHANGED:
		return 'C';
	case PROBE_KILL:
		return 'K';
	case PROBE_FAILING | PROBE_CHANGED:
		return 'B';
	case PROBE_FAILING | PROBE_KILL:
		return 'X';
	default:
		return '?';
	}
}

static void every_threshold(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		Bulkhead__V1__ProbePlan plan =
			plan_of(rows[i].kind, 0, rows[i].successes, rows[i].failures);
		Bulkhead__V1__ProbePlan *list[] = { &plan };
		struct probe_set set;
		char flags[16] = "";

		probe_set_begin(&set, list, 1, S);
		for (size_t k = 0; rows[i].results[k]; k++) {
			probe_set_run(&set, (int)rows[i].kind, (k + 1) * 10 * S);
			flags[k] = flag_of(probe_set_result(&set, (int)rows[i].kind,
				rows[i].results[k] == '+', (k + 1) * 10 * S));
		}
		if (strcmp(flags, rows[i].flags) != 0)
			fail_msg("row %zu: '%s' gave '%s', not '%s'", i, rows[i].results, flags,
				rows[i].flags);
		assert_int_equal(probe_set_ready(&set), rows[i].ready);
	}
}

static void delay_period_and_timeout(void **state)
{
	Bulkhead__V1__ProbePlan plan = plan_of(LIVENESS, 5, 1, 3);
	Bulkhead__V1__ProbePlan *list[] = { &plan };
	struct probe_set set;

	(void)state;
	probe_set_begin(&set, list, 1, 100 * S);
	assert_int_equal(probe_set_next(&set), 105 * S);
	assert_int_equal(probe_set_due(&set, 105 * S - 1), -1);
	assert_int_equal(probe_set_due(&set, 105 * S), LIVENESS);
	probe_set_run(&set, LIVENESS, 105 * S);
	/* One at a time: only its end is waited for. */
	assert_int_equal(probe_set_due(&set, 200 * S), -1);
	assert_int_equal(probe_set_next(&set), 107 * S);
	assert_int_equal(probe_set_late(&set, 107 * S - 1), -1);
	assert_int_equal(probe_set_late(&set, 107 * S), LIVENESS);
	probe_set_result(&set, LIVENESS, false, 107 * S);
	assert_int_equal(probe_set_next(&set), 115 * S);
	/* One that took longer than its period is not made up for. */
	probe_set_run(&set, LIVENESS, 115 * S);
	probe_set_result(&set, LIVENESS, true, 150 * S);
	assert_int_equal(probe_set_next(&set), 150 * S);
}

static void startup_holds_the_others_back(void **state)
{
	Bulkhead__V1__ProbePlan startup = plan_of(STARTUP, 0, 1, 30);
	Bulkhead__V1__ProbePlan liveness = plan_of(LIVENESS, 0, 1, 1);
	Bulkhead__V1__ProbePlan readiness = plan_of(READINESS, 60, 1, 1);
	Bulkhead__V1__ProbePlan *list[] = { &readiness, &liveness, &startup };
	struct probe_set set;

	(void)state;
	probe_set_begin(&set, list, 3, 100 * S);
	assert_false(set.started);
	assert_int_equal(probe_set_due(&set, 500 * S), STARTUP);
	probe_set_run(&set, STARTUP, 100 * S);
	assert_int_equal(probe_set_due(&set, 500 * S), -1);
	assert_int_equal(probe_set_result(&set, STARTUP, true, 101 * S), PROBE_CHANGED);
	assert_true(set.started);
	assert_false(probe_set_ready(&set));
	/* It never runs again; a delay counts from the container's start. */
	assert_int_equal(probe_set_due(&set, 101 * S), LIVENESS);
	probe_set_run(&set, LIVENESS, 101 * S);
	assert_int_equal(probe_set_due(&set, 160 * S - 1), -1);
	assert_int_equal(probe_set_due(&set, 160 * S), READINESS);
}

static void none_are_ready_at_once(void **state)
{
	struct probe_set set;

	(void)state;
	probe_set_begin(&set, NULL, 0, S);
	assert_true(set.started && probe_set_ready(&set));
	assert_int_equal(probe_set_next(&set), PROBE_NEVER);
	assert_int_equal(probe_set_due(&set, PROBE_NEVER), -1);
}

static void nothing_runs_after_the_end(void **state)
{
	Bulkhead__V1__ProbePlan liveness = plan_of(LIVENESS, 0, 1, 1);
	Bulkhead__V1__ProbePlan readiness = plan_of(READINESS, 0, 1, 1);
	Bulkhead__V1__ProbePlan *list[] = { &liveness, &readiness };
	struct probe_set set;

	(void)state;
	probe_set_begin(&set, list, 2, 0);
	probe_set_run(&set, LIVENESS, 0);
	probe_set_run(&set, READINESS, 0);
	assert_int_equal(probe_set_result(&set, LIVENESS, false, S), PROBE_FAILING | PROBE_KILL);
	assert_int_equal(probe_set_result(&set, READINESS, true, S), 0);
	assert_int_equal(probe_set_next(&set), PROBE_NEVER);
	assert_false(probe_set_ready(&set));
}

static const struct {
	const char *text;
	enum probe_http_end end;
	int status;
} answers[] = {
	{ "HTTP/1.1 200 OK\r\n", PROBE_HTTP_DONE, 200 },
	{ "HTTP/1.0 404 Not Found\n", PROBE_HTTP_DONE, 404 },
	{ "HTTP/1.1 302\r\nLocation: http://10.0.0.9/\r\n\r\n", PROBE_HTTP_DONE, 302 },
	{ "HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 204 \r\n", PROBE_HTTP_DONE, 204 },
	{ "HTTP/1.1 100 Continue\r\n\r\nx\r\n", PROBE_HTTP_BAD, -1 },
	{ "HTTP/1.1 200 OK", PROBE_HTTP_MORE, 0 },
	{ "HTTP/1.1 099 X\r\n", PROBE_HTTP_BAD, -1 },
	{ "HTTP/1.1 600 X\r\n", PROBE_HTTP_BAD, -1 },
	{ "HTTP/1.1 20 X\r\n", PROBE_HTTP_BAD, -1 },
	{ "HTTP/1.1 2000\r\n", PROBE_HTTP_BAD, -1 },
	{ "HTTP/2 200\r\n", PROBE_HTTP_BAD, -1 },
	{ "HTTP/1.x 200\r\n", PROBE_HTTP_BAD, -1 },
	{ "SSH-2.0-OpenSSH\r\n", PROBE_HTTP_BAD, -1 },
	{ "\r\n", PROBE_HTTP_BAD, -1 },
};

static void answers_are_read_however_they_come(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		size_t size = strlen(answers[i].text);

		for (size_t step = 1; step <= size; step++) {
			struct probe_http http = { 0 };
			enum probe_http_end end = PROBE_HTTP_MORE;

			for (size_t at = 0; at < size && end == PROBE_HTTP_MORE; at += step)
				end = probe_http_feed(&http, answers[i].text + at,
					size - at < step ? size - at : step);
			if (end != answers[i].end || http.status != answers[i].status)
				fail_msg("answer %zu: %d, %d", i, end, http.status);
		}
	}
}

static void endless_answers_end(void **state)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct probe_http line = { 0 };
	struct probe_http many = { 0 };
	enum probe_http_end end = PROBE_HTTP_MORE;

	(void)state;
	for (size_t i = 0; i < PROBE_HTTP_MAX; i++)
		assert_int_equal(probe_http_feed(&line, "a", 1), PROBE_HTTP_MORE);
	assert_int_equal(probe_http_feed(&line, "a", 1), PROBE_HTTP_LONG);
	for (size_t i = 0; i < PROBE_HTTP_MAX && end == PROBE_HTTP_MORE; i++)
		end = probe_http_feed(&many, interim, sizeof(interim) - 1);
	assert_int_equal(end, PROBE_HTTP_LONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_threshold),
		cmocka_unit_test(delay_period_and_timeout),
		cmocka_unit_test(startup_holds_the_others_back),
		cmocka_unit_test(none_are_ready_at_once),
		cmocka_unit_test(nothing_runs_after_the_end),
		cmocka_unit_test(answers_are_read_however_they_come),
		cmocka_unit_test(endless_answers_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
