/* ovs_teardown(): takes away what netd and ovs.c made, with the programs of Open vSwitch itself. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/ovs.h"
#include "nodeagent/agent/spawn.h"

#define TOOL_MSEC 10000
#define EXIT_MSEC 5000

/* Remembers the first failure. */
static void keep(int r, const struct error *failed, int *ret, struct error *first)
{
	if (r < 0 && *ret == 0) {
		*ret = -1;
		if (first)
			*first = *failed;
	}
}

/*
 * The bridge with its ports: ovs-vswitchd removes the devices, and a kernel datapath, which would
 * outlive it. Without ovs-vswitchd only the row goes (--no-wait).
 */
static int delete_bridge(const Bulkhead__V1__NodeConfig *config, const char *dir, bool switch_runs,
	struct error *err)
{
	char db[OVS_DIR_SIZE + 24];
	const char *argv[] = { "ovs-vsctl", db, "-vconsole:err", "--timeout=8",
		switch_runs ? "--timeout=8" : "--no-wait", "--", "--if-exists", "del-br",
		config->bridge, NULL };
	const struct spawn_config tool = {
		.program = "/usr/bin/ovs-vsctl",
		.argv = argv,
		.quiet = true,
		.fd = -1,
		.domain = OVS_DOMAIN,
	};

	snprintf(db, sizeof(db), "--db=unix:%s/db.sock", dir);
	return spawn_tool(&tool, TOOL_MSEC, err);
}

/* SIGTERM, then SIGKILL: neither program has anything to lose then. */
int ovs_end(const char *pid_file, struct error *err)
{
	pid_t pid = ovs_pid_of(pid_file);
	cleanup_close int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	/* The lock still has the same holder, so the descriptor is the holder's. */
	if (pidfd < 0 || ovs_pid_of(pid_file) != pid)
		return 0;
	if (pidfd_send_signal(pidfd, SIGTERM, NULL, 0) < 0 && errno != ESRCH)
		return error_set(err, error_code_of(errno), errno, "cannot end process %d (%s)",
			(int)pid, pid_file);
	if (poll(&p, 1, EXIT_MSEC) > 0)
		return 0;
	pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	if (poll(&p, 1, EXIT_MSEC) > 0)
		return 0;
	return error_set(err, ERR_TIMEOUT, 0, "process %d (%s) does not end", (int)pid, pid_file);
}

static int end_private(const Bulkhead__V1__NodeConfig *config, struct error *first)
{
	static const char *const names[] = { "ovs-vswitchd", "ovsdb-server", OVS_CLUSTER };
	struct error err = { 0 };
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char file[OVS_DIR_SIZE + 32];

		snprintf(file, sizeof(file), "%s/ovs/%s.pid", config->run_dir, names[i]);
		keep(ovs_end(file, &err), &err, &r, first);
	}
	return r;
}

/*
 * A userspace datapath's devices are persistent taps: an ovs-vswitchd that is killed leaves them.
 * Attached to here, unless somebody has them, one stops being persistent and goes.
 */
static int remove_tap(const char *name, struct error *err)
{
	cleanup_close int fd = -1;
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	if (!if_nametoindex(name))
		return 0;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0 || ioctl(fd, TUNSETPERSIST, 0) < 0)
		return error_set(err, ERR_PRECONDITION, errno,
			"device '%s' is still there and no ovs-vswitchd runs that could remove it; "
			"start the node and stop it again",
			name);
	return 0;
}

int ovs_teardown(const Bulkhead__V1__NodeConfig *config, struct error *first)
{
	char dir[OVS_DIR_SIZE], file[OVS_DIR_SIZE + 32];
	struct error err = { 0 };
	int r = 0;

	ovs_switch_dir(config, dir);
	snprintf(file, sizeof(file), "%s/ovsdb-server.pid", dir);
	if (ovs_pid_of(file)) {
		snprintf(file, sizeof(file), "%s/ovs-vswitchd.pid", dir);
		keep(delete_bridge(config, dir, ovs_pid_of(file) > 0, &err), &err, &r, first);
	}
	keep(end_private(config, &err), &err, &r, first);
	if (strcmp(config->ovs, "private") == 0) {
		keep(remove_tap(config->bridge, &err), &err, &r, first);
		/* Shared by all userspace switches of a network namespace: it may be in use. */
		remove_tap("ovs-netdev", NULL);
	}
	return r;
}
