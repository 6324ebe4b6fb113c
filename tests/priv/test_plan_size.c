/*
 * The size that is planned for a secret volume against a real tmpfs: secretd's own writer must get
 * along with it while versions replace each other, and not with a page less.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/plan_volumes.h"
#include "nodeagent/shim/tmpfs.h"
#include "secrets/deliver.h"

#define FILES_MAX 8
#define VERSIONS  4

#define NAME_LONG                                                                                  \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xxxx"                                                                                     \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct volume {
	const char *paths[FILES_MAX];
	size_t sizes[FILES_MAX];
} volumes[] = {
	{ { "password" }, { 1 } },
	{ { "password" }, { 4096 } },
	{ { "password" }, { 4097 } },
	{ { "a", "b", "c", "d" }, { 1, 4096, 4097, 1 << 20 } },
	{ { "a", "b" }, { 5, 0 } },
	{ { "deep/er/a", "deep/b", "other/c" }, { 5, 8192, 1 } },
	{ { NAME_LONG, NAME_LONG "y", "z" }, { 1, 1, 1 } },
};

/* A message that asks for the volume, from plain files: what they are made of does not matter. */
struct request {
	Bulkhead__V1__SecretsStage stage;
	Bulkhead__V1__PlainFile files[FILES_MAX], *list[FILES_MAX];
	struct deliver_file deliver[FILES_MAX];
	uint8_t *data;
	size_t n;
};

static void request_init(struct request *r, const struct volume *volume)
{
	memset(r, 0, sizeof(*r));
	bulkhead__v1__secrets_stage__init(&r->stage);
	r->data = calloc(1, 1 << 20);
	assert_non_null(r->data);
	for (; r->n < FILES_MAX && volume->paths[r->n]; r->n++) {
		Bulkhead__V1__PlainFile *file = &r->files[r->n];

		bulkhead__v1__plain_file__init(file);
		file->path = (char *)(uintptr_t)volume->paths[r->n];
		file->content.data = r->data;
		file->content.len = volume->sizes[r->n];
		r->list[r->n] = file;
		r->deliver[r->n] = (struct deliver_file){ .path = file->path,
			.data = r->data,
			.size = file->content.len,
			.mode = 0644,
			.source = "a test" };
	}
	r->stage.files = r->list;
	r->stage.n_files = r->n;
}

/* Stages and publishes versions into a tmpfs of this size. 0 or -1, as the last of them. */
static int deliver_versions(struct request *r, uint64_t size, uint64_t inodes, struct error *err)
{
	const struct tmpfs_options options = { .size = size,
		.inodes = inodes,
		.mode = 0755,
		.attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };
	cleanup_close int mount_fd = tmpfs_make(&options, err);
	cleanup_close int fd = -1;
	char name[DELIVER_NAME_SIZE];

	if (mount_fd < 0)
		fail_msg("%s", err->text);
	fd = deliver_open(mount_fd, err);
	if (fd < 0 || deliver_check(r->deliver, r->n, err) < 0)
		fail_msg("%s", err->text);
	for (int i = 0; i < VERSIONS; i++) {
		if (deliver_stage(fd, r->deliver, r->n, 1000 + i, name, err) < 0 ||
			deliver_publish(fd, name, err) < 0)
			return -1;
	}
	return 0;
}

static void sizes_are_exact(void **state)
{
	const struct plan_node node = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(volumes); i++) {
		struct request r;
		struct error err;
		uint64_t size, inodes;

		request_init(&r, &volumes[i]);
		plan_secrets_size(&node, &r.stage, &size, &inodes);
		if (deliver_versions(&r, size, inodes, &err) < 0)
			fail_msg("volume %zu in %lu bytes, %lu inodes: %s", i, (unsigned long)size,
				(unsigned long)inodes, err.text);
		if (deliver_versions(&r, size - PLAN_PAGE, inodes, &err) == 0)
			fail_msg("volume %zu needs no %lu bytes", i, (unsigned long)size);
		free(r.data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
