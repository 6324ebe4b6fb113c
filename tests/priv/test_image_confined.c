/* What bulkhead-unpack holds, what a bomb costs, and what is left when it or the agent is killed.
 */
#include "tests/fixtures/import_fixture.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

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

/* As bulkhead-api does, somebody else has the archive's pipe open when the agent dies. */
static void hold_until(int end_fd, int other_end_fd)
{
	char byte;

	if (fork() != 0)
		return;
	close(other_end_fd);
	(void)!read(end_fd, &byte, 1);
	_exit(0);
}

/* The agent is killed: its unpacker dies with it, and the next agent finds a clean store. */
static void test_agent_killed(void **state)
{
	struct fixture *f = *state;
	struct image_store *store = store_open(f);
	int pipe_fds[2];
	int stay[2];
	int pid_there = 0;
	int status;
	pid_t agent;
	pid_t unpacker = 0;

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(pipe2(stay, O_CLOEXEC), 0);
	agent = fork();
	assert_true(agent >= 0);
	if (agent == 0) {
		struct image_import *import;
		int fd;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (image_import_start(&import, &f->config, &fd, &f->err) < 0)
			_exit(1);
		unpacker = pid_of(import);
		hold_until(stay[0], stay[1]);
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
	close(stay[0]);
	close(stay[1]);
	assert_false(pid_there);
	assert_int_equal(count(f, "staging"), 1);
	image_store_free(store);
	store = store_open(f);
	assert_int_equal(count(f, "staging"), 0);
	assert_imports(f, oci_of(some_layer()));
	image_store_free(store);
}

#define CASE(x) cmocka_unit_test_setup_teardown(x, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_confined),
		CASE(test_bombs),
		CASE(test_killed),
		CASE(test_agent_killed),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
