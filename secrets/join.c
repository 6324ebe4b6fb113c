#include "secrets/join.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/ipnet.h"
#include "secrets/envelope.h"
#include "secrets/key_files.h"
#include "secrets/pem.h"
#include "secrets/pki.h"
#include "secrets/sealing_key.h"
#include "secrets/setup.h"

/* ---- the node's side ----------------------------------------------------------------------- */

struct own {
	EVP_PKEY *server_key, *member_key, *sealing_key, *token_key;
};

static void own_done(struct own *own)
{
	EVP_PKEY_free(own->server_key);
	EVP_PKEY_free(own->member_key);
	EVP_PKEY_free(own->sealing_key);
	EVP_PKEY_free(own->token_key);
}
#define cleanup_own __attribute__((cleanup(own_done)))

static int make_keys(struct own *own, struct error *err)
{
	if (pki_key_new(&own->server_key, err) < 0 || pki_key_new(&own->member_key, err) < 0 ||
		pki_key_new(&own->token_key, err) < 0)
		return -1;
	own->sealing_key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	if (!own->sealing_key)
		return error_set(err, ERR_INTERNAL, 0, "OpenSSL cannot make an X25519 key");
	return 0;
}

static int add_request(
	struct key_files *files, const struct folder *pki, const struct own *own, struct error *err)
{
	Bulkhead__V1__JoinNodeRequest request = BULKHEAD__V1__JOIN_NODE_REQUEST__INIT;
	cleanup_free uint8_t *packed = NULL;
	uint8_t sealing[HPKE_KEY_SIZE];
	size_t size = sizeof(sealing);
	int r;

	if (EVP_PKEY_get_raw_public_key(own->sealing_key, sealing, &size) != 1)
		return error_set(err, ERR_INTERNAL, 0, "OpenSSL cannot show an X25519 key");
	request.sealing_key = (ProtobufCBinaryData){ size, sealing };
	r = pki_request_new(
		own->server_key, &request.server_request.data, &request.server_request.len, err);
	if (r == 0)
		r = pki_request_new(own->member_key, &request.member_request.data,
			&request.member_request.len, err);
	size = r == 0 ? protobuf_c_message_get_packed_size(&request.base) : 0;
	packed = malloc(size + 1);
	if (r == 0 && !packed)
		r = error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make a request");
	if (r == 0) {
		protobuf_c_message_pack(&request.base, packed);
		r = key_files_data(files, pki, JOIN_REQUEST, packed, size, 0600, err);
	}
	OPENSSL_free(request.server_request.data);
	OPENSSL_free(request.member_request.data);
	return r;
}

static int write_own(const struct own *own, const struct join_node *node, const struct folder *keys,
	const struct folder *pki, const struct folder *cluster, struct error *err)
{
	cleanup_key_files struct key_files files = { .len = 0 };

	if (key_files_key(&files, keys, SETUP_SEALING_KEY, own->sealing_key, err) < 0 ||
		key_files_key(&files, keys, SETUP_TOKEN_KEY, own->token_key, err) < 0 ||
		key_files_data(&files, keys, SETUP_NODE_NAME, node->name, strlen(node->name), 0600,
			err) < 0 ||
		key_files_key(&files, pki, SETUP_SERVER_KEY, own->server_key, err) < 0 ||
		key_files_key(&files, cluster, JOIN_MEMBER_KEY, own->member_key, err) < 0 ||
		add_request(&files, pki, own, err) < 0 ||
		key_files_refuse_existing(&files, err) < 0 ||
		folder_own(keys, 0700, node->uid, err) < 0 ||
		folder_own(pki, 0755, geteuid(), err) < 0 ||
		folder_own(cluster, 0700, geteuid(), err) < 0)
		return -1;
	return key_files_write(&files, err);
}

int join_prepare(const struct join_node *node, struct error *err)
{
	struct folder keys = { .fd = -1 }, pki = { .fd = -1 }, cluster = { .fd = -1 };
	cleanup_own struct own own = { NULL };
	int r = make_keys(&own, err);

	if (r == 0)
		r = folder_open(&keys, node->keys, 0700, err);
	if (r == 0)
		r = folder_open(&pki, node->pki, 0755, err);
	if (r == 0)
		r = folder_open(&cluster, node->cluster, 0700, err);
	if (r == 0)
		r = write_own(&own, node, &keys, &pki, &cluster, err);
	folder_close(&cluster, r < 0);
	folder_close(&pki, r < 0);
	folder_close(&keys, r < 0);
	return r;
}

/* ---- the cluster's side -------------------------------------------------------------------- */

int join_authority_load(struct join_authority *ret, const char *keys, struct error *err)
{
	cleanup_close int fd = open(keys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*ret = (struct join_authority){ NULL };
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open '%s'", keys);
	if (pem_read_key(fd, SETUP_CA_KEY, &ret->ca_key, err) < 0 ||
		pem_read_key(fd, SETUP_NODES_CA_KEY, &ret->nodes_ca_key, err) < 0 ||
		pem_read_cert(fd, SETUP_CA_CERT, &ret->ca, err) < 0 ||
		pem_read_cert(fd, SETUP_NODES_CA_CERT, &ret->nodes_ca, err) < 0 ||
		pem_read_cert(fd, SETUP_DATABASE_CERT, &ret->database, err) < 0)
		return -1;
	return 0;
}

void join_authority_done(struct join_authority *authority)
{
	EVP_PKEY_free(authority->ca_key);
	EVP_PKEY_free(authority->nodes_ca_key);
	X509_free(authority->ca);
	X509_free(authority->nodes_ca);
	X509_free(authority->database);
}

/* A certificate for the key of 'request' as PEM; released with free(). */
static int issue(const ProtobufCBinaryData *request, const char *field,
	const struct pki_subject *subject, X509 *ca, EVP_PKEY *ca_key, char **ret,
	struct error *err)
{
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	size_t size;
	int r = pki_request_key(request->data, request->len, &key, err);

	if (r < 0)
		error_prefix(err, "%s", field);
	if (r == 0)
		r = pki_issue(&cert, subject, key, ca, ca_key, err);
	if (r == 0)
		r = pem_of_cert(cert, ret, &size, err);
	X509_free(cert);
	EVP_PKEY_free(key);
	return r;
}

static int sign_sealing(const struct join_authority *authority,
	const Bulkhead__V1__JoinNodeRequest *request, ProtobufCBinaryData *ret, struct error *err)
{
	if (request->sealing_key.len != HPKE_KEY_SIZE)
		return error_set(err, ERR_INVALID, 0,
			"sealing_key: has %zu bytes; an X25519 public key has %d",
			request->sealing_key.len, HPKE_KEY_SIZE);
	ret->data = malloc(SEALING_KEY_SIGNATURE_MAX);
	if (!ret->data)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot sign the sealing key");
	return sealing_key_sign(authority->ca_key, request->name, request->sealing_key.data,
		ret->data, &ret->len, err);
}

/*
 * A certificate for the API names what the cluster knows a node by: its name and its address, which
 * are no other's. Anything else that the node may say would let it pose as other servers.
 */
static int check_address(const char *address, struct error *err)
{
	uint32_t number;

	return address_parse(address, &number, err) < 0 ? error_prefix(err, "address") : 0;
}

static int fill(const struct join_authority *authority,
	const Bulkhead__V1__JoinNodeRequest *request, Bulkhead__V1__JoinNodeResponse *response,
	struct error *err)
{
	static const char *const groups[] = { JOIN_NODE_GROUP };
	const struct pki_subject server = {
		.use = PKI_SERVER,
		.name = request->name,
		.address = request->address,
		.life = PKI_NODE_LIFE,
	};
	const struct pki_subject member = {
		.use = PKI_CLIENT,
		.name = request->name,
		.life = PKI_NODE_LIFE,
	};
	char user[sizeof(JOIN_NODE_PREFIX) + SEALING_KEY_NODE_MAX];
	const struct pki_subject node = {
		.use = PKI_CLIENT,
		.name = user,
		.groups = groups,
		.groups_len = ARRAY_LEN(groups),
		.life = PKI_NODE_LIFE,
	};
	size_t size;

	snprintf(user, sizeof(user), JOIN_NODE_PREFIX "%s", request->name);
	if (check_address(request->address, err) < 0 ||
		issue(&request->server_request, "server_request", &server, authority->ca,
			authority->ca_key, &response->server_certificate, err) < 0 ||
		issue(&request->member_request, "member_request", &member, authority->nodes_ca,
			authority->nodes_ca_key, &response->member_certificate, err) < 0 ||
		issue(&request->member_request, "member_request", &node, authority->ca,
			authority->ca_key, &response->node_certificate, err) < 0 ||
		pem_of_cert(authority->database, &response->database_certificate, &size, err) < 0)
		return -1;
	return sign_sealing(authority, request, &response->sealing_key_signature, err);
}

int join_sign(const struct join_authority *authority, const Bulkhead__V1__JoinNodeRequest *request,
	Bulkhead__V1__JoinNodeResponse **ret, struct error *err)
{
	Bulkhead__V1__JoinNodeResponse *response = malloc(sizeof(*response));

	if (!response)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot answer");
	bulkhead__v1__join_node_response__init(response);
	if (fill(authority, request, response, err) < 0) {
		bulkhead__v1__join_node_response__free_unpacked(response, NULL);
		return -1;
	}
	*ret = response;
	return 0;
}
