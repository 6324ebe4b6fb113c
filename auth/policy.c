#include "auth/policy.h"

#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "auth/validate.h"
#include "auth/validate_rules.h"
#include "lib/ipnet.h"

/* ---- defaults ------------------------------------------------------------------------------ */

static int default_ports(K8sNetworkPolicyPort **ports, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (edit_string_default(&ports[i]->protocol, "TCP", err) < 0)
			return -1;
	}
	return 0;
}

int policy_default(K8sNetworkPolicy *policy, struct error *err)
{
	K8sNetworkPolicySpec *spec = policy->spec;

	if (!spec)
		return 0;
	for (size_t i = 0; i < spec->n_ingress; i++) {
		if (default_ports(spec->ingress[i]->ports, spec->ingress[i]->n_ports, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < spec->n_egress; i++) {
		if (default_ports(spec->egress[i]->ports, spec->egress[i]->n_ports, err) < 0)
			return -1;
	}
	if (spec->n_policytypes > 0)
		return 0;
	if (edit_append_string(&spec->policytypes, &spec->n_policytypes, "Ingress", err) < 0)
		return -1;
	return spec->n_egress == 0 ? 0
				   : edit_append_string(&spec->policytypes, &spec->n_policytypes,
					     "Egress", err);
}

/* ---- judging ------------------------------------------------------------------------------- */

static void not_honoured(const struct validation *v, const struct place *at, const char *reason)
{
	char field[PLACE_SIZE];

	violation_add(v->out, ERR_UNSUPPORTED, "honoured", place_text(at, field), "%s", reason);
}

static void check_requirement(
	const struct validation *v, const K8sLabelSelectorRequirement *r, const struct place *at)
{
	static const char *const operators[] = { "In", "NotIn", "Exists", "DoesNotExist", NULL };
	bool counts = text_is(r->operator_, "In") || text_is(r->operator_, "NotIn");

	want_text(v, AT(at, "key"), r->key, rule_label_key);
	if (!is_set(r->operator_))
		invalid(v, AT(at, "operator"), "must be given");
	want_one_of(v, AT(at, "operator"), r->operator_, operators);
	if (counts && r->n_values == 0)
		invalid(v, AT(at, "values"), "must be given with operator %s", r->operator_);
	if (!counts && r->n_values > 0)
		invalid(v, AT(at, "values"), "go with operators In and NotIn only");
	if (!want_count(v, AT(at, "values"), r->n_values, POLICY_VALUES_MAX))
		return;
	for (size_t i = 0; i < r->n_values; i++)
		want_text_if(v, AT_ITEM(AT(at, "values"), i), r->values[i], rule_label_value);
}

static void check_selector(
	const struct validation *v, const K8sLabelSelector *selector, const struct place *at)
{
	if (!selector ||
		!want_count(v, AT(at, "matchLabels"), selector->n_matchlabels, POLICY_LABELS_MAX) ||
		!want_count(v, AT(at, "matchExpressions"), selector->n_matchexpressions,
			POLICY_LABELS_MAX))
		return;
	for (size_t i = 0; i < selector->n_matchlabels; i++) {
		const char *key =
			selector->matchlabels[i]->key ? selector->matchlabels[i]->key : "";
		const struct place *here = AT_KEY(AT(at, "matchLabels"), key);

		want_text(v, here, key, rule_label_key);
		want_text_if(v, here, selector->matchlabels[i]->value, rule_label_value);
	}
	for (size_t i = 0; i < selector->n_matchexpressions; i++)
		check_requirement(
			v, selector->matchexpressions[i], AT_ITEM(AT(at, "matchExpressions"), i));
}

/* Whether it is one, of IPv4. */
static bool check_network(
	const struct validation *v, const char *text, const struct place *at, struct ipnet *ret)
{
	struct error why = { 0 };

	if (!is_set(text)) {
		invalid(v, at, "must be given, as 10.0.0.0/8");
		return false;
	}
	if (strchr(text, ':')) {
		not_honoured(v, at, "is of IPv6, and pods have none in this version");
		return false;
	}
	if (ipnet_parse(text, "cidr", ret, &why) == 0)
		return true;
	/* Without the name that 'at' says better. */
	invalid(v, at, "%s", why.text + strlen("cidr: "));
	return false;
}

static void check_block(const struct validation *v, const K8sIPBlock *block, const struct place *at)
{
	const struct place *excepts = AT(at, "except");
	struct ipnet net, except;

	if (!check_network(v, block->cidr, AT(at, "cidr"), &net) ||
		!want_count(v, excepts, block->n_except, POLICY_EXCEPTS_MAX))
		return;
	for (size_t i = 0; i < block->n_except; i++) {
		if (!check_network(v, block->except[i], AT_ITEM(excepts, i), &except))
			continue;
		if (except.prefix <= net.prefix || !ipnet_contains(&net, except.address))
			invalid(v, AT_ITEM(excepts, i),
				"must be a part of cidr, and not all of it");
	}
}

static void check_peers(const struct validation *v, K8sNetworkPolicyPeer *const *peers, size_t n,
	const struct place *at)
{
	if (!want_count(v, at, n, POLICY_PEERS_MAX))
		return;
	for (size_t i = 0; i < n; i++) {
		const struct place *here = AT_ITEM(at, i);
		const K8sNetworkPolicyPeer *peer = peers[i];

		if (!peer->ipblock && !peer->podselector && !peer->namespaceselector)
			invalid(v, here,
				"must have a podSelector, a namespaceSelector or an ipBlock");
		if (peer->ipblock && (peer->podselector || peer->namespaceselector))
			invalid(v, AT(here, "ipBlock"), "must stand alone in its peer");
		check_selector(v, peer->podselector, AT(here, "podSelector"));
		check_selector(v, peer->namespaceselector, AT(here, "namespaceSelector"));
		if (peer->ipblock)
			check_block(v, peer->ipblock, AT(here, "ipBlock"));
	}
}

static void check_port(
	const struct validation *v, const K8sNetworkPolicyPort *port, const struct place *at)
{
	static const char *const protocols[] = { "TCP", "UDP", "SCTP", NULL };
	const K8sIntOrString *number = port->port;

	want_one_of(v, AT(at, "protocol"), port->protocol, protocols);
	if (number && number->type == K8S_INT_OR_STRING_NAME) {
		not_honoured(v, AT(at, "port"),
			"is a port by name, which this version does not look up; give its number");
		return;
	}
	if (number)
		want_range(v, AT(at, "port"), number->intval, 1, 65535);
	if (!port->has_endport)
		return;
	if (!number)
		invalid(v, AT(at, "endPort"), "needs port beside it");
	else if (port->endport < number->intval)
		invalid(v, AT(at, "endPort"), "%d must not be less than port, %d", port->endport,
			number->intval);
	want_range(v, AT(at, "endPort"), port->endport, 1, 65535);
}

static void check_ports(const struct validation *v, K8sNetworkPolicyPort *const *ports, size_t n,
	const struct place *at)
{
	if (!want_count(v, at, n, POLICY_PORTS_MAX))
		return;
	for (size_t i = 0; i < n; i++)
		check_port(v, ports[i], AT_ITEM(at, i));
}

static void check_types(
	const struct validation *v, const K8sNetworkPolicySpec *spec, const struct place *at)
{
	static const char *const types[] = { "Ingress", "Egress", NULL };

	for (size_t i = 0; i < spec->n_policytypes && i <= 2; i++) {
		if (!is_set(spec->policytypes[i]))
			invalid(v, AT_ITEM(at, i), "must be given");
		want_one_of(v, AT_ITEM(at, i), spec->policytypes[i], types);
	}
	want_count(v, at, spec->n_policytypes, 2);
}

static void check_spec(const struct validation *v, const K8sNetworkPolicySpec *spec)
{
	const struct place *at = AT(NULL, "spec");
	const struct place *ingress = AT(at, "ingress"), *egress = AT(at, "egress");

	if (!spec) {
		invalid(v, at, "must be given");
		return;
	}
	check_selector(v, spec->podselector, AT(at, "podSelector"));
	check_types(v, spec, AT(at, "policyTypes"));
	if (!want_count(v, ingress, spec->n_ingress, POLICY_RULES_MAX) ||
		!want_count(v, egress, spec->n_egress, POLICY_RULES_MAX))
		return;
	for (size_t i = 0; i < spec->n_ingress; i++) {
		const K8sNetworkPolicyIngressRule *rule = spec->ingress[i];

		check_ports(v, rule->ports, rule->n_ports, AT(AT_ITEM(ingress, i), "ports"));
		check_peers(v, rule->from, rule->n_from, AT(AT_ITEM(ingress, i), "from"));
	}
	for (size_t i = 0; i < spec->n_egress; i++) {
		const K8sNetworkPolicyEgressRule *rule = spec->egress[i];

		check_ports(v, rule->ports, rule->n_ports, AT(AT_ITEM(egress, i), "ports"));
		check_peers(v, rule->to, rule->n_to, AT(AT_ITEM(egress, i), "to"));
	}
}

/* ---- metadata ------------------------------------------------------------------------------ */

static bool is_plain(const char *text)
{
	for (const char *c = text; *c; c++) {
		if (((unsigned char)*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f)
			return false;
	}
	return true;
}

static void check_annotations(
	const struct validation *v, const K8sObjectMeta *meta, const struct place *at)
{
	size_t size = 0;

	for (size_t i = 0; i < meta->n_annotations; i++) {
		const char *key = meta->annotations[i]->key ? meta->annotations[i]->key : "";
		const char *value = meta->annotations[i]->value ? meta->annotations[i]->value : "";

		want_text(v, AT_KEY(at, key), key, rule_annotation_key);
		if (!is_plain(value))
			invalid(v, AT_KEY(at, key), "must not have control characters");
		size += strlen(key) + strlen(value);
	}
	if (size > POLICY_ANNOTATIONS_MAX)
		invalid(v, at, "keys and values are %zu bytes together; at most %d are allowed",
			size, POLICY_ANNOTATIONS_MAX);
}

/* What the cluster sets, and what nobody looks at. */
static void check_not_ours(
	const struct validation *v, const K8sObjectMeta *m, const struct place *at)
{
	static const char theirs[] = "is set by the cluster; leave it out";
	static const char unknown[] = "is not honoured in this version; leave it out";
	const struct {
		const char *field;
		const char *reason;
		bool set;
	} rows[] = {
		{ "uid", theirs, is_set(m->uid) },
		{ "creationTimestamp", theirs, m->creationtimestamp != NULL },
		{ "resourceVersion", theirs, is_set(m->resourceversion) },
		{ "generation", theirs, m->has_generation && m->generation != 0 },
		{ "selfLink", theirs, is_set(m->selflink) },
		{ "deletionTimestamp", theirs, m->deletiontimestamp != NULL },
		{ "deletionGracePeriodSeconds", theirs, m->has_deletiongraceperiodseconds },
		{ "generateName", unknown, is_set(m->generatename) },
		{ "ownerReferences", unknown, m->n_ownerreferences > 0 },
		{ "finalizers", unknown, m->n_finalizers > 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].set)
			not_honoured(v, AT(at, rows[i].field), rows[i].reason);
	}
}

static void check_meta(const struct validation *v, const K8sObjectMeta *meta)
{
	const struct place *at = AT(NULL, "metadata");

	if (!meta) {
		invalid(v, at, "must be given");
		return;
	}
	want_text(v, AT(at, "name"), meta->name, rule_dns_subdomain);
	want_text(v, AT(at, "namespace"), meta->namespace_, rule_dns_label);
	check_not_ours(v, meta, at);
	check_annotations(v, meta, AT(at, "annotations"));
	if (!want_count(v, AT(at, "labels"), meta->n_labels, POLICY_LABELS_MAX))
		return;
	for (size_t i = 0; i < meta->n_labels; i++) {
		const char *key = meta->labels[i]->key ? meta->labels[i]->key : "";

		want_text(v, AT_KEY(AT(at, "labels"), key), key, rule_label_key);
		want_text_if(
			v, AT_KEY(AT(at, "labels"), key), meta->labels[i]->value, rule_label_value);
	}
}

int policy_validate(const K8sNetworkPolicy *policy, struct violations *ret, struct error *err)
{
	const struct validation v = { .out = ret };
	size_t size = protobuf_c_message_get_packed_size(&policy->base);

	check_meta(&v, policy->metadata);
	check_spec(&v, policy->spec);
	if (size > POLICY_SIZE_MAX)
		violation_add(ret, ERR_INVALID, "validate", "spec",
			"takes %zu bytes as it is kept; at most %d are allowed: make two policies "
			"of it",
			size, POLICY_SIZE_MAX);
	return violations_end(ret, err);
}
