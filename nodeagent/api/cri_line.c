#include "nodeagent/api/cri_line.h"

#include <string.h>

#include "proto/rfc3339.h"

/* The word before the next space; NULL when there is none. Moves '*at' behind that space. */
static const char *word(const char **at, const char *end, size_t *ret_len)
{
	const char *start = *at;
	const char *space = memchr(start, ' ', (size_t)(end - start));

	if (!space)
		return NULL;
	*ret_len = (size_t)(space - start);
	*at = space + 1;
	return start;
}

static int is(const char *word, size_t len, const char *text)
{
	return word && len == strlen(text) && memcmp(word, text, len) == 0;
}

int cri_line_parse(struct cri_line *ret, const char *line, size_t size)
{
	const char *at = line, *end = line + size;
	struct cri_line found = { 0 };
	char stamp[64];
	const char *stream, *tag;
	size_t stream_len = 0, tag_len = 0;
	int64_t seconds;
	int32_t nanos;

	found.stamp = word(&at, end, &found.stamp_len);
	if (!found.stamp || found.stamp_len >= sizeof(stamp))
		return -1;
	memcpy(stamp, found.stamp, found.stamp_len);
	stamp[found.stamp_len] = '\0';
	if (!rfc3339_parse(stamp, &seconds, &nanos))
		return -1;
	found.usec = seconds * 1000000 + nanos / 1000;
	stream = word(&at, end, &stream_len);
	found.from_stderr = is(stream, stream_len, "stderr");
	if (!found.from_stderr && !is(stream, stream_len, "stdout"))
		return -1;
	tag = word(&at, end, &tag_len);
	found.partial = is(tag, tag_len, "P");
	if (!found.partial && !is(tag, tag_len, "F"))
		return -1;
	found.text = at;
	found.text_size = (size_t)(end - at);
	*ret = found;
	return 0;
}
