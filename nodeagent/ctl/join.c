/* token create, on the node that has the cluster's database, and join, on the machine to come. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "auth/rbac.h"
#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/path.h"
#include "nodeagent/ctl/node_files.h"
#include "nodeagent/ctl/print.h"
#include "proto/decode.h"
#include "proto/encode.h"
#include "proto/wire_check.h"
#include "secrets/join.h"
#include "secrets/setup.h"

#define TTL_DEFAULT 3600
#define TTL_MIN     60
#define TTL_MAX     (7 * 24 * 3600)

static char *borrow(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* ---- token create --------------------------------------------------------------------------- */

/* A directory that goes with what is in it. */
struct scratch {
	char path[32];
};

static int scratch_make(struct scratch *scratch, struct error *err)
{
	*scratch = (struct scratch){ "/tmp/bulkhead-XXXXXX" };
	if (mkdtemp(scratch->path))
		return 0;
	scratch->path[0] = '\0';
	return error_set(err, error_code_of(errno), errno, "cannot make a directory in /tmp");
}

static void scratch_done(struct scratch *scratch)
{
	if (scratch->path[0])
		tree_remove_at(AT_FDCWD, scratch->path, NULL);
}
#define cleanup_scratch __attribute__((cleanup(scratch_done)))

static int issue(const Bulkhead__V1__NodeConfig *config, const char *state, const char *node,
	int64_t ttl, const char *cert, const char *key, struct error *err)
{
	char program[PATH_MAX], keys[PATH_MAX], pki[PATH_MAX], life[24];
	char user[sizeof(RBAC_JOIN_PREFIX) + 253];
	char *argv[] = { program, borrow("--issue"), borrow("--keys"), keys, borrow("--pki"), pki,
		borrow("--cn"), user, borrow("--org"), borrow(RBAC_JOINERS), borrow("--out-cert"),
		borrow(cert), borrow("--out-key"), borrow(key), borrow("--life"), life, NULL };

	snprintf(program, sizeof(program), "%s/bulkhead-secretd", config->libexec_dir);
	snprintf(keys, sizeof(keys), "%s/keys", state);
	snprintf(pki, sizeof(pki), "%s/pki", state);
	snprintf(user, sizeof(user), RBAC_JOIN_PREFIX "%s", node);
	snprintf(life, sizeof(life), "%lld", (long long)ttl);
	return run_tool(argv, err);
}

/* Where machines call this node: not at an address that stands for all. */
static int server_of(
	const Bulkhead__V1__NodeConfig *config, char *ret, size_t size, struct error *err)
{
	char host[256];

	host_of(config->listen, host, sizeof(host));
	if (strcmp(host, "0.0.0.0") == 0)
		snprintf(host, sizeof(host), "%s", config->address);
	if (strncmp(host, "127.", 4) == 0 || strcmp(host, "localhost") == 0)
		return error_set(err, ERR_PRECONDITION, 0,
			"this node's API listens on %s, where no other machine reaches it; set "
			"'listen' in node.yaml and start it again",
			config->listen);
	snprintf(ret, size, "%s%s", host, strrchr(config->listen, ':'));
	return 0;
}

static int check_token(const struct args *args, const Bulkhead__V1__NodeConfig *config,
	const char *node, int64_t ttl, struct error *err)
{
	(void)args;
	if (!name_is_dns_subdomain(node))
		return error_set(err, ERR_INVALID, 0,
			"'%s' is no node name: lower-case letters, digits, '-' and '.' (RFC 1123)",
			node);
	if (ttl < TTL_MIN || ttl > TTL_MAX)
		return error_set(err, ERR_INVALID, 0, "--ttl: must be one minute to seven days");
	if (config->manager[0])
		return error_set(err, ERR_PRECONDITION, 0,
			"this node's cluster is managed at %s: make tokens there", config->manager);
	if (!config->cluster_listen[0])
		return error_set(err, ERR_PRECONDITION, 0,
			"this node serves its cluster to nobody: set 'cluster_listen' and "
			"'address' in "
			"node.yaml and start it again, or make it with 'init --cluster-listen'");
	return 0;
}

static int read_text(const char *path, char **ret, struct error *err)
{
	size_t size;

	return file_read_at(AT_FDCWD, path, NODE_FILE_MAX, ret, &size, err);
}

static int print_token(Bulkhead__V1__JoinToken *token, const char *state, const char *cert,
	const char *key, struct error *err)
{
	cleanup_free char *ca_text = NULL, *cert_text = NULL, *key_text = NULL, *yaml = NULL;
	char ca[PATH_MAX];

	snprintf(ca, sizeof(ca), "%s/pki/%s", state, SETUP_CA_CERT);
	if (read_text(ca, &ca_text, err) < 0 || read_text(cert, &cert_text, err) < 0 ||
		read_text(key, &key_text, err) < 0)
		return -1;
	token->ca = ca_text;
	token->certificate = cert_text;
	token->key = key_text;
	if (encode_yaml(&token->base, NULL, NULL, &yaml, err) < 0)
		return -1;
	printf("# Lets one machine join as node %s. Secret: who has it can be that node.\n%s",
		token->node, yaml);
	return CTL_OK;
}

int ctl_token_create(struct ctl *ctl, struct error *err)
{
	const struct args *args = ctl->args;
	const char *state = or_default(args->state_dir, NODE_STATE_DIR);
	const int64_t ttl = args->given & ARG(TTL) ? args->ttl : TTL_DEFAULT;
	Bulkhead__V1__JoinToken token = BULKHEAD__V1__JOIN_TOKEN__INIT;
	cleanup_message Bulkhead__V1__NodeConfig *config = NULL;
	cleanup_scratch struct scratch scratch = { "" };
	char cert[64], key[64], server[320];

	if (geteuid() != 0)
		return error_set(err, ERR_DENIED, 0, "token needs root: the CA's key is root's");
	if (node_read_config(state, &config, err) < 0 ||
		check_token(args, config, args->words[2], ttl, err) < 0 ||
		server_of(config, server, sizeof(server), err) < 0 ||
		scratch_make(&scratch, err) < 0)
		return -1;
	snprintf(cert, sizeof(cert), "%s/cert.pem", scratch.path);
	snprintf(key, sizeof(key), "%s/key.pem", scratch.path);
	if (issue(config, state, args->words[2], ttl, cert, key, err) < 0)
		return -1;
	token.node = borrow(args->words[2]);
	token.server = server;
	token.server_name = config->node_name;
	token.expires_at = (int64_t)time(NULL) + ttl;
	return print_token(&token, state, cert, key, err);
}

/* ---- join: what is asked -------------------------------------------------------------------- */

static int read_token(const struct args *args, Bulkhead__V1__JoinToken **ret, struct error *err)
{
	const char *file = args->files.len == 1 ? args->files.items[0] : NULL;
	cleanup_free char *text = NULL;
	ProtobufCMessage *message;
	size_t size;
	int r;

	if (!file)
		return error_set(err, ERR_INVALID, 0,
			"give the token with -f FILE ('-' is standard input); 'bulkhead token "
			"create "
			"NODE' at the cluster's first node makes one");
	r = strcmp(file, "-") == 0 ? fd_read_all(STDIN_FILENO, NODE_FILE_MAX, &text, &size, err)
				   : file_read_at(AT_FDCWD, file, NODE_FILE_MAX, &text, &size, err);
	if (r == 0)
		r = decode_yaml(&bulkhead__v1__join_token__descriptor, text, size, &message, err);
	if (r < 0)
		return error_prefix(err, "%s", file);
	*ret = (Bulkhead__V1__JoinToken *)message;
	if (!(*ret)->node[0] || !(*ret)->server[0] || !(*ret)->ca[0] || !(*ret)->certificate[0] ||
		!(*ret)->key[0])
		return error_set(
			err, ERR_INVALID, 0, "%s: it is no token, or not all of one", file);
	if ((*ret)->expires_at < (int64_t)time(NULL))
		return error_set(err, ERR_PRECONDITION, 0,
			"%s: by the clock of this machine the token expired; make another with "
			"'bulkhead token create %s'",
			file, (*ret)->node);
	return 0;
}

/* The address that this machine has towards the server: the one to be reached at by others, too. */
static int find_address(const char *server, char ret[INET_ADDRSTRLEN], struct error *err)
{
	const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_DGRAM };
	const char *port = strrchr(server, ':');
	struct addrinfo *found = NULL;
	struct sockaddr_in own = { 0 };
	socklen_t size = sizeof(own);
	cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char host[256];
	int ok;

	host_of(server, host, sizeof(host));
	ok = fd >= 0 && port && getaddrinfo(host, port + 1, &hints, &found) == 0 &&
	     connect(fd, found->ai_addr, found->ai_addrlen) == 0 &&
	     getsockname(fd, (struct sockaddr *)&own, &size) == 0 &&
	     inet_ntop(AF_INET, &own.sin_addr, ret, INET_ADDRSTRLEN);
	if (found)
		freeaddrinfo(found);
	if (ok)
		return 0;
	return error_set(err, ERR_UNAVAILABLE, 0,
		"no way to %s: say this machine's address with --address", server);
}

/* ---- join: files ---------------------------------------------------------------------------- */

static int put(const char *dir, const char *name, const void *data, size_t size, mode_t mode,
	struct error *err)
{
	cleanup_close int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir_fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open %s", dir);
	return file_replace_at(dir_fd, name, data, size, mode, err);
}

static int put_text(
	const char *dir, const char *name, const char *text, mode_t mode, struct error *err)
{
	return put(dir, name, text, strlen(text), mode, err);
}

static int make_keys(const struct node_plan *plan, struct error *err)
{
	char program[PATH_MAX], keys[PATH_MAX], pki[PATH_MAX], cluster[PATH_MAX], uid[16];
	char *argv[] = { program, borrow("--join"), borrow("--keys"), keys, borrow("--pki"), pki,
		borrow("--cluster"), cluster, borrow("--node"), borrow(plan->name), borrow("--uid"),
		uid, NULL };

	snprintf(program, sizeof(program), "%s/bulkhead-secretd", plan->libexec);
	snprintf(keys, sizeof(keys), "%s/keys", plan->state);
	snprintf(pki, sizeof(pki), "%s/pki", plan->state);
	snprintf(cluster, sizeof(cluster), "%s/cluster", plan->state);
	snprintf(uid, sizeof(uid), "%d", UID_SECRETD);
	return run_tool(argv, err);
}

/* The daemon owns its keys' directory, and what is in it. */
static int put_signature(
	const struct node_plan *plan, const ProtobufCBinaryData *signature, struct error *err)
{
	char keys[PATH_MAX], path[PATH_MAX + 32];

	snprintf(keys, sizeof(keys), "%s/keys", plan->state);
	snprintf(path, sizeof(path), "%s/%s", keys, SETUP_SEALING_SIGNATURE);
	if (put(keys, SETUP_SEALING_SIGNATURE, signature->data, signature->len, 0600, err) < 0)
		return -1;
	if (lchown(path, UID_SECRETD, UID_SECRETD) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot own %s", path);
	return 0;
}

static int put_certificates(const struct node_plan *plan, const char *pki,
	const Bulkhead__V1__JoinToken *token, const Bulkhead__V1__JoinNodeResponse *response,
	struct error *err)
{
	char cluster[PATH_MAX];

	snprintf(cluster, sizeof(cluster), "%s/cluster", plan->state);
	if (put_text(pki, SETUP_CA_CERT, token->ca, 0644, err) < 0 ||
		put_text(pki, "node.pem", response->server_certificate, 0644, err) < 0 ||
		put_text(cluster, "member.pem", response->member_certificate, 0644, err) < 0 ||
		put_text(pki, "self.pem", response->node_certificate, 0644, err) < 0 ||
		put_text(cluster, SETUP_DATABASE_CERT, response->database_certificate, 0644, err) <
			0)
		return -1;
	return put_signature(plan, &response->sealing_key_signature, err);
}

/* ---- join: the call ------------------------------------------------------------------------- */

static int read_request(const char *pki, Bulkhead__V1__JoinNodeRequest **ret, struct error *err)
{
	cleanup_free char *data = NULL;
	char path[PATH_MAX + 32];
	ProtobufCMessage *message;
	size_t size;

	snprintf(path, sizeof(path), "%s/%s", pki, JOIN_REQUEST);
	if (file_read_at(AT_FDCWD, path, NODE_FILE_MAX, &data, &size, err) < 0 ||
		message_unpack(&bulkhead__v1__join_node_request__descriptor, (uint8_t *)data, size,
			&message, err) < 0)
		return -1;
	*ret = (Bulkhead__V1__JoinNodeRequest *)message;
	return 0;
}

/* The client reads files: the token's parts lie in some for as long as it takes. */
static int call_server(const Bulkhead__V1__JoinToken *token,
	const Bulkhead__V1__JoinNodeRequest *request, ProtobufCMessage **ret, struct error *err)
{
	Bulkhead__V1__Context context = BULKHEAD__V1__CONTEXT__INIT;
	cleanup_scratch struct scratch scratch = { "" };
	char ca[64], cert[64], key[64];
	struct client *client;
	int r;

	if (scratch_make(&scratch, err) < 0 ||
		put_text(scratch.path, "ca.pem", token->ca, 0600, err) < 0 ||
		put_text(scratch.path, "cert.pem", token->certificate, 0600, err) < 0 ||
		put_text(scratch.path, "key.pem", token->key, 0600, err) < 0)
		return -1;
	snprintf(ca, sizeof(ca), "%s/ca.pem", scratch.path);
	snprintf(cert, sizeof(cert), "%s/cert.pem", scratch.path);
	snprintf(key, sizeof(key), "%s/key.pem", scratch.path);
	context.server = token->server;
	context.server_name = token->server_name;
	context.ca = ca;
	context.certificate = cert;
	context.key = key;
	if (client_new(&client, &context, err) < 0)
		return -1;
	r = client_unary(client, "JoinNode", &request->base, ret, CLIENT_TIMEOUT_MS, err);
	client_free(client);
	return r;
}

static int ask(const struct node_plan *plan, const char *pki, const Bulkhead__V1__JoinToken *token,
	Bulkhead__V1__JoinNodeResponse **ret, struct error *err)
{
	cleanup_message Bulkhead__V1__JoinNodeRequest *request = NULL;
	ProtobufCMessage *response = NULL;
	char *own[2];
	int r;

	if (read_request(pki, &request, err) < 0)
		return -1;
	/* What is borrowed must be the message's own again before it is freed. */
	own[0] = request->name;
	own[1] = request->address;
	request->name = borrow(plan->name);
	request->address = borrow(plan->address);
	r = call_server(token, request, &response, err);
	request->name = own[0];
	request->address = own[1];
	*ret = (Bulkhead__V1__JoinNodeResponse *)response;
	return r;
}

/* ---- join ----------------------------------------------------------------------------------- */

static int write_all(struct node_plan *plan, const char *pki, const Bulkhead__V1__JoinToken *token,
	const Bulkhead__V1__JoinNodeResponse *response, struct error *err)
{
	char path[PATH_MAX + 32];

	plan->manager = response->database;
	plan->cluster_network = response->cluster_network;
	plan->host_subnet_bits = response->host_subnet_bits;
	if (put_certificates(plan, pki, token, response, err) < 0 ||
		node_write_context(plan, "pki/self.pem", "cluster/" JOIN_MEMBER_KEY, err) < 0 ||
		node_write_config(plan, err) < 0)
		return error_prefix(err,
			"the cluster has node %s now, but it cannot be written here; 'bulkhead "
			"delete "
			"node %s' there before you try again",
			plan->name, plan->name);
	snprintf(path, sizeof(path), "%s/%s", pki, JOIN_REQUEST);
	unlink(path);
	printf("node %s has subnet %s of %s\n", plan->name, response->subnet,
		response->cluster_network);
	return 0;
}

static int join_all(struct node_plan *plan, const Bulkhead__V1__JoinToken *token, struct error *err)
{
	cleanup_message Bulkhead__V1__JoinNodeResponse *response = NULL;
	char pki[PATH_MAX];

	snprintf(pki, sizeof(pki), "%s/pki", plan->state);
	printf("making keys of node %s and asking %s\n", plan->name, token->server);
	fflush(stdout);
	/* Keys that are there already are somebody else's, who may be joining right now. */
	if (make_keys(plan, err) < 0)
		return -1;
	if (ask(plan, pki, token, &response, err) < 0 ||
		write_all(plan, pki, token, response, err) < 0) {
		node_take_back(plan->state);
		return -1;
	}
	return 0;
}

int ctl_join(struct ctl *ctl, struct error *err)
{
	cleanup_node_plan struct node_plan plan = { .libexec = NULL };
	cleanup_message Bulkhead__V1__JoinToken *token = NULL;
	char address[INET_ADDRSTRLEN];

	if (read_token(ctl->args, &token, err) < 0 ||
		node_plan(&plan, ctl->args, token->node, "join", err) < 0 ||
		node_refuse_existing(plan.state, err) < 0)
		return -1;
	if (!plan.address[0]) {
		if (find_address(token->server, address, err) < 0)
			return -1;
		plan.address = address;
	}
	/* Stands for the one that the answer names: the flags are judged before anybody is asked.
	 */
	plan.manager = "192.0.2.1:1";
	if (node_check(&plan, err) < 0 || join_all(&plan, token, err) < 0)
		return -1;
	printf("wrote %s/node.yaml\n", plan.state);
	if (ctl->args->no_start)
		return CTL_OK;
	printf("starting the node (log: %s/agent.log)\n", plan.state);
	fflush(stdout);
	return ctl_up(ctl, err);
}
