#include "nodeagent/shim/user.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/path.h"
#include "nodeagent/shim/id_map.h"

#define FIELDS_MAX 7

struct field {
	const char *text;
	size_t len;
};

/* Splits the line at *p at colons and moves *p behind it. Returns the number of fields, 0 at end.
 */
static size_t line_split(const char **p, struct field *fields)
{
	size_t n = 0;
	const char *s = *p;

	if (*s == '\0')
		return 0;
	for (;;) {
		size_t len = strcspn(s, ":\n");

		if (n < FIELDS_MAX)
			fields[n++] = (struct field){ s, len };
		s += len;
		if (*s != ':')
			break;
		s++;
	}
	*p = *s == '\n' ? s + 1 : s;
	return n;
}

static int field_is(const struct field *f, const char *text, size_t len)
{
	return f->len == len && memcmp(f->text, text, len) == 0;
}

/* Decimal digits only: no sign, no space, no 0x. 1 when it is a number, 0 when not. */
static int number_parse(const char *text, size_t len, uint64_t *ret)
{
	uint64_t value = 0;

	if (len == 0 || len > 18)
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		value = value * 10 + (uint64_t)(text[i] - '0');
	}
	*ret = value;
	return 1;
}

static int all_digits(const char *text, size_t len)
{
	return len > 0 && strspn(text, "0123456789") >= len;
}

static int id_checked(uint64_t value, const char *what, uint32_t *ret, struct error *err)
{
	if (value > ID_MAX)
		return error_set(
			err, ERR_INVALID, 0, "%s %" PRIu64 " is beyond %u", what, value, ID_MAX);
	*ret = (uint32_t)value;
	return 0;
}

struct passwd_row {
	uint32_t uid;
	uint32_t gid;
	struct field name;
	struct field home;
};

/* Finds by name or (name NULL) by uid. 1 found, 0 not. Lines that make no sense are passed over. */
static int passwd_find(
	const char *passwd, const char *name, size_t len, uint32_t uid, struct passwd_row *ret)
{
	struct field f[FIELDS_MAX];
	size_t n;

	while ((n = line_split(&passwd, f)) > 0) {
		uint64_t row_uid;
		uint64_t row_gid;

		if (n < 6 || !number_parse(f[2].text, f[2].len, &row_uid) ||
			!number_parse(f[3].text, f[3].len, &row_gid) || row_uid > ID_MAX ||
			row_gid > ID_MAX)
			continue;
		if (name ? !field_is(&f[0], name, len) : row_uid != uid)
			continue;
		*ret = (struct passwd_row){ (uint32_t)row_uid, (uint32_t)row_gid, f[0], f[5] };
		return 1;
	}
	return 0;
}

static int group_find(const char *group, const char *name, size_t len, uint32_t *ret)
{
	struct field f[FIELDS_MAX];
	size_t n;

	while ((n = line_split(&group, f)) > 0) {
		uint64_t gid;

		if (n >= 3 && field_is(&f[0], name, len) &&
			number_parse(f[2].text, f[2].len, &gid) && gid <= ID_MAX) {
			*ret = (uint32_t)gid;
			return 1;
		}
	}
	return 0;
}

static int members_have(const struct field *members, const struct field *name)
{
	size_t at = 0;

	while (at < members->len) {
		size_t len = 0;

		while (at + len < members->len && members->text[at + len] != ',')
			len++;
		if (len == name->len && memcmp(members->text + at, name->text, len) == 0)
			return 1;
		at += len + 1;
	}
	return 0;
}

static int group_add(struct user *user, uint32_t gid, struct error *err)
{
	for (size_t i = 0; i < user->groups_len; i++) {
		if (user->groups[i] == gid)
			return 0;
	}
	if (user->groups_len >= USER_GROUPS_MAX)
		return error_set(
			err, ERR_EXHAUSTED, 0, "user is in more than %d groups", USER_GROUPS_MAX);
	user->groups[user->groups_len++] = gid;
	return 0;
}

/* The groups of /etc/group that list the user as a member. */
static int groups_of_image(
	struct user *user, const char *group, const struct field *name, struct error *err)
{
	struct field f[FIELDS_MAX];
	size_t n;

	while ((n = line_split(&group, f)) > 0) {
		uint64_t gid;

		if (n < 4 || !number_parse(f[2].text, f[2].len, &gid) || gid > ID_MAX)
			continue;
		if (members_have(&f[3], name) && group_add(user, (uint32_t)gid, err) < 0)
			return -1;
	}
	return 0;
}

/* The user part of USER. *ret_row is filled when passwd knows it (returned as 1). */
static int user_part(struct user *user, const struct user_request *request, const char *passwd,
	size_t len, struct passwd_row *ret_row, struct error *err)
{
	uint64_t number;
	int found;

	if (request->uid_set || len == 0 || number_parse(request->user, len, &number)) {
		if (request->uid_set)
			number = request->uid;
		else if (len == 0)
			number = 0;
		if (id_checked(number, "uid", &user->uid, err) < 0)
			return -1;
		return passwd_find(passwd, NULL, 0, user->uid, ret_row);
	}
	if (all_digits(request->user, len))
		return error_set(err, ERR_INVALID, 0, "uid %.*s is beyond %u", (int)len,
			request->user, ID_MAX);
	found = passwd_find(passwd, request->user, len, 0, ret_row);
	if (!found)
		return error_set(err, ERR_INVALID, 0,
			"the image's user '%.*s' is not in its /etc/passwd; set "
			"securityContext.runAsUser",
			(int)len, request->user);
	user->uid = ret_row->uid;
	return 1;
}

static int group_part(struct user *user, const struct user_request *request, const char *group,
	const char *name, const struct passwd_row *row, struct error *err)
{
	uint64_t number;
	size_t len = name ? strlen(name) : 0;

	user->gid = row ? row->gid : 0;
	if (request->gid_set)
		return id_checked(request->gid, "gid", &user->gid, err);
	/* A uid that was given by the pod has nothing to do with the image's "user:group". */
	if (request->uid_set || !name)
		return 0;
	if (number_parse(name, len, &number))
		return id_checked(number, "gid", &user->gid, err);
	if (!group_find(group, name, len, &user->gid))
		return error_set(err, ERR_INVALID, 0,
			"the image's group '%.64s' is not in its /etc/group; set "
			"securityContext.runAsGroup",
			name);
	return 0;
}

int user_resolve(struct user *ret, const struct user_request *request, const char *passwd,
	const char *group, struct error *err)
{
	struct user user = { .home = "/" };
	size_t len = strcspn(request->user, ":");
	const char *group_name = request->user[len] == ':' ? request->user + len + 1 : NULL;
	struct passwd_row row;
	int known = user_part(&user, request, passwd, len, &row, err);

	if (known < 0 ||
		group_part(&user, request, group, group_name, known ? &row : NULL, err) < 0)
		return -1;
#ifndef BULKHEAD_WEAK_NON_ROOT
	if (request->must_be_non_root && user.uid == 0)
		return error_set(err, ERR_DENIED, 0,
			"runAsNonRoot is set but the container would run as uid 0 (image user "
			"'%.64s'); set "
			"securityContext.runAsUser to another uid",
			request->user);
#endif
	for (size_t i = 0; i < request->groups_len; i++) {
		if (group_add(&user, request->groups[i], err) < 0)
			return -1;
	}
	if (known && !request->strict && groups_of_image(&user, group, &row.name, err) < 0)
		return -1;
	if (known && row.home.len > 0 && row.home.len < sizeof(user.home)) {
		memcpy(user.home, row.home.text, row.home.len);
		user.home[row.home.len] = '\0';
	}
	*ret = user;
	return 0;
}

int user_file_read(int root_dirfd, const char *path, char **ret, struct error *err)
{
	struct error open_err;
	struct stat st;
	size_t size;
	/* O_NONBLOCK: the image may have put a FIFO there. */
	cleanup_close int fd =
		path_open_in_root(root_dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, &open_err);

	if (fd < 0 && open_err.sys == ENOENT) {
		*ret = strdup("");
		return *ret ? 0 : error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot read '%s'", path);
	}
	if (fd < 0) {
		*err = open_err;
		return -1;
	}
#ifndef BULKHEAD_WEAK_PASSWD
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return error_set(
			err, ERR_INVALID, 0, "'%s' of the image is not a regular file", path);
#endif
	if (fd_read_all(fd, USER_FILE_MAX, ret, &size, err) < 0)
		return error_prefix(err, "'%s' of the image", path);
	return 0;
}
