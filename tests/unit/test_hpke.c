/* HPKE against published vectors, and what must not open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "secrets/hpke.h"

#define INFO  "4f6465206f6e2061204772656369616e2055726e"
#define PLAIN "4265617574792069732074727574682c20747275746820626561757479"
#define AAD   "436f756e742d30"

/* Base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, the first encryption. */
static const struct vector {
	const char *source;
	enum hpke_aead aead;
	const char *ephemeral;
	const char *enc;
	const char *private_key;
	const char *public_key;
	const char *cipher;
} vectors[] = {
	{ "RFC 9180, A.1.1", HPKE_AES_128_GCM,
		"52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736",
		"37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431",
		"4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8",
		"3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d",
		"f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a9"
		"6d8770ac83d07bea87e13c512a" },
	{ "test-vectors.json of RFC 9180's authors, aead_id 2", HPKE_AES_256_GCM,
		"179d4b53b6365c45b600c4163b61d95cbc2f4d9e36f1695558dce265ab8bab11",
		"6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256",
		"497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d",
		"430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c",
		"e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be99319"
		"80a41de125a925cdad859d5b7a" },
};

static size_t unhex(uint8_t *bytes, const char *hex)
{
	size_t size = strlen(hex) / 2;

	for (size_t i = 0; i < size; i++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		bytes[i] = (uint8_t)byte;
	}
	return size;
}

/* A vector's values as bytes, ready to use. */
struct values {
	uint8_t info[64], aad[16], plain[64], ephemeral[32], enc[32], private_key[32],
		public_key[32], cipher[64];
	size_t plain_size, cipher_size;
	struct hpke_params params;
};

static void values_of(struct values *v, const struct vector *vector)
{
	v->params.aead = vector->aead;
	v->params.info = v->info;
	v->params.info_size = unhex(v->info, INFO);
	v->params.aad = v->aad;
	v->params.aad_size = unhex(v->aad, AAD);
	v->plain_size = unhex(v->plain, PLAIN);
	v->cipher_size = unhex(v->cipher, vector->cipher);
	unhex(v->ephemeral, vector->ephemeral);
	unhex(v->enc, vector->enc);
	unhex(v->private_key, vector->private_key);
	unhex(v->public_key, vector->public_key);
}

static void published_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		uint8_t public_key[32], enc[32], cipher[64], plain[64];
		struct error err = { 0 };
		struct values v;

		values_of(&v, &vectors[i]);
		assert_int_equal(hpke_public(v.private_key, public_key, &err), 0);
		assert_memory_equal(public_key, v.public_key, 32);
		assert_int_equal(hpke_seal_with(&v.params, v.ephemeral, v.public_key, v.plain,
					 v.plain_size, enc, cipher, &err),
			0);
		assert_memory_equal(enc, v.enc, 32);
		assert_int_equal(v.cipher_size, v.plain_size + HPKE_TAG_SIZE);
		assert_memory_equal(cipher, v.cipher, v.cipher_size);
		assert_int_equal(hpke_open(&v.params, v.private_key, v.enc, v.cipher, v.cipher_size,
					 plain, &err),
			0);
		assert_memory_equal(plain, v.plain, v.plain_size);
	}
}

/* One bit changed anywhere, or other parameters: no byte of plain text comes out. */
static void assert_refused(const struct values *v)
{
	uint8_t plain[64];
	struct error err = { 0 };

	memset(plain, 0xaa, sizeof(plain));
	assert_int_equal(hpke_open(&v->params, v->private_key, v->enc, v->cipher, v->cipher_size,
				 plain, &err),
		-1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_true(memcmp(plain, v->plain, 4) != 0);
}

static void changed_is_refused(void **state)
{
	struct values v;

	(void)state;
	values_of(&v, &vectors[1]);
	for (size_t i = 0; i < v.cipher_size * 8; i++) {
		v.cipher[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_refused(&v);
		v.cipher[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	for (size_t i = 0; i < 32; i++) {
		v.enc[i] ^= 1;
		assert_refused(&v);
		v.enc[i] ^= 1;
	}
	/* The other bits of a private key's first and last byte are clamped away. */
	v.private_key[1] ^= 1;
	assert_refused(&v);
	v.private_key[1] ^= 1;
	v.params.aad_size--;
	assert_refused(&v);
	v.params.aad_size++;
	v.params.info_size--;
	assert_refused(&v);
	v.params.info_size++;
	v.params.aead = HPKE_AES_128_GCM;
	assert_refused(&v);
	v.params.aead = HPKE_AES_256_GCM;
	v.cipher_size--;
	assert_refused(&v);
	v.cipher_size = HPKE_TAG_SIZE;
	assert_refused(&v);
	v.cipher_size = HPKE_TAG_SIZE - 1;
	assert_refused(&v);
	v.cipher_size = 0;
	assert_refused(&v);
}

static void two_seals_differ(void **state)
{
	const struct hpke_params params = { .aead = HPKE_AES_256_GCM };
	uint8_t private_key[32], public_key[32], enc[2][32], cipher[2][16 + 5], plain[5];
	struct error err = { 0 };

	(void)state;
	assert_int_equal(hpke_generate(private_key, public_key, &err), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			hpke_seal(&params, public_key, "hello", 5, enc[i], cipher[i], &err), 0);
		assert_int_equal(
			hpke_open(&params, private_key, enc[i], cipher[i], 21, plain, &err), 0);
		assert_memory_equal(plain, "hello", 5);
	}
	assert_memory_not_equal(enc[0], enc[1], 32);
	assert_memory_not_equal(cipher[0], cipher[1], 21);
}

static void nothing_seals_too(void **state)
{
	const struct hpke_params params = { .aead = HPKE_AES_256_GCM };
	uint8_t private_key[32], public_key[32], enc[32], cipher[16], plain[1];
	struct error err = { 0 };

	(void)state;
	assert_int_equal(hpke_generate(private_key, public_key, &err), 0);
	assert_int_equal(hpke_seal(&params, public_key, "", 0, enc, cipher, &err), 0);
	assert_int_equal(hpke_open(&params, private_key, enc, cipher, 16, plain, &err), 0);
}

/* RFC 7748, 6.1 and RFC 9180, 7.1.4: the points of small order give an all-zero secret. */
static void small_order_is_refused(void **state)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	const struct hpke_params params = { .aead = HPKE_AES_256_GCM };
	uint8_t private_key[32], public_key[32], enc[32], cipher[32] = { 0 }, plain[16];

	(void)state;
	assert_int_equal(hpke_generate(private_key, public_key, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		uint8_t point[32];
		struct error err = { 0 };

		unhex(point, points[i]);
		assert_int_equal(hpke_seal(&params, point, "hello", 5, enc, cipher, &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
		err = (struct error){ 0 };
		assert_int_equal(
			hpke_open(&params, private_key, point, cipher, 32, plain, &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
	}
}

static void sizes_have_a_limit(void **state)
{
	struct hpke_params params = { .aead = HPKE_AES_256_GCM };
	uint8_t key[32], enc[32], byte[1];
	struct error err = { 0 };

	(void)state;
	assert_int_equal(hpke_generate(key, enc, &err), 0);
	assert_int_equal(hpke_seal(&params, enc, byte, HPKE_SIZE_MAX + 1, enc, byte, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	assert_int_equal(hpke_open(&params, key, enc, byte, HPKE_SIZE_MAX + 1, byte, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	params.aad_size = HPKE_SIZE_MAX + 1;
	assert_int_equal(hpke_seal(&params, enc, byte, 0, enc, byte, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_vectors),
		cmocka_unit_test(changed_is_refused),
		cmocka_unit_test(two_seals_differ),
		cmocka_unit_test(nothing_seals_too),
		cmocka_unit_test(small_order_is_refused),
		cmocka_unit_test(sizes_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
