/*
 * Any text as a Pod manifest. What is accepted must survive a round trip through YAML and through
 * JSON unchanged, byte for byte of its packed form.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/decode.h"
#include "proto/encode.h"
#include "proto/k8s.h"
#include "proto/wire_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct packed {
	uint8_t *bytes;
	size_t size;
};

static struct packed pack(const ProtobufCMessage *msg)
{
	struct packed p = { .size = protobuf_c_message_get_packed_size(msg) };

	p.bytes = malloc(p.size + 1);
	if (!p.bytes || protobuf_c_message_pack(msg, p.bytes) != p.size)
		abort();
	return p;
}

static void must_equal(const struct packed *want, const char *text)
{
	ProtobufCMessage *again;
	struct error err;
	struct packed got;

	/* Escapes may make the text longer than the limit. */
	if (strlen(text) > DECODE_SIZE_MAX)
		return;
	if (decode_object(K8S_POD_DESC, "v1", "Pod", text, strlen(text), &again, &err) < 0)
		abort();
	got = pack(again);
	if (got.size != want->size || memcmp(got.bytes, want->bytes, got.size) != 0)
		abort();
	free(got.bytes);
	protobuf_c_message_free_unpacked(again, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct decode_documents docs = { .text = (const char *)data, .size = size };
	struct decode_document doc;
	ProtobufCMessage *msg;
	struct packed want;
	struct error err;
	char *text;

	while (decode_documents_next(&docs, &doc))
		if (doc.text < docs.text || doc.text + doc.size > docs.text + size)
			abort();
	if (decode_object(K8S_POD_DESC, "v1", "Pod", (const char *)data, size, &msg, &err) < 0)
		return 0;
	want = pack(msg);
	if (encode_yaml(msg, "v1", "Pod", &text, &err) < 0)
		abort();
	must_equal(&want, text);
	free(text);
	if (encode_json(msg, "v1", "Pod", size % 2, &text, &err) < 0)
		abort();
	must_equal(&want, text);
	free(text);
	free(want.bytes);
	protobuf_c_message_free_unpacked(msg, NULL);
	return 0;
}
