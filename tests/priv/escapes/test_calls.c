/* Row 31: system calls that RuntimeDefault refuses, tried from inside in every ABI of the machine.
 */
#include "tests/priv/escapes/escapes.h"

#define FAMILIES 64

/*
 * Rights that the filter does not go by, so that it is not the kernel that refuses instead. All of
 * them are the pod's own user namespace's.
 */
static void rights_add(struct box *b)
{
	static const char *const names[] = { "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_MODULE",
		"CAP_SYS_RAWIO", "CAP_SYSLOG", "CAP_DAC_READ_SEARCH", "CAP_NET_RAW", "CAP_BPF" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		box_cap(b, names[i]);
}

/* The answers of 'verb' in a container, and in an exec of it, which must be the same. */
static char *answers(struct pod *p, struct box *b, const char *verb)
{
	const char *const args[] = { "/bin/hostile", verb };
	char *first;
	cleanup_free char *exec = NULL;

	box_init(b, p, "main");
	rights_add(b);
	box_args(b, "/bin/hostile", verb, NULL);
	first = box_run(p, b, NULL);
	box_init(b, p, "other");
	rights_add(b);
	box_args(b, "sleep", "1000", NULL);
	box_start(p, b);
	exec = box_exec_args(p, "other", args, ARRAY_LEN(args), NULL);
	assert_string_equal(first, exec);
	return first;
}

/* Every line of 'text' ends with 'end'. */
static void all_end(const char *text, const char *end, size_t lines_min)
{
	size_t lines = times(text, "\n");

	if (lines < lines_min || times(text, end) != lines)
		fail_msg("%zu lines, %zu with '%s':\n%.800s\n", lines, times(text, end), end, text);
}

static void calls_of_the_host_are_refused(void **state)
{
	struct pod *p = *state;
	cleanup_free char *text = NULL;
	struct box b;

	pod_up(p);
	text = answers(p, &b, "refused");
	all_end(text, " 1\n", 50);
}

/* A capability that the pod was given opens the calls that go with it, and no others. */
static void a_capability_opens_its_own_calls(void **state)
{
	struct pod *p = *state;
	cleanup_free char *text = NULL;
	struct box b;

	pod_up(p);
	box_init(&b, p, "main");
	box_cap(&b, "CAP_SYS_PTRACE");
	box_cap(&b, "CAP_SYS_ADMIN");
	box_args(&b, "/bin/hostile", "refused", NULL);
	text = box_run(p, &b, NULL);
	assert_has(text, "\nptrace 3\n");
	assert_has(text, "\nprocess_vm_readv 22\n");
	assert_has(text, "\nmount 1\n");
	assert_has(text, "\nbpf 1\n");
	assert_int_equal(times(text, " 1\n") + 5, times(text, "\n"));
}

/* One line of "socket": what family 'i' answers, with and without bits that the kernel cuts off. */
static void family_check(const char *text, int i)
{
	char part[64];

	snprintf(part, sizeof(part), "\nsocket %d ", i);
	assert_has(text, part);
	switch (i) {
	case AF_UNIX:
	case AF_NETLINK:
	case AF_PACKET:
		snprintf(part, sizeof(part), "\nsocket %d 0 0\n", i);
		break;
	case AF_INET:
	case AF_INET6:
		snprintf(part, sizeof(part), "\nsocket %d %d %d\n", i, EPROTONOSUPPORT,
			EPROTONOSUPPORT);
		break;
	case AF_ALG:
	case AF_VSOCK:
		snprintf(part, sizeof(part), "\nsocket %d %d %d\n", i, EPERM, EPERM);
		break;
	default:
		snprintf(part, sizeof(part), "\nsocket %d %d %d\n", i, EAFNOSUPPORT, EAFNOSUPPORT);
	}
	assert_has(text, part);
}

/* With nowhere to put the pair, so that what gets through the filter fails with EFAULT. */
static void pair_check(const char *text, int i)
{
	int answer = EAFNOSUPPORT;
	char part[64];

	if (i == AF_ALG || i == AF_VSOCK)
		answer = EPERM;
	else if (i == AF_UNSPEC || i == AF_UNIX || i == AF_NETLINK || i == AF_PACKET ||
		 i == AF_INET || i == AF_INET6)
		answer = EFAULT;
	snprintf(part, sizeof(part), "\nsocketpair %d %d %d\n", i, answer, answer);
	assert_has(text, part);
}

static void arguments_are_looked_at(void **state)
{
	static const char *const expected[] = { "unshare CLONE_NEWUSER 1\n",
		"unshare CLONE_NEWNS 1\n", "unshare CLONE_NEWCGROUP 1\n",
		"unshare CLONE_NEWUTS 1\n", "unshare CLONE_NEWIPC 1\n", "unshare CLONE_NEWPID 1\n",
		"unshare CLONE_NEWNET 1\n", "unshare CLONE_NEWTIME 1\n",
		"unshare high CLONE_NEWUSER 1\n", "unshare CLONE_FILES 0\n",
		"clone CLONE_NEWUSER 1\n", "clone CLONE_NEWNS 1\n", "clone CLONE_NEWCGROUP 1\n",
		"clone CLONE_NEWUTS 1\n", "clone CLONE_NEWIPC 1\n", "clone CLONE_NEWPID 1\n",
		"clone CLONE_NEWNET 1\n", "clone high CLONE_NEWUSER 1\n", "clone SIGCHLD 0\n",
		"clone3 null 38\n", "ioctl TIOCSTI 1\n", "ioctl high TIOCSTI 1\n",
		"ioctl TIOCLINUX 1\n", "personality ADDR_NO_RANDOMIZE 38\n",
		"personality READ_IMPLIES_EXEC 38\n", "personality ask 0\n", "getpid 0\n" };
	struct pod *p = *state;
	cleanup_free char *text = NULL;
	struct box b;

	pod_up(p);
	text = answers(p, &b, "arguments");
	for (size_t i = 0; i < ARRAY_LEN(expected); i++)
		assert_has(text, expected[i]);
	for (int i = 0; i < FAMILIES; i++) {
		family_check(text, i);
		pair_check(text, i);
	}
}

/* Numbers that nobody knows yet, so that a newer kernel's calls are not let in. */
static void what_is_unknown_does_not_exist(void **state)
{
	struct pod *p = *state;
	cleanup_free char *text = NULL;
	struct box b;

	pod_up(p);
	text = answers(p, &b, "unknown");
	assert_string_equal(text, "38: 544\n");
}

/* int 0x80: whatever the number, the process ends by SIGSYS. */
static void the_32_bit_calls_kill(void **state)
{
	struct pod *p = *state;
	cleanup_free char *text = NULL;
	struct box b;

	pod_up(p);
	text = answers(p, &b, "int80");
	assert_string_equal(text, "-31: 471\n");
}

static void the_x32_calls_kill(void **state)
{
	struct pod *p = *state;
	cleanup_free char *text = NULL;
	struct box b;

	pod_up(p);
	text = answers(p, &b, "x32");
	assert_string_equal(text, "-31: 548\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		hostile_test(calls_of_the_host_are_refused),
		hostile_test(a_capability_opens_its_own_calls),
		hostile_test(arguments_are_looked_at),
		hostile_test(what_is_unknown_does_not_exist),
		hostile_test(the_32_bit_calls_kill),
		hostile_test(the_x32_calls_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
