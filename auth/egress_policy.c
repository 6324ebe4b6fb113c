#include "auth/egress_policy.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "auth/validate_rules.h"
#include "lib/egress.h"

/* ---- judging ------------------------------------------------------------------------------- */

static void not_honoured(const struct validation *v, const struct place *at, const char *reason)
{
	char field[PLACE_SIZE];

	violation_add(v->out, ERR_UNSUPPORTED, "honoured", place_text(at, field), "%s", reason);
}

static void check_meta(const struct validation *v, const K8sObjectMeta *m)
{
	static const char reason[] = "is not kept; leave it out";
	const struct place *at = AT(NULL, "metadata");

	if (!m) {
		invalid(v, at, "must be given");
		return;
	}
	want_text(v, AT(at, "namespace"), m->namespace_, rule_dns_label);
	if (!text_is(m->name, EGRESS_POLICY_NAME))
		invalid(v, AT(at, "name"), "must be '%s': a project has one egress firewall",
			EGRESS_POLICY_NAME);
	if (m->n_labels > 0)
		not_honoured(v, AT(at, "labels"), reason);
	if (m->n_annotations > 0)
		not_honoured(v, AT(at, "annotations"), reason);
	if (is_set(m->uid) || m->creationtimestamp || is_set(m->resourceversion) ||
		is_set(m->generatename) || m->n_ownerreferences > 0 || m->n_finalizers > 0)
		not_honoured(v, at, "may have name and namespace alone");
}

static void take_network(const struct validation *v,
	const Bulkhead__V1__EgressNetworkPolicyPeer *to, const struct place *at, struct ipnet *ret)
{
	const struct place *cidr = AT(at, "cidrSelector");
	struct error why = { 0 };

	if (!to || (!to->cidr_selector[0] && !to->dns_name[0])) {
		invalid(v, cidr, "must be given, as 10.0.0.0/8");
		return;
	}
	if (to->dns_name[0])
		not_honoured(v, AT(at, "dnsName"),
			"is a name of DNS, which this version does not look up; give a "
			"cidrSelector");
	if (strchr(to->cidr_selector, ':'))
		not_honoured(v, cidr, "is of IPv6, and pods have none in this version");
	else if (to->cidr_selector[0] && ipnet_parse(to->cidr_selector, "net", ret, &why) < 0)
		invalid(v, cidr, "%s", why.text + strlen("net: "));
}

static void take_port(const struct validation *v, const Bulkhead__V1__EgressNetworkPolicyPort *port,
	const struct place *at, struct egress_ports *ret)
{
	const uint32_t end = port->end_port ? port->end_port : port->port;

	ret->protocol = egress_protocol(port->protocol[0] ? port->protocol : "tcp");
	if (!ret->protocol)
		invalid(v, AT(at, "protocol"), "must be TCP, UDP or SCTP");
	want_range(v, AT(at, "port"), port->port, 1, UINT16_MAX);
	want_range(v, AT(at, "endPort"), end, port->port, UINT16_MAX);
	ret->first = (uint16_t)port->port;
	ret->last = (uint16_t)end;
}

static void take_rule(const struct validation *v, const Bulkhead__V1__EgressNetworkPolicyRule *rule,
	const struct place *at, struct egress_rule *ret)
{
	ret->allow = strcmp(rule->type, "Allow") == 0;
	if (!ret->allow && strcmp(rule->type, "Deny") != 0)
		invalid(v, AT(at, "type"), "must be Allow or Deny");
	take_network(v, rule->to, AT(at, "to"), &ret->to);
	if (!want_count(v, AT(at, "ports"), rule->n_ports, EGRESS_PORTS_MAX))
		return;
	for (size_t i = 0; i < rule->n_ports; i++)
		take_port(v, rule->ports[i], AT_ITEM(AT(at, "ports"), i), &ret->ports[i]);
	ret->ports_len = rule->n_ports;
}

static int take_rules(const struct validation *v, const Bulkhead__V1__EgressNetworkPolicySpec *spec,
	struct egress_rules *rules, struct error *err)
{
	const struct place *at = AT(AT(NULL, "spec"), "egress");

	if (!spec || spec->n_egress == 0) {
		invalid(v, at, "must have a rule; to have no firewall delete it");
		return 0;
	}
	if (!want_count(v, at, spec->n_egress, EGRESS_RULES_MAX))
		return 0;
	rules->rules = calloc(spec->n_egress, sizeof(*rules->rules));
	if (!rules->rules)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for an egress firewall");
	for (; rules->len < spec->n_egress; rules->len++)
		take_rule(v, spec->egress[rules->len], AT_ITEM(at, rules->len),
			&rules->rules[rules->len]);
	if (egress_size(rules) > EGRESS_RULES_MAX)
		invalid(v, at, "has %zu rules and ranges of ports together; at most %d are allowed",
			egress_size(rules), EGRESS_RULES_MAX);
	return 0;
}

int egress_policy_judge(const Bulkhead__V1__EgressNetworkPolicy *policy, struct violations *ret,
	char **ret_rules, struct error *err)
{
	const struct validation v = { .out = ret };
	struct egress_rules rules = { 0 };
	int r;

	check_meta(&v, policy->metadata);
	r = take_rules(&v, policy->spec, &rules, err);
	if (r == 0)
		r = violations_end(ret, err);
	if (r == 0 && !violations_any(ret))
		r = egress_format(&rules, ret_rules, err);
	egress_done(&rules);
	return r;
}

/* ---- the way back -------------------------------------------------------------------------- */

static int add_port(Bulkhead__V1__EgressNetworkPolicyRule *rule, const struct egress_ports *ports,
	struct error *err)
{
	Bulkhead__V1__EgressNetworkPolicyPort *port = edit_append(&rule->ports, &rule->n_ports,
		&bulkhead__v1__egress_network_policy_port__descriptor, err);

	if (!port || edit_string(&port->protocol, egress_protocol_name(ports->protocol), err) < 0)
		return -1;
	for (char *c = port->protocol; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	port->port = ports->first;
	port->end_port = ports->last != ports->first ? ports->last : 0;
	return 0;
}

static int add_rule(Bulkhead__V1__EgressNetworkPolicySpec *spec, const struct egress_rule *from,
	struct error *err)
{
	Bulkhead__V1__EgressNetworkPolicyRule *rule = edit_append(&spec->egress, &spec->n_egress,
		&bulkhead__v1__egress_network_policy_rule__descriptor, err);
	char net[IPNET_TEXT_SIZE];

	ipnet_format(&from->to, net);
	if (!rule || edit_string(&rule->type, from->allow ? "Allow" : "Deny", err) < 0 ||
		edit_message(&rule->to, &bulkhead__v1__egress_network_policy_peer__descriptor,
			err) < 0 ||
		edit_string(&rule->to->cidr_selector, net, err) < 0)
		return -1;
	for (size_t i = 0; i < from->ports_len; i++) {
		if (add_port(rule, &from->ports[i], err) < 0)
			return -1;
	}
	return 0;
}

static int fill(Bulkhead__V1__EgressNetworkPolicy *policy, const char *project,
	const struct egress_rules *rules, struct error *err)
{
	if (edit_message(&policy->metadata, K8S_OBJECT_META_DESC, err) < 0 ||
		edit_string(&policy->metadata->name, EGRESS_POLICY_NAME, err) < 0 ||
		edit_string(&policy->metadata->namespace_, project, err) < 0 ||
		edit_message(&policy->spec, &bulkhead__v1__egress_network_policy_spec__descriptor,
			err) < 0)
		return -1;
	for (size_t i = 0; i < rules->len; i++) {
		if (add_rule(policy->spec, &rules->rules[i], err) < 0)
			return -1;
	}
	return 0;
}

int egress_policy_of(const char *project, const char *text, Bulkhead__V1__EgressNetworkPolicy **ret,
	struct error *err)
{
	Bulkhead__V1__EgressNetworkPolicy *policy = NULL;
	struct egress_rules rules;
	int r;

	if (egress_parse(text, &rules, err) < 0)
		return error_prefix(err, "egress firewall of project '%.63s'", project);
	r = edit_message(&policy, EGRESS_POLICY_DESC, err);
	if (r == 0)
		r = fill(policy, project, &rules, err);
	egress_done(&rules);
	if (r < 0 && policy)
		protobuf_c_message_free_unpacked(&policy->base, NULL);
	if (r == 0)
		*ret = policy;
	return r;
}
