/*
 * Bandwidth that a pod asks for by Kubernetes' annotations. They are the ones that may change while
 * it runs: pod_bandwidth.h.
 */
#ifndef NODEAGENT_AGENT_PLAN_BANDWIDTH_H
#define NODEAGENT_AGENT_PLAN_BANDWIDTH_H

#include "lib/bandwidth.h"
#include "proto/k8s.h"

/* "kubernetes.io/ingress-bandwidth", "kubernetes.io/egress-bandwidth". */
const char *plan_bandwidth_annotation(enum bandwidth_direction direction);

/*
 * Bits a second, a quantity from 1k to 1P as Kubernetes has it. Errors name annotation, rule and
 * fix: ERR_INVALID; ERR_UNSUPPORTED (more than a switch counts, a pod on the node's own network).
 */
int plan_bandwidth(const K8sPod *pod, struct bandwidth *ret, struct error *err);

#endif
