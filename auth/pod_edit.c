#include "auth/pod_edit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

static int no_memory(struct error *err)
{
	return error_set(err, ERR_EXHAUSTED, 0, "no memory for the pod");
}

int edit_string(char **field, const char *text, struct error *err)
{
	char *copy = strdup(text);

	if (!copy)
		return no_memory(err);
	if (*field != (const char *)protobuf_c_empty_string)
		free(*field);
	*field = copy;
	return 0;
}

int edit_string_default(char **field, const char *text, struct error *err)
{
	if (*field && **field)
		return 0;
	return edit_string(field, text, err);
}

static void *new_message(const ProtobufCMessageDescriptor *desc, struct error *err)
{
	ProtobufCMessage *msg = calloc(1, desc->sizeof_message);

	if (!msg) {
		no_memory(err);
		return NULL;
	}
	desc->message_init(msg);
	return msg;
}

/* 'field' is the address of a typed pointer: copied bytewise, for its type is not void *. */
int edit_message(void *field, const ProtobufCMessageDescriptor *desc, struct error *err)
{
	void *msg;

	memcpy(&msg, field, sizeof(msg));
	if (msg)
		return 0;
	msg = new_message(desc, err);
	if (!msg)
		return -1;
	memcpy(field, &msg, sizeof(msg));
	return 0;
}

/* Makes room for one more pointer in the list whose address is 'list'. */
static void **grow(void *list, size_t n, struct error *err)
{
	void **items;

	memcpy(&items, list, sizeof(items));
	items = reallocarray(items, n + 1, sizeof(*items));
	if (!items) {
		no_memory(err);
		return NULL;
	}
	memcpy(list, &items, sizeof(items));
	return items;
}

void *edit_append(void *list, size_t *n, const ProtobufCMessageDescriptor *desc, struct error *err)
{
	void **items = grow(list, *n, err);
	void *msg = items ? new_message(desc, err) : NULL;

	if (!msg)
		return NULL;
	items[(*n)++] = msg;
	return msg;
}

int edit_append_string(char ***list, size_t *n, const char *text, struct error *err)
{
	char **items = reallocarray(*list, *n + 1, sizeof(*items));

	if (!items)
		return no_memory(err);
	*list = items;
	items[*n] = strdup(text);
	if (!items[*n])
		return no_memory(err);
	(*n)++;
	return 0;
}

int edit_annotation(K8sPod *pod, const char *key, const char *value, struct error *err)
{
	K8sAnnotationsEntry *entry;

	if (edit_message(&pod->metadata, K8S_OBJECT_META_DESC, err) < 0)
		return -1;
	for (size_t i = 0; i < pod->metadata->n_annotations; i++) {
		entry = pod->metadata->annotations[i];
		if (entry->key && strcmp(entry->key, key) == 0)
			return edit_string(&entry->value, value, err);
	}
	entry = edit_append(&pod->metadata->annotations, &pod->metadata->n_annotations,
		&k8s__io__apimachinery__pkg__apis__meta__v1__object_meta__annotations_entry__descriptor,
		err);
	if (!entry || edit_string(&entry->key, key, err) < 0)
		return -1;
	return edit_string(&entry->value, value, err);
}

void edit_annotation_remove(K8sPod *pod, const char *key)
{
	K8sObjectMeta *meta = pod->metadata;

	for (size_t i = 0; meta && i < meta->n_annotations; i++) {
		K8sAnnotationsEntry *entry = meta->annotations[i];

		if (!entry->key || strcmp(entry->key, key) != 0)
			continue;
		protobuf_c_message_free_unpacked(&entry->base, NULL);
		meta->n_annotations--;
		memmove(&meta->annotations[i], &meta->annotations[i + 1],
			(meta->n_annotations - i) * sizeof(*meta->annotations));
		return;
	}
}

K8sPod *edit_copy(const K8sPod *pod, struct error *err)
{
	size_t size = protobuf_c_message_get_packed_size(&pod->base);
	cleanup_free uint8_t *bytes = malloc(size ? size : 1);
	ProtobufCMessage *copy;

	if (!bytes) {
		no_memory(err);
		return NULL;
	}
	protobuf_c_message_pack(&pod->base, bytes);
	copy = protobuf_c_message_unpack(K8S_POD_DESC, NULL, size, bytes);
	if (!copy) {
		no_memory(err);
		return NULL;
	}
	return (K8sPod *)copy;
}
