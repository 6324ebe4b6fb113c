/*
 * One datagram as syslog(3) sends it to /dev/log. Pure; any bytes are a message of some kind.
 */
#ifndef NODEAGENT_SHIM_SYSLOG_MESSAGE_H
#define NODEAGENT_SHIM_SYSLOG_MESSAGE_H

#include <stddef.h>

#define SYSLOG_IDENTIFIER_MAX 128

/* What the sender claims. Members point into the datagram; nothing is terminated. */
struct syslog_message {
	int severity; /* 0 to 7; 5 when it says none */
	int facility; /* 1 to 23: a container is not the kernel (0) */
	const char *identifier;
	size_t identifier_len;
	const char *pid; /* digits */
	size_t pid_len;
	const char *text;
	size_t text_len;
};

/*
 * RFC 3164 as C libraries write it ("<13>Jan  1 00:00:00 name[7]: text", date and name may be
 * missing), and RFC 5424 ("<13>1 DATE HOST NAME PID ..."). What does not fit is all text. Newlines
 * and NULs at the end go; what is inside stays.
 */
void syslog_message_parse(struct syslog_message *ret, const char *data, size_t size);

#endif
