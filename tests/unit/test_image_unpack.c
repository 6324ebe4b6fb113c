/*
 * Archives, good and hostile, through everything that bulkhead-unpack does, in this process and
 * with owners kept. The confinement around it is tests/priv/test_image_import.c's.
 */
#include "tests/fixtures/image_archive.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/image/layer.h"
#include "nodeagent/image/store.h"
#include "nodeagent/image/unpack.h"
#include "nodeagent/image/warnings.h"

struct fixture {
	char dir[64];
	int dirfd;
	struct import_limits limits;
	Bulkhead__V1__ImportRequest request;
	Bulkhead__V1__ImportVerdict *verdict;
	struct error err;
};

static int set_up(void **state)
{
	static const struct import_limits limits = IMPORT_LIMITS_DEFAULT;
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/bulkhead-unpack-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->dirfd >= 0);
	f->limits = limits;
	bulkhead__v1__import_request__init(&f->request);
	*state = f;
	return 0;
}

static void clear(struct fixture *f)
{
	if (f->verdict)
		bulkhead__v1__import_verdict__free_unpacked(f->verdict, NULL);
	f->verdict = NULL;
	assert_int_equal(tree_remove_at(f->dirfd, UNPACK_LAYERS_DIR, NULL), 0);
	assert_int_equal(tree_remove_at(f->dirfd, UNPACK_SPOOL_DIR, NULL), 0);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	clear(f);
	close(f->dirfd);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static int memfd_of(const struct blob *b)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, b->data, b->size, NULL), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Frees the archive. */
static int unpack(struct fixture *f, struct blob archive)
{
	cleanup_close int fd = memfd_of(&archive);

	clear(f);
	memset(&f->err, 0, sizeof(f->err));
	blob_done(&archive);
	return unpack_run(
		f->dirfd, fd, &f->request, &f->limits, LAYER_KEEP_OWNER, &f->verdict, &f->err);
}

static void assert_unpacks(struct fixture *f, struct blob archive)
{
	if (unpack(f, archive) < 0)
		fail_msg("refused: %s", f->err.text);
	assert_int_equal(faccessat(f->dirfd, UNPACK_SPOOL_DIR, F_OK, 0), -1);
}

/* Refused with 'code' and a text that has 'part'; nothing is left behind. */
static void assert_refused(
	struct fixture *f, struct blob archive, enum error_code code, const char *part)
{
	if (unpack(f, archive) == 0)
		fail_msg("was taken; expected '%s'", part);
	if (f->err.code != code || !strstr(f->err.text, part))
		fail_msg("%s, not %s: '%s', expected '%s'", error_code_name(f->err.code),
			error_code_name(code), f->err.text, part);
	assert_int_equal(faccessat(f->dirfd, UNPACK_SPOOL_DIR, F_OK, 0), -1);
	assert_int_equal(faccessat(f->dirfd, UNPACK_LAYERS_DIR, F_OK, 0), -1);
}

/* A path in the i-th staged layer. */
static const char *in_layer(const struct fixture *f, size_t i, const char *path)
{
	static char ret[512];

	assert_true(i < f->verdict->n_layers);
	snprintf(ret, sizeof(ret), "%s/layers/%s/%s", f->dir, f->verdict->layers[i]->diff_id, path);
	return ret;
}

static void assert_content(const char *path, const char *content)
{
	char data[256] = { 0 };
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	assert_true(read(fd, data, sizeof(data) - 1) >= 0);
	assert_string_equal(data, content);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	return st.st_mode;
}

static int is_opaque(const char *path)
{
	char value[4] = { 0 };

	return getxattr(path, "user.overlay.opaque", value, sizeof(value)) == 1 && value[0] == 'y';
}

static int is_whiteout(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0;
}

static struct blob plain_layer(void)
{
	return TAR({ .name = "./", .type = '5' }, { .name = "bin/", .type = '5', .mtime = 1000 },
		{ .name = "bin/sh", .mode = 04755, .data = "shell", .mtime = 2000 },
		{ .name = "bin/ash", .type = '1', .link = "bin/sh" },
		{ .name = "bin/link", .type = '2', .link = "/etc/passwd" },
		{ .name = "deep/er/file", .data = "x" }, { .name = "pipe", .type = '6' });
}

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
		{ { { .name = "/tmp/bulkhead-escape", .data = "x" } }, "is absolute", ERR_INVALID },
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
	assert_int_equal(access("/tmp/bulkhead-escape", F_OK), -1);
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
	uint8_t *shell = memmem(archive.data, archive.size, "shell", 5);
	struct blob other = TAR({ .name = "other", .data = "x" });
	char config[512];

	/* One byte of a blob. */
	assert_non_null(shell);
	shell[0] = 'S';
	assert_refused(f, archive, ERR_INVALID, "has digest sha256:");
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
		CASE(test_known_layers),
		cmocka_unit_test(test_text_escape),
		cmocka_unit_test(test_warnings_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
