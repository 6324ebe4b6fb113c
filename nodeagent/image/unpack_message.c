#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "nodeagent/image/unpack.h"
#include "proto/wire_check.h"

/* In front stands the size and one more: 0 is no message, 1 an empty one. */

static int write_at(int fd, const void *data, size_t size, off_t offset)
{
	const char *p = data;

	while (size > 0) {
		ssize_t n = pwrite(fd, p, size, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		size -= (size_t)n;
		offset += n;
	}
	return 0;
}

int unpack_message_write(int fd, const ProtobufCMessage *message, struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	uint32_t head = (uint32_t)size + 1;
	cleanup_free uint8_t *data = malloc(size + 1);

	if (size > IMPORT_VERDICT_MAX - sizeof(head))
		return error_set(err, ERR_EXHAUSTED, 0,
			"the answer has %zu bytes, at most %zu are taken", size,
			IMPORT_VERDICT_MAX - sizeof(head));
	if (!data)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot write the answer");
	protobuf_c_message_pack(message, data);
	if (write_at(fd, data, size, sizeof(head)) < 0 || write_at(fd, &head, sizeof(head), 0) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot write the answer");
	return 0;
}

static ssize_t read_at(int fd, void *data, size_t size, off_t offset)
{
	ssize_t n;

	do {
		n = pread(fd, data, size, offset);
	} while (n < 0 && errno == EINTR);
	return n;
}

int unpack_message_read(int fd, const ProtobufCMessageDescriptor *descriptor,
	ProtobufCMessage **ret, struct error *err)
{
	cleanup_free uint8_t *data = NULL;
	uint32_t size = 0;

	if (read_at(fd, &size, sizeof(size), 0) != (ssize_t)sizeof(size) || size == 0)
		return error_set(err, ERR_NOT_FOUND, 0, "no answer was left");
	size--;
	if (size > IMPORT_VERDICT_MAX - sizeof(size))
		return error_set(err, ERR_INVALID, 0, "an answer of %u bytes is too large", size);
	data = malloc(size + 1);
	/* A memfd in memory gives all of it at once. */
	if (!data || read_at(fd, data, size, sizeof(size)) != (ssize_t)size)
		return error_set(err, ERR_INVALID, 0, "the answer is cut short");
	return message_unpack(descriptor, data, size, ret, err);
}
