/*
 * Where a pod's cgroup lies beneath the hierarchies' root, and what systemd calls the units on the
 * way there. Pure; everything follows from node.yaml, the project and the pod's uid.
 *
 *   cgroupfs:  bulkhead/red/pod<uid>
 *   systemd:   bulkhead.slice/bulkhead-red.slice/bulkhead-pod<uid>.scope/pod
 *
 * With systemd the shim lives in the scope too, beside "pod", so that its limits do not count the
 * shim, and the scope is never empty while the shim lives.
 */
#ifndef NODEAGENT_AGENT_CGROUP_PATH_H
#define NODEAGENT_AGENT_CGROUP_PATH_H

#include <stdbool.h>

#include "bulkhead/v1/config.pb-c.h"

#define CGROUP_PATH_SIZE 1024
#define CGROUP_UNIT_SIZE 256 /* UNIT_NAME_MAX of systemd */

/* Whether systemd makes the cgroups. Asked of a configuration whose driver was chosen. */
bool cgroup_path_is_systemd(const Bulkhead__V1__NodeConfig *config);

/* The group that has the pod's limits, and its containers beneath. */
void cgroup_path_pod(const Bulkhead__V1__NodeConfig *config, const char *project, const char *uid,
	char ret[CGROUP_PATH_SIZE]);

/* The group of all pods of a project, and that of all pods. */
void cgroup_path_project(
	const Bulkhead__V1__NodeConfig *config, const char *project, char ret[CGROUP_PATH_SIZE]);
void cgroup_path_all(const Bulkhead__V1__NodeConfig *config, char ret[CGROUP_PATH_SIZE]);

/* The group of the pod's scope; "" with cgroupfs. */
void cgroup_path_scope(const Bulkhead__V1__NodeConfig *config, const char *project, const char *uid,
	char ret[CGROUP_PATH_SIZE]);

/* Units. A slice's name is its place: "bulkhead-a\x2db.slice" is project a-b's. NULL: all pods'. */
void cgroup_unit_slice(
	const Bulkhead__V1__NodeConfig *config, const char *project, char ret[CGROUP_UNIT_SIZE]);
void cgroup_unit_scope(
	const Bulkhead__V1__NodeConfig *config, const char *uid, char ret[CGROUP_UNIT_SIZE]);

#endif
