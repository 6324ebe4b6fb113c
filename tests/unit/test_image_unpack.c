/* Good archives of every kind, and what becomes of their layers. */
#include "tests/fixtures/unpack_fixture.h"

#include "nodeagent/image/warnings.h"

static void test_plain(void **state)
{
	struct fixture *f = *state;
	struct stat a;
	struct stat b;
	char target[32] = { 0 };

	assert_unpacks(f, oci_of(plain_layer()));
	assert_int_equal(f->verdict->n_images, 1);
	assert_int_equal(f->verdict->images[0]->n_names, 1);
	assert_string_equal(f->verdict->images[0]->names[0], "test:1");
	assert_int_equal(f->verdict->n_layers, 1);
	assert_int_equal(f->verdict->layers[0]->size, 6);
	assert_int_equal(f->verdict->n_warnings, 0);
	assert_content(in_layer(f, 0, "bin/sh"), "shell");
	assert_int_equal(lstat(in_layer(f, 0, "bin/sh"), &a), 0);
	assert_int_equal(lstat(in_layer(f, 0, "bin/ash"), &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_mtime, 2000);
	assert_int_equal(lstat(in_layer(f, 0, "bin"), &a), 0);
	assert_int_equal(a.st_mtime, 1000);
	assert_true(S_ISLNK(mode_of(in_layer(f, 0, "bin/link"))));
	assert_true(readlink(in_layer(f, 0, "bin/link"), target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "/etc/passwd");
	assert_true(S_ISFIFO(mode_of(in_layer(f, 0, "pipe"))));
	assert_int_equal(mode_of(in_layer(f, 0, "deep/er")), S_IFDIR | 0755);
}

/* Layers in each compression, and the archive itself in each. */
static void test_compressions(void **state)
{
	static const char *const layers[] = { NULL, "gzip", "zstd" };
	static const char *const whole[] = { "gzip", "zstd", "xz", "bzip2" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(layers); i++) {
		struct oci o = { .layers = { plain_layer() }, .len = 1, .filter = layers[i] };

		assert_unpacks(f, oci_archive(&o));
		assert_content(in_layer(f, 0, "bin/sh"), "shell");
		oci_done(&o);
	}
	for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
		struct blob archive = oci_of(plain_layer());

		assert_unpacks(f, blob_pack(&archive, 1, whole[i]));
		assert_content(in_layer(f, 0, "bin/sh"), "shell");
		blob_done(&archive);
	}
}

static struct blob docker_archive(const char *tags, const char *config_name, const char *layer_name)
{
	struct oci o = { .layers = { plain_layer() }, .len = 1 };
	struct blob config = oci_config(&o);
	struct blob archive = { 0 };
	struct blob manifest;
	char name[96];

	if (config_name)
		snprintf(name, sizeof(name), "%s", config_name);
	else
		snprintf(name, sizeof(name), "%s.json", config.hex);
	tar_add(&archive,
		(struct tar_entry){ .name = name, .data = config.data, .size = config.size });
	tar_add(&archive, (struct tar_entry){ .name = "abc/", .type = '5' });
	tar_add(&archive, (struct tar_entry){ .name = "abc/layer.tar",
				  .data = o.layers[0].data,
				  .size = o.layers[0].size });
	tar_add(&archive,
		(struct tar_entry){
			.name = "def/layer.tar", .type = '2', .link = "../abc/layer.tar" });
	manifest = blob_text("[{\"Config\":\"%s\",\"RepoTags\":%s,\"Layers\":[\"%s\"]}]", name,
		tags, layer_name);
	tar_add(&archive,
		(struct tar_entry){
			.name = "manifest.json", .data = manifest.data, .size = manifest.size });
	tar_end(&archive);
	blob_done(&manifest);
	blob_done(&config);
	oci_done(&o);
	return archive;
}

static void test_docker(void **state)
{
	struct fixture *f = *state;

	assert_unpacks(f, docker_archive("[\"web:1\",\"web:2\"]", NULL, "abc/layer.tar"));
	assert_int_equal(f->verdict->images[0]->n_names, 2);
	assert_content(in_layer(f, 0, "bin/sh"), "shell");
	/* A link inside the archive to a layer that is there once. */
	assert_unpacks(f, docker_archive("[\"web:1\"]", "c.json", "def/layer.tar"));
	assert_content(in_layer(f, 0, "bin/sh"), "shell");
	assert_refused(f, docker_archive("[\"web:1\"]", NULL, "ghi/layer.tar"), ERR_NOT_FOUND,
		"'ghi/layer.tar' is not in the archive");
	assert_refused(f, docker_archive("null", NULL, "abc/layer.tar"), ERR_INVALID, "--name");
	assert_refused(f,
		docker_archive("[\"web:1\"]",
			"0000000000000000000000000000000000000000000000000000000000000000",
			"abc/layer.tar"),
		ERR_INVALID, "has digest");
	f->request.name = (char *)(uintptr_t) "given:1";
	assert_unpacks(f, docker_archive("null", NULL, "abc/layer.tar"));
	assert_string_equal(f->verdict->images[0]->names[0], "given:1");
}

static void test_whiteouts(void **state)
{
	struct fixture *f = *state;

	assert_unpacks(
		f, oci_of(TAR({ .name = "a/.wh.gone" }, { .name = "opq/.wh..wh..opq" },
			   { .name = "opq/own", .data = "own" },
			   /* A whiteout and the layer's own of the same name, in both orders. */
			   { .name = ".wh.dir1" }, { .name = "dir1/", .type = '5' },
			   { .name = "dir1/x", .data = "x" }, { .name = "dir2/", .type = '5' },
			   { .name = "dir2/y", .data = "y" }, { .name = ".wh.dir2" },
			   { .name = ".wh.dir3" }, { .name = "dir3/z", .data = "z" },
			   { .name = ".wh.f1" }, { .name = "f1", .data = "1" },
			   { .name = "f2", .data = "2" }, { .name = ".wh.f2" },
			   { .name = ".wh..wh.plnk/1", .data = "aufs" })));
	assert_true(is_whiteout(in_layer(f, 0, "a/gone")));
	assert_int_equal(access(in_layer(f, 0, "a/.wh.gone"), F_OK), -1);
	assert_true(is_opaque(in_layer(f, 0, "opq")));
	assert_content(in_layer(f, 0, "opq/own"), "own");
	assert_true(is_opaque(in_layer(f, 0, "dir1")));
	assert_content(in_layer(f, 0, "dir1/x"), "x");
	assert_true(is_opaque(in_layer(f, 0, "dir2")));
	assert_content(in_layer(f, 0, "dir2/y"), "y");
	assert_true(is_opaque(in_layer(f, 0, "dir3")));
	assert_content(in_layer(f, 0, "f1"), "1");
	assert_content(in_layer(f, 0, "f2"), "2");
	assert_false(is_opaque(in_layer(f, 0, "a")));
	assert_int_equal(f->verdict->n_warnings, 1);
	assert_non_null(strstr(f->verdict->warnings[0], "aufs"));
}

/* Later entries replace earlier ones, and nothing goes through what was replaced. */
static void test_replaced(void **state)
{
	struct fixture *f = *state;

	assert_unpacks(f,
		oci_of(TAR({ .name = "a", .data = "old" }, { .name = "a", .data = "new" },
			{ .name = "d/x/y", .data = "1" }, { .name = "d", .type = '2', .link = "/" },
			{ .name = "e", .type = '2', .link = "a" },
			{ .name = "e", .type = '5', .mode = 0700 }, { .name = "e/f", .data = "2" },
			{ .name = "l", .type = '1', .link = "a" },
			{ .name = "l", .type = '1', .link = "l" })));
	assert_content(in_layer(f, 0, "a"), "new");
	assert_true(S_ISLNK(mode_of(in_layer(f, 0, "d"))));
	assert_content(in_layer(f, 0, "e/f"), "2");
	assert_content(in_layer(f, 0, "l"), "new");
}

static void test_names_kept_as_bytes(void **state)
{
	/* "e" and a combining acute accent: not to be made one character, or two names become one.
	 */
	static const char decomposed[] = "caf"
					 "e\xcc\x81";
	static const char composed[] = "caf\xc3\xa9";
	static const char latin1[] = "caf\xe9";
	char target[32] = { 0 };
	struct fixture *f = *state;
	struct blob layer = { 0 };
	struct blob copy;

	tar_pax(&layer, "path", decomposed, strlen(decomposed));
	tar_add(&layer, (struct tar_entry){ .name = "short", .data = "1" });
	tar_pax(&layer, "path", composed, strlen(composed));
	tar_add(&layer, (struct tar_entry){ .name = "short", .data = "2" });
	tar_add(&layer, (struct tar_entry){ .name = latin1, .data = "3" });
	tar_pax(&layer, "linkpath", decomposed, strlen(decomposed));
	tar_add(&layer, (struct tar_entry){ .name = "hard", .type = '1', .link = "short" });
	tar_pax(&layer, "linkpath", decomposed, strlen(decomposed));
	tar_add(&layer, (struct tar_entry){ .name = "soft", .type = '2', .link = "short" });
	tar_end(&layer);
	copy = layer;
	assert_unpacks(f, oci_of(copy));
	assert_content(in_layer(f, 0, decomposed), "1");
	assert_content(in_layer(f, 0, composed), "2");
	assert_content(in_layer(f, 0, latin1), "3");
	assert_content(in_layer(f, 0, "hard"), "1");
	assert_true(readlink(in_layer(f, 0, "soft"), target, sizeof(target) - 1) > 0);
	assert_string_equal(target, decomposed);
}

/* Layers that the store has, or that come twice, are not unpacked. */
static void test_known_layers(void **state)
{
	struct fixture *f = *state;
	struct oci o = { .layers = { plain_layer(), plain_layer(), TAR({ .name = "f" }) },
		.len = 3 };
	char *known[1];

	assert_unpacks(f, oci_archive(&o));
	assert_int_equal(f->verdict->n_layers, 2);
	known[0] = o.layers[0].hex;
	f->request.layers = known;
	f->request.n_layers = 1;
	assert_unpacks(f, oci_archive(&o));
	assert_int_equal(f->verdict->n_layers, 1);
	assert_string_equal(f->verdict->layers[0]->diff_id, o.layers[2].hex);
	oci_done(&o);
}

static void test_text_escape(void **state)
{
	char text[16] = "a\033[2J\xff";
	char full[8] = "\1\1\1\1";

	(void)state;
	text_escape(text, sizeof(text));
	assert_string_equal(text, "a\\x1b[2J\\xff");
	text_escape(full, sizeof(full));
	assert_string_equal(full, "\\x01");
}

static void test_warnings_limit(void **state)
{
	struct warnings w = { 0 };

	(void)state;
	for (int i = 0; i < IMPORT_WARNINGS_MAX + 3; i++)
		warnings_add(&w, "warning %d", i);
	warnings_finish(&w);
	assert_int_equal(w.len, IMPORT_WARNINGS_MAX + 1);
	assert_string_equal(w.items[w.len - 1], "and 3 more warnings");
	warnings_done(&w);
}

#define CASE(x) cmocka_unit_test_setup_teardown(x, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_plain),
		CASE(test_compressions),
		CASE(test_docker),
		CASE(test_whiteouts),
		CASE(test_replaced),
		CASE(test_names_kept_as_bytes),
		CASE(test_known_layers),
		cmocka_unit_test(test_text_escape),
		cmocka_unit_test(test_warnings_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
