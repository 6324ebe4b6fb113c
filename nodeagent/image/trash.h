/*
 * Removing trees that may be large, or were made to be hard to remove, without making the agent
 * wait: a rename into <store>/trash/, and a process of its own that empties it.
 */
#ifndef NODEAGENT_IMAGE_TRASH_H
#define NODEAGENT_IMAGE_TRASH_H

#include "lib/error.h"

#define STORE_LAYERS  "layers"
#define STORE_IMAGES  "images"
#define STORE_STAGING "staging"
#define STORE_TRASH   "trash"

/* 16 random hex digits and NUL. */
#define TRASH_NAME_SIZE 17
void trash_name(char ret[TRASH_NAME_SIZE]);

/* Moves <folder>/<name> into the trash. Absent is success. */
int trash_move(int store_dirfd, const char *folder, const char *name, struct error *err);
/* All of <folder>. */
int trash_move_all(int store_dirfd, const char *folder, struct error *err);

/*
 * Starts a process that empties the trash, when there is something in it. It is nobody's to wait
 * for, and ends when the caller's process does; what it did not remove stays for the next time.
 */
void trash_empty(int store_dirfd);

#endif
