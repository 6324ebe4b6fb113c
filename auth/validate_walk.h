/*
 * Visits every field that is set in a message and in those inside it, by descriptor, so that what
 * must hold for all fields holds also for those that nobody thought of.
 */
#ifndef AUTH_VALIDATE_WALK_H
#define AUTH_VALIDATE_WALK_H

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

#include "auth/validate_place.h"

/* A field that is set. Everything is borrowed for the time of the visit. */
struct walk_field {
	const struct place *at;
	const ProtobufCMessage *msg; /* that it is a field of */
	const ProtobufCFieldDescriptor *field;
	const char *values; /* the first value, the others behind it */
	size_t n;           /* 1 unless repeated */
	bool map;           /* the values are entries with key and value */
};

/* Returns whether to go on into the messages in this field. Entries of a map are not gone into. */
typedef bool (*walk_visit)(void *arg, const struct walk_field *field);

/* In the order of the descriptors. Depth is that of the message type, which must not recurse. */
void walk_message(const ProtobufCMessage *msg, const struct place *at, walk_visit visit, void *arg);

/* The i-th value: a string or message itself, a scalar's address. */
const void *walk_value(const struct walk_field *field, size_t i);

/* Whether a scalar or string is 0, false or "": what a Go client writes for an absent field. */
bool walk_zero(const struct walk_field *field);

/* Whether a message has no field but such, at any depth. */
bool walk_empty(const ProtobufCMessage *msg);

/* The key of a map's entry, never NULL. */
const char *walk_key(const ProtobufCMessage *entry);

#endif
