/*
 * bulkhead-secretd: holds the node's keys. Started by bulkhead-agent with its end of a
 * SOCK_SEQPACKET pair as descriptor 3; ends when that closes. It opens sealed secrets into
 * descriptors that the agent passes, signs tokens, and remembers nothing else, so it can be killed
 * at any moment. With --init, --issue and --join it makes keys and certificates instead, as the
 * operator; with --sign it answers one node that joins, on descriptor 3, and ends.
 */
#include <fcntl.h>
#include <openssl/crypto.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/confine.h"
#include "lib/log.h"
#include "proto/ipc_table.h"
#include "proto/wire_check.h"
#include "secrets/join.h"
#include "secrets/options.h"
#include "secrets/serve.h"
#include "secrets/setup.h"

#define AGENT_FD 3

/* Beyond confine_base_syscalls: what deliver.c does beneath a tmpfs descriptor, and nothing else.
 */
static const char *const more_syscalls[] = {
	"fstatfs",
	"openat2",
	"openat", /* tree_remove_at(); the root directory is empty */
	"mkdirat",
	"fchmod",
	"getdents64",
	"symlinkat",
	"readlinkat",
	"renameat",
	"renameat2", /* renameat(3) where there is no renameat(2) */
	"unlinkat",
};

static int confine(const struct options *options, struct error *err)
{
	const struct confine confine = {
		.uid = options->uid,
		.gid = options->uid,
		.empty_root = options->empty_root,
		.flags = CONFINE_LOCK_MEMORY,
		/* deliver.c, beneath the tmpfs of a volume */
		.files = LANDLOCK_WRITE_FILE | LANDLOCK_READ_FILE | LANDLOCK_READ_DIR |
			 LANDLOCK_REMOVE_DIR | LANDLOCK_REMOVE_FILE | LANDLOCK_MAKE_DIR |
			 LANDLOCK_MAKE_REG | LANDLOCK_MAKE_SYM | LANDLOCK_TRUNCATE,
		.syscalls = more_syscalls,
		.syscalls_len = ARRAY_LEN(more_syscalls),
	};

	return confine_apply(&confine, err);
}

/* Until the agent closes the connection. */
static int loop(struct ipc *ipc, const struct keystore *keys, const char *issuer, struct error *err)
{
	int r = serve_hello(ipc, keys, err);

	while (r == 0) {
		struct ipc_frame frame;

		r = ipc_recv_wait(ipc, &frame, -1, err);
		if (r > 0) {
			r = serve_frame(ipc, keys, issuer, &frame, err);
			ipc_frame_done(&frame);
		}
	}
	return err->code == ERR_UNAVAILABLE ? 0 : -1;
}

/* In this order: the keys need rights to be read, then rights go, and only then others are heard.
 */
static int serve(const struct options *options, struct error *err)
{
	struct keystore keys = { .token = NULL };
	struct ipc *ipc = NULL;
	int r;

	log_close_others(AGENT_FD + 1);
	umask(077);
	r = keystore_init(&keys, options->keys, err);
	if (r == 0)
		r = confine(options, err);
	if (r == 0)
		r = ipc_table_connect(&ipc, AGENT_FD, IPC_SECRETD, IPC_AGENT, err);
	if (r == 0)
		r = loop(ipc, &keys, options->issuer, err);
	ipc_free(ipc);
	keystore_done(&keys);
	return r;
}

static int init(const struct options *options, struct error *err)
{
	const struct setup_node node = {
		.keys = options->keys,
		.pki = options->pki,
		.cluster = options->cluster,
		.name = options->node,
		.address = options->address,
		.uid = options->uid,
	};

	return setup_node(&node, err);
}

static int issue(const struct options *options, struct error *err)
{
	const struct setup_user user = {
		.keys = options->keys,
		.pki = options->pki,
		.name = options->cn,
		.groups = options->groups,
		.groups_len = options->groups_len,
		.cert_file = options->out_cert,
		.key_file = options->out_key,
		.life = (long)options->life,
	};

	if (geteuid() != 0)
		return error_set(err, ERR_DENIED, 0, "--issue needs root");
	return setup_user(&user, err);
}

static int join(const struct options *options, struct error *err)
{
	const struct join_node node = {
		.keys = options->keys,
		.pki = options->pki,
		.cluster = options->cluster,
		.name = options->node,
		.uid = options->uid,
	};

	return join_prepare(&node, err);
}

static int sign_request(const struct join_authority *authority, const uint8_t *data, size_t size,
	Bulkhead__V1__JoinSigned *ret, struct error *err)
{
	Bulkhead__V1__JoinNodeResponse *response = NULL;
	ProtobufCMessage *request = NULL;
	int r = message_unpack(
		&bulkhead__v1__join_node_request__descriptor, data, size, &request, err);

	if (r == 0)
		r = join_sign(authority, (Bulkhead__V1__JoinNodeRequest *)request, &response, err);
	if (r == 0) {
		ret->response.data = malloc(protobuf_c_message_get_packed_size(&response->base));
		if (!ret->response.data)
			r = error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot answer");
		else
			ret->response.len =
				protobuf_c_message_pack(&response->base, ret->response.data);
	}
	if (response)
		bulkhead__v1__join_node_response__free_unpacked(response, NULL);
	if (request)
		protobuf_c_message_free_unpacked(request, NULL);
	return r;
}

/* One request in, one answer out, both whole messages of a SOCK_SEQPACKET pair. */
static int answer(const struct join_authority *authority, struct error *err)
{
	static uint8_t data[JOIN_MESSAGE_MAX];
	Bulkhead__V1__JoinSigned answer = BULKHEAD__V1__JOIN_SIGNED__INIT;
	Bulkhead__V1__Error error;
	struct error why = { 0 };
	ssize_t size = recv(AGENT_FD, data, sizeof(data), MSG_TRUNC);
	int r = 0;

	if (size <= 0 || (size_t)size > sizeof(data))
		return error_set(err, ERR_INVALID, 0, "no request, or one that is too large");
	if (sign_request(authority, data, (size_t)size, &answer, &why) < 0) {
		ipc_error_pack(&why, &error);
		answer.error = &error;
	}
	if (protobuf_c_message_get_packed_size(&answer.base) > sizeof(data))
		r = error_set(err, ERR_EXHAUSTED, 0, "the answer is too large");
	size = r < 0 ? 0 : (ssize_t)protobuf_c_message_pack(&answer.base, data);
	if (r == 0 && send(AGENT_FD, data, (size_t)size, MSG_NOSIGNAL) != size)
		r = error_set(err, ERR_UNAVAILABLE, errno, "cannot answer");
	free(answer.response.data);
	return r;
}

/* As serve(): what a stranger wrote is looked at without rights. */
static int sign(const struct options *options, struct error *err)
{
	struct join_authority authority;
	int r;

	log_close_others(AGENT_FD + 1);
	umask(077);
	r = join_authority_load(&authority, options->keys, err);
	if (r == 0)
		r = confine(options, err);
	if (r == 0)
		r = answer(&authority, err);
	join_authority_done(&authority);
	return r;
}

int main(int argc, char **argv)
{
	static int (*const modes[])(const struct options *, struct error *) = {
		[OPTIONS_SERVE] = serve,
		[OPTIONS_INIT] = init,
		[OPTIONS_ISSUE] = issue,
		[OPTIONS_JOIN] = join,
		[OPTIONS_SIGN] = sign,
	};
	struct options options;
	struct error err = { 0 };

	log_init("bulkhead-secretd", LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	/* No configuration file of the system decides how keys are used. */
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	if (options_parse(&options, argc, argv, &err) == 0 &&
		modes[options.mode](&options, &err) == 0)
		return 0;
	log_error("%s", err.text);
	return err.code == ERR_INVALID ? 2 : 1;
}
