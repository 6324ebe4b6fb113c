/*
 * Changing a pod in place: strings, lists and sub-messages on the heap, as protobuf-c frees them.
 * Every function fails with ERR_EXHAUSTED only, and leaves the pod freeable.
 */
#ifndef AUTH_POD_EDIT_H
#define AUTH_POD_EDIT_H

#include <stddef.h>

#include "lib/error.h"
#include "proto/k8s.h"

/* Replaces *field by a copy of 'text'. */
int edit_string(char **field, const char *text, struct error *err);

/* Sets *field to a copy of 'text' when it is absent or empty. */
int edit_string_default(char **field, const char *text, struct error *err);

/*
 * Makes a message of 'size' bytes by the type's init function and stores it in *field when that is
 * NULL.
 */
int edit_message(void *field, const ProtobufCMessageDescriptor *desc, struct error *err);

/* Appends a new message of type 'desc' to a repeated field and returns it, NULL on failure. */
void *edit_append(void *list, size_t *n, const ProtobufCMessageDescriptor *desc, struct error *err);

/* Appends a copy of 'text' to a repeated string. */
int edit_append_string(char ***list, size_t *n, const char *text, struct error *err);

/* Sets an annotation, replacing one that is there. */
int edit_annotation(K8sPod *pod, const char *key, const char *value, struct error *err);

/* Takes an annotation away, where there is one. */
void edit_annotation_remove(K8sPod *pod, const char *key);

/* A deep copy (by packing and unpacking), NULL on failure. */
K8sPod *edit_copy(const K8sPod *pod, struct error *err);

#endif
