/*
 * bulkhead-api: the node's gRPC service. Faces the network and therefore has no rights: it
 * terminates TLS, decodes and checks messages, tells who calls, and forwards to the agent on
 * descriptor 3.
 */
#include <errno.h>
#include <getopt.h>
#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/confine.h"
#include "lib/log.h"
#include "nodeagent/api/api.h"
#include "nodeagent/api/listener.h"
#include "nodeagent/api/server.h"

#define AGENT_FD 3

struct options {
	const char *listen;
	struct tls_files tls;
	uid_t uid;
	const char *empty_root;
};

/*
 * What gRPC core, OpenSSL and threads need besides the base list. No socket, bind, connect: the one
 * socket exists, so this process cannot reach anything by itself. No exec, no new process (clone is
 * needed for threads; a child would be as confined).
 */
static const char *const syscalls[] = { "accept4", "listen", "getsockname", "getpeername", "openat",
	"getdents64", "clone", "clone3", "ioctl", "set_tid_address", "sched_getparam",
	"sched_getscheduler", "prctl", "access", "readlink", "fadvise64" };

static int usage(const char *what)
{
	fprintf(stderr,
		"bulkhead-api: %s\n"
		"usage: bulkhead-api --listen ADDRESS:PORT --ca FILE --cert FILE --key FILE --uid "
		"N "
		"--empty-root DIR\n"
		"It is started by bulkhead-agent, with the connection to it as descriptor 3.\n",
		what);
	return 2;
}

static int parse_uid(const char *text, uid_t *ret)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || n == 0 || n >= UINT32_MAX)
		return -1;
	*ret = (uid_t)n;
	return 0;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "ca", required_argument, NULL, 'a' },
		{ "cert", required_argument, NULL, 'c' },
		{ "key", required_argument, NULL, 'k' },
		{ "uid", required_argument, NULL, 'u' },
		{ "empty-root", required_argument, NULL, 'e' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
		switch (c) {
		case 'l':
			o->listen = optarg;
			break;
		case 'a':
			o->tls.ca = optarg;
			break;
		case 'c':
			o->tls.cert = optarg;
			break;
		case 'k':
			o->tls.key = optarg;
			break;
		case 'u':
			if (parse_uid(optarg, &o->uid) < 0)
				return usage("--uid must be a number from 1 to 4294967294");
			break;
		case 'e':
			o->empty_root = optarg;
			break;
		default:
			return usage("unknown option");
		}
	}
	if (optind != argc)
		return usage("no arguments are taken, only options");
	if (!o->listen || !o->tls.ca || !o->tls.cert || !o->tls.key || !o->uid || !o->empty_root)
		return usage("an option is missing");
	return 0;
}

/* gRPC reports each failed handshake as an error; here that is an everyday event. */
static void grpc_log(gpr_log_func_args *args)
{
	log_debug("grpc: %s:%d: %s", args->file, args->line, args->message);
}

static int give_up_rights(const struct options *o, struct error *err)
{
	const char *names[256];
	struct confine confine = { .uid = o->uid,
		.gid = o->uid,
		.empty_root = o->empty_root,
		.flags = CONFINE_NO_NEWNET,
		.files = LANDLOCK_READ_FILE | LANDLOCK_READ_DIR, /* log directories */
		.syscalls = names };

	for (size_t i = 0; i < confine_base_syscalls_len; i++)
		names[confine.syscalls_len++] = confine_base_syscalls[i];
	for (size_t i = 0; i < ARRAY_LEN(syscalls); i++)
		names[confine.syscalls_len++] = syscalls[i];
	return confine_apply(&confine, err);
}

static int serve(struct api *api, struct tls *tls, struct error *err)
{
	int r;

	if (methods_load(&api->methods, err) < 0 || loop_new(&api->loop, err) < 0 ||
		agent_open(api, AGENT_FD, err) < 0)
		return -1;
	gpr_set_log_function(grpc_log);
	grpc_init();
	if (server_open(api, tls, err) < 0)
		return -1;
	log_notice("serving on %s", listener_address());
	r = loop_run(api->loop, err);
	server_close(api->server);
	grpc_shutdown_blocking();
	agent_close(api);
	loop_free(api->loop);
	return r;
}

void api_stop(struct api *api, const char *reason)
{
	if (api->stopping)
		return;
	log_notice("stopping: %s", reason);
	api->stopping = 1;
	loop_watch(api->agent.source, 0, NULL);
	/* Ending a call frees it later, from the loop: the list stays whole here. */
	for (struct call *call = api->calls; call; call = call->next)
		call_fail(call, ERR_UNAVAILABLE, "the node agent is restarting");
	server_shutdown(api->server);
}

/*
 * The order is the point: the port, the certificates and the descriptor need rights, then rights
 * go while there is one thread, and only then gRPC starts its threads and reads from the network.
 */
int main(int argc, char **argv)
{
	struct options options = { 0 };
	struct api *api = calloc(1, sizeof(*api));
	struct tls *tls = NULL;
	struct error err = { 0 };
	int r = parse(argc, argv, &options);

	if (r || !api) {
		free(api);
		return r ? r : 1;
	}
	log_init("bulkhead-api", getenv("BULKHEAD_DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	setenv("GRPC_DNS_RESOLVER", "native", 1);
	if (listener_open(options.listen, &err) < 0 || tls_new(&tls, &options.tls, &err) < 0 ||
		give_up_rights(&options, &err) < 0 || serve(api, tls, &err) < 0) {
		log_error("%s", err.text);
		return 1;
	}
	tls_free(tls);
	free(api);
	return 0;
}
