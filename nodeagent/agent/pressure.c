#include "nodeagent/agent/pressure.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"

#define FILE_MAX 512
#define DESC     (&bulkhead__v1__pressure__descriptor)

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0": what is between the first word and the last. */
static void line_parse(const char *text, const char *kind, char ret[PRESSURE_TEXT_SIZE])
{
	size_t len = strlen(kind);

	ret[0] = '\0';
	for (const char *p = text; p && *p; p = strchr(p, '\n')) {
		const char *end;

		p += *p == '\n';
		if (strncmp(p, kind, len) != 0 || p[len] != ' ')
			continue;
		p += len + 1;
		end = strstr(p, " total=");
		if (end && (size_t)(end - p) < PRESSURE_TEXT_SIZE)
			snprintf(ret, PRESSURE_TEXT_SIZE, "%.*s", (int)(end - p), p);
		return;
	}
}

int pressure_parse(const char *text, struct pressure *ret)
{
	line_parse(text, "some", ret->some);
	line_parse(text, "full", ret->full);
	return ret->some[0] ? 0 : -1;
}

int pressure_append(Bulkhead__V1__Pressure ***list, size_t *n, const char *group, int dirfd,
	const char *suffix, struct error *err)
{
	static const char *const resources[PRESSURES] = { "cpu", "memory", "io" };

	for (size_t i = 0; i < PRESSURES; i++) {
		cleanup_free char *text = NULL;
		struct pressure pressure;
		Bulkhead__V1__Pressure *row;
		char name[32];
		size_t size;

		snprintf(name, sizeof(name), "%s%s", resources[i], suffix);
		if (file_read_at(dirfd, name, FILE_MAX, &text, &size, NULL) < 0 ||
			pressure_parse(text, &pressure) < 0)
			continue;
		row = edit_append(list, n, DESC, err);
		if (!row || edit_string(&row->group, group, err) < 0 ||
			edit_string(&row->resource, resources[i], err) < 0 ||
			edit_string(&row->some, pressure.some, err) < 0 ||
			edit_string(&row->full, pressure.full, err) < 0)
			return -1;
	}
	return 0;
}
