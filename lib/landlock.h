/*
 * Landlock (landlock(7)): what a process may do to files, TCP ports, abstract sockets and other
 * processes, whatever descriptors it is handed later. For lib/confine.c, where it stands beside the
 * empty root and the system call filter. The numbers are the kernel's; Debian 12's headers know the
 * first two versions alone.
 */
#ifndef LIB_LANDLOCK_H
#define LIB_LANDLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

/* LANDLOCK_ACCESS_FS_*, of kernel 6.10 (ABI 5). */
#define LANDLOCK_EXECUTE     (UINT64_C(1) << 0)
#define LANDLOCK_WRITE_FILE  (UINT64_C(1) << 1)
#define LANDLOCK_READ_FILE   (UINT64_C(1) << 2)
#define LANDLOCK_READ_DIR    (UINT64_C(1) << 3)
#define LANDLOCK_REMOVE_DIR  (UINT64_C(1) << 4)
#define LANDLOCK_REMOVE_FILE (UINT64_C(1) << 5)
#define LANDLOCK_MAKE_CHAR   (UINT64_C(1) << 6)
#define LANDLOCK_MAKE_DIR    (UINT64_C(1) << 7)
#define LANDLOCK_MAKE_REG    (UINT64_C(1) << 8)
#define LANDLOCK_MAKE_SOCK   (UINT64_C(1) << 9)
#define LANDLOCK_MAKE_FIFO   (UINT64_C(1) << 10)
#define LANDLOCK_MAKE_BLOCK  (UINT64_C(1) << 11)
#define LANDLOCK_MAKE_SYM    (UINT64_C(1) << 12)
#define LANDLOCK_REFER       (UINT64_C(1) << 13) /* ABI 2; before, always refused */
#define LANDLOCK_TRUNCATE    (UINT64_C(1) << 14) /* ABI 3 */
#define LANDLOCK_IOCTL_DEV   (UINT64_C(1) << 15) /* ABI 5 */

#define LANDLOCK_ABI_REFER 2
#define LANDLOCK_ABI_NET   4
#define LANDLOCK_ABI_SCOPE 6

/* The kernel's version of it; 0 where there is none, or it was switched off at boot. */
int landlock_abi(void);

/*
 * Refuses from now on, as far as the kernel's version goes: every use of files but 'anywhere', and
 * but 'beneath' in what lies below 'beneath_fd' (-1: nothing; borrowed), to bind TCP sockets and
 * (unless 'connect_tcp') connect them, to connect to abstract sockets and to signal processes that
 * were not confined with it. What is open already stays as it was opened. Needs no_new_privs.
 * Without Landlock nothing happens, and that is success.
 */
int landlock_restrict(
	uint64_t anywhere, int beneath_fd, uint64_t beneath, bool connect_tcp, struct error *err);

#endif
