/* The runtime's own program, descriptors, processes and sockets, from inside: rows 1, 2, 11,
 * 12, 36. */
#include "tests/priv/escapes/escapes.h"

#include <dirent.h>

#define DESCRIPTORS 64
#define LEAKED_FD   20
#define EXECS       1000
#define DEBUGS      100
#define HUNTED_MIN  20
#define HUNT_USEC   10000000

/* A copy of the shim that the pod runs: what is overwritten then is nobody else's. */
static void own_program(struct pod *p)
{
	char build[PATH_MAX];

	build_dir(build, sizeof(build));
	snprintf(p->program, sizeof(p->program), "%s/bulkhead-shim", p->dir);
	run_host("cp %s/bulkhead-shim %s && chmod 0755 %s", build, p->program, p->program);
}

/* Every foreign program that is run in the image starts the attack. */
static void loader_add(struct pod *p)
{
	char build[PATH_MAX];

	build_dir(build, sizeof(build));
	run_host("mkdir %s/lib64 && cp %s/tests/priv/escapes/loader %s/lib64/ld-linux-x86-64.so.2 "
		 "&& "
		 "chown -R %u:%u %s/lib64 && printf '#!/proc/self/exe\\n' >%s/bin/script && "
		 "chmod 0755 %s/bin/script",
		p->layer, build, p->layer, IMAGE_BASE, IMAGE_BASE, p->layer, p->layer, p->layer);
}

/* What the attack said, and that the shim's program is byte for byte, and in all else, what it was.
 */
static void program_is_as_it_was(
	struct pod *p, const struct stat *before, const char *text, const char *errors)
{
	char build[PATH_MAX];
	char is[64];
	struct stat st;

	/* It was the shim's program that it tried to write to. */
	snprintf(is, sizeof(is), "exe is %lu\n", (unsigned long)before->st_ino);
	assert_has(text, is);
	assert_has(text, errors);
	assert_has(text, "exe written 0\n");
	build_dir(build, sizeof(build));
	run_host("cmp -s %s/bulkhead-shim %s", build, p->program);
	assert_int_equal(stat(p->program, &st), 0);
	assert_int_equal(st.st_mode, before->st_mode);
	assert_memory_equal(&st.st_ctim, &before->st_ctim, sizeof(st.st_ctim));
}

static void overwrite(struct pod *p, const char *errors)
{
	static const char *const programs[] = { "/proc/self/exe", "/bin/script" };
	struct stat before;
	struct box b;

	own_program(p);
	loader_add(p);
	assert_int_equal(stat(p->program, &before), 0);
	pod_up(p);
	for (uint32_t i = 0; i < ARRAY_LEN(programs); i++) {
		cleanup_free char *text = NULL;

		box_init(&b, p, "main");
		b.plan.restart = i;
		box_args(&b, programs[i], NULL);
		text = box_run(p, &b, NULL);
		program_is_as_it_was(p, &before, text, errors);
	}
	box_init(&b, p, "target");
	box_args(&b, "sleep", "1000", NULL);
	box_start(p, &b);
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		cleanup_free char *text = box_exec_args(p, "target", &programs[i], 1, NULL);

		program_is_as_it_was(p, &before, text, errors);
	}
}

/* Row 1, CVE-2019-5736: the image's program is /proc/self/exe, which is still the shim's. */
static void the_shims_program_cannot_be_overwritten(void **state)
{
	overwrite(*state,
		"exe chmod 30\nexe truncate 13\nexe setxattr 30\nexe utimes 30\nexe write 13\n");
}

/* With the host's root, who owns the file: nothing but the mount stands in the way. */
static void nor_by_the_hosts_root(void **state)
{
	pod_of_host_users(*state);
	/* The file is still run, by the shim; that hides EROFS. */
	overwrite(*state,
		"exe chmod 30\nexe truncate 30\nexe setxattr 30\nexe utimes 30\nexe write 26\n");
}

/* Row 2: what the agent forgot to mark close-on-exec ends at the shim, not in a container. */
static void no_descriptor_leaks(void **state)
{
	struct pod *p = *state;
	const char *const args[] = { "/bin/hostile", "fds" };
	cleanup_free char *first = NULL;
	cleanup_free char *exec = NULL;
	cleanup_free char *sleeping = NULL;
	struct box b;
	int leaked = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(dup2(leaked, LEAKED_FD), LEAKED_FD);
	close(leaked);
	pod_up(p);
	close(LEAKED_FD);
	box_init(&b, p, "first");
	box_args(&b, "/bin/hostile", "fds", NULL);
	first = box_run(p, &b, NULL);
	box_init(&b, p, "main");
	box_args(&b, "sleep", "1000", NULL);
	box_start(p, &b);
	exec = box_exec_args(p, "main", args, ARRAY_LEN(args), NULL);
	assert_has(first, "fd 0 /dev/null\nfd 1 pipe:[");
	assert_int_equal(times(first, "fd "), 3);
	assert_has(exec, "fd 0 /dev/null\nfd 1 pipe:[");
	assert_int_equal(times(exec, "fd "), 3);
	sleeping = box_exec(p, "main", "ls /proc/1/fd", NULL);
	assert_string_equal(sleeping, "0\n1\n2\n");
}

/* Row 2, CVE-2024-21626: a container's working directory is one of the shim's descriptors. */
static void a_working_directory_does_not_lead_out(void **state)
{
	static const char *const paths[] = { "/proc/self/cwd", "/proc/self/cwd/../../..",
		"/proc/1/root", "/proc/self/root/../..", "/proc/1/cwd", "/proc/self/task/1/cwd" };
	struct pod *p = *state;
	char cwd[64];
	struct box b;
	cleanup_free char *text = NULL;

	pod_up(p);
	box_init(&b, p, "main");
	box_args(&b, "true", NULL);
	b.plan.cwd = cwd;
	for (int fd = 0; fd < DESCRIPTORS; fd++) {
		snprintf(cwd, sizeof(cwd), "/proc/%s/fd/%d", fd % 2 ? "self" : "thread-self", fd);
		assert_has(box_try(p, &b, NULL), "container 'main': workingDir: ");
	}
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		snprintf(cwd, sizeof(cwd), "%s", paths[i]);
		assert_has(box_try(p, &b, NULL), "container 'main': workingDir: ");
	}
	/* What leads up stays inside. */
	snprintf(cwd, sizeof(cwd), "/data/../../../..");
	box_args(&b, "pwd", NULL);
	text = box_run(p, &b, NULL);
	assert_string_equal(text, "/\n");
}

/* The same, once the container itself has put a link where its working directory was. */
static void nor_that_of_an_exec(void **state)
{
	struct pod *p = *state;
	struct box b;

	pod_up(p);
	box_init(&b, p, "main");
	box_mount(&b, 0, "data", "/data", 0);
	b.plan.cwd = (char *)(uintptr_t) "/data/w";
	box_args(&b, "sleep", "1000", NULL);
	box_start(p, &b);
	assert_null(exec_refused(p, "main", "/bin/true"));
	for (int fd = 0; fd < DESCRIPTORS; fd++) {
		char link[300];
		char target[64];
		const char *text;

		snprintf(link, sizeof(link), "%s/volumes/data/w", p->state);
		snprintf(target, sizeof(target), "/proc/self/fd/%d", fd);
		assert_int_equal(remove(link), 0);
		assert_int_equal(symlink(target, link), 0);
		text = exec_refused(p, "main", "/bin/true");
		assert_non_null(text);
		assert_has(text, "exec: workingDir: workingDir '/data/w'");
	}
}

/* Row 11, CVE-2020-15257: none of the shim's sockets has an abstract name; pods see none at all. */
static void there_are_no_abstract_sockets(void **state)
{
	struct pod *p = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	cleanup_free char *text = NULL;
	struct box b;

	snprintf(addr.sun_path + 1, sizeof(addr.sun_path) - 1, "bulkhead-test-%d", getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	pod_up(p);
	run_host("for s in $(ls -l /proc/%d/fd | sed -n 's/.*socket:.\\([0-9]*\\).$/\\1/p'); do "
		 "grep -E \" $s @\" /proc/net/unix && exit 1; done; test -n \"$s\"",
		p->shim);
	box_init(&b, p, "main");
	box_args(&b, "/bin/hostile", "abstract", NULL);
	text = box_run(p, &b, NULL);
	assert_string_equal(text, "abstract 0\n");
}

static int hunted(struct pod *p)
{
	cleanup_free char *text = box_log(p, "main", 0);
	int n = 0;

	for (const char *at = text; (at = strstr(at, "refused ")); at++)
		n = atoi(at + strlen("refused "));
	return n;
}

/*
 * Starts one that hunts what comes from now on, then has 1,000 programs run in its container, or
 * more where it was not quick enough to see some of them before they ran the image's program.
 */
static void hunt(struct pod *p, struct box *b)
{
	uint64_t end = monotonic_usec() + HUNT_USEC;
	cleanup_free char *text = NULL;

	box_args(b, "/bin/hostile", "hunt", "2", NULL);
	box_start(p, b);
	free(box_log_wait(p, "main", 0, "hunting"));
	for (int i = 1; i <= EXECS || (hunted(p) < HUNTED_MIN && monotonic_usec() < end); i++)
		assert_null(exec_refused(p, "main", "/bin/true"));
	assert_true(hunted(p) >= HUNTED_MIN);
	box_signal(p, "main", SIGKILL);
	box_wait(p, "main");
	text = box_log(p, "main", 0);
	assert_has_not(text, "breach");
}

/* Row 12, CVE-2016-9962: a pod's root with CAP_SYS_PTRACE waits for processes that join. */
static void what_joins_cannot_be_traced(void **state)
{
	struct pod *p = *state;
	struct box b;

	pod_up(p);
	box_init(&b, p, "main");
	box_cap(&b, "CAP_SYS_PTRACE");
	hunt(p, &b);
}

/* A debug container is born among the target's processes, and has longer to go than an exec. */
static void hunt_debuggers(struct pod *p, struct box *b)
{
	cleanup_free char *text = NULL;
	struct box debug;

	box_args(b, "/bin/hostile", "hunt", "2", NULL);
	box_start(p, b);
	free(box_log_wait(p, "main", 0, "hunting"));
	box_init(&debug, p, "debugger");
	box_args(&debug, "/bin/true", NULL);
	for (uint64_t i = 1; i <= DEBUGS; i++)
		assert_null(debug_refused(p, &debug, "main", i));
	assert_true(hunted(p) >= HUNTED_MIN);
	box_signal(p, "main", SIGKILL);
	box_wait(p, "main");
	text = box_log(p, "main", 0);
	assert_has_not(text, "breach");
}

static void nor_what_is_made_to_debug_it(void **state)
{
	struct pod *p = *state;
	struct box b;

	pod_up(p);
	box_init(&b, p, "main");
	box_cap(&b, "CAP_SYS_PTRACE");
	hunt_debuggers(p, &b);
}

static void nor_that_by_the_hosts_root(void **state)
{
	struct pod *p = *state;
	struct box b;

	pod_of_host_users(p);
	pod_up(p);
	box_init(&b, p, "main");
	box_unconfined(&b);
	hunt_debuggers(p, &b);
}

/* The host's root may look at all that is root's and dumpable. */
static void nor_by_the_hosts_root_without_rights(void **state)
{
	struct pod *p = *state;
	struct box b;

	pod_of_host_users(p);
	pod_up(p);
	box_init(&b, p, "main");
	box_unconfined(&b);
	hunt(p, &b);
}

/* Row 36: a process is signalled by its descriptor; the shim has no way to do it by number. */
static void nothing_is_killed_by_number(void **state)
{
	char build[PATH_MAX];

	(void)state;
	build_dir(build, sizeof(build));
	run_host("nm -D %s/bulkhead-shim | grep -qw memcpy", build);
	run_host("! nm -D %s/bulkhead-shim | grep -wE 'kill|killpg|tgkill|sigqueue|ptrace'", build);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		hostile_test(the_shims_program_cannot_be_overwritten),
		hostile_test(nor_by_the_hosts_root),
		hostile_test(no_descriptor_leaks),
		hostile_test(a_working_directory_does_not_lead_out),
		hostile_test(nor_that_of_an_exec),
		hostile_test(there_are_no_abstract_sockets),
		hostile_test(what_joins_cannot_be_traced),
		hostile_test(nor_what_is_made_to_debug_it),
		hostile_test(nor_by_the_hosts_root_without_rights),
		hostile_test(nor_that_by_the_hosts_root),
		cmocka_unit_test(nothing_is_killed_by_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
