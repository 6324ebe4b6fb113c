/*
 * Structured logging: to the journal where stderr is connected to it, else one line a record on
 * stderr. Library code never logs; a process's main loop does, once, where an error ends.
 */
#ifndef LIB_LOG_H
#define LIB_LOG_H

#include "lib/error.h"

enum log_level {
	LOG_LEVEL_ERROR = 3, /* the syslog(3) severities */
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/* Which pod a record is about; members may be NULL. Borrowed for the call. */
struct log_subject {
	const char *project;
	const char *pod;
	const char *uid;
};

/* Names the process ("bulkhead-agent") and the least severe level that is written. */
void log_init(const char *name, enum log_level level);

/*
 * Closes every descriptor from 'first' on but the one that leads to the journal: whatever took its
 * number later would get the records. 0, or -1 with errno.
 */
int log_close_others(unsigned first);

/*
 * Writes one record. Untrusted text must be passed as an argument, not as format: control
 * characters in the finished text are written as \xNN. Never pass a secret.
 */
void log_write(enum log_level level, const struct log_subject *subject, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(...)   log_write(LOG_LEVEL_ERROR, NULL, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, NULL, __VA_ARGS__)
#define log_notice(...)  log_write(LOG_LEVEL_NOTICE, NULL, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, NULL, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, NULL, __VA_ARGS__)

#endif
