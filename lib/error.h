/*
 * The one error value. Whoever detects a failure sets it, callers only prefix it, the outermost
 * logs or sends it. The text lives inside the struct, so an error crosses processes unchanged.
 */
#ifndef LIB_ERROR_H
#define LIB_ERROR_H

#include <stddef.h>

/* Numbers cross process boundaries (ipc.proto Error.code): append, never renumber. */
enum error_code {
	ERR_NONE = 0,
	ERR_INVALID = 1, /* the request itself is wrong; names the field, the rule, the fix */
	ERR_NOT_FOUND = 2,
	ERR_EXISTS = 3,
	ERR_DENIED = 4, /* authenticated but not allowed */
	ERR_UNAUTHENTICATED = 5,
	ERR_EXHAUSTED = 6,    /* a named limit is reached */
	ERR_PRECONDITION = 7, /* the state of the system forbids it now */
	ERR_UNSUPPORTED = 8,  /* known, but not honoured by this version or this kernel */
	ERR_UNAVAILABLE = 9,  /* a daemon or the database is away: try again */
	ERR_INTERNAL = 10,
	ERR_CANCELLED = 11,
	ERR_TIMEOUT = 12,
};

#define ERROR_TEXT_SIZE 1024

struct error {
	enum error_code code;
	int sys;                    /* errno where a system call failed, else 0 */
	char text[ERROR_TEXT_SIZE]; /* lower case, no trailing newline, never NULL */
};

/*
 * error_set() fills 'err' (NULL is allowed) and is -1, so that a failing function can end with it.
 * A 'sys' other than 0 appends ": " and its strerror. A text too long ends in "...". error_prefix()
 * puts "<prefix>: " before the text that is there and is -1.
 *
 * Both are macros so that whoever analyzes the caller sees the -1, and no path on which a function
 * fails and yet gives a result.
 */
#define error_set(...)    (error_fill(__VA_ARGS__), error_failed())
#define error_prefix(...) (error_lead(__VA_ARGS__), error_failed())

void error_fill(struct error *err, enum error_code code, int sys, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void error_lead(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline int error_failed(void)
{
	return -1;
}

/* The code that fits an errno: ENOENT is ERR_NOT_FOUND, EACCES ERR_DENIED, ENOSPC ERR_EXHAUSTED...
 */
enum error_code error_code_of(int sys);

/* Stable lower-case name of a code ("invalid", "not-found"...); "unknown" for a foreign number. */
const char *error_code_name(enum error_code code);

#endif
