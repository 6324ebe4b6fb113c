#include "nodeagent/shim/probe_http.h"

#include <string.h>

#define STATUS_AT  9 /* "HTTP/1.1 200" */
#define STATUS_END 12

static int is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* 100..599, or -1 */
static int status_of(const char *line, size_t len)
{
	if (len < STATUS_END || memcmp(line, "HTTP/1.", 7) != 0 || !is_digit(line[7]) ||
		line[8] != ' ' || (len > STATUS_END && line[STATUS_END] != ' '))
		return -1;
	for (size_t i = STATUS_AT; i < STATUS_END; i++) {
		if (!is_digit(line[i]))
			return -1;
	}
	if (line[STATUS_AT] < '1' || line[STATUS_AT] > '5')
		return -1;
	return (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
}

static enum probe_http_end line_take(struct probe_http *http)
{
	size_t len = http->line_len;

	http->line_len = 0;
	if (len > 0 && http->line[len - 1] == '\r')
		len--;
	if (http->in_head) {
		http->in_head = len > 0;
		return PROBE_HTTP_MORE;
	}
	http->status = status_of(http->line, len);
	if (http->status < 0)
		return PROBE_HTTP_BAD;
	http->in_head = http->status < 200;
	return http->in_head ? PROBE_HTTP_MORE : PROBE_HTTP_DONE;
}

enum probe_http_end probe_http_feed(struct probe_http *http, const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		enum probe_http_end end = PROBE_HTTP_MORE;

		if (++http->total > PROBE_HTTP_MAX)
			return PROBE_HTTP_LONG;
		if (data[i] == '\n')
			end = line_take(http);
		else if (http->line_len < sizeof(http->line))
			http->line[http->line_len++] = data[i];
		if (end != PROBE_HTTP_MORE)
			return end;
	}
	return PROBE_HTTP_MORE;
}
