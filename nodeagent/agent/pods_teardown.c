/* Everything of pods ended and removed, without a loop and without their records. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/cgroup_path.h"
#include "nodeagent/agent/pod.h"
#include "nodeagent/agent/pod_store.h"
#include "nodeagent/agent/pods.h"
#include "nodeagent/agent/scopes.h"

#define ENDS_AT_ONCE_MAX 256
#define DESTROY_USEC     UINT64_C(15000000) /* for all shims together: they work at the same time */
#define KILL_USEC        UINT64_C(2000000)
#define REAP_MS          5000
#define STOP_POLL_USEC   10000
#define SYSTEMD_CONTROL  "/run/systemd/system.control"

/* One shim that was told to end. */
struct ending {
	struct ipc *ipc; /* kept open: a shim's answer must not fail */
	int pidfd;
};

/* The first failure is reported, after all else was tried. */
static void note(struct error *err, int *status, const struct error *why)
{
	log_warning("%s", why->text);
	if (*status == 0)
		*err = *why;
	*status = -1;
}

static int dial(const char *path, pid_t *ret_pid)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	cleanup_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (fd < 0 || snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path) >=
			      (int)sizeof(addr.sun_path))
		return -1;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.uid != 0)
		return -1;
	*ret_pid = peer.pid;
	return take_fd(&fd);
}

/* 1 it was told, 0 nobody is there, -1 error. */
static int tell(const struct agent *agent, const char *uid, struct ending *ret, struct error *err)
{
	Bulkhead__V1__ShimDestroy message = BULKHEAD__V1__SHIM_DESTROY__INIT;
	cleanup_close int fd = -1;
	cleanup_close int pidfd = -1;
	char path[POD_PATH_SIZE];
	struct ipc *ipc;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/pods/%s/shim.sock", agent->config->run_dir, uid);
	fd = dial(path, &pid);
	if (fd < 0)
		return 0;
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0)
		return errno == ESRCH ? 0
				      : error_set(err, ERR_INTERNAL, errno,
						"cannot watch the shim of %s", uid);
	if (ipc_table_connect(&ipc, fd, IPC_AGENT, IPC_SHIM, err) < 0)
		return -1;
	take_fd(&fd);
	if (ipc_table_send(ipc, IPC_SHIM_DESTROY, 0, &message.base, NULL, 0, NULL, err) < 0) {
		ipc_free(ipc);
		return -1;
	}
	*ret = (struct ending){ .ipc = ipc, .pidfd = take_fd(&pidfd) };
	return 1;
}

static bool ended(int pidfd, uint64_t deadline)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	uint64_t now = monotonic_usec();

	return poll(&p, 1, now < deadline ? (int)((deadline - now) / 1000) : 0) > 0;
}

static void await(struct ending *endings, size_t len, int *status, struct error *err)
{
	uint64_t deadline = monotonic_usec() + DESTROY_USEC;

	for (size_t i = 0; i < len; i++) {
		struct error why = { 0 };

		if (!ended(endings[i].pidfd, deadline)) {
			pidfd_send_signal(endings[i].pidfd, SIGKILL, NULL, 0);
			if (!ended(endings[i].pidfd, monotonic_usec() + KILL_USEC)) {
				error_set(&why, ERR_TIMEOUT, 0, "a shim does not die");
				note(err, status, &why);
			}
		}
		ipc_free(endings[i].ipc);
		close(endings[i].pidfd);
	}
}

static DIR *folder_open(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static void end_shims(struct agent *agent, int *status, struct error *err)
{
	cleanup_dir DIR *dir = folder_open(agent->run_dirfd, "pods");
	struct ending endings[ENDS_AT_ONCE_MAX] = { { 0 } };
	size_t len = 0;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct error why = { 0 };
		int n;

		if (!pod_uid_valid(entry->d_name))
			continue;
		if (len == ENDS_AT_ONCE_MAX) {
			await(endings, len, status, err);
			len = 0;
		}
		n = tell(agent, entry->d_name, &endings[len], &why);
		if (n < 0)
			note(err, status, &why);
		else
			len += (size_t)n;
	}
	await(endings, len, status, err);
}

static void remove_tree(int dirfd, const char *name, int *status, struct error *err)
{
	struct error why = { 0 };

	if (tree_remove_at(dirfd, name, &why) < 0)
		note(err, status, &why);
}

/* Killed here first: systemd would ask each process to end, and wait. */
static int stop_slice(struct agent *agent, struct error *err)
{
	uint64_t end = monotonic_usec() + REAP_MS * UINT64_C(1000);
	char path[CGROUP_PATH_SIZE];
	char unit[CGROUP_UNIT_SIZE];
	bool asked = false;

	cgroup_path_all(agent->config, path);
	cgroup_unit_slice(agent->config, NULL, unit);
	for (;;) {
		struct cgroup cgroup;
		bool found = cgroup_find(&cgroup, &agent->cgroups, path) > 0;

		if (found)
			cgroup_kill(&cgroup, NULL);
		cgroup_done(&cgroup);
		if (!found)
			return 0;
		if (!asked && scopes_stop_slice(unit, err) < 0)
			return -1;
		asked = true;
		if (monotonic_usec() >= end)
			return error_set(err, ERR_TIMEOUT, 0, "systemd does not end '%s'", unit);
		usleep(STOP_POLL_USEC);
	}
}

/* What systemd wrote down of the projects' quotas: it keeps that until the next boot. */
static void forget_limits(const struct agent *agent, int *status, struct error *err)
{
	cleanup_dir DIR *dir = folder_open(AT_FDCWD, SYSTEMD_CONTROL);
	char unit[CGROUP_UNIT_SIZE];
	struct dirent *entry;
	size_t len;

	cgroup_unit_slice(agent->config, NULL, unit);
	len = strlen(unit) - strlen(".slice");
	while (dir && (entry = readdir(dir))) {
		const char *end = strstr(entry->d_name, ".slice.d");

		if (strncmp(entry->d_name, unit, len) == 0 && entry->d_name[len] == '-' && end &&
			!end[strlen(".slice.d")])
			remove_tree(dirfd(dir), entry->d_name, status, err);
	}
}

int pods_teardown(struct agent *agent, bool purge, struct error *err)
{
	struct error why = { 0 };
	int status = 0;

	end_shims(agent, &status, err);
	/* Also what a shim that was killed left behind; mounts went with the shims' namespaces. */
	if (cgroup_path_is_systemd(agent->config) && stop_slice(agent, &why) < 0)
		note(err, &status, &why);
	if (cgroup_path_is_systemd(agent->config))
		forget_limits(agent, &status, err);
	if (cgroup_reap(&agent->cgroups, agent->config->cgroup_parent, REAP_MS, &why) < 0)
		note(err, &status, &why);
	remove_tree(agent->run_dirfd, "pods", &status, err);
	if (purge) {
		remove_tree(agent->state_dirfd, "pods", &status, err);
		remove_tree(agent->state_dirfd, "logs", &status, err);
	}
	return status;
}
