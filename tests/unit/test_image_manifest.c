/* From index.json to an image: which one is taken, and documents that mean two things or none. */
#include "tests/fixtures/unpack_fixture.h"

#include "nodeagent/image/config.h"
#include "nodeagent/image/manifest.h"

/* One image of plain_layer(), with lies. */
static struct blob lying(struct oci o)
{
	struct blob archive;

	o.layers[0] = plain_layer();
	o.len = 1;
	archive = oci_archive(&o);
	oci_done(&o);
	return archive;
}
#define LYING(...) lying((struct oci){ __VA_ARGS__ })

/* CVE-2021-41190: one digest, two readings. */
static void test_two_media_types(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, LYING(.manifest = "\"manifests\":[],"), ERR_INVALID,
		"'manifests', which belongs to a document of another media type");
	assert_refused(f, LYING(.index = "\"layers\":[],"), ERR_INVALID, "'layers', which belongs");
	assert_refused(f, LYING(.index = "\"config\":{},"), ERR_INVALID, "'config', which belongs");
	assert_refused(f, LYING(.manifest = "\"fsLayers\":[],"), ERR_INVALID, "'fsLayers'");
	assert_refused(f, LYING(.index = "\"mediaType\":\"" MT_MANIFEST "\","), ERR_INVALID,
		"is not that of an index");
	assert_refused(f, LYING(.manifest = "\"config\":{},"), ERR_INVALID, "duplicate");
	assert_unpacks(f, LYING(.index = "\"mediaType\":\"" MT_INDEX "\","));
}

/* A manifest that its descriptor calls an index, and the other way round. */
static void test_type_of_descriptor(void **state)
{
	static const char *const types[] = { MT_INDEX, MT_CONFIG, MT_LAYER,
		"application/vnd.docker.distribution.manifest.v2+json" };
	static const char *const why[] = { "belongs to a document", "no image", "no image",
		"its descriptor says" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct oci o = { .layers = { plain_layer() }, .len = 1 };
		struct blob archive = { 0 };
		struct blob manifest;
		struct blob index;

		layout_text(&archive, "oci-layout", OCI_LAYOUT);
		manifest = oci_parts(&archive, &o);
		layout_blob(&archive, &manifest);
		index = blob_text("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"%s\","
				  "\"digest\":\"sha256:%s\",\"size\":%zu}]}",
			types[i], manifest.hex, manifest.size);
		tar_add(&archive,
			(struct tar_entry){
				.name = "index.json", .data = index.data, .size = index.size });
		tar_end(&archive);
		assert_refused(
			f, archive, i == 1 || i == 2 ? ERR_UNSUPPORTED : ERR_INVALID, why[i]);
		blob_done(&index);
		blob_done(&manifest);
		oci_done(&o);
	}
}

static void test_layer_types(void **state)
{
	static const struct {
		const char *type, *filter, *why;
		enum error_code code;
	} rows[] = {
		{ "application/vnd.docker.image.rootfs.diff.tar.gzip", "gzip", NULL, ERR_NONE },
		{ "application/vnd.docker.image.rootfs.diff.tar", NULL, NULL, ERR_NONE },
		{ MT_LAYER_GZIP, NULL, "not compressed as its media type says", ERR_INVALID },
		{ MT_LAYER_GZIP, "zstd", "not compressed as", ERR_INVALID },
		{ MT_LAYER_ZSTD, "gzip", "not compressed as", ERR_INVALID },
		{ MT_LAYER, "gzip", "is not a tar archive", ERR_INVALID },
		{ MT_LAYER "+gzip+encrypted", "gzip", "is not supported", ERR_UNSUPPORTED },
		{ "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "gzip",
			"is not supported", ERR_UNSUPPORTED },
		{ MT_CONFIG, NULL, "that of something else", ERR_INVALID },
		{ "", NULL, "is not supported", ERR_UNSUPPORTED },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct blob archive = LYING(.layer_type = rows[i].type, .filter = rows[i].filter);

		if (rows[i].why)
			assert_refused(f, archive, rows[i].code, rows[i].why);
		else
			assert_unpacks(f, archive);
	}
}

static void test_double_compression(void **state)
{
	struct fixture *f = *state;
	struct blob layer = plain_layer();
	struct blob once = blob_pack(&layer, 1, "gzip");
	struct oci o = { .layers = { once }, .len = 1, .filter = "gzip" };

	assert_refused(f, oci_archive(&o), ERR_INVALID, "compressed twice");
	blob_done(&layer);
	blob_done(&once);
}

/* index.json with 'entries' and blobs for them. */
struct part {
	const char *architecture;
	const char *name;     /* annotation, NULL none */
	const char *platform; /* in the index, NULL none */
};

static void add_part(struct blob *archive, struct blob *list, const struct part *part)
{
	struct oci o = { .len = 1, .architecture = part->architecture };
	struct blob manifest;
	struct blob text;

	o.layers[0] = TAR({ .name = part->architecture, .data = part->name });
	manifest = oci_parts(archive, &o);
	layout_blob(archive, &manifest);
	text = blob_text("%s{\"mediaType\":\"" MT_MANIFEST
			 "\",\"digest\":\"sha256:%s\",\"size\":%zu%s%s%s%s%s}",
		list->size ? "," : "", manifest.hex, manifest.size,
		part->platform ? ",\"platform\":" : "", part->platform ? part->platform : "",
		part->name ? ",\"annotations\":{\"" REF_NAME "\":\"" : "",
		part->name ? part->name : "", part->name ? "\"}" : "");
	blob_add(list, text.data, text.size);
	blob_done(&text);
	blob_done(&manifest);
	oci_done(&o);
}

static struct blob index_of(const struct blob *list)
{
	return blob_text(
		"{\"schemaVersion\":2,\"manifests\":[%.*s]}", (int)list->size, (char *)list->data);
}

/* 'depth' indexes around the parts; the outermost is index.json, whose entry has 'name'. */
static struct blob archive_of_parts(const struct part *parts, int depth, const char *name)
{
	struct blob archive = { 0 };
	struct blob list = { 0 };
	struct blob index;

	layout_text(&archive, "oci-layout", OCI_LAYOUT);
	for (; parts->architecture; parts++)
		add_part(&archive, &list, parts);
	index = index_of(&list);
	for (; depth > 1; depth--) {
		struct blob entry = blob_text("{\"mediaType\":\"" MT_INDEX
					      "\",\"digest\":\"sha256:%s\",\"size\":%zu,"
					      "\"annotations\":{\"" REF_NAME "\":\"%s\"}}",
			index.hex, index.size, name);

		layout_blob(&archive, &index);
		blob_done(&index);
		index = index_of(&entry);
		blob_done(&entry);
	}
	tar_add(&archive,
		(struct tar_entry){ .name = "index.json", .data = index.data, .size = index.size });
	tar_end(&archive);
	blob_done(&index);
	blob_done(&list);
	return archive;
}
#define PARTS(depth, name, ...)                                                                    \
	archive_of_parts((const struct part[]){ __VA_ARGS__, { 0 } }, depth, name)

#define OURS   "{\"os\":\"linux\",\"architecture\":\"amd64\"}"
#define OTHERS "{\"os\":\"linux\",\"architecture\":\"arm64\"}"
#define WIN    "{\"os\":\"windows\",\"architecture\":\"amd64\"}"
#define NONE   "{\"os\":\"unknown\",\"architecture\":\"unknown\"}"

static void test_platforms(void **state)
{
	struct fixture *f = *state;

	assert_unpacks(f, PARTS(2, "multi:1", { "arm64", NULL, OTHERS }, { "amd64", NULL, OURS },
				  { "unknown", NULL, NONE }));
	assert_int_equal(f->verdict->n_images, 1);
	assert_string_equal(f->verdict->images[0]->names[0], "multi:1");
	assert_int_equal(access(in_layer(f, 0, "amd64"), F_OK), 0);
	/* The entry does not say, the configuration does. */
	assert_unpacks(f, PARTS(1, "", { "arm64", "a:1", NULL }, { "amd64", "b:1", NULL }));
	assert_string_equal(f->verdict->images[0]->names[0], "b:1");
	assert_refused(f, PARTS(2, "multi:1", { "arm64", NULL, OTHERS }, { "amd64", NULL, WIN }),
		ERR_UNSUPPORTED, "no image for linux/amd64; it has linux/arm64, windows/amd64");
	assert_refused(f, PARTS(1, "", { "riscv64", "a:1", NULL }), ERR_UNSUPPORTED,
		"it has linux/riscv64");
	/* Says it is ours, and is not. */
	assert_refused(f, PARTS(1, "", { "arm64", "a:1", OURS }), ERR_UNSUPPORTED, "linux/arm64");
}

static void test_index_depth(void **state)
{
	struct fixture *f = *state;

	assert_unpacks(f, PARTS(INDEX_DEPTH_MAX, "a:1", { "amd64", NULL, OURS }));
	assert_refused(f, PARTS(INDEX_DEPTH_MAX + 1, "a:1", { "amd64", NULL, OURS }), ERR_EXHAUSTED,
		"nested more than 2 deep");
}

static void test_names(void **state)
{
	struct fixture *f = *state;

	assert_unpacks(f, PARTS(1, "", { "amd64", "a:1", NULL }, { "amd64", "t/b", NULL }));
	assert_int_equal(f->verdict->n_images, 2);
	assert_string_equal(f->verdict->images[1]->names[0], "t/b:latest");
	f->request.name = (char *)(uintptr_t) "given:1";
	assert_refused(f, PARTS(1, "", { "amd64", "a:1", NULL }, { "amd64", "b:1", NULL }),
		ERR_INVALID, "holds 2 images");
	assert_unpacks(f, PARTS(1, "", { "amd64", "a:1", NULL }));
	assert_string_equal(f->verdict->images[0]->names[0], "given:1");
	f->request.name = (char *)(uintptr_t) "";
	assert_refused(f, PARTS(1, "", { "amd64", NULL, NULL }), ERR_INVALID, "give --name");
	assert_refused(f, PARTS(1, "", { "amd64", "latest", NULL }), ERR_INVALID,
		"(only 'latest'); give --name");
	assert_refused(f, PARTS(1, "", { "amd64", "Bad:1", NULL }), ERR_INVALID, "lower-case");
	assert_refused(f, PARTS(1, "", { "amd64", "../../x:1", NULL }), ERR_INVALID, "lower-case");
}

static void test_images_limit(void **state)
{
	struct part parts[IMPORT_IMAGES_MAX + 2] = { 0 };
	char names[IMPORT_IMAGES_MAX + 1][16];
	struct fixture *f = *state;

	for (size_t i = 0; i <= IMPORT_IMAGES_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "i%zu:1", i);
		parts[i] = (struct part){ "amd64", names[i], NULL };
	}
	assert_refused(f, archive_of_parts(parts, 1, ""), ERR_EXHAUSTED, "more than 16 images");
	parts[IMPORT_IMAGES_MAX].architecture = NULL;
	assert_unpacks(f, archive_of_parts(parts, 1, ""));
	assert_int_equal(f->verdict->n_images, IMPORT_IMAGES_MAX);
}

static void test_index_entries_limit(void **state)
{
	struct descriptors list;
	struct error err;
	struct blob text = { 0 };
	struct blob index;

	(void)state;
	for (size_t i = 0; i <= INDEX_ENTRIES_MAX; i++)
		blob_add(&text, i ? ",{}" : "{}", i ? 3 : 2);
	index = index_of(&text);
	assert_int_equal(index_parse(&list, NULL, (char *)index.data, index.size, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_non_null(strstr(err.text, "at most 256"));
	blob_done(&index);
	blob_done(&text);
}

static void test_broken_documents(void **state)
{
	static const struct {
		const char *index;
		const char *why;
		enum error_code code;
	} rows[] = {
		{ "{", "is not JSON", ERR_INVALID },
		{ "[]", "must be an object", ERR_INVALID },
		{ "{\"schemaVersion\":2}", "manifests is missing", ERR_INVALID },
		{ "{\"schemaVersion\":1,\"manifests\":[]}", "schemaVersion", ERR_UNSUPPORTED },
		{ "{\"schemaVersion\":2,\"manifests\":{}}", "must be a list", ERR_INVALID },
		{ "{\"schemaVersion\":2,\"manifests\":[1]}", "manifests[0]: must be an object",
			ERR_INVALID },
		{ "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MT_MANIFEST
		  "\",\"size\":1}]}",
			"must all be there", ERR_INVALID },
		{ "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MT_MANIFEST
		  "\",\"digest\":\"sha256:../../x\",\"size\":1}]}",
			"64 hexadecimal digits", ERR_INVALID },
		{ "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MT_MANIFEST
		  "\",\"digest\":\"sha512:00\",\"size\":1}]}",
			"is not of sha256", ERR_UNSUPPORTED },
		{ "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MT_MANIFEST
		  "\",\"digest\":\"sha256:"
		  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"size\":0}]"
		  "}",
			"is not in the archive", ERR_NOT_FOUND },
		{ "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MT_MANIFEST
		  "\",\"digest\":\"sha256:"
		  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"size\":-1}]"
		  "}",
			"must not be negative", ERR_INVALID },
		{ "{\"schemaVersion\":2,\"schemaVersion\":2,\"manifests\":[]}", "duplicate",
			ERR_INVALID },
		{ "{\"a\":\"\\u0000\"}", "is not JSON", ERR_INVALID },
		{ "{\"a\":\"\xff\"}", "is not JSON", ERR_INVALID },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct blob archive = { 0 };

		layout_text(&archive, "oci-layout", OCI_LAYOUT);
		layout_text(&archive, "index.json", rows[i].index);
		tar_end(&archive);
		assert_refused(f, archive, rows[i].code, rows[i].why);
	}
}

static void test_layouts(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, TAR({ .name = "hello", .data = "x" }), ERR_INVALID, "is neither an OCI");
	assert_refused(f, TAR({ .name = "index.json", .data = "{}" }), ERR_INVALID,
		"no oci-layout beside it");
	assert_refused(f,
		TAR({ .name = "index.json", .data = "{}" },
			{ .name = "oci-layout", .data = "{\"imageLayoutVersion\":\"9\"}" }),
		ERR_UNSUPPORTED, "is not 1.x");
	assert_refused(f,
		TAR({ .name = "index.json", .data = "{}" },
			{ .name = "./index.json", .data = "{}" }),
		ERR_INVALID, "in the archive twice");
	assert_refused(f, TAR({ .name = "../index.json", .data = "{}" }), ERR_INVALID, "has '..'");
	assert_refused(f, TAR({ .name = "a/l", .type = '2', .link = "../../x" }), ERR_INVALID,
		"leads out of the archive");
	assert_refused(f, TAR({ .name = "a/l", .type = '2', .link = "/etc/passwd" }), ERR_INVALID,
		"is absolute");
	/* Links that go round end as no file. */
	assert_refused(f,
		TAR({ .name = "index.json", .type = '2', .link = "b" },
			{ .name = "b", .type = '2', .link = "index.json" }),
		ERR_INVALID, "is neither an OCI");
	assert_refused(f, TAR({ .name = "f", .type = '6' }), ERR_INVALID, "is neither file");
}

static void test_files_limit(void **state)
{
	struct fixture *f = *state;
	struct blob archive = { 0 };

	for (size_t i = 0; i <= IMPORT_FILES_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%zu", i);
		tar_add(&archive, (struct tar_entry){ .name = name });
	}
	tar_end(&archive);
	assert_refused(f, archive, ERR_EXHAUSTED, "more than 2048 files");
}

/* A blob of another size than its descriptor says; a document past its cap. */
static void test_sizes(void **state)
{
	struct fixture *f = *state;
	struct oci o = { .layers = { plain_layer() }, .len = 1 };
	struct blob archive = { 0 };
	struct blob manifest;
	struct blob big = { 0 };

	layout_text(&archive, "oci-layout", OCI_LAYOUT);
	manifest = oci_parts(&archive, &o);
	layout_blob(&archive, &manifest);
	manifest.size++;
	oci_index(&archive, &o, &manifest);
	tar_end(&archive);
	assert_refused(f, archive, ERR_INVALID, "its descriptor says");
	blob_done(&manifest);
	oci_done(&o);

	blob_add(&big, NULL, IMAGE_DOCUMENT_MAX);
	memset(big.data, ' ', big.size);
	for (int past = 0; past < 2; past++) {
		struct blob whole = { 0 };

		layout_text(&whole, "oci-layout", OCI_LAYOUT);
		tar_add(&whole, (struct tar_entry){
					.name = "index.json", .data = big.data, .size = big.size });
		tar_end(&whole);
		if (past)
			assert_refused(f, whole, ERR_EXHAUSTED, "larger than 1048576 bytes");
		else
			assert_refused(f, whole, ERR_INVALID, "is not JSON");
		blob_add(&big, " ", 1);
	}
	blob_done(&big);
}

#define ROOTFS                                                                                     \
	"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:"                                  \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"]}"

static void test_configs(void **state)
{
	static const struct {
		const char *text;
		const char *why; /* NULL: taken */
	} rows[] = {
		{ "{" ROOTFS "}", NULL },
		{ "{" ROOTFS ",\"config\":null}", NULL },
		{ "{" ROOTFS ",\"config\":{\"Env\":null,\"Cmd\":[]},\"created\":\"yesterday\"}",
			NULL },
		{ "{}", "rootfs is missing" },
		{ "{\"rootfs\":{\"type\":\"tree\"}}", "rootfs.type" },
		{ "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}", "no layers" },
		{ "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[1]}}",
			"diff_ids[0] must be a string" },
		{ "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:x\"]}}",
			"64 hexadecimal digits" },
		{ "{" ROOTFS ",\"config\":{\"Env\":[\"NOVALUE\"]}}", "is not NAME=value" },
		{ "{" ROOTFS ",\"config\":{\"Env\":[\"=x\"]}}", "is not NAME=value" },
		{ "{" ROOTFS ",\"config\":{\"Cmd\":\"/bin/sh\"}}", "Cmd must be a list" },
		{ "{" ROOTFS ",\"config\":{\"WorkingDir\":\"tmp\"}}", "is not absolute" },
		{ "{" ROOTFS ",\"config\":{\"User\":0}}", "User must be a string" },
		{ "{" ROOTFS ",\"config\":[]}", "config must be an object" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct image_config c;
		struct error err = { 0 };
		int r = image_config_parse(&c, rows[i].text, strlen(rows[i].text), &err);

		if (rows[i].why) {
			assert_int_equal(r, -1);
			if (!strstr(err.text, rows[i].why))
				fail_msg("'%s', expected '%s'", err.text, rows[i].why);
			continue;
		}
		if (r < 0)
			fail_msg("%s: %s", rows[i].text, err.text);
		assert_string_equal(c.user, "");
		assert_null(c.env[0]);
		image_config_done(&c);
	}
}

static void test_config_limits(void **state)
{
	struct image_config c;
	struct error err = { 0 };
	struct blob text = blob_text("{" ROOTFS ",\"config\":{\"Cmd\":[");
	size_t plain = text.size;

	(void)state;
	for (size_t i = 0; i < IMAGE_STRINGS_MAX; i++)
		blob_add(&text, i ? ",\"x\"" : "\"x\"", i ? 4 : 3);
	blob_add(&text, "]}}", 3);
	assert_int_equal(image_config_parse(&c, (char *)text.data, text.size, &err), 0);
	image_config_done(&c);
	text.size -= 3;
	blob_add(&text, ",\"x\"]}}", 7);
	assert_int_equal(image_config_parse(&c, (char *)text.data, text.size, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_non_null(strstr(err.text, "at most 4096"));

	text.size = plain;
	blob_add(&text, "]}}", 3);
	while (text.size < IMAGE_CONFIG_MAX)
		blob_add(&text, " ", 1);
	assert_int_equal(image_config_parse(&c, (char *)text.data, text.size, &err), 0);
	image_config_done(&c);
	blob_add(&text, " ", 1);
	assert_int_equal(image_config_parse(&c, (char *)text.data, text.size, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	blob_done(&text);
}

#define CASE(x) cmocka_unit_test_setup_teardown(x, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_two_media_types),
		CASE(test_type_of_descriptor),
		CASE(test_layer_types),
		CASE(test_double_compression),
		CASE(test_platforms),
		CASE(test_index_depth),
		CASE(test_names),
		CASE(test_images_limit),
		cmocka_unit_test(test_index_entries_limit),
		CASE(test_broken_documents),
		CASE(test_layouts),
		CASE(test_files_limit),
		CASE(test_sizes),
		cmocka_unit_test(test_configs),
		cmocka_unit_test(test_config_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
