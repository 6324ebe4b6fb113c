#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "netplugin/endpoint.h"
#include "netplugin/guard.h"
#include "netplugin/rtnl.h"
#include "openvswitch/poll-loop.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

#define ROWS_RETRY_MSEC 1000

/* Links of ours that exist, by name. */
struct adoption {
	struct netd *netd;
	struct sset links;
};

void netd_link_alias(const struct netd *netd, const char *pod_uid, char alias[LINK_ALIAS_SIZE])
{
	snprintf(alias, LINK_ALIAS_SIZE, "bulkhead:%s:%s", netd->config.bridge, pod_uid);
}

static void take_link(void *context, const char *name)
{
	struct adoption *adoption = context;

	sset_add(&adoption->links, name);
}

static void take_port(
	void *context, const char *name, const struct port_record *record, const struct error *err)
{
	struct adoption *adoption = context;
	struct netd *netd = adoption->netd;
	struct error bad = err ? *err : (struct error){ 0 };
	bool alive = sset_contains(&adoption->links, name);

	if (!record || ipam_reserve(netd->ipam, record->address, &bad) < 0) {
		/* Nobody's port, as far as its row can be believed: it has no flows. */
		log_error("port '%s' is removed: %s", name, bad.text);
		switchdb_op_free(switchdb_remove(netd->db, name));
		return;
	}
	endpoint_adopt(netd, record, alive);
	sset_find_and_delete(&adoption->links, name);
	if (alive && netd->config.guard && guard_add(netd->guard_fd, name, &bad) < 0)
		log_error("%s", bad.text);
}

/* What no port names: left by a plug that was cut off before its transaction. */
static void remove_orphans(struct netd *netd, const struct sset *links)
{
	const char *name;

	SSET_FOR_EACH(name, links)
	{
		struct error err = { 0 };

		log_notice("link '%s' belongs to no port and is deleted", name);
		if (rtnl_link_delete(netd->route_fd, name, &err) < 0 ||
			(netd->config.guard && guard_remove(netd->guard_fd, name, &err) < 0))
			log_error("%s", err.text);
	}
}

void adopt_ports(struct netd *netd)
{
	struct adoption adoption = { .netd = netd, .links = SSET_INITIALIZER(&adoption.links) };
	char prefix[LINK_ALIAS_SIZE];
	struct error err = { 0 };

	netd_link_alias(netd, "", prefix);
	if (rtnl_each_ours(netd->route_fd, prefix, link_group_of(netd->config.bridge), take_link,
		    &adoption, &err) < 0) {
		log_error("%s", err.text);
	} else {
		switchdb_each(netd->db, take_port, &adoption);
		remove_orphans(netd, &adoption.links);
		netd->adopted = true;
		log_info("adopted %zu ports", hmap_count(&netd->endpoints));
	}
	sset_destroy(&adoption.links);
}

static void renumber(struct netd *netd, struct endpoint *endpoint, int64_t ofport)
{
	struct error err = { 0 };

	log_notice("port '%s' has number %lld now", endpoint->record.name, (long long)ofport);
	endpoint->record.ofport = ofport;
	if (endpoint_refresh_flows(netd, endpoint, &err) < 0)
		log_error("%s", err.text);
}

void adopt_changes(struct netd *netd)
{
	struct endpoint *endpoint;

	if (netd->db_seqno == switchdb_seqno(netd->db))
		return;
	netd->db_seqno = switchdb_seqno(netd->db);
#ifndef BULKHEAD_WEAK_ROWS
	netd->rows.due = true;
#endif
	HMAP_FOR_EACH(endpoint, node, &netd->endpoints)
	{
		struct port_record *record = &endpoint->record;
		int64_t ofport;

		if (endpoint->direction != ENDPOINT_SETTLED)
			continue;
		if (!switchdb_find(netd->db, record->name, &ofport, record->problem)) {
			log_warning("port '%s' was removed by somebody else and is added again",
				record->name);
			endpoint_repair(netd, endpoint);
		} else if (ofport > 0 && ofport != record->ofport) {
			renumber(netd, endpoint, ofport);
		}
	}
}

/* ---- VNIDs and limits ---------------------------------------------------------------------- */

struct row_list {
	struct netd *netd;
	struct switchdb_row *rows;
	size_t len;
};

static void take_row(
	void *context, const char *name, const struct port_record *record, const struct error *err)
{
	struct row_list *list = context;
	const struct endpoint *endpoint =
		record ? endpoint_find(list->netd, record->pod_uid) : NULL;

	(void)name;
	(void)err;
	if (endpoint && endpoint->direction != ENDPOINT_DOWN &&
		(endpoint->record.vnid != record->vnid ||
			!port_bandwidth_equal(&endpoint->record.bandwidth, &record->bandwidth)))
		list->rows[list->len++] = (struct switchdb_row){ endpoint->record.name,
			endpoint->record.vnid, &endpoint->record.bandwidth };
}

static void write_rows(struct netd *netd)
{
	struct row_list list = { .netd = netd };

	list.rows = xcalloc(hmap_count(&netd->endpoints) + 1, sizeof(*list.rows));
	switchdb_each(netd->db, take_row, &list);
	netd->rows.due = false;
	if (list.len > 0)
		netd->rows.op = switchdb_set_rows(netd->db, list.rows, list.len);
	free(list.rows);
}

/* False while it is under way. */
static bool finish_rows(struct netd_rows *rows)
{
	struct error err = { 0 };
	enum op_state state = rows->op ? switchdb_op_state(rows->op, &err) : OP_DONE;

	if (state == OP_PENDING)
		return false;
	switchdb_op_free(rows->op);
	rows->op = NULL;
	if (state != OP_DONE) {
		rows->due = true;
		rows->retry_at = time_msec() + ROWS_RETRY_MSEC;
	}
	if (state == OP_FAILED)
		log_error("cannot write the VNIDs and limits of ports: %s", err.text);
	return true;
}

void rows_run(struct netd *netd)
{
	struct error err = { 0 };

	if (!finish_rows(&netd->rows) || !netd->rows.due || !netd->adopted ||
		switchdb_ready(netd->db, &err) < 0)
		return;
	if (time_msec() < netd->rows.retry_at)
		poll_timer_wait_until(netd->rows.retry_at);
	else
		write_rows(netd);
}
