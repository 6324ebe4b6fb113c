/*
 * One layer's tar, unpacked into a directory of its own the way overlayfs(5) wants its lower
 * layers: whiteouts become character devices 0:0, opaque directories carry user.overlay.opaque.
 */
#ifndef NODEAGENT_IMAGE_LAYER_H
#define NODEAGENT_IMAGE_LAYER_H

#include "nodeagent/image/layer_stream.h"
#include "nodeagent/image/warnings.h"

/*
 * Files stay the caller's, without set-id bits, and directories open to it: for callers without
 * rights (fuzzing, tests).
 */
#define LAYER_KEEP_OWNER 1u

/*
 * Unpacks all of 'stream' beneath 'dirfd', an empty directory. *ret_size is what its files say to
 * hold. Names are never followed through links; what escapes is ERR_INVALID. Left out with a
 * warning that names 'label': device nodes, sockets, extended attributes. Set-id bits are kept:
 * owners are ids of a namespace where they mean nothing. On failure what was unpacked stays.
 */
int layer_unpack(struct layer_stream *stream, int dirfd, unsigned flags, const char *label,
	uint64_t *ret_size, struct warnings *warnings, struct error *err);

#endif
