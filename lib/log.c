#include "lib/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define LOG_TEXT_SIZE 2048

static struct {
	char name[32];
	enum log_level level;
	int journal_fd; /* connected to journald's native socket, or -1 */
} state = { .name = "bulkhead", .level = LOG_LEVEL_INFO, .journal_fd = -1 };

/* True when stderr is the stream that systemd gave us ($JOURNAL_STREAM is "device:inode"). */
static int stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2)
		return 0;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void log_init(const char *name, enum log_level level)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX,
		.sun_path = "/run/systemd/journal/socket" };
	cleanup_close int fd = -1;

	snprintf(state.name, sizeof(state.name), "%s", name);
	state.level = level;
	if (state.journal_fd >= 0 || !stderr_is_journal())
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		state.journal_fd = take_fd(&fd);
}

int log_close_others(unsigned first)
{
	unsigned journal = (unsigned)state.journal_fd;

	if (state.journal_fd < 0 || journal < first)
		return close_range(first, ~0u, 0);
	if (journal > first && close_range(first, journal - 1, 0) < 0)
		return -1;
	return close_range(journal + 1, ~0u, 0);
}

/* Copies 'in' with control characters and DEL written as \xNN, so no record can forge another. */
static void escape(char *out, size_t size, const char *in)
{
	size_t n = 0;

	for (; *in && n + 5 < size; in++) {
		unsigned char c = (unsigned char)*in;

		if (c < 0x20 || c == 0x7f)
			n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
		else
			out[n++] = (char)c;
	}
	out[n] = '\0';
}

static void write_journal(enum log_level level, const struct log_subject *s, const char *text)
{
	char record[LOG_TEXT_SIZE * 2];
	int n = snprintf(record, sizeof(record), "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nMESSAGE=%s\n",
		level, state.name, text);

	if (s && s->project && n < (int)sizeof(record))
		n += snprintf(record + n, sizeof(record) - (size_t)n, "BULKHEAD_PROJECT=%s\n",
			s->project);
	if (s && s->pod && n < (int)sizeof(record))
		n += snprintf(record + n, sizeof(record) - (size_t)n, "BULKHEAD_POD=%s\n", s->pod);
	if (s && s->uid && n < (int)sizeof(record))
		n += snprintf(
			record + n, sizeof(record) - (size_t)n, "BULKHEAD_POD_UID=%s\n", s->uid);
	if (n < (int)sizeof(record))
		(void)!send(state.journal_fd, record, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void write_stderr(enum log_level level, const struct log_subject *s, const char *text)
{
	static const char *const names[] = { "", "", "", "error", "warning", "notice", "info",
		"debug" };
	struct timespec now;
	struct tm tm;
	char stamp[32];
	char line[LOG_TEXT_SIZE * 2];
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(line, sizeof(line), "%s.%03ldZ %s %s: ", stamp, now.tv_nsec / 1000000,
		state.name, names[level]);
	if (s && s->project && s->pod)
		n += snprintf(
			line + n, sizeof(line) - (size_t)n, "pod %s/%s: ", s->project, s->pod);
	n += snprintf(line + n, sizeof(line) - (size_t)n, "%s\n", text);
	(void)!write(STDERR_FILENO, line, (size_t)n);
}

void log_write(enum log_level level, const struct log_subject *subject, const char *fmt, ...)
{
	char raw[LOG_TEXT_SIZE];
	char text[LOG_TEXT_SIZE];
	va_list ap;

	if (level > state.level)
		return;
	va_start(ap, fmt);
	if (vsnprintf(raw, sizeof(raw), fmt, ap) < 0)
		raw[0] = '\0';
	va_end(ap);
	escape(text, sizeof(text), raw);
	if (state.journal_fd >= 0)
		write_journal(level, subject, text);
	else
		write_stderr(level, subject, text);
}
