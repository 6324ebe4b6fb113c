/*
 * Looks through protobuf bytes before protobuf-c unpacks them, which itself has no limit on depth
 * or heap, takes bad UTF-8 and keeps unknown fields. Bytes from outside go through
 * message_unpack().
 */
#ifndef PROTO_WIRE_CHECK_H
#define PROTO_WIRE_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "lib/error.h"

#define WIRE_DEPTH_MAX  32
#define WIRE_FIELDS_MAX 100000             /* fields and list elements, at all levels */
#define WIRE_HEAP_MAX   (16 * 1024 * 1024) /* what the unpacked message would take */

/*
 * Refused, with the path of field names: broken encoding, groups, field numbers that the message
 * does not have, a wire type that does not fit, a singular field twice (legal protobuf, but no
 * client writes it, and merging costs squares), strings with NUL or bad UTF-8 (ERR_INVALID); more
 * than the limits above (ERR_EXHAUSTED). Does not recurse. Works for proto2 and proto3.
 */
int wire_check(const ProtobufCMessageDescriptor *desc, const uint8_t *bytes, size_t size,
	struct error *err);

/* wire_check() and unpack. The caller frees *ret with protobuf_c_message_free_unpacked(). */
int message_unpack(const ProtobufCMessageDescriptor *desc, const uint8_t *bytes, size_t size,
	ProtobufCMessage **ret, struct error *err);

#endif
