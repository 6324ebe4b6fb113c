/*
 * What ADD answers, and how CHECK finds it again: the result of the CNI specification, in each
 * version that is supported, chained behind other plugins' (prevResult). Pure.
 */
#ifndef NETPLUGIN_CNI_RESULT_H
#define NETPLUGIN_CNI_RESULT_H

#include "lib/ipnet.h"
#include "netplugin/cni/config.h"

/* As bulkhead-netd has it. */
struct cni_attached {
	char address[IPNET_TEXT_SIZE]; /* "10.128.0.5" */
	unsigned prefix;               /* of the cluster network: the rest of it is on this link */
	char mac[MAC_TEXT_SIZE];
	char port[PORT_NAME_SIZE]; /* the node's end */
	unsigned mtu;
};

/*
 * Whether config->prev_result, if there is one, can be chained: to be asked before anything is
 * done. Errors: CNI_INVALID_CONFIG, by the field.
 */
int cni_result_check_prev(
	const struct cni_config *config, const struct cni_env *env, struct failure *failure);

/* prevResult, where there is one, and behind it both ends and the address. The caller owns *ret. */
int cni_result_make(const struct cni_config *config, const struct cni_env *env,
	const struct cni_attached *attached, json_t **ret, struct failure *failure);

/*
 * Compares what prevResult says of this attachment with what there is. Errors: CNI_INVALID_CONFIG
 * (no prevResult, or not one), CNI_DIFFERS.
 */
int cni_result_compare(const struct cni_config *config, const struct cni_env *env,
	const struct cni_attached *attached, struct failure *failure);

#endif
