/* create project, create secret. A secret leaves this process only sealed to the node's key. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "lib/path.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/secret_input.h"
#include "secrets/envelope.h"
#include "secrets/sealing_key.h"

#define TYPE_DEFAULT "Opaque"

int ctl_create_project(struct ctl *ctl, struct error *err)
{
	Bulkhead__V1__CreateProjectRequest request = BULKHEAD__V1__CREATE_PROJECT_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;
	const char *name = ctl->args->words[2];

	if (!name_is_dns_label(name))
		return error_set(err, ERR_INVALID, 0,
			"'%s' is no project name: at most 63 lower-case letters, digits and '-' "
			"(RFC 1123)",
			name);
	request.name = (char *)(uintptr_t)name;
	if (ctl_call(ctl, "CreateProject", &request.base, &response, err) < 0)
		return -1;
	printf("project/%s created\n", name);
	return CTL_OK;
}

/* ---- secrets ------------------------------------------------------------------------------- */

static int read_input(struct secret_input *input, const struct args *args, struct error *err)
{
	for (size_t i = 0; i < args->literals.len; i++) {
		if (secret_input_literal(input, args->literals.items[i], err) < 0)
			return -1;
	}
	for (size_t i = 0; i < args->from_files.len; i++) {
		if (secret_input_file(input, args->from_files.items[i], err) < 0)
			return -1;
	}
	if (input->len == 0)
		return error_set(err, ERR_INVALID, 0,
			"no key is given; use --from-literal=KEY=VALUE or --from-file=[KEY=]PATH");
	return 0;
}

/* Out of argv, too, which /proc/PID/cmdline shows to whoever asks. */
static void wipe_literals(const struct args *args)
{
	for (size_t i = 0; i < args->literals.len; i++) {
		char *value = strchr(args->literals.items[i], '=');

		if (value)
			OPENSSL_cleanse(value + 1, strlen(value + 1));
	}
}

/* Neither bulkhead-api nor the database is believed when it says whose a key is: the CA is. */
static int judge_key(const struct ctl *ctl, const Bulkhead__V1__NodeInfo *node, struct error *err)
{
	if (node->sealing_key.len != HPKE_KEY_SIZE)
		return error_set(err, ERR_UNAVAILABLE, 0,
			"node '%s' has no sealing key yet; is bulkhead-secretd running?",
			node->name);
#ifndef BULKHEAD_WEAK_SEALING_KEY
	return sealing_key_check(client_ca(ctl->client), node->name, node->sealing_key.data,
		node->sealing_key_signature.data, node->sealing_key_signature.len, err);
#else
	(void)ctl;
	return 0;
#endif
}

/* The node that is asked: the only one that tells its condition. Secrets are sealed to its key, and
 * opened there alone. Borrowed from *ret_list, which is the caller's. */
static const Bulkhead__V1__NodeInfo *find_node(
	struct ctl *ctl, ProtobufCMessage **ret_list, struct error *err)
{
	Bulkhead__V1__ListNodesRequest request = BULKHEAD__V1__LIST_NODES_REQUEST__INIT;
	const Bulkhead__V1__ListNodesResponse *list;

	if (ctl_call(ctl, "ListNodes", &request.base, ret_list, err) < 0)
		return NULL;
	list = (const Bulkhead__V1__ListNodesResponse *)*ret_list;
	for (size_t i = 0; i < list->n_nodes; i++) {
		if (list->nodes[i]->n_conditions > 0)
			return judge_key(ctl, list->nodes[i], err) < 0 ? NULL : list->nodes[i];
	}
	error_set(err, ERR_UNAVAILABLE, 0, "the node does not say which one it is");
	return NULL;
}

/* Fills 'secret' with the sealed form. Its sealed.data is the caller's to free. */
static int seal(Bulkhead__V1__Secret *secret, const struct secret_input *input,
	const Bulkhead__V1__NodeInfo *node, struct error *err)
{
	const struct envelope_context ctx = {
		.project = secret->project,
		.name = secret->name,
		.node = node->name,
	};
	uint8_t *packed;
	size_t size;
	int r;

	if (secret_data_pack(input->values, input->len, &packed, &size, err) < 0)
		return error_prefix(err, "secret '%s'", secret->name);
	r = envelope_seal(node->sealing_key.data, &ctx, packed, size, &secret->sealed.data,
		&secret->sealed.len, err);
	envelope_wipe(packed, size);
	secret->node = node->name;
	return r;
}

static int put(struct ctl *ctl, Bulkhead__V1__Secret *secret, const struct secret_input *input,
	struct error *err)
{
	Bulkhead__V1__PutSecretRequest request = BULKHEAD__V1__PUT_SECRET_REQUEST__INIT;
	cleanup_free Bulkhead__V1__SecretKey *keys = calloc(input->len, sizeof(*keys));
	cleanup_free Bulkhead__V1__SecretKey **pointers =
		calloc(input->len, sizeof(Bulkhead__V1__SecretKey *));
	cleanup_message ProtobufCMessage *response = NULL;

	if (!keys || !pointers)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot send the secret");
	for (size_t i = 0; i < input->len; i++) {
		bulkhead__v1__secret_key__init(&keys[i]);
		keys[i].name = input->names[i];
		keys[i].size = (uint32_t)input->values[i].size;
		pointers[i] = &keys[i];
	}
	secret->keys = pointers;
	secret->n_keys = input->len;
	request.secret = secret;
	request.replace = ctl->args->replace;
	return ctl_call(ctl, "PutSecret", &request.base, &response, err);
}

static int create(struct ctl *ctl, const char *name, struct secret_input *input, struct error *err)
{
	Bulkhead__V1__Secret secret = BULKHEAD__V1__SECRET__INIT;
	cleanup_message ProtobufCMessage *nodes = NULL;
	const Bulkhead__V1__NodeInfo *node;
	int r;

	if (read_input(input, ctl->args, err) < 0 || ctl_connect(ctl, err) < 0)
		return -1;
	node = find_node(ctl, &nodes, err);
	if (!node)
		return -1;
	secret.project = (char *)(uintptr_t)ctl_project(ctl);
	secret.name = (char *)(uintptr_t)name;
	secret.type = (char *)(uintptr_t)(ctl->args->type ? ctl->args->type : TYPE_DEFAULT);
	r = seal(&secret, input, node, err);
	wipe_literals(ctl->args);
	if (r == 0)
		r = put(ctl, &secret, input, err);
	free(secret.sealed.data);
	return r;
}

int ctl_create_secret(struct ctl *ctl, struct error *err)
{
	const char *kind = ctl->args->words[2];
	const char *name = ctl->args->words[3];
	struct secret_input *input;
	int r;

	if (strcmp(kind, "generic") != 0)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"secrets of kind '%s' are not made here; use 'create secret generic NAME'",
			kind);
	if (!name_is_dns_subdomain(name))
		return error_set(err, ERR_INVALID, 0,
			"'%s' is no secret name: lower-case letters, digits, '-' and '.' (RFC "
			"1123)",
			name);
	input = malloc(sizeof(*input));
	if (!input || secret_input_init(input, err) < 0) {
		free(input);
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot read a secret");
	}
	r = create(ctl, name, input, err);
	secret_input_done(input);
	free(input);
	if (r < 0)
		return -1;
	printf("secret/%s %s\n", name, ctl->args->replace ? "replaced" : "created");
	return CTL_OK;
}
