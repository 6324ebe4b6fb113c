/*
 * One protobuf message as the content of a file, with its length and a checksum, so that a file cut
 * short or damaged is never taken for another one.
 */
#ifndef NODEAGENT_AGENT_RECORD_H
#define NODEAGENT_AGENT_RECORD_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define RECORD_SIZE_MAX (8u << 20) /* of a file */

/* The caller frees *ret. Errors: ERR_EXHAUSTED (memory, or over RECORD_SIZE_MAX). */
int record_pack(
	const ProtobufCMessage *message, uint8_t **ret, size_t *ret_size, struct error *err);

/*
 * The caller frees *ret with protobuf_c_message_free_unpacked(). Errors: ERR_INVALID says what is
 * wrong with the file.
 */
int record_unpack(const ProtobufCMessageDescriptor *desc, const uint8_t *data, size_t size,
	ProtobufCMessage **ret, struct error *err);

/* CRC-32 (IEEE 802.3, as in zlib). */
uint32_t record_crc(const uint8_t *data, size_t size);

#endif
