/*
 * Fills in what a manifest leaves out, as the Kubernetes API server and its ServiceAccount
 * admission would, for no such server stands before the node.
 */
#ifndef AUTH_DEFAULTS_H
#define AUTH_DEFAULTS_H

#include "lib/error.h"
#include "proto/k8s.h"

#define DEFAULTS_SUFFIX_LEN    5
#define DEFAULTS_SUFFIX_CHARS  "bcdfghjklmnpqrstvwxz2456789" /* Kubernetes' for generated names */
#define DEFAULTS_TOKEN_SECONDS 3607
#define DEFAULTS_TOKEN_PATH    "/var/run/secrets/kubernetes.io/serviceaccount"
#define DEFAULTS_TOKEN_VOLUME  "kube-api-access-" /* and the suffix */
#define DEFAULTS_ROOT_CA       "kube-root-ca.crt" /* the one configMap that is honoured */

/*
 * Defaults 'pod' in place. 'project' is used when metadata.namespace is absent. 'suffix' names the
 * token volume: DEFAULTS_SUFFIX_LEN of DEFAULTS_SUFFIX_CHARS, chosen by the caller. A pod that has
 * been defaulted before is not changed again.
 *
 * Ours, not Kubernetes': hostUsers is false unless the pod says otherwise or asks for the host's
 * network, pid or ipc namespace.
 *
 * Errors: ERR_INVALID (suffix), ERR_EXHAUSTED (memory); 'pod' is then still freeable, but may be
 * half defaulted and must be dropped.
 */
int pod_default(K8sPod *pod, const char *project, const char *suffix, struct error *err);

/* "Always" for no tag or :latest, else (another tag, or a digest) "IfNotPresent". */
const char *pod_pull_policy(const char *image);

#endif
