#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bulkhead/v1/config.pb-c.h"
#include "lib/cleanup.h"
#include "proto/decode.h"
#include "proto/k8s.h"
#include "proto/schema.h"
#include "proto/wire_check.h"

static void refused(const ProtobufCMessageDescriptor *desc, const void *bytes, size_t size,
	enum error_code code, const char *part)
{
	struct error err = { 0 };

	if (wire_check(desc, bytes, size, &err) == 0)
		fail_msg("accepted; wanted '%s'", part);
	if (!strstr(err.text, part))
		fail_msg("'%s' lacks '%s'", err.text, part);
	assert_int_equal(err.code, code);
}

#define REFUSED(desc, bytes, part) refused(desc, bytes, sizeof(bytes) - 1, ERR_INVALID, part)

static void test_good(void **state)
{
	static const char text[] =
		"apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {b: c}}\n"
		"spec: {containers: [{name: c, args: [x]}], priority: -1,\n"
		" securityContext: {supplementalGroups: [1, 2]}}\n";
	struct error err = { 0 };
	ProtobufCMessage *msg, *again;
	uint8_t bytes[512];
	size_t n;

	(void)state;
	assert_int_equal(
		decode_object(K8S_POD_DESC, "v1", "Pod", text, strlen(text), &msg, &err), 0);
	n = protobuf_c_message_pack(msg, bytes);
	if (message_unpack(K8S_POD_DESC, bytes, n, &again, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(((K8sPod *)again)->spec->containers[0]->args[0], "x");
	assert_int_equal(((K8sPod *)again)->spec->priority, -1);
	protobuf_c_message_free_unpacked(again, NULL);
	/* Every cut is refused or is a shorter message; none may read past its end. */
	for (size_t cut = 0; cut < n; cut++) {
		cleanup_free uint8_t *part = malloc(cut + 1);

		memcpy(part, bytes, cut);
		if (message_unpack(K8S_POD_DESC, part, cut, &again, NULL) == 0)
			protobuf_c_message_free_unpacked(again, NULL);
	}
	protobuf_c_message_free_unpacked(msg, NULL);
	assert_int_equal(wire_check(K8S_POD_DESC, NULL, 0, &err), 0);
}

static void test_broken(void **state)
{
	(void)state;
	REFUSED(K8S_POD_DESC, "\x80", "a broken field number");
	REFUSED(K8S_POD_DESC, "\x02\x00", "a broken field number");
	REFUSED(K8S_POD_DESC, "\x0a", "metadata: cut short");
	REFUSED(K8S_POD_DESC, "\x0a\x05\x0a\x01", "metadata: cut short");
	REFUSED(K8S_POD_DESC, "\x0a\x03\x0a\x02q", "metadata.name: cut short");
	REFUSED(K8S_POD_DESC, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"metadata: cut short");
	REFUSED(K8S_POD_DESC, "\x0a\x0b\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
		"metadata.generation: a broken number");
	REFUSED(K8S_POD_DESC, "\x0b\x0c", "groups are refused");
	REFUSED(K8S_POD_DESC, "\x92\x03\x00", "unknown field number 50");
	REFUSED(K8S_POD_DESC, "\x12\x03\x12\x01\x80", "spec.containers: a broken field number");
	REFUSED(K8S_POD_DESC, "\x12\x05\x12\x03\xd0\x06\x01",
		"spec.containers: unknown field number 106");
	REFUSED(K8S_POD_DESC, "\x08\x01", "metadata: the wrong wire type");
	REFUSED(K8S_POD_DESC, "\x0a\x00\x0a\x00", "metadata: given twice");
	REFUSED(K8S_POD_DESC, "\x0a\x04\x0a\x02\xc3\x28",
		"metadata.name: a string with a NUL byte or bad UTF-8");
	REFUSED(K8S_POD_DESC,
		"\x0a\x04\x0a\x02"
		"a\0",
		"metadata.name: a string with a NUL byte or bad UTF-8");
}

static void test_packed(void **state)
{
	struct error err = { 0 };
	ProtobufCMessage *msg;

	(void)state;
	assert_int_equal(message_unpack(K8S_POD_SECURITY_CONTEXT_DESC,
				 (const uint8_t *)"\x22\x03\x01\x80\x01", 5, &msg, &err),
		0);
	assert_int_equal(((K8sPodSecurityContext *)msg)->n_supplementalgroups, 2);
	assert_int_equal(((K8sPodSecurityContext *)msg)->supplementalgroups[1], 128);
	protobuf_c_message_free_unpacked(msg, NULL);
	REFUSED(K8S_POD_SECURITY_CONTEXT_DESC, "\x22\x02\x01\x80",
		"supplementalGroups: a packed list");
}

static void test_proto3(void **state)
{
	struct error err = { 0 };
	Bulkhead__V1__NodeConfig *conf;

	(void)state;
	assert_int_equal(
		message_unpack(&bulkhead__v1__node_config__descriptor,
			(const uint8_t *)"\x0a\x01n\x30\x09", 5, (ProtobufCMessage **)&conf, &err),
		0);
	assert_string_equal(conf->node_name, "n");
	assert_int_equal(conf->host_subnet_bits, 9);
	protobuf_c_message_free_unpacked(&conf->base, NULL);
	REFUSED(&bulkhead__v1__node_config__descriptor, "\xf8\x07\x01", "unknown field number 127");
}

/* A message type that nests in itself, as none of ours does. */
static const ProtobufCMessageDescriptor nest_desc;
static const ProtobufCFieldDescriptor nest_fields[] = {
	{ .name = "n",
		.id = 1,
		.label = PROTOBUF_C_LABEL_REPEATED,
		.type = PROTOBUF_C_TYPE_MESSAGE,
		.descriptor = &nest_desc },
};
static const ProtobufCIntRange nest_ranges[] = { { 1, 0 }, { 0, 1 } };
static const ProtobufCMessageDescriptor nest_desc = {
	.magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
	.name = "Nest",
	.short_name = "Nest",
	.sizeof_message = 64,
	.n_fields = 1,
	.fields = nest_fields,
	.n_field_ranges = 1,
	.field_ranges = nest_ranges,
};

/* Writes 'depth' messages, one in the other; each is shorter than 128 bytes. Returns the size. */
static size_t nest(uint8_t *bytes, size_t depth)
{
	size_t size = 2 * (depth - 1);

	for (size_t i = 0; i + 1 < depth; i++) {
		bytes[2 * i] = 0x0a;
		bytes[2 * i + 1] = (uint8_t)(size - 2 * i - 2);
	}
	return size;
}

static void test_depth(void **state)
{
	uint8_t bytes[128];
	struct error err;
	size_t n;

	(void)state;
	n = nest(bytes, WIRE_DEPTH_MAX);
	assert_int_equal(wire_check(&nest_desc, bytes, n, &err), 0);
	n = nest(bytes, WIRE_DEPTH_MAX + 1);
	refused(&nest_desc, bytes, n, ERR_EXHAUSTED, "messages nested too deep");
}

/* Empty map entries: two bytes each on the wire, a hundred on the heap. */
static void test_counts(void **state)
{
	const size_t n = WIRE_FIELDS_MAX;
	cleanup_free uint8_t *bytes = malloc(2 * n + 2);
	struct error err;

	(void)state;
	for (size_t i = 0; i <= n; i++) {
		bytes[2 * i] = 0x5a;
		bytes[2 * i + 1] = 0;
	}
	if (wire_check(K8S_OBJECT_META_DESC, bytes, 2 * n, &err) < 0)
		fail_msg("%s", err.text);
	refused(K8S_OBJECT_META_DESC, bytes, 2 * n + 2, ERR_EXHAUSTED, "more than 100000 fields");
}

/* Fewer elements, but each one large: containers. */
static void test_heap(void **state)
{
	const size_t each = K8S_CONTAINER_DESC->sizeof_message, n = WIRE_HEAP_MAX / each + 1;
	cleanup_free uint8_t *bytes = malloc(2 * n);

	(void)state;
	assert_true(n < WIRE_FIELDS_MAX);
	for (size_t i = 0; i < n; i++) {
		bytes[2 * i] = 0x12;
		bytes[2 * i + 1] = 0;
	}
	refused(K8S_POD_SPEC_DESC, bytes, 2 * n, ERR_EXHAUSTED, "bytes of memory");
}

static void walk(const ProtobufCMessageDescriptor *desc, size_t depth, size_t *most)
{
	assert_true(depth <= WIRE_DEPTH_MAX);
	assert_true(desc->n_fields <= 128);
	*most = depth > *most ? depth : *most;
	for (unsigned i = 0; i < desc->n_fields; i++)
		if (desc->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			walk(schema_sub(&desc->fields[i]), depth + 1, most);
}

/* No Pod can reach the limits by its own shape. */
static void test_pod_fits(void **state)
{
	size_t most = 0;

	(void)state;
	walk(K8S_POD_LIST_DESC, 1, &most);
	assert_in_range(most, 8, WIRE_DEPTH_MAX / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_proto3),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_heap),
		cmocka_unit_test(test_pod_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
