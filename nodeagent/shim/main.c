/*
 * bulkhead-shim: parent of one pod's containers. Builds the pod's sandbox, launches, reaps, writes
 * logs; outlives the agent that started it. Its rights are root's; its children's are the pod's.
 *
 * usage: bulkhead-shim --socket PATH, with the agent's end of a SOCK_SEQPACKET pair as
 * descriptor 3.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"
#include "nodeagent/shim/shim.h"
#include "nodeagent/shim/sys.h"

#define AGENT_FD 3

/* The root of a mount that no path leads to is called "/"; an upgrade may have unlinked it. */
static int is_sealed(void)
{
#ifndef BULKHEAD_WEAK_SEAL
	struct statvfs st;
	char name[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", name, sizeof(name) - 1);

	name[n < 0 ? 0 : n] = '\0';
	return (strcmp(name, "/") == 0 || strcmp(name, "/ (deleted)") == 0) &&
	       statvfs("/proc/self/exe", &st) == 0 && (st.f_flag & ST_RDONLY) != 0;
#else
	return 1;
#endif
}

/*
 * Runs this program from a read-only mount that no path leads to: whatever a container does with
 * /proc/self/exe before its own program replaces ours, the file cannot be written (CVE-2019-5736).
 * Where the program lies on a read-only file system that does as well, until somebody remounts it.
 */
static int run_sealed(char **argv, struct error *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV };
	cleanup_close int tree_fd = -1;

	if (is_sealed())
		return 0;
	tree_fd = sys_open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE);
	if (tree_fd < 0 || sys_mount_setattr(tree_fd, "", 0, &attr) < 0)
		return error_set(err, ERR_PRECONDITION, errno, "cannot seal the shim's program");
	execveat(tree_fd, "", argv, environ, AT_EMPTY_PATH);
	return error_set(err, ERR_PRECONDITION, errno, "cannot run the shim's program sealed");
}

static int arguments_parse(int argc, char **argv, const char **ret_socket, struct error *err)
{
	if (argc != 3 || strcmp(argv[1], "--socket") != 0 || argv[2][0] != '/')
		return error_set(
			err, ERR_INVALID, 0, "usage: bulkhead-shim --socket /absolute/path");
	*ret_socket = argv[2];
	return 0;
}

/* 0 to 2 must be something, or a pipe of the first container would land there. */
static int standard_fds_fill(struct error *err)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return error_set(err, ERR_INTERNAL, errno, "cannot open /dev/null");
	}
	return 0;
}

static int process_prepare(struct error *err)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2,
		SIGALRM, SIGTTIN, SIGTTOU, SIGTSTP };

	if (standard_fds_fill(err) < 0)
		return -1;
	/* Nobody but the agent ends a shim: a pod must not die with a terminal or a service. */
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
	setsid();
	umask(0);
	prctl(PR_SET_NAME, "bulkhead-shim");
#ifndef BULKHEAD_WEAK_DESCRIPTORS
	if (log_close_others(AGENT_FD + 1) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot close descriptors");
#endif
	if (sys_not_dumpable() < 0)
		return error_set(err, ERR_INTERNAL, errno, "prctl");
	if (fcntl(AGENT_FD, F_SETFD, FD_CLOEXEC) < 0)
		return error_set(
			err, ERR_INVALID, errno, "descriptor %d is not the agent's", AGENT_FD);
	/* Our mounts are nobody else's; unmounting on the host still reaches us, so that nothing is
	 * kept. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return error_set(err, ERR_PRECONDITION, errno, "cannot make a mount namespace");
	if (chdir("/") < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot enter /");
	return 0;
}

/* An agent that died since then starts another shim, whose socket must not be taken away. */
static int agent_gone(struct error *err)
{
	struct pollfd p = { .fd = AGENT_FD, .events = POLLIN };

	if (poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)))
		return error_set(err, ERR_CANCELLED, 0, "the agent is gone");
	return 0;
}

static int shim_prepare(struct shim *shim, struct error *err)
{
	shim->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	shim->pid_ns_fd = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (shim->epoll_fd < 0 || shim->pid_ns_fd < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot set up");
	sandbox_init(&shim->sandbox);
	journal_init(&shim->journal);
	seccomp_cache_init(&shim->seccomp);
	/* What nearly every container needs: RuntimeDefault without a capability that changes it.
	 */
	seccomp_prefetch(&shim->seccomp, 0);
	if (agent_gone(err) < 0 || link_listen(shim, err) < 0)
		return -1;
	return link_open(shim, AGENT_FD, err);
}

int main(int argc, char **argv)
{
	struct shim shim = { .link.fd = -1,
		.listen.fd = -1,
		.drift_timer.fd = -1,
		.probe_timer.fd = -1,
		.pace.timer.fd = -1 };
	struct error err;

	log_init("bulkhead-shim", LOG_LEVEL_INFO);
	if (arguments_parse(argc, argv, &shim.socket_path, &err) < 0 ||
		run_sealed(argv, &err) < 0 || process_prepare(&err) < 0 ||
		shim_prepare(&shim, &err) < 0 || shim_loop(&shim, &err) < 0) {
		log_error("%s", err.text);
		return err.code == ERR_INVALID ? 2 : 1;
	}
	link_close(&shim);
	return 0;
}
