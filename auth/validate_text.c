/* The rules for texts (k8s.io/apimachinery/pkg/util/validation upstream). */
#include <arpa/inet.h>
#include <limits.h>
#include <string.h>

#include "auth/validate_rules.h"
#include "lib/path.h"

#define NAME_PART_MAX  63
#define PORT_NAME_MAX  15
#define CONFIG_KEY_MAX 253
#define SYSCTL_MAX     253
#define LOWER          "abcdefghijklmnopqrstuvwxyz"
#define DIGITS         "0123456789"
#define ALNUM          LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS

static bool is_of(char c, const char *set)
{
	return c && strchr(set, c);
}

const char *rule_dns_label(const char *text)
{
	if (name_is_dns_label(text))
		return NULL;
	return "must be 1 to 63 of a-z, 0-9 and '-', with no '-' at either end";
}

const char *rule_dns_subdomain(const char *text)
{
	if (name_is_dns_subdomain(text))
		return NULL;
	return "must be at most 253 of a-z, 0-9, '-' and '.', with a letter or digit at both ends "
	       "of each part between dots";
}

const char *rule_port_name(const char *text)
{
	size_t len = strlen(text);

	if (len >= 1 && len <= PORT_NAME_MAX && strspn(text, LOWER DIGITS "-") == len &&
		text[strcspn(text, LOWER)] && text[0] != '-' && text[len - 1] != '-' &&
		!strstr(text, "--"))
		return NULL;
	return "must be 1 to 15 of a-z, 0-9 and '-', with at least one letter and no '-' at either "
	       "end or twice in a row";
}

/* Up to 63 of [A-Za-z0-9-_.], alphanumeric at both ends. */
static bool is_name_part(const char *text, size_t len)
{
	return len >= 1 && len <= NAME_PART_MAX && strspn(text, ALNUM "-_.") >= len &&
	       is_of(text[0], ALNUM) && is_of(text[len - 1], ALNUM);
}

const char *rule_label_value(const char *text)
{
	if (!*text || is_name_part(text, strlen(text)))
		return NULL;
	return "must be at most 63 of A-Z, a-z, 0-9, '-', '_' and '.', with a letter or digit at "
	       "both ends";
}

/* 'lower': the prefix may be spelled with capitals, as upstream allows for annotations. */
static const char *qualified(const char *text, bool lower)
{
	const char *slash = strchr(text, '/');
	const char *name = slash ? slash + 1 : text;
	char prefix[256];

	if (!is_name_part(name, strlen(name)))
		goto malformed;
	if (!slash)
		return NULL;
	if ((size_t)(slash - text) >= sizeof(prefix))
		goto malformed;
	memcpy(prefix, text, (size_t)(slash - text));
	prefix[slash - text] = '\0';
	for (char *p = prefix; lower && *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	}
	if (name_is_dns_subdomain(prefix))
		return NULL;
malformed:
	return "must be at most 63 of A-Z, a-z, 0-9, '-', '_' and '.', with a letter or digit at "
	       "both ends, after an optional DNS name and '/'";
}

const char *rule_label_key(const char *text)
{
	return qualified(text, false);
}

const char *rule_annotation_key(const char *text)
{
	return qualified(text, true);
}

const char *rule_env_name(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p < ' ' || *p > '~' || *p == '=')
			return "must be printable ASCII without '='";
	}
	return NULL;
}

const char *rule_config_key(const char *text)
{
	size_t len = strlen(text);

	if (len <= CONFIG_KEY_MAX && strspn(text, ALNUM "-_.") == len && strcmp(text, ".") != 0 &&
		strncmp(text, "..", 2) != 0)
		return NULL;
	return "must be at most 253 of A-Z, a-z, 0-9, '-', '_' and '.', not '.', and not start "
	       "with '..'";
}

/* Parts of [a-z0-9]([-_a-z0-9]*[a-z0-9])?, joined by '.' or '/'. */
const char *rule_sysctl_name(const char *text)
{
	const char *p = text;

	while (strlen(text) <= SYSCTL_MAX) {
		size_t len = strcspn(p, "./");

		if (len == 0 || strspn(p, LOWER DIGITS "-_") < len || !is_of(*p, LOWER DIGITS) ||
			!is_of(p[len - 1], LOWER DIGITS))
			break;
		if (!p[len])
			return NULL;
		p += len + 1;
	}
	return "must be at most 253 of a-z, 0-9, '-' and '_' in parts joined by '.', with a letter "
	       "or digit at both ends of each";
}

const char *rule_ip(const char *text)
{
	struct in6_addr address;

	if (inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1)
		return NULL;
	return "must be an IPv4 or IPv6 address";
}

/* Whether every part between slashes is a name: not "", "." or "..", at most NAME_MAX long. */
static bool has_plain_parts(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");

		if (len == 0 || len > NAME_MAX || (len == 1 && path[0] == '.') ||
			(len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (!path[len])
			return true;
		path += len + 1;
	}
}

const char *rule_relative_path(const char *text)
{
	if (strlen(text) < PATH_MAX && has_plain_parts(text) && strncmp(text, "..", 2) != 0)
		return NULL;
	return "must be a relative path without empty, '.' or '..' parts that does not start with "
	       "'..'";
}

bool path_normal(const char *path, char ret[PATH_MAX])
{
	size_t n = 0;

	ret[0] = '\0';
	if (path[0] != '/' || strlen(path) >= PATH_MAX)
		return false;
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len > NAME_MAX || (len == 2 && path[0] == '.' && path[1] == '.')) {
			ret[0] = '\0';
			return false;
		}
		if (len > 0 && !(len == 1 && path[0] == '.')) {
			ret[n++] = '/';
			memcpy(ret + n, path, len);
			n += len;
		}
		path += len + (path[len] == '/');
	}
	if (n == 0)
		ret[n++] = '/';
	ret[n] = '\0';
	return true;
}

const char *rule_absolute_path(const char *text)
{
	char normal[PATH_MAX];

	if (path_normal(text, normal))
		return NULL;
	return "must be an absolute path without '..' parts";
}

const char *rule_local_profile(const char *text)
{
	if (strlen(text) < PATH_MAX && has_plain_parts(text))
		return NULL;
	return "must be a relative path without empty, '.' or '..' parts";
}
