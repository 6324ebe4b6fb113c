/* Envelopes open for their project, name and node only; what is inside obeys Kubernetes' rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "secrets/envelope.h"
#include "secrets/secret_data.h"

static const struct envelope_context red = { "red", "db", "node-1" };

struct sealed {
	uint8_t private_key[32];
	uint8_t public_key[32];
	uint8_t *bytes;
	size_t size;
};

static void seal(struct sealed *s, const char *text)
{
	struct error err = { 0 };

	assert_int_equal(hpke_generate(s->private_key, s->public_key, &err), 0);
	assert_int_equal(
		envelope_seal(s->public_key, &red, text, strlen(text), &s->bytes, &s->size, &err),
		0);
}

static void assert_refused(const struct sealed *s, const struct envelope_context *ctx,
	const void *bytes, size_t size, const char *why)
{
	struct error err = { 0 };
	uint8_t *plain = NULL;
	size_t plain_size = 77;

	assert_int_equal(
		envelope_open(s->private_key, ctx, bytes, size, &plain, &plain_size, &err), -1);
	assert_null(plain);
	assert_int_equal(plain_size, 77);
	assert_int_equal(err.code, ERR_INVALID);
	if (!strstr(err.text, why))
		fail_msg("'%s' does not say '%s'", err.text, why);
	assert_null(strstr(err.text, "hunter2"));
}

static void opens_in_its_context(void **state)
{
	struct error err = { 0 };
	struct sealed s;
	uint8_t *plain;
	size_t size;

	(void)state;
	seal(&s, "hunter2");
	assert_int_equal(s.size, ENVELOPE_OVERHEAD + 7);
	assert_int_equal(s.bytes[0], 1);
	assert_null(memmem(s.bytes, s.size, "hunter2", 7));
	assert_int_equal(
		envelope_open(s.private_key, &red, s.bytes, s.size, &plain, &size, &err), 0);
	assert_int_equal(size, 7);
	assert_string_equal((char *)plain, "hunter2");
	envelope_wipe(plain, size);
	free(s.bytes);
}

static void wrong_context_is_refused(void **state)
{
	static const struct envelope_context others[] = {
		{ "blue", "db", "node-1" },
		{ "red", "db2", "node-1" },
		{ "red", "db", "node-2" },
		/* The same bytes in a row, cut elsewhere: sizes keep them apart. */
		{ "re", "ddb", "node-1" },
		{ "red", "dbn", "ode-1" },
	};
	struct sealed s;

	(void)state;
	seal(&s, "hunter2");
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_refused(&s, &others[i], s.bytes, s.size, "sealed for another project");
	free(s.bytes);
}

static void every_changed_bit_is_refused(void **state)
{
	struct sealed s;

	(void)state;
	seal(&s, "hunter2");
	for (size_t i = 0; i < s.size * 8; i++) {
		s.bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_refused(&s, &red, s.bytes, s.size, "secret 'db'");
		s.bytes[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t size = 0; size < s.size; size++)
		assert_refused(&s, &red, s.bytes, size, "secret 'db'");
	free(s.bytes);
}

static void what_is_wrong_is_said(void **state)
{
	static const struct envelope_context empty = { "red", "", "node-1" };
	struct sealed s, other;
	char name[255];
	const struct envelope_context big = { "red", name, "node-1" };

	(void)state;
	seal(&s, "hunter2");
	seal(&other, "hunter2");
	assert_refused(&s, &red, other.bytes, other.size, "another key than this node's");
	assert_refused(&s, &red, s.bytes, ENVELOPE_OVERHEAD - 1, "at least 57 are needed");
	assert_refused(&s, &empty, s.bytes, s.size, "secret: must have 1 to 253 bytes");
	memset(name, 'a', sizeof(name) - 1);
	name[254] = '\0';
	assert_refused(&s, &big, s.bytes, s.size, "secret: must have 1 to 253 bytes");
	s.bytes[0] = 2;
	assert_refused(&s, &red, s.bytes, s.size, "envelope version 2 is not 1");
	free(s.bytes);
	free(other.bytes);
}

static void the_largest_and_one_more(void **state)
{
	cleanup_free uint8_t *plain = calloc(1, ENVELOPE_PLAIN_MAX + 1);
	struct error err = { 0 };
	struct sealed s;
	uint8_t *opened;
	size_t size;

	(void)state;
	assert_int_equal(hpke_generate(s.private_key, s.public_key, &err), 0);
	assert_int_equal(envelope_seal(s.public_key, &red, plain, ENVELOPE_PLAIN_MAX + 1, &s.bytes,
				 &s.size, &err),
		-1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_int_equal(envelope_seal(s.public_key, &red, plain, ENVELOPE_PLAIN_MAX, &s.bytes,
				 &s.size, &err),
		0);
	assert_int_equal(
		envelope_open(s.private_key, &red, s.bytes, s.size, &opened, &size, &err), 0);
	assert_int_equal(size, ENVELOPE_PLAIN_MAX);
	envelope_wipe(opened, size);
	s.bytes = realloc(s.bytes, s.size + 1);
	assert_non_null(s.bytes);
	assert_refused(&s, &red, s.bytes, s.size + 1, "more than");
	free(s.bytes);
}

/* ---- what is inside ------------------------------------------------------------------------ */

static void data_round_trip(void **state)
{
	static const struct secret_value values[] = {
		{ "tls.key", "\x00\x01\xff", 3 },
		{ "password", "hunter2", 7 },
		{ "empty", "", 0 },
	};
	struct error err = { 0 };
	K8sSecret *secret;
	uint8_t *packed;
	size_t size;

	(void)state;
	assert_int_equal(secret_data_pack(values, 3, &packed, &size, &err), 0);
	assert_int_equal(secret_data_unpack(packed, size, &secret, &err), 0);
	assert_int_equal(secret->n_data, 3);
	assert_string_equal(secret->data[0]->key, "empty");
	assert_string_equal(secret->data[1]->key, "password");
	assert_int_equal(secret_data_find(secret, "tls.key")->len, 3);
	assert_memory_equal(secret_data_find(secret, "tls.key")->data, "\x00\x01\xff", 3);
	assert_int_equal(secret_data_find(secret, "empty")->len, 0);
	assert_null(secret_data_find(secret, "Password"));
	secret_data_free(secret);
	envelope_wipe(packed, size);
}

static void pack_refuses(
	const struct secret_value *values, size_t len, enum error_code code, const char *why)
{
	struct error err = { 0 };
	uint8_t *packed = NULL;
	size_t size;

	assert_int_equal(secret_data_pack(values, len, &packed, &size, &err), -1);
	assert_null(packed);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, why))
		fail_msg("'%s' does not say '%s'", err.text, why);
}

static void keys_are_checked(void **state)
{
	static const char *const good[] = { "a", "A.b-c_9", ".hidden", "a..b", "-", "_" };
	static const char *const bad[] = { ".", "..", "..data", "a/b", "a b", "\xc3\xa9", "a\n",
		"a\\b", "a:b" };
	const struct secret_value twice[] = { { "a", "1", 1 }, { "b", "", 0 }, { "a", "2", 1 } };
	char name[SECRET_KEY_NAME_MAX + 2];
	struct error err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(secret_key_check(good[i], &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(secret_key_check(bad[i], &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
		pack_refuses(&(struct secret_value){ bad[i], "", 0 }, 1, ERR_INVALID, "key '");
	}
	memset(name, 'k', sizeof(name));
	name[SECRET_KEY_NAME_MAX] = '\0';
	assert_int_equal(secret_key_check(name, &err), 0);
	name[SECRET_KEY_NAME_MAX] = 'k';
	name[SECRET_KEY_NAME_MAX + 1] = '\0';
	assert_int_equal(secret_key_check(name, &err), -1);
	assert_int_equal(secret_key_check("", &err), -1);
	pack_refuses(twice, 3, ERR_INVALID, "key 'a': given twice");
	pack_refuses(twice, 0, ERR_INVALID, "no key is given");
}

static void limits_and_one_more(void **state)
{
	cleanup_free uint8_t *bytes = calloc(1, SECRET_DATA_MAX);
	cleanup_free struct secret_value *many = calloc(SECRET_KEYS_MAX + 1, sizeof(*many));
	struct secret_value full[] = { { "a", bytes, SECRET_DATA_MAX }, { "b", bytes, 1 } };
	char(*names)[SECRET_KEY_NAME_MAX + 1] = calloc(SECRET_KEYS_MAX + 1, sizeof(*names));
	struct error err = { 0 };
	uint8_t *packed;
	size_t size;

	(void)state;
	pack_refuses(full, 2, ERR_EXHAUSTED, "the values have 1048577 bytes");
	/* Both limits at once still fit in an envelope. */
	for (size_t i = 0; i <= SECRET_KEYS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "%0253zu", i);
		many[i] =
			(struct secret_value){ names[i], bytes, SECRET_DATA_MAX / SECRET_KEYS_MAX };
	}
	assert_int_equal(secret_data_pack(many, SECRET_KEYS_MAX, &packed, &size, &err), 0);
	assert_true(size <= ENVELOPE_PLAIN_MAX);
	envelope_wipe(packed, size);
	pack_refuses(many, SECRET_KEYS_MAX + 1, ERR_EXHAUSTED, "1025 keys, at most 1024");
	free(names);
}

static void unpack_refuses(const void *bytes, size_t size, const char *why)
{
	struct error err = { 0 };
	K8sSecret *secret = NULL;

	assert_int_equal(secret_data_unpack(bytes, size, &secret, &err), -1);
	assert_null(secret);
	if (!strstr(err.text, why))
		fail_msg("'%s' does not say '%s'", err.text, why);
}

static void only_data_is_taken(void **state)
{
	(void)state;
	unpack_refuses("", 0, "no key is given");
	unpack_refuses("\x0a\x00\x12\x05\x0a\x01"
		       "a\x12\x00",
		9, "more than 'data'");
	unpack_refuses("\x1a\x01x\x12\x05\x0a\x01"
		       "a\x12\x00",
		10, "more than 'data'");
	unpack_refuses("\x12\x00", 2, "key '': must have");       /* no key */
	unpack_refuses("\x12\x05\x0a\x03../", 7, "only letters"); /* a path */
	unpack_refuses("\x12\x05\x0a\x01", 4, "");                /* cut short */
	unpack_refuses("\x12\x03\x0a\x01"
		       "a\x12\x03\x0a\x01"
		       "a",
		10, "given twice");
	unpack_refuses("\xff\xff\xff\xff", 4, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_in_its_context),
		cmocka_unit_test(wrong_context_is_refused),
		cmocka_unit_test(every_changed_bit_is_refused),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(the_largest_and_one_more),
		cmocka_unit_test(data_round_trip),
		cmocka_unit_test(keys_are_checked),
		cmocka_unit_test(limits_and_one_more),
		cmocka_unit_test(only_data_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
