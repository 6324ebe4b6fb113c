/*
 * The kernel settings that belong to one pod alone, so that its author may set them; and since
 * which version of the Pod Security Standards.
 */
#ifndef AUTH_SAFE_SYSCTL_H
#define AUTH_SAFE_SYSCTL_H

#include <stdbool.h>

/* The minor version (of v1.<n>) since which baseline allows it, -1 when it never does. */
int safe_sysctl_since(const char *name);

/* Whether this version of the node sets it. */
bool safe_sysctl_honoured(const char *name);

#endif
