/* Moves of projects between networks: joined, isolated, made global. */
#include <config.h>

#include <string.h>

#include "auth/project.h"
#include "cluster/bulkhead-idl.h"
#include "lib/cleanup.h"
#include "nodeagent/cluster/allocate.h"
#include "nodeagent/cluster/apply.h"
#include "nodeagent/cluster/numbers.h"
#include "util.h"

/* The VNIDs that projects leave: not to be given out by the move itself. */
struct left {
	uint32_t *vnids;
	size_t len;
};

static bool is_used(struct database *db, const struct bhrec_project *but, uint32_t vnid)
{
	const struct bhrec_project *row;

	BHREC_PROJECT_FOR_EACH(row, database_idl(db))
	{
		if (row != but && row->vnid == vnid)
			return true;
	}
	return false;
}

static int fresh_vnid(struct database *db, const struct apply_facts *facts, const struct left *left,
	uint32_t *ret, struct error *err)
{
	size_t len;
	cleanup_free struct allocate_owner *owners = numbers_owners(database_idl(db), &len);

	owners = xrealloc(take_ptr(owners), (len + left->len + 1) * sizeof(*owners));
	for (size_t i = 0; i < left->len; i++)
		owners[len++] = (struct allocate_owner){ .vnid = left->vnids[i] };
	if (allocate_vnid(owners, len, facts->now, facts->config->hold, ret, err) < 0)
		return -1;
	numbers_vnid_taken(database_idl(db), *ret);
	return 0;
}

/* Which VNID it gets. */
static int target(struct database *db, const Bulkhead__V1__ClusterMove *move,
	const struct bhrec_project *row, const struct apply_facts *facts, const struct left *left,
	uint32_t *ret, struct error *err)
{
	if (move->kind == BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_JOIN) {
		*ret = (uint32_t)database_project(db, move->to)->vnid;
		return 0;
	}
	if (move->kind == BULKHEAD__V1__CLUSTER_MOVE_TO__MOVE_GLOBAL) {
		*ret = PROJECT_VNID_DEFAULT;
		return 0;
	}
	*ret = (uint32_t)row->vnid;
	if (*ret != PROJECT_VNID_DEFAULT && !is_used(db, row, *ret))
		return 0;
	return fresh_vnid(db, facts, left, ret, err);
}

static int need(struct database *db, const char *name, struct error *err)
{
	if (database_project(db, name))
		return 0;
	return error_set(err, ERR_NOT_FOUND, 0, "project '%s' does not exist", name);
}

static int check(struct database *db, const Bulkhead__V1__ClusterMove *move, struct error *err)
{
	if (move->to[0] && need(db, move->to, err) < 0)
		return -1;
	for (size_t i = 0; i < move->n_projects; i++) {
		if (need(db, move->projects[i], err) < 0)
			return -1;
	}
	return 0;
}

static int check_firewall(const struct bhrec_project *row, uint32_t vnid, struct error *err)
{
	if (vnid != PROJECT_VNID_DEFAULT || !row->egress[0])
		return 0;
	return error_set(err, ERR_PRECONDITION, 0,
		"project '%s' has an egress firewall, which no global project can have: delete it "
		"first",
		row->name);
}

enum apply_result apply_move(struct database *db, struct ovsdb_idl_txn *txn,
	const Bulkhead__V1__ClusterMove *move, const struct apply_facts *facts, struct error *err)
{
	cleanup_free uint32_t *vnids = xcalloc(move->n_projects + 1, sizeof(*vnids));
	struct left left = { vnids, 0 };

	if (check(db, move, err) < 0)
		return APPLY_REFUSED;
	for (size_t i = 0; i < move->n_projects; i++) {
		const struct bhrec_project *row = database_project(db, move->projects[i]);
		uint32_t vnid;

		if (target(db, move, row, facts, &left, &vnid, err) < 0 ||
			check_firewall(row, vnid, err) < 0)
			return APPLY_REFUSED;
		if (row->vnid == vnid)
			continue;
		left.vnids[left.len++] = (uint32_t)row->vnid;
		bhrec_project_set_vnid(row, vnid);
		bhrec_project_set_moved(row, facts->epoch);
	}
#ifndef BULKHEAD_WEAK_RELEASED
	for (size_t i = 0; i < left.len; i++) {
		if (left.vnids[i] != PROJECT_VNID_DEFAULT && !is_used(db, NULL, left.vnids[i]))
			numbers_release(database_idl(db), txn, left.vnids[i], facts->now);
	}
#else
	(void)txn;
#endif
	return left.len > 0 ? APPLY_WRITTEN : APPLY_IS_SO;
}

const struct bhrec_project *apply_move_last(
	struct database *db, const Bulkhead__V1__ClusterMove *move)
{
	const struct bhrec_project *last = move->to[0] ? database_project(db, move->to) : NULL;

	for (size_t i = 0; i < move->n_projects; i++) {
		const struct bhrec_project *row = database_project(db, move->projects[i]);

		if (row && (!last || row->moved > last->moved))
			last = row;
	}
	return last;
}
