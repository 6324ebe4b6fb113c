/*
 * One line of a CRI log file: "<RFC 3339 time> <stdout|stderr> <F|P> <text>" (Kubernetes' CRI, F:
 * the line is complete, P: more of it follows). Pure.
 */
#ifndef NODEAGENT_API_CRI_LINE_H
#define NODEAGENT_API_CRI_LINE_H

#include <stddef.h>
#include <stdint.h>

struct cri_line {
	const char *stamp; /* as written; all pointers borrow from the line */
	size_t stamp_len;
	int64_t usec; /* the same, since 1970 */
	int from_stderr;
	int partial;
	const char *text;
	size_t text_size;
};

/* 'size' without the newline. 0, or -1 when it is no such line. */
int cri_line_parse(struct cri_line *ret, const char *line, size_t size);

#endif
