#include "nodeagent/agent/plan_expand.h"

#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

struct out {
	char *text;
	size_t len;
	size_t size;
	size_t max;
};

static int out_add(struct out *out, const char *text, size_t len, struct error *err)
{
	if (len > out->max - out->len)
		return error_set(err, ERR_EXHAUSTED, 0,
			"longer than %zu bytes once $(...) is replaced", out->max);
	if (out->len + len + 1 > out->size) {
		size_t size = (out->len + len + 1) * 2;
		char *grown = realloc(out->text, size);

		if (!grown)
			return error_set(err, ERR_EXHAUSTED, 0, "no memory for the plan");
		out->text = grown;
		out->size = size;
	}
	memcpy(out->text + out->len, text, len);
	out->len += len;
	out->text[out->len] = '\0';
	return 0;
}

/*
 * Writes what stands for the '$' at 'at' and what belongs to it. Returns how many bytes that took,
 * 0 on failure.
 */
static size_t dollar(
	struct out *out, const char *at, plan_lookup lookup, void *user, struct error *err)
{
	const char *end = at[1] == '(' ? strchr(at, ')') : NULL;
	const char *value;

	if (at[1] == '$')
		return out_add(out, "$", 1, err) < 0 ? 0 : 2;
	if (!end)
		return out_add(out, "$", 1, err) < 0 ? 0 : 1;
	value = lookup(user, at + 2, (size_t)(end - at - 2));
	if (value && out_add(out, value, strlen(value), err) < 0)
		return 0;
	if (!value && out_add(out, at, (size_t)(end - at + 1), err) < 0)
		return 0;
	return (size_t)(end - at + 1);
}

int plan_expand(
	const char *text, plan_lookup lookup, void *user, size_t max, char **ret, struct error *err)
{
	struct out out = { .max = max };
	int n = out_add(&out, "", 0, err);

	while (n == 0 && *text) {
		size_t len = strcspn(text, "$");

		n = out_add(&out, text, len, err);
		text += len;
		if (n < 0 || *text == '\0')
			break;
		len = dollar(&out, text, lookup, user, err);
		n = len == 0 ? -1 : 0;
		text += len;
	}
	if (n < 0) {
		free(out.text);
		return -1;
	}
	*ret = out.text;
	return 0;
}
