/* Shared by the files of this folder only. */
#ifndef NODEAGENT_CGROUP_CGROUP_INTERNAL_H
#define NODEAGENT_CGROUP_CGROUP_INTERNAL_H

#include "nodeagent/cgroup/cgroup.h"

/* The group's directory in the hierarchy that has 'controller', or -1. */
int cgroup_dirfd_of(const struct cgroup *cgroup, enum cgroup_controller controller);

/* Whether it is v2 that has 'controller'. */
int cgroup_is_v2(const struct cgroup_tree *tree, enum cgroup_controller controller);

/* A device that every container may use; minor -1 means all of them. */
struct cgroup_device {
	char type;
	int major;
	int minor;
};

extern const struct cgroup_device cgroup_devices[];
extern const size_t cgroup_devices_len;

/* Checks one path component; names the offender. */
int cgroup_name_check(const char *name, size_t len, struct error *err);

#endif
