/*
 * Short names for the generated messages of networking.k8s.io/v1, as k8s.h has them for pods; apart
 * from it, so that who handles policies alone (bulkhead-netd) brings no core/v1 along.
 */
#ifndef PROTO_K8S_POLICY_H
#define PROTO_K8S_POLICY_H

#include "k8s.io/api/networking/v1/networking.pb-c.h"
#include "k8s.io/apimachinery/pkg/apis/meta/v1/meta.pb-c.h"
#include "k8s.io/apimachinery/pkg/util/intstr/intstr.pb-c.h"

/* As k8s.h has them, too. */
typedef K8s__Io__Apimachinery__Pkg__Apis__Meta__V1__ObjectMeta K8sObjectMeta;
typedef K8s__Io__Apimachinery__Pkg__Apis__Meta__V1__LabelSelector K8sLabelSelector;
typedef K8s__Io__Apimachinery__Pkg__Apis__Meta__V1__LabelSelectorRequirement
	K8sLabelSelectorRequirement;

typedef K8s__Io__Api__Networking__V1__NetworkPolicy K8sNetworkPolicy;
typedef K8s__Io__Api__Networking__V1__NetworkPolicySpec K8sNetworkPolicySpec;
typedef K8s__Io__Api__Networking__V1__NetworkPolicyIngressRule K8sNetworkPolicyIngressRule;
typedef K8s__Io__Api__Networking__V1__NetworkPolicyEgressRule K8sNetworkPolicyEgressRule;
typedef K8s__Io__Api__Networking__V1__NetworkPolicyPort K8sNetworkPolicyPort;
typedef K8s__Io__Api__Networking__V1__NetworkPolicyPeer K8sNetworkPolicyPeer;
typedef K8s__Io__Api__Networking__V1__IPBlock K8sIPBlock;
typedef K8s__Io__Apimachinery__Pkg__Apis__Meta__V1__LabelSelector__MatchLabelsEntry
	K8sMatchLabelsEntry;

#define K8S_NETWORK_POLICY_VERSION "networking.k8s.io/v1"
#define K8S_NETWORK_POLICY_KIND    "NetworkPolicy"
#define K8S_NETWORK_POLICY_DESC    (&k8s__io__api__networking__v1__network_policy__descriptor)
#define K8S_NETWORK_POLICY_INIT    K8S__IO__API__NETWORKING__V1__NETWORK_POLICY__INIT

/* NULL is allowed. */
static inline void k8s_network_policy_free(K8sNetworkPolicy *policy)
{
	if (policy)
		k8s__io__api__networking__v1__network_policy__free_unpacked(policy, NULL);
}

/* IntOrString's type */
#define K8S_INT_OR_STRING_NAME 1

#endif
