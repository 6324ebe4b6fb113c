/* Which pairs of pods a check asks about. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hash.h"
#include "netplugin/check.h"
#include "netplugin/endpoint.h"
#include "netplugin/peers.h"
#include "util.h"

#define FIRST 0x0a800002u

static struct netd netd;

/* In place of main.c's: only an answer asks. */
int netd_ready(const struct netd *asked, struct error *err)
{
	(void)asked;
	return error_set(err, ERR_UNAVAILABLE, 0, "a test");
}

static void with_pods(size_t n)
{
	hmap_init(&netd.endpoints);
	netd.peers = peers_new();
	for (size_t i = 0; i < n; i++) {
		struct endpoint *endpoint = xzalloc(sizeof(*endpoint));

		endpoint->direction = ENDPOINT_SETTLED;
		endpoint->record.address = FIRST + (uint32_t)i;
		snprintf(endpoint->record.pod, sizeof(endpoint->record.pod), "p%zu", i);
		hmap_insert(&netd.endpoints, &endpoint->node, hash_string(endpoint->record.pod, 0));
	}
}

static void without(void)
{
	struct endpoint *endpoint;

	HMAP_FOR_EACH_POP(endpoint, node, &netd.endpoints)
	free(endpoint);
	hmap_destroy(&netd.endpoints);
	free(netd.peers);
}

/* Every pair asked about is one of two pods, and none comes twice; how many there are. */
static size_t asked(size_t n, size_t *ret_sources)
{
	struct check *check;
	struct trace_found found = { 0 };
	uint8_t *seen = xcalloc(n * n + 1, 1), *sources = xcalloc(n + 1, 1);
	size_t count = 0;

	with_pods(n);
	check = check_new(&netd);
	while (check_next(check, &found)) {
		size_t source = found.source.address - FIRST;
		size_t destination = found.destination.address - FIRST;

		assert_true(source < n && destination < n && source != destination);
		assert_int_equal(seen[source * n + destination]++, 0);
		sources[source] = 1;
		count++;
	}
	*ret_sources = 0;
	for (size_t i = 0; i < n; i++)
		*ret_sources += sources[i];
	check_free(check);
	without();
	free(seen);
	free(sources);
	return count;
}

static void all_of_few(void **state)
{
	size_t sources;

	(void)state;
	assert_int_equal(asked(0, &sources), 0);
	assert_int_equal(asked(1, &sources), 0);
	for (size_t n = 2; n <= 64; n++) { /* 64 * 63 are the last below the limit */
		assert_int_equal(asked(n, &sources), n * (n - 1));
		assert_int_equal(sources, n);
	}
}

static void some_of_many_and_of_each(void **state)
{
	static const size_t numbers[] = { 65, 100, 250, 1000 };
	size_t sources;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		assert_int_equal(asked(numbers[i], &sources), CHECK_ASKED_MAX);
		assert_int_equal(sources, numbers[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_few),
		cmocka_unit_test(some_of_many_and_of_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
