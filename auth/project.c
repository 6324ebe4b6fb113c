#include "auth/project.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "auth/validate_rules.h"
#include "lib/cleanup.h"
#include "lib/path.h"

#define ID_MAX 0x7fffffffu

static int block_check(uint32_t block, struct error *err)
{
	if (block < PROJECT_BLOCKS)
		return 0;
	return error_set(err, ERR_INVALID, 0,
		"project block %" PRIu32 ": there are only %u, from 0", block, PROJECT_BLOCKS);
}

int project_uid_range(uint32_t block, char ret[PROJECT_UID_RANGE_SIZE], struct error *err)
{
	if (block_check(block, err) < 0)
		return -1;
	snprintf(ret, PROJECT_UID_RANGE_SIZE, "%u/%u", PROJECT_UID_BASE + block * PROJECT_UID_SIZE,
		PROJECT_UID_SIZE);
	return 0;
}

int project_mcs(uint32_t block, char ret[PROJECT_MCS_SIZE], struct error *err)
{
	return project_mcs_of(block, 0, ret, err);
}

int project_mcs_of(uint32_t block, uint32_t number, char ret[PROJECT_MCS_SIZE], struct error *err)
{
	uint32_t offset = block * PROJECT_MCS_LABELS + number;
	uint32_t high = 1;

	if (block_check(block, err) < 0)
		return -1;
	if (number >= PROJECT_MCS_LABELS)
		return error_set(err, ERR_INVALID, 0,
			"a project has %u MCS labels, and no number %" PRIu32, PROJECT_MCS_LABELS,
			number);
	/* The pairs below category h number h*(h-1)/2; 100,000 * 5 of them end below c1001. */
	while ((high + 1) * high / 2 <= offset)
		high++;
	snprintf(ret, PROJECT_MCS_SIZE, "s0:c%" PRIu32 ",c%" PRIu32, high,
		offset - high * (high - 1) / 2);
	return 0;
}

/* Decimal digits without sign, leading zero or overflow past ID_MAX. Moves *p behind them. */
static int parse_id(const char **p, uint32_t *ret)
{
	uint64_t value = 0;
	const char *s = *p;

	if (*s < '0' || *s > '9' || (*s == '0' && s[1] >= '0' && s[1] <= '9'))
		return -1;
	for (; *s >= '0' && *s <= '9'; s++) {
		value = value * 10 + (uint64_t)(*s - '0');
		if (value > ID_MAX)
			return -1;
	}
	*p = s;
	*ret = (uint32_t)value;
	return 0;
}

int project_range_parse(const char *text, struct project_range *ret, struct error *err)
{
	uint32_t start, second;
	const char *p = text;
	char separator;

	if (parse_id(&p, &start) < 0 || (*p != '/' && *p != '-'))
		goto malformed;
	separator = *p++;
	if (parse_id(&p, &second) < 0 || *p)
		goto malformed;
	if (separator == '-') {
		if (second < start)
			return error_set(
				err, ERR_INVALID, 0, "range '%s': ends before it starts", text);
		second = second - start + 1;
	}
	if (second == 0)
		return error_set(err, ERR_INVALID, 0, "range '%s': is empty", text);
	if (second - 1 > ID_MAX - start)
		return error_set(err, ERR_INVALID, 0, "range '%s': passes %u", text, ID_MAX);
	*ret = (struct project_range){ .start = start, .size = second };
	return 0;
malformed:
	return error_set(err, ERR_INVALID, 0,
		"range '%s': must be start/size or start-end, each 0 to %u", text, ID_MAX);
}

static int mcs_invalid(const char *text, struct error *err)
{
	return error_set(err, ERR_INVALID, 0,
		"MCS label '%s': must be s0 to s15, or with categories such as s0:c1,c0 "
		"(c0 to c%u, none twice)",
		text, PROJECT_MCS_CATS - 1);
}

int project_mcs_check(const char *text, struct error *err)
{
	unsigned char seen[PROJECT_MCS_CATS] = { 0 };
	const char *p = text;
	uint32_t number;

	if (strlen(text) >= PROJECT_MCS_SIZE || *p++ != 's' || parse_id(&p, &number) < 0 ||
		number > 15)
		return mcs_invalid(text, err);
	if (!*p)
		return 0;
	if (*p != ':')
		return mcs_invalid(text, err);
	do {
		p++;
		if (*p++ != 'c' || parse_id(&p, &number) < 0 || number >= PROJECT_MCS_CATS ||
			seen[number]++)
			return mcs_invalid(text, err);
	} while (*p == ',');
	return *p ? mcs_invalid(text, err) : 0;
}

int project_facts_parse(const char *name, const char *uid_range, const char *mcs,
	struct project_facts *ret, struct error *err)
{
	struct project_facts facts = { 0 };

	if (!name_is_dns_label(name))
		return error_set(
			err, ERR_INVALID, 0, "project '%s': is not an RFC 1123 label", name);
	if (project_range_parse(uid_range, &facts.uids, err) < 0 || project_mcs_check(mcs, err) < 0)
		return error_prefix(err, "project '%s'", name);
	memcpy(facts.name, name, strlen(name) + 1);
	memcpy(facts.mcs, mcs, strlen(mcs) + 1);
	*ret = facts;
	return 0;
}

int project_name_check(const char *name, struct error *err)
{
	static const char *const reserved[] = { "openshift", "kubernetes", "bulkhead", "kube-",
		"openshift-" };

	if (!name_is_dns_label(name))
		return error_set(err, ERR_INVALID, 0,
			"project name '%s': must be 1 to 63 of a-z, 0-9 and '-', "
			"with no '-' at either end",
			name);
	if (strcmp(name, "default") == 0)
		return error_set(err, ERR_EXISTS, 0, "project 'default': is always there");
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++) {
		size_t len = strlen(reserved[i]);
		bool prefix = reserved[i][len - 1] == '-';

		if (prefix ? strncmp(name, reserved[i], len) == 0 : strcmp(name, reserved[i]) == 0)
			return error_set(err, ERR_INVALID, 0,
				"project name '%s': '%s' is reserved; take another name", name,
				reserved[i]);
	}
	return 0;
}

int project_vnid_check(const char *name, uint32_t vnid, struct error *err)
{
	bool is_default = strcmp(name, "default") == 0;

	if (is_default && vnid == PROJECT_VNID_DEFAULT)
		return 0;
	if (is_default)
		return error_set(err, ERR_INVALID, 0,
			"project 'default': must have VNID 0, not %" PRIu32, vnid);
	if (vnid == PROJECT_VNID_DEFAULT ||
		(vnid >= PROJECT_VNID_FIRST && vnid <= PROJECT_VNID_MAX))
		return 0;
	return error_set(err, ERR_INVALID, 0,
		"project '%s': VNID %" PRIu32 " is not its to have; it must be %u to %u, or 0 "
		"for a global one",
		name, vnid, PROJECT_VNID_FIRST, PROJECT_VNID_MAX);
}

int project_block_of(const struct project_range *uids, uint32_t *ret, struct error *err)
{
	uint32_t offset = uids->start - PROJECT_UID_BASE;

	if (uids->start < PROJECT_UID_BASE || uids->size != PROJECT_UID_SIZE ||
		offset % PROJECT_UID_SIZE != 0 || offset / PROJECT_UID_SIZE >= PROJECT_BLOCKS)
		return error_set(err, ERR_INVALID, 0,
			"its ids %" PRIu32 "/%" PRIu32 " are no block of %u from %u on",
			uids->start, uids->size, PROJECT_UID_SIZE, PROJECT_UID_BASE);
	*ret = offset / PROJECT_UID_SIZE;
	return 0;
}

int project_numbers_check(const struct project_facts *facts, uint32_t vnid, struct error *err)
{
	char mcs[PROJECT_MCS_SIZE];
	uint32_t block;

	if (project_block_of(&facts->uids, &block, err) < 0)
		return error_prefix(err, "project '%s'", facts->name);
	if (project_mcs(block, mcs, err) < 0)
		return -1;
	if (strcmp(mcs, facts->mcs) != 0)
		return error_set(err, ERR_INVALID, 0,
			"project '%s': its MCS label '%s' is not '%s', that of its ids",
			facts->name, facts->mcs, mcs);
	return project_vnid_check(facts->name, vnid, err);
}

int project_label_check(const char *label, bool set, struct error *err)
{
	size_t len = strcspn(label, "=");
	cleanup_free char *key = strndup(label, len);
	const char *wrong;

	if (!key)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a label");
	if (set != (label[len] == '='))
		return error_set(err, ERR_INVALID, 0,
			"label '%.64s': is set as KEY=VALUE and removed by its KEY", label);
	wrong = rule_label_key(key);
	if (!wrong && set && label[len + 1])
		wrong = rule_label_value(label + len + 1);
	if (wrong)
		return error_set(err, ERR_INVALID, 0, "label '%.64s': %s", label, wrong);
	if (strcmp(key, PROJECT_NAME_LABEL) == 0)
		return error_set(err, ERR_PRECONDITION, 0,
			"label '%s' is the project's name, and stays", PROJECT_NAME_LABEL);
	return 0;
}
