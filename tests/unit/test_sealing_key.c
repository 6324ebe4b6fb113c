/* The CA's word on whose a sealing key is: each part of what it signs counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "secrets/envelope.h"
#include "secrets/pem.h"
#include "secrets/pki.h"
#include "secrets/sealing_key.h"

#define NODE "node-1"

struct fixture {
	EVP_PKEY *ca_key, *other_key;
	char *ca, *other; /* PEM */
	uint8_t key[HPKE_KEY_SIZE];
	uint8_t signature[SEALING_KEY_SIGNATURE_MAX + 1];
	size_t size;
};

static int authority(EVP_PKEY **ret_key, char **ret_pem)
{
	struct error err = { 0 };
	X509 *cert = NULL;
	size_t size;
	int r = pki_key_new(ret_key, &err);

	if (r == 0)
		r = pki_ca_new(&cert, PKI_CA_NAME, *ret_key, &err);
	if (r == 0)
		r = pem_of_cert(cert, ret_pem, &size, &err);
	X509_free(cert);
	return r;
}

static int setup(void **state)
{
	static struct fixture f;
	struct error err = { 0 };

	*state = &f;
	memset(f.key, 7, sizeof(f.key));
	if (authority(&f.ca_key, &f.ca) < 0 || authority(&f.other_key, &f.other) < 0)
		return -1;
	return sealing_key_sign(f.ca_key, NODE, f.key, f.signature, &f.size, &err);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	EVP_PKEY_free(f->ca_key);
	EVP_PKEY_free(f->other_key);
	envelope_wipe(f->ca, strlen(f->ca));
	envelope_wipe(f->other, strlen(f->other));
	return 0;
}

static void refused(
	const struct fixture *f, const char *ca, const char *node, size_t size, const char *why)
{
	struct error err = { 0 };

	assert_int_equal(sealing_key_check(ca, node, f->key, f->signature, size, &err), -1);
	assert_int_equal(err.code, ERR_UNAUTHENTICATED);
	if (!strstr(err.text, why))
		fail_msg("'%s' does not say '%s'", err.text, why);
}

static void the_ca_is_believed(void **state)
{
	const struct fixture *f = *state;
	cleanup_free char *both = malloc(strlen(f->ca) + strlen(f->other) + 1);
	struct error err = { 0 };

	assert_int_equal(sealing_key_check(f->ca, NODE, f->key, f->signature, f->size, &err), 0);
	/* One of several is enough, as for the connection. */
	strcpy(both, f->other);
	strcat(both, f->ca);
	assert_int_equal(sealing_key_check(both, NODE, f->key, f->signature, f->size, &err), 0);
	refused(f, f->other, NODE, f->size, "node 'node-1': its sealing key is not signed by");
	refused(f, "", NODE, f->size, "is not signed by");
	refused(f, "nonsense", NODE, f->size, "is not signed by");
}

static void each_part_counts(void **state)
{
	struct fixture *f = *state;

	refused(f, f->ca, "node-2", f->size, "node 'node-2'");
	refused(f, f->ca, "node-", f->size, "is not signed by");
	refused(f, f->ca, "", f->size, "is not signed by");
	refused(f, f->ca, NODE, 0, "has no signature of the cluster's CA");
	refused(f, f->ca, NODE, f->size - 1, "is not signed by");
	refused(f, f->ca, NODE, SEALING_KEY_SIGNATURE_MAX + 1, "is not signed by");
	for (size_t bit = 0; bit < HPKE_KEY_SIZE * 8; bit++) {
		f->key[bit / 8] ^= (uint8_t)(1u << bit % 8);
		refused(f, f->ca, NODE, f->size, "is not signed by");
		f->key[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t bit = 0; bit < f->size * 8; bit++) {
		f->signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
		refused(f, f->ca, NODE, f->size, "is not signed by");
		f->signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void names_have_a_limit(void **state)
{
	struct fixture *f = *state;
	uint8_t signature[SEALING_KEY_SIGNATURE_MAX];
	char name[SEALING_KEY_NODE_MAX + 2];
	EVP_PKEY *x25519 = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	EVP_PKEY *p384 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
	struct error err = { 0 };
	size_t size;

	memset(name, 'n', sizeof(name));
	name[SEALING_KEY_NODE_MAX] = '\0';
	assert_int_equal(sealing_key_sign(f->ca_key, name, f->key, signature, &size, &err), 0);
	assert_int_equal(sealing_key_check(f->ca, name, f->key, signature, size, &err), 0);
	name[SEALING_KEY_NODE_MAX] = 'n';
	name[SEALING_KEY_NODE_MAX + 1] = '\0';
	assert_int_equal(sealing_key_sign(f->ca_key, name, f->key, signature, &size, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_int_equal(sealing_key_check(f->ca, name, f->key, signature, size, &err), -1);
	assert_int_equal(sealing_key_sign(f->ca_key, "", f->key, signature, &size, &err), -1);
	assert_int_equal(sealing_key_sign(x25519, NODE, f->key, signature, &size, &err), -1);
	assert_int_equal(sealing_key_sign(p384, NODE, f->key, signature, &size, &err), -1);
	assert_string_equal(err.text, "the CA's key is not of P-256");
	EVP_PKEY_free(x25519);
	EVP_PKEY_free(p384);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ca_is_believed),
		cmocka_unit_test(each_part_counts),
		cmocka_unit_test(names_have_a_limit),
	};

	return cmocka_run_group_tests_name("sealing_key", tests, setup, teardown);
}
