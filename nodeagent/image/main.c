/*
 * bulkhead-unpack: one process an import, started by the agent (import.c) and confined before it
 * reads the first byte of the archive. It sees one directory, holds no right outside the user
 * namespace it is put into, and leaves its verdict in a memfd.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/confine.h"
#include "nodeagent/image/digest.h"
#include "nodeagent/image/unpack.h"
#include "proto/ipc_table.h"

#define MEMORY_MAX (UINT64_C(1) << 30) /* zstd windows take up to 128 MiB, xz's more */
#define FILES_MAX  512
#define NICENESS   5 /* pods go first */

#define CAP(x) (UINT64_C(1) << (x))

/* Files of any id of the image are made, and changed whatever their mode says. */
#define CAPABILITIES (CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_FOWNER) | CAP(CAP_FSETID))

static const char *const syscalls[] = {
	"openat",
	"openat2",
	"mkdirat",
	"mknodat", /* fifos and whiteouts; real devices are not this namespace's to make */
	"symlinkat",
	"linkat",
	"unlinkat",
	"renameat",  /* tree_remove_at() */
	"renameat2", /* renameat(3) where there is no renameat(2) */
	"fchmod",
	"fchmodat",
	"fchown",
	"fchownat",
	"utimensat",
	"fsetxattr",
	"getdents64",
	"syncfs",
};

#ifdef BULKHEAD_WEAK_PARENT
#define WITH_PARENT 0
#else
#define WITH_PARENT CONFINE_WITH_PARENT
#endif

static int limits_set(struct error *err)
{
	static const struct {
		int resource;
		rlim_t max;
	} limits[] = {
		{ RLIMIT_AS, MEMORY_MAX },
		{ RLIMIT_NOFILE, FILES_MAX },
		{ RLIMIT_FSIZE, IMPORT_UNPACKED_MAX },
	};

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		const struct rlimit limit = { limits[i].max, limits[i].max };

		if (setrlimit((__rlimit_resource_t)limits[i].resource, &limit) < 0)
			return error_set(err, ERR_INTERNAL, errno, "cannot set resource limits");
	}
	/* Past a limit a write fails, and says so. */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	(void)!nice(NICENESS);
	return 0;
}

/* What libraries would open later, when nothing can be opened any more. */
static int libraries_load(struct error *err)
{
	char hex[DIGEST_HEX_SIZE];

	/* The locale stays "C": in any other libarchive composes characters, and names change. */
	json_object_seed(0);
	return digest_of("", 0, hex, err);
}

static int agent_is_gone(void)
{
	struct pollfd fd = { .fd = UNPACK_LIFELINE_FD, .events = POLLIN };

	return poll(&fd, 1, 0) != 0;
}

static int confine(const char *root, struct error *err)
{
	const struct confine c = {
		.uid = UNPACK_OWN_ID,
		.gid = UNPACK_OWN_ID,
		.userns_fd = UNPACK_USERNS_FD,
		.empty_root = root,
		.flags = CONFINE_WRITABLE | CONFINE_JOIN_USERNS | WITH_PARENT,
		.capabilities = CAPABILITIES,
		.syscalls = syscalls,
		.syscalls_len = ARRAY_LEN(syscalls),
	};

	if (limits_set(err) < 0 || libraries_load(err) < 0)
		return -1;
#ifdef BULKHEAD_WEAK_CONFINE
	(void)c;
	if (chdir(root) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot enter '%s'", root);
#else
	if (confine_apply(&c, err) < 0)
		return -1;
#endif
	close(UNPACK_USERNS_FD);
	/* It may have died before its death was asked to be ours. */
	if (agent_is_gone())
		return error_set(err, ERR_CANCELLED, 0, "the agent is gone");
	return 0;
}

static int work(const char *root, Bulkhead__V1__ImportVerdict **ret, struct error *err)
{
	static const struct import_limits limits = IMPORT_LIMITS_DEFAULT;
	ProtobufCMessage *request;
	cleanup_close int dirfd = -1;
	int r;

	if (unpack_message_read(UNPACK_REQUEST_FD, &bulkhead__v1__import_request__descriptor,
		    &request, err) < 0)
		return error_prefix(err, "cannot read the request");
	r = confine(root, err);
	if (r == 0) {
		dirfd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = dirfd < 0 ? error_set(err, ERR_INTERNAL, errno, "cannot open the root") : 0;
	}
	if (r == 0)
		r = unpack_run(dirfd, UNPACK_ARCHIVE_FD, (Bulkhead__V1__ImportRequest *)request,
			&limits, 0, ret, err);
	protobuf_c_message_free_unpacked(request, NULL);
	return r;
}

int main(int argc, char **argv)
{
	Bulkhead__V1__ImportVerdict failed = BULKHEAD__V1__IMPORT_VERDICT__INIT;
	Bulkhead__V1__ImportVerdict *verdict = &failed;
	Bulkhead__V1__Error message;
	struct error err = { 0 };

	if (argc != 2 || argv[1][0] != '/' || fcntl(UNPACK_VERDICT_FD, F_GETFD) < 0) {
		fprintf(stderr, "usage: bulkhead-unpack DIRECTORY (started by bulkhead-agent)\n");
		return 2;
	}
	if (work(argv[1], &verdict, &err) == 0 &&
		unpack_message_write(UNPACK_VERDICT_FD, &verdict->base, &err) == 0)
		return 0;
	ipc_error_pack(&err, &message);
	failed.error = &message;
	unpack_message_write(UNPACK_VERDICT_FD, &failed.base, NULL);
	return 1;
}
