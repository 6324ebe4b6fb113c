#include <config.h>

#include "nodeagent/cluster/change.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cluster/bulkhead-idl.h"
#include "nodeagent/cluster/row.h"
#include "openvswitch/poll-loop.h"
#include "ovsdb-idl.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

int change_begin(struct change *change, Bulkhead__V1__ClusterTxn *txn, uint32_t serial,
	const struct apply_config *config, const struct database *db, struct error *err)
{
	const long long now = time_msec();
	struct change c = { .state = CHANGE_WAITING, .serial = serial };
	struct uuid uuid;

	if (request_init(&c.request, txn, err) < 0) {
		protobuf_c_message_free_unpacked(&txn->base, NULL);
		return -1;
	}
	uuid_generate(&uuid);
	snprintf(c.uid, sizeof(c.uid), UUID_FMT, UUID_ARGS(&uuid));
	c.facts = (struct apply_facts){ .config = config, .now = time(NULL) };
	/* Who asks while the database has been away for long is answered at once. */
	c.deadline = (database_is_there(db) ? now : database_away_since(db)) + CHANGE_MSEC;
	*change = c;
	change->facts.uid = change->uid;
	return 0;
}

static void drop_txn(struct change *c)
{
	if (c->txn)
		ovsdb_idl_txn_destroy(c->txn);
	c->txn = NULL;
}

void change_end(struct change *change)
{
	drop_txn(change);
	request_done(&change->request);
	*change = (struct change){ 0 };
}

void change_lost(struct change *change)
{
	if (change->state == CHANGE_NONE)
		return;
	if (change->state == CHANGE_SENT)
		change->facts.maybe_done = true;
	drop_txn(change);
	/* What was committed is found so, and answered, when the content is back. */
	if (change->state == CHANGE_SENT)
		change->state = CHANGE_WAITING;
	change->tries = 0;
}

/* Decides on the content as it is now. True when that ends the change. */
static bool try_once(struct change *c, struct database *db, struct error *err)
{
	struct ovsdb_idl_txn *txn;

	if (c->tries >= CHANGE_TRIES_MAX) {
		error_set(err, ERR_UNAVAILABLE, 0,
			"the cluster was changed by others %u times meanwhile: try again",
			c->tries);
		return true;
	}
	c->tries++;
	c->seqno = database_seqno(db);
	txn = database_begin(db, &c->epoch);
	c->facts.epoch = c->epoch;
	if (apply_request(db, txn, &c->request, &c->facts, err) != APPLY_WRITTEN) {
		ovsdb_idl_txn_destroy(txn);
		return true;
	}
	c->txn = txn;
	c->state = CHANGE_SENT;
	return false;
}

/* The schema's indexes and references, where somebody was faster who knows no epoch. */
static bool is_conflict(const char *text)
{
	return strstr(text, "constraint violation") || strstr(text, "referential integrity");
}

/* True when that ends the change. */
static bool look_at_txn(struct change *c, struct error *err)
{
	const enum ovsdb_idl_txn_status status = ovsdb_idl_txn_commit(c->txn);
	const char *text;

	if (status == TXN_INCOMPLETE)
		return false;
	if (status == TXN_SUCCESS || status == TXN_UNCHANGED) {
		c->state = CHANGE_COMMITTED;
		drop_txn(c);
		return false;
	}
	c->state = CHANGE_WAITING;
	if (status == TXN_ERROR) {
		text = ovsdb_idl_txn_get_error(c->txn);
		error_set(&c->refusal, ERR_INTERNAL, 0,
			"the cluster database refuses the change: %s", text);
		if (strstr(text, "permission error"))
			error_set(&c->refusal, ERR_DENIED, 0,
				"the cluster's manager does not let this node change it");
		if (!is_conflict(text)) {
			*err = c->refusal;
			return true;
		}
	}
	drop_txn(c);
	return false;
}

static bool time_is_over(const struct change *c, const struct database *db, struct error *err)
{
	if (time_msec() < c->deadline)
		return false;
	if (c->state != CHANGE_WAITING || c->facts.maybe_done)
		error_set(err, ERR_UNAVAILABLE, 0,
			"the cluster database did not confirm the change within %d ms: it may be "
			"made or not, look before you try again",
			CHANGE_MSEC);
	else if (!database_is_there(db))
		error_set(err, ERR_UNAVAILABLE, 0,
			"the cluster database is away (is its ovsdb-server running?)");
	else if (c->refusal.code != ERR_NONE)
		*err = c->refusal;
	else
		error_set(err, ERR_UNAVAILABLE, 0,
			"the cluster database did not answer within %d ms", CHANGE_MSEC);
	return true;
}

static bool is_over(struct change *c, struct database *db, struct error *err)
{
	if (c->state == CHANGE_SENT && look_at_txn(c, err))
		return true;
	if (c->state == CHANGE_WAITING && database_is_there(db) &&
		(c->tries == 0 || database_seqno(db) != c->seqno)) {
		if (try_once(c, db, err) || look_at_txn(c, err))
			return true;
	}
	if (c->state == CHANGE_COMMITTED && database_is_there(db) && database_epoch(db) >= c->epoch)
		return true;
	return time_is_over(c, db, err);
}

bool change_run(struct change *change, struct database *db, struct error *err)
{
	*err = (struct error){ 0 };
	if (change->state == CHANGE_NONE || !is_over(change, db, err))
		return false;
	if (err->code != ERR_NONE)
		request_error_prefix(&change->request, err);
	return true;
}

void change_wait(const struct change *change)
{
	if (change->state == CHANGE_NONE)
		return;
	if (change->txn)
		ovsdb_idl_txn_wait(change->txn);
	poll_timer_wait_until(change->deadline);
}

void change_reply(
	const struct change *change, struct database *db, Bulkhead__V1__ClusterTxnReply *reply)
{
	const struct request *r = &change->request;
	const struct bhrec_project *project = NULL;
	const struct bhrec_secret *secret = NULL;
	const struct bhrec_network_policy *policy = NULL;
	const struct bhrec_node *node = NULL;

	if (r->kind == REQUEST_CREATE_PROJECT || r->kind == REQUEST_PUT_SECRET ||
		r->kind == REQUEST_PUT_POLICY || r->kind == REQUEST_LABEL_PROJECT ||
		r->kind == REQUEST_PUT_EGRESS)
		project = database_project(db, r->project);
	if (r->kind == REQUEST_MOVE)
		project = apply_move_last(db, r->txn->move);
	if (r->kind == REQUEST_PUT_SECRET && project)
		secret = database_secret(db, project, r->name);
	if (r->kind == REQUEST_PUT_POLICY && project)
		policy = database_policy(db, project, r->name);
	if (r->kind == REQUEST_PUT_NODE || r->kind == REQUEST_JOIN_NODE)
		node = database_node(db, r->name);
	if (r->kind != REQUEST_PUT_SECRET && r->kind != REQUEST_PUT_POLICY && project)
		reply->project = row_project(project);
	if (secret)
		row_secret(secret, &reply->secret, NULL);
	if (policy)
		row_policy(policy, &reply->policy, NULL);
	if (node)
		row_node(node, &reply->node, NULL);
}

void change_reply_done(Bulkhead__V1__ClusterTxnReply *reply)
{
	if (reply->project)
		protobuf_c_message_free_unpacked(&reply->project->base, NULL);
	if (reply->secret)
		protobuf_c_message_free_unpacked(&reply->secret->base, NULL);
	if (reply->node)
		protobuf_c_message_free_unpacked(&reply->node->base, NULL);
	if (reply->policy)
		protobuf_c_message_free_unpacked(&reply->policy->base, NULL);
	reply->policy = NULL;
	reply->project = NULL;
	reply->secret = NULL;
	reply->node = NULL;
}
