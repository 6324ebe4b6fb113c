/*
 * What the shim does with SELinux. A process's label is written through a procfs that the shim
 * mounted itself: libselinux opens /proc by path, which is what CVE-2025-52881 lives on.
 */
#ifndef NODEAGENT_SHIM_SELINUX_H
#define NODEAGENT_SHIM_SELINUX_H

#include "lib/error.h"

/* Whether the kernel enforces or could enforce: selinuxfs is mounted at its one place. */
int selinux_enabled(void);

/*
 * The label that the next execve(2) of this process takes. 'proc_dirfd' is a procfs of ours. The
 * kernel refuses what its policy does not know. Whether SELinux is on at all must be asked before
 * the pod's root takes the place of the host's, which has selinuxfs.
 */
int selinux_exec_label(int proc_dirfd, const char *label, struct error *err);

/* Labels the directory 'dirfd' (O_PATH will do) itself; what is made in it later inherits that. */
int selinux_file_label(int dirfd, const char *label, struct error *err);

#endif
