/* What containers write to /dev/log and print, as a journal gets it: forged, flooded, too long. */
#include "tests/priv/escapes/escapes.h"

#include <endian.h>
#include <sys/mman.h>

/* A journal of the test's own: a process that writes down what comes, as the queue of a socket is
 * short. */
struct journal_end {
	pid_t pid;
	int fd; /* of the file it writes: a length, then the record, and so on */
	off_t at;
	char path[100];
};

static struct journal_end journal;

static _Noreturn void journal_run(int fd)
{
	static struct {
		uint64_t size;
		char data[1 << 20];
	} r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (off_t at = 0;;) {
		ssize_t n = recv(fd, r.data, sizeof(r.data), 0);

		r.size = (uint64_t)n;
		/* The length comes last, so that whoever reads it reads all of the record. */
		if (n <= 0 || pwrite(journal.fd, r.data, (size_t)n, at + 8) != n ||
			pwrite(journal.fd, &r.size, 8, at) != 8)
			_exit(1);
		at += 8 + n;
	}
}

static int setup(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct pod *p;
	int fd;

	if (pod_setup(state) < 0)
		return -1;
	p = *state;
	snprintf(journal.path, sizeof(journal.path), "%s/journal", p->dir);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", journal.path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	journal.fd = memfd_create("journal", MFD_CLOEXEC);
	journal.at = 0;
	if (fd < 0 || journal.fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -1;
	journal.pid = fork();
	if (journal.pid == 0)
		journal_run(fd);
	close(fd);
	if (journal.pid < 0)
		return -1;
	p->plan.journal_socket = journal.path;
	p->plan.labels = (char *)(uintptr_t) "app=web,tier=db";
	return 0;
}

static int teardown(void **state)
{
	kill(journal.pid, SIGKILL);
	waitpid(journal.pid, NULL, 0);
	close(journal.fd);
	return pod_teardown(state);
}

/*
 * A record as "NAME=value" lines with every byte below 0x20 in a value shown as '.', read as the
 * native protocol says: a name, then '=' and a line, or a newline, a length and so many bytes.
 */
static int record_next(char *ret, size_t room, int wait_ms)
{
	static char data[1 << 20];
	uint64_t size = 0;
	size_t at = 0, n = 0;

	while (pread(journal.fd, &size, sizeof(size), journal.at) != sizeof(size) || size == 0) {
		if (wait_ms <= 0)
			return 0;
		usleep(5000);
		wait_ms -= 5;
	}
	assert_true(size <= sizeof(data));
	assert_int_equal(pread(journal.fd, data, size, journal.at + 8), size);
	journal.at += 8 + (off_t)size;
	while (at < (size_t)size) {
		const char *line = data + at;
		const char *end = memchr(line, '\n', (size_t)size - at);
		const char *sign = end ? memchr(line, '=', (size_t)(end - line)) : NULL;
		const char *value = sign ? sign + 1 : NULL;
		size_t name_len, len;

		assert_non_null(end);
		name_len = (size_t)((sign ? sign : end) - line);
		if (sign) {
			len = (size_t)(end - value);
			at += (size_t)(end - line) + 1;
		} else {
			uint64_t length;

			memcpy(&length, end + 1, sizeof(length));
			len = le64toh(length);
			value = end + 1 + sizeof(length);
			at = (size_t)(value - data) + len + 1;
			assert_true(at <= (size_t)size && data[at - 1] == '\n');
		}
		assert_true(n + name_len + len + 3 < room);
		memcpy(ret + n, line, name_len);
		n += name_len;
		ret[n++] = '=';
		for (size_t i = 0; i < len; i++)
			ret[n++] = (unsigned char)value[i] < 0x20 ? '.' : value[i];
		ret[n++] = '\n';
	}
	ret[n] = '\0';
	return 1;
}

static char record[1 << 20];

static const char *next(void)
{
	if (!record_next(record, sizeof(record), WAIT_MS))
		fail_msg("no record comes");
	return record;
}

static void run(struct pod *p, const char *script)
{
	struct box b;

	pod_up(p);
	box_init(&b, p, "main");
	box_shell(&b, script);
	free(box_run(p, &b, NULL));
}

static void records_say_whose_they_are(void **state)
{
	const char *r;

	run(*state, "logger -t web -p daemon.err hello; ls -l /dev/log");
	r = next();
	assert_has(r, "BULKHEAD_PROJECT=red\n");
	assert_has(r, "BULKHEAD_POD=test\n");
	assert_has(r, "BULKHEAD_POD_UID=");
	assert_has(r, "BULKHEAD_POD_LABELS=app=web,tier=db\n");
	assert_has(r, "BULKHEAD_CONTAINER=main\n");
	assert_has(r, "PRIORITY=3\n");
	assert_has(r, "SYSLOG_FACILITY=3\n");
	assert_has(r, "SYSLOG_IDENTIFIER=web\n");
	assert_has(r, "MESSAGE=hello\n");
	assert_has(r, "BULKHEAD_SENDER_PID=");
}

static void a_message_forges_no_field(void **state)
{
	const char *r;

	run(*state,
		"/bin/workload log \"$(printf '<14>x: a\\nBULKHEAD_PROJECT=blue\\nMESSAGE=b')\"");
	r = next();
	assert_has(r, "BULKHEAD_PROJECT=red\n");
	assert_has_not(r, "BULKHEAD_PROJECT=blue\n");
	assert_has(r, "MESSAGE=a.BULKHEAD_PROJECT=blue.MESSAGE=b\n");
	assert_has(r, "SYSLOG_IDENTIFIER=x\n");
}

static void nobody_takes_the_socket_away(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	pod_up(p);
	box_init(&b, p, "main");
	box_shell(&b,
		"rm -f /dev/log; mv /dev/log /dev/old; ln -sf /x /dev/log; [ -S /dev/log ] && "
		"logger still; echo done");
	text = box_run(p, &b, NULL);
	assert_has(text, "done");
	assert_has(next(), "MESSAGE=");
	assert_has(record, "still");
}

static void a_flood_is_cut_and_told(void **state)
{
	struct pod *p = *state;
	struct box b;
	unsigned n = 0;
	int told = 0;

	pod_up(p);
	box_init(&b, p, "main");
	box_args(&b, "/bin/workload", "logs", "20000", NULL);
	free(box_run(p, &b, NULL));
	box_shell(&b, "sleep 1; logger after");
	b.plan.restart = 1;
	free(box_run(p, &b, NULL));
	while (record_next(record, sizeof(record), 200)) {
		n++;
		told += strstr(record, "MESSAGE=records of this pod are missing: ") != NULL;
	}
	/* The burst, and what time brought meanwhile. */
	assert_in_range(n, 2000, 8000);
	assert_int_equal(told >= 1, 1);
	assert_has(record, "after");
}

static void what_is_too_long_is_cut_and_said(void **state)
{
	const char *r;

	run(*state, "/bin/workload log \"$(head -c 20000 /dev/zero | tr '\\0' x)\"");
	r = next();
	assert_has(r, "BULKHEAD_CUT_BYTES=3616\n");
}

static void a_journal_that_is_away_holds_nobody_up(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	pod_up(p);
	kill(journal.pid, SIGKILL);
	unlink(journal.path);
	box_init(&b, p, "main");
	box_shell(&b, "logger one; logger two; echo done");
	text = box_run(p, &b, NULL);
	assert_has(text, "done");
}

static void output_goes_there_as_well_or_alone(void **state)
{
	struct pod *p = *state;
	struct box b;
	char path[512];
	int out = 0, err = 0, partial = 0;

	p->plan.log_journal = 1;
	p->plan.log_files_off = 1;
	pod_up(p);
	box_init(&b, p, "main");
	box_shell(&b, "echo to-out; echo to-err >&2; head -c 17000 /dev/zero | tr '\\0' y; echo");
	box_start(p, &b);
	box_wait(p, "main");
	while (record_next(record, sizeof(record), 200)) {
		out += strstr(record, "MESSAGE=to-out\n") && strstr(record, "PRIORITY=6\n") &&
		       strstr(record, "BULKHEAD_STREAM=stdout\n");
		err += strstr(record, "MESSAGE=to-err\n") && strstr(record, "PRIORITY=3\n") &&
		       strstr(record, "BULKHEAD_STREAM=stderr\n");
		partial += strstr(record, "CONTAINER_PARTIAL_MESSAGE=true\n") != NULL;
	}
	assert_int_equal(out, 1);
	assert_int_equal(err, 1);
	assert_int_equal(partial, 1);
	snprintf(path, sizeof(path), "%s/main/0.log", p->logs);
	assert_int_equal(access(path, F_OK), -1);
}

#define log_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		log_test(records_say_whose_they_are),
		log_test(a_message_forges_no_field),
		log_test(nobody_takes_the_socket_away),
		log_test(a_flood_is_cut_and_told),
		log_test(what_is_too_long_is_cut_and_said),
		log_test(a_journal_that_is_away_holds_nobody_up),
		log_test(output_goes_there_as_well_or_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
