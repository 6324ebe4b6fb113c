#include "nodeagent/agent/forwarding.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/agent.h"

static int forwards(int root_dirfd, bool *ret, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t size;

	if (file_read_at(root_dirfd, FORWARDING_SYSCTL, 16, &text, &size, err) < 0)
		return -1;
	*ret = text[0] != '0';
	return 0;
}

static int remembered(int run_dirfd, bool *ret, struct error *err)
{
	struct stat file;

	*ret = fstatat(run_dirfd, FORWARDING_FILE, &file, AT_SYMLINK_NOFOLLOW) == 0;
	if (!*ret && errno != ENOENT)
		return error_set(err, error_code_of(errno), errno, "run_dir: %s", FORWARDING_FILE);
	return 0;
}

int forwarding_begin(int root_dirfd, int run_dirfd, bool *ret_ours, struct error *err)
{
	bool on, ours;

	if (forwards(root_dirfd, &on, err) < 0 || remembered(run_dirfd, &ours, err) < 0)
		return -1;
	/* Remembered first: who is killed in between puts back what did not change. */
	if (!on && !ours && file_replace_at(run_dirfd, FORWARDING_FILE, "0\n", 2, 0600, err) < 0)
		return -1;
	if (!on && file_poke_at(root_dirfd, FORWARDING_SYSCTL, "1", err) < 0)
		return error_prefix(err,
			"egress: the node cannot forward (set egress: \"off\" in node.yaml if pods "
			"need no way out)");
	*ret_ours = !on || ours;
	return 0;
}

int forwarding_end(int root_dirfd, int run_dirfd, struct error *err)
{
	bool ours;

	if (remembered(run_dirfd, &ours, err) < 0)
		return -1;
	if (!ours)
		return 0;
	if (file_poke_at(root_dirfd, FORWARDING_SYSCTL, "0", err) < 0)
		return error_prefix(err, "cannot put forwarding back");
	if (unlinkat(run_dirfd, FORWARDING_FILE, 0) < 0 && errno != ENOENT)
		return error_set(err, error_code_of(errno), errno, "run_dir: %s", FORWARDING_FILE);
	return 0;
}

const char *forwarding_egress(const struct agent *agent, struct error *err)
{
	cleanup_close int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool ours;

	if (root_fd < 0) {
		error_set(err, error_code_of(errno), errno, "/");
		return NULL;
	}
	if (strcmp(agent->config->egress, "on") != 0)
		return forwarding_end(root_fd, agent->run_dirfd, err) < 0 ? NULL : "off";
	if (forwarding_begin(root_fd, agent->run_dirfd, &ours, err) < 0)
		return NULL;
	return ours ? "alone" : "shared";
}
