/*
 * What bulkhead-unpack does once it is confined: from an archive to staged layers and a verdict.
 * The descriptors at which it finds what it needs are named here for import.c, which puts them
 * there.
 */
#ifndef NODEAGENT_IMAGE_UNPACK_H
#define NODEAGENT_IMAGE_UNPACK_H

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"
#include "nodeagent/image/limits.h"

enum unpack_fd {
	UNPACK_LIFELINE_FD = 3, /* a pipe's read end; at its end the agent is gone */
	UNPACK_ARCHIVE_FD,      /* a pipe's read end */
	UNPACK_REQUEST_FD,      /* memfd: an ImportRequest */
	UNPACK_VERDICT_FD,      /* memfd of IMPORT_VERDICT_MAX bytes: an ImportVerdict */
	UNPACK_USERNS_FD,
	UNPACK_FD_END,
};

/* In the staging directory. */
#define UNPACK_SPOOL_DIR  "spool"
#define UNPACK_LAYERS_DIR "layers"

/* Ids 0 to IMAGE_IDS - 1 of the user namespace are an image's; this one is the unpacker's own. */
#define UNPACK_OWN_ID IMAGE_IDS

/*
 * Reads the archive, checks it, and stages its layers as layers/<diff-id> in 'dirfd'. On success
 * the caller frees *ret with bulkhead__v1__import_verdict__free_unpacked(); on failure nothing of
 * what was written stays. 'flags' as of layer_unpack().
 */
int unpack_run(int dirfd, int archive_fd, const Bulkhead__V1__ImportRequest *request,
	const struct import_limits *limits, unsigned flags, Bulkhead__V1__ImportVerdict **ret,
	struct error *err);

/* One message in a memfd, its size in front of it and written last: a half-written one is none. */
int unpack_message_write(int fd, const ProtobufCMessage *message, struct error *err);
/* The caller frees *ret. ERR_NOT_FOUND when none was written. Checked as of message_unpack(). */
int unpack_message_read(int fd, const ProtobufCMessageDescriptor *descriptor,
	ProtobufCMessage **ret, struct error *err);

#endif
