/*
 * The sysctls a pod may set: Kubernetes' safe list, each in a namespace of the pod. A name outside
 * the table is refused, so no value can lead to another one (CVE-2022-0811).
 */
#ifndef NODEAGENT_SHIM_SYSCTL_H
#define NODEAGENT_SHIM_SYSCTL_H

#include <stddef.h>

#include "lib/error.h"

struct sysctl_row {
	const char *name; /* as in the manifest */
	const char *path; /* beneath /proc/sys */
	int clone_flag;   /* CLONE_NEWIPC or CLONE_NEWNET: the namespace that keeps it apart */
};

extern const struct sysctl_row sysctl_rows[];
extern const size_t sysctl_rows_len;

/* Checks name and value. Errors: ERR_INVALID, names both. */
int sysctl_check(const char *name, const char *value, struct error *err);

/*
 * Writes a checked sysctl through 'proc_dirfd', a procfs that only the caller can have mounted. The
 * calling process is in the pod's namespaces and root in the user namespace that owns them.
 */
int sysctl_write(int proc_dirfd, const char *name, const char *value, struct error *err);

#endif
