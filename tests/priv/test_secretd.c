/* bulkhead-secretd as the agent and the kernel see it. */
#include "tests/priv/secretd_harness.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <time.h>

#include "secrets/pem.h"
#include "secrets/jwt.h"

#define SWAPS 3000

static const struct secret_value db[] = {
	{ "password", "hunter2", 7 },
	{ "user", "ada", 3 },
};

/* ---- rights -------------------------------------------------------------------------------- */

/* The value of a line in /proc/PID/status. Static buffer. */
static const char *status_of(pid_t pid, const char *field)
{
	static char line[512];
	char path[64];
	size_t len = strlen(field);
	cleanup_file FILE *file = NULL;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, field, len) == 0 && line[len] == ':') {
			line[strcspn(line, "\n")] = '\0';
			return line + len + 1 + strspn(line + len + 1, "\t ");
		}
	}
	fail_msg("no %s in %s", field, path);
	return NULL;
}

static void assert_namespace_differs(pid_t pid, const char *ns)
{
	char path[64], ours[64] = "", theirs[64] = "";

	snprintf(path, sizeof(path), "/proc/self/ns/%s", ns);
	assert_true(readlink(path, ours, sizeof(ours) - 1) > 0);
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, ns);
	assert_true(readlink(path, theirs, sizeof(theirs) - 1) > 0);
	assert_string_not_equal(ours, theirs);
}

static int count_in_proc(pid_t pid, const char *what)
{
	char path[64];
	cleanup_close int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return count_entries(fd);
}

static void it_has_no_rights(void **state)
{
	struct secretd *s = *state;
	static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" };

	for (size_t i = 0; i < ARRAY_LEN(sets); i++)
		assert_string_equal(status_of(s->pid, sets[i]), "0000000000000000");
	assert_string_equal(status_of(s->pid, "Uid"), "61236\t61236\t61236\t61236");
	assert_string_equal(status_of(s->pid, "Gid"), "61236\t61236\t61236\t61236");
	assert_string_equal(status_of(s->pid, "Groups"), "");
	assert_string_equal(status_of(s->pid, "Seccomp"), "2");
	assert_string_equal(status_of(s->pid, "NoNewPrivs"), "1");
	assert_string_equal(status_of(s->pid, "Threads"), "1");
	assert_true(atol(status_of(s->pid, "VmLck")) > 0);
	assert_namespace_differs(s->pid, "net");
	assert_namespace_differs(s->pid, "mnt");
	assert_namespace_differs(s->pid, "ipc");
	assert_int_equal(count_in_proc(s->pid, "fd"), 4);
	assert_int_equal(count_in_proc(s->pid, "root"), 0);
}

/* Its memory and keys are out of reach of its own user: not dumpable, so /proc is root's. */
static void its_own_user_sees_nothing(void **state)
{
	struct secretd *s = *state;
	char path[64];
	struct stat st;
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "/proc/%d/mem", s->pid);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (setresgid(TEST_UID, TEST_UID, TEST_UID) < 0 ||
			setresuid(TEST_UID, TEST_UID, TEST_UID) < 0)
			_exit(2);
		_exit(open(path, O_RDONLY | O_CLOEXEC) >= 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void hello_has_the_public_keys(void **state)
{
	struct secretd *s = *state;
	json_t *jwks = json_loads(s->hello->jwks, 0, NULL);
	json_t *key = json_array_get(json_object_get(jwks, "keys"), 0);

	assert_int_equal(s->hello->sealing_key.len, 32);
	assert_int_equal(strlen(s->hello->key_id), 43);
	assert_string_equal(json_string_value(json_object_get(key, "kid")), s->hello->key_id);
	assert_string_equal(json_string_value(json_object_get(key, "alg")), "ES256");
	assert_null(json_object_get(key, "d"));
	json_decref(jwks);
}

static void it_ends_with_the_connection(void **state)
{
	struct secretd *s = *state;

	assert_int_equal(daemon_stop(s), 0);
}

static void nonsense_ends_it(void **state)
{
	struct secretd *s = *state;
	int fd = s->volume_fd;

	/* A field that the message does not have. */
	assert_int_equal(
		ipc_send(s->ipc, IPC_SECRETS_STAGE, 0, "\xfa\x01\x00", 3, &fd, 1, NULL, &test_err),
		0);
	assert_int_equal(ipc_recv_wait(s->ipc, &(struct ipc_frame){ 0 }, WAIT_MS, &test_err), -1);
	assert_int_equal(test_err.code, ERR_UNAVAILABLE);
	assert_int_equal(WEXITSTATUS(daemon_stop(s)), 2);
}

/* ---- delivery ------------------------------------------------------------------------------ */

static void secret_becomes_files(void **state)
{
	struct secretd *s = *state;
	char directory[64], expect[80];
	struct stage g;

	stage_init(&g);
	stage_secret(&g, s, "red", "db", db, 2);
	stage_file(&g, "nested/info", "plain");
	stage_ok(s, &g, directory);
	/* Staged is not yet visible. */
	assert_int_equal(count_entries(s->volume_fd), 1);
	assert_int_equal(strlen(directory), 32);
	publish_ok(s, directory);
	assert_content(s->volume_fd, "password", "hunter2");
	assert_content(s->volume_fd, "user", "ada");
	assert_content(s->volume_fd, "nested/info", "plain");
	assert_link(s->volume_fd, "password", "..data/password");
	assert_link(s->volume_fd, "nested", "..data/nested");
	assert_link(s->volume_fd, "..data", directory);
	assert_mode(s->volume_fd, "password", 0644);
	assert_mode(s->volume_fd, directory, 0755);
	snprintf(expect, sizeof(expect), "%s/nested", directory);
	assert_mode(s->volume_fd, expect, 0755);
	assert_int_equal(count_entries(s->volume_fd), 5);
	stage_done(&g);
}

static void items_choose_path_and_mode(void **state)
{
	struct secretd *s = *state;
	Bulkhead__V1__SecretSource *source;
	char directory[64];
	struct stage g;

	stage_init(&g);
	source = stage_secret(&g, s, "red", "db", db, 2);
	stage_item(&g, source, "password", "a/b/secret", 0400);
	stage_item(&g, source, "password", "again", -1);
	g.message.default_mode = 0666; /* the daemon's umask is 077 */
	stage_ok(s, &g, directory);
	publish_ok(s, directory);
	assert_content(s->volume_fd, "a/b/secret", "hunter2");
	assert_mode(s->volume_fd, "a/b/secret", 0400);
	assert_mode(s->volume_fd, "again", 0666);
	assert_int_equal(faccessat(s->volume_fd, "user", F_OK, 0), -1);
	stage_done(&g);
}

/* What the shim does between staging and publishing. */
static void own(struct secretd *s, const char *directory)
{
	assert_int_equal(tmpfs_own(s->volume_fd, directory, 300000, 301000, 1, &test_err), 0);
}

static void update_replaces_everything(void **state)
{
	static const struct secret_value changed[] = { { "password", "new", 3 },
		{ "url", "u", 1 } };
	struct secretd *s = *state;
	char first[64], second[64];
	struct statfs before, after;
	struct stage g;
	struct stat st;

	stage_init(&g);
	stage_secret(&g, s, "red", "db", db, 2);
	stage_file(&g, "nested/info", "plain");
	stage_ok(s, &g, first);
	own(s, first);
	publish_ok(s, first);
	assert_int_equal(fstatat(s->volume_fd, "nested/info", &st, 0), 0);
	assert_int_equal(st.st_uid, 300000);
	stage_done(&g);

	stage_init(&g);
	stage_secret(&g, s, "red", "db", changed, 2);
	stage_ok(s, &g, second);
	own(s, second);
	assert_content(s->volume_fd, "password", "hunter2");
	publish_ok(s, second);
	assert_content(s->volume_fd, "password", "new");
	assert_content(s->volume_fd, "url", "u");
	assert_int_equal(faccessat(s->volume_fd, "user", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(faccessat(s->volume_fd, "nested", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(faccessat(s->volume_fd, first, F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_int_equal(count_entries(s->volume_fd), 4);
	/* Publishing again changes nothing; what was replaced is gone for good. */
	publish_ok(s, second);
	assert_non_null(strstr(publish(s, first, s->volume_fd), "No such file"));
	assert_content(s->volume_fd, "password", "new");
	stage_done(&g);

	/* A directory that was staged and never published does not stay. */
	assert_int_equal(fstatfs(s->volume_fd, &before), 0);
	for (int i = 0; i < 50; i++) {
		stage_init(&g);
		stage_secret(&g, s, "red", "db", db, 2);
		stage_ok(s, &g, first);
		own(s, first);
		stage_done(&g);
	}
	publish_ok(s, second);
	assert_int_equal(fstatfs(s->volume_fd, &after), 0);
	assert_int_equal(before.f_ffree, after.f_ffree);
	assert_int_equal(before.f_bfree, after.f_bfree);
}

static void token_is_bound_and_signed(void **state)
{
	const struct jwt_expect expect = { ISSUER, "vault", (int64_t)time(NULL), 5 };
	struct secretd *s = *state;
	cleanup_close int keys_fd = open(s->keys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	Bulkhead__V1__SecretsStaged *staged;
	cleanup_free char *text = NULL;
	const struct jwt_key *keys[1];
	struct jwt_key *key;
	struct stage g;
	EVP_PKEY *pkey;
	json_t *claims;
	size_t size;

	stage_init(&g);
	bulkhead__v1__token_source__init(&g.token);
	g.token.path = S("token");
	g.token.audience = S("vault");
	g.token.expiration_seconds = 600;
	g.tokens[0] = &g.token;
	g.message.n_tokens = 1;
	g.message.default_mode = 0600;
	staged = stage_send(s, &g, s->volume_fd);
	assert_null(staged->error);
	assert_in_range(staged->refresh_at, expect.now + 480, expect.now + 485);
	publish_ok(s, staged->directory);
	bulkhead__v1__secrets_staged__free_unpacked(staged, NULL);
	assert_mode(s->volume_fd, "token", 0600);
	assert_int_equal(
		file_read_at(s->volume_fd, "..data/token", 16384, &text, &size, &test_err), 0);
	assert_int_equal(pem_read_key(keys_fd, SETUP_TOKEN_KEY, &pkey, &test_err), 0);
	assert_int_equal(jwt_key_new(&key, pkey, &test_err), 0);
	EVP_PKEY_free(pkey);
	keys[0] = key;
	assert_int_equal(jwt_verify(keys, 1, text, size, &expect, &claims, &test_err), 0);
	assert_string_equal(json_string_value(json_object_get(claims, "sub")),
		"system:serviceaccount:red:default");
	json_decref(claims);
	jwt_key_free(key);

	g.token.expiration_seconds = 599;
	stage_refused(s, &g, s->volume_fd, ERR_INVALID,
		"volume 'db': token 'token': expirationSeconds: 599");
	stage_done(&g);
}

/* ---- refusals ------------------------------------------------------------------------------ */

static void other_projects_secret_is_refused(void **state)
{
	struct secretd *s = *state;
	Bulkhead__V1__SecretSource *source;
	struct stage g;

	stage_init(&g);
	source = stage_secret(&g, s, "blue", "db", db, 2);
	stage_refused(s, &g, s->volume_fd, ERR_DENIED,
		"secret 'db' belongs to project 'blue', the pod to 'red'");
	/* An agent that lies about whose it is gets nothing either: the envelope knows. */
	source->secret->project = S("red");
	stage_refused(s, &g, s->volume_fd, ERR_INVALID, "sealed for another project");
	source->secret->project = S("blue");
	g.identity.project = S("blue");
	source->secret->name = S("db2");
	stage_refused(s, &g, s->volume_fd, ERR_INVALID, "sealed for another project, name or node");
	source->secret->name = S("db");
	source->secret->node = S("node-2");
	stage_refused(s, &g, s->volume_fd, ERR_DENIED, "is sealed to node 'node-2'");
	source->secret->node = S(NODE);
	g.identity.node = S("node-2");
	stage_refused(s, &g, s->volume_fd, ERR_DENIED, "identity.node: 'node-2' is not this node");
	g.identity.node = S(NODE);
	g.identity.project = S("");
	stage_refused(s, &g, s->volume_fd, ERR_INVALID, "identity.project: is missing");
	assert_int_equal(count_entries(s->volume_fd), 0);
	stage_done(&g);
}

static void only_a_tmpfs_root_is_written_to(void **state)
{
	struct secretd *s = *state;
	cleanup_close int disk_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int memfd = memfd_create("x", MFD_CLOEXEC);
	cleanup_close int inner_fd = -1, pipe_fd = -1;
	char directory[64];
	struct stage g;
	int pipes[2];

	stage_init(&g);
	stage_secret(&g, s, "red", "db", db, 2);
	stage_refused(s, &g, disk_fd, ERR_INVALID, "not a directory of a tmpfs");
	stage_refused(s, &g, memfd, ERR_INVALID, "not a directory of a tmpfs");
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pipe_fd = pipes[0];
	stage_refused(s, &g, pipe_fd, ERR_INVALID, "not a directory of a tmpfs");
	close(pipes[1]);
	assert_int_equal(mkdirat(s->volume_fd, "inner", 0777), 0);
	inner_fd = openat(s->volume_fd, "inner", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	stage_refused(s, &g, inner_fd, ERR_INVALID, "not the root of its mount");
	assert_int_equal(unlinkat(s->volume_fd, "inner", AT_REMOVEDIR), 0);
	stage_ok(s, &g, directory);
	assert_non_null(strstr(publish(s, directory, disk_fd), "not a directory of a tmpfs"));
	assert_non_null(strstr(publish(s, "../etc", s->volume_fd), "not a staged one's name"));
	assert_non_null(strstr(publish(s, "..data", s->volume_fd), "not a staged one's name"));
	assert_non_null(strstr(publish(s, "", s->volume_fd), "not a staged one's name"));
	publish_ok(s, directory);
	stage_done(&g);
}

static void bad_paths_write_nothing(void **state)
{
	static const struct {
		const char *path;
		const char *why;
	} cases[] = {
		{ "/abs", "must be relative" },
		{ "a/../b", "must not have '.' or '..'" },
		{ "..x", "must not begin with '..'" },
		{ "user", "exclude each other" },
		{ "user/below", "exclude each other" },
	};
	struct secretd *s = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct stage g;

		stage_init(&g);
		stage_secret(&g, s, "red", "db", db, 2);
		stage_file(&g, cases[i].path, "x");
		stage_refused(s, &g, s->volume_fd, ERR_INVALID, cases[i].why);
		stage_done(&g);
	}
	assert_int_equal(count_entries(s->volume_fd), 0);
}

static void missing_key_and_bad_mode_are_named(void **state)
{
	struct secretd *s = *state;
	Bulkhead__V1__SecretSource *source;
	struct stage g;

	stage_init(&g);
	source = stage_secret(&g, s, "red", "db", db, 2);
	stage_item(&g, source, "passwort", "p", -1);
	stage_refused(s, &g, s->volume_fd, ERR_NOT_FOUND,
		"volume 'db': secret 'db' has no key 'passwort'");
	g.item[0].key = S("password");
	g.item[0].mode = 01000;
	stage_refused(s, &g, s->volume_fd, ERR_INVALID, "mode 01000 is not from 0 to 0777");
	g.item[0].mode = -2;
	stage_refused(s, &g, s->volume_fd, ERR_INVALID, "is not from 0 to 0777");
	assert_int_equal(count_entries(s->volume_fd), 0);
	stage_done(&g);
}

static void full_volume_names_the_file(void **state)
{
	static const char big[50000];
	const struct secret_value large[] = { { "a", "small", 5 }, { "large", big, sizeof(big) } };
	struct secretd *s = *state;
	char first[64], second[64];
	struct stage g;

	stage_init(&g);
	stage_secret(&g, s, "red", "db", large, 2);
	stage_ok(s, &g, first);
	publish_ok(s, first);
	/* 64 KiB do not hold it twice: the old version stays as it was. */
	stage_refused(s, &g, s->volume_fd, ERR_EXHAUSTED,
		"volume 'db': secret 'db': file 'large': cannot write");
	assert_content(s->volume_fd, "a", "small");
	assert_int_equal(count_entries(s->volume_fd), 4);
	stage_done(&g);
	stage_init(&g);
	stage_secret(&g, s, "red", "db", db, 2);
	stage_ok(s, &g, second);
	publish_ok(s, second);
	assert_content(s->volume_fd, "password", "hunter2");
	stage_done(&g);
}

/* Every number of free inodes: publishing either does all or leaves all as it was. */
static void too_few_inodes_undo_the_publishing(void **state)
{
	static const struct secret_value more[] = { { "m1", "1", 1 }, { "m2", "2", 1 },
		{ "m3", "3", 1 } };
	struct secretd *s = *state;
	int refused = 0;

	for (unsigned inodes = 8; inodes < 16; inodes++) {
		cleanup_close int fd = make_tmpfs(65536, inodes, TEST_UID);
		Bulkhead__V1__SecretsStaged *staged;
		struct stage g;

		stage_init(&g);
		stage_secret(&g, s, "red", "db", db, 1);
		staged = stage_send(s, &g, fd);
		assert_null(staged->error);
		assert_null(publish(s, staged->directory, fd));
		bulkhead__v1__secrets_staged__free_unpacked(staged, NULL);
		stage_done(&g);

		stage_init(&g);
		stage_secret(&g, s, "red", "db", more, 3);
		staged = stage_send(s, &g, fd);
		if (!staged->error && !publish(s, staged->directory, fd)) {
			assert_content(fd, "m1", "1");
			assert_content(fd, "m3", "3");
			assert_int_equal(faccessat(fd, "password", F_OK, AT_SYMLINK_NOFOLLOW), -1);
		} else {
			refused += !staged->error;
			assert_content(fd, "password", "hunter2");
			assert_int_equal(faccessat(fd, "m1", F_OK, AT_SYMLINK_NOFOLLOW), -1);
			assert_int_equal(faccessat(fd, "m3", F_OK, AT_SYMLINK_NOFOLLOW), -1);
		}
		bulkhead__v1__secrets_staged__free_unpacked(staged, NULL);
		stage_done(&g);
	}
	assert_true(refused > 0);
}

/* ---- the race ------------------------------------------------------------------------------ */

struct reader {
	int fd;
	atomic_int stop;
	atomic_int versions; /* different ones seen */
	atomic_int mixes;
	atomic_int broken; /* neither whole nor gone */
};

/* The number in a file, -1 when it is gone, -2 when it is no number. */
static long number_in(int dirfd, const char *name)
{
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	char text[16] = "";

	if (fd < 0)
		return errno == ENOENT ? -1 : -2;
	return read(fd, text, sizeof(text) - 1) == 8 ? atol(text) : -2;
}

/* Opens ..data once and reads both files beneath it, as a careful program does. */
static void *read_on(void *arg)
{
	struct reader *r = arg;
	long last = -1;

	while (!atomic_load(&r->stop)) {
		cleanup_close int fd = openat(r->fd, "..data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		long a = fd < 0 ? -1 : number_in(fd, "a");
		long b = fd < 0 ? -1 : number_in(fd, "nested/b");
		long visible = number_in(r->fd, "a");
		char link[64];

		/* The link itself is never away, not even for a moment. */
		if (readlinkat(r->fd, "..data", link, sizeof(link)) < 0)
			atomic_fetch_add(&r->broken, 1);
		if (a == -2 || b == -2 || visible == -2)
			atomic_fetch_add(&r->broken, 1);
		else if (a >= 0 && b >= 0 && a != b)
			atomic_fetch_add(&r->mixes, 1);
		if (a >= 0 && a != last)
			atomic_fetch_add(&r->versions, 1);
		last = a;
	}
	return NULL;
}

static void a_reader_never_sees_a_mix(void **state)
{
	struct secretd *s = *state;
	struct reader r = { .fd = s->volume_fd };
	char directory[64], text[16];
	pthread_t threads[2];

	for (int i = 0; i < SWAPS; i++) {
		const struct secret_value values[] = { { "a", text, 8 }, { "b", text, 8 } };
		Bulkhead__V1__SecretSource *source;
		struct stage g;

		snprintf(text, sizeof(text), "%08d", i);
		stage_init(&g);
		source = stage_secret(&g, s, "red", "db", values, 2);
		stage_item(&g, source, "a", "a", -1);
		stage_item(&g, source, "b", "nested/b", -1);
		stage_ok(s, &g, directory);
		publish_ok(s, directory);
		stage_done(&g);
		for (int t = 0; i == 0 && t < 2; t++)
			assert_int_equal(pthread_create(&threads[t], NULL, read_on, &r), 0);
	}
	atomic_store(&r.stop, 1);
	for (int t = 0; t < 2; t++)
		pthread_join(threads[t], NULL);
	print_message("# %d swaps, %d versions seen\n", SWAPS, atomic_load(&r.versions));
	assert_int_equal(atomic_load(&r.mixes), 0);
	assert_int_equal(atomic_load(&r.broken), 0);
	assert_true(atomic_load(&r.versions) > 100);
	assert_int_equal(count_entries(s->volume_fd), 4);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(it_has_no_rights),
		T(its_own_user_sees_nothing),
		T(hello_has_the_public_keys),
		T(it_ends_with_the_connection),
		T(nonsense_ends_it),
		T(secret_becomes_files),
		T(items_choose_path_and_mode),
		T(update_replaces_everything),
		T(token_is_bound_and_signed),
		T(other_projects_secret_is_refused),
		T(only_a_tmpfs_root_is_written_to),
		T(bad_paths_write_nothing),
		T(missing_key_and_bad_mode_are_named),
		T(full_volume_names_the_file),
		T(too_few_inodes_undo_the_publishing),
		T(a_reader_never_sees_a_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
