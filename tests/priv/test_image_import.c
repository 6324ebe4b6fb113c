/*
 * The real bulkhead-unpack, driven through import.h as the agent does: what it holds, what it
 * refuses, whose its files are, and what is left when it or the agent is killed.
 */
#include "tests/fixtures/image_archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/image/import.h"
#include "nodeagent/image/limits.h"
#include "nodeagent/image/store.h"

#define IMAGE_BASE 1900000000u
#define UNPACK_UID 1899999999u
#define SLICE      1910000000u
#define WAIT_MS    60000

struct fixture {
	char dir[64];
	char store[96];
	char program[512];
	struct image_import_config config;
	struct error err;
	Bulkhead__V1__ImportImageResponse *answer;
};

static void program_path(char *ret, size_t size)
{
	char exe[256];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	assert_true(n > 0);
	exe[n] = '\0';
	for (int i = 0; i < 3; i++)
		*strrchr(exe, '/') = '\0';
	snprintf(ret, size, "%s/bulkhead-unpack", exe);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/bulkhead-image-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->store, sizeof(f->store), "%s/state/images", f->dir);
	program_path(f->program, sizeof(f->program));
	f->config = (struct image_import_config){
		.program = f->program,
		.store_dir = f->store,
		.name = "",
		.uid = UNPACK_UID,
		.image_base = IMAGE_BASE,
	};
	*state = f;
	return 0;
}

static void forget_answer(struct fixture *f)
{
	if (f->answer)
		bulkhead__v1__import_image_response__free_unpacked(f->answer, NULL);
	f->answer = NULL;
}

/* Processes that empty the trash may still be at it. */
static int tear_down(void **state)
{
	struct fixture *f = *state;
	int r = -1;

	forget_answer(f);
	for (int i = 0; r < 0 && i < 100; i++) {
		r = tree_remove_at(AT_FDCWD, f->dir, NULL);
		if (r < 0)
			usleep(50000);
	}
	assert_int_equal(r, 0);
	free(f);
	return 0;
}

static struct image_store *store_open(struct fixture *f)
{
	struct image_store *store;

	if (image_store_open(&store, f->store, &f->err) < 0)
		fail_msg("%s", f->err.text);
	return store;
}

static void wait_for_end(const struct image_import *import)
{
	struct pollfd fd = { .fd = image_import_fd(import), .events = POLLIN };

	assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
}

/* Sends all of it as far as it is read. */
static void feed(int fd, const struct blob *archive)
{
	const uint8_t *p = archive->data;
	size_t size = archive->size;

	while (size > 0) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EPIPE)
			return;
		assert_true(n > 0);
		p += n;
		size -= (size_t)n;
	}
}

static struct image_import *begin(struct fixture *f, int *ret_fd)
{
	struct image_import *import;

	memset(&f->err, 0, sizeof(f->err));
	forget_answer(f);
	if (image_import_start(&import, &f->config, ret_fd, &f->err) < 0)
		fail_msg("cannot start: %s", f->err.text);
	return import;
}

static int end(struct fixture *f, struct image_import *import)
{
	int r;

	wait_for_end(import);
	r = image_import_finish(import, &f->answer, &f->err);
	image_import_free(import);
	return r;
}

/* Frees the archive. */
static int import(struct fixture *f, struct blob archive)
{
	struct image_import *import;
	int fd;

	import = begin(f, &fd);
	feed(fd, &archive);
	close(fd);
	blob_done(&archive);
	return end(f, import);
}

static void assert_imports(struct fixture *f, struct blob archive)
{
	if (import(f, archive) < 0)
		fail_msg("refused: %s", f->err.text);
}

static void assert_refused(struct fixture *f, struct blob archive, const char *part)
{
	if (import(f, archive) == 0)
		fail_msg("was taken; expected '%s'", part);
	if (!strstr(f->err.text, part))
		fail_msg("'%s', expected '%s'", f->err.text, part);
}

static size_t count(const struct fixture *f, const char *folder)
{
	char path[160];
	cleanup_dir DIR *dir = NULL;
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/%s", f->store, folder);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	return n - 2;
}

static void assert_owner(
	const char *layer, const char *path, unsigned uid, unsigned gid, mode_t mode)
{
	char whole[512];
	struct stat st;

	snprintf(whole, sizeof(whole), "%s/%s", layer, path);
	if (lstat(whole, &st) < 0)
		fail_msg("%s: %s", whole, strerror(errno));
	assert_int_equal(st.st_uid, IMAGE_BASE + uid);
	assert_int_equal(st.st_gid, IMAGE_BASE + gid);
	assert_int_equal(st.st_mode, mode);
}

static struct blob some_layer(void)
{
	return TAR({ .name = "./", .type = '5', .uid = 5, .mode = 0711 },
		{ .name = "bin/su", .mode = 04755, .data = "su" },
		{ .name = "bin/mail", .mode = 02755, .gid = 8, .data = "mail" },
		{ .name = "home/alice/", .type = '5', .uid = 1000, .gid = 1000, .mode = 0700 },
		{ .name = "home/alice/secret",
			.uid = 1000,
			.gid = 1000,
			.mode = 0400,
			.data = "secret" },
		{ .name = "home/alice/link", .type = '2', .link = "secret", .uid = 1000 },
		{ .name = "locked/", .type = '5', .uid = 65535, .gid = 65535, .mode = 01 },
		{ .name = "locked/file",
			.uid = 65534,
			.gid = 65534,
			.mode = 07000,
			.data = "locked" },
		{ .name = "home/alice/hard", .type = '1', .link = "locked/file" },
		{ .name = "tmp/", .type = '5', .mode = 01777 },
		{ .name = "dev/null", .type = '3', .major_no = 1, .minor_no = 3 });
}

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

static pid_t pid_of(const struct image_import *import)
{
	char path[64];
	char line[128];
	cleanup_file FILE *info = NULL;
	int pid = -1;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", image_import_fd(import));
	info = fopen(path, "re");
	assert_non_null(info);
	while (fgets(line, sizeof(line), info))
		sscanf(line, "Pid: %d", &pid);
	assert_true(pid > 0);
	return pid;
}

static void status_line(pid_t pid, const char *key, char *ret, size_t size)
{
	char path[64];
	char line[256];
	cleanup_file FILE *file = NULL;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	ret[0] = '\0';
	while (file && fgets(line, sizeof(line), file)) {
		size_t n = strlen(key);

		if (strncmp(line, key, n) == 0 && line[n] == ':') {
			snprintf(ret, size, "%s", line + n + 1 + strspn(line + n + 1, "\t "));
			ret[strcspn(ret, "\n")] = '\0';
		}
	}
}

static void assert_status(pid_t pid, const char *key, const char *value)
{
	char text[256];

	status_line(pid, key, text, sizeof(text));
	if (strcmp(text, value) != 0)
		fail_msg("%s is '%s', not '%s'", key, text, value);
}

/* Until its filter is on, which is the last of its steps. */
static void wait_confined(pid_t pid)
{
	char text[32] = "";

	for (int i = 0; i < 500 && strcmp(text, "2") != 0; i++) {
		status_line(pid, "Seccomp", text, sizeof(text));
		usleep(10000);
	}
	assert_string_equal(text, "2");
}

static void assert_namespaces(pid_t pid)
{
	static const char *const names[] = { "user", "mnt", "net", "pid", "ipc", "uts" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[64];
		char own[64];
		struct stat a;
		struct stat b;

		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, names[i]);
		snprintf(own, sizeof(own), "/proc/self/ns/%s", names[i]);
		assert_int_equal(stat(path, &a), 0);
		assert_int_equal(stat(own, &b), 0);
		if (a.st_ino == b.st_ino)
			fail_msg("namespace %s is the host's", names[i]);
	}
}

static size_t count_dir(pid_t pid, const char *what)
{
	char path[64];
	cleanup_dir DIR *dir = NULL;
	size_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	return n - 2;
}

static void assert_no_file_of(pid_t pid, const char *text)
{
	char path[64];
	char line[512];
	cleanup_file FILE *file = NULL;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (strstr(line, text))
			fail_msg("mountinfo has '%s': %s", text, line);
	}
}

static void test_confined(void **state)
{
	struct fixture *f = *state;
	struct image_store *store = store_open(f);
	struct image_import *import;
	char caps[32];
	char uids[64];
	pid_t pid;
	int fd;

	import = begin(f, &fd);
	pid = pid_of(import);
	wait_confined(pid);
	snprintf(caps, sizeof(caps), "%016llx",
		1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER |
			1ull << CAP_FSETID);
	snprintf(uids, sizeof(uids), "%u\t%u\t%u\t%u", UNPACK_UID, UNPACK_UID, UNPACK_UID,
		UNPACK_UID);
	assert_status(pid, "Uid", uids);
	assert_status(pid, "Gid", uids);
	assert_status(pid, "Groups", "");
	assert_status(pid, "CapInh", "0000000000000000");
	assert_status(pid, "CapPrm", caps);
	assert_status(pid, "CapEff", caps);
	assert_status(pid, "CapBnd", "0000000000000000");
	assert_status(pid, "CapAmb", "0000000000000000");
	assert_status(pid, "NoNewPrivs", "1");
	assert_status(pid, "Threads", "1");
	assert_namespaces(pid);
	/* Its whole world: what it made itself. */
	for (int i = 0; i < 100 && count_dir(pid, "root") < 2; i++)
		usleep(10000);
	assert_int_equal(count_dir(pid, "root"), 2);
	assert_no_file_of(pid, " /proc ");
	/* /dev/null three times, lifeline, archive, request, verdict, root, spool, layers. */
	assert_in_range(count_dir(pid, "fd"), 7, 10);
	close(fd);
	assert_int_equal(end(f, import), -1);
	image_store_free(store);
}

static uint64_t seconds_of(struct timespec from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)(now.tv_sec - from.tv_sec);
}

/* gzip members of 64 MiB of zeros each, behind one that holds a tar header. */
static struct blob bomb(const struct blob *head, size_t members)
{
	struct blob zeros = { 0 };
	struct blob packed;
	struct blob all = blob_pack(head, 1, "gzip");

	blob_add(&zeros, NULL, 64 << 20);
	packed = blob_pack(&zeros, 1, "gzip");
	for (size_t i = 0; i < members; i++)
		blob_add(&all, packed.data, packed.size);
	blob_sum(&all);
	blob_done(&packed);
	blob_done(&zeros);
	return all;
}

static struct blob header_of_zeros(const char *name, size_t size)
{
	struct blob head = { 0 };
	const struct tar_entry e = { .name = name };

	tar_header(&head, &e, '0', size);
	return head;
}

/* A layout whose one layer is 'packed', said to be gzip. */
static struct blob archive_with(const struct blob *packed)
{
	struct oci o = { .layers = { *packed }, .len = 1, .layer_type = MT_LAYER_GZIP };

	return oci_archive(&o);
}

#define TEN_GIB (UINT64_C(10) << 30)

static void test_bombs(void **state)
{
	struct fixture *f = *state;
	struct image_store *store = store_open(f);
	struct blob head = header_of_zeros("zeros", TEN_GIB);
	struct blob layer = bomb(&head, 160);
	struct blob whole;
	struct timespec before;

	assert_in_range(layer.size, 9 << 20, 11 << 20);
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_refused(f, archive_with(&layer), "compressed more than 200 to 1");
	assert_in_range(seconds_of(before), 0, 10);
	/* The archive itself: 10 GiB of one blob in 10 MiB. */
	blob_done(&head);
	head = header_of_zeros("blobs/sha256/0", TEN_GIB);
	whole = bomb(&head, 160);
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_refused(f, whole, "the archive is compressed more than 200 to 1");
	assert_in_range(seconds_of(before), 0, 10);
	assert_int_equal(count(f, "staging"), 0);
	assert_int_equal(count(f, "layers"), 0);
	blob_done(&head);
	blob_done(&layer);
	image_store_free(store);
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

/* Killed half way: nothing is left, and the next import does all of it. */
static void test_killed(void **state)
{
	struct fixture *f = *state;
	struct image_store *store = store_open(f);
	struct blob archive = oci_of(some_layer());
	struct blob half = { .data = archive.data, .size = archive.size / 2 };
	struct image_import *import;
	int fd;

	import = begin(f, &fd);
	feed(fd, &half);
	kill(pid_of(import), SIGKILL);
	assert_int_equal(end(f, import), -1);
	close(fd);
	assert_non_null(strstr(f->err.text, "killed by signal 9"));
	assert_int_equal(count(f, "staging"), 0);
	assert_int_equal(count(f, "layers"), 0);

	/* Given up by the agent: the caller went away. */
	import = begin(f, &fd);
	feed(fd, &half);
	image_import_free(import);
	close(fd);
	assert_int_equal(count(f, "staging"), 0);
	assert_imports(f, archive);
	image_store_free(store);
}

/* The agent is killed: its unpacker dies with it, and the next agent finds a clean store. */
static void test_agent_killed(void **state)
{
	struct fixture *f = *state;
	struct image_store *store = store_open(f);
	int pipe_fds[2];
	int pid_there = 0;
	int status;
	pid_t agent;
	pid_t unpacker = 0;

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	agent = fork();
	assert_true(agent >= 0);
	if (agent == 0) {
		struct image_import *import;
		int fd;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (image_import_start(&import, &f->config, &fd, &f->err) < 0)
			_exit(1);
		unpacker = pid_of(import);
		(void)!write(pipe_fds[1], &unpacker, sizeof(unpacker));
		for (;;)
			pause();
	}
	close(pipe_fds[1]); /* or the read would wait for ever for an agent that failed */
	assert_int_equal(read(pipe_fds[0], &unpacker, sizeof(unpacker)), sizeof(unpacker));
	close(pipe_fds[0]);
	wait_confined(unpacker);
	assert_int_equal(kill(agent, SIGKILL), 0);
	assert_int_equal(waitpid(agent, &status, 0), agent);
	for (int i = 0; i < 200; i++) {
		char text[64];

		status_line(unpacker, "State", text, sizeof(text));
		pid_there = text[0] != '\0' && text[0] != 'Z';
		if (!pid_there)
			break;
		usleep(10000);
	}
	assert_false(pid_there);
	assert_int_equal(count(f, "staging"), 1);
	image_store_free(store);
	store = store_open(f);
	assert_int_equal(count(f, "staging"), 0);
	assert_imports(f, oci_of(some_layer()));
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

#define CASE(x) cmocka_unit_test_setup_teardown(x, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_good),
		CASE(test_names),
		CASE(test_overlay),
		CASE(test_confined),
		CASE(test_bombs),
		CASE(test_refusals),
		CASE(test_program),
		CASE(test_shared_layers),
		CASE(test_killed),
		CASE(test_agent_killed),
		CASE(test_commit_fails),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
