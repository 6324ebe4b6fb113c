/*
 * Why a pod is allowed or not, as data: by a pod security standard without any daemon, or by every
 * security context constraint of a project. Behind `bulkhead explain` and the ReviewPod call.
 */
#ifndef AUTH_EXPLAIN_H
#define AUTH_EXPLAIN_H

#include <stdbool.h>

#include "auth/scc.h"
#include "auth/violation.h"
#include "bulkhead/v1/node.pb-c.h"
#include "lib/error.h"
#include "proto/k8s.h"

/* A review travels in one message: these keep it below 1 MiB whatever is asked. */
#define EXPLAIN_LISTED_MAX 64  /* objections of one constraint; further ones are counted */
#define EXPLAIN_TEXT_MAX   512 /* bytes of a field or reason; a longer one ends in "..." */

/* Bytes of an invalid pod that constraints still judge; its lists are bounded by nothing else. */
#define EXPLAIN_INVALID_SIZE_MAX 65536

/*
 * Judges 'pod', as written, by "baseline:v1.37". The verdict is violations_any(ret). Errors:
 * ERR_INVALID for a policy of another form.
 */
int explain_policy(
	const K8sPod *pod, const char *policy, struct violations *ret, struct error *err);

/*
 * Judges 'pod', as written, for a project: defaults a copy, validates it, asks every constraint
 * (not for a pod that is invalid and larger than EXPLAIN_INVALID_SIZE_MAX: there are no reviews
 * then), and checks that all is honoured. The caller frees *ret with
 * bulkhead__v1__review_pod_response__free_unpacked(). Allowed means that applying it would work.
 */
int explain_review(const K8sPod *pod, const struct project_facts *project,
	const struct scc_subject *user, const char *node_name,
	Bulkhead__V1__ReviewPodResponse **ret, struct error *err);

/*
 * {"allowed": bool, "violations": [{"check", "field", "reason"}]}, pretty, with a final newline.
 * The caller frees *ret.
 */
int explain_json(bool allowed, const struct violations *violations, char **ret, struct error *err);

/*
 * The same from a review: validation's violations; when no usable constraint lets the pod in, also
 * those of each usable one; with "constraint" the one that does, and "reviews" of all.
 */
int explain_review_json(
	const Bulkhead__V1__ReviewPodResponse *review, char **ret, struct error *err);

#endif
