/*
 * Archives that lie or want too much: each is refused by name, and nothing of it is left. The
 * confinement around this is tests/priv/test_image_confined.c's.
 */
#include "tests/fixtures/unpack_fixture.h"

static void test_left_out(void **state)
{
	struct fixture *f = *state;
	struct blob layer = { 0 };

	tar_add(&layer, (struct tar_entry){ .name = "dev/null",
				.type = '3',
				.mode = 0666,
				.major_no = 1,
				.minor_no = 3 });
	tar_add(&layer, (struct tar_entry){ .name = "dev/sda", .type = '4', .major_no = 8 });
	/* Not even one that would be a whiteout. */
	tar_add(&layer, (struct tar_entry){ .name = "dev/zero", .type = '3' });
	tar_pax(&layer, "SCHILY.xattr.security.capability",
		"\1\0\0\2\0 \0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
	tar_add(&layer, (struct tar_entry){ .name = "ping", .mode = 0755, .data = "p" });
	tar_pax(&layer, "SCHILY.xattr.user.overlay.opaque", "y", 1);
	tar_add(&layer, (struct tar_entry){ .name = "sly/", .type = '5' });
	tar_end(&layer);
	assert_unpacks(f, oci_of(layer));
	assert_int_equal(access(in_layer(f, 0, "dev/null"), F_OK), -1);
	assert_int_equal(access(in_layer(f, 0, "dev/zero"), F_OK), -1);
	assert_false(is_opaque(in_layer(f, 0, "sly")));
	assert_int_equal(getxattr(in_layer(f, 0, "ping"), "security.capability", NULL, 0), -1);
	assert_int_equal(f->verdict->n_warnings, 2);
	assert_non_null(strstr(f->verdict->warnings[0], "3 device nodes left out"));
	assert_non_null(strstr(f->verdict->warnings[0], "dev/null"));
	assert_non_null(strstr(f->verdict->warnings[1], "2 files' extended attributes"));
}

/* One entry that must not be, each in a layer of its own. */
static void test_hostile_layers(void **state)
{
	static const struct {
		struct tar_entry entries[4];
		const char *why;
		enum error_code code;
	} rows[] = {
		{ { { .name = "../escape", .data = "x" } }, "has '..'", ERR_INVALID },
		{ { { .name = "a/../../escape", .data = "x" } }, "has '..'", ERR_INVALID },
		{ { { .name = "a/..", .type = '5' } }, "has '..'", ERR_INVALID },
		{ { { .name = ESCAPE, .data = "x" } }, "is absolute", ERR_INVALID },
		{ { { .name = "../.wh..wh..opq" } }, "has '..'", ERR_INVALID },
		{ { { .name = "../.wh.etc" } }, "has '..'", ERR_INVALID },
		{ { { .name = ".wh..." } }, "whites out no name", ERR_INVALID },
		{ { { .name = ".wh.." } }, "whites out no name", ERR_INVALID },
		{ { { .name = ".wh." } }, "whites out no name", ERR_INVALID },
		{ { { .name = ".wh.a/b", .data = "x" } }, "begins with '.wh.'", ERR_INVALID },
		{ { { .name = "out", .type = '2', .link = "/tmp" },
			  { .name = "out/bulkhead-escape", .data = "x" } },
			"symbolic link", ERR_INVALID },
		{ { { .name = "out", .type = '2', .link = "../.." },
			  { .name = "out/escape", .type = '5' } },
			"symbolic link", ERR_INVALID },
		{ { { .name = "a/out", .type = '2', .link = "/tmp" }, { .name = "a/out/.wh.x" } },
			"symbolic link", ERR_INVALID },
		{ { { .name = "out", .type = '2', .link = "/etc" },
			  { .name = "hard", .type = '1', .link = "out/passwd" } },
			"cannot open its directory", ERR_INVALID },
		{ { { .name = "hard", .type = '1', .link = "/etc/passwd" } }, "is absolute",
			ERR_INVALID },
		{ { { .name = "hard", .type = '1', .link = "../../etc/passwd" } }, "has '..'",
			ERR_INVALID },
		{ { { .name = "hard", .type = '1', .link = "absent" } }, "is no file before it",
			ERR_INVALID },
		{ { { .name = "d/", .type = '5' }, { .name = "hard", .type = '1', .link = "d" } },
			"is no file before it", ERR_INVALID },
		{ { { .name = ".wh.w" }, { .name = "hard", .type = '1', .link = "w" } },
			"is no file before it", ERR_INVALID },
		{ { { .name = "hard", .type = '1', .link = "." } }, "the layer itself",
			ERR_INVALID },
		{ { { .name = "f", .data = "x" }, { .name = "f/g", .data = "y" } },
			"which is no directory", ERR_INVALID },
		{ { { .name = ".", .data = "x" } }, "must be a directory", ERR_INVALID },
		{ { { .name = "u", .uid = 65536, .data = "x" } }, "beyond 65535", ERR_UNSUPPORTED },
		{ { { .name = "g", .gid = 65536, .data = "x" } }, "beyond 65535", ERR_UNSUPPORTED },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_refused(f, oci_of(tar_of(rows[i].entries)), rows[i].code, rows[i].why);
	assert_int_equal(access(ESCAPE, F_OK), -1);
	/* The last ids that are taken. */
	assert_unpacks(f, oci_of(TAR({ .name = "u", .uid = 65535, .gid = 65535, .data = "x" })));
}

/* 'depth' directories, each 'len' bytes. */
static char *long_path(size_t depth, size_t len)
{
	char *path = malloc(depth * (len + 1) + 1);

	for (size_t i = 0; i < depth; i++) {
		memset(path + i * (len + 1), 'd', len);
		path[i * (len + 1) + len] = '/';
	}
	path[depth * (len + 1) - 1] = '\0';
	return path;
}

static void test_path_limits(void **state)
{
	static const struct {
		size_t depth, len;
		const char *why; /* NULL: taken */
	} rows[] = {
		{ IMAGE_DEPTH_MAX, 1, NULL },
		{ IMAGE_DEPTH_MAX + 1, 1, "directories deep" },
		{ 1, 255, NULL },
		{ 1, 256, "255 bytes" },
		{ 16, 255, NULL }, /* 4095 bytes */
		{ 17, 240, "longer than 4095" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *path = long_path(rows[i].depth, rows[i].len);
		struct blob archive = oci_of(TAR({ .name = path, .data = "x" }));

		if (rows[i].why)
			assert_refused(f, archive, ERR_INVALID, rows[i].why);
		else
			assert_unpacks(f, archive);
		free(path);
	}
}

static void test_link_target_limit(void **state)
{
	char *target = long_path(17, 240);
	struct fixture *f = *state;

	target[IMAGE_PATH_MAX] = '\0';
	assert_unpacks(f, oci_of(TAR({ .name = "l", .type = '2', .link = target })));
	target[IMAGE_PATH_MAX] = 'x';
	target[IMAGE_PATH_MAX + 1] = '\0';
	assert_refused(f, oci_of(TAR({ .name = "l", .type = '2', .link = target })), ERR_INVALID,
		"too long");
	free(target);
}

static void test_layers_limit(void **state)
{
	struct fixture *f = *state;

	for (size_t n = IMAGE_LAYERS_MAX; n <= IMAGE_LAYERS_MAX + 1; n++) {
		struct oci o = { .len = n };
		struct blob archive;

		for (size_t i = 0; i < n; i++) {
			char name[16];

			snprintf(name, sizeof(name), "f%zu", i);
			o.layers[i] = TAR({ .name = name, .data = "x" });
		}
		archive = oci_archive(&o);
		if (n == IMAGE_LAYERS_MAX)
			assert_unpacks(f, archive);
		else
			assert_refused(f, archive, ERR_EXHAUSTED, "at most 128");
		oci_done(&o);
	}
}

/* Small caps, so that one past them is small. */
static void test_counted_limits(void **state)
{
	struct fixture *f = *state;
	const struct import_limits all = f->limits;
	struct blob data = { 0 };

	blob_add(&data, NULL, 100000);
	f->limits.entries = 7;
	assert_unpacks(f, oci_of(plain_layer()));
	f->limits.entries = 6;
	assert_refused(f, oci_of(plain_layer()), ERR_EXHAUSTED, "more than 6 files");

	/* 100,000 bytes need 512 of header, 100,352 of data, 1,024 of end. */
	f->limits = all;
	f->limits.unpacked = 512 + 100352 + 1024;
	assert_unpacks(f, oci_of(TAR({ .name = "f", .data = data.data, .size = data.size })));
	f->limits.unpacked--;
	assert_refused(f, oci_of(TAR({ .name = "f", .data = data.data, .size = data.size })),
		ERR_EXHAUSTED, "unpack to more than");

	f->limits = all;
	f->limits.archive = 1000;
	assert_refused(f, oci_of(TAR({ .name = "f", .data = data.data, .size = data.size })),
		ERR_EXHAUSTED, "holds more than 1000 bytes");
	blob_done(&data);
}

static void test_sparse_file(void **state)
{
	struct fixture *f = *state;
	struct blob layer = { 0 };

	/* GNU.sparse 0.0: a terabyte without a byte of data. */
	tar_pax(&layer, "GNU.sparse.size", "1099511627776", 13);
	tar_add(&layer, (struct tar_entry){ .name = "huge" });
	tar_end(&layer);
	assert_refused(f, oci_of(layer), ERR_EXHAUSTED, "have more than");
}

static void test_ratio(void **state)
{
	struct fixture *f = *state;
	struct blob zeros = { 0 };
	struct blob archive;
	struct oci o = { .len = 1, .filter = "gzip" };

	blob_add(&zeros, NULL, 4 << 20);
	o.layers[0] = TAR({ .name = "f", .data = zeros.data, .size = zeros.size });
	/* Under the floor anything goes, above it not. */
	assert_unpacks(f, oci_archive(&o));
	f->limits.ratio_floor = 1 << 20;
	assert_refused(f, oci_archive(&o), ERR_EXHAUSTED, "compressed more than 200 to 1");
	/* The archive as a whole as well. */
	o.filter = NULL;
	archive = oci_archive(&o);
	assert_refused(f, blob_pack(&archive, 1, "gzip"), ERR_EXHAUSTED,
		"the archive is compressed more than 200 to 1");
	blob_done(&archive);
	oci_done(&o);
	blob_done(&zeros);
}

static void test_digests(void **state)
{
	struct fixture *f = *state;
	struct oci o = { .layers = { plain_layer() }, .len = 1 };
	struct blob archive = oci_archive(&o);
	uint8_t *cmd = memmem(archive.data, archive.size, "/bin/sh\"", 8);
	struct blob other = TAR({ .name = "other", .data = "x" });
	char config[512];

	/* One byte of the configuration, which no other digest covers. */
	assert_non_null(cmd);
	cmd[0] = '.';
	assert_refused(f, archive, ERR_INVALID, "' has digest sha256:");
	/* A configuration with the diff_id of another layer. */
	snprintf(config, sizeof(config),
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\","
		"\"diff_ids\":[\"sha256:%s\"]}}",
		other.hex);
	o.config = config;
	assert_refused(f, oci_archive(&o), ERR_INVALID, "the configuration says sha256:");
	oci_done(&o);
	blob_done(&other);
}

/* The tar goes on behind its end: what is there counts for the digest, and must not be read as
 * files. */
static void test_behind_the_end(void **state)
{
	struct fixture *f = *state;
	struct blob layer = plain_layer();

	tar_add(&layer, (struct tar_entry){ .name = "late", .data = "x" });
	tar_end(&layer);
	assert_unpacks(f, oci_of(layer));
	assert_int_equal(access(in_layer(f, 0, "late"), F_OK), -1);
}

static void test_trailer(void **state)
{
	struct fixture *f = *state;
	struct blob archive = oci_of(plain_layer());

	blob_add(&archive, NULL, IMPORT_TRAILER_MAX / 2);
	assert_unpacks(f, archive);
	archive = oci_of(plain_layer());
	blob_add(&archive, NULL, 2 * IMPORT_TRAILER_MAX);
	assert_refused(f, archive, ERR_INVALID, "follow the end");
}

#define CASE(x) cmocka_unit_test_setup_teardown(x, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_left_out),
		CASE(test_hostile_layers),
		CASE(test_path_limits),
		CASE(test_link_target_limit),
		CASE(test_layers_limit),
		CASE(test_counted_limits),
		CASE(test_sparse_file),
		CASE(test_ratio),
		CASE(test_digests),
		CASE(test_behind_the_end),
		CASE(test_trailer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
