#include <config.h>

#include "netplugin/flow_set.h"

#include <stdlib.h>
#include <string.h>

#include "byte-order.h"
#include "flow.h"
#include "hash.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-protocol.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

#define PROTOCOL  OFPUTIL_P_OF15_OXM
#define MAX_TABLE 255

/* A flow's changeable half, on one of the three sides. */
struct side {
	bool present;
	uint64_t cookie;
	struct ofpact *ofpacts;
	size_t ofpacts_len; /* bytes */
};

/* What is wanted for one cookie. Without flows it is not kept. */
struct flow_object {
	struct hmap_node node; /* in flow_set.objects */
	uint64_t cookie;
	struct ovs_list flows; /* by want_node */
};

/* One (table, priority, match), by which a switch tells flows apart. */
struct flow_entry {
	struct hmap_node node;      /* in flow_set.flows */
	struct ovs_list want_node;  /* in the flows of its object, while want.present */
	struct ovs_list dirty_node; /* in flow_set.dirty, or points to itself */
	uint8_t table;
	uint16_t priority;
	struct minimatch match;
	bool in_flight;
	struct side want;
	struct side have;
	struct side sent; /* while in_flight */
};

struct flow_set {
	struct hmap flows;
	struct hmap objects;
	struct ovs_list dirty;
	size_t dirty_len;
	size_t wanted;
};

struct flow_set *flow_set_new(void)
{
	struct flow_set *set = xzalloc(sizeof(*set));

	hmap_init(&set->flows);
	hmap_init(&set->objects);
	ovs_list_init(&set->dirty);
	return set;
}

static void side_clear(struct side *side)
{
	free(side->ofpacts);
	*side = (struct side){ 0 };
}

static void side_set(struct side *side, uint64_t cookie, const struct ofpact *ofpacts, size_t size)
{
	free(side->ofpacts);
	*side = (struct side){
		.present = true,
		.cookie = cookie,
		.ofpacts = size ? xmemdup(ofpacts, size) : NULL,
		.ofpacts_len = size,
	};
}

static bool side_equal(const struct side *a, const struct side *b)
{
	if (a->present != b->present)
		return false;
	return !a->present ||
	       (a->cookie == b->cookie && ofpacts_equal_stringwise(a->ofpacts, a->ofpacts_len,
						  b->ofpacts, b->ofpacts_len));
}

static struct flow_object *object_find(const struct flow_set *set, uint64_t cookie)
{
	struct flow_object *object;

	HMAP_FOR_EACH_WITH_HASH(object, node, hash_uint64(cookie), &set->objects)
	{
		if (object->cookie == cookie)
			return object;
	}
	return NULL;
}

static struct flow_object *object_get(struct flow_set *set, uint64_t cookie)
{
	struct flow_object *object = object_find(set, cookie);

	if (object)
		return object;
	object = xzalloc(sizeof(*object));
	object->cookie = cookie;
	ovs_list_init(&object->flows);
	hmap_insert(&set->objects, &object->node, hash_uint64(cookie));
	return object;
}

static void object_free(struct flow_set *set, struct flow_object *object)
{
	hmap_remove(&set->objects, &object->node);
	free(object);
}

static void want_clear(struct flow_set *set, struct flow_entry *entry)
{
	if (!entry->want.present)
		return;
	ovs_list_remove(&entry->want_node);
	set->wanted--;
	side_clear(&entry->want);
}

static void want_set(struct flow_set *set, struct flow_entry *entry, struct flow_object *object,
	const struct ofputil_flow_mod *mod)
{
	want_clear(set, entry);
	side_set(&entry->want, object->cookie, mod->ofpacts, mod->ofpacts_len);
	ovs_list_push_back(&object->flows, &entry->want_node);
	set->wanted++;
}

static void entry_free(struct flow_set *set, struct flow_entry *entry)
{
	if (!ovs_list_is_empty(&entry->dirty_node)) {
		ovs_list_remove(&entry->dirty_node);
		set->dirty_len--;
	}
	hmap_remove(&set->flows, &entry->node);
	want_clear(set, entry);
	side_clear(&entry->have);
	side_clear(&entry->sent);
	minimatch_destroy(&entry->match);
	free(entry);
}

void flow_set_free(struct flow_set *set)
{
	struct flow_entry *entry;
	struct flow_object *object;

	if (!set)
		return;
	HMAP_FOR_EACH_SAFE(entry, node, &set->flows)
	entry_free(set, entry);
	hmap_destroy(&set->flows);
	HMAP_FOR_EACH_SAFE(object, node, &set->objects)
	object_free(set, object);
	hmap_destroy(&set->objects);
	free(set);
}

/* Puts 'entry' on the list of differences or takes it off; one that is nowhere any more goes. */
static void entry_judge(struct flow_set *set, struct flow_entry *entry)
{
	bool listed = !ovs_list_is_empty(&entry->dirty_node);
	bool differs = !side_equal(&entry->want, &entry->have);

	if (differs && !listed) {
		ovs_list_push_back(&set->dirty, &entry->dirty_node);
		set->dirty_len++;
	} else if (!differs && listed) {
		ovs_list_remove(&entry->dirty_node);
		ovs_list_init(&entry->dirty_node);
		set->dirty_len--;
	}
	if (!entry->want.present && !entry->have.present && !entry->in_flight)
		entry_free(set, entry);
}

static uint32_t key_hash(uint8_t table, uint16_t priority, const struct minimatch *match)
{
	return minimatch_hash(match, (uint32_t)table << 16 | priority);
}

/* Finds or makes the entry for a key; 'match' is copied. */
static struct flow_entry *entry_get(
	struct flow_set *set, uint8_t table, uint16_t priority, const struct minimatch *match)
{
	uint32_t hash = key_hash(table, priority, match);
	struct flow_entry *entry;

	HMAP_FOR_EACH_WITH_HASH(entry, node, hash, &set->flows)
	{
		if (entry->table == table && entry->priority == priority &&
			minimatch_equal(&entry->match, match))
			return entry;
	}
	entry = xzalloc(sizeof(*entry));
	entry->table = table;
	entry->priority = priority;
	minimatch_clone(&entry->match, match);
	ovs_list_init(&entry->dirty_node);
	hmap_insert(&set->flows, &entry->node, hash);
	return entry;
}

/* A parsed line, in the form in which a switch would report it. */
struct parsed {
	struct ofputil_flow_mod mod;
	struct ofpbuf ofpacts;
};

static void parsed_done(struct parsed *parsed)
{
	minimatch_destroy(&parsed->mod.match);
	ofpbuf_uninit(&parsed->ofpacts);
}

/*
 * Text to flow_mod to message and back: actions as parsed ("load:") differ from the same ones as a
 * switch returns them ("set_field:"), so both sides are compared in the second form.
 */
static int line_parse(const char *line, struct parsed *ret, struct error *err)
{
	enum ofputil_protocol usable;
	struct ofputil_flow_mod mod;
	struct ofpbuf *message;
	enum ofperr ofperr;
	char *text = parse_ofp_flow_mod_str(&mod, line, NULL, NULL, OFPFC_ADD, &usable);

	if (text) {
		error_set(err, ERR_INTERNAL, 0, "flow '%s': %s", line, text);
		free(text);
		return -1;
	}
	if (!(usable & PROTOCOL)) {
		minimatch_destroy(&mod.match);
		free(mod.ofpacts);
		return error_set(
			err, ERR_INTERNAL, 0, "flow '%s' needs another OpenFlow version", line);
	}
	message = ofputil_encode_flow_mod(&mod, PROTOCOL);
	minimatch_destroy(&mod.match);
	free(mod.ofpacts);
	ofpbuf_init(&ret->ofpacts, 64);
	ofperr = ofputil_decode_flow_mod(&ret->mod, message->data, PROTOCOL, NULL, NULL,
		&ret->ofpacts, u16_to_ofp(OFPP_MAX), MAX_TABLE);
	ofpbuf_delete(message);
	if (ofperr) {
		ofpbuf_uninit(&ret->ofpacts);
		return error_set(
			err, ERR_INTERNAL, 0, "flow '%s': %s", line, ofperr_to_string(ofperr));
	}
	return 0;
}

/* Stops wanting what is wanted for 'cookie'. */
static void unwant(struct flow_set *set, uint64_t cookie)
{
	struct flow_object *object = object_find(set, cookie);
	struct flow_entry *entry;

	if (!object)
		return;
	LIST_FOR_EACH_SAFE(entry, want_node, &object->flows)
	{
		want_clear(set, entry);
		entry_judge(set, entry);
	}
	object_free(set, object);
}

static int find_foreign(struct flow_set *set, uint64_t cookie, const struct parsed *parsed)
{
	const struct ofputil_flow_mod *mod = &parsed->mod;
	uint32_t hash = key_hash(mod->table_id, (uint16_t)mod->priority, &mod->match);
	struct flow_entry *entry;

	HMAP_FOR_EACH_WITH_HASH(entry, node, hash, &set->flows)
	{
		if (entry->table == mod->table_id && entry->priority == mod->priority &&
			minimatch_equal(&entry->match, &mod->match) && entry->want.present &&
			entry->want.cookie != cookie)
			return 1;
	}
	return 0;
}

int flow_set_want(
	struct flow_set *set, uint64_t cookie, const struct flow_list *list, struct error *err)
{
	struct parsed *parsed = xcalloc(list->len + 1, sizeof(*parsed));
	size_t n = 0;
	int r = 0;

	for (; n < list->len && r == 0; n++) {
		r = line_parse(list->lines[n], &parsed[n], err);
		if (r < 0)
			break;
		if (find_foreign(set, cookie, &parsed[n]))
			r = error_set(err, ERR_INTERNAL, 0, "flow '%s' is another object's too",
				list->lines[n]);
	}
	if (r == 0)
		unwant(set, cookie);
	for (size_t i = 0; i < n; i++) {
		const struct ofputil_flow_mod *mod = &parsed[i].mod;

		if (r == 0) {
			struct flow_entry *entry =
				entry_get(set, mod->table_id, (uint16_t)mod->priority, &mod->match);

			want_set(set, entry, object_get(set, cookie), mod);
			entry_judge(set, entry);
		}
		parsed_done(&parsed[i]);
	}
	free(parsed);
	return r;
}

void flow_set_forget(struct flow_set *set)
{
	struct flow_entry *entry;

	HMAP_FOR_EACH_SAFE(entry, node, &set->flows)
	{
		side_clear(&entry->have);
		side_clear(&entry->sent);
		entry->in_flight = false;
		entry_judge(set, entry);
	}
}

void flow_set_have(struct flow_set *set, const struct ofputil_flow_stats *stats)
{
	struct flow_entry *entry;
	struct minimatch match;

	minimatch_init(&match, &stats->match);
	entry = entry_get(set, stats->table_id, stats->priority, &match);
	minimatch_destroy(&match);
	side_set(&entry->have, ntohll(stats->cookie), stats->ofpacts, stats->ofpacts_len);
	entry_judge(set, entry);
}

char *flow_set_describe(const struct flow_set *set)
{
	const struct flow_entry *entry;
	char *match, *text;

	if (ovs_list_is_empty(&set->dirty))
		return xstrdup("none");
	entry = CONTAINER_OF(ovs_list_front(&set->dirty), struct flow_entry, dirty_node);
	match = minimatch_to_string(&entry->match, NULL, entry->priority);
	text = xasprintf("%s table=%u,%s",
		!entry->have.present   ? "missing"
		: !entry->want.present ? "foreign"
				       : "changed",
		entry->table, match);
	free(match);
	return text;
}

size_t flow_set_differences(const struct flow_set *set)
{
	return set->dirty_len;
}

size_t flow_set_wanted(const struct flow_set *set)
{
	return set->wanted;
}

/* The flow_mod that turns what the switch has into what is wanted. */
static struct ofpbuf *entry_encode(const struct flow_entry *entry)
{
	struct ofputil_flow_mod mod = {
		.priority = entry->priority,
		.table_id = entry->table,
		.command = entry->want.present ? OFPFC_ADD : OFPFC_DELETE_STRICT,
		.new_cookie = OVS_BE64_MAX,
		.buffer_id = UINT32_MAX,
		.out_port = OFPP_ANY,
		.out_group = OFPG_ANY,
		.ofpacts = entry->want.ofpacts,
		.ofpacts_len = entry->want.ofpacts_len,
	};
	struct ofpbuf *message;

	if (entry->want.present) {
		mod.new_cookie = htonll(entry->want.cookie);
	} else {
		mod.cookie = htonll(entry->have.cookie);
		mod.cookie_mask = OVS_BE64_MAX;
	}
	minimatch_clone(&mod.match, &entry->match);
	message = ofputil_encode_flow_mod(&mod, PROTOCOL);
	minimatch_destroy(&mod.match);
	return message;
}

void flow_set_send(struct flow_set *set, struct ovs_list *requests)
{
	struct flow_entry *entry;

	LIST_FOR_EACH(entry, dirty_node, &set->dirty)
	{
		struct ofpbuf *message = entry_encode(entry);

		ovs_list_push_back(requests, &message->list_node);
		entry->in_flight = true;
		side_clear(&entry->sent);
		if (entry->want.present)
			side_set(&entry->sent, entry->want.cookie, entry->want.ofpacts,
				entry->want.ofpacts_len);
	}
}

void flow_set_sent_done(struct flow_set *set, int taken)
{
	struct flow_entry *entry;

	HMAP_FOR_EACH_SAFE(entry, node, &set->flows)
	{
		if (!entry->in_flight)
			continue;
		entry->in_flight = false;
		if (taken) {
			side_clear(&entry->have);
			entry->have = entry->sent;
			entry->sent = (struct side){ 0 };
		}
		side_clear(&entry->sent);
		entry_judge(set, entry);
	}
}
