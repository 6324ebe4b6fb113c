#include "proto/rfc3339.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DAY         86400
#define SECONDS_MIN INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define SECONDS_MAX INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/* Days since 1970 in the proleptic Gregorian calendar, by the era of 400 years (146097 days). */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int *year, int *month, int *day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*day = (int)(doy - (153 * mp + 2) / 5 + 1);
	*month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*year = (int)(yoe + era * 400 + (*month <= 2));
}

static int month_days(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* Reads exactly 'n' digits and, unless it is 0, the character after them. */
static bool number(const char **p, int n, char after, int *ret)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (!isdigit((unsigned char)**p))
			return false;
		v = v * 10 + (*(*p)++ - '0');
	}
	if (after != '\0' && *(*p)++ != after)
		return false;
	*ret = v;
	return true;
}

static bool fraction(const char **p, int32_t *nanos)
{
	int32_t v = 0;
	int n = 0;

	*nanos = 0;
	if (**p != '.')
		return true;
	for ((*p)++; isdigit((unsigned char)**p); (*p)++) {
		if (++n > 9)
			return false;
		v = v * 10 + (**p - '0');
	}
	if (n == 0)
		return false;
	for (; n < 9; n++)
		v *= 10;
	*nanos = v;
	return true;
}

static bool offset(const char **p, int *seconds)
{
	int hour, minute, sign;

	*seconds = 0;
	if (**p == 'Z') {
		(*p)++;
		return true;
	}
	if (**p != '+' && **p != '-')
		return false;
	sign = *(*p)++ == '-' ? -1 : 1;
	if (!number(p, 2, ':', &hour) || !number(p, 2, '\0', &minute) || hour > 23 || minute > 59)
		return false;
	*seconds = sign * (hour * 3600 + minute * 60);
	return true;
}

bool rfc3339_parse(const char *text, int64_t *seconds, int32_t *nanos)
{
	int year, month, day, hour, minute, second, east;
	int64_t at;
	int32_t part;

	if (!number(&text, 4, '-', &year) || !number(&text, 2, '-', &month) ||
		!number(&text, 2, 'T', &day) || !number(&text, 2, ':', &hour) ||
		!number(&text, 2, ':', &minute) || !number(&text, 2, '\0', &second) ||
		!fraction(&text, &part) || !offset(&text, &east) || *text != '\0')
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > month_days(year, month) ||
		hour > 23 || minute > 59 || second > 59)
		return false;
	at = days_of(year, month, day) * DAY + hour * 3600 + minute * 60 + second - east;
	if (at < SECONDS_MIN || at > SECONDS_MAX)
		return false;
	*seconds = at;
	*nanos = part;
	return true;
}

bool rfc3339_format(char *buf, int64_t seconds, int32_t nanos)
{
	int64_t days;
	int year, month, day, rest, n;

	if (seconds < SECONDS_MIN || seconds > SECONDS_MAX || nanos < 0 || nanos > 999999999)
		return false;
	days = seconds / DAY - (seconds % DAY < 0);
	rest = (int)(seconds - days * DAY);
	date_of(days, &year, &month, &day);
	n = snprintf(buf, RFC3339_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d", year, month, day,
		rest / 3600, rest / 60 % 60, rest % 60);
	if (nanos != 0) {
		n += snprintf(buf + n, RFC3339_SIZE - (size_t)n, ".%09" PRId32, nanos);
		while (buf[n - 1] == '0')
			n--;
	}
	memcpy(buf + n, "Z", 2);
	return true;
}
