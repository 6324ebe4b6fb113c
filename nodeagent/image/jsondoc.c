#include "nodeagent/image/jsondoc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

static const char *type_name(json_type type)
{
	switch (type) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "a whole number";
	case JSON_REAL:
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NULL:
		break;
	}
	return "something else";
}

int jsondoc_parse(const char *what, const char *data, size_t size, json_type type, json_t **ret,
	struct error *err)
{
	json_error_t why;
	cleanup_json json_t *root = json_loadb(data, size, JSON_REJECT_DUPLICATES, &why);

	if (!root)
		return error_set(err, ERR_INVALID, 0, "%s is not JSON: line %d: %s", what, why.line,
			why.text);
	if (json_typeof(root) != type)
		return error_set(err, ERR_INVALID, 0, "%s must be %s", what, type_name(type));
	*ret = take_ptr(root);
	return 0;
}

int jsondoc_member(
	const json_t *object, const char *key, json_type type, json_t **ret, struct error *err)
{
	json_t *value = json_object_get(object, key);

	if (!value || json_is_null(value)) {
		*ret = NULL;
		return 0;
	}
	if (json_typeof(value) != type)
		return error_set(err, ERR_INVALID, 0, "%s must be %s", key, type_name(type));
	*ret = value;
	return 0;
}

int jsondoc_text(const json_t *object, const char *key, const char **ret, struct error *err)
{
	json_t *value = NULL;

	if (jsondoc_member(object, key, JSON_STRING, &value, err) < 0)
		return -1;
	*ret = value ? json_string_value(value) : NULL;
	return 0;
}

int jsondoc_number(const json_t *object, const char *key, int64_t *ret, struct error *err)
{
	json_t *value = NULL;

	if (jsondoc_member(object, key, JSON_INTEGER, &value, err) < 0)
		return -1;
	if (value && json_integer_value(value) < 0)
		return error_set(err, ERR_INVALID, 0, "%s must not be negative", key);
	*ret = value ? json_integer_value(value) : -1;
	return 0;
}

int jsondoc_strings(const json_t *object, const char *key, size_t max, char ***ret, size_t *ret_len,
	struct error *err)
{
	json_t *array = NULL;
	size_t len;
	char **list;

	if (jsondoc_member(object, key, JSON_ARRAY, &array, err) < 0)
		return -1;
	len = array ? json_array_size(array) : 0;
	if (len > max)
		return error_set(err, ERR_EXHAUSTED, 0, "%s: %zu entries, at most %zu are taken",
			key, len, max);
	list = calloc(len + 1, sizeof(*list));
	if (!list)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "%s: cannot be read", key);
	for (size_t i = 0; i < len; i++) {
		const char *text = json_string_value(json_array_get(array, i));
		char *copy = text ? strdup(text) : NULL;

		if (!copy) {
			strings_free(list);
			return error_set(err, text ? ERR_EXHAUSTED : ERR_INVALID, text ? ENOMEM : 0,
				"%s[%zu] must be a string", key, i);
		}
		list[i] = copy;
	}
	*ret = list;
	if (ret_len)
		*ret_len = len;
	return 0;
}

void strings_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}
