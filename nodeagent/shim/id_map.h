/*
 * A pod's user namespace map: checked once, then asked. The same map serves uids and gids.
 * Pure but for userns_make(), which holds a namespace by descriptor.
 */
#ifndef NODEAGENT_SHIM_ID_MAP_H
#define NODEAGENT_SHIM_ID_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define ID_MAP_ROWS_MAX 8
#define ID_MAX          0x7fffffffu /* uid_t beyond would be negative for someone */

struct id_row {
	uint32_t inside;
	uint32_t outside;
	uint32_t count;
};

/* 'len' 0 is the host's own namespace: every id is itself. */
struct id_map {
	size_t len;
	struct id_row rows[ID_MAP_ROWS_MAX];
};

/*
 * Adds a row. Errors: ERR_INVALID (empty, beyond ID_MAX, overlapping another row on either side,
 * covering host id 0), ERR_EXHAUSTED (more than ID_MAP_ROWS_MAX).
 */
int id_map_add(
	struct id_map *map, uint32_t inside, uint32_t outside, uint32_t count, struct error *err);

/* The host id of 'inside' in *ret. Errors: ERR_INVALID (not mapped). */
int id_map_outside(const struct id_map *map, uint32_t inside, uint32_t *ret, struct error *err);

/* The row that maps 'inside', or NULL. Borrowed. */
const struct id_row *id_map_row(const struct id_map *map, uint32_t inside);

/* Writes the rows as /proc/PID/uid_map takes them. -1 when 'size' is too small. */
int id_map_format(const struct id_map *map, char *ret, size_t size);

/* Writes uid_map and gid_map of 'pid' through 'proc_dirfd'; setgroups(2) stays allowed. */
int id_map_write(const struct id_map *map, int proc_dirfd, int pid, struct error *err);

/* A user namespace with this map and nobody in it, for id-mapped mounts. The caller owns the fd. */
int userns_make(const struct id_map *map, int proc_dirfd, struct error *err);

#endif
