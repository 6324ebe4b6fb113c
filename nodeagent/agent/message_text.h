/*
 * Strings in proto3 messages that are kept and changed: unset ones are protobuf-c's own empty
 * string, which must not be freed.
 */
#ifndef NODEAGENT_AGENT_MESSAGE_TEXT_H
#define NODEAGENT_AGENT_MESSAGE_TEXT_H

#include <protobuf-c/protobuf-c.h>
#include <stdlib.h>
#include <string.h>

static inline void message_text_clear(char **field)
{
	if (*field != (const char *)protobuf_c_empty_string)
		free(*field);
	*field = (char *)(uintptr_t)protobuf_c_empty_string;
}

/* Without memory the field is left as it was. */
static inline void message_text_set(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return;
	message_text_clear(field);
	*field = copy;
}

#endif
