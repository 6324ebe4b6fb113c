/*
 * The Kubernetes Pod Security Standards: all checks of levels baseline and restricted, as each
 * version from v1.0 to v1.37 has them (k8s.io/pod-security-admission, policy/).
 *
 * A pod is judged as its author wrote it, before pod_default(): our default of hostUsers is not
 * upstream's and would relax two checks.
 */
#ifndef AUTH_PSS_H
#define AUTH_PSS_H

#include <stdbool.h>

#include "auth/violation.h"
#include "lib/error.h"
#include "proto/k8s.h"

#define PSS_MINOR_MAX   37 /* the newest version that we know; newer ones mean this one */
#define PSS_POLICY_SIZE 32

enum pss_level {
	PSS_PRIVILEGED,
	PSS_BASELINE,
	PSS_RESTRICTED,
};

struct pss_policy {
	enum pss_level level;
	bool latest;
	unsigned minor; /* of v1.<minor> as asked for; PSS_MINOR_MAX when latest */
};

/* "restricted:v1.37", "baseline:latest"; a level alone means latest. ERR_INVALID says the form. */
int pss_policy_parse(const char *text, struct pss_policy *ret, struct error *err);

/* The inverse. Returns 'buf'. */
const char *pss_policy_text(const struct pss_policy *policy, char buf[PSS_POLICY_SIZE]);

/*
 * Adds one violation for each offending field: check is upstream's id ("hostPorts"), code
 * ERR_DENIED, reason upstream's "<reason> (<detail>)", the same for all fields of one check. The
 * order is upstream's: baseline's by id, then restricted's by id. Returns 0 whatever it found.
 */
int pss_judge(const struct pss_policy *policy, const K8sPod *pod, struct violations *ret,
	struct error *err);

/*
 * Upstream's sentence, violates PodSecurity "restricted:v1.37": a (b), c (d). The caller frees
 * *ret.
 */
int pss_message(const struct pss_policy *policy, const struct violations *violations, char **ret,
	struct error *err);

#endif
