#include "nodeagent/shim/sandbox_ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/shim/sys.h"
#include "nodeagent/shim/sysctl.h"

enum { FD_USER, FD_NET, FD_IPC, FD_UTS, FD_TIME, FD_NETLINK, FD_INET, FDS };

/*
 * The kernel charges what lives in a user namespace (inotify instances, message queues, pending
 * signals, processes, namespaces) to whoever made it, too. Made by the host's root, all pods would
 * share root's limits, and one could use them up; made by the host id that is this pod's root, each
 * has its own. Capabilities stay: making one must not depend on a sysctl that keeps users from it.
 */
static int make_userns(const struct sandbox *sandbox, struct error *err)
{
#ifndef BULKHEAD_WEAK_CHARGES
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0 ||
		setresuid((uid_t)-1, sandbox->root_uid, (uid_t)-1) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot become the pod's root id");
#endif
	if (unshare(CLONE_NEWUSER) < 0)
		return error_set(err, ERR_PRECONDITION, errno, "cannot make a user namespace");
	return 0;
}

/* Become the root that owns what is made next: files of mqueue, writability of sysctls. */
static int become_root(struct error *err)
{
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_set(err, ERR_PRECONDITION, errno,
			"cannot become root of the pod's user namespace; uid_map must map id 0");
	return 0;
}

static int loopback_up(int inet_fd, struct error *err)
{
	struct ifreq ifr = { .ifr_name = "lo" };

	if (ioctl(inet_fd, SIOCGIFFLAGS, &ifr) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot find interface lo");
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(inet_fd, SIOCSIFFLAGS, &ifr) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot bring up interface lo");
	return 0;
}

/* Monotonic and boot time of whoever joins begin now, as if the machine had just started. */
static int clocks_begin(const struct sandbox *sandbox, struct error *err)
{
	struct timespec monotonic, boot;
	char text[128];
	int n;

	if (unshare(CLONE_NEWTIME) < 0)
		return error_set(err, ERR_PRECONDITION, errno,
			"cannot make a time namespace; the kernel may have none");
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	snprintf(text, sizeof(text), "monotonic -%lld 0\nboottime -%lld 0\n",
		(long long)monotonic.tv_sec, (long long)boot.tv_sec);
	/* Files of a process that is not dumpable are the host's root's. Nobody is in the pod yet.
	 */
	prctl(PR_SET_DUMPABLE, 1);
	n = file_poke_at(sandbox->proc_fd, "self/timens_offsets", text, err);
	if (sys_not_dumpable() < 0 || n < 0)
		return error_prefix(err, "time namespace");
	return 0;
}

static int build(const struct sandbox *sandbox, int *fds, struct error *err)
{
	static const char *const files[] = { "self/ns/user", "self/ns/net", "self/ns/ipc",
		"self/ns/uts", "self/ns/time_for_children" };
	const Bulkhead__V1__SandboxPlan *plan = sandbox->plan;

	if (sandbox->map.len > 0 && become_root(err) < 0)
		return -1;
	if (unshare(CLONE_NEWUTS | (plan->host_network ? 0 : CLONE_NEWNET) |
		    (plan->host_ipc ? 0 : CLONE_NEWIPC)) < 0)
		return error_set(err, ERR_PRECONDITION, errno, "cannot make namespaces");
	if (plan->time_namespace && clocks_begin(sandbox, err) < 0)
		return -1;
	if (sethostname(plan->hostname, strlen(plan->hostname)) < 0)
		return error_set(
			err, ERR_INVALID, errno, "hostname: cannot set '%s'", plan->hostname);
	fds[FD_NETLINK] = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	fds[FD_INET] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fds[FD_NETLINK] < 0 || fds[FD_INET] < 0)
		return error_set(
			err, ERR_INTERNAL, errno, "cannot open sockets in the pod's network");
	if (!plan->host_network && loopback_up(fds[FD_INET], err) < 0)
		return -1;
	for (size_t i = 0; i < plan->n_sysctls; i++) {
		if (sysctl_write(sandbox->proc_fd, plan->sysctls[i]->name, plan->sysctls[i]->value,
			    err) < 0)
			return -1;
	}
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		/* A kernel without time namespaces has no such file; another one stands for it. */
		fds[i] = openat(sandbox->proc_fd,
			i == FD_TIME && !plan->time_namespace ? files[FD_UTS] : files[i],
			O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			return error_set(err, ERR_INTERNAL, errno, "cannot open '%s'", files[i]);
	}
	return 0;
}

/* The child. Says that it is there to be mapped, waits for that, builds, answers, ends. */
static void child(const struct sandbox *sandbox, int sock)
{
	struct error err = { .code = ERR_NONE };
	int fds[FDS];
	size_t none = 0;
	int n = sandbox->map.len > 0 ? make_userns(sandbox, &err) : 0;
	char go;

	/* Another uid cleared it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sys_send_fds(sock, &err, sizeof(err), NULL, 0);
	if (n < 0 || sys_recv_fds(sock, &go, 1, NULL, &none, 0) != 1)
		_exit(1);
	if (build(sandbox, fds, &err) < 0)
		sys_send_fds(sock, &err, sizeof(err), NULL, 0);
	else
		sys_send_fds(sock, &err, sizeof(err), fds, FDS);
	_exit(0);
}

/* Waits for the child's user namespace and maps it. */
static int map(const struct sandbox *sandbox, int sock, pid_t pid, struct error *err)
{
	struct error answer;
	size_t none = 0;

	if (sys_recv_fds(sock, &answer, sizeof(answer), NULL, &none, 0) != (ssize_t)sizeof(answer))
		return error_set(err, ERR_INTERNAL, 0, "the process that makes namespaces died");
	if (answer.code != ERR_NONE) {
		answer.text[sizeof(answer.text) - 1] = '\0';
		*err = answer;
		return -1;
	}
	return sandbox->map.len > 0 ? id_map_write(&sandbox->map, sandbox->proc_fd, pid, err) : 0;
}

int sandbox_ns_start(struct sandbox_ns *ret, const struct sandbox *sandbox, struct error *err)
{
	struct clone_args args = { .flags = CLONE_PIDFD };
	int pair[2];
	int pidfd = -1;
	pid_t pid;
	int n;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "cannot make a socket pair");
	args.pidfd = (uint64_t)(uintptr_t)&pidfd;
	pid = sys_clone3(&args);
	if (pid == 0) {
		close(pair[0]);
		child(sandbox, pair[1]);
	}
	close(pair[1]);
	if (pid < 0) {
		error_set(err, error_code_of(errno), errno, "cannot clone");
		close(pair[0]);
		return -1;
	}
	n = map(sandbox, pair[0], pid, err);
	if (n == 0)
		n = sys_send_fds(pair[0], "g", 1, NULL, 0);
	*ret = (struct sandbox_ns){ .pidfd = pidfd, .sock = pair[0] };
	if (n < 0)
		sandbox_ns_finish(ret, NULL, NULL);
	return n;
}

int sandbox_ns_finish(struct sandbox_ns *ns, struct sandbox *sandbox, struct error *err)
{
	struct error answer;
	int fds[FDS];
	size_t len = FDS;
	ssize_t n = 0;

	if (sandbox)
		n = sys_recv_fds(ns->sock, &answer, sizeof(answer), fds, &len, 0);
	close(ns->sock);
	if (!sandbox)
		sys_pidfd_kill(ns->pidfd, SIGKILL);
	sys_pidfd_reap(ns->pidfd, NULL);
	close(ns->pidfd);
	if (!sandbox)
		return 0;
	if (n != (ssize_t)sizeof(answer))
		return error_set(err, ERR_INTERNAL, 0, "the process that makes namespaces died");
	if (answer.code == ERR_NONE && len != FDS)
		return error_set(err, ERR_INTERNAL, 0, "descriptors of the namespaces are missing");
	if (answer.code != ERR_NONE) {
		answer.text[sizeof(answer.text) - 1] = '\0';
		*err = answer;
		return -1;
	}
	sandbox->user_fd = fds[FD_USER];
	sandbox->net_fd = fds[FD_NET];
	sandbox->ipc_fd = fds[FD_IPC];
	sandbox->uts_fd = fds[FD_UTS];
	sandbox->time_fd = fds[FD_TIME];
	if (!sandbox->plan->time_namespace)
		cleanup_close_fn(&sandbox->time_fd);
	if (!sandbox->plan->time_namespace)
		sandbox->time_fd = -1;
	sandbox->netlink_fd = fds[FD_NETLINK];
	sandbox->inet_fd = fds[FD_INET];
	if (sandbox->map.len == 0) {
		close(sandbox->user_fd);
		sandbox->user_fd = -1;
	}
	return 0;
}
