/* What senders to /dev/log write, and what they could. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "nodeagent/shim/syslog_message.h"

struct row {
	const char *in;
	int severity, facility;
	const char *identifier, *pid, *text; /* NULL: none */
};

static const struct row rows[] = {
	/* C libraries, busybox, RFC 3164 */
	{ "<13>Jan  1 00:00:00 web[7]: hello", 5, 1, "web", "7", "hello" },
	{ "<30>Nov 25 10:11:12 sshd[1234]: Accepted: yes", 6, 3, "sshd", "1234", "Accepted: yes" },
	{ "<11>web: no date", 3, 1, "web", NULL, "no date" },
	{ "<11>web[12]:no blank", 3, 1, "web", "12", "no blank" },
	{ "<191>x", 7, 23, NULL, NULL, "x" },
	{ "plain text", 5, 1, NULL, NULL, "plain text" },
	{ "", 5, 1, NULL, NULL, "" },
	{ "<13>text\n\n", 5, 1, NULL, NULL, "text" },
	/* A container is not the kernel. */
	{ "<0>panic", 0, 1, NULL, NULL, "panic" },
	{ "<6>kernel: x", 6, 1, "kernel", NULL, "x" },
	/* No priority */
	{ "<192>x", 5, 1, NULL, NULL, "<192>x" },
	{ "<1", 5, 1, NULL, NULL, "<1" },
	{ "<>x", 5, 1, NULL, NULL, "<>x" },
	{ "<01>x", 5, 1, NULL, NULL, "<01>x" },
	{ "<-1>x", 5, 1, NULL, NULL, "<-1>x" },
	{ "<1234>x", 5, 1, NULL, NULL, "<1234>x" },
	/* RFC 5424 */
	{ "<165>1 2026-11-25T10:00:00.003Z host app 77 ID47 - text here", 5, 20, "app", "77",
		"- text here" },
	{ "<165>1 - - - - - - text", 5, 20, NULL, NULL, "- text" },
	{ "<14>1 2026-11-25T10:00:00Z host app x7 - - t", 6, 1, "app", NULL, "- t" },
	{ "<14>1 only five words here", 6, 1, NULL, NULL, "1 only five words here" },
	/* Names that are none */
	{ "<14>a b: text", 6, 1, NULL, NULL, "a b: text" },
	{ "<14>: text", 6, 1, NULL, NULL, ": text" },
	{ "<14>web[x]: text", 6, 1, NULL, NULL, "web[x]: text" },
	{ "<14>web[]: text", 6, 1, "web", NULL, "text" },
	{ "<14>web[12345678901]: text", 6, 1, "web", NULL, "text" },
	{ "<14>web[7: text", 6, 1, NULL, NULL, "web[7: text" },
	{ "<14>we\nb: text", 6, 1, NULL, NULL, "we\nb: text" },
	{ "<14>Jan  1 00:00:0x web: text", 6, 1, NULL, NULL, "Jan  1 00:00:0x web: text" },
	{ "<14>a\nBULKHEAD_PROJECT=blue", 6, 1, NULL, NULL, "a\nBULKHEAD_PROJECT=blue" },
};

static int same(const char *want, const char *at, size_t len)
{
	if (!want)
		return at == NULL;
	return at && strlen(want) == len && memcmp(want, at, len) == 0;
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct syslog_message m;

		syslog_message_parse(&m, rows[i].in, strlen(rows[i].in));
		if (m.severity != rows[i].severity || m.facility != rows[i].facility ||
			!same(rows[i].identifier, m.identifier, m.identifier_len) ||
			!same(rows[i].pid, m.pid, m.pid_len) ||
			!same(rows[i].text, m.text, m.text_len))
			fail_msg("row %zu: '%s': %d, %d, '%.*s', '%.*s', '%.*s'", i, rows[i].in,
				m.severity, m.facility, (int)m.identifier_len,
				m.identifier ? m.identifier : "", (int)m.pid_len,
				m.pid ? m.pid : "", (int)m.text_len, m.text);
	}
}

static void test_ends(void **state)
{
	static const char nul[] = "<14>web: a\0b\0";
	char name[300];
	struct syslog_message m;

	(void)state;
	/* NULs inside stay, those at the end go. */
	syslog_message_parse(&m, nul, sizeof(nul) - 1);
	assert_int_equal(m.text_len, 3);
	assert_memory_equal(m.text, "a\0b", 3);
	/* A name of the longest size, and one more. */
	snprintf(name, sizeof(name), "%0*d: t", SYSLOG_IDENTIFIER_MAX, 0);
	syslog_message_parse(&m, name, strlen(name));
	assert_int_equal(m.identifier_len, SYSLOG_IDENTIFIER_MAX);
	snprintf(name, sizeof(name), "%0*d: t", SYSLOG_IDENTIFIER_MAX + 1, 0);
	syslog_message_parse(&m, name, strlen(name));
	assert_null(m.identifier);
	/* Nothing is read past the end: every beginning of every row is a message. */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t n = 0; n <= strlen(rows[i].in); n++) {
			char *copy = malloc(n + 1);

			assert_non_null(copy);
			memcpy(copy, rows[i].in, n);
			copy[n] = 'X';
			syslog_message_parse(&m, copy, n);
			assert_true(m.text >= copy && m.text + m.text_len <= copy + n);
			free(copy);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
