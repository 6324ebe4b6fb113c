#include <config.h>

#include "netplugin/meter_set.h"

#include <stdlib.h>

#include "hash.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

#define OPENFLOW OFP15_VERSION
#define FLAGS    (OFPMF13_KBPS | OFPMF13_BURST)

/* A meter on one of the three sides. */
struct side {
	bool present;
	bool foreign; /* of a form that is never wanted */
	struct meter meter;
};

struct entry {
	struct hmap_node node;
	uint32_t id;
	bool differs;
	bool in_flight;
	bool leaving; /* was wanted no more when the flows were sent that do without */
	struct side want;
	struct side have;
	struct side sent; /* while in_flight */
};

struct meter_set {
	struct hmap meters;
	size_t differences;
	size_t wanted;
};

struct meter_set *meter_set_new(void)
{
	struct meter_set *set = xzalloc(sizeof(*set));

	hmap_init(&set->meters);
	return set;
}

void meter_set_free(struct meter_set *set)
{
	struct entry *entry;

	if (!set)
		return;
	HMAP_FOR_EACH_SAFE(entry, node, &set->meters)
	{
		hmap_remove(&set->meters, &entry->node);
		free(entry);
	}
	hmap_destroy(&set->meters);
	free(set);
}

static struct entry *entry_get(struct meter_set *set, uint32_t id)
{
	struct entry *entry;

	HMAP_FOR_EACH_WITH_HASH(entry, node, hash_int(id, 0), &set->meters)
	{
		if (entry->id == id)
			return entry;
	}
	entry = xzalloc(sizeof(*entry));
	entry->id = id;
	hmap_insert(&set->meters, &entry->node, hash_int(id, 0));
	return entry;
}

static bool side_equal(const struct side *a, const struct side *b)
{
	if (a->present != b->present)
		return false;
	return !a->present || (!a->foreign && !b->foreign && a->meter.rate == b->meter.rate &&
				      a->meter.burst == b->meter.burst);
}

/* Counts 'entry' as a difference or not; one that is nowhere any more goes. */
static void entry_judge(struct meter_set *set, struct entry *entry)
{
	bool differs = !side_equal(&entry->want, &entry->have);

	set->differences += differs;
	set->differences -= entry->differs;
	entry->differs = differs;
	if (!entry->want.present && !entry->have.present && !entry->in_flight) {
		hmap_remove(&set->meters, &entry->node);
		free(entry);
	}
}

void meter_set_want(struct meter_set *set, uint32_t id, const struct meter *meter)
{
	struct entry *entry = entry_get(set, id);

	set->wanted -= entry->want.present;
	entry->want = (struct side){ .present = meter != NULL };
	if (meter)
		entry->want.meter = *meter;
	set->wanted += entry->want.present;
	entry_judge(set, entry);
}

void meter_set_forget(struct meter_set *set)
{
	struct entry *entry;

	HMAP_FOR_EACH_SAFE(entry, node, &set->meters)
	{
		entry->have = (struct side){ 0 };
		entry->in_flight = false;
		entry->leaving = false;
		entry_judge(set, entry);
	}
}

void meter_set_have(struct meter_set *set, const struct ofputil_meter_config *config)
{
	const struct ofputil_meter_band *band = config->bands;
	struct entry *entry;

	entry = entry_get(set, config->meter_id);
	entry->have = (struct side){ .present = true, .foreign = true };
	/* Statistics are the switch's own addition. */
	if ((config->flags & ~OFPMF13_STATS) == FLAGS && config->n_bands == 1 &&
		band->type == OFPMBT13_DROP) {
		entry->have.foreign = false;
		entry->have.meter = (struct meter){ band->rate, band->burst_size };
	}
	entry_judge(set, entry);
}

char *meter_set_describe(const struct meter_set *set)
{
	const struct entry *entry;

	HMAP_FOR_EACH(entry, node, &set->meters)
	{
		if (!entry->differs)
			continue;
		return xasprintf("%s meter %u",
			!entry->have.present   ? "missing"
			: !entry->want.present ? "foreign"
					       : "changed",
			entry->id);
	}
	return xstrdup("none");
}

size_t meter_set_differences(const struct meter_set *set)
{
	return set->differences;
}

size_t meter_set_wanted(const struct meter_set *set)
{
	return set->wanted;
}

int meter_set_check_room(const struct meter_set *set, uint32_t max, size_t more, struct error *err)
{
	if (more == 0)
		return 0;
	if (max == 0)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"the switch's datapath has no meters: bandwidth cannot be limited");
	if (set->wanted + more > max)
		return error_set(err, ERR_EXHAUSTED, 0,
			"the switch's %u meters are in use: no more bandwidth can be limited", max);
	return 0;
}

static void append(struct ovs_list *requests, const struct entry *entry, uint16_t command)
{
	struct ofputil_meter_band band = {
		.type = OFPMBT13_DROP,
		.rate = entry->want.meter.rate,
		.burst_size = entry->want.meter.burst,
	};
	const struct ofputil_meter_mod mod = {
		.command = command,
		.meter = {
			.meter_id = entry->id,
			.flags = FLAGS,
			.n_bands = command == OFPMC13_DELETE ? 0 : 1,
			.bands = &band,
		},
	};

	ovs_list_push_back(requests, &ofputil_encode_meter_mod(OPENFLOW, &mod)->list_node);
}

size_t meter_set_send(struct meter_set *set, struct ovs_list *requests)
{
	struct entry *entry;
	size_t n = 0;

	HMAP_FOR_EACH(entry, node, &set->meters)
	{
		if (!entry->differs)
			continue;
		n++;
		entry->leaving = !entry->want.present;
		if (entry->leaving)
			continue;
		append(requests, entry, entry->have.present ? OFPMC13_MODIFY : OFPMC13_ADD);
		entry->in_flight = true;
		entry->sent = entry->want;
	}
	return n;
}

void meter_set_sent_done(struct meter_set *set, struct ovs_list *requests)
{
	struct entry *entry;

	HMAP_FOR_EACH_SAFE(entry, node, &set->meters)
	{
		if (!entry->in_flight && !entry->leaving)
			continue;
		if (entry->in_flight)
			entry->have = entry->sent;
		if (entry->leaving && !entry->want.present) {
			append(requests, entry, OFPMC13_DELETE);
			entry->have = (struct side){ 0 };
		}
		entry->in_flight = false;
		entry->leaving = false;
		entry_judge(set, entry);
	}
}
