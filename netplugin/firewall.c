#include <config.h>

#include "netplugin/firewall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "netplugin/endpoint.h"
#include "netplugin/policy_cover.h"
#include "openvswitch/hmap.h"
#include "openvswitch/shash.h"
#include "util.h"

#define PRIORITY_FIRST 60000 /* of the first rule; each next one less */

/* ---- flows --------------------------------------------------------------------------------- */

/* Table, register that has the pod's VNID, whose address the rule is about, what lets pass. */
static const struct way {
	unsigned table;
	const char *vnid;
	const char *net;
	const char *port;
	const char *pass;
} ways[] = {
	{ 100, "reg0", "nw_dst", "tp_dst", "goto_table:101" },
#ifndef BULKHEAD_WEAK_EGRESS_BACK
	{ 78, "reg1", "nw_src", "tp_src", "goto_table:80" },
#endif
};

struct builder {
	struct flow_list *list;
	uint32_t vnid;
	unsigned priority;
	const char *net; /* "": any */
	bool allow;
	struct error *err;
};

/* One flow each way; 'ports' NULL is every protocol. */
static int add(const struct builder *b, const char *protocol, const struct cover_port *port)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		const struct way *way = &ways[i];
		char net[64] = "", range[64] = "";
		char *line;

		if (b->net[0])
			snprintf(net, sizeof(net), ",%s=%s", way->net, b->net);
		if (port)
			snprintf(range, sizeof(range), ",%s=0x%x/0x%x", way->port, port->port,
				port->mask);
		line = xasprintf("cookie=0x%llx,table=%u,priority=%u,%s,%s=%u%s%s,actions=%s",
			(unsigned long long)flow_cookie(FLOW_FIREWALL, b->vnid), way->table,
			b->priority, protocol, way->vnid, b->vnid, net, range,
			b->allow ? way->pass : "drop");
		if (flow_list_add(b->list, line, b->err) < 0)
			return -1;
	}
	return 0;
}

static int add_ports(const struct builder *b, const struct egress_ports *ports)
{
	struct cover_port cover[COVER_PORTS_MAX];
	size_t len = cover_ports(ports->first, ports->last, cover);

	for (size_t i = 0; i < len; i++) {
		if (add(b, egress_protocol_name(ports->protocol), &cover[i]) < 0)
			return -1;
	}
	return 0;
}

static int add_rule(struct builder *b, const struct egress_rule *rule)
{
	char net[IPNET_TEXT_SIZE];

	ipnet_format(&rule->to, net);
	b->net = rule->to.prefix ? net : "";
	b->allow = rule->allow;
	if (rule->ports_len == 0)
		return add(b, "ip", NULL);
	for (size_t i = 0; i < rule->ports_len; i++) {
		if (add_ports(b, &rule->ports[i]) < 0)
			return -1;
	}
	return 0;
}

int firewall_flows(
	uint32_t vnid, const struct egress_rules *egress, struct flow_list *list, struct error *err)
{
	struct builder b = { list, vnid, PRIORITY_FIRST, "", false, err };

	if (!egress)
		return add(&b, "ip", NULL);
	for (size_t i = 0; i < egress->len; i++, b.priority--) {
		if (add_rule(&b, &egress->rules[i]) < 0)
			return -1;
	}
	return 0;
}

/* ---- what was told ------------------------------------------------------------------------- */

struct firewall {
	uint32_t vnid;
	bool shut; /* its project shares the VNID, or it cannot be read */
	struct egress_rules egress;
};

struct firewalls {
	struct shash by_project; /* struct firewall */
};

struct firewalls *firewalls_new(void)
{
	struct firewalls *firewalls = xzalloc(sizeof(*firewalls));

	shash_init(&firewalls->by_project);
	return firewalls;
}

static void firewall_free(struct firewall *firewall)
{
	if (!firewall)
		return;
	egress_done(&firewall->egress);
	free(firewall);
}

void firewalls_free(struct firewalls *firewalls)
{
	struct shash_node *node;

	if (!firewalls)
		return;
	SHASH_FOR_EACH_SAFE(node, &firewalls->by_project)
	{
		firewall_free(node->data);
		shash_delete(&firewalls->by_project, node);
	}
	shash_destroy(&firewalls->by_project);
	free(firewalls);
}

void firewalls_add(struct firewalls *firewalls, const Bulkhead__V1__NetPolicies *part)
{
	for (size_t i = 0; i < part->n_firewalls; i++) {
		const Bulkhead__V1__NetFirewall *told = part->firewalls[i];
		struct firewall *firewall = xzalloc(sizeof(*firewall));
		struct error err = { 0 };

		firewall->vnid = told->vnid;
		firewall->shut = told->shared;
		if (egress_parse(told->rules, &firewall->egress, &err) < 0) {
			log_error("nothing of project '%.64s' leaves the cluster: its egress "
				  "firewall: %s",
				told->project, err.text);
			firewall->shut = true;
		}
		firewall_free(shash_replace(&firewalls->by_project, told->project, firewall));
	}
}

/* ---- what is wanted ------------------------------------------------------------------------ */

/* A VNID that a pod here has. */
struct user {
	struct hmap_node node; /* by VNID */
	uint32_t vnid;
	const char *project;             /* of the first */
	const struct firewall *firewall; /* NULL: of none */
	bool shut;
};

static struct user *user_of(struct hmap *users, uint32_t vnid, const char *project)
{
	struct user *user;

	HMAP_FOR_EACH_WITH_HASH(user, node, vnid, users)
	{
		if (user->vnid == vnid)
			return user;
	}
	user = xzalloc(sizeof(*user));
	user->vnid = vnid;
	user->project = project;
	hmap_insert(users, &user->node, vnid);
	return user;
}

/* Two projects meet in a VNID: one that was told of later, or is about to leave. */
static void look_at_others(struct user *user, const struct firewalls *firewalls)
{
	const struct shash_node *node;

	SHASH_FOR_EACH(node, &firewalls->by_project)
	{
		const struct firewall *firewall = node->data;

		if (firewall->vnid == user->vnid && firewall != user->firewall)
			user->shut = true;
	}
}

static void collect(const struct netd *netd, const struct firewalls *firewalls, struct hmap *users)
{
	const struct endpoint *endpoint;
	struct user *user;

	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		const struct port_record *record = &endpoint->record;
		const struct firewall *firewall =
			shash_find_data(&firewalls->by_project, record->project);

		/* What all reach has no firewall: clusterd sees to that. */
		if (!endpoint->flows_wanted || record->vnid == VNID_GLOBAL)
			continue;
		user = user_of(users, record->vnid, record->project);
		if (firewall)
			user->firewall = firewall;
		if (strcmp(user->project, record->project) != 0)
			user->shut = true; /* only if one of them has one */
	}
	HMAP_FOR_EACH(user, node, users)
	{
		if (!user->firewall)
			user->shut = false;
		else if (user->firewall->shut)
			user->shut = true;
		look_at_others(user, firewalls);
#ifdef BULKHEAD_WEAK_EGRESS_SHARED
		user->shut = false;
#endif
	}
}

static int want(struct netd *netd, const struct wall *wall, uint64_t *seq, struct error *err)
{
	struct flow_list list = { 0 };
	int r = 0;

#ifndef BULKHEAD_WEAK_EGRESS_FIREWALL
	if (wall->shut || wall->firewall)
		r = firewall_flows(
			wall->vnid, wall->shut ? NULL : &wall->firewall->egress, &list, err);
#endif
	if (r == 0)
		r = flow_sync_want(
			netd->flows, flow_cookie(FLOW_FIREWALL, wall->vnid), &list, seq, err);
	flow_list_done(&list);
	return r;
}

static const struct wall *wall_find(const struct walls *walls, uint32_t vnid)
{
	for (size_t i = 0; i < walls->len; i++) {
		if (walls->list[i].vnid == vnid)
			return &walls->list[i];
	}
	return NULL;
}

static struct walls walls_of(const struct hmap *users)
{
	struct walls walls = { xcalloc(hmap_count(users) + 1, sizeof(*walls.list)), 0, false };
	const struct user *user;

	HMAP_FOR_EACH(user, node, users)
	{
		if (user->shut || user->firewall)
			walls.list[walls.len++] =
				(struct wall){ user->vnid, user->shut, user->firewall };
	}
	return walls;
}

/* What differs from before; a firewall that was told anew may lie where another lay. */
static int replace(struct netd *netd, const struct walls *now, uint64_t *seq, struct error *err)
{
	const struct walls *old = &netd->walls;

	for (size_t i = 0; i < old->len; i++) {
		const struct wall none = { old->list[i].vnid, false, NULL };

		if (!wall_find(now, none.vnid) && want(netd, &none, seq, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < now->len; i++) {
		const struct wall *wall = &now->list[i];
		const struct wall *was = wall_find(old, wall->vnid);

		if (was && !old->told_anew && was->shut == wall->shut &&
			was->firewall == wall->firewall)
			continue;
		if (want(netd, wall, seq, err) < 0)
			return -1;
	}
	return 0;
}

int firewalls_want(
	struct netd *netd, const struct firewalls *firewalls, uint64_t *ret_seq, struct error *err)
{
	struct hmap users = HMAP_INITIALIZER(&users);
	struct walls now;
	struct user *user;
	int r;

	collect(netd, firewalls, &users);
	now = walls_of(&users);
	r = replace(netd, &now, ret_seq, err);
	if (r == 0) {
		free(netd->walls.list);
		netd->walls = now;
	} else {
		free(now.list);
		netd->walls.told_anew = true;
	}
	HMAP_FOR_EACH_POP(user, node, &users)
	{
		free(user);
	}
	hmap_destroy(&users);
	return r;
}
