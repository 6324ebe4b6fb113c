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

#define CONFINE_KEEP_ROOT    1u  /* do not change the root directory */
#define CONFINE_NO_NEWNET    2u  /* keep the network namespace (whoever talks to the network) */
#define CONFINE_LOCK_MEMORY  4u  /* mlockall(2): holders of keys */
#define CONFINE_ALLOW_DUMP   8u  /* stay dumpable (tests only) */

struct confine {
	uid_t uid;                     /* uid and gid to become, all supplementary groups dropped */
	gid_t gid;
	const char *empty_root;        /* an empty directory, made read-only root by pivot_root */
	unsigned flags;
	uint64_t capabilities;         /* bits (1 << CAP_*) kept in permitted and effective; 0: none */
	const char *const *syscalls;   /* names allowed by the seccomp filter; others kill the process */
	size_t syscalls_len;
};

/*
 * Applies in order: new mount, IPC, UTS (and unless CONFINE_NO_NEWNET network) namespace, empty
 * root, RLIMIT_CORE 0, supplementary groups, gid, uid, capability sets (bounding, ambient and
 * inheritable empty), no_new_privs, not dumpable, memory lock, seccomp. A step that fails leaves a process that must
 * exit: nothing is undone. 'err' names the step.
 */
int confine_apply(const struct confine *confine, struct error *err);

/* Names that every C program here needs (read, write, futex, exit_group...), to start a list from. */
extern const char *const confine_base_syscalls[];
extern const size_t confine_base_syscalls_len;

#endif
