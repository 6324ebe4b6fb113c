/* Imports: whose the files are, what a pod sees of them, what is refused, what a failure leaves. */
#include "tests/fixtures/import_fixture.h"

#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SLICE 1910000000u

/* What the image is, where its layers are, and whose. */
static void test_good(void **state)
{
	struct fixture *f = *state;
	struct oci o = { .layers = { some_layer() },
		.len = 1,
		.filter = "gzip",
		.name = "web:2",
		.run = "\"Entrypoint\":[\"/bin/su\"],\"Cmd\":[\"-c\",\"id\"],\"Env\":[\"A=b\"],"
		       "\"WorkingDir\":\"/tmp\",\"User\":\"alice\",\"StopSignal\":\"SIGINT\"" };
	struct image_store *store = store_open(f);
	struct image *image;
	const char *layer;

	assert_imports(f, oci_archive(&o));
	assert_int_equal(f->answer->n_images, 1);
	assert_string_equal(f->answer->images[0]->name, "web:2");
	assert_int_equal(f->answer->images[0]->size, 2 + 4 + 6 + 6);
	assert_int_equal(f->answer->n_warnings, 1);
	assert_non_null(strstr(f->answer->warnings[0], "1 device nodes"));

	assert_int_equal(image_store_reload(store, &f->err), 0);
	assert_int_equal(image_store_find(store, "web:2", &image, &f->err), 0);
	assert_string_equal(image->digest, f->answer->images[0]->digest);
	assert_int_equal(image->created_at, 1714564800);
	assert_string_equal(image->entrypoint[0], "/bin/su");
	assert_string_equal(image->cmd[1], "id");
	assert_string_equal(image->env[0], "A=b");
	assert_string_equal(image->working_dir, "/tmp");
	assert_string_equal(image->user, "alice");
	assert_string_equal(image->stop_signal, "SIGINT");
	assert_int_equal(image->layers_len, 1);
	layer = image->layers[0];
	assert_owner(layer, ".", 5, 0, S_IFDIR | 0711);
	assert_owner(layer, "bin", 0, 0, S_IFDIR | 0755);
	assert_owner(layer, "bin/su", 0, 0, S_IFREG | 04755);
	assert_owner(layer, "bin/mail", 0, 8, S_IFREG | 02755);
	assert_owner(layer, "home/alice/secret", 1000, 1000, S_IFREG | 0400);
	assert_owner(layer, "home/alice/link", 1000, 0, S_IFLNK | 0777);
	assert_owner(layer, "locked", 65535, 65535, S_IFDIR | 01);
	assert_owner(layer, "locked/file", 65534, 65534, S_IFREG | 07000);
	assert_owner(layer, "tmp", 0, 0, S_IFDIR | 01777);
	assert_int_equal(count(f, "staging"), 0);
	image_free(image);
	image_store_free(store);
	oci_done(&o);
}

/* Names are bytes, in the locale that the program runs in as well. */
static void test_names(void **state)
{
	static const char decomposed[] = "cafe\xcc\x81";
	struct fixture *f = *state;
	struct image_store *store = store_open(f);
	struct blob layer = { 0 };
	struct image *image;

	tar_pax(&layer, "path", decomposed, strlen(decomposed));
	tar_add(&layer, (struct tar_entry){ .name = "short", .data = "1" });
	tar_end(&layer);
	assert_imports(f, oci_of(layer));
	assert_int_equal(image_store_reload(store, &f->err), 0);
	assert_int_equal(image_store_find(store, "test:1", &image, &f->err), 0);
	assert_owner(image->layers[0], decomposed, 0, 0, S_IFREG | 0644);
	image_free(image);
	image_store_free(store);
}

static void poke(pid_t pid, const char *file, const char *text)
{
	char path[64];
	cleanup_close int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(10);
}

/* As the shim: what image_base has on disk, the pod's slice sees. */
static int layer_userns(void)
{
	char map[64];
	char path[64];
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
	int fd;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	snprintf(map, sizeof(map), "%u %u 65536\n", IMAGE_BASE, SLICE);
	poke(pid, "uid_map", map);
	poke(pid, "gid_map", map);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return fd;
}

#define IN_MOUNT(condition)                                                                        \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "# line %d: %s (errno %d)\n", __LINE__, #condition,        \
				errno);                                                            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static void attach_layer(const char *layer, const char *at, int userns_fd)
{
	struct mount_attr attr = { .attr_set =
					   MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV,
		.userns_fd = (uint64_t)userns_fd };
	int fd = (int)syscall(SYS_open_tree, AT_FDCWD, layer, OPEN_TREE_CLONE | O_CLOEXEC);

	IN_MOUNT(fd >= 0);
	IN_MOUNT(syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0);
	IN_MOUNT(mkdir(at, 0700) == 0);
	IN_MOUNT(syscall(SYS_move_mount, fd, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) == 0);
}

static int absent(const char *path)
{
	return access(path, F_OK) < 0 && errno == ENOENT;
}

/* In a mount namespace of its own: the three layers as the shim shows them to a pod. */
static void look_through_overlay(const struct fixture *f, const struct image *image)
{
	int userns_fd = layer_userns();
	struct stat st;
	char name[24];

	IN_MOUNT(unshare(CLONE_NEWNS) == 0);
	IN_MOUNT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	IN_MOUNT(chdir(f->dir) == 0 && mkdir("scratch", 0700) == 0);
	IN_MOUNT(mount("tmpfs", "scratch", "tmpfs", 0, NULL) == 0 && chdir("scratch") == 0);
	for (size_t i = 0; i < image->layers_len; i++) {
		snprintf(name, sizeof(name), "%zu", i);
		attach_layer(image->layers[i], name, userns_fd);
	}
	IN_MOUNT(mkdir("upper", 0755) == 0 && mkdir("work", 0700) == 0 && mkdir("root", 0700) == 0);
	IN_MOUNT(mount("overlay", "root", "overlay", MS_NODEV | MS_NOSUID,
			 "upperdir=upper,workdir=work,userxattr,lowerdir=2:1:0") == 0);
	IN_MOUNT(chdir("root") == 0);
	IN_MOUNT(absent("a/gone"));
	IN_MOUNT(access("a/stays", F_OK) == 0);
	IN_MOUNT(absent("opq/below") && absent("opq/sub/below"));
	IN_MOUNT(access("opq/above", F_OK) == 0);
	IN_MOUNT(absent("swap/below") && access("swap/above", F_OK) == 0);
	IN_MOUNT(access("back", F_OK) == 0);
	IN_MOUNT(stat("opq/above", &st) == 0 && st.st_uid == SLICE + 7 && st.st_gid == SLICE);
	_exit(0);
}

static void test_overlay(void **state)
{
	struct fixture *f = *state;
	struct oci o = { .len = 3 };
	struct image_store *store = store_open(f);
	struct image *image;
	char scratch[96];
	int status;
	pid_t pid;

	o.layers[0] = TAR({ .name = "a/gone", .data = "x" }, { .name = "a/stays", .data = "x" },
		{ .name = "opq/below", .data = "x" }, { .name = "opq/sub/below", .data = "x" },
		{ .name = "swap/below", .data = "x" }, { .name = "back", .data = "x" });
	o.layers[1] = TAR({ .name = "a/.wh.gone" }, { .name = "opq/", .type = '5' },
		{ .name = "opq/.wh..wh..opq" }, { .name = "opq/above", .uid = 7, .data = "x" },
		{ .name = ".wh.swap" }, { .name = "swap/above", .data = "x" },
		{ .name = ".wh.back" });
	o.layers[2] = TAR({ .name = "back", .data = "again" });
	assert_imports(f, oci_archive(&o));
	assert_int_equal(image_store_reload(store, &f->err), 0);
	assert_int_equal(image_store_find(store, "test:1", &image, &f->err), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		look_through_overlay(f, image);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	snprintf(scratch, sizeof(scratch), "%s/scratch", f->dir);
	assert_int_equal(rmdir(scratch), 0);
	image_free(image);
	image_store_free(store);
	oci_done(&o);
}

static void test_refusals(void **state)
{
	struct fixture *f = *state;
	struct image_store *store = store_open(f);
	struct blob empty = { 0 };
	struct blob text = blob_text("this is no archive at all, just some text in a row\n");
	struct oci o = { .layers = { some_layer() }, .len = 1, .architecture = "s390x" };

	assert_refused(f, empty, "the archive cannot be read");
	assert_refused(f, text, "the archive cannot be read");
	assert_refused(f, oci_of(TAR({ .name = "../x", .data = "x" })), "has '..'");
	assert_refused(f, oci_of(TAR({ .name = "l", .type = '2', .link = "/" }, { .name = "l/x" })),
		"symbolic link");
	assert_refused(f, oci_archive(&o), "it has linux/s390x");
	f->config.name = "Not A Name";
	{
		struct image_import *import;
		int fd;

		assert_int_equal(image_import_start(&import, &f->config, &fd, &f->err), -1);
		assert_int_equal(f->err.code, ERR_INVALID);
	}
	assert_int_equal(count(f, "staging"), 0);
	assert_int_equal(count(f, "layers"), 0);
	assert_int_equal(count(f, "images"), 0);
	image_store_free(store);
	oci_done(&o);
}

static void test_program(void **state)
{
	struct fixture *f = *state;
	struct image_store *store = store_open(f);
	struct image_import *import;
	int fd;

	f->config.program = "/nonexistent/bulkhead-unpack";
	assert_int_equal(image_import_start(&import, &f->config, &fd, &f->err), -1);
	assert_int_equal(f->err.code, ERR_NOT_FOUND);
	f->config.program = "/etc/passwd";
	import = begin(f, &fd);
	close(fd);
	assert_int_equal(end(f, import), -1);
	assert_non_null(strstr(f->err.text, "cannot execute"));
	f->config.program = "/bin/true";
	import = begin(f, &fd);
	close(fd);
	assert_int_equal(end(f, import), -1);
	assert_non_null(strstr(f->err.text, "ended with 0 and no verdict"));
	f->config.program = f->program;
	f->config.uid = IMAGE_BASE + 1;
	assert_int_equal(image_import_start(&import, &f->config, &fd, &f->err), -1);
	assert_int_equal(count(f, "staging"), 0);
	image_store_free(store);
}

/* Two at a time that share a layer; then one whose layers are all there. */
static void test_shared_layers(void **state)
{
	struct fixture *f = *state;
	struct image_store *store = store_open(f);
	struct oci a = {
		.layers = { some_layer(), TAR({ .name = "a" }) }, .len = 2, .name = "a:1"
	};
	struct oci b = {
		.layers = { some_layer(), TAR({ .name = "b" }) }, .len = 2, .name = "b:1"
	};
	struct blob archive_a = oci_archive(&a);
	struct blob archive_b = oci_archive(&b);
	struct image_import *first;
	struct image_import *second;
	int fds[2];

	first = begin(f, &fds[0]);
	second = begin(f, &fds[1]);
	feed(fds[0], &archive_a);
	feed(fds[1], &archive_b);
	close(fds[0]);
	close(fds[1]);
	if (end(f, first) < 0)
		fail_msg("%s", f->err.text);
	forget_answer(f);
	if (end(f, second) < 0)
		fail_msg("%s", f->err.text);
	assert_int_equal(count(f, "layers"), 3);
	assert_int_equal(count(f, "images"), 2);
	b.name = "c:1";
	assert_imports(f, oci_archive(&b));
	assert_int_equal(count(f, "layers"), 3);
	assert_int_equal(f->answer->images[0]->size, 18);
	blob_done(&archive_a);
	blob_done(&archive_b);
	oci_done(&a);
	oci_done(&b);
	image_store_free(store);
}

/* Whatever is not in the catalog is what a crash left. */
static void test_commit_fails(void **state)
{
	struct fixture *f = *state;
	struct image_store *store = store_open(f);
	char path[160];

	snprintf(path, sizeof(path), "%s/.names.json.new", f->store);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(f, oci_of(some_layer()), "names.json");
	assert_int_equal(count(f, "layers"), 1);
	assert_int_equal(rmdir(path), 0);
	image_store_free(store);
	store = store_open(f);
	assert_int_equal(count(f, "layers"), 0);
	assert_int_equal(count(f, "images"), 0);
	assert_imports(f, oci_of(some_layer()));
	assert_int_equal(count(f, "layers"), 1);
	image_store_free(store);
}

/* The disk is full while the archive comes, or while a layer is unpacked. */
static void test_full_disk(void **state)
{
	static const size_t sizes[] = { 6 << 20, 3 << 20 };
	struct fixture *f = *state;
	char where[96];

	snprintf(where, sizeof(where), "%s/full", f->dir);
	assert_int_equal(mkdir(where, 0700), 0);
	snprintf(f->store, sizeof(f->store), "%s/full/images", f->dir);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct blob data = { 0 };
		struct image_store *store;

		assert_int_equal(mount("tmpfs", where, "tmpfs", 0, "size=5m"), 0);
		store = store_open(f);
		blob_add(&data, NULL, sizes[i]);
		assert_refused(f,
			oci_of(TAR({ .name = "f", .data = data.data, .size = data.size })),
			"No space left on device");
		assert_int_equal(f->err.code, ERR_EXHAUSTED);
		assert_int_equal(count(f, "staging"), 0);
		assert_int_equal(count(f, "layers"), 0);
		image_store_free(store);
		blob_done(&data);
		assert_int_equal(umount2(where, MNT_DETACH), 0);
	}
}

#define CASE(x) cmocka_unit_test_setup_teardown(x, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_good),
		CASE(test_names),
		CASE(test_overlay),
		CASE(test_refusals),
		CASE(test_program),
		CASE(test_shared_layers),
		CASE(test_commit_fails),
		CASE(test_full_disk),
	};

	signal(SIGPIPE, SIG_IGN);
	/* What a failed test leaves mounted goes with the program. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
