/* A node that joins: what it asks with, and what it is signed. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "proto/wire_check.h"
#include "secrets/join.h"
#include "secrets/pki.h"
#include "secrets/sealing_key.h"
#include "secrets/setup.h"

static struct error err;

/* A cluster's first node and one that asks. */
struct fixture {
	char dir[64];
	char keys[2][96], pki[2][96], cluster[2][96];
	struct join_authority authority;
	Bulkhead__V1__JoinNodeRequest *request;
	char *own[2]; /* the request's own strings, while it borrows others */
};

static void read_request(struct fixture *f)
{
	cleanup_free char *data = NULL;
	char path[160];
	ProtobufCMessage *message;
	size_t size;

	snprintf(path, sizeof(path), "%s/" JOIN_REQUEST, f->pki[1]);
	assert_int_equal(file_read_at(AT_FDCWD, path, 65536, &data, &size, &err), 0);
	assert_int_equal(message_unpack(&bulkhead__v1__join_node_request__descriptor,
				 (uint8_t *)data, size, &message, &err),
		0);
	f->request = (Bulkhead__V1__JoinNodeRequest *)message;
	f->own[0] = f->request->name;
	f->own[1] = f->request->address;
	f->request->name = (char *)(uintptr_t) "b";
	f->request->address = (char *)(uintptr_t) "192.0.2.2";
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct setup_node first = { .name = "a", .address = "192.0.2.1", .uid = getuid() };
	struct join_node second = { .name = "b", .uid = getuid() };

	strcpy(f->dir, "/tmp/bulkhead-join-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	for (int i = 0; i < 2; i++) {
		snprintf(f->keys[i], sizeof(f->keys[i]), "%s/keys%d", f->dir, i);
		snprintf(f->pki[i], sizeof(f->pki[i]), "%s/pki%d", f->dir, i);
		snprintf(f->cluster[i], sizeof(f->cluster[i]), "%s/cluster%d", f->dir, i);
	}
	first.keys = f->keys[0];
	first.pki = f->pki[0];
	first.cluster = f->cluster[0];
	second.keys = f->keys[1];
	second.pki = f->pki[1];
	second.cluster = f->cluster[1];
	if (setup_node(&first, &err) < 0 || join_prepare(&second, &err) < 0 ||
		join_authority_load(&f->authority, f->keys[0], &err) < 0)
		fail_msg("%s", err.text);
	read_request(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	f->request->name = f->own[0];
	f->request->address = f->own[1];
	bulkhead__v1__join_node_request__free_unpacked(f->request, NULL);
	join_authority_done(&f->authority);
	assert_int_equal(tree_remove_at(AT_FDCWD, f->dir, &err), 0);
	free(f);
	return 0;
}

static X509 *cert_of(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	assert_non_null(cert);
	BIO_free(bio);
	return cert;
}

/* As a TLS peer verifies: chain and purpose. */
static int verifies(X509 *ca, const char *pem, int purpose)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509 *cert = cert_of(pem);
	int ok;

	X509_STORE_add_cert(store, ca);
	X509_STORE_CTX_init(ctx, store, cert, NULL);
	X509_STORE_CTX_set_purpose(ctx, purpose);
	ok = X509_verify_cert(ctx) == 1;
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	X509_free(cert);
	return ok;
}

static void assert_subject(const char *pem, const char *name, const char *group)
{
	X509 *cert = cert_of(pem);
	char text[128] = "";

	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, text, sizeof(text));
	assert_string_equal(text, name);
	text[0] = '\0';
	X509_NAME_get_text_by_NID(
		X509_get_subject_name(cert), NID_organizationName, text, sizeof(text));
	assert_string_equal(text, group);
	X509_free(cert);
}

static void each_certificate_serves_its_purpose_only(void **state)
{
	struct fixture *f = *state;
	Bulkhead__V1__JoinNodeResponse *r;
	X509 *database;
	char *ca;
	size_t size;
	char path[160];

	if (join_sign(&f->authority, f->request, &r, &err) < 0)
		fail_msg("%s", err.text);
	assert_subject(r->server_certificate, "b", "");
	assert_subject(r->member_certificate, "b", "");
	assert_subject(r->node_certificate, "system:node:b", "system:nodes");
	assert_true(verifies(f->authority.ca, r->server_certificate, X509_PURPOSE_SSL_SERVER));
	assert_false(verifies(f->authority.ca, r->server_certificate, X509_PURPOSE_SSL_CLIENT));
	assert_true(verifies(f->authority.ca, r->node_certificate, X509_PURPOSE_SSL_CLIENT));
	assert_true(
		verifies(f->authority.nodes_ca, r->member_certificate, X509_PURPOSE_SSL_CLIENT));
	/* No node of the database is a user, and no user a node of it. */
	assert_false(verifies(f->authority.ca, r->member_certificate, X509_PURPOSE_SSL_CLIENT));
	assert_false(verifies(f->authority.nodes_ca, r->node_certificate, X509_PURPOSE_SSL_CLIENT));
	assert_false(
		verifies(f->authority.nodes_ca, r->server_certificate, X509_PURPOSE_SSL_SERVER));
	/* The database vouches for itself and for nobody. */
	database = cert_of(r->database_certificate);
	assert_true(verifies(database, r->database_certificate, X509_PURPOSE_SSL_SERVER));
	assert_false(verifies(database, r->member_certificate, X509_PURPOSE_SSL_CLIENT));
	assert_false(verifies(f->authority.ca, r->database_certificate, X509_PURPOSE_SSL_SERVER));
	X509_free(database);
	snprintf(path, sizeof(path), "%s/" SETUP_CA_CERT, f->pki[0]);
	assert_int_equal(file_read_at(AT_FDCWD, path, 65536, &ca, &size, &err), 0);
	assert_int_equal(sealing_key_check(ca, "b", f->request->sealing_key.data,
				 r->sealing_key_signature.data, r->sealing_key_signature.len, &err),
		0);
	assert_int_equal(sealing_key_check(ca, "a", f->request->sealing_key.data,
				 r->sealing_key_signature.data, r->sealing_key_signature.len, &err),
		-1);
	free(ca);
	bulkhead__v1__join_node_response__free_unpacked(r, NULL);
}

/* Its own name and address, and the machine's own: it poses as no other server. */
static void the_server_is_named_as_the_cluster_knows_it(void **state)
{
	struct fixture *f = *state;
	Bulkhead__V1__JoinNodeResponse *r;
	X509 *cert;

	if (join_sign(&f->authority, f->request, &r, &err) < 0)
		fail_msg("%s", err.text);
	cert = cert_of(r->server_certificate);
	assert_int_equal(X509_check_host(cert, "b", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(cert, "192.0.2.2", 0), 1);
	assert_int_equal(X509_check_host(cert, "a", 0, 0, NULL), 0);
	assert_int_equal(X509_check_ip_asc(cert, "192.0.2.1", 0), 0);
	X509_free(cert);
	bulkhead__v1__join_node_response__free_unpacked(r, NULL);
}

static void refused(struct fixture *f, const char *why)
{
	Bulkhead__V1__JoinNodeResponse *r;

	assert_int_equal(join_sign(&f->authority, f->request, &r, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	if (!strstr(err.text, why))
		fail_msg("'%s' does not say '%s'", err.text, why);
}

static void requests_must_prove_their_key(void **state)
{
	struct fixture *f = *state;
	ProtobufCBinaryData *request = &f->request->member_request;
	size_t len = request->len;
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	uint8_t *own = request->data;

	own[len - 1] ^= 1;
	refused(f, "member_request: its signature does not fit its key");
	own[len - 1] ^= 1;
	request->len = len - 1;
	refused(f, "member_request: it is no certificate request");
	request->len = 0;
	refused(f, "member_request: it is no certificate request");
	assert_int_equal(pki_request_new(key, &request->data, &request->len, &err), 0);
	refused(f, "member_request: its key is not one of P-256");
	OPENSSL_free(request->data);
	request->data = own;
	request->len = len;
	EVP_PKEY_free(key);
}

static void other_fields_are_judged(void **state)
{
	struct fixture *f = *state;

	f->request->name = (char *)(uintptr_t) "B";
	refused(f, "node 'B'");
	f->request->name = (char *)(uintptr_t) "b,O=system:masters";
	refused(f, "node 'b,O=system:masters'");
	f->request->name = (char *)(uintptr_t) "b";
	f->request->address = (char *)(uintptr_t) "192.0.2.2,DNS:a";
	refused(f, "address: '192.0.2.2,DNS:a' is not an IPv4 address");
	f->request->address = (char *)(uintptr_t) "a"; /* the first node's name */
	refused(f, "address: 'a' is not an IPv4 address");
	f->request->address = (char *)(uintptr_t) "192.0.2.2";
	f->request->sealing_key.len--;
	refused(f, "sealing_key: has 31 bytes");
	f->request->sealing_key.len++;
}

static void keys_are_not_made_twice(void **state)
{
	struct fixture *f = *state;
	struct join_node again = { f->keys[1], f->pki[1], f->cluster[1], "b", getuid() };
	struct stat st;
	char path[160];

	assert_int_equal(join_prepare(&again, &err), -1);
	assert_int_equal(err.code, ERR_EXISTS);
	snprintf(path, sizeof(path), "%s/" JOIN_MEMBER_KEY, f->cluster[1]);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* Who has no authority signs nothing. */
	assert_int_equal(join_authority_load(&(struct join_authority){ 0 }, f->keys[1], &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(each_certificate_serves_its_purpose_only),
		T(the_server_is_named_as_the_cluster_knows_it),
		T(requests_must_prove_their_key),
		T(other_fields_are_judged),
		T(keys_are_not_made_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
