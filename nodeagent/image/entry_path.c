#include "nodeagent/image/entry_path.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static int refuse(struct error *err, const char *text, const char *why)
{
	return error_set(err, ERR_INVALID, 0, "name '%.255s' %s", text, why);
}

/* Appends one part; *len is what 'ret' holds. */
static int append(
	char *ret, size_t *len, const char *text, const char *part, size_t size, struct error *err)
{
	if (size > NAME_MAX)
		return refuse(err, text, "has a part of more than 255 bytes");
	if (*len + size + 1 > IMAGE_PATH_MAX)
		return refuse(err, text, "is longer than 4095 bytes");
	if (*len)
		ret[(*len)++] = '/';
	memcpy(ret + *len, part, size);
	*len += size;
	ret[*len] = '\0';
	return 0;
}

int entry_path_clean(const char *text, char ret[IMAGE_PATH_MAX + 1], struct error *err)
{
	size_t len = 0;
	int depth = 0;

	ret[0] = '\0';
	if (!text)
		return error_set(err, ERR_INVALID, 0, "an entry has no readable name");
#ifndef BULKHEAD_WEAK_PATH
	if (text[0] == '/')
		return refuse(err, text, "is absolute");
#endif
	for (const char *p = text; *p;) {
		size_t size = strcspn(p, "/");
		const char *part = p;

		p += size;
		p += strspn(p, "/");
		if (size == 0 || (size == 1 && part[0] == '.'))
			continue;
#ifndef BULKHEAD_WEAK_PATH
		if (size == 2 && memcmp(part, "..", 2) == 0)
			return refuse(err, text, "has '..'");
#endif
		if (++depth > IMAGE_DEPTH_MAX)
			return refuse(err, text, "is more than 128 directories deep");
		if (append(ret, &len, text, part, size, err) < 0)
			return -1;
	}
	return 0;
}

int entry_path_beside(
	const char *name, const char *target, char ret[IMAGE_PATH_MAX + 1], struct error *err)
{
	const char *slash = strrchr(name, '/');
	size_t len = slash ? (size_t)(slash - name) : 0;

	if (target[0] == '/')
		return refuse(err, target, "is absolute");
	memcpy(ret, name, len);
	ret[len] = '\0';
	for (const char *p = target; *p;) {
		size_t size = strcspn(p, "/");
		const char *part = p;

		p += size;
		p += strspn(p, "/");
		if (size == 0 || (size == 1 && part[0] == '.'))
			continue;
		if (size == 2 && memcmp(part, "..", 2) == 0) {
			char *last = strrchr(ret, '/');

			if (len == 0)
				return refuse(err, target, "leads out of the archive");
			len = last ? (size_t)(last - ret) : 0;
			ret[len] = '\0';
			continue;
		}
		if (append(ret, &len, target, part, size, err) < 0)
			return -1;
	}
	return 0;
}
