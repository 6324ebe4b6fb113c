/*
 * Records of one pod to the host's journal, by its native protocol: fields that say which pod it is
 * are the shim's, and nothing that a container sends can be read as another field. A full
 * journal is waited for a moment, and then not for a while; what it does not take is counted, and
 * told with the next record that it takes.
 */
#ifndef NODEAGENT_SHIM_JOURNAL_H
#define NODEAGENT_SHIM_JOURNAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"

#define JOURNAL_TEXT_MAX (16u << 10) /* of one record; a piece of a CRI log is as long */
#define JOURNAL_BURST    2000        /* records of a pod at once, then JOURNAL_RATE a second */
#define JOURNAL_RATE     500
#define JOURNAL_STDOUT   6 /* severities of output */
#define JOURNAL_STDERR   3

struct journal_record {
	const char *container;
	const char *label; /* SELinux label of the container, "" for none */
	int severity;
	int facility;           /* -1: none */
	const char *identifier; /* any bytes */
	size_t identifier_len;
	const char *pid; /* digits, as the sender says; NULL for none */
	size_t pid_len;
	int sender;         /* the sender's pid on the host, 0: not known */
	const char *stream; /* "stdout", "stderr", NULL for what came by /dev/log */
	int partial;        /* the line goes on in the next record */
	const char *text;
	size_t text_len;
	size_t cut; /* bytes that were longer than JOURNAL_TEXT_MAX */
};

struct journal {
	int fd; /* -1: there is none */
	struct sockaddr_un address;
	const Bulkhead__V1__SandboxPlan *plan; /* borrowed: whose records these are */
	uint64_t tokens_usec;                  /* of time that records may be paid from */
	uint64_t filled_at;
	uint64_t suppressed;  /* over the rate, since the last record that was sent */
	uint64_t lost;        /* not taken by the journal */
	uint64_t stuck_until; /* CLOCK_MONOTONIC: it was full, and is not waited for until then */
};

/* What a journal that is not there is; journal_send() accepts it and does nothing. */
void journal_init(struct journal *journal);

/* Sends to the socket 'path'. Errors: the path is too long, no descriptor. */
int journal_open(struct journal *journal, const char *path, const Bulkhead__V1__SandboxPlan *plan,
	struct error *err);
void journal_done(struct journal *journal);

/* 'now_usec' is CLOCK_MONOTONIC. */
void journal_send(struct journal *journal, const struct journal_record *record, uint64_t now_usec);

#endif
