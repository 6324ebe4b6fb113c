#include "nodeagent/agent/userns.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

struct userns {
	uint32_t first;
	uint32_t count;
	uint32_t next; /* where the search begins */
	bool used[];
};

int userns_new(struct userns **ret, uint32_t first, uint32_t count, struct error *err)
{
	struct userns *userns = calloc(1, sizeof(*userns) + count * sizeof(bool));

	if (!userns)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot count user namespaces");
	userns->first = first;
	userns->count = count;
	*ret = userns;
	return 0;
}

void userns_free(struct userns *userns)
{
	free(userns);
}

int userns_reserve(struct userns *userns, uint32_t *ret, struct error *err)
{
	for (uint32_t i = 0; i < userns->count; i++) {
		uint32_t slice = (userns->next + i) % userns->count;

		if (userns->used[slice])
			continue;
		userns->used[slice] = true;
		userns->next = (slice + 1) % userns->count;
		*ret = userns->first + slice * USERNS_SLICE_SIZE;
		return 0;
	}
	return error_set(err, ERR_EXHAUSTED, 0,
		"all %u user namespaces of this node are in use; delete pods, or raise "
		"userns_slices",
		userns->count);
}

/* The number of the slice that starts at 'id', or 'count' when none does. */
static uint32_t slice_of(const struct userns *userns, uint32_t id)
{
	uint32_t slice;

	if (id < userns->first || (id - userns->first) % USERNS_SLICE_SIZE)
		return userns->count;
	slice = (id - userns->first) / USERNS_SLICE_SIZE;
	return slice < userns->count ? slice : userns->count;
}

int userns_take(struct userns *userns, uint32_t id, struct error *err)
{
	uint32_t slice = slice_of(userns, id);

	if (slice == userns->count)
		return error_set(err, ERR_INVALID, 0,
			"id %u starts none of this node's user namespaces", id);
	if (userns->used[slice])
		return error_set(err, ERR_EXISTS, 0,
			"the user namespace at id %u belongs to another pod", id);
	userns->used[slice] = true;
	userns->next = (slice + 1) % userns->count;
	return 0;
}

void userns_release(struct userns *userns, uint32_t id)
{
	uint32_t slice = slice_of(userns, id);

	if (slice < userns->count)
		userns->used[slice] = false;
}
