/* Any bytes as the answer to an HTTP probe: whole, and in pieces of the first byte's size. */
#include <stdlib.h>

#include "nodeagent/shim/probe_http.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static enum probe_http_end feed(const char *text, size_t size, size_t piece, int *ret_status)
{
	struct probe_http http = { 0 };
	enum probe_http_end end = PROBE_HTTP_MORE;

	for (size_t at = 0; at < size && end == PROBE_HTTP_MORE; at += piece)
		end = probe_http_feed(&http, text + at, size - at < piece ? size - at : piece);
	*ret_status = http.status;
	if (http.total > PROBE_HTTP_MAX + 1 || http.line_len > sizeof(http.line))
		abort();
	if (end == PROBE_HTTP_DONE && (http.status < 200 || http.status > 599))
		abort();
	return end;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	const char *text = (const char *)data + 1;
	int whole, pieces;

	if (size < 2)
		return 0;
	if (feed(text, size - 1, size, &whole) !=
			feed(text, size - 1, data[0] % 64u + 1, &pieces) ||
		whole != pieces)
		abort();
	return 0;
}
