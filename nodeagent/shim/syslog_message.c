#include "nodeagent/shim/syslog_message.h"

#include <ctype.h>
#include <string.h>

#define PRIORITY_MAX   191
#define SEVERITY_PLAIN 5 /* notice, and facility user: what RFC 3164 gives to a message without */
#define FACILITY_USER  1
#define STAMP_LEN      15 /* "Jan  1 00:00:00" */
#define PID_MAX        10

struct rest {
	const char *at;
	size_t len;
};

static void skip(struct rest *r, size_t n)
{
	r->at += n;
	r->len -= n;
}

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "<13>": digits without a leading zero. What is not that stays. */
static void take_priority(struct rest *r, struct syslog_message *ret)
{
	size_t n = 1;
	int value = 0;

	if (r->len < 3 || r->at[0] != '<')
		return;
	while (n < r->len && n < 4 && is_digit(r->at[n]))
		value = value * 10 + (r->at[n++] - '0');
	if (n == 1 || n >= r->len || r->at[n] != '>' || value > PRIORITY_MAX ||
		(r->at[1] == '0' && n > 2))
		return;
	ret->severity = value & 7;
	ret->facility = value >> 3 ? value >> 3 : FACILITY_USER;
	skip(r, n + 1);
}

/* A word up to a blank; an empty one is none. The blank goes too. */
static int take_word(struct rest *r, struct rest *ret)
{
	size_t n = 0;

	while (n < r->len && r->at[n] != ' ')
		n++;
	if (n == 0 || n == r->len)
		return 0;
	*ret = (struct rest){ r->at, n };
	skip(r, n + 1);
	return 1;
}

static int is_pid(const struct rest *word)
{
	for (size_t i = 0; i < word->len; i++) {
		if (!is_digit(word->at[i]))
			return 0;
	}
	return word->len > 0 && word->len <= PID_MAX;
}

/* A name that one field of a record can carry. */
static int is_name(const struct rest *word)
{
	for (size_t i = 0; i < word->len; i++) {
		if (!isgraph((unsigned char)word->at[i]))
			return 0;
	}
	return word->len > 0 && word->len <= SYSLOG_IDENTIFIER_MAX;
}

static void set_names(struct syslog_message *ret, const struct rest *name, const struct rest *pid)
{
	if (is_name(name)) {
		ret->identifier = name->at;
		ret->identifier_len = name->len;
	}
	if (pid && is_pid(pid)) {
		ret->pid = pid->at;
		ret->pid_len = pid->len;
	}
}

/* "1 DATE HOST NAME PID ID ": 1 when it was there. Structured data stays with the text. */
static int take_5424(struct rest *r, struct syslog_message *ret)
{
	struct rest at = *r;
	struct rest words[6];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!take_word(&at, &words[i]))
			return 0;
	}
	if (words[0].len != 1 || words[0].at[0] != '1')
		return 0;
	if (words[3].len != 1 || words[3].at[0] != '-')
		set_names(ret, &words[3], &words[4]);
	*r = at;
	return 1;
}

/* "Jan  1 00:00:00 ". */
static void take_stamp(struct rest *r)
{
	static const char form[] = "Aaa d0 00:00:00 ";

	if (r->len <= STAMP_LEN)
		return;
	for (size_t i = 0; form[i]; i++) {
		char c = r->at[i];
		int fits = form[i] == 'A'   ? isupper((unsigned char)c)
			   : form[i] == 'a' ? islower((unsigned char)c)
			   : form[i] == 'd' ? is_digit(c) || c == ' '
			   : form[i] == '0' ? is_digit(c)
					    : c == form[i];

		if (!fits)
			return;
	}
	skip(r, STAMP_LEN + 1);
}

/* "name: " or "name[7]: ". */
static void take_tag(struct rest *r, struct syslog_message *ret)
{
	struct rest name = { r->at, 0 };
	struct rest pid = { NULL, 0 };
	size_t n = 0;

	while (n < r->len && n <= SYSLOG_IDENTIFIER_MAX && isgraph((unsigned char)r->at[n]) &&
		r->at[n] != '[' && r->at[n] != ':')
		n++;
	name.len = n;
	if (n < r->len && r->at[n] == '[') {
		pid.at = r->at + ++n;
		while (n < r->len && is_digit(r->at[n]))
			n++;
		pid.len = (size_t)(r->at + n - pid.at);
		if (n >= r->len || r->at[n] != ']')
			return;
		n++;
	}
	if (n >= r->len || r->at[n] != ':' || !is_name(&name))
		return;
	n++;
	if (n < r->len && r->at[n] == ' ')
		n++;
	set_names(ret, &name, &pid);
	skip(r, n);
}

void syslog_message_parse(struct syslog_message *ret, const char *data, size_t size)
{
	struct rest r = { data, size };

	*ret = (struct syslog_message){ .severity = SEVERITY_PLAIN, .facility = FACILITY_USER };
	while (r.len > 0 && (r.at[r.len - 1] == '\n' || r.at[r.len - 1] == '\0'))
		r.len--;
	take_priority(&r, ret);
	if (!take_5424(&r, ret)) {
		take_stamp(&r);
		take_tag(&r, ret);
	}
	ret->text = r.at;
	ret->text_len = r.len;
}
