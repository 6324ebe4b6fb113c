/*
 * bulkhead-secretd: holds the node's keys. Started by bulkhead-agent with its end of a
 * SOCK_SEQPACKET pair as descriptor 3; ends when that closes. It opens sealed secrets into
 * descriptors that the agent passes, signs tokens, and remembers nothing else, so it can be killed
 * at any moment. With --init and --issue it makes keys and certificates instead, as the operator.
 */
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/confine.h"
#include "lib/log.h"
#include "proto/ipc_table.h"
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
	};

	if (geteuid() != 0)
		return error_set(err, ERR_DENIED, 0, "--issue needs root");
	return setup_user(&user, err);
}

int main(int argc, char **argv)
{
	static int (*const modes[])(const struct options *, struct error *) = {
		[OPTIONS_SERVE] = serve,
		[OPTIONS_INIT] = init,
		[OPTIONS_ISSUE] = issue,
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
