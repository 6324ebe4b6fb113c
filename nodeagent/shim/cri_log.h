/*
 * A container's output as CRI log lines: "<RFC 3339, nanoseconds> stdout|stderr F|P <text>\n".
 * Lines longer than CRI_PIECE_MAX come in pieces tagged P, the last F, so text that looks like a
 * stamp can never start a record. Rotated here, where nothing can be lost between two writers.
 */
#ifndef NODEAGENT_SHIM_CRI_LOG_H
#define NODEAGENT_SHIM_CRI_LOG_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "lib/error.h"

#define CRI_PIECE_MAX     (16u << 10) /* bytes of text a record */
#define CRI_STAMP_LEN     30          /* "2026-01-02T03:04:05.123456789Z" */
#define CRI_RECORD_MAX    (CRI_PIECE_MAX + CRI_STAMP_LEN + 12)
#define CRI_FILE_SIZE_MAX (10u << 20)
#define CRI_FILES_MAX     5 /* the current one and .1 to .4 */
#define CRI_NO_FILE       0 /* as 'size_max': records go to cri_log_tee()'s function alone */

enum cri_stream {
	CRI_STDOUT,
	CRI_STDERR,
	CRI_STREAMS,
};

struct cri_log;

/*
 * Opens <log_dirfd>/<container>/<restart>.log for appending, making the directory (0750) and the
 * file (0640; the group is the log directory's by its setgid bit). Symbolic links are refused.
 * 'size_max' is the size that is not exceeded: CRI_FILE_SIZE_MAX but for tests.
 */
int cri_log_open(struct cri_log **ret, int log_dirfd, const char *container, uint32_t restart,
	size_t size_max, struct error *err);

/* Every record goes to 'tee' as well; what it is given is the caller's. */
void cri_log_tee(struct cri_log *log,
	void (*tee)(void *user, enum cri_stream stream, int partial, const char *data, size_t size),
	void *user);

/*
 * Takes output as it came. Unfinished lines wait for their end, up to CRI_PIECE_MAX. What the disk
 * refuses is dropped whole records at a time and counted.
 */
void cri_log_write(struct cri_log *log, enum cri_stream stream, const char *data, size_t size);

/* Writes what waits (tagged P: it had no newline) and closes. NULL is allowed. */
void cri_log_close(struct cri_log *log);

/* Records dropped because they could not be written. */
uint64_t cri_log_dropped(const struct cri_log *log);

/* Formats one record into 'ret' (CRI_RECORD_MAX) and returns its size. 'size' <= CRI_PIECE_MAX. */
size_t cri_record_format(char *ret, const struct timespec *now, enum cri_stream stream, int partial,
	const char *data, size_t size);

#endif
