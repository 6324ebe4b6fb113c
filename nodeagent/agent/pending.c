#include "nodeagent/agent/pending.h"

#include <stdlib.h>

void pending_add(struct pending_list *list, struct pending *pending)
{
	pending->next = list->head;
	list->head = pending;
}

struct pending *pending_take(struct pending_list *list, uint32_t serial)
{
	for (struct pending **p = &list->head; *p; p = &(*p)->next) {
		struct pending *found = *p;

		if (found->serial != serial)
			continue;
		*p = found->next;
		return found;
	}
	return NULL;
}

struct pending *pending_take_any(struct pending_list *list)
{
	struct pending **last = &list->head;
	struct pending *found;

	while (*last && (*last)->next)
		last = &(*last)->next;
	found = *last;
	*last = NULL;
	return found;
}

void pending_forget(struct pending_list *list, const void *user)
{
	struct pending **p = &list->head;

	while (*p) {
		struct pending *found = *p;

		if (found->user == user) {
			*p = found->next;
			free(found);
		} else {
			p = &found->next;
		}
	}
}
