#include "proto/yaml_resolve.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

/* Longer plain scalars are no numbers. */
#define NUMBER_SIZE_MAX 64

static const struct {
	const char *text;
	enum yaml_kind kind;
	bool boolean;
} words[] = {
	{ "", YAML_NULL, false },
	{ "~", YAML_NULL, false },
	{ "null", YAML_NULL, false },
	{ "Null", YAML_NULL, false },
	{ "NULL", YAML_NULL, false },
	{ "y", YAML_BOOL, true },
	{ "Y", YAML_BOOL, true },
	{ "yes", YAML_BOOL, true },
	{ "Yes", YAML_BOOL, true },
	{ "YES", YAML_BOOL, true },
	{ "true", YAML_BOOL, true },
	{ "True", YAML_BOOL, true },
	{ "TRUE", YAML_BOOL, true },
	{ "on", YAML_BOOL, true },
	{ "On", YAML_BOOL, true },
	{ "ON", YAML_BOOL, true },
	{ "n", YAML_BOOL, false },
	{ "N", YAML_BOOL, false },
	{ "no", YAML_BOOL, false },
	{ "No", YAML_BOOL, false },
	{ "NO", YAML_BOOL, false },
	{ "false", YAML_BOOL, false },
	{ "False", YAML_BOOL, false },
	{ "FALSE", YAML_BOOL, false },
	{ "off", YAML_BOOL, false },
	{ "Off", YAML_BOOL, false },
	{ "OFF", YAML_BOOL, false },
	{ ".nan", YAML_FLOAT, false },
	{ ".NaN", YAML_FLOAT, false },
	{ ".NAN", YAML_FLOAT, false },
	{ ".inf", YAML_FLOAT, false },
	{ ".Inf", YAML_FLOAT, false },
	{ ".INF", YAML_FLOAT, false },
	{ "+.inf", YAML_FLOAT, false },
	{ "+.Inf", YAML_FLOAT, false },
	{ "+.INF", YAML_FLOAT, false },
	{ "-.inf", YAML_FLOAT, false },
	{ "-.Inf", YAML_FLOAT, false },
	{ "-.INF", YAML_FLOAT, false },
	{ "<<", YAML_MERGE, false },
};

/* Go's strconv.ParseInt with base 0: 0x, 0o, 0b, a leading 0 for octal, else decimal. */
static bool is_int(const char *p, struct yaml_scalar *s)
{
	int base = 10;
	char *end;

	s->negative = *p == '-';
	if (*p == '-' || *p == '+')
		p++;
	if (p[0] == '0' && p[1] != '\0') {
		int c = tolower((unsigned char)p[1]);

		base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
		p += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
	}
	if (!isxdigit((unsigned char)*p))
		return false;
	/* strtoull would take another prefix after ours. */
	if (base == 16 && p[0] == '0' && tolower((unsigned char)p[1]) == 'x')
		return false;
	errno = 0;
	s->magnitude = strtoull(p, &end, base);
	if (errno != 0 || *end != '\0' || end == p)
		return false;
	return !s->negative || s->magnitude <= (uint64_t)INT64_MAX + 1;
}

/* ^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$ */
static bool is_float(const char *p)
{
	size_t whole, part = 0;

	p += *p == '-' || *p == '+';
	whole = strspn(p, "0123456789");
	p += whole;
	if (*p == '.') {
		part = strspn(p + 1, "0123456789");
		p += 1 + part;
	}
	if (whole + part == 0)
		return false;
	if (*p == 'e' || *p == 'E') {
		p++;
		p += *p == '-' || *p == '+';
		if (!isdigit((unsigned char)*p))
			return false;
		p += strspn(p, "0123456789");
	}
	return *p == '\0';
}

struct yaml_scalar yaml_resolve(const char *text)
{
	struct yaml_scalar s = { .kind = YAML_STRING };
	char plain[NUMBER_SIZE_MAX];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(text, words[i].text) == 0) {
			s.kind = words[i].kind;
			s.boolean = words[i].boolean;
			return s;
		}
	}
	if (!strchr("+-.0123456789", text[0]) || strlen(text) >= sizeof(plain))
		return s;
	for (const char *p = text; *p; p++)
		if (*p != '_')
			plain[n++] = *p;
	plain[n] = '\0';
	if (is_int(plain, &s))
		s.kind = YAML_INT;
	else if (is_float(plain))
		s.kind = YAML_FLOAT;
	return s;
}

const char *yaml_kind_name(enum yaml_kind kind)
{
	switch (kind) {
	case YAML_STRING:
		return "a string";
	case YAML_NULL:
		return "null";
	case YAML_BOOL:
		return "a boolean";
	case YAML_INT:
	case YAML_FLOAT:
		return "a number";
	case YAML_MERGE:
		return "a merge key";
	}
	return "a value";
}
