/* The listener of a container that is recorded: each notification is noted and let go on. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/shim/record.h"
#include "nodeagent/shim/shim.h"

#define TURN_MAX    64
#define NOTIFY_COST 1024 /* of pace.c's bytes: some 16,000 calls a second */

static long status_number(const char *text, const char *name, int base, int field)
{
	const char *at = strstr(text, name);

	if (!at)
		return -1;
	at += strlen(name);
	for (char *end; field-- > 0; at = end)
		strtoul(at, &end, base);
	return (long)strtoull(at, NULL, base);
}

/* Who calls; what cannot be read is nobody with no right. */
static void caller_read(const struct shim *shim, pid_t pid, struct record_call *ret)
{
	char path[32];
	cleanup_free char *text = NULL;
	size_t size;

	snprintf(path, sizeof(path), "%d/status", pid);
	if (file_read_at(shim->sandbox.proc_fd, path, 65536, &text, &size, NULL) < 0)
		return;
	ret->uid = (uint32_t)status_number(text, "\nUid:", 10, 1);
	ret->gid = (uint32_t)status_number(text, "\nGid:", 10, 1);
	ret->caps = (uint64_t)status_number(text, "\nCapEff:", 16, 0);
}

static int port_read(pid_t pid, const uint64_t args[6])
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} address = { 0 };
	struct iovec here = { &address, sizeof(address) };
	struct iovec there = { (void *)(uintptr_t)args[1],
		args[2] < sizeof(address) ? args[2] : sizeof(address) };

	here.iov_len = there.iov_len;
	if (process_vm_readv(pid, &here, 1, &there, 1, 0) < (ssize_t)sizeof(sa_family_t))
		return 0;
	if (address.any.sa_family == AF_INET)
		return ntohs(address.in.sin_port);
	return address.any.sa_family == AF_INET6 ? ntohs(address.in6.sin6_port) : 0;
}

/* Ids are as the host has them; a call says them as the pod has them. */
static void ids_inside(const struct shim *shim, struct record_call *call)
{
	const struct id_map *map = &shim->sandbox.map;

	for (size_t i = 0; i < map->len; i++) {
		const struct id_row *row = &map->rows[i];

		if (call->uid >= row->outside && call->uid - row->outside < row->count)
			call->uid = call->uid - row->outside + row->inside;
		if (call->gid >= row->outside && call->gid - row->outside < row->count)
			call->gid = call->gid - row->outside + row->inside;
	}
}

static void note(struct shim *shim, struct container *c, const struct seccomp_notif *n)
{
	struct record_call call = { .nr = n->data.nr, .uid = UINT32_MAX, .gid = UINT32_MAX };

	for (size_t i = 0; i < ARRAY_LEN(call.args); i++)
		call.args[i] = n->data.args[i];
	if (record_asks_who(call.nr)) {
		caller_read(shim, (pid_t)n->pid, &call);
		ids_inside(shim, &call);
	}
	if (call.nr == SYS_bind)
		call.port = port_read((pid_t)n->pid, call.args);
	/* Still waiting, so what was read by its number was its own and no later process's. */
	if (ioctl(c->listener.fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &n->id) == 0)
		record_add(c->record, &call);
}

void record_save(struct shim *shim, struct container *c)
{
	struct error err;

	if (!c->record || !c->record->changed)
		return;
	c->record->changed = 0;
	if (record_write(c->record, shim->sandbox.pod_lock_fd, c->plan->name, &err) < 0)
		log_warning("container '%s': %s", c->plan->name, err.text);
}

static void ready(struct shim *shim, struct source *source)
{
	struct container *c = source->owner;
	union {
		struct seccomp_notif n;
		char room[512]; /* a newer kernel's is larger */
	} in;
	union {
		struct seccomp_notif_resp r;
		char room[512];
	} out;
	int spent = 0;

	for (int i = 0; i < TURN_MAX && !spent; i++) {
		memset(&in, 0, sizeof(in));
		memset(&out, 0, sizeof(out));
		/* ENOENT: its caller was killed meanwhile. */
		if (poll(&(struct pollfd){ .fd = source->fd, .events = POLLIN }, 1, 0) != 1)
			break;
		if (ioctl(source->fd, SECCOMP_IOCTL_NOTIF_RECV, &in) < 0) {
			if (errno == ENOENT || errno == EINTR)
				continue;
			source_done(shim, source);
			return;
		}
		note(shim, c, &in.n);
		out.r.id = in.n.id;
		out.r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		ioctl(source->fd, SECCOMP_IOCTL_NOTIF_SEND, &out);
		spent = pace_spend(shim, NOTIFY_COST);
	}
	record_save(shim, c);
	if (spent)
		pace_pause(shim, source);
}

int record_listen(struct shim *shim, struct container *c, int listener_fd, struct error *err)
{
	c->record = calloc(1, sizeof(*c->record));
	if (!c->record)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot record");
	return source_add(shim, &c->listener, listener_fd, ready, c, err);
}

void record_end(struct shim *shim, struct container *c)
{
	record_save(shim, c);
	source_done(shim, &c->listener);
	free(c->record);
	c->record = NULL;
}
