/*
 * A pod's volumes: which kind each is, and how a container sees them. For the plan_*.c files only.
 */
#ifndef NODEAGENT_AGENT_PLAN_VOLUMES_H
#define NODEAGENT_AGENT_PLAN_VOLUMES_H

#include "nodeagent/agent/plan.h"

#define PLAN_PAGE       4096
#define PLAN_INODES_MIN 64
#define PLAN_INODES_MAX (1 << 20)

/* Bytes of one volume's sources, sealed; with names they must fit into a frame (lib/ipc.h). */
#define PLAN_STAGE_MAX (7u << 19)

enum plan_volume {
	PLAN_VOLUME_NONE,   /* of a kind that is not honoured */
	PLAN_VOLUME_SECRET, /* tmpfs written by secretd: secret, projected, downwardAPI, configMap
			     */
	PLAN_VOLUME_MEMORY, /* emptyDir in memory */
	PLAN_VOLUME_DISK,   /* emptyDir on disk */
};

/* emptyDir.sizeLimit in bytes, 0 for none. */
int plan_size_limit(const K8sVolume *volume, int64_t *ret, struct error *err);

enum plan_volume plan_volume_kind(const K8sVolume *volume);

/* The i-th volume that secretd writes, NULL when there are fewer; *ret_index is its place in spec.
 */
const K8sVolume *plan_secret_volume(const K8sPodSpec *spec, size_t i, size_t *ret_index);

/* The user that all containers run as. False when they differ or an image decides. */
bool plan_token_user(const K8sPodSpec *spec, int64_t *ret);

/* Bytes and inodes that what is staged needs, twice over: old and new are there while it changes.
 */
void plan_secrets_size(const struct plan_node *node, const Bulkhead__V1__SecretsStage *stage,
	uint64_t *ret_size, uint64_t *ret_inodes);

/* Sets plan->tmpfs, in the order of the spec. Refuses volumes that are not honoured. */
int plan_tmpfs(const struct plan_node *node, const struct plan_pod *pod, plan_find_secret find,
	void *user, Bulkhead__V1__SandboxPlan *plan, struct error *err);

/* Sets plan->mounts, outer ones before those within them. */
int plan_mounts(const struct plan_pod *pod, const K8sContainer *container,
	Bulkhead__V1__ContainerPlan *plan, struct error *err);

#endif
