/*
 * The two things the shim does with SELinux. Written through a procfs that the shim mounted itself:
 * libselinux opens /proc by path, which is what CVE-2025-52881 lives on.
 */
#ifndef NODEAGENT_SHIM_SELINUX_H
#define NODEAGENT_SHIM_SELINUX_H

#include "lib/error.h"

/* Whether the kernel enforces or could enforce: selinuxfs is mounted at its one place. */
int selinux_enabled(void);

/*
 * The label that the next execve(2) of this process takes. 'proc_dirfd' is a procfs of ours. The
 * kernel refuses what its policy does not know. Errors: ERR_PRECONDITION (SELinux is off).
 */
int selinux_exec_label(int proc_dirfd, const char *label, struct error *err);

#endif
