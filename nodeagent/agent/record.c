#include "nodeagent/agent/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "proto/wire_check.h"

#define HEADER_SIZE 16
#define MAGIC       "BHREC01\n" /* 8 bytes, then length and checksum, little endian */
#define MAGIC_SIZE  8

uint32_t record_crc(const uint8_t *data, size_t size)
{
	uint32_t crc = ~UINT32_C(0);

	for (size_t i = 0; i < size; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (UINT32_C(0xedb88320) & (0 - (crc & 1)));
	}
	return ~crc;
}

static void put_u32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get_u32(const uint8_t *at)
{
	uint32_t value = 0;

	for (int i = 0; i < 4; i++)
		value |= (uint32_t)at[i] << (8 * i);
	return value;
}

int record_pack(const ProtobufCMessage *message, uint8_t **ret, size_t *ret_size, struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *data;

	if (size > RECORD_SIZE_MAX - HEADER_SIZE)
		return error_set(err, ERR_EXHAUSTED, 0,
			"a record of %zu bytes is over the limit of %u", size, RECORD_SIZE_MAX);
	data = malloc(HEADER_SIZE + size);
	if (!data)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot pack a record");
	memcpy(data, MAGIC, MAGIC_SIZE);
	protobuf_c_message_pack(message, data + HEADER_SIZE);
	/* What could be written but not read again would be lost with the agent. */
	if (wire_check(message->descriptor, data + HEADER_SIZE, size, err) < 0) {
		free(data);
		return -1;
	}
	put_u32(data + MAGIC_SIZE, (uint32_t)size);
	put_u32(data + MAGIC_SIZE + 4, record_crc(data + HEADER_SIZE, size));
	*ret = data;
	*ret_size = HEADER_SIZE + size;
	return 0;
}

int record_unpack(const ProtobufCMessageDescriptor *desc, const uint8_t *data, size_t size,
	ProtobufCMessage **ret, struct error *err)
{
	size_t length;

	if (size < HEADER_SIZE || memcmp(data, MAGIC, MAGIC_SIZE) != 0)
		return error_set(err, ERR_INVALID, 0, "it does not begin as a record");
	length = get_u32(data + MAGIC_SIZE);
	if (length != size - HEADER_SIZE)
		return error_set(err, ERR_INVALID, 0, "it says %zu bytes and has %zu", length,
			size - HEADER_SIZE);
	if (record_crc(data + HEADER_SIZE, length) != get_u32(data + MAGIC_SIZE + 4))
		return error_set(err, ERR_INVALID, 0, "its checksum is wrong");
	return message_unpack(desc, data + HEADER_SIZE, length, ret, err);
}
