/*
 * From an admitted Pod to what the shim, secretd and netd are told: pure functions of the pod, its
 * image and what the node knows. No I/O, no clock.
 */
#ifndef NODEAGENT_AGENT_PLAN_H
#define NODEAGENT_AGENT_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/project.h"
#include "bulkhead/v1/config.pb-c.h"
#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"
#include "nodeagent/image/store.h"
#include "proto/k8s.h"

#define PLAN_HUGE_SIZES_MAX 8

/* What is the same for all pods of the node. Borrowed. */
struct plan_node {
	const Bulkhead__V1__NodeConfig *config;
	const char *node_uid;
	const char *node_address; /* status.hostIP */
	const char *ca_pem;       /* cluster CA, for ca.crt beside tokens */
	uint64_t memory_bytes; /* of the machine: oom_score_adj, and the size of tmpfs without limit
				*/
	uint64_t cpu_millis;
	bool selinux;               /* labels are set */
	const char *journal_socket; /* of the host's journal, "" where there is none */
	const char *cpus;           /* "0-3": those that pods may use; NULL unknown */
	bool has_disk;              /* the state directory is on one */
	uint32_t disk_major;
	uint32_t disk_minor;
	uint64_t huge_sizes[PLAN_HUGE_SIZES_MAX]; /* of the huge pages that the kernel knows, bytes
						   */
	size_t huge_sizes_len;
	unsigned missing_controllers; /* of 1 << enum cgroup_controller */
	const char *const *resolv;    /* lines of the node's resolv.conf, NULL-terminated */
};

/* What belongs to one pod, reserved before. Borrowed. */
struct plan_pod {
	const K8sPod *pod; /* defaulted, admitted; metadata.uid is set */
	struct project_facts project;
	uint32_t slice;      /* first host id of its 65,536; 0 with hostUsers */
	const char *address; /* pod IP; "" before the network is there */
};

/*
 * Gives a sealed secret of the pod's project (borrowed), NULL when there is none: ERR_NOT_FOUND
 * names it, unless the source is optional.
 */
typedef const Bulkhead__V1__ClusterSecret *(*plan_find_secret)(void *user, const char *name);

/*
 * The slice and the project's own block mapped to itself, as docs/ARCHITECTURE.md says. Secret
 * volumes get their exact size, so their sources must be there already ('find', as for
 * plan_secrets()): ERR_NOT_FOUND means wait for the secret and plan again.
 */
int plan_sandbox(const struct plan_node *node, const struct plan_pod *pod, plan_find_secret find,
	void *user, Bulkhead__V1__SandboxPlan **ret, struct error *err);

/*
 * 'container' is one of the pod's containers or init containers. Errors name the field: a variable
 * that refers to what is not there, no command in pod and image, a named user that must be
 * numeric...
 */
int plan_container(const struct plan_node *node, const struct plan_pod *pod,
	const K8sContainer *container, bool init, uint32_t restart, const struct image *image,
	Bulkhead__V1__ContainerPlan **ret, struct error *err);

/* The volumes that secretd writes, in the order of the sandbox plan's TMPFS_SECRET entries. */
size_t plan_secret_volumes(const K8sPod *pod);

/* What is in the i-th of them. *ret borrows nothing. */
int plan_secrets(const struct plan_node *node, const struct plan_pod *pod, size_t i,
	plan_find_secret find, void *user, Bulkhead__V1__SecretsStage **ret, struct error *err);

/*
 * A number that is another one when one of the secrets in the i-th volume is; 0 while one that it
 * needs is not there.
 */
uint64_t plan_secrets_version(
	const struct plan_pod *pod, size_t i, plan_find_secret find, void *user);

/* Room that what is staged needs beside what it replaces: sizes of VOLUME_RESIZE. */
void plan_volume_room(const struct plan_node *node, const Bulkhead__V1__SecretsStage *stage,
	Bulkhead__V1__VolumeResize *ret);

/* Who owns its files: VOLUME_OWN of the i-th secret volume, 'directory' left empty. */
int plan_volume_own(const struct plan_node *node, const struct plan_pod *pod, size_t i,
	Bulkhead__V1__VolumeOwn **ret, struct error *err);

/* "Guaranteed", "Burstable" or "BestEffort" (pkg/apis/core/v1/helper/qos upstream). */
const char *plan_qos(const K8sPod *pod);

#endif
