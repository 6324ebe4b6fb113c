/*
 * <state>/node.yaml: read once at start, every field judged, so that the rest of the agent can use
 * it without looking again.
 */
#ifndef NODEAGENT_AGENT_CONFIG_H
#define NODEAGENT_AGENT_CONFIG_H

#include <stdbool.h>

#include "bulkhead/v1/config.pb-c.h"
#include "lib/error.h"

#define CONFIG_SIZE_MAX           65536
#define CONFIG_RUN_DIR_MAX        48 /* sockets lie below it, and their paths end at 107 bytes */
#define CONFIG_STATE_DIR_MAX      200
#define CONFIG_PODS_MAX           1000
#define CONFIG_DRIFT_INTERVAL     30 /* seconds */
#define CONFIG_DRIFT_INTERVAL_MAX 3600
#define USERNS_SLICE_SIZE         65536u

/* The caller frees *ret with bulkhead__v1__node_config__free_unpacked(). */
int config_load(const char *path, Bulkhead__V1__NodeConfig **ret, struct error *err);

/* Judges every field. Pure. Errors: ERR_INVALID, naming field, rule and what was found. */
int config_check(const Bulkhead__V1__NodeConfig *config, struct error *err);

#define CONFIG_JOURNAL_AUTO "auto" /* journal_socket: journald's, where there is one */
#define CONFIG_JOURNAL_NONE "none"
#define CONFIG_SOCKET_MAX   107 /* of a socket's path */

/* Where containers' output goes. */
bool config_log_journal(const Bulkhead__V1__NodeConfig *config);
bool config_log_files(const Bulkhead__V1__NodeConfig *config);

/* Whether the cluster may have other nodes, and whether one of them has its database. */
bool config_has_peers(const Bulkhead__V1__NodeConfig *config);
bool config_is_member(const Bulkhead__V1__NodeConfig *config);

#endif
