#include "lib/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Marks a text that did not fit, so that nobody takes a cut sentence for the whole. */
static void mark_cut(char *text, int need)
{
	if (need >= ERROR_TEXT_SIZE)
		memcpy(text + ERROR_TEXT_SIZE - 4, "...", 4);
}

void error_fill(struct error *err, enum error_code code, int sys, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!err)
		return;

	err->code = code;
	err->sys = sys;
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n < 0) {
		err->text[0] = '\0';
		n = 0;
	}
	if (sys != 0 && n < ERROR_TEXT_SIZE)
		n += snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", strerror(sys));
	mark_cut(err->text, n);
}

void error_lead(struct error *err, const char *fmt, ...)
{
	char old[ERROR_TEXT_SIZE];
	va_list ap;
	int n;

	if (!err)
		return;

	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	if (n < ERROR_TEXT_SIZE)
		n += snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", old);
	mark_cut(err->text, n);
}

enum error_code error_code_of(int sys)
{
	switch (sys) {
	case ENOENT:
	case ESRCH:
		return ERR_NOT_FOUND;
	case EEXIST:
		return ERR_EXISTS;
	case EACCES:
	case EPERM:
	case EXDEV:
		return ERR_DENIED;
	case ENOSPC:
	case EDQUOT:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return ERR_EXHAUSTED;
	case EINVAL:
	case ENAMETOOLONG:
	case ELOOP:
		return ERR_INVALID;
	case ENOSYS:
	case EOPNOTSUPP:
		return ERR_UNSUPPORTED;
	case ECONNREFUSED:
	case ECONNRESET:
	case EPIPE:
	case EAGAIN:
		return ERR_UNAVAILABLE;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	default:
		return ERR_INTERNAL;
	}
}

const char *error_code_name(enum error_code code)
{
	static const char *const names[] = {
		[ERR_NONE] = "none",
		[ERR_INVALID] = "invalid",
		[ERR_NOT_FOUND] = "not-found",
		[ERR_EXISTS] = "exists",
		[ERR_DENIED] = "denied",
		[ERR_UNAUTHENTICATED] = "unauthenticated",
		[ERR_EXHAUSTED] = "exhausted",
		[ERR_PRECONDITION] = "precondition",
		[ERR_UNSUPPORTED] = "unsupported",
		[ERR_UNAVAILABLE] = "unavailable",
		[ERR_INTERNAL] = "internal",
		[ERR_CANCELLED] = "cancelled",
		[ERR_TIMEOUT] = "timeout",
	};

	if ((unsigned)code >= sizeof(names) / sizeof(names[0]))
		return "unknown";
	return names[code];
}
