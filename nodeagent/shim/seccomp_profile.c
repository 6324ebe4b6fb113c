/* OCI runtime-spec and Docker seccomp profiles, read strictly. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "lib/cleanup.h"
#include "nodeagent/shim/caps.h"
#include "nodeagent/shim/seccomp_build.h"

#define ARGS_MAX  6
#define ERRNO_MAX 4095

struct build {
	scmp_filter_ctx ctx;
	uint32_t default_action;
	uint64_t caps;
	unsigned kernel;
};

/* Actions that let the call happen, so that leaving one out would loosen nothing else. */
static const struct {
	const char *name;
	uint32_t action;
	int lets_through;
} actions[] = {
	{ "SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD, 0 },
	{ "SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD, 0 },
	{ "SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS, 0 },
	{ "SCMP_ACT_TRAP", SCMP_ACT_TRAP, 0 },
	{ "SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(EPERM), 0 },
	{ "SCMP_ACT_LOG", SCMP_ACT_LOG, 1 },
	{ "SCMP_ACT_ALLOW", SCMP_ACT_ALLOW, 1 },
};

static const struct {
	const char *name;
	enum scmp_compare op;
} ops[] = {
	{ "SCMP_CMP_NE", SCMP_CMP_NE },
	{ "SCMP_CMP_LT", SCMP_CMP_LT },
	{ "SCMP_CMP_LE", SCMP_CMP_LE },
	{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
	{ "SCMP_CMP_GE", SCMP_CMP_GE },
	{ "SCMP_CMP_GT", SCMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
};

/* Architectures whose calls a native process can make beside its own. */
static const struct {
	const char *name;
	uint32_t native;
	uint32_t arch;
} sub_archs[] = {
	{ "SCMP_ARCH_X86", SCMP_ARCH_X86_64, SCMP_ARCH_X86 },
	{ "SCMP_ARCH_X32", SCMP_ARCH_X86_64, SCMP_ARCH_X32 },
	{ "SCMP_ARCH_ARM", SCMP_ARCH_AARCH64, SCMP_ARCH_ARM },
};

static const struct {
	const char *name;
	uint32_t arch;
} natives[] = {
	{ "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64 },
	{ "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64 },
};

static int bad(struct error *err, const char *field, const char *rule)
{
	return error_set(err, ERR_INVALID, 0, "%s: %s", field, rule);
}

/* Every key of 'object' must be in 'keys'. */
static int keys_check(json_t *object, const char *field, const char *const *keys, size_t keys_len,
	struct error *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return bad(err, field, "must be an object");
	json_object_foreach(object, key, value)
	{
		size_t i = 0;

		while (i < keys_len && strcmp(keys[i], key) != 0)
			i++;
		if (i == keys_len)
			return error_set(err, ERR_INVALID, 0, "%s: '%.64s' is not known; remove it",
				field, key);
	}
	return 0;
}

static int string_list_check(json_t *list, const char *field, struct error *err)
{
	size_t i;
	json_t *item;

	if (!list)
		return 0;
	if (!json_is_array(list))
		return bad(err, field, "must be a list of strings");
	json_array_foreach(list, i, item)
	{
		if (!json_is_string(item))
			return bad(err, field, "must be a list of strings");
	}
	return 0;
}

/* An action with its errno. 'lets_through' may be NULL. */
static int action_parse(json_t *name, json_t *errno_ret, const char *field, uint32_t *ret,
	int *lets_through, struct error *err)
{
	if (!json_is_string(name))
		return bad(err, field, "an action (\"SCMP_ACT_...\") is needed");
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (strcmp(actions[i].name, json_string_value(name)) != 0)
			continue;
		*ret = actions[i].action;
		if (lets_through)
			*lets_through = actions[i].lets_through;
		if (!errno_ret || json_is_null(errno_ret))
			return 0;
		if (*ret != SCMP_ACT_ERRNO(EPERM))
			return bad(err, field, "errnoRet goes with SCMP_ACT_ERRNO only");
		if (!json_is_integer(errno_ret) || json_integer_value(errno_ret) < 0 ||
			json_integer_value(errno_ret) > ERRNO_MAX)
			return bad(err, field, "errnoRet is not in 0..4095");
		*ret = SCMP_ACT_ERRNO((uint32_t)json_integer_value(errno_ret));
		return 0;
	}
	return error_set(err, ERR_UNSUPPORTED, 0, "%s: action '%.64s' is not honoured", field,
		json_string_value(name));
}

unsigned seccomp_kernel_of(const char *release)
{
	unsigned major = 0;
	unsigned minor = 0;

	if (sscanf(release, "%3u.%3u", &major, &minor) != 2)
		return 0;
	return major << 16 | minor;
}

/* Whether any (all = 0) or every (all = 1) capability of the list is in the container's set. */
static int caps_match(const struct build *b, json_t *list, int all)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
	{
		int cap = cap_number(json_string_value(item));
		int there = cap >= 0 && (b->caps & (UINT64_C(1) << cap)) != 0;

		if (there != all)
			return !all;
	}
	return all;
}

static int arch_listed(json_t *list)
{
	static const char *const mine[][2] = {
#ifdef __x86_64__
		{ "amd64", "x86_64" },
#endif
#ifdef __aarch64__
		{ "arm64", "aarch64" },
#endif
	};
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item)
	{
		for (size_t k = 0; k < ARRAY_LEN(mine); k++) {
			if (strcmp(json_string_value(item), mine[k][0]) == 0 ||
				strcmp(json_string_value(item), mine[k][1]) == 0)
				return 1;
		}
	}
	return 0;
}

/* 1 when the conditions of an includes (want = 1) or excludes (want = 0) object let the rule in. */
static int conditions_hold(
	const struct build *b, json_t *object, const char *field, int want, struct error *err)
{
	static const char *const keys[] = { "caps", "arches", "minKernel" };
	json_t *caps = json_object_get(object, "caps");
	json_t *arches = json_object_get(object, "arches");
	json_t *kernel = json_object_get(object, "minKernel");
	unsigned min;

	if (!object || json_is_null(object))
		return 1;
	if (keys_check(object, field, keys, ARRAY_LEN(keys), err) < 0 ||
		string_list_check(caps, field, err) < 0 ||
		string_list_check(arches, field, err) < 0)
		return -1;
	if (json_array_size(caps) > 0 && caps_match(b, caps, want) != want)
		return 0;
	if (json_array_size(arches) > 0 && arch_listed(arches) != want)
		return 0;
	if (!kernel || json_is_null(kernel))
		return 1;
	min = json_is_string(kernel) ? seccomp_kernel_of(json_string_value(kernel)) : 0;
	if (min == 0)
		return bad(err, field, "minKernel must be \"major.minor\"");
	return (b->kernel >= min) == want;
}

static int value_of(json_t *object, const char *key, uint64_t *ret)
{
	json_t *value = json_object_get(object, key);

	*ret = 0;
	if (!value)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return -1;
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

static int arg_parse(json_t *object, struct scmp_arg_cmp *ret, struct error *err)
{
	static const char *const keys[] = { "index", "value", "valueTwo", "op" };
	const char *op = json_string_value(json_object_get(object, "op"));
	uint64_t index;
	uint64_t one;
	uint64_t two;

	if (keys_check(object, "syscalls.args", keys, ARRAY_LEN(keys), err) < 0)
		return -1;
	if (!json_object_get(object, "index") || value_of(object, "index", &index) < 0 ||
		index >= ARGS_MAX)
		return bad(err, "syscalls.args.index", "is not in 0..5");
	if (value_of(object, "value", &one) < 0 || value_of(object, "valueTwo", &two) < 0)
		return bad(err, "syscalls.args.value", "must be a number from 0 to 2^63-1");
	for (size_t i = 0; op && i < ARRAY_LEN(ops); i++) {
		if (strcmp(ops[i].name, op) == 0) {
			*ret = (struct scmp_arg_cmp){ (unsigned)index, ops[i].op, one, two };
			return 0;
		}
	}
	return bad(err, "syscalls.args.op", "is not a comparison (\"SCMP_CMP_...\")");
}

static int args_parse(json_t *list, struct scmp_arg_cmp *ret, unsigned *ret_len, struct error *err)
{
	size_t i;
	json_t *item;

	*ret_len = 0;
	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list) || json_array_size(list) > ARGS_MAX)
		return bad(err, "syscalls.args", "must be a list of at most 6");
	json_array_foreach(list, i, item)
	{
		if (arg_parse(item, &ret[i], err) < 0)
			return -1;
	}
	*ret_len = (unsigned)json_array_size(list);
	return 0;
}

/* One argument twice means "either": then each comparison is a rule of its own, as runc has it. */
static int arg_repeats(const struct scmp_arg_cmp *args, unsigned len)
{
	unsigned seen = 0;

	for (unsigned i = 0; i < len; i++) {
		if (seen & (1u << args[i].arg))
			return 1;
		seen |= 1u << args[i].arg;
	}
	return 0;
}

static int rule_add(struct build *b, uint32_t action, const char *name,
	const struct scmp_arg_cmp *args, unsigned len, struct error *err)
{
	int nr = seccomp_syscall_resolve_name(name);
	unsigned step = arg_repeats(args, len) ? 1 : len;
	unsigned at = 0;

	do {
		int rc = seccomp_rule_add_array(b->ctx, action, nr, step, len ? args + at : NULL);

		/* EEXIST: said twice. */
		if (rc < 0 && rc != -EEXIST && nr >= 0)
			return error_set(err, ERR_INVALID, -rc,
				"syscalls: cannot add a rule for '%s'", name);
		at += step;
	} while (at < len);
	return 0;
}

static int syscall_entry(struct build *b, json_t *entry, struct error *err)
{
	static const char *const keys[] = { "names", "action", "errnoRet", "args", "comment",
		"includes", "excludes" };
	json_t *names = json_object_get(entry, "names");
	struct scmp_arg_cmp args[ARGS_MAX];
	unsigned args_len;
	uint32_t action;
	int lets_through;
	int in;
	int out;
	size_t i;
	json_t *name;

	if (keys_check(entry, "syscalls", keys, ARRAY_LEN(keys), err) < 0 ||
		string_list_check(names, "syscalls.names", err) < 0 ||
		action_parse(json_object_get(entry, "action"), json_object_get(entry, "errnoRet"),
			"syscalls.action", &action, &lets_through, err) < 0 ||
		args_parse(json_object_get(entry, "args"), args, &args_len, err) < 0)
		return -1;
	in = conditions_hold(b, json_object_get(entry, "includes"), "syscalls.includes", 1, err);
	if (in < 0)
		return -1;
	out = conditions_hold(b, json_object_get(entry, "excludes"), "syscalls.excludes", 0, err);
	if (out < 0)
		return -1;
	if (json_array_size(names) == 0)
		return bad(err, "syscalls.names", "must not be empty");
	/* A rule that says what the default says is one that libseccomp refuses. */
	if (!in || !out || action == b->default_action)
		return 0;
	json_array_foreach(names, i, name)
	{
		const char *text = json_string_value(name);

		if (seccomp_syscall_resolve_name(text) == __NR_SCMP_ERROR) {
			if (lets_through)
				continue;
			return error_set(err, ERR_INVALID, 0,
				"syscalls: '%.64s' is not known here, so it cannot be restricted",
				text);
		}
		if (rule_add(b, action, text, args, args_len, err) < 0)
			return -1;
	}
	return 0;
}

static int arch_add(struct build *b, json_t *list, struct error *err)
{
	uint32_t native = seccomp_arch_native();
	size_t i;
	json_t *item;

	if (string_list_check(list, "architectures", err) < 0)
		return -1;
	json_array_foreach(list, i, item)
	{
		for (size_t k = 0; k < ARRAY_LEN(sub_archs); k++) {
			int rc;

			if (sub_archs[k].native != native ||
				strcmp(sub_archs[k].name, json_string_value(item)) != 0)
				continue;
			rc = seccomp_arch_add(b->ctx, sub_archs[k].arch);
			if (rc < 0 && rc != -EEXIST)
				return error_set(err, ERR_INVALID, -rc,
					"architectures: cannot add '%s'", sub_archs[k].name);
		}
	}
	return 0;
}

/* "architectures" as OCI has it, or Docker's "archMap"; others than this machine's mean nothing
 * here. */
static int archs_fill(struct build *b, json_t *root, struct error *err)
{
	static const char *const keys[] = { "architecture", "subArchitectures" };
	json_t *map = json_object_get(root, "archMap");
	json_t *archs = json_object_get(root, "architectures");
	size_t i;
	json_t *entry;

	if (archs && !json_is_null(archs) && arch_add(b, archs, err) < 0)
		return -1;
	if (!map || json_is_null(map))
		return 0;
	if (!json_is_array(map))
		return bad(err, "archMap", "must be a list");
	json_array_foreach(map, i, entry)
	{
		const char *name = json_string_value(json_object_get(entry, "architecture"));

		if (keys_check(entry, "archMap", keys, ARRAY_LEN(keys), err) < 0)
			return -1;
		if (!name)
			return bad(err, "archMap.architecture", "must be a string");
		for (size_t k = 0; k < ARRAY_LEN(natives); k++) {
			json_t *subs = json_object_get(entry, "subArchitectures");

			if (natives[k].arch == seccomp_arch_native() &&
				strcmp(natives[k].name, name) == 0 && subs && !json_is_null(subs) &&
				arch_add(b, subs, err) < 0)
				return -1;
		}
	}
	return 0;
}

static int root_build(struct build *b, json_t *root, struct error *err)
{
	static const char *const keys[] = { "defaultAction", "defaultErrnoRet", "architectures",
		"archMap", "syscalls", "flags" };
	json_t *syscalls = json_object_get(root, "syscalls");
	json_t *flags = json_object_get(root, "flags");
	size_t i;
	json_t *entry;

	if (keys_check(root, "profile", keys, ARRAY_LEN(keys), err) < 0 ||
		action_parse(json_object_get(root, "defaultAction"),
			json_object_get(root, "defaultErrnoRet"), "defaultAction",
			&b->default_action, NULL, err) < 0)
		return -1;
	if (flags && !json_is_null(flags) && (!json_is_array(flags) || json_array_size(flags) > 0))
		return error_set(err, ERR_UNSUPPORTED, 0, "flags: not honoured; remove them");
	if (syscalls && !json_is_null(syscalls) && !json_is_array(syscalls))
		return bad(err, "syscalls", "must be a list");
	b->ctx = seccomp_init(b->default_action);
	if (!b->ctx)
		return error_set(err, ERR_INTERNAL, 0, "seccomp: cannot start a filter");
	seccomp_attr_set(b->ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	seccomp_attr_set(b->ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (archs_fill(b, root, err) < 0)
		return -1;
	json_array_foreach(syscalls, i, entry)
	{
		if (syscall_entry(b, entry, err) < 0)
			return error_prefix(err, "syscalls[%zu]", i);
	}
	return 0;
}

int seccomp_profile_build(scmp_filter_ctx *ret, const char *json, size_t size, uint64_t caps,
	unsigned kernel, struct error *err)
{
	struct build b = { .caps = caps, .kernel = kernel };
	json_error_t json_err;
	json_t *root;
	int n;

	if (size == 0)
		return error_set(err, ERR_INVALID, 0, "seccomp profile is empty");
	if (size > SECCOMP_PROFILE_SIZE_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "seccomp profile is larger than %u bytes",
			SECCOMP_PROFILE_SIZE_MAX);
	root = json_loadb(json, size, JSON_REJECT_DUPLICATES, &json_err);
	if (!root)
		return error_set(err, ERR_INVALID, 0, "seccomp profile: line %d: %s", json_err.line,
			json_err.text);
	n = root_build(&b, root, err);
	json_decref(root);
	if (n < 0) {
		seccomp_release(b.ctx);
		return error_prefix(err, "seccomp profile");
	}
	*ret = b.ctx;
	return 0;
}
