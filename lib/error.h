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
 * Fills 'err' (NULL is allowed) and returns -1, so that a failing function can end with it.
 * A 'sys' other than 0 appends ": " and its strerror. A text too long ends in "...".
 */
int error_set(struct error *err, enum error_code code, int sys, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts "<prefix>: " before the text that is there and returns -1. */
int error_prefix(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The code that fits an errno: ENOENT is ERR_NOT_FOUND, EACCES ERR_DENIED, ENOSPC ERR_EXHAUSTED...
 */
enum error_code error_code_of(int sys);

/* Stable lower-case name of a code ("invalid", "not-found"...); "unknown" for a foreign number. */
const char *error_code_name(enum error_code code);

#endif
