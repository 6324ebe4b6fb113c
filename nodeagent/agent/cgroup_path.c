#include "nodeagent/agent/cgroup_path.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"

bool cgroup_path_is_systemd(const Bulkhead__V1__NodeConfig *config)
{
	return strcmp(config->cgroup_driver, "systemd") == 0;
}

/*
 * As systemd-escape(1): what is no letter, digit, ':', '_' or inner '.' becomes \xNN; '/' becomes
 * '-', which is a step down.
 */
static void escape(const char *text, char ret[CGROUP_UNIT_SIZE])
{
	size_t size = 0;

	for (const char *p = text; *p && size + 5 < CGROUP_UNIT_SIZE; p++) {
		int plain = isalnum((unsigned char)*p) || *p == ':' || *p == '_' ||
			    (*p == '.' && p > text && p[-1] != '/');

		if (plain)
			ret[size++] = *p;
		else if (*p == '/')
			ret[size++] = '-';
		else
			size += (size_t)snprintf(
				ret + size, CGROUP_UNIT_SIZE - size, "\\x%02x", (unsigned char)*p);
	}
	ret[size] = '\0';
}

/* "a-b-red" lies in a.slice/a-b.slice/a-b-red.slice. */
static void slice_path(const char *stem, char ret[CGROUP_PATH_SIZE])
{
	size_t size = 0;

	for (const char *p = stem;; p++) {
		if ((*p && *p != '-') || size >= CGROUP_PATH_SIZE)
			continue;
		size += (size_t)snprintf(ret + size, CGROUP_PATH_SIZE - size, "%s%.*s.slice",
			size ? "/" : "", (int)(p - stem), stem);
		if (!*p)
			break;
	}
}

static void stem_of(
	const Bulkhead__V1__NodeConfig *config, const char *project, char ret[CGROUP_UNIT_SIZE])
{
	char parent[CGROUP_UNIT_SIZE];
	char name[CGROUP_UNIT_SIZE];

	escape(config->cgroup_parent, parent);
	if (!project) {
		snprintf(ret, CGROUP_UNIT_SIZE, "%s", parent);
		return;
	}
	escape(project, name);
	snprintf(ret, CGROUP_UNIT_SIZE, "%.*s-%.*s", (int)(CGROUP_UNIT_SIZE / 2 - 8), parent,
		(int)(CGROUP_UNIT_SIZE / 2), name);
}

void cgroup_unit_slice(
	const Bulkhead__V1__NodeConfig *config, const char *project, char ret[CGROUP_UNIT_SIZE])
{
	char stem[CGROUP_UNIT_SIZE];

	stem_of(config, project, stem);
	snprintf(ret, CGROUP_UNIT_SIZE, "%.*s.slice", (int)(CGROUP_UNIT_SIZE - 7), stem);
}

void cgroup_unit_scope(
	const Bulkhead__V1__NodeConfig *config, const char *uid, char ret[CGROUP_UNIT_SIZE])
{
	char stem[CGROUP_UNIT_SIZE];

	stem_of(config, NULL, stem);
	snprintf(ret, CGROUP_UNIT_SIZE, "%.*s-pod%.64s.scope", (int)(CGROUP_UNIT_SIZE - 80), stem,
		uid);
}

void cgroup_path_all(const Bulkhead__V1__NodeConfig *config, char ret[CGROUP_PATH_SIZE])
{
	char stem[CGROUP_UNIT_SIZE];

	stem_of(config, NULL, stem);
	if (cgroup_path_is_systemd(config))
		slice_path(stem, ret);
	else
		snprintf(ret, CGROUP_PATH_SIZE, "%s", config->cgroup_parent);
}

void cgroup_path_project(
	const Bulkhead__V1__NodeConfig *config, const char *project, char ret[CGROUP_PATH_SIZE])
{
	char stem[CGROUP_UNIT_SIZE];

	stem_of(config, project, stem);
	if (cgroup_path_is_systemd(config))
		slice_path(stem, ret);
	else
		snprintf(ret, CGROUP_PATH_SIZE, "%s/%s", config->cgroup_parent, project);
}

void cgroup_path_scope(const Bulkhead__V1__NodeConfig *config, const char *project, const char *uid,
	char ret[CGROUP_PATH_SIZE])
{
	char scope[CGROUP_UNIT_SIZE];
	size_t size;

	ret[0] = '\0';
	if (!cgroup_path_is_systemd(config))
		return;
	cgroup_unit_scope(config, uid, scope);
	cgroup_path_project(config, project, ret);
	size = strlen(ret);
	snprintf(ret + size, CGROUP_PATH_SIZE - size, "/%s", scope);
}

void cgroup_path_pod(const Bulkhead__V1__NodeConfig *config, const char *project, const char *uid,
	char ret[CGROUP_PATH_SIZE])
{
	size_t size;

	if (!cgroup_path_is_systemd(config)) {
		snprintf(ret, CGROUP_PATH_SIZE, "%s/%s/pod%s", config->cgroup_parent, project, uid);
		return;
	}
	cgroup_path_scope(config, project, uid, ret);
	size = strlen(ret);
	snprintf(ret + size, CGROUP_PATH_SIZE - size, "/pod");
}
