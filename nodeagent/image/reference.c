#include "nodeagent/image/reference.h"

#include <stdio.h>
#include <string.h>

#define LOWER_DIGITS "abcdefghijklmnopqrstuvwxyz0123456789"
#define ALPHANUM     "ABCDEFGHIJKLMNOPQRSTUVWXYZ" LOWER_DIGITS

/* Length of a separator inside a path part: one '.', one or two '_', any number of '-'. */
static size_t separator_len(const char *s, size_t len)
{
	size_t n = 0;

	if (len > 0 && s[0] == '.')
		return 1;
	if (len > 0 && s[0] == '_')
		return len > 1 && s[1] == '_' ? 2 : 1;
	while (n < len && s[n] == '-')
		n++;
	return n;
}

/* [a-z0-9]+(separator[a-z0-9]+)* */
static int is_path_part(const char *s, size_t len)
{
	size_t n = strspn(s, LOWER_DIGITS);

	if (n > len)
		n = len;
	while (n > 0 && n < len) {
		size_t gap = separator_len(s + n, len - n);
		size_t run = strspn(s + n + gap, LOWER_DIGITS);

		if (gap == 0 || run == 0 || n + gap >= len)
			return 0;
		n += gap + run;
	}
	return n > 0 && n <= len;
}

/* A host name or address with an optional port: what stands before the first '/'. */
static int is_host(const char *s, size_t len)
{
	size_t host = strspn(s, ALPHANUM ".-");
	size_t port;

	if (host == 0 || s[0] == '-' || s[0] == '.' || s[host - 1] == '-' || s[host - 1] == '.')
		return 0;
	if (host >= len)
		return host == len;
	port = strspn(s + host + 1, "0123456789");
	return s[host] == ':' && port > 0 && port <= 5 && host + 1 + port == len;
}

static int looks_like_host(const char *s, size_t len)
{
	return memchr(s, '.', len) || memchr(s, ':', len) ||
	       (len == 9 && strncmp(s, "localhost", 9) == 0);
}

/* 'len' bytes without the tag. */
static int check_path(const char *text, size_t len, struct error *err)
{
	const char *end = text + len;
	const char *part = text;
	int first = 1;

	for (;;) {
		const char *slash = memchr(part, '/', (size_t)(end - part));
		size_t n = (size_t)((slash ? slash : end) - part);
		int host = first && slash && looks_like_host(part, n);

		if (host ? !is_host(part, n) : !is_path_part(part, n))
			return error_set(err, ERR_INVALID, 0,
				"image '%.255s': '%.*s' must be lower-case letters and digits, "
				"joined by '.', '_', '__' or '-'",
				text, n > 64 ? 64 : (int)n, part);
		if (!slash)
			return 0;
		part = slash + 1;
		first = 0;
	}
}

static int check_tag(const char *text, const char *tag, struct error *err)
{
	size_t len = strspn(tag, ALPHANUM "_.-");

	if (len == 0 || tag[len] != '\0' || len > IMAGE_TAG_MAX || tag[0] == '.' || tag[0] == '-')
		return error_set(err, ERR_INVALID, 0,
			"image '%.255s': the tag must be 1 to %d of letters, digits, '_', '.' and "
			"'-', and not begin with '.' or '-'",
			text, IMAGE_TAG_MAX);
	return 0;
}

int reference_normalize(const char *text, char ret[IMAGE_NAME_MAX + 1], struct error *err)
{
	const char *slash = strrchr(text, '/');
	const char *colon = strchr(slash ? slash : text, ':');
	size_t path = colon ? (size_t)(colon - text) : strlen(text);

	if (text[0] == '\0')
		return error_set(err, ERR_INVALID, 0, "the name of an image must not be empty");
	if (strchr(text, '@'))
		return error_set(err, ERR_UNSUPPORTED, 0,
			"image '%.255s': a digest beside a name is not supported; use the name "
			"alone "
			"or sha256:...",
			text);
	if (path + strlen(colon ? colon : ":latest") > IMAGE_NAME_MAX)
		return error_set(err, ERR_INVALID, 0, "image '%.64s...': longer than %d bytes",
			text, IMAGE_NAME_MAX);
	if (check_path(text, path, err) < 0 || (colon && check_tag(text, colon + 1, err) < 0))
		return -1;
	snprintf(ret, IMAGE_NAME_MAX + 1, "%.*s%s", (int)path, text, colon ? colon : ":latest");
	return 0;
}
