#include "lib/landlock.h"

#include <errno.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define NET_BIND_TCP        (UINT64_C(1) << 0)
#define NET_CONNECT_TCP     (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT_UNIX (UINT64_C(1) << 0)
#define SCOPE_SIGNAL        (UINT64_C(1) << 1)

/* struct landlock_ruleset_attr of ABI 6. */
struct ruleset {
	uint64_t files;
	uint64_t net;
	uint64_t scoped;
};

/* What each version of the kernel's knows; the size says which members it is given. */
static const struct version {
	int abi;
	uint64_t files;
	size_t size;
} versions[] = {
	{ 6, (UINT64_C(1) << 16) - 1, sizeof(struct ruleset) },
	{ 5, (UINT64_C(1) << 16) - 1, 2 * sizeof(uint64_t) },
	{ 4, (UINT64_C(1) << 15) - 1, 2 * sizeof(uint64_t) },
	{ 3, (UINT64_C(1) << 15) - 1, sizeof(uint64_t) },
	{ 2, (UINT64_C(1) << 14) - 1, sizeof(uint64_t) },
	{ 1, (UINT64_C(1) << 13) - 1, sizeof(uint64_t) },
};

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

static const struct version *version_of(int abi)
{
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		if (abi >= versions[i].abi)
			return &versions[i];
	}
	return NULL;
}

static int rule_add(int ruleset_fd, int beneath_fd, uint64_t allowed, struct error *err)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = allowed,
		.parent_fd = beneath_fd };

	if (syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return error_set(err, error_code_of(errno), errno, "landlock_add_rule");
	return 0;
}

int landlock_restrict(
	uint64_t anywhere, int beneath_fd, uint64_t beneath, bool connect_tcp, struct error *err)
{
	const struct version *v = version_of(landlock_abi());
	struct ruleset ruleset = { 0 };
	cleanup_close int fd = -1;

	if (!v)
		return 0;
	ruleset.files = v->files & ~anywhere;
	ruleset.net = NET_BIND_TCP | (connect_tcp ? 0 : NET_CONNECT_TCP);
	ruleset.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
	fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, v->size, 0);
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "landlock_create_ruleset");
	if (beneath_fd >= 0 && rule_add(fd, beneath_fd, ruleset.files & beneath, err) < 0)
		return -1;
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return error_set(err, error_code_of(errno), errno, "landlock_restrict_self");
	return 0;
}
