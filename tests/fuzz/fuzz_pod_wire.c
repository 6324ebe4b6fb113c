/*
 * Any bytes as a serialized Pod: what wire_check() lets through must unpack, and pack and encode
 * without trouble.
 */
#include <stdlib.h>

#include "proto/encode.h"
#include "proto/k8s.h"
#include "proto/wire_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ProtobufCMessage *msg;
	struct error err;
	uint8_t *bytes;
	char *text;
	size_t n;

	if (wire_check(K8S_POD_DESC, data, size, &err) < 0)
		return 0;
	if (message_unpack(K8S_POD_DESC, data, size, &msg, &err) < 0)
		abort();
	n = protobuf_c_message_get_packed_size(msg);
	bytes = malloc(n + 1);
	if (!bytes || protobuf_c_message_pack(msg, bytes) != n)
		abort();
	if (wire_check(K8S_POD_DESC, bytes, n, &err) < 0)
		abort();
	free(bytes);
	if (encode_json(msg, "v1", "Pod", false, &text, &err) == 0)
		free(text);
	if (encode_yaml(msg, "v1", "Pod", &text, &err) == 0)
		free(text);
	protobuf_c_message_free_unpacked(msg, NULL);
	return 0;
}
