/* The texts of procfs, one row a field. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/cleanup.h"
#include "nodeagent/shim/drift.h"

/* A number at *text, which moves behind it. 0 when there is none or it is over 'max'. */
static int number(const char **text, int base, uint64_t max, uint64_t *ret)
{
	const char *p = *text;
	uint64_t value;
	char *end;

	p += strspn(p, " \t");
	if (strspn(p, base == 16 ? "0123456789abcdef" : "0123456789") == 0)
		return 0;
	errno = 0;
	value = strtoull(p, &end, base);
	if (errno != 0 || value > max)
		return 0;
	*ret = value;
	*text = end;
	return 1;
}

/* Nothing but blanks to the end of the line. */
static int ends(const char *text)
{
	text += strspn(text, " \t");
	return *text == '\n' || *text == '\0';
}

static int ids(uint32_t ret[4], const char *text)
{
	for (size_t i = 0; i < 4; i++) {
		uint64_t id;

		if (!number(&text, 10, UINT32_MAX, &id))
			return 0;
		ret[i] = (uint32_t)id;
	}
	return ends(text);
}

static int parse_uid(struct drift_facts *f, const char *text)
{
	return ids(f->uids, text);
}

static int parse_gid(struct drift_facts *f, const char *text)
{
	return ids(f->gids, text);
}

static int parse_groups(struct drift_facts *f, const char *text)
{
	uint64_t id;

	f->groups_len = f->groups_more = 0;
	while (number(&text, 10, UINT32_MAX, &id)) {
		if (f->groups_len == USER_GROUPS_MAX)
			f->groups_more++;
		else
			f->groups[f->groups_len++] = (uint32_t)id;
	}
	return ends(text);
}

static int parse_state(struct drift_facts *f, const char *text)
{
	text += strspn(text, " \t");
	f->state = *text;
	return *text >= 'A' && *text <= 'z';
}

static int set(uint64_t *ret, const char *text)
{
	return number(&text, 16, UINT64_MAX, ret) && ends(text);
}

static int small(unsigned *ret, const char *text)
{
	uint64_t value;

	if (!number(&text, 10, UINT32_MAX, &value) || !ends(text))
		return 0;
	*ret = (unsigned)value;
	return 1;
}

#define CAPS(function, index)                                                                      \
	static int function(struct drift_facts *f, const char *text)                               \
	{                                                                                          \
		return set(&f->caps[index], text);                                                 \
	}
#define SMALL(function, member)                                                                    \
	static int function(struct drift_facts *f, const char *text)                               \
	{                                                                                          \
		return small(&f->member, text);                                                    \
	}

CAPS(parse_inheritable, DRIFT_INHERITABLE)
CAPS(parse_permitted, DRIFT_PERMITTED)
CAPS(parse_effective, DRIFT_EFFECTIVE)
CAPS(parse_bounding, DRIFT_BOUNDING)
CAPS(parse_ambient, DRIFT_AMBIENT)
SMALL(parse_no_new_privs, no_new_privs)
SMALL(parse_seccomp, seccomp)
SMALL(parse_filters, filters)

static const struct {
	const char *name;
	int (*parse)(struct drift_facts *f, const char *text);
} status_rows[] = {
	{ "State:", parse_state },
	{ "Uid:", parse_uid },
	{ "Gid:", parse_gid },
	{ "Groups:", parse_groups },
	{ "CapInh:", parse_inheritable },
	{ "CapPrm:", parse_permitted },
	{ "CapEff:", parse_effective },
	{ "CapBnd:", parse_bounding },
	{ "CapAmb:", parse_ambient },
	{ "NoNewPrivs:", parse_no_new_privs },
	{ "Seccomp:", parse_seccomp },
	{ "Seccomp_filters:", parse_filters },
};

/* Each row once: the first line is the process's name, which the process chose, escaped by the
 * kernel. */
int drift_parse_status(struct drift_facts *ret, const char *text, struct error *err)
{
	unsigned seen = 0;

	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		for (size_t i = 0; i < ARRAY_LEN(status_rows); i++) {
			size_t len = strlen(status_rows[i].name);

			if (strncmp(p, status_rows[i].name, len) != 0)
				continue;
			if ((seen & (1u << i)) || !status_rows[i].parse(ret, p + len))
				return error_set(err, ERR_INVALID, 0,
					"status: line '%s' is not as expected",
					status_rows[i].name);
			seen |= 1u << i;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(status_rows); i++) {
		if (!(seen & (1u << i)))
			return error_set(
				err, ERR_INVALID, 0, "status: no line '%s'", status_rows[i].name);
	}
	return 0;
}

static const char *const limit_names[DRIFT_LIMITS] = {
	[RLIMIT_CPU] = "Max cpu time",
	[RLIMIT_FSIZE] = "Max file size",
	[RLIMIT_DATA] = "Max data size",
	[RLIMIT_STACK] = "Max stack size",
	[RLIMIT_CORE] = "Max core file size",
	[RLIMIT_RSS] = "Max resident set",
	[RLIMIT_NPROC] = "Max processes",
	[RLIMIT_NOFILE] = "Max open files",
	[RLIMIT_MEMLOCK] = "Max locked memory",
	[RLIMIT_AS] = "Max address space",
	[RLIMIT_LOCKS] = "Max file locks",
	[RLIMIT_SIGPENDING] = "Max pending signals",
	[RLIMIT_MSGQUEUE] = "Max msgqueue size",
	[RLIMIT_NICE] = "Max nice priority",
	[RLIMIT_RTPRIO] = "Max realtime priority",
	[RLIMIT_RTTIME] = "Max realtime timeout",
};

const char *drift_limit_name(size_t resource)
{
	return resource < DRIFT_LIMITS ? limit_names[resource] : "?";
}

static int limit(const char **text, uint64_t *ret)
{
	const char *p = *text + strspn(*text, " ");

	if (strncmp(p, "unlimited", 9) != 0)
		return number(text, 10, UINT64_MAX, ret);
	*ret = RLIM_INFINITY;
	*text = p + 9;
	return 1;
}

int drift_parse_limits(struct drift_facts *ret, const char *text, struct error *err)
{
	for (size_t i = 0; i < DRIFT_LIMITS; i++) {
		const char *line = text;
		size_t len = strlen(limit_names[i]);
		uint64_t soft;

		while (*line && (strncmp(line, limit_names[i], len) != 0 || line[len] != ' ')) {
			line += strcspn(line, "\n");
			line += *line == '\n';
		}
		if (!*line)
			return error_set(
				err, ERR_INVALID, 0, "limits: no line '%s'", limit_names[i]);
		line += len;
		if (!limit(&line, &soft) || !limit(&line, &ret->limits[i]))
			return error_set(err, ERR_INVALID, 0,
				"limits: line '%s' is not as expected", limit_names[i]);
	}
	return 0;
}

int drift_parse_map(struct id_map *ret, const char *text, struct error *err)
{
	struct id_map map = { .len = 0 };

	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		uint64_t inside, outside, count;

		if (!number(&p, 10, UINT32_MAX, &inside) || !number(&p, 10, UINT32_MAX, &outside) ||
			!number(&p, 10, UINT32_MAX, &count) || !ends(p))
			return error_set(
				err, ERR_INVALID, 0, "id map: a line is not three numbers");
		if (map.len == ID_MAP_ROWS_MAX)
			return error_set(
				err, ERR_INVALID, 0, "id map: more than %d lines", ID_MAP_ROWS_MAX);
		map.rows[map.len++] =
			(struct id_row){ (uint32_t)inside, (uint32_t)outside, (uint32_t)count };
	}
	*ret = map;
	return 0;
}
