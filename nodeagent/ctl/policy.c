/* Network policies: apply, list, describe, delete. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/print.h"
#include "proto/encode.h"

/* ---- apply --------------------------------------------------------------------------------- */

static int print_applied(const struct args *args, const Bulkhead__V1__ApplyNetworkPolicyResponse *r,
	struct error *err)
{
	const char *name = r->policy->metadata->name;
	cleanup_free char *text = NULL;
	int status;

	if (!args->output || strcmp(args->output, "name") == 0) {
		printf("networkpolicy/%s", name);
		if (!args->output)
			printf(" %s%s", r->result, args->dry_run ? " (server dry run)" : "");
		putchar('\n');
		return 0;
	}
	status = strcmp(args->output, "json") == 0
			 ? encode_json(&r->policy->base, K8S_NETWORK_POLICY_VERSION,
				   K8S_NETWORK_POLICY_KIND, true, &text, err)
			 : encode_yaml(&r->policy->base, K8S_NETWORK_POLICY_VERSION,
				   K8S_NETWORK_POLICY_KIND, &text, err);
	if (status == 0)
		fputs(text, stdout);
	return status;
}

int ctl_policy_apply(struct ctl *ctl, K8sNetworkPolicy *policy, void *user, struct error *err)
{
	Bulkhead__V1__ApplyNetworkPolicyRequest request =
		BULKHEAD__V1__APPLY_NETWORK_POLICY_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;

	(void)user;
	if (ctl_connect(ctl, err) < 0 || ctl_settle_project(ctl, policy->metadata, err) < 0)
		return -1;
	request.policy = policy;
	request.dry_run = ctl->args->dry_run != NULL;
	if (ctl_call(ctl, "ApplyNetworkPolicy", &request.base, &response, err) < 0)
		return error_prefix(err, "networkpolicy '%s'",
			policy->metadata->name ? policy->metadata->name : "");
	return print_applied(ctl->args, (Bulkhead__V1__ApplyNetworkPolicyResponse *)response, err);
}

/* ---- list and delete ----------------------------------------------------------------------- */

static int list(struct ctl *ctl, const char *name, ProtobufCMessage **ret, struct error *err)
{
	Bulkhead__V1__ListNetworkPoliciesRequest request =
		BULKHEAD__V1__LIST_NETWORK_POLICIES_REQUEST__INIT;

	request.project = (char *)(uintptr_t)(ctl->args->all_projects ? "" : ctl_project(ctl));
	request.all_projects = ctl->args->all_projects;
	request.name = (char *)(uintptr_t)name;
	return ctl_call(ctl, "ListNetworkPolicies", &request.base, ret, err);
}

int ctl_policies_list(struct ctl *ctl, ProtobufCMessage **ret, struct error *err)
{
	return list(ctl, "", ret, err);
}

int ctl_policy_delete(struct ctl *ctl, const char *project, const char *name, struct error *err)
{
	Bulkhead__V1__DeleteNetworkPolicyRequest request =
		BULKHEAD__V1__DELETE_NETWORK_POLICY_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;

	request.project = (char *)(uintptr_t)project;
	request.name = (char *)(uintptr_t)name;
	if (ctl_call(ctl, "DeleteNetworkPolicy", &request.base, &response, err) < 0)
		return -1;
	printf("networkpolicy \"%s\" deleted\n", name);
	return 0;
}

/* ---- describe ------------------------------------------------------------------------------ */

struct text {
	char *buf;
	size_t size;
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format, ...)
{
	va_list ap;
	int n;

	if (t->len >= t->size)
		return;
	va_start(ap, format);
	n = vsnprintf(t->buf + t->len, t->size - t->len, format, ap);
	va_end(ap);
	t->len += n > 0 ? (size_t)n : 0;
}

static void add_requirement(struct text *t, const K8sLabelSelectorRequirement *r)
{
	const char *key = r->key ? r->key : "", *operator= r->operator_ ? r->operator_ : "";

	if (strcmp(operator, "Exists") == 0) {
		add(t, "%s", key);
	} else if (strcmp(operator, "DoesNotExist") == 0) {
		add(t, "!%s", key);
	} else {
		add(t, "%s %s (", key, strcmp(operator, "In") == 0 ? "in" : "notin");
		for (size_t i = 0; i < r->n_values; i++)
			add(t, "%s%s", i ? "," : "", r->values[i]);
		add(t, ")");
	}
}

void ctl_policy_selector(const K8sLabelSelector *selector, char *buf, size_t size)
{
	struct text t = { buf, size, 0 };

	buf[0] = '\0';
	for (size_t i = 0; selector && i < selector->n_matchlabels; i++)
		add(&t, "%s%s=%s", t.len ? "," : "", selector->matchlabels[i]->key,
			selector->matchlabels[i]->value);
	for (size_t i = 0; selector && i < selector->n_matchexpressions; i++) {
		add(&t, "%s", t.len ? "," : "");
		add_requirement(&t, selector->matchexpressions[i]);
	}
	if (t.len == 0)
		add(&t, "<none>");
}

static void line(const char *indent, const char *name, const char *value)
{
	printf("%s%s ", indent, name);
	print_escaped(stdout, value);
	putchar('\n');
}

static void describe_selector(const char *name, const K8sLabelSelector *selector)
{
	char text[1024];

	if (!selector)
		return;
	ctl_policy_selector(selector, text, sizeof(text));
	line("      ", name, text);
}

static void describe_peers(const char *word, K8sNetworkPolicyPeer *const *peers, size_t n)
{
	if (n == 0)
		printf("    %s: <any> (traffic not restricted by %s)\n", word,
			strcmp(word, "From") == 0 ? "source" : "destination");
	for (size_t i = 0; i < n; i++) {
		const K8sIPBlock *block = peers[i]->ipblock;
		char text[1024];
		struct text t = { text, sizeof(text), 0 };

		printf("    %s:\n", word);
		describe_selector("NamespaceSelector:", peers[i]->namespaceselector);
		describe_selector("PodSelector:", peers[i]->podselector);
		if (!block)
			continue;
		line("      ", "IPBlock:", block->cidr);
		for (size_t e = 0; e < block->n_except; e++)
			add(&t, "%s%s", e ? ", " : "", block->except[e]);
		if (block->n_except > 0)
			line("      ", "Except:", text);
	}
}

static void describe_ports(K8sNetworkPolicyPort *const *ports, size_t n)
{
	if (n == 0)
		puts("    To Port: <any> (traffic allowed to all ports)");
	for (size_t i = 0; i < n; i++) {
		const char *protocol = ports[i]->protocol ? ports[i]->protocol : "TCP";

		if (!ports[i]->port)
			printf("    To Port: <any>/%s\n", protocol);
		else if (ports[i]->has_endport)
			printf("    To Port: %d-%d/%s\n", ports[i]->port->intval, ports[i]->endport,
				protocol);
		else
			printf("    To Port: %d/%s\n", ports[i]->port->intval, protocol);
	}
}

static bool has_type(const K8sNetworkPolicySpec *spec, const char *type)
{
	for (size_t i = 0; i < spec->n_policytypes; i++) {
		if (strcmp(spec->policytypes[i], type) == 0)
			return true;
	}
	return false;
}

/* Whether there are rules to follow. */
static bool describe_direction(
	const K8sNetworkPolicySpec *spec, const char *type, const char *word, size_t rules)
{
	if (!has_type(spec, type)) {
		printf("  Not affecting %s traffic\n", word);
		return false;
	}
	printf("  Allowing %s traffic:\n", word);
	if (rules == 0)
		printf("    <none> (Selected pods are isolated for %s connectivity)\n", word);
	return true;
}

static void describe_spec(const K8sNetworkPolicySpec *spec)
{
	char text[1024];

	puts("Spec:");
	ctl_policy_selector(spec->podselector, text, sizeof(text));
	line("  ", "PodSelector:", text);
	if (describe_direction(spec, "Ingress", "ingress", spec->n_ingress)) {
		for (size_t i = 0; i < spec->n_ingress; i++) {
			if (i)
				puts("    ----------");
			describe_ports(spec->ingress[i]->ports, spec->ingress[i]->n_ports);
			describe_peers("From", spec->ingress[i]->from, spec->ingress[i]->n_from);
		}
	}
	if (describe_direction(spec, "Egress", "egress", spec->n_egress)) {
		for (size_t i = 0; i < spec->n_egress; i++) {
			if (i)
				puts("    ----------");
			describe_ports(spec->egress[i]->ports, spec->egress[i]->n_ports);
			describe_peers("To", spec->egress[i]->to, spec->egress[i]->n_to);
		}
	}
}

int ctl_policy_describe(struct ctl *ctl, const char *name, struct error *err)
{
	cleanup_message ProtobufCMessage *response = NULL;
	const K8sNetworkPolicy *policy;
	char created[64] = "<unknown>";
	time_t seconds;
	struct tm tm;

	if (list(ctl, name, &response, err) < 0)
		return -1;
	policy = ((Bulkhead__V1__ListNetworkPoliciesResponse *)response)->policies[0];
	seconds = (time_t)policy->metadata->creationtimestamp->seconds;
	if (gmtime_r(&seconds, &tm))
		strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm);
	line("", "Name:      ", policy->metadata->name);
	line("", "Project:   ", policy->metadata->namespace_);
	line("", "Created on:", created);
	describe_spec(policy->spec);
	return 0;
}
