#include "secrets/volume_path.h"

#include <string.h>

static int bad(struct error *err, const char *path, const char *rule)
{
	return error_set(err, ERR_INVALID, 0, "path '%.256s': %s", path, rule);
}

static int check_part(const char *path, const char *part, size_t len, struct error *err)
{
	if (len == 0)
		return bad(err, path, "has an empty part; write it with single '/' between names");
	if (len > VOLUME_PART_MAX)
		return bad(err, path, "has a part of more than 255 bytes");
	if (len <= 2 && strncmp(part, "..", len) == 0)
		return bad(err, path, "must not have '.' or '..' as a part");
	return 0;
}

int volume_path_check(const char *path, struct error *err)
{
	const char *part = path;
	unsigned depth = 0;

	if (!path[0])
		return bad(err, path, "is empty");
	if (path[0] == '/')
		return bad(err, path, "must be relative");
	if (strnlen(path, VOLUME_PATH_MAX + 1) > VOLUME_PATH_MAX)
		return bad(err, path, "has more than 4096 bytes");
	if (strncmp(path, "..", 2) == 0)
		return bad(err, path, "must not begin with '..'");
	for (;;) {
		size_t len = strcspn(part, "/");

		if (check_part(path, part, len, err) < 0)
			return -1;
		if (++depth > VOLUME_DEPTH_MAX)
			return bad(err, path, "has more than 16 parts");
		if (!part[len])
			return 0;
		part += len + 1;
	}
}

static int rank(char c)
{
	return c == '/' ? 1 : c == '\0' ? 0 : (unsigned char)c + 1;
}

int volume_path_compare(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return rank(*a) - rank(*b);
}

int volume_path_covers(const char *outer, const char *inner)
{
	size_t len = strlen(outer);

	return strncmp(outer, inner, len) == 0 && (inner[len] == '\0' || inner[len] == '/');
}
