#include "proto/quantity.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "proto/text.h"

/* Significant digits; more would not fit the 128-bit mantissa with room for a suffix. */
#define DIGITS_MAX   28
#define EXPONENT_MAX 99

typedef unsigned __int128 u128;

/* mantissa * 10^exp10 * 2^exp2 */
struct number {
	bool negative;
	u128 mantissa;
	int exp10;
	int exp2;
};

static const struct {
	const char *suffix;
	int exp10, exp2;
} suffixes[] = {
	{ "", 0, 0 },
	{ "n", -9, 0 },
	{ "u", -6, 0 },
	{ "m", -3, 0 },
	{ "k", 3, 0 },
	{ "M", 6, 0 },
	{ "G", 9, 0 },
	{ "T", 12, 0 },
	{ "P", 15, 0 },
	{ "E", 18, 0 },
	{ "Ki", 0, 10 },
	{ "Mi", 0, 20 },
	{ "Gi", 0, 30 },
	{ "Ti", 0, 40 },
	{ "Pi", 0, 50 },
	{ "Ei", 0, 60 },
};

static int invalid(const char *text, struct error *err)
{
	char quoted[TEXT_QUOTE_SIZE];

	return error_set(err, ERR_INVALID, 0,
		"%s is not a quantity; write a number with a suffix such as 500m, 2 or 1.5Gi",
		text_quote(quoted, text));
}

static int too_large(const char *text, struct error *err)
{
	char quoted[TEXT_QUOTE_SIZE];

	return error_set(
		err, ERR_INVALID, 0, "the quantity %s is too large", text_quote(quoted, text));
}

/* Reads the digits before or after the point. 'scale' is 1 after it. */
static bool digits(const char **p, struct number *n, int scale, int *significant)
{
	for (; isdigit((unsigned char)**p); (*p)++) {
		if (n->mantissa == 0 && **p == '0') {
			n->exp10 -= scale;
			continue;
		}
		if (*significant == DIGITS_MAX) {
			/* Past the precision: a fraction's tail may only be zeros. */
			if (scale == 0 || **p != '0')
				return false;
			continue;
		}
		n->mantissa = n->mantissa * 10 + (unsigned)(**p - '0');
		n->exp10 -= scale;
		(*significant)++;
	}
	return true;
}

static bool read_suffix(const char *p, struct number *n)
{
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		if (strcmp(p, suffixes[i].suffix) == 0) {
			n->exp10 += suffixes[i].exp10;
			n->exp2 = suffixes[i].exp2;
			return true;
		}
	}
	if (*p == 'e' || *p == 'E') {
		bool minus = p[1] == '-';
		int v = 0;

		p += 1 + (p[1] == '-' || p[1] == '+');
		if (!isdigit((unsigned char)*p))
			return false;
		for (; isdigit((unsigned char)*p); p++) {
			v = v * 10 + (*p - '0');
			if (v > EXPONENT_MAX)
				return false;
		}
		n->exp10 += minus ? -v : v;
		return *p == '\0';
	}
	return false;
}

static int read_number(const char *text, struct number *n, struct error *err)
{
	const char *p = text, *start;
	int significant = 0;
	size_t seen;

	*n = (struct number){ .negative = *p == '-' };
	p += *p == '-' || *p == '+';
	start = p;
	if (!digits(&p, n, 0, &significant))
		return too_large(text, err);
	seen = (size_t)(p - start);
	if (*p == '.') {
		start = ++p;
		if (!digits(&p, n, 1, &significant))
			return too_large(text, err);
		seen += (size_t)(p - start);
	}
	if (seen == 0 || !read_suffix(p, n))
		return invalid(text, err);
	return 0;
}

/* Scales by powers of ten and two, rounding up. False when it leaves 128 bits. */
static bool scale(struct number *n, u128 *ret)
{
	u128 v = n->mantissa;
	bool rest = false;

	if (v == 0) {
		*ret = 0;
		return true;
	}
	if (n->exp2 > 0 && __builtin_mul_overflow(v, (u128)1 << n->exp2, &v))
		return false;
	for (int i = 0; i < n->exp10; i++)
		if (__builtin_mul_overflow(v, (u128)10, &v))
			return false;
	for (int i = 0; i > n->exp10 && v > 0; i--) {
		rest |= v % 10 != 0;
		v /= 10;
	}
	*ret = v + rest;
	return true;
}

static int read_scaled(const char *text, int exp10, int64_t *ret, struct error *err)
{
	struct number n;
	u128 v;

	if (read_number(text, &n, err) < 0)
		return -1;
	n.exp10 += exp10;
	if (!scale(&n, &v) || v > (u128)INT64_MAX)
		return too_large(text, err);
	*ret = n.negative ? -(int64_t)v : (int64_t)v;
	return 0;
}

int quantity_milli(const char *text, int64_t *ret, struct error *err)
{
	return read_scaled(text, 3, ret, err);
}

int quantity_units(const char *text, int64_t *ret, struct error *err)
{
	return read_scaled(text, 0, ret, err);
}

int quantity_check(const char *text, struct error *err)
{
	struct number n;

	return read_number(text, &n, err);
}
