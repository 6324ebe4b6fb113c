/* Egress firewalls: apply, list, describe, delete. */
#include <stdio.h>
#include <string.h>

#include "auth/egress_policy.h"
#include "lib/cleanup.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/print.h"
#include "proto/encode.h"

static int print_applied(const struct args *args,
	const Bulkhead__V1__ApplyEgressNetworkPolicyResponse *r, struct error *err)
{
	cleanup_free char *text = NULL;
	int status;

	if (!args->output || strcmp(args->output, "name") == 0) {
		printf("egressnetworkpolicy/%s", r->policy->metadata->name);
		if (!args->output)
			printf(" %s%s", r->result, args->dry_run ? " (server dry run)" : "");
		putchar('\n');
		return 0;
	}
	status = strcmp(args->output, "json") == 0
			 ? encode_json(&r->policy->base, EGRESS_POLICY_VERSION, EGRESS_POLICY_KIND,
				   true, &text, err)
			 : encode_yaml(&r->policy->base, EGRESS_POLICY_VERSION, EGRESS_POLICY_KIND,
				   &text, err);
	if (status == 0)
		fputs(text, stdout);
	return status;
}

int ctl_egress_apply(
	struct ctl *ctl, Bulkhead__V1__EgressNetworkPolicy *policy, void *user, struct error *err)
{
	Bulkhead__V1__ApplyEgressNetworkPolicyRequest request =
		BULKHEAD__V1__APPLY_EGRESS_NETWORK_POLICY_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;

	(void)user;
	if (ctl_connect(ctl, err) < 0 || ctl_settle_project(ctl, policy->metadata, err) < 0)
		return -1;
	request.policy = policy;
	request.dry_run = ctl->args->dry_run != NULL;
	if (ctl_call(ctl, "ApplyEgressNetworkPolicy", &request.base, &response, err) < 0)
		return error_prefix(err, "egressnetworkpolicy '%s'",
			policy->metadata->name ? policy->metadata->name : "");
	return print_applied(
		ctl->args, (Bulkhead__V1__ApplyEgressNetworkPolicyResponse *)response, err);
}

static int list(struct ctl *ctl, const char *name, ProtobufCMessage **ret, struct error *err)
{
	Bulkhead__V1__ListEgressNetworkPoliciesRequest request =
		BULKHEAD__V1__LIST_EGRESS_NETWORK_POLICIES_REQUEST__INIT;

	request.project = (char *)(uintptr_t)(ctl->args->all_projects ? "" : ctl_project(ctl));
	request.all_projects = ctl->args->all_projects;
	request.name = (char *)(uintptr_t)name;
	return ctl_call(ctl, "ListEgressNetworkPolicies", &request.base, ret, err);
}

int ctl_egress_list(struct ctl *ctl, ProtobufCMessage **ret, struct error *err)
{
	return list(ctl, "", ret, err);
}

int ctl_egress_delete(struct ctl *ctl, const char *project, const char *name, struct error *err)
{
	Bulkhead__V1__DeleteEgressNetworkPolicyRequest request =
		BULKHEAD__V1__DELETE_EGRESS_NETWORK_POLICY_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;

	request.project = (char *)(uintptr_t)project;
	request.name = (char *)(uintptr_t)name;
	if (ctl_call(ctl, "DeleteEgressNetworkPolicy", &request.base, &response, err) < 0)
		return -1;
	printf("egressnetworkpolicy \"%s\" deleted\n", name);
	return 0;
}

static void print_rule(const Bulkhead__V1__EgressNetworkPolicyRule *rule)
{
	printf("  %-5s ", rule->type);
	print_escaped(stdout, rule->to->cidr_selector);
	for (size_t i = 0; i < rule->n_ports; i++) {
		const Bulkhead__V1__EgressNetworkPolicyPort *port = rule->ports[i];

		printf("%s %u", i ? "," : "", port->port);
		if (port->end_port)
			printf("-%u", port->end_port);
		printf("/%s", port->protocol);
	}
	putchar('\n');
}

int ctl_egress_describe(struct ctl *ctl, const char *name, struct error *err)
{
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__EgressNetworkPolicy *policy;

	if (list(ctl, name, &response, err) < 0)
		return -1;
	policy = ((Bulkhead__V1__ListEgressNetworkPoliciesResponse *)response)->policies[0];
	printf("Name:    %s\nProject: %s\n", policy->metadata->name, policy->metadata->namespace_);
	puts("Rules (the first that matches decides, what none matches is allowed):");
	for (size_t i = 0; i < policy->spec->n_egress; i++)
		print_rule(policy->spec->egress[i]);
	return 0;
}
