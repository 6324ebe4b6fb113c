/*
 * Any text as a NetworkPolicy. What is admitted fits where it is kept, says of every port and type
 * what it is, and is admitted again as it is written down.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/policy.h"
#include "proto/decode.h"
#include "proto/wire_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_admitted(const K8sNetworkPolicy *policy)
{
	struct violations found = { 0 };
	struct error err;
	int r = policy_validate(policy, &found, &err) == 0 && !violations_any(&found);

	violations_done(&found);
	return r;
}

static void look_at(const K8sNetworkPolicySpec *spec)
{
	if (!spec || spec->n_policytypes == 0 || spec->n_policytypes > 2)
		abort();
	for (size_t i = 0; i < spec->n_ingress; i++) {
		for (size_t j = 0; j < spec->ingress[i]->n_ports; j++) {
			const K8sNetworkPolicyPort *port = spec->ingress[i]->ports[j];

			if (!port->protocol || (port->port && port->port->type != 0) ||
				(port->port &&
					(port->port->intval < 1 || port->port->intval > 65535)))
				abort();
		}
	}
}

static void write_down(const K8sNetworkPolicy *policy)
{
	size_t size = protobuf_c_message_get_packed_size(&policy->base);
	uint8_t *bytes = malloc(size + 1);
	ProtobufCMessage *again;
	struct error err;

	if (!bytes || size > POLICY_SIZE_MAX)
		abort();
	protobuf_c_message_pack(&policy->base, bytes);
	if (message_unpack(K8S_NETWORK_POLICY_DESC, bytes, size, &again, &err) < 0 ||
		!is_admitted((K8sNetworkPolicy *)again))
		abort();
	protobuf_c_message_free_unpacked(again, NULL);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ProtobufCMessage *msg;
	struct error err;

	if (decode_object(K8S_NETWORK_POLICY_DESC, K8S_NETWORK_POLICY_VERSION,
		    K8S_NETWORK_POLICY_KIND, (const char *)data, size, &msg, &err) < 0)
		return 0;
	if (policy_default((K8sNetworkPolicy *)msg, &err) < 0)
		abort();
	if (is_admitted((K8sNetworkPolicy *)msg)) {
		look_at(((K8sNetworkPolicy *)msg)->spec);
		write_down((K8sNetworkPolicy *)msg);
	}
	protobuf_c_message_free_unpacked(msg, NULL);
	return 0;
}
