/* What is there beside what was admitted, one function a kind of field. Pure. */
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/cleanup.h"
#include "nodeagent/shim/drift.h"

#define CAP(name) (UINT64_C(1) << CAP_##name)

void drift_facts_done(struct drift_facts *facts)
{
	free(facts->cgroups);
	free(facts->values);
	free(facts->mounts);
	facts->cgroups = facts->values = facts->mounts = NULL;
}

void drift_plan_done(struct drift_plan *plan)
{
	drift_facts_done(&plan->facts);
	free(plan->pod_values);
	plan->pod_values = NULL;
}

static void copy_printable(char *ret, size_t size, const char *text)
{
	size_t n = 0;

	for (; text[n] && n + 1 < size; n++)
		ret[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
	ret[n] = '\0';
}

void drift_add(struct drift_list *list, const char *field, const char *expected, const char *found)
{
	struct drift_row *row = &list->rows[list->len];

	if (list->len == DRIFT_ROWS_MAX) {
		list->more++;
		return;
	}
	copy_printable(row->field, sizeof(row->field), field);
	copy_printable(row->expected, sizeof(row->expected), expected);
	copy_printable(row->found, sizeof(row->found), found);
	list->len++;
}

static int same_row(const struct drift_row *a, const struct drift_row *b)
{
	return strcmp(a->field, b->field) == 0 && strcmp(a->expected, b->expected) == 0 &&
	       strcmp(a->found, b->found) == 0;
}

int drift_same(const struct drift_list *a, const struct drift_list *b)
{
	if (a->len != b->len || a->more != b->more)
		return 0;
	for (size_t i = 0; i < a->len; i++) {
		if (!same_row(&a->rows[i], &b->rows[i]))
			return 0;
	}
	return 1;
}

static void add_number(struct drift_list *ret, const char *field, uint64_t expected, uint64_t found)
{
	char a[32];
	char b[32];

	snprintf(a, sizeof(a), "%" PRIu64, expected);
	snprintf(b, sizeof(b), "%" PRIu64, found);
	drift_add(ret, field, a, b);
}

static const char *const cap_sets[DRIFT_CAP_SETS] = {
	[DRIFT_INHERITABLE] = "capabilities.inheritable",
	[DRIFT_PERMITTED] = "capabilities.permitted",
	[DRIFT_EFFECTIVE] = "capabilities.effective",
	[DRIFT_BOUNDING] = "capabilities.bounding",
	[DRIFT_AMBIENT] = "capabilities.ambient",
};

/*
 * What a set may hold at most: what was admitted, but only by a program with the set-user-ID bit
 * or file capabilities where the process is not root, and by none under no_new_privs.
 */
static void compare_caps(
	const struct drift_plan *plan, const struct drift_facts *found, struct drift_list *ret)
{
	int raised = plan->facts.caps[DRIFT_PERMITTED] == 0 && plan->facts.no_new_privs;

	/* In a user namespace of its own making the numbers say nothing about the pod's. */
	if (found->ns[DRIFT_NS_USER].inode != plan->facts.ns[DRIFT_NS_USER].inode)
		return;
	for (int i = 0; i < DRIFT_CAP_SETS; i++) {
		uint64_t most = raised && i != DRIFT_BOUNDING ? 0 : plan->caps;
		char a[32];
		char b[32];

		if ((found->caps[i] & ~most) == 0)
			continue;
		snprintf(a, sizeof(a), "at most %016" PRIx64, most);
		snprintf(b, sizeof(b), "%016" PRIx64, found->caps[i]);
		drift_add(ret, cap_sets[i], a, b);
	}
}

static void compare_confinement(
	const struct drift_plan *plan, const struct drift_facts *found, struct drift_list *ret)
{
	char a[96];
	char b[32];

	if (found->no_new_privs < plan->facts.no_new_privs)
		add_number(ret, "no_new_privs", plan->facts.no_new_privs, found->no_new_privs);
	if (found->seccomp < plan->facts.seccomp)
		add_number(ret, "seccomp.mode", plan->facts.seccomp, found->seccomp);
	if (found->filters < plan->facts.filters) {
		snprintf(a, sizeof(a), "%u, loaded with hash %016" PRIx64, plan->facts.filters,
			plan->filter_hash);
		snprintf(b, sizeof(b), "%u", found->filters);
		drift_add(ret, "seccomp.filters", a, b);
	}
	if (plan->facts.label[0] && strcmp(plan->facts.label, found->label) != 0)
		drift_add(ret, "selinux_label", plan->facts.label, found->label);
}

/* The pod's ids, as the host sees them; without a map all are. */
static int in_map(const struct id_map *map, uint32_t id)
{
	for (size_t i = 0; i < map->len; i++) {
		if (id >= map->rows[i].outside && id - map->rows[i].outside < map->rows[i].count)
			return 1;
	}
	return map->len == 0;
}

static int may_change_ids(const struct drift_plan *plan, uint64_t cap)
{
	return !plan->facts.no_new_privs || (plan->caps & cap) != 0;
}

static void compare_id(const struct drift_plan *plan, const char *field, uint64_t cap,
	const uint32_t expected[4], const uint32_t found[4], struct drift_list *ret)
{
	static const char *const names[] = { "real", "effective", "saved", "fs" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char text[64];

		if (found[i] == expected[i] ||
			(may_change_ids(plan, cap) && in_map(&plan->facts.uid_map, found[i])))
			continue;
		snprintf(text, sizeof(text), "%s.%s", field, names[i]);
		add_number(ret, text, expected[i], found[i]);
	}
}

static int has_group(const struct drift_facts *facts, uint32_t group)
{
	for (size_t i = 0; i < facts->groups_len; i++) {
		if (facts->groups[i] == group)
			return 1;
	}
	return facts->gids[0] == group;
}

static void compare_groups(
	const struct drift_plan *plan, const struct drift_facts *found, struct drift_list *ret)
{
	char text[32];

	for (size_t i = 0; i < found->groups_len; i++) {
		uint32_t group = found->groups[i];

		if (has_group(&plan->facts, group) ||
			(may_change_ids(plan, CAP(SETGID)) && in_map(&plan->facts.uid_map, group)))
			continue;
		snprintf(text, sizeof(text), "%" PRIu32, group);
		drift_add(ret, "groups", "not a member", text);
	}
	if (found->groups_more && !may_change_ids(plan, CAP(SETGID)))
		add_number(ret, "groups", plan->facts.groups_len,
			found->groups_len + found->groups_more);
}

static void compare_map(const char *field, const struct id_map *plan, const struct id_map *found,
	struct drift_list *ret)
{
	char a[DRIFT_TEXT_SIZE] = "";
	char b[DRIFT_TEXT_SIZE] = "";

	if (plan->len == found->len &&
		memcmp(plan->rows, found->rows, plan->len * sizeof(plan->rows[0])) == 0)
		return;
	id_map_format(plan, a, sizeof(a));
	id_map_format(found, b, sizeof(b));
	drift_add(ret, field, a, b);
}

static void compare_ids(
	const struct drift_plan *plan, const struct drift_facts *found, struct drift_list *ret)
{
	compare_id(plan, "uid", CAP(SETUID), plan->facts.uids, found->uids, ret);
	compare_id(plan, "gid", CAP(SETGID), plan->facts.gids, found->gids, ret);
	compare_groups(plan, found, ret);
	if (plan->host_users ||
		found->ns[DRIFT_NS_USER].inode != plan->facts.ns[DRIFT_NS_USER].inode)
		return;
	compare_map("uid_map", &plan->facts.uid_map, &found->uid_map, ret);
	compare_map("gid_map", &plan->facts.gid_map, &found->gid_map, ret);
}

static const char *const ns_names[DRIFT_NS_LEN] = {
	[DRIFT_NS_USER] = "user",
	[DRIFT_NS_MNT] = "mnt",
	[DRIFT_NS_PID] = "pid",
	[DRIFT_NS_NET] = "net",
	[DRIFT_NS_IPC] = "ipc",
	[DRIFT_NS_UTS] = "uts",
	[DRIFT_NS_CGROUP] = "cgroup",
};

const char *drift_ns_name(enum drift_ns ns)
{
	return ns_names[ns];
}

/* New namespaces are no gain where they belong to the pod's user namespace or one made in it. */
static void compare_ns(
	const struct drift_plan *plan, const struct drift_facts *found, struct drift_list *ret)
{
	for (int i = 0; i < DRIFT_NS_LEN; i++) {
		const struct drift_ns_fact *n = &found->ns[i];
		char field[32];

		if (n->inode == plan->facts.ns[i].inode || n->owner == DRIFT_OWNER_BELOW ||
			(n->owner == DRIFT_OWNER_POD && (plan->caps & CAP(SYS_ADMIN))))
			continue;
		snprintf(field, sizeof(field), "namespaces.%s", ns_names[i]);
		add_number(ret, field, plan->facts.ns[i].inode, n->inode);
	}
}

static void compare_limits(
	const struct drift_plan *plan, const struct drift_facts *found, struct drift_list *ret)
{
	/* CAP_SYS_RESOURCE counts in the host's user namespace alone. */
	if (plan->host_users && (plan->caps & CAP(SYS_RESOURCE)))
		return;
	for (size_t i = 0; i < DRIFT_LIMITS; i++) {
		char field[64];

		if (found->limits[i] <= plan->facts.limits[i])
			continue;
		snprintf(field, sizeof(field), "rlimits.%s", drift_limit_name(i));
		add_number(ret, field, plan->facts.limits[i], found->limits[i]);
	}
	if (found->oom_score_adj < plan->facts.oom_score_adj) {
		char a[32];
		char b[32];

		snprintf(a, sizeof(a), "%d", plan->facts.oom_score_adj);
		snprintf(b, sizeof(b), "%d", found->oom_score_adj);
		drift_add(ret, "oom_score_adj", a, b);
	}
}

/* The line of 'text' that begins with the 'len' bytes of 'key'; its end is returned too. */
static const char *line_find(const char *text, const char *key, size_t len, size_t *ret_len)
{
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		if (strncmp(p, key, len) == 0) {
			*ret_len = strcspn(p + len, "\n");
			return p + len;
		}
	}
	return NULL;
}

static void compare_lines(const char *prefix, const char *plan, const char *found,
	const char *(*key_end)(const char *line), struct drift_list *ret)
{
	if (strcmp(plan, found) == 0)
		return;
	for (const char *p = plan; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		const char *value = key_end(p);
		size_t key_len = (size_t)(value - p);
		size_t len = strcspn(value, "\n");
		size_t found_len = 0;
		const char *now = line_find(found, p, key_len, &found_len);
		char field[DRIFT_FIELD_SIZE];
		char a[DRIFT_TEXT_SIZE];
		char b[DRIFT_TEXT_SIZE];

		if (key_len == 0 || (now && found_len == len && memcmp(now, value, len) == 0))
			continue;
		snprintf(field, sizeof(field), "%s%.*s", prefix, (int)key_len - 1, p);
		snprintf(a, sizeof(a), "%.*s", (int)len, value);
		snprintf(b, sizeof(b), "%.*s", now ? (int)found_len : 6, now ? now : "absent");
		drift_add(ret, field, a, b);
	}
}

static const char *after_equals(const char *line)
{
	size_t n = strcspn(line, "=\n");

	return line[n] == '=' ? line + n + 1 : line;
}

/* "4:memory:/path" */
static const char *after_colons(const char *line)
{
	size_t n = strcspn(line, ":\n");

	if (line[n] != ':')
		return line;
	n += 1 + strcspn(line + n + 1, ":\n");
	return line[n] == ':' ? line + n + 1 : line;
}

void drift_compare_values(
	const char *prefix, const char *plan, const char *found, struct drift_list *ret)
{
	compare_lines(prefix, plan, found, after_equals, ret);
}

void drift_compare(
	const struct drift_plan *plan, const struct drift_facts *found, struct drift_list *ret)
{
	compare_caps(plan, found, ret);
	compare_confinement(plan, found, ret);
	compare_ids(plan, found, ret);
	compare_ns(plan, found, ret);
	compare_limits(plan, found, ret);
	if (plan->facts.cgroups && found->cgroups)
		compare_lines(
			"cgroup_path.", plan->facts.cgroups, found->cgroups, after_colons, ret);
	if (plan->facts.values && found->values)
		drift_compare_values("cgroup.", plan->facts.values, found->values, ret);
	if (plan->facts.mounts && found->mounts)
		drift_compare_mounts(plan->facts.mounts, found->mounts, ret);
}
