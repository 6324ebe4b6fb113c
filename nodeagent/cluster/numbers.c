#include <config.h>

#include "nodeagent/cluster/numbers.h"

#include "cluster/bulkhead-idl.h"
#include "util.h"

struct list {
	struct allocate_owner *owners;
	size_t len;
	size_t room;
};

static void add(struct list *list, struct allocate_owner owner)
{
	if (list->len == list->room)
		list->owners = x2nrealloc(list->owners, &list->room, sizeof(*list->owners));
	list->owners[list->len++] = owner;
}

struct allocate_owner *numbers_owners(struct ovsdb_idl *idl, size_t *ret_len)
{
	const struct bhrec_released_vnid *released;
	const struct bhrec_tombstone *tombstone;
	const struct bhrec_project *project;
	struct list list = { 0 };

	BHREC_PROJECT_FOR_EACH(project, idl)
	{
		add(&list, (struct allocate_owner){ .block = (uint32_t)project->block,
				   .vnid = (uint32_t)project->vnid });
	}
	BHREC_TOMBSTONE_FOR_EACH(tombstone, idl)
	{
		add(&list, (struct allocate_owner){ .block = (uint32_t)tombstone->block,
				   .vnid = (uint32_t)tombstone->vnid,
				   .deleted = true,
				   .deleted_at = tombstone->deleted_at });
	}
	/* Block 0 is project default's, so this takes no block. */
	BHREC_RELEASED_VNID_FOR_EACH(released, idl)
	{
		add(&list, (struct allocate_owner){ .vnid = (uint32_t)released->vnid,
				   .deleted = true,
				   .deleted_at = released->released_at });
	}
	*ret_len = list.len;
	return list.owners;
}

void numbers_block_taken(struct ovsdb_idl *idl, uint32_t block)
{
	const struct bhrec_tombstone *tombstone;

	BHREC_TOMBSTONE_FOR_EACH_SAFE(tombstone, idl)
	{
		if (tombstone->block == block)
			bhrec_tombstone_delete(tombstone);
	}
}

void numbers_vnid_taken(struct ovsdb_idl *idl, uint32_t vnid)
{
	const struct bhrec_released_vnid *released;

	BHREC_RELEASED_VNID_FOR_EACH_SAFE(released, idl)
	{
		if (released->vnid == vnid)
			bhrec_released_vnid_delete(released);
	}
}

void numbers_release(
	struct ovsdb_idl *idl, struct ovsdb_idl_txn *txn, uint32_t vnid, int64_t released_at)
{
	const struct bhrec_released_vnid *row;

	BHREC_RELEASED_VNID_FOR_EACH(row, idl)
	{
		if (row->vnid == vnid) {
			bhrec_released_vnid_set_released_at(row, released_at);
			return;
		}
	}
	row = bhrec_released_vnid_insert(txn);
	bhrec_released_vnid_set_vnid(row, vnid);
	bhrec_released_vnid_set_released_at(row, released_at);
}
