/*
 * All pods of the node: accepted ones are on disk, each has a state machine and, while it lives, a
 * shim. This header is what the other modules of the agent see of them.
 */
#ifndef NODEAGENT_AGENT_PODS_H
#define NODEAGENT_AGENT_PODS_H

#include <stdbool.h>
#include <stddef.h>

#include "bulkhead/v1/ipc.pb-c.h"
#include "lib/error.h"

struct agent;
struct pods;

/*
 * Reads the pod directories, connects to the shims that live and adopts what runs. A directory that
 * cannot be read is reported, set aside (never removed) and makes no pod.
 */
int pods_new(struct pods **ret, struct agent *agent, struct error *err);
/* Lets go of all: pods run on. */
void pods_free(struct pods *pods);

/* Something that a pod may wait for has changed: cluster data, secretd, netd. */
void pods_kick(struct pods *pods);

size_t pods_count(const struct pods *pods);
bool pods_use_image(const struct pods *pods, const char *digest);
bool pods_use_project(const struct pods *pods, const char *project);

/* The pods whose ports must stay, for NET_SYNC. The caller frees *ret (free_unpacked). */
int pods_net_sync(const struct pods *pods, Bulkhead__V1__NetSync **ret, struct error *err);
/* netd's answer: the ports as the switch has them. */
void pods_net_synced(struct pods *pods, const Bulkhead__V1__NetSynced *synced);

/*
 * For `bulkhead-agent --teardown`, without a loop: ends every pod's shim and processes below
 * <run>/pods and <state>/pods, removes their cgroups, mounts and run folders. With 'purge' the pod
 * directories go too. Goes on after a failure and reports the first.
 */
int pods_teardown(struct agent *agent, bool purge, struct error *err);

#endif
