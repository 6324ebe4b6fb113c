/* The store and what it believes of an unpacker: staged by hand here, committed by the real code.
 */
#include "tests/fixtures/image_archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/image/catalog.h"
#include "nodeagent/image/import_commit.h"
#include "nodeagent/image/limits.h"
#include "nodeagent/image/store.h"
#include "nodeagent/image/trash.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HEX_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

struct fixture {
	char dir[64];
	char store_dir[96];
	int dirfd; /* of the store */
	int staging_fd;
	struct image_store *store;
	struct error err;
};

static void store_reopen(struct fixture *f)
{
	image_store_free(f->store);
	if (image_store_open(&f->store, f->store_dir, &f->err) < 0)
		fail_msg("%s", f->err.text);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/bulkhead-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->store_dir, sizeof(f->store_dir), "%s/images", f->dir);
	store_reopen(f);
	f->dirfd = open(f->store_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(f->dirfd, "stage", 0700), 0);
	f->staging_fd = openat(f->dirfd, "stage", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->staging_fd >= 0);
	assert_int_equal(mkdirat(f->staging_fd, "layers", 0700), 0);
	*state = f;
	return 0;
}

/* The process that empties the trash may still be at it. */
static int tear_down(void **state)
{
	struct fixture *f = *state;
	int r = -1;

	image_store_free(f->store);
	close(f->dirfd);
	close(f->staging_fd);
	for (int i = 0; r < 0 && i < 100; i++) {
		r = tree_remove_at(AT_FDCWD, f->dir, NULL);
		if (r < 0)
			usleep(50000);
	}
	assert_int_equal(r, 0);
	free(f);
	return 0;
}

static struct blob config_of(const char *cmd, const char *const *layers, size_t len)
{
	struct oci o = { .len = len };
	char run[64];

	for (size_t i = 0; i < len; i++)
		snprintf(o.layers[i].hex, sizeof(o.layers[i].hex), "%s", layers[i]);
	snprintf(run, sizeof(run), "\"Cmd\":[\"%s\"]", cmd);
	o.run = run;
	return oci_config(&o);
}

static void stage(const struct fixture *f, const char *hex)
{
	char path[96];

	snprintf(path, sizeof(path), "layers/%s", hex);
	assert_int_equal(mkdirat(f->staging_fd, path, 0755), 0);
}

/* One image with 'layers' of 100 bytes each, as an unpacker would say. */
struct said {
	Bulkhead__V1__ImportVerdict verdict;
	Bulkhead__V1__ImportedImage image, *images[1];
	Bulkhead__V1__ImportedLayer layers[4], *layer_list[4];
	char *names[2];
	struct blob config;
};

static void say(
	struct said *s, const char *name, const char *cmd, const char *const *layers, size_t len)
{
	memset(s, 0, sizeof(*s));
	bulkhead__v1__import_verdict__init(&s->verdict);
	bulkhead__v1__imported_image__init(&s->image);
	s->config = config_of(cmd, layers, len);
	s->image.config.data = s->config.data;
	s->image.config.len = s->config.size;
	s->names[0] = (char *)(uintptr_t)name;
	s->image.names = s->names;
	s->image.n_names = 1;
	s->images[0] = &s->image;
	s->verdict.images = s->images;
	s->verdict.n_images = 1;
	for (size_t i = 0; i < len; i++) {
		bulkhead__v1__imported_layer__init(&s->layers[i]);
		s->layers[i].diff_id = (char *)(uintptr_t)layers[i];
		s->layers[i].size = 100;
		s->layer_list[i] = &s->layers[i];
	}
	s->verdict.layers = s->layer_list;
	s->verdict.n_layers = len;
}

static int commit(struct fixture *f, const struct said *s, const char *name)
{
	const struct import_commit where = { f->store_dir, f->dirfd, f->staging_fd, name };
	Bulkhead__V1__ImportImageResponse *answer;

	memset(&f->err, 0, sizeof(f->err));
	if (import_commit(&where, &s->verdict, &answer, &f->err) < 0)
		return -1;
	bulkhead__v1__import_image_response__free_unpacked(answer, NULL);
	return image_store_reload(f->store, &f->err);
}

/* An image with layers that are staged if they are not there. */
static void add(
	struct fixture *f, const char *name, const char *cmd, const char *const *layers, size_t len)
{
	struct said s;

	say(&s, name, cmd, layers, len);
	for (size_t i = 0; i < len; i++) {
		char path[96];

		snprintf(path, sizeof(path), "layers/%s", layers[i]);
		if (faccessat(f->dirfd, path, F_OK, 0) < 0 &&
			faccessat(f->staging_fd, path, F_OK, 0) < 0)
			stage(f, layers[i]);
	}
	if (commit(f, &s, "") < 0)
		fail_msg("%s", f->err.text);
	blob_done(&s.config);
}
#define ADD(f, name, cmd, ...)                                                                     \
	add(f, name, cmd, (const char *const[]){ __VA_ARGS__ },                                    \
		ARRAY_LEN(((const char *const[]){ __VA_ARGS__ })))

static size_t count(const struct fixture *f, const char *folder)
{
	char path[160];
	cleanup_dir DIR *dir = NULL;
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/%s", f->store_dir, folder);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	return n - 2;
}

static struct image *find(struct fixture *f, const char *name)
{
	struct image *image;

	if (image_store_find(f->store, name, &image, &f->err) < 0)
		fail_msg("%s", f->err.text);
	return image;
}

static int used_by_pod(void *user, const char *digest)
{
	return strcmp(digest, user) == 0;
}

static void assert_removed(struct fixture *f, const char *name)
{
	if (image_store_remove(f->store, name, NULL, NULL, &f->err) < 0)
		fail_msg("%s", f->err.text);
}

static void test_find(void **state)
{
	struct fixture *f = *state;
	struct image *image;
	struct image *same;
	char path[256];

	ADD(f, "web:latest", "run", HEX_A, HEX_B);
	image = find(f, "web");
	assert_string_equal(image->name, "web:latest");
	assert_string_equal(image->cmd[0], "run");
	assert_int_equal(image->layers_len, 2);
	assert_int_equal(image->size, 200);
	snprintf(path, sizeof(path), "%s/layers/" HEX_A, f->store_dir);
	assert_string_equal(image->layers[0], path);
	assert_null(image->layers[2]);
	same = find(f, image->digest);
	assert_string_equal(same->digest, image->digest);
	image_free(same);
	assert_int_equal(image_store_find(f->store, "web:1", &same, &f->err), -1);
	assert_int_equal(f->err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(f->err.text, "image 'web:1' is not on this node; import it with"));
	assert_int_equal(image_store_find(f->store, "WEB", &same, &f->err), -1);
	assert_int_equal(f->err.code, ERR_INVALID);
	assert_int_equal(image_store_find(f->store, "sha256:../../x", &same, &f->err), -1);
	assert_int_equal(f->err.code, ERR_INVALID);
	assert_int_equal(image_store_find(f->store, "sha256:" HEX_A, &same, &f->err), -1);
	assert_int_equal(f->err.code, ERR_NOT_FOUND);
	/* All of it is there again after a restart. */
	store_reopen(f);
	same = find(f, "web");
	assert_string_equal(same->layers[1], image->layers[1]);
	assert_int_equal(same->size, 200);
	image_free(same);
	image_free(image);
}

/* overlayfs takes a directory once; the upper of two the same hides the lower whole. */
static void test_layer_twice(void **state)
{
	struct fixture *f = *state;
	struct image *image;

	ADD(f, "web:1", "run", HEX_A, HEX_B, HEX_A);
	image = find(f, "web:1");
	assert_int_equal(image->layers_len, 2);
	assert_non_null(strstr(image->layers[0], HEX_B));
	assert_non_null(strstr(image->layers[1], HEX_A));
	assert_int_equal(image->size, 200);
	image_free(image);
}

static void test_list(void **state)
{
	struct fixture *f = *state;
	struct image **list;
	size_t len;

	ADD(f, "b:1", "b", HEX_A);
	ADD(f, "a:1", "a", HEX_A);
	ADD(f, "c:1", "a", HEX_A);
	assert_int_equal(image_store_list(f->store, &list, &len, &f->err), 0);
	assert_int_equal(len, 3);
	assert_string_equal(list[0]->name, "a:1");
	assert_string_equal(list[1]->name, "b:1");
	assert_string_equal(list[0]->digest, list[2]->digest);
	image_list_free(list, len);
}

static void test_remove(void **state)
{
	struct fixture *f = *state;
	struct image *image;

	ADD(f, "a:1", "a", HEX_A, HEX_B);
	ADD(f, "a:2", "a", HEX_A, HEX_B);
	ADD(f, "b:1", "b", HEX_A, HEX_C);
	image = find(f, "a:1");
	/* Not the last name: a pod may go on. */
	assert_int_equal(
		image_store_remove(f->store, "a:1", used_by_pod, image->digest, &f->err), 0);
	assert_int_equal(count(f, "layers"), 3);
	assert_int_equal(
		image_store_remove(f->store, "a:2", used_by_pod, image->digest, &f->err), -1);
	assert_int_equal(f->err.code, ERR_PRECONDITION);
	image_free(image);
	/* Refused means unchanged. */
	image = find(f, "a:2");
	image_free(image);
	assert_removed(f, "a:2");
	assert_int_equal(count(f, "layers"), 2);
	assert_int_equal(count(f, "images"), 1);
	image = find(f, "b:1");
	assert_int_equal(image_store_remove(f->store, "a:2", NULL, NULL, &f->err), -1);
	assert_int_equal(f->err.code, ERR_NOT_FOUND);
	/* By its digest, with all its names. */
	ADD(f, "b:2", "b", HEX_A, HEX_C);
	assert_removed(f, image->digest);
	image_free(image);
	assert_int_equal(count(f, "layers"), 0);
	assert_int_equal(count(f, "images"), 0);
	store_reopen(f);
	assert_int_equal(image_store_find(f->store, "b:1", &image, &f->err), -1);
}

/* A name that moves on leaves its old image to the pods that run on it. */
static void test_name_moves(void **state)
{
	struct fixture *f = *state;
	struct image **list;
	struct image *image;
	struct image *old;
	size_t len;

	ADD(f, "a:1", "old", HEX_A);
	old = find(f, "a:1");
	ADD(f, "a:1", "new", HEX_B);
	image = find(f, "a:1");
	assert_string_equal(image->cmd[0], "new");
	image_free(image);
	store_reopen(f);
	assert_int_equal(count(f, "layers"), 2);
	assert_int_equal(image_store_list(f->store, &list, &len, &f->err), 0);
	assert_int_equal(len, 2);
	assert_string_equal(list[0]->name, "a:1");
	assert_string_equal(list[1]->name, old->digest);
	image_list_free(list, len);
	assert_int_equal(
		image_store_remove(f->store, old->digest, used_by_pod, old->digest, &f->err), -1);
	assert_int_equal(f->err.code, ERR_PRECONDITION);
	assert_removed(f, old->digest);
	assert_int_equal(count(f, "layers"), 1);
	image_free(old);
}

/* What a crash can leave: layers, configurations and staging that no catalog knows. */
static void test_leftovers(void **state)
{
	struct fixture *f = *state;
	static const char *const made[] = { "layers/" HEX_B, "layers/junk", "staging/x",
		"images/" HEX_B ".json", "images/x" };
	struct image *image;

	ADD(f, "a:1", "a", HEX_A);
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		assert_int_equal(mkdirat(f->dirfd, made[i], 0700), 0);
	store_reopen(f);
	assert_int_equal(count(f, "layers"), 1);
	assert_int_equal(count(f, "images"), 1);
	assert_int_equal(count(f, "staging"), 0);
	image = find(f, "a:1");
	image_free(image);
}

static void write_file(const struct fixture *f, const char *name, const char *text)
{
	cleanup_close int fd =
		openat(f->dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text), NULL), 0);
}

static void test_damage(void **state)
{
	struct fixture *f = *state;
	struct image **list;
	struct image *image;
	char name[96];
	size_t len;

	ADD(f, "a:1", "a", HEX_A);
	image = find(f, "a:1");
	snprintf(name, sizeof(name), "images/%s.json", image->digest + 7);
	image_free(image);
	write_file(f, name, "{}");
	store_reopen(f);
	assert_int_equal(image_store_find(f->store, "a:1", &image, &f->err), -1);
	assert_int_equal(f->err.code, ERR_INTERNAL);
	assert_non_null(strstr(f->err.text, "was changed); import it again"));
	/* Nobody knows which layers it has: none go. */
	assert_int_equal(count(f, "layers"), 1);
	assert_int_equal(image_store_list(f->store, &list, &len, &f->err), 0);
	assert_int_equal(len, 1);
	assert_int_equal(list[0]->layers_len, 0);
	image_list_free(list, len);
	ADD(f, "a:1", "a", HEX_A);
	image = find(f, "a:1");
	image_free(image);

	assert_int_equal(unlinkat(f->dirfd, "layers/" HEX_A, AT_REMOVEDIR), 0);
	store_reopen(f);
	assert_int_equal(image_store_find(f->store, "a:1", &image, &f->err), -1);
	assert_non_null(strstr(f->err.text, "layer sha256:" HEX_A " is missing"));
	assert_removed(f, "a:1");
}

static void test_bad_catalogs(void **state)
{
	static const char *const rows[][2] = {
		{ "", "is not JSON" },
		{ "{", "is not JSON" },
		{ "{}", "not written by this version" },
		{ "{\"version\":2,\"names\":{},\"images\":{},\"layers\":{}}", "not written by" },
		{ "{\"version\":1,\"names\":{},\"images\":{},\"layers\":[]}", "layers must be" },
		{ "{\"version\":1,\"names\":{\"a:1\":\"x\"},\"images\":{},\"layers\":{}}",
			"names no image" },
		{ "{\"version\":1,\"names\":{},\"images\":{\"../x\":{}},\"layers\":{}}",
			"is no digest" },
		{ "{\"version\":1,\"names\":{},\"images\":{},\"layers\":{\"" HEX_A "\":\"1\"}}",
			"no digest with a size" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct image_store *store;

		write_file(f, CATALOG_FILE, rows[i][0]);
		assert_int_equal(image_store_open(&store, f->store_dir, &f->err), -1);
		if (!strstr(f->err.text, rows[i][1]) || !strstr(f->err.text, CATALOG_FILE))
			fail_msg("'%s', expected '%s'", f->err.text, rows[i][1]);
	}
	assert_int_equal(unlinkat(f->dirfd, CATALOG_FILE, 0), 0);
}

static void test_store_limits(void **state)
{
	struct fixture *f = *state;
	struct catalog c;
	char name[DIGEST_HEX_SIZE];

	assert_int_equal(catalog_read(&c, f->dirfd, &f->err), 0);
	for (int i = 0; i < STORE_IMAGES_MAX; i++) {
		snprintf(name, sizeof(name), "%064x", i);
		assert_int_equal(catalog_put_image(&c, name, &f->err), 0);
	}
	for (int i = 0; i < STORE_NAMES_MAX; i++) {
		char reference[32];

		snprintf(reference, sizeof(reference), "n%d:1", i);
		assert_int_equal(catalog_put_name(&c, reference, name, &f->err), 0);
	}
	assert_int_equal(catalog_write(&c, f->dirfd, &f->err), 0);
	assert_int_equal(catalog_put_name(&c, "more:1", name, &f->err), 0);
	assert_int_equal(catalog_write(&c, f->dirfd, &f->err), -1);
	assert_int_equal(f->err.code, ERR_EXHAUSTED);
	assert_non_null(strstr(f->err.text, "4096 names"));
	assert_int_equal(json_object_del(c.names, "more:1"), 0);
	assert_int_equal(catalog_put_image(&c, HEX_A, &f->err), 0);
	assert_int_equal(catalog_write(&c, f->dirfd, &f->err), -1);
	assert_non_null(strstr(f->err.text, "1024 images"));
	catalog_done(&c);
	/* What was written last before is still whole. */
	assert_int_equal(catalog_read(&c, f->dirfd, &f->err), 0);
	assert_int_equal(json_object_size(c.names), STORE_NAMES_MAX);
	catalog_done(&c);
}

static void assert_not_believed(struct fixture *f, const struct said *s, const char *why)
{
	struct image *image;

	assert_int_equal(commit(f, s, ""), -1);
	if (!strstr(f->err.text, why))
		fail_msg("'%s', expected '%s'", f->err.text, why);
	store_reopen(f);
	assert_int_equal(image_store_find(f->store, "a:1", &image, &f->err), -1);
	assert_int_equal(count(f, "layers"), 0);
	assert_int_equal(count(f, "images"), 0);
}

/* An unpacker that was taken over says what it likes. */
static void test_lying_unpacker(void **state)
{
	static const char *const layers[] = { HEX_A };
	struct fixture *f = *state;
	struct said s;

	say(&s, "../../etc/passwd", "x", layers, 1);
	assert_not_believed(f, &s, "a name is malformed");
	s.names[0] = (char *)(uintptr_t) "a"; /* not normalized */
	assert_not_believed(f, &s, "a name is malformed");
	s.names[0] = (char *)(uintptr_t) "a:1";
	/* A layer that is not there, a link to one that is not its own, a file. */
	assert_not_believed(f, &s, "a layer is not where it should be");
	assert_int_equal(symlinkat("/etc", f->staging_fd, "layers/" HEX_A), 0);
	assert_not_believed(f, &s, "a layer is not where it should be");
	assert_int_equal(unlinkat(f->staging_fd, "layers/" HEX_A, 0), 0);
	assert_int_equal(mknodat(f->staging_fd, "layers/" HEX_A, S_IFREG | 0600, 0), 0);
	assert_not_believed(f, &s, "a layer is not where it should be");
	assert_int_equal(unlinkat(f->staging_fd, "layers/" HEX_A, 0), 0);
	/* The whole folder of layers is a link. */
	assert_int_equal(unlinkat(f->staging_fd, "layers", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("../../..", f->staging_fd, "layers"), 0);
	assert_not_believed(f, &s, "a layer is not where it should be");
	assert_int_equal(unlinkat(f->staging_fd, "layers", 0), 0);
	assert_int_equal(mkdirat(f->staging_fd, "layers", 0700), 0);
	/* A layer that was never staged. */
	s.verdict.n_layers = 0;
	assert_not_believed(f, &s, "was removed meanwhile");
	s.verdict.n_layers = 1;
	stage(f, HEX_A);
	s.layers[0].size = IMPORT_UNPACKED_MAX + 1;
	assert_not_believed(f, &s, "a layer is not where it should be");
	s.layers[0].size = 1;
	s.image.config.len--;
	assert_not_believed(f, &s, "is not JSON");
	s.image.config.len++;
	s.image.n_names = 0;
	assert_not_believed(f, &s, "number of names");
	s.image.n_names = 1;
	s.verdict.n_images = 0;
	assert_not_believed(f, &s, "number of images");
	s.verdict.n_images = 1;
	assert_int_equal(commit(f, &s, "b:1"), -1);
	assert_non_null(strstr(f->err.text, "not the name that was asked for"));
	assert_int_equal(commit(f, &s, "a:1"), 0);
	blob_done(&s.config);
}

/* A tree that recursion would not survive is gone in the end. */
static void test_trash(void **state)
{
	struct fixture *f = *state;
	char path[160];
	int at_fd;

	assert_int_equal(mkdirat(f->dirfd, "staging/deep", 0700), 0);
	at_fd = openat(f->dirfd, "staging/deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 3000; i++) {
		int next;

		assert_int_equal(mkdirat(at_fd, "d", 0), 0);
		assert_int_equal(symlinkat("/", at_fd, "l"), 0);
		next = openat(at_fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(at_fd);
		at_fd = next;
	}
	close(at_fd);
	store_reopen(f);
	assert_int_equal(count(f, "staging"), 0);
	snprintf(path, sizeof(path), "%s/trash", f->store_dir);
	for (int i = 0; i < 1200 && count(f, "trash") > 0; i++)
		usleep(50000);
	assert_int_equal(count(f, "trash"), 0);
}

#define CASE(x) cmocka_unit_test_setup_teardown(x, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_find),
		CASE(test_layer_twice),
		CASE(test_list),
		CASE(test_remove),
		CASE(test_name_moves),
		CASE(test_leftovers),
		CASE(test_damage),
		CASE(test_bad_catalogs),
		CASE(test_store_limits),
		CASE(test_lying_unpacker),
		CASE(test_trash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
