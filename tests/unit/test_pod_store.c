#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/pod_store.h"
#include "nodeagent/agent/record.h"

#define UID       "0d5d1f0a-5b4e-4d6f-9a53-0123456789ab"
#define OTHER_UID "1d5d1f0a-5b4e-4d6f-9a53-0123456789ab"

static struct error err;

struct state {
	char dir[32];
	int dirfd;
};

static int setup(void **ret)
{
	struct state *s = calloc(1, sizeof(*s));

	*ret = s;
	strcpy(s->dir, "/tmp/bh-store-XXXXXX");
	if (!mkdtemp(s->dir))
		return -1;
	s->dirfd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->dirfd < 0 ? -1 : pod_store_prepare(s->dirfd, &err);
}

static int teardown(void **ret)
{
	struct state *s = *ret;

	close(s->dirfd);
	tree_remove_at(AT_FDCWD, s->dir, NULL);
	free(s);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* A record as small as one can be; all of it is static. */
struct sample {
	Bulkhead__V1__PodFile file;
	K8sPod pod;
	K8sObjectMeta meta;
	K8sPodSpec spec;
	K8sContainer container;
	K8sContainer *containers[1];
	char *images[1];
};

static void sample_init(struct sample *s, const char *uid)
{
	memset(s, 0, sizeof(*s));
	bulkhead__v1__pod_file__init(&s->file);
	k8s__io__api__core__v1__pod__init(&s->pod);
	k8s__io__apimachinery__pkg__apis__meta__v1__object_meta__init(&s->meta);
	k8s__io__api__core__v1__pod_spec__init(&s->spec);
	k8s__io__api__core__v1__container__init(&s->container);
	s->file.pod = &s->pod;
	s->pod.metadata = &s->meta;
	s->pod.spec = &s->spec;
	s->meta.name = (char *)(uintptr_t) "web";
	s->meta.namespace_ = (char *)(uintptr_t) "red";
	s->meta.uid = (char *)(uintptr_t)uid;
	s->container.name = (char *)(uintptr_t) "main";
	s->containers[0] = &s->container;
	s->spec.containers = s->containers;
	s->spec.n_containers = 1;
	s->images[0] = (char *)(uintptr_t) "sha256:0";
	s->file.images = s->images;
	s->file.n_images = 1;
	s->file.slice = 131072;
}

static void add(const struct state *s, const char *uid)
{
	struct sample sample;

	sample_init(&sample, uid);
	if (pod_store_add(s->dirfd, &sample.file, &err) < 0)
		fail_msg("%s", err.text);
}

static size_t count_names(const struct state *s, const char *folder)
{
	cleanup_close int fd = openat(s->dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fdopendir(take_fd(&fd));
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

static void test_round_trip(void **ret)
{
	const struct state *s = *ret;
	Bulkhead__V1__PodProgress progress = BULKHEAD__V1__POD_PROGRESS__INIT;
	Bulkhead__V1__PodProgress *read_progress = NULL;
	Bulkhead__V1__PodFile *file = NULL;
	struct stat st;

	add(s, UID);
	assert_int_equal(pod_store_read(s->dirfd, UID, &file, &read_progress, &err), 0);
	assert_string_equal(file->pod->metadata->name, "web");
	assert_int_equal(file->slice, 131072);
	assert_null(read_progress);
	bulkhead__v1__pod_file__free_unpacked(file, NULL);
	progress.delete_at = 12345;
	progress.grace_seconds = 30;
	assert_int_equal(pod_store_progress(s->dirfd, UID, &progress, &err), 0);
	progress.grace_seconds = 1;
	assert_int_equal(pod_store_progress(s->dirfd, UID, &progress, &err), 0);
	assert_int_equal(pod_store_read(s->dirfd, UID, &file, &read_progress, &err), 0);
	assert_int_equal(read_progress->delete_at, 12345);
	assert_int_equal(read_progress->grace_seconds, 1);
	bulkhead__v1__pod_file__free_unpacked(file, NULL);
	bulkhead__v1__pod_progress__free_unpacked(read_progress, NULL);
	/* Nothing but the two files and the next progress's room, and none of it for others. */
	assert_int_equal(count_names(s, "pods/" UID), 3);
	assert_int_equal(fstatat(s->dirfd, "pods/" UID "/.progress.next", &st, 0), 0);
	assert_true(st.st_blocks > 0);
	assert_int_equal(st.st_mode & 077, 0);
	assert_int_equal(fstatat(s->dirfd, "pods", &st, 0), 0);
	assert_int_equal(st.st_mode & 077, 0);
	assert_int_equal(fstatat(s->dirfd, "pods/" UID "/pod", &st, 0), 0);
	assert_int_equal(st.st_mode & 077, 0);
}

static void test_progress_needs_its_pod(void **ret)
{
	const struct state *s = *ret;
	Bulkhead__V1__PodProgress progress = BULKHEAD__V1__POD_PROGRESS__INIT;

	assert_int_equal(pod_store_progress(s->dirfd, UID, &progress, &err), -1);
	assert_int_equal(count_names(s, "pods"), 0);
}

static void rewrite(const struct state *s, const char *name, const char *data, size_t size)
{
	cleanup_close int fd = openat(s->dirfd, name, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, size, &err), 0);
}

/* One as agents wrote it while a pod's VNID was noted in it: theirs are this one's pods, too. */
static void test_an_older_record(void **ret)
{
	static const char vnid[] = { 6 << 3, 10 };
	const struct state *s = *ret;
	Bulkhead__V1__PodProgress *progress = NULL;
	Bulkhead__V1__PodFile *file = NULL;
	cleanup_free char *data = NULL;
	uint32_t crc, length;
	size_t size;

	add(s, UID);
	assert_int_equal(
		file_read_at(s->dirfd, "pods/" UID "/pod", 1 << 20, &data, &size, &err), 0);
	data = realloc(data, size + sizeof(vnid));
	assert_non_null(data);
	memcpy(data + size, vnid, sizeof(vnid));
	length = (uint32_t)(size + sizeof(vnid) - 16);
	crc = record_crc((uint8_t *)data + 16, length);
	for (int i = 0; i < 4; i++) {
		data[8 + i] = (char)(length >> (8 * i));
		data[12 + i] = (char)(crc >> (8 * i));
	}
	rewrite(s, "pods/" UID "/pod", data, size + sizeof(vnid));
	if (pod_store_read(s->dirfd, UID, &file, &progress, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(file->pod->metadata->name, "web");
	bulkhead__v1__pod_file__free_unpacked(file, NULL);
}

/* Every prefix of a record, and every single bit flipped, is refused. */
static void test_damage_is_found(void **ret)
{
	const struct state *s = *ret;
	Bulkhead__V1__PodProgress *progress = NULL;
	Bulkhead__V1__PodFile *file = NULL;
	cleanup_free char *data = NULL;
	size_t size;

	add(s, UID);
	assert_int_equal(
		file_read_at(s->dirfd, "pods/" UID "/pod", 1 << 20, &data, &size, &err), 0);
	for (size_t n = 0; n < size; n++) {
		rewrite(s, "pods/" UID "/pod", data, n);
		assert_int_equal(pod_store_read(s->dirfd, UID, &file, &progress, &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
	}
	for (size_t bit = 0; bit < size * 8; bit++) {
		data[bit / 8] = (char)(data[bit / 8] ^ (1 << bit % 8));
		rewrite(s, "pods/" UID "/pod", data, size);
		assert_int_equal(pod_store_read(s->dirfd, UID, &file, &progress, &err), -1);
		data[bit / 8] = (char)(data[bit / 8] ^ (1 << bit % 8));
	}
	rewrite(s, "pods/" UID "/pod", data, size);
	assert_int_equal(pod_store_read(s->dirfd, UID, &file, &progress, &err), 0);
	bulkhead__v1__pod_file__free_unpacked(file, NULL);
}

static void test_damaged_progress_is_found(void **ret)
{
	const struct state *s = *ret;
	Bulkhead__V1__PodProgress progress = BULKHEAD__V1__POD_PROGRESS__INIT;
	Bulkhead__V1__PodProgress *read_progress = NULL;
	Bulkhead__V1__PodFile *file = NULL;

	add(s, UID);
	progress.delete_at = 1;
	assert_int_equal(pod_store_progress(s->dirfd, UID, &progress, &err), 0);
	rewrite(s, "pods/" UID "/progress", "", 0);
	assert_int_equal(pod_store_read(s->dirfd, UID, &file, &read_progress, &err), -1);
	assert_non_null(strstr(err.text, "progress"));
}

static void test_record_of_another(void **ret)
{
	const struct state *s = *ret;
	Bulkhead__V1__PodProgress *progress = NULL;
	Bulkhead__V1__PodFile *file = NULL;

	add(s, UID);
	assert_int_equal(renameat(s->dirfd, "pods/" UID, s->dirfd, "pods/" OTHER_UID), 0);
	assert_int_equal(pod_store_read(s->dirfd, OTHER_UID, &file, &progress, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_non_null(strstr(err.text, UID));
}

static void test_list_and_set_aside(void **ret)
{
	const struct state *s = *ret;
	char **list;
	size_t len;

	add(s, UID);
	add(s, OTHER_UID);
	assert_int_equal(mkdirat(s->dirfd, "pods/lost+found", 0700), 0);
	assert_int_equal(pod_store_list(s->dirfd, &list, &len, &err), 0);
	assert_int_equal(len, 2);
	pod_store_list_free(list, len);
	assert_int_equal(pod_store_set_aside(s->dirfd, UID, &err), 0);
	assert_int_equal(pod_store_list(s->dirfd, &list, &len, &err), 0);
	assert_int_equal(len, 1);
	assert_string_equal(list[0], OTHER_UID);
	pod_store_list_free(list, len);
	/* It is never removed, whatever starts again. */
	assert_int_equal(pod_store_prepare(s->dirfd, &err), 0);
	assert_int_equal(faccessat(s->dirfd, "pods/.bad-" UID "/pod", F_OK, 0), 0);
}

static void test_remove(void **ret)
{
	const struct state *s = *ret;
	char **list;
	size_t len;

	add(s, UID);
	assert_int_equal(mkdirat(s->dirfd, "pods/" UID "/containers", 0700), 0);
	assert_int_equal(pod_store_remove(s->dirfd, UID, &err), 0);
	assert_int_equal(pod_store_list(s->dirfd, &list, &len, &err), 0);
	assert_int_equal(len, 0);
	pod_store_list_free(list, len);
	assert_int_equal(count_names(s, "pods"), 1);
	assert_int_equal(pod_store_clear(s->dirfd, UID, &err), 0);
	assert_int_equal(count_names(s, "pods"), 0);
	assert_int_equal(pod_store_remove(s->dirfd, UID, &err), 0);
	assert_int_equal(pod_store_clear(s->dirfd, UID, &err), 0);
}

static void test_a_start_sweeps(void **ret)
{
	const struct state *s = *ret;

	add(s, UID);
	assert_int_equal(pod_store_remove(s->dirfd, UID, &err), 0);
	assert_int_equal(mkdirat(s->dirfd, "pods/.new-" OTHER_UID, 0700), 0);
	assert_int_equal(mkdirat(s->dirfd, "pods/.new-" OTHER_UID "/pod", 0700), 0);
	assert_int_equal(pod_store_prepare(s->dirfd, &err), 0);
	/* What a pod left may take long: it is not a start's to wait for. */
	assert_int_equal(count_names(s, "pods"), 1);
	assert_int_equal(pod_store_clear_all(s->dirfd, &err), 0);
	assert_int_equal(count_names(s, "pods"), 0);
}

/* As on a full disk: whatever the limit on a file, there is all or nothing. */
static void test_no_room_leaves_nothing(void **ret)
{
	const struct state *s = *ret;
	struct rlimit before, limit;
	struct sample sample;

	sample_init(&sample, UID);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	for (limit.rlim_cur = 0; limit.rlim_cur < 40; limit.rlim_cur += 13) {
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		assert_int_equal(pod_store_add(s->dirfd, &sample.file, &err), -1);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		assert_int_equal(count_names(s, "pods"), 0);
	}
	signal(SIGXFSZ, SIG_DFL);
}

/* A pod within all limits has twice as many fields in its record: as asked for, and as admitted. */
static void test_what_could_not_be_read_is_not_written(void **ret)
{
	static K8sEnvVar vars[20000];
	static K8sEnvVar *env[ARRAY_LEN(vars)];
	const struct state *s = *ret;
	Bulkhead__V1__PodProgress *progress;
	Bulkhead__V1__PodFile *file;
	struct sample sample;

	for (size_t i = 0; i < ARRAY_LEN(vars); i++) {
		k8s__io__api__core__v1__env_var__init(&vars[i]);
		vars[i].name = (char *)(uintptr_t) "A";
		vars[i].value = (char *)(uintptr_t) "1";
		env[i] = &vars[i];
	}
	sample_init(&sample, UID);
	sample.file.asked = &sample.pod;
	sample.container.env = env;
	sample.container.n_env = ARRAY_LEN(vars);
	assert_int_equal(pod_store_add(s->dirfd, &sample.file, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_int_equal(count_names(s, "pods"), 0);
	sample.container.n_env = 15000;
	assert_int_equal(pod_store_add(s->dirfd, &sample.file, &err), 0);
	assert_int_equal(pod_store_read(s->dirfd, UID, &file, &progress, &err), 0);
	bulkhead__v1__pod_file__free_unpacked(file, NULL);
}

static void test_twice_is_refused(void **ret)
{
	const struct state *s = *ret;
	struct sample sample;

	add(s, UID);
	sample_init(&sample, UID);
	assert_int_equal(pod_store_add(s->dirfd, &sample.file, &err), -1);
	assert_int_equal(count_names(s, "pods"), 1);
	assert_int_equal(faccessat(s->dirfd, "pods/" UID "/pod", F_OK, 0), 0);
}

/*
 * kill -9 at 300 moments: what is listed is whole, and a start makes the rest disappear. How long
 * an add takes is the disk's affair: the moments spread over a span that grows while none is done
 * in it and shrinks while many are.
 */
static void test_killed_at_any_moment(void **ret)
{
	const struct state *s = *ret;
	unsigned span = 2000; /* microseconds */
	size_t whole = 0, none = 0;

	for (unsigned i = 0; i < 300; i++) {
		Bulkhead__V1__PodProgress *progress = NULL;
		Bulkhead__V1__PodFile *file = NULL;
		struct sample sample;
		pid_t pid;

		sample_init(&sample, UID);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			_exit(pod_store_add(s->dirfd, &sample.file, NULL) < 0);
		usleep(i * 7919 % span);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(pod_store_prepare(s->dirfd, &err), 0);
		if (faccessat(s->dirfd, "pods/" UID, F_OK, 0) < 0) {
			none++;
			span += span / 16;
			assert_int_equal(count_names(s, "pods"), 0);
			continue;
		}
		whole++;
		span -= span > 200 ? span / 16 : 0;
		if (pod_store_read(s->dirfd, UID, &file, &progress, &err) < 0)
			fail_msg("%s", err.text);
		bulkhead__v1__pod_file__free_unpacked(file, NULL);
		assert_int_equal(pod_store_remove(s->dirfd, UID, &err), 0);
		assert_int_equal(pod_store_clear(s->dirfd, UID, &err), 0);
	}
	/* Both happened, or the moments were not where it matters. */
	assert_true(whole > 0 && none > 0);
}

static void test_uid_form(void **unused)
{
	static const char *const bad[] = { "", "..", UID "0", "0d5d1f0a-5b4e-4d6f-9a53-0123456789a",
		"0d5d1f0a/5b4e-4d6f-9a53-0123456789ab", "0D5d1f0a-5b4e-4d6f-9a53-0123456789ab",
		"0d5d1f0a-5b4e-4d6f-9a53-0123456789ag" };

	(void)unused;
	assert_true(pod_uid_valid(UID));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(pod_uid_valid(bad[i]));
}

static void test_record_limits(void **unused)
{
	Bulkhead__V1__PodProgress progress = BULKHEAD__V1__POD_PROGRESS__INIT;
	cleanup_free char *text = malloc(RECORD_SIZE_MAX + 1);
	cleanup_free uint8_t *data = NULL;
	size_t size;

	(void)unused;
	/* The vector of every CRC-32. */
	assert_int_equal(record_crc((const uint8_t *)"123456789", 9), 0xcbf43926);
	assert_non_null(text);
	memset(text, 'a', RECORD_SIZE_MAX);
	text[RECORD_SIZE_MAX] = '\0';
	progress.message = text;
	assert_int_equal(record_pack(&progress.base, &data, &size, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	/* Two bytes of tag, four of length, sixteen of header: exactly at the limit. */
	text[RECORD_SIZE_MAX - 16 - 5] = '\0';
	assert_int_equal(record_pack(&progress.base, &data, &size, &err), 0);
	assert_int_equal(size, RECORD_SIZE_MAX);
	free(take_ptr(data));
	text[RECORD_SIZE_MAX - 16 - 5] = 'a';
	text[RECORD_SIZE_MAX - 16 - 4] = '\0';
	assert_int_equal(record_pack(&progress.base, &data, &size, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_progress_needs_its_pod),
		TEST(test_an_older_record),
		TEST(test_damage_is_found),
		TEST(test_damaged_progress_is_found),
		TEST(test_record_of_another),
		TEST(test_list_and_set_aside),
		TEST(test_remove),
		TEST(test_a_start_sweeps),
		TEST(test_no_room_leaves_nothing),
		TEST(test_what_could_not_be_read_is_not_written),
		TEST(test_twice_is_refused),
		TEST(test_killed_at_any_moment),
		cmocka_unit_test(test_uid_form),
		cmocka_unit_test(test_record_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
