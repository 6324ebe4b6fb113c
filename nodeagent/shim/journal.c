#include "nodeagent/shim/journal.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"

#define FIELDS_SIZE    (16u << 10) /* names, label, the pod's labels */
#define BUFFER_SIZE    (JOURNAL_TEXT_MAX + FIELDS_SIZE)
#define RECORD_USEC    (1000000 / JOURNAL_RATE)
#define BURST_USEC     ((uint64_t)JOURNAL_BURST * RECORD_USEC)
#define WAIT_MS        10
#define STUCK_USEC     1000000
#define SEVERITY_WARN  4
#define IDENTIFIER_OWN "bulkhead-shim"

void journal_init(struct journal *journal)
{
	*journal = (struct journal){ .fd = -1 };
}

int journal_open(struct journal *journal, const char *path, const Bulkhead__V1__SandboxPlan *plan,
	struct error *err)
{
	journal_init(journal);
	if (strlen(path) >= sizeof(journal->address.sun_path))
		return error_set(err, ERR_INVALID, 0, "journal_socket: '%.200s' is too long", path);
	journal->address.sun_family = AF_UNIX;
	memcpy(journal->address.sun_path, path, strlen(path) + 1);
	journal->plan = plan;
	journal->tokens_usec = BURST_USEC;
	journal->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (journal->fd < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "cannot make a socket");
	return 0;
}

void journal_done(struct journal *journal)
{
	if (journal->fd >= 0)
		close(journal->fd);
	journal_init(journal);
}

struct buffer {
	size_t len;
	char data[BUFFER_SIZE];
};

static void put(struct buffer *b, const void *data, size_t size)
{
	if (size > sizeof(b->data) - b->len)
		return;
	memcpy(b->data + b->len, data, size);
	b->len += size;
}

/* A field whose value is any bytes: its length is said, so that no newline in it ends it. */
static void put_bytes(struct buffer *b, const char *name, const char *value, size_t size)
{
	uint64_t length = htole64(size);

	if (strlen(name) + size + sizeof(length) + 2 > sizeof(b->data) - b->len)
		return;
	put(b, name, strlen(name));
#ifndef BULKHEAD_WEAK_JOURNAL
	put(b, "\n", 1);
	put(b, &length, sizeof(length));
#else
	put(b, "=", 1);
#endif
	put(b, value, size);
	put(b, "\n", 1);
}

static void put_text(struct buffer *b, const char *name, const char *value)
{
	if (value[0])
		put_bytes(b, name, value, strlen(value));
}

static void put_number(struct buffer *b, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	put_text(b, name, text);
}

/* The trusted ones come first: where a name is there twice, readers take the first. */
static void put_pod(struct buffer *b, const Bulkhead__V1__SandboxPlan *plan)
{
	put_text(b, "BULKHEAD_PROJECT", plan->project);
	put_text(b, "BULKHEAD_POD", plan->pod);
	put_text(b, "BULKHEAD_POD_UID", plan->pod_uid);
	put_text(b, "BULKHEAD_POD_LABELS", plan->labels);
}

static int buffer_send(struct journal *j, const struct buffer *b)
{
	struct pollfd p = { .fd = j->fd, .events = POLLOUT };

	/* Connected, so that poll(2) knows whose room it waits for; anew, as the journal may be. */
	if (connect(j->fd, (const struct sockaddr *)&j->address, sizeof(j->address)) < 0)
		return -1;
	if (send(j->fd, b->data, b->len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	if (errno != EAGAIN || monotonic_usec() < j->stuck_until)
		return -1;
	if (poll(&p, 1, WAIT_MS) == 1 &&
		send(j->fd, b->data, b->len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	j->stuck_until = monotonic_usec() + STUCK_USEC;
	return -1;
}

static int record_send(struct journal *j, const struct journal_record *r)
{
	struct buffer b = { 0 };

	put_pod(&b, j->plan);
	put_text(&b, "BULKHEAD_CONTAINER", r->container);
	put_text(&b, "BULKHEAD_SELINUX_LABEL", r->label);
	put_text(&b, "BULKHEAD_STREAM", r->stream ? r->stream : "");
	put_number(&b, "PRIORITY", (uint64_t)r->severity);
	if (r->facility >= 0)
		put_number(&b, "SYSLOG_FACILITY", (uint64_t)r->facility);
	put_bytes(&b, "SYSLOG_IDENTIFIER", r->identifier, r->identifier_len);
	if (r->pid)
		put_bytes(&b, "SYSLOG_PID", r->pid, r->pid_len);
	if (r->sender > 0)
		put_number(&b, "BULKHEAD_SENDER_PID", (uint64_t)r->sender);
	if (r->partial)
		put_text(&b, "CONTAINER_PARTIAL_MESSAGE", "true");
	if (r->cut > 0)
		put_number(&b, "BULKHEAD_CUT_BYTES", r->cut);
	put_bytes(&b, "MESSAGE", r->text, r->text_len);
	return buffer_send(j, &b);
}

/* Says once what did not get there. 0 when the journal took it, or there was nothing to say. */
static int gap_send(struct journal *j, const char *container)
{
	struct journal_record r = { .container = container,
		.label = "",
		.severity = SEVERITY_WARN,
		.facility = -1,
		.identifier = IDENTIFIER_OWN,
		.identifier_len = strlen(IDENTIFIER_OWN) };
	char text[256];

	if (j->suppressed == 0 && j->lost == 0)
		return 0;
	snprintf(text, sizeof(text),
		"records of this pod are missing: %llu came faster than %d a second after %d at "
		"once, %llu the journal did not take",
		(unsigned long long)j->suppressed, JOURNAL_RATE, JOURNAL_BURST,
		(unsigned long long)j->lost);
	r.text = text;
	r.text_len = strlen(text);
	if (record_send(j, &r) < 0)
		return -1;
	j->suppressed = j->lost = 0;
	return 0;
}

/* Whether the rate allows one more. */
static int admit(struct journal *j, uint64_t now)
{
	j->tokens_usec += now - j->filled_at;
	j->filled_at = now;
	if (j->tokens_usec > BURST_USEC)
		j->tokens_usec = BURST_USEC;
	if (j->tokens_usec < RECORD_USEC)
		return 0;
	j->tokens_usec -= RECORD_USEC;
	return 1;
}

void journal_send(struct journal *journal, const struct journal_record *record, uint64_t now_usec)
{
	if (journal->fd < 0)
		return;
	if (journal->filled_at == 0)
		journal->filled_at = now_usec;
	if (!admit(journal, now_usec))
		journal->suppressed++;
	else if (gap_send(journal, record->container) < 0 || record_send(journal, record) < 0)
		journal->lost++;
}
