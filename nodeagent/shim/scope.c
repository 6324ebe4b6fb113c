#include "nodeagent/shim/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"

#define CGROUP_FILE_MAX 8192

/* Its line of cgroup v2 is "0::/<scope>", or "0::/<scope>/shim" when it stepped aside before. */
static int is_inside(const char *scope, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t len = strlen(scope);
	size_t size;
	char *path;

	if (file_read_at(AT_FDCWD, "/proc/self/cgroup", CGROUP_FILE_MAX, &text, &size, err) < 0)
		return -1;
	path = strstr(text, "0::/");
	path = path ? path + strlen("0::/") : text + size;
	path[strcspn(path, "\n")] = '\0';
	if (strncmp(path, scope, len) == 0 &&
		(path[len] == '\0' || strcmp(path + len, "/" SCOPE_SHIM) == 0))
		return 0;
	return error_set(err, ERR_PRECONDITION, 0,
		"the shim is in cgroup '%.200s', not in '%.200s'", path, scope);
}

int scope_step_aside(const char *scope, struct error *err)
{
	cleanup_free char *path = NULL;

	if (is_inside(scope, err) < 0)
		return -1;
	if (asprintf(&path, "/sys/fs/cgroup/%s/" SCOPE_SHIM, scope) < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make a cgroup");
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return error_set(err, error_code_of(errno), errno, "cannot make '%s'", path);
	free(path);
	path = NULL;
	if (asprintf(&path, "/sys/fs/cgroup/%s/" SCOPE_SHIM "/cgroup.procs", scope) < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot enter a cgroup");
	return file_poke_at(AT_FDCWD, path, "0", err);
}

int scope_divide(struct cgroup *ret, struct cgroup_tree *tree, const char *scope, struct error *err)
{
	if (cgroup_tree_narrow(tree, scope, err) < 0)
		return -1;
	return cgroup_make_beneath(ret, tree, scope, SCOPE_POD, err);
}
