/*
 * How a daemon gives up its rights, in one ordered table. Called once, after everything that needs
 * rights is open and before the first byte of a peer is read.
 */
#ifndef LIB_CONFINE_H
#define LIB_CONFINE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"
#include "lib/landlock.h"

#define CONFINE_KEEP_ROOT   1u   /* do not change the root directory */
#define CONFINE_NO_NEWNET   2u   /* keep the network namespace (whoever talks to the network) */
#define CONFINE_LOCK_MEMORY 4u   /* mlockall(2): holders of keys */
#define CONFINE_ALLOW_DUMP  8u   /* stay dumpable (tests only) */
#define CONFINE_WRITABLE    16u  /* 'empty_root' stays writable: the one place to work in */
#define CONFINE_JOIN_USERNS 32u  /* enter 'userns_fd'; ids and capabilities are meant inside it */
#define CONFINE_WITH_PARENT 64u  /* SIGKILL when the parent dies; it may have died before */
#define CONFINE_CONNECT_TCP 128u /* connect(2), of sockets that are there */

struct confine {
	uid_t uid; /* uid and gid to become, all supplementary groups dropped */
	gid_t gid;
	int userns_fd;          /* with CONFINE_JOIN_USERNS; borrowed */
	const char *empty_root; /* the directory that becomes "/": nothing else stays in sight */
	unsigned flags;
	uint64_t files; /* LANDLOCK_*: what it does to files on descriptors that are handed to
			   it later; opening others fails, whatever leads to them */
	uint64_t capabilities; /* bits (1 << CAP_*) kept in permitted and effective; 0: none */
	const char *const
		*syscalls; /* allowed beside confine_base_syscalls; others kill the process */
	size_t syscalls_len;
};

/*
 * Applies in order: new mount, IPC, UTS (and unless CONFINE_NO_NEWNET network) namespace,
 * 'empty_root' bound read-only, nosuid, nodev and noexec as "/" (sockets in it can still be
 * connected to; what is mounted below it is not seen), RLIMIT_CORE 0, memory lock, user namespace
 * (asked for with CONFINE_JOIN_USERNS; the namespaces above do not belong to it), bounding set,
 * supplementary groups, gid, uid, capability sets (ambient and inheritable empty), no_new_privs,
 * not dumpable, Landlock (lib/landlock.h; with CONFINE_WRITABLE all but programs, sockets and
 * devices in the root; with CONFINE_CONNECT_TCP connections), seccomp. Executable mappings are
 * refused by the filter, so what is to be loaded is loaded before.
 *
 * CONFINE_LOCK_MEMORY locks each page when it is first touched. Where RLIMIT_MEMLOCK cannot be
 * raised (no CAP_SYS_RESOURCE) that holds for what is mapped by now: allocate what will hold keys
 * before.
 *
 * The caller must be root and have one thread only; threads made later inherit all this. A step
 * that fails leaves a process that must exit: nothing is undone. 'err' names the step.
 */
int confine_apply(const struct confine *confine, struct error *err);

/*
 * Always allowed: memory, time, signals, waiting, and reading and writing what is open already,
 * messages with descriptors included. Not among them: opening, sockets, threads, processes. Opening
 * a file by name fails with ENOENT (glibc tries on its own), ioctl(2) with ENOTTY, unless listed.
 */
extern const char *const confine_base_syscalls[];
extern const size_t confine_base_syscalls_len;

#endif
