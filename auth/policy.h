/*
 * Network policies (networking.k8s.io/v1) on their way in: what is left out gets upstream's
 * defaults, and whether one is what Kubernetes' API would take and this version carries out whole.
 */
#ifndef AUTH_POLICY_H
#define AUTH_POLICY_H

#include "auth/violation.h"
#include "lib/error.h"
#include "proto/k8s_policy.h"

#define POLICY_RULES_MAX       64    /* ingress, and egress */
#define POLICY_PEERS_MAX       64    /* of one rule */
#define POLICY_PORTS_MAX       64    /* of one rule */
#define POLICY_EXCEPTS_MAX     64    /* of one block */
#define POLICY_LABELS_MAX      64    /* of one selector, and expressions */
#define POLICY_VALUES_MAX      64    /* of one expression */
#define POLICY_ANNOTATIONS_MAX 4096  /* bytes of keys and values */
#define POLICY_SIZE_MAX        16384 /* packed, as admitted */

/*
 * Fills in policyTypes (Ingress, and Egress where there are egress rules) and each port's protocol
 * (TCP). Errors: ERR_EXHAUSTED.
 */
int policy_default(K8sNetworkPolicy *policy, struct error *err);

/*
 * Judges one after policy_default(). Violations have check "validate" (ERR_INVALID), or "honoured"
 * (ERR_UNSUPPORTED) for what is valid and not carried out: ports by name, IPv6. Returns 0 whatever
 * it found, -1 only when it could not judge. Rules: pkg/apis/networking/validation upstream.
 */
int policy_validate(const K8sNetworkPolicy *policy, struct violations *ret, struct error *err);

#endif
