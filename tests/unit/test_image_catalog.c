/* The list of images: whatever is written can be read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/image/catalog.h"
#include "nodeagent/image/limits.h"

static void put(struct catalog *catalog, unsigned number)
{
	struct error err = { 0 };
	char hex[65];

	snprintf(hex, sizeof(hex), "%064x", number);
	assert_int_equal(catalog_put_layer(catalog, hex, UINT64_C(1) << 30, &err), 0);
}

static void one_past_its_size(void **state)
{
	char dir[] = "/tmp/bh-catalog-XXXXXX";
	cleanup_close int top_fd = -1;
	struct catalog catalog, again;
	struct error err = { 0 };
	size_t written = 0, found;
	unsigned n = 0;

	(void)state;
	assert_non_null(mkdtemp(dir));
	top_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(catalog_read(&catalog, top_fd, &err), 0);
	while (n < STORE_IMAGES_MAX * 128u) {
		for (unsigned i = 0; i < 4096; i++)
			put(&catalog, n++);
		if (catalog_write(&catalog, top_fd, &err) < 0)
			break;
		written = n;
	}
	found = (size_t)err.code;
	assert_int_equal(catalog_read(&again, top_fd, &err), 0);
	assert_int_equal(json_object_size(again.layers), written);
	assert_int_equal(found, ERR_EXHAUSTED);
	catalog_done(&again);
	catalog_done(&catalog);
	assert_int_equal(tree_remove_at(AT_FDCWD, dir, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(one_past_its_size) };

	return cmocka_run_group_tests_name("image catalog", tests, NULL, NULL);
}
