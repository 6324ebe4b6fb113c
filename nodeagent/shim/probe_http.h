/*
 * Reads the status of an HTTP/1 response as its bytes come (RFC 9112, 2.3 and 4): the status line,
 * and past interim (1xx) ones. What follows a final status line is of no interest. Pure.
 */
#ifndef NODEAGENT_SHIM_PROBE_HTTP_H
#define NODEAGENT_SHIM_PROBE_HTTP_H

#include <stddef.h>

#define PROBE_HTTP_MAX 10240u /* bytes, as the kubelet reads of a body */

enum probe_http_end {
	PROBE_HTTP_MORE,
	PROBE_HTTP_DONE, /* 'status' is there */
	PROBE_HTTP_BAD,  /* that is no HTTP/1 */
	PROBE_HTTP_LONG, /* no final status within PROBE_HTTP_MAX */
};

struct probe_http {
	char line[32]; /* its beginning */
	size_t line_len;
	size_t total;
	int in_head; /* of an interim response */
	int status;
};

/* 'http' is all zero at first. Stops at the end it finds. */
enum probe_http_end probe_http_feed(struct probe_http *http, const char *data, size_t size);

#endif
