/* Text that becomes something else: what containers print, names and paths of plans. Rows 33, 35.
 */
#include "tests/priv/escapes/escapes.h"

#include "nodeagent/shim/cri_log.h"

#define FLOOD_MIB "80"
#ifndef __SANITIZE_ADDRESS__
#define KIB_MAX 2048
#else
#define KIB_MAX 32768 /* the sanitizer's own */
#endif

/* Every record of a log of run 0 has the shim's stamp, stream and tag; their number. */
static size_t records_count(struct pod *p, const char *name, char **ret_raw, size_t *ret_size)
{
	char path[256];
	size_t n = 0;
	const char *end;

	snprintf(path, sizeof(path), "%s/%s/0.log", p->logs, name);
	assert_int_equal(file_read_at(AT_FDCWD, path, 1 << 20, ret_raw, ret_size, &test_err), 0);
	end = *ret_raw + *ret_size;
	for (const char *line = *ret_raw; line < end; n++) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		char stream[8];
		char tag;
		int year;

		assert_non_null(newline);
		assert_true(newline - line >= 40);
		assert_int_equal(sscanf(line, "%d-", &year), 1);
		assert_true(year > 2000 && line[29] == 'Z');
		assert_int_equal(sscanf(line + 30, " %6s %c ", stream, &tag), 2);
		assert_true(strcmp(stream, "stdout") == 0 || strcmp(stream, "stderr") == 0);
		assert_true(tag == 'F' || tag == 'P');
		line = newline + 1;
	}
	return n;
}

static int has_bytes(const char *raw, size_t size, const char *part, size_t part_size)
{
	return memmem(raw, size, part, part_size) != NULL;
}

#define assert_bytes(text) assert_true(has_bytes(raw, size, "" text, sizeof(text) - 1))

/* Row 33: every line that it prints is one record of the shim's, with all of its bytes. */
static void what_is_printed_is_no_record(void **state)
{
	struct pod *p = *state;
	cleanup_free char *raw = NULL;
	size_t size;
	struct box b;

	pod_up(p);
	box_init(&b, p, "main");
	box_args(&b, "/bin/hostile", "print", NULL);
	box_start(p, &b);
	box_wait(p, "main");
	/* Five of stdout, two of stderr. */
	assert_int_equal(records_count(p, "main", &raw, &size), 7);
	assert_bytes("Z stdout F \r2026-01-01T00:00:00.000000000Z stdout F forged\n");
	assert_bytes("Z stdout F 2026-01-01T00:00:00.000000000Z stderr P forged too\n");
	assert_bytes(
		"Z stdout F nul \0 escape \033[2J\033]0;title\a bell \b\b csi \233 nel \302\205 "
		"bad \377\376\n");
	assert_bytes("Z stdout F \n");
	assert_bytes("Z stdout P unfinished\n");
	assert_bytes("Z stderr F \n");
	assert_bytes("Z stderr F F \n");
}

/* Rows 27, 33: more than all files of a log may hold, and no line ever ends. */
static void an_endless_line_fills_neither_memory_nor_disk(void **state)
{
	struct pod *p = *state;
	struct box b;

	pod_up(p);
	box_init(&b, p, "main");
	box_args(&b, "/bin/hostile", "flood", FLOOD_MIB, NULL);
	box_start(p, &b);
	assert_int_equal(box_wait(p, "main").code, 0);
	run_host("test $(du -sk --apparent-size %s/main | cut -f1) -gt 40000", p->logs);
	run_host("test $(du -sk --apparent-size %s/main | cut -f1) -le %u", p->logs,
		(CRI_FILE_SIZE_MAX >> 10) * CRI_FILES_MAX + 64);
	run_host("test $(ls %s/main | wc -l) = %d", p->logs, CRI_FILES_MAX);
	run_host("test $(awk '/^Private_/ {n += $2} END {print n}' /proc/%d/smaps_rollup) -le %d",
		p->shim, KIB_MAX);
}

/* Everything beneath the pod's directories on the host. */
static char *host_listing(struct pod *p)
{
	char command[256];
	char *text = NULL;
	FILE *out;
	size_t size = 0;
	ssize_t n;

	snprintf(command, sizeof(command), "cd %s && find . -path ./layer -prune -o -print | sort",
		p->dir);
	out = popen(command, "re");
	assert_non_null(out);
	n = getdelim(&text, &size, '\0', out);
	assert_true(n > 0);
	pclose(out);
	return text;
}

static const char *const bad_names[] = { "", ".", "..", "../x", "../../x", "x/../../y", "/x", "a/b",
	"A", "-a", "a-", "a_b", "a b", "a\nb", "a\tb", "a.b", "\xc3\xa9", "\xd0\xb0",
	"0123456789012345678901234567890123456789012345678901234567890123" };

static const char *const bad_paths[] = { "", "x", "./x", "../x", "/../x", "/a/..", "/a/../b",
	"/a/./b", "//a", "/a//b", "/a/" };

/* Row 35: whatever becomes a part of a path on the host is a name. */
static void names_are_names(void **state)
{
	struct pod *p = *state;
	cleanup_free char *before = NULL;
	cleanup_free char *after = NULL;
	struct box b;

	pod_up(p);
	before = host_listing(p);
	for (size_t i = 0; i < ARRAY_LEN(bad_names); i++) {
		box_init(&b, p, bad_names[i]);
		box_args(&b, "true", NULL);
		assert_has(box_try(p, &b, NULL), "is not a container name");
		box_init(&b, p, "main");
		box_args(&b, "true", NULL);
		box_mount(&b, 0, bad_names[i], "/x", 0);
		assert_has(box_try(p, &b, NULL), "is not a volume name");
		assert_has(exec_refused(p, bad_names[i], "true"), "does not run");
	}
	after = host_listing(p);
	assert_string_equal(before, after);
}

static void sandbox_names_are_names(void **state)
{
	struct pod *p = *state;
	char *kept = p->plan.cgroup;
	cleanup_free char *before = NULL;
	cleanup_free char *after = NULL;

	pod_spawn(p);
	before = host_listing(p);
	tmpfs_add(p, "x", 0, SLICE, 0777);
	for (size_t i = 0; i < ARRAY_LEN(bad_names); i++) {
		p->tmpfs[0].name = (char *)(uintptr_t)bad_names[i];
		assert_has(pod_sandbox(p), "is not a volume name");
	}
	p->plan.n_tmpfs = 0;
	for (size_t i = 0; i < ARRAY_LEN(bad_paths); i++) {
		p->plan.pod_dir = (char *)(uintptr_t)bad_paths[i];
		assert_has(pod_sandbox(p), "pod_dir: ");
		p->plan.pod_dir = p->state;
		p->plan.log_dir = (char *)(uintptr_t)bad_paths[i];
		assert_has(pod_sandbox(p), "log_dir: ");
		p->plan.log_dir = p->logs;
	}
	p->plan.cgroup = (char *)(uintptr_t) "bulkhead/../x";
	assert_has(pod_sandbox(p), "is no directory name");
	p->plan.cgroup = kept;
	p->hosts[0] = (char *)(uintptr_t) "127.0.0.1 localhost\n10.0.0.1 other";
	assert_has(pod_sandbox(p), "etc_hosts[0] has a newline");
	p->plan.n_etc_hosts = 0;
	p->resolv[0] = (char *)(uintptr_t) "nameserver 10.0.0.1\nnameserver 10.6.6.6";
	assert_has(pod_sandbox(p), "etc_resolv[0] has a newline");
	after = host_listing(p);
	assert_string_equal(before, after);
}

static void refused_with(struct pod *p, struct box *b, const char *part)
{
	assert_has(box_try(p, b, NULL), part);
}

static void paths_are_paths(void **state)
{
	static const char *const targets[] = { "/proc", "/proc/x", "/sys", "/sys/fs/cgroup", "/dev",
		"/dev/null", "/dev/pts", "/dev/mqueue", "/dev/console", "/" };
	struct pod *p = *state;
	cleanup_free char *before = NULL;
	cleanup_free char *after = NULL;
	struct box b;

	pod_up(p);
	before = host_listing(p);
	box_init(&b, p, "main");
	box_args(&b, "true", NULL);
	for (size_t i = 0; i < ARRAY_LEN(bad_paths); i++) {
		char *bad = (char *)(uintptr_t)bad_paths[i];

		b.layers[0] = bad;
		refused_with(p, &b, "layers: ");
		b.layers[0] = p->layer;
		b.masked[0] = bad;
		b.plan.n_masked_paths = 1;
		refused_with(p, &b, "masked_paths: ");
		b.plan.n_masked_paths = 0;
		b.read_only[0] = bad;
		b.plan.n_read_only_paths = 1;
		refused_with(p, &b, "read_only_paths: ");
		b.plan.n_read_only_paths = 0;
		b.plan.seccomp = BULKHEAD__V1__SECCOMP_KIND__SECCOMP_LOCALHOST;
		b.plan.seccomp_profile = bad;
		refused_with(p, &b, "seccomp_profile: ");
		b.plan.seccomp = BULKHEAD__V1__SECCOMP_KIND__SECCOMP_RUNTIME_DEFAULT;
		box_mount(&b, 0, "data", bad, 0);
		refused_with(p, &b, "mounts.target: ");
		b.plan.n_mounts = 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		box_mount(&b, 0, "data", targets[i], 0);
		refused_with(p, &b, "mounts: target '");
		b.plan.n_mounts = 0;
	}
	after = host_listing(p);
	assert_string_equal(before, after);
}

/* Row 40, as far as it is the shim's: a second one for the same pod does nothing to the first. */
static void a_pod_has_one_shim(void **state)
{
	struct pod *p = *state;
	struct pod second;
	struct box b;
	int pid;

	pod_up(p);
	box_init(&b, p, "main");
	box_args(&b, "sleep", "1000", NULL);
	pid = box_start(p, &b);
	second = *p;
	snprintf(second.socket, sizeof(second.socket), "%s/other.sock", p->dir);
	second.ipc = NULL;
	second.fds_len = 0;
	pod_spawn(&second);
	assert_has(pod_sandbox(&second), "pod_dir: another shim has '");
	assert_int_equal(pod_destroy(&second), 0);
	ipc_free(second.ipc);
	assert_int_equal(kill(pid, 0), 0);
	free(box_exec(p, "main", "true", NULL));
	assert_int_equal(pod_destroy(p), 0);
	/* Once it is gone the pod is free, also when it was killed. */
	ipc_free(p->ipc);
	p->ipc = NULL;
	for (size_t i = 0; i < p->fds_len; i++)
		close(p->fds[i]);
	pod_up(p);
	b.plan.restart = 1;
	box_start(p, &b);
	kill(p->shim, SIGKILL);
	assert_int_equal(waitpid(p->shim, NULL, 0), p->shim);
	ipc_free(p->ipc);
	p->ipc = NULL;
	for (size_t i = 0; i < p->fds_len; i++)
		close(p->fds[i]);
	pod_spawn(p);
	/* Its group is still there, for the agent to remove. */
	assert_has_not(pod_sandbox(p), "another shim");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		hostile_test(what_is_printed_is_no_record),
		hostile_test(an_endless_line_fills_neither_memory_nor_disk),
		hostile_test(names_are_names),
		hostile_test(sandbox_names_are_names),
		hostile_test(paths_are_paths),
		hostile_test(a_pod_has_one_shim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
