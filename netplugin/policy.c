#include "netplugin/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/ipnet.h"
#include "netplugin/policy_cover.h"
#include "netplugin/policy_table.h"

#define MATCH_SIZE 128
#define TRACKED    "ct_state=+trk-inv,ip"
/* A packet of a TCP connection that conntrack did not see the opening of. */
#define MIDSTREAM "ct_state=+new+trk,tcp,tcp_flags=-syn,reg5=0"

enum priority {
	PRIORITY_SHUT = 100, /* what no rule allows */
	PRIORITY_RULE = 200,
	PRIORITY_OPEN = 210, /* a rule without peers and ports */
	PRIORITY_MIDSTREAM = 300,
};

/* The two directions are the same but for which end of a connection is the policy's pod. */
struct direction {
	const char *type; /* of policyTypes */
	unsigned table;
	const char *own;    /* the end that the policy selects */
	const char *peer;   /* the other */
	const char *pass;   /* actions for what a rule allows */
	const char *sender; /* field of a packet that would be a reply, for its sender */
};

static const struct direction directions[] = {
	{ "Ingress", 75, "ct_nw_dst", "ct_nw_src", "set_field:1->reg5,goto_table:76", "nw_src" },
	{ "Egress", 27, "ct_nw_src", "ct_nw_dst", "set_field:1->reg5,goto_table:30", "nw_dst" },
};

struct build {
	const struct policy_input *input;
	const K8sNetworkPolicy **policies; /* the input's, sorted by project and name */
	struct policy_table table;
	uint32_t *ids; /* conjunctions in use */
	size_t ids_len;
	size_t ids_room;
	const char **shut; /* projects of which no rule counts */
	size_t shut_len;
	const struct policy_project **projects; /* the input's, sorted by name */
	size_t *project_of; /* of each pod, its place in these; their number: none */
	int8_t *chosen;     /* of each project, by the peer at hand: 1 yes, -1 no, 0 not asked */
	size_t work;        /* of the project at hand: POLICY_WORK_MAX */
	/* of the rule at hand */
	const struct direction *direction;
	uint32_t id;
	unsigned clauses;
	unsigned clause;
	struct error *err;
};

/* ---- conjunctions -------------------------------------------------------------------------- */

static bool id_is_used(const struct build *b, uint32_t id)
{
	for (size_t i = 0; i < b->ids_len; i++) {
		if (b->ids[i] == id)
			return true;
	}
	return false;
}

static uint32_t hash_text(uint32_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 16777619u;
	return (hash ^ '/') * 16777619u;
}

/*
 * From what the rule is, not from how many there are: so a policy more or less leaves the others'
 * flows as they are.
 */
static int take_id(struct build *b, const K8sNetworkPolicy *policy, size_t rule)
{
	uint32_t id = 2166136261u;

	id = hash_text(id, policy->metadata->namespace_);
	id = hash_text(id, policy->metadata->name);
	id = hash_text(id, b->direction->type);
	id = (id ^ (uint32_t)rule) * 16777619u;
	while (id == 0 || id_is_used(b, id))
		id++;
	if (b->ids_len == b->ids_room) {
		size_t room = b->ids_room ? b->ids_room * 2 : 64;
		void *more = reallocarray(b->ids, room, sizeof(*b->ids));

		if (!more)
			return error_set(b->err, ERR_EXHAUSTED, ENOMEM,
				"cannot compute the policies' flows");
		b->ids = more;
		b->ids_room = room;
	}
	b->ids[b->ids_len++] = id;
	b->id = id;
	return 0;
}

/* One alternative of the clause at hand; a rule of one clause needs no conjunction. */
static int add_alternative(struct build *b, const char *match)
{
	char actions[64];

	if (b->clauses == 1)
		return policy_table_add(&b->table, b->direction->table, PRIORITY_OPEN, match,
			b->direction->pass, b->err);
	snprintf(actions, sizeof(actions), "conjunction(%u,%u/%u)", b->id, b->clause, b->clauses);
	return policy_table_add(
		&b->table, b->direction->table, PRIORITY_RULE, match, actions, b->err);
}

/* ---- clauses ------------------------------------------------------------------------------- */

static int add_address(struct build *b, const char *field, uint32_t address)
{
	char match[MATCH_SIZE], text[IPNET_TEXT_SIZE];

	address_format(address, text);
	snprintf(match, sizeof(match), TRACKED ",%s=%s", field, text);
	return add_alternative(b, match);
}

static int add_network(void *user, const struct ipnet *net)
{
	char match[MATCH_SIZE], text[IPNET_TEXT_SIZE];
	struct build *b = user;

	if (net->prefix == 0)
		return add_alternative(b, TRACKED);
	if (net->prefix == 32)
		return add_address(b, b->direction->peer, net->address);
	ipnet_format(net, text);
	snprintf(match, sizeof(match), TRACKED ",%s=%s", b->direction->peer, text);
	return add_alternative(b, match);
}

static bool is_selected(const K8sNetworkPolicy *policy, const struct policy_pod *pod)
{
	const K8sLabelSelector *selector = policy->spec->podselector;

	return !pod->elsewhere && pod->labels_known &&
	       strcmp(pod->project, policy->metadata->namespace_) == 0 &&
	       (!selector || policy_selects(selector, &pod->labels));
}

static bool selects_any(const struct build *b, const K8sNetworkPolicy *policy)
{
	for (size_t i = 0; i < b->input->pods_len; i++) {
		if (is_selected(policy, &b->input->pods[i]))
			return true;
	}
	return false;
}

/* Counts the question whether 'selector' (NULL: nothing to ask) selects a pod. */
static int spend(struct build *b, const K8sLabelSelector *selector)
{
	b->work += 1 + (selector ? selector->n_matchlabels + selector->n_matchexpressions : 0);
	if (b->work <= POLICY_WORK_MAX)
		return 0;
	return error_set(b->err, ERR_PRECONDITION, 0,
		"their rules ask more than %d times whether a pod is meant", POLICY_WORK_MAX);
}

static int add_own(struct build *b, const K8sNetworkPolicy *policy)
{
	for (size_t i = 0; i < b->input->pods_len; i++) {
		const struct policy_pod *pod = &b->input->pods[i];

		if (!pod->elsewhere && spend(b, policy->spec->podselector) < 0)
			return -1;
		if (is_selected(policy, pod) && add_address(b, b->direction->own, pod->address) < 0)
			return -1;
	}
	return 0;
}

static int add_block(struct build *b, const K8sIPBlock *block)
{
	cleanup_free struct ipnet *except = calloc(block->n_except + 1, sizeof(*except));
	struct ipnet net;

	if (!except)
		return error_set(
			b->err, ERR_EXHAUSTED, ENOMEM, "cannot compute the policies' flows");
	if (ipnet_parse(block->cidr ? block->cidr : "", "ipBlock.cidr", &net, b->err) < 0)
		return -1;
	for (size_t i = 0; i < block->n_except; i++) {
		if (ipnet_parse(block->except[i], "ipBlock.except", &except[i], b->err) < 0)
			return -1;
	}
	return cover_networks(&net, except, block->n_except, add_network, b);
}

static bool project_is_selected(struct build *b, const K8sLabelSelector *selector, size_t pod)
{
	size_t i = b->project_of[pod];

	if (i == b->input->projects_len)
		return false;
	if (!b->chosen[i])
		b->chosen[i] = policy_selects(selector, &b->projects[i]->labels) ? 1 : -1;
	return b->chosen[i] > 0;
}

static int add_peer(
	struct build *b, const K8sNetworkPolicy *policy, const K8sNetworkPolicyPeer *peer)
{
	if (peer->ipblock)
		return add_block(b, peer->ipblock);
	if (!peer->podselector && !peer->namespaceselector)
		return error_set(b->err, ERR_INVALID, 0, "a peer of policy '%s' names nobody",
			policy->metadata->name);
	memset(b->chosen, 0, b->input->projects_len);
	for (size_t i = 0; i < b->input->pods_len; i++) {
		const struct policy_pod *pod = &b->input->pods[i];

		if (spend(b, peer->podselector) < 0)
			return -1;
		if (!pod->labels_known ||
			(peer->podselector && !policy_selects(peer->podselector, &pod->labels)))
			continue;
		if (peer->namespaceselector
				? !project_is_selected(b, peer->namespaceselector, i)
				: strcmp(pod->project, policy->metadata->namespace_) != 0)
			continue;
		if (add_address(b, b->direction->peer, pod->address) < 0)
			return -1;
	}
	return 0;
}

static const char *protocol_of(const K8sNetworkPolicyPort *port)
{
	return port->protocol ? port->protocol : "TCP";
}

static unsigned protocol_number(const char *protocol)
{
	return strcmp(protocol, "TCP") == 0    ? 6
	       : strcmp(protocol, "UDP") == 0  ? 17
	       : strcmp(protocol, "SCTP") == 0 ? 132
					       : 0;
}

static int add_range(struct build *b, unsigned protocol, int32_t first, int32_t last)
{
	struct cover_port parts[COVER_PORTS_MAX];
	char match[MATCH_SIZE];
	size_t n;

	if (first < 1 || last > 65535 || last < first)
		return error_set(b->err, ERR_INVALID, 0, "port %d to %d is none", first, last);
	n = cover_ports((uint16_t)first, (uint16_t)last, parts);
	for (size_t i = 0; i < n; i++) {
		snprintf(match, sizeof(match), TRACKED ",ct_nw_proto=%u,ct_tp_dst=0x%x/0x%x",
			protocol, parts[i].port, parts[i].mask);
		if (add_alternative(b, match) < 0)
			return -1;
	}
	return 0;
}

static int add_port(struct build *b, const K8sNetworkPolicyPort *port)
{
	unsigned protocol = protocol_number(protocol_of(port));
	char match[MATCH_SIZE];

	if (protocol == 0)
		return error_set(
			b->err, ERR_INVALID, 0, "protocol '%.16s' is none", protocol_of(port));
	if (!port->port) {
		snprintf(match, sizeof(match), TRACKED ",ct_nw_proto=%u", protocol);
		return add_alternative(b, match);
	}
	if (port->port->type == K8S_INT_OR_STRING_NAME)
		return error_set(b->err, ERR_INVALID, 0, "a port by name is not known here");
	return add_range(b, protocol, port->port->intval,
		port->has_endport ? port->endport : port->port->intval);
}

/*
 * The userspace datapath knows no ct_tp_dst of fragments behind the first (the kernel's puts
 * packets together). Without the first, which the ports decide on, they are of no use to anybody.
 * Once a protocol.
 */
static int add_fragments(struct build *b, K8sNetworkPolicyPort *const *ports, size_t at)
{
	char match[MATCH_SIZE];

	for (size_t i = 0; i < at; i++) {
		if (strcmp(protocol_of(ports[i]), protocol_of(ports[at])) == 0)
			return 0;
	}
	snprintf(match, sizeof(match), TRACKED ",nw_frag=later,ct_nw_proto=%u",
		protocol_number(protocol_of(ports[at])));
	return add_alternative(b, match);
}

/* ---- rules --------------------------------------------------------------------------------- */

struct rule {
	K8sNetworkPolicyPeer *const *peers;
	size_t peers_len;
	K8sNetworkPolicyPort *const *ports;
	size_t ports_len;
};

static int add_clauses(struct build *b, const K8sNetworkPolicy *policy, const struct rule *rule)
{
	b->clause = 1;
	if (add_own(b, policy) < 0)
		return -1;
	b->clause += rule->peers_len > 0;
	for (size_t i = 0; i < rule->peers_len; i++) {
		if (add_peer(b, policy, rule->peers[i]) < 0)
			return -1;
	}
	b->clause += rule->ports_len > 0;
	for (size_t i = 0; i < rule->ports_len; i++) {
		if (add_port(b, rule->ports[i]) < 0 || add_fragments(b, rule->ports, i) < 0)
			return -1;
	}
	return 0;
}

static int add_rule(
	struct build *b, const K8sNetworkPolicy *policy, size_t index, const struct rule *rule)
{
	char match[MATCH_SIZE];

	b->clauses = 1 + (rule->peers_len > 0) + (rule->ports_len > 0);
	if (take_id(b, policy, index) < 0 || add_clauses(b, policy, rule) < 0)
		return -1;
	if (b->clauses == 1)
		return 0;
	snprintf(match, sizeof(match), "conj_id=%u,ip", b->id);
	return policy_table_add(
		&b->table, b->direction->table, PRIORITY_RULE, match, b->direction->pass, b->err);
}

static int add_rules(struct build *b, const K8sNetworkPolicy *policy)
{
	const K8sNetworkPolicySpec *spec = policy->spec;
	bool ingress = b->direction == &directions[0];
	size_t n = ingress ? spec->n_ingress : spec->n_egress;

	for (size_t i = 0; i < n; i++) {
		struct rule rule;

		if (ingress)
			rule = (struct rule){ spec->ingress[i]->from, spec->ingress[i]->n_from,
				spec->ingress[i]->ports, spec->ingress[i]->n_ports };
		else
			rule = (struct rule){ spec->egress[i]->to, spec->egress[i]->n_to,
				spec->egress[i]->ports, spec->egress[i]->n_ports };
		if (add_rule(b, policy, i, &rule) < 0)
			return error_prefix(b->err, "policy '%s' of project '%s', %s rule %zu",
				policy->metadata->name, policy->metadata->namespace_,
				b->direction->type, i);
	}
	return 0;
}

/* As upstream's defaults: ingress always, egress where it has rules. */
static bool has_type(const K8sNetworkPolicySpec *spec, const struct direction *direction)
{
	for (size_t i = 0; i < spec->n_policytypes; i++) {
		if (strcmp(spec->policytypes[i], direction->type) == 0)
			return true;
	}
	if (spec->n_policytypes > 0)
		return false;
	return direction == &directions[0] || spec->n_egress > 0;
}

/* ---- pods ---------------------------------------------------------------------------------- */

/* The policies of one project: b->policies[first] up to the one before *ret_end. */
static size_t policies_of(const struct build *b, const char *project, size_t *ret_end)
{
	size_t low = 0, high = b->input->policies_len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(b->policies[middle]->metadata->namespace_, project) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (*ret_end = low; *ret_end < b->input->policies_len; ++*ret_end) {
		if (strcmp(b->policies[*ret_end]->metadata->namespace_, project) != 0)
			break;
	}
	return low;
}

static bool is_shut(const struct build *b, const struct policy_pod *pod)
{
	for (size_t i = 0; i < b->shut_len; i++) {
		if (strcmp(b->shut[i], pod->project) == 0)
			return true;
	}
	return !pod->labels_known;
}

static bool is_isolated(const struct build *b, const struct policy_pod *pod, size_t first,
	size_t end, const struct direction *direction)
{
	for (size_t i = first; i < end; i++) {
		if (has_type(b->policies[i]->spec, direction) && is_selected(b->policies[i], pod))
			return true;
	}
	return is_shut(b, pod);
}

static int add_shut(struct build *b, const char *address, const struct direction *direction)
{
	char match[MATCH_SIZE];

	snprintf(match, sizeof(match), TRACKED ",%s=%s", direction->own, address);
#ifndef BULKHEAD_WEAK_POLICY
	if (policy_table_add(&b->table, direction->table, PRIORITY_SHUT, match, "drop", b->err) < 0)
		return -1;
#endif
#ifdef BULKHEAD_WEAK_MIDSTREAM
	return 0;
#endif
	snprintf(match, sizeof(match), MIDSTREAM ",%s=%s", direction->sender, address);
	return policy_table_add(&b->table, 76, PRIORITY_MIDSTREAM, match, "drop", b->err);
}

static int add_pod(struct build *b, const struct policy_pod *pod)
{
	static const char *const ends[] = { "nw_src", "nw_dst" };
	char match[MATCH_SIZE], track[64], address[IPNET_TEXT_SIZE];
	size_t end, first = policies_of(b, pod->project, &end);

	if (first == end || pod->elsewhere)
		return 0;
	address_format(pod->address, address);
	snprintf(track, sizeof(track), "ct(table=27,zone=%u)", FLOWS_CT_ZONE);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		snprintf(match, sizeof(match), "ct_state=-trk,ip,%s=%s", ends[i], address);
		if (policy_table_add(&b->table, 30, PRIORITY_RULE, match, track, b->err) < 0)
			return -1;
	}
	for (size_t i = 0; i < ARRAY_LEN(directions); i++) {
		if (is_isolated(b, pod, first, end, &directions[i]) &&
			add_shut(b, address, &directions[i]) < 0)
			return -1;
	}
	return 0;
}

/* ---- all of it ----------------------------------------------------------------------------- */

int policy_check(const K8sNetworkPolicy *policy, struct error *err)
{
	if (policy->spec && policy->metadata && policy->metadata->name &&
		policy->metadata->namespace_)
		return 0;
	return error_set(err, ERR_INVALID, 0, "a policy without spec, name or namespace");
}

/* One without a pod here has no flows. */
static int add_policy(struct build *b, const K8sNetworkPolicy *policy)
{
	if (!selects_any(b, policy))
		return 0;
	for (size_t d = 0; d < ARRAY_LEN(directions); d++) {
		b->direction = &directions[d];
		if (has_type(policy->spec, b->direction) && add_rules(b, policy) < 0)
			return -1;
	}
	return 0;
}

/* All policies of one project, or none and the project is shut. */
static int add_project(struct build *b, size_t first, size_t end, struct error *problem)
{
	size_t before = b->table.len;
	struct error why = { 0 };
	int r = 0;

	b->err = &why;
	b->work = 0;
	b->table.max = before + POLICY_FLOWS_MAX;
	for (size_t i = first; i < end && r == 0; i++)
		r = add_policy(b, b->policies[i]);
	if (r == 0)
		return 0;
	policy_table_cut(&b->table, before);
	b->shut[b->shut_len++] = b->policies[first]->metadata->namespace_;
	*problem = why;
	return why.code == ERR_EXHAUSTED ? -1 : 0;
}

static int compare_policies(const void *a, const void *b)
{
	const K8sNetworkPolicy *const *x = a, *const *y = b;
	int r = strcmp((*x)->metadata->namespace_, (*y)->metadata->namespace_);

	return r ? r : strcmp((*x)->metadata->name, (*y)->metadata->name);
}

static int sort_policies(struct build *b, struct error *err)
{
	size_t len = b->input->policies_len;

	b->policies = calloc(len + 1, sizeof(*b->policies));
	b->shut = calloc(len + 1, sizeof(*b->shut));
	if (!b->policies || !b->shut)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot compute the policies' flows");
	for (size_t i = 0; i < len; i++)
		b->policies[i] = b->input->policies[i];
	qsort(b->policies, len, sizeof(*b->policies), compare_policies);
	return 0;
}

static int compare_projects(const void *a, const void *b)
{
	const struct policy_project *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static int sort_projects(struct build *b, struct error *err)
{
	size_t len = b->input->projects_len;

	b->projects = calloc(len + 1, sizeof(*b->projects));
	b->project_of = calloc(b->input->pods_len + 1, sizeof(*b->project_of));
	b->chosen = calloc(len + 1, sizeof(*b->chosen));
	if (!b->projects || !b->project_of || !b->chosen)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot compute the policies' flows");
	for (size_t i = 0; i < len; i++)
		b->projects[i] = &b->input->projects[i];
	qsort(b->projects, len, sizeof(*b->projects), compare_projects);
	for (size_t i = 0; i < b->input->pods_len; i++) {
		const struct policy_project key = { .name = b->input->pods[i].project };
		const struct policy_project *wanted = &key, **found;

		found = bsearch(&wanted, b->projects, len, sizeof(*b->projects), compare_projects);
		b->project_of[i] = found ? (size_t)(found - b->projects) : len;
	}
	return 0;
}

static int fill(struct build *b, struct error *problem, struct error *err)
{
	size_t end;

	if (sort_policies(b, err) < 0 || sort_projects(b, err) < 0)
		return -1;
	for (size_t first = 0; first < b->input->policies_len; first = end) {
		policies_of(b, b->policies[first]->metadata->namespace_, &end);
		if (add_project(b, first, end, problem) < 0) {
			*err = *problem;
			return -1;
		}
	}
	b->err = err;
	b->table.max = SIZE_MAX;
	for (size_t i = 0; i < b->input->pods_len; i++) {
		if (add_pod(b, &b->input->pods[i]) < 0)
			return -1;
	}
	return 0;
}

int policy_flows(const struct policy_input *input, struct flow_list *list, struct error *problem,
	struct error *err)
{
	struct build b = { .input = input };
	int r = fill(&b, problem, err);

	if (r == 0)
		r = policy_table_write(&b.table, flow_cookie(FLOW_POLICY, 0), list, err);
	policy_table_done(&b.table);
	free(b.policies);
	free(b.shut);
	free(b.ids);
	free(b.projects);
	free(b.project_of);
	free(b.chosen);
	return r;
}
