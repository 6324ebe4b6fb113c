/*
 * The ServiceAccount admission of a Kubernetes API server: the account's name, and its token at the
 * path where client libraries look for it.
 */
#ifndef AUTH_DEFAULTS_ACCOUNT_H
#define AUTH_DEFAULTS_ACCOUNT_H

#include "lib/error.h"
#include "proto/k8s.h"

/*
 * Sets serviceAccountName and, unless automountServiceAccountToken is false, adds a projected
 * volume (token, ca.crt, namespace) that every container without a mount at DEFAULTS_TOKEN_PATH
 * mounts there. Source: plugin/pkg/admission/serviceaccount upstream.
 */
int account_default(K8sPodSpec *spec, const char *suffix, struct error *err);

#endif
