/*
 * bulkhead-netd: gives pods their ports, addresses and flows. Started by bulkhead-agent with its
 * end of a SOCK_SEQPACKET pair as descriptor 3; ends when that closes. It reads everything it must
 * know from OVSDB, so it can be killed at any moment: bridge, ports and flows go on without it.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/confine.h"
#include "lib/connector.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "lib/ovs.h"
#include "netlink-socket.h"
#include "netplugin/cni.h"
#include "netplugin/denials.h"
#include "netplugin/endpoint.h"
#include "netplugin/guard.h"
#include "netplugin/limits.h"
#include "netplugin/options.h"
#include "netplugin/peers.h"
#include "netplugin/rtnl.h"
#include "netplugin/trace.h"
#include "odp-netlink.h"
#include "openvswitch/poll-loop.h"
#include "proto/ipc_table.h"
#include "util.h"

#define AGENT_FD   3
#define FRAMES_MAX 64 /* taken in one round */

/*
 * Beyond confine_base_syscalls: sockets to Open vSwitch (the connector connects them), SIOCETHTOOL,
 * CNI plugins at the socket that the agent hands over.
 */
static const char *const more_syscalls[] = { "socket", "ioctl", "getsockname", "getpeername",
	"accept4" };

bool netd_holds(const struct netd *netd)
{
#ifndef BULKHEAD_WEAK_POLICY_HOLD
	if (!netd->policies.now)
		return true;
#endif
	return !netd->adopted || (netd->config.node.overlay && !peers_known(netd->peers));
}

int netd_ready(const struct netd *netd, struct error *err)
{
	if (switchdb_ready(netd->db, err) < 0)
		return -1;
	if (!netd->adopted)
		return error_set(err, ERR_UNAVAILABLE, 0, "ports are not adopted yet");
	if (policies_state(netd, err) < 0)
		return -1;
	if (netd_holds(netd))
		return error_set(err, ERR_UNAVAILABLE, 0, "the other nodes are not known yet");
	if (gateway_ready(netd, err) < 0)
		return -1;
	return flow_sync_ready(netd->flows, err);
}

int netd_want_base(struct netd *netd, struct error *err)
{
	struct flow_list list = { 0 };
	int r = flows_base(&netd->config.node, &list, err);

	if (r == 0)
		r = flow_sync_want(netd->flows, flow_cookie(FLOW_BASE, 0), &list, NULL, err);
	flow_list_done(&list);
	return r;
}

/* ---- start --------------------------------------------------------------------------------- */

/* Looks for the kernel's datapath (the kernel loads the module by the family's name where it can).
 */
static const char *choose_datapath(const char *asked)
{
	int number;

	if (strcmp(asked, "auto") != 0)
		return asked;
	return nl_lookup_genl_family(OVS_DATAPATH_FAMILY, &number) == 0 ? "system" : "netdev";
}

static int open_sockets(struct netd *netd, struct error *err)
{
	struct stat netns;

	if (stat("/proc/self/ns/net", &netns) < 0)
		return error_set(err, error_code_of(errno), errno, "/proc/self/ns/net");
	netd->netns_dev = netns.st_dev;
	netd->netns_ino = netns.st_ino;
	netd->guard_fd = -1;
	if (rtnl_open(&netd->route_fd, err) < 0)
		return -1;
	if (netd->config.guard && guard_open(&netd->guard_fd, err) < 0)
		return -1;
	return gateway_open(netd, err);
}

/* The packets of pods must fit into the link that carries the tunnel. */
static int choose_mtu(struct netd *netd, struct error *err)
{
	char text[IPNET_TEXT_SIZE];
	uint32_t link, most = MTU_DEFAULT;

	if (netd->config.node.overlay) {
		address_format(netd->config.tunnel_address, text);
		if (rtnl_mtu_of_address(netd->route_fd, netd->config.tunnel_address, &link, err) <
			0)
			return error_prefix(err, "tunnel address %s", text);
		most = link > VXLAN_OVERHEAD ? link - VXLAN_OVERHEAD : 0;
		if (most < MTU_MIN || netd->config.mtu > most)
			return error_set(err, ERR_PRECONDITION, 0,
				"tunnel address %s: its link has an MTU of %u; for pods to have %u "
				"it must have %d more",
				text, link, netd->config.mtu ? netd->config.mtu : MTU_MIN,
				VXLAN_OVERHEAD);
	}
	if (!netd->config.mtu)
		netd->config.mtu = most;
	return 0;
}

static int start_connector(const struct options *options, struct error *err)
{
	char mgmt[CONNECTOR_NAME_MAX];
	const struct connector_config config = {
		.directory = options->mgmt_dir,
		.targets = { options->ovsdb_name, mgmt, TRACE_CONTROL_PRIVATE,
			TRACE_CONTROL_SYSTEM },
		.uid = options->uid,
		.gid = options->gid,
	};

	snprintf(mgmt, sizeof(mgmt), "%s.mgmt", options->bridge);
	return connector_start(&config, err);
}

static int confine(const struct options *options, struct error *err)
{
	const size_t len = confine_base_syscalls_len + ARRAY_LEN(more_syscalls);
	cleanup_free const char **syscalls = xcalloc(len, sizeof(*syscalls));
	const struct confine confine = {
		.uid = options->uid,
		.gid = options->gid,
		.empty_root = options->empty_root,
		.flags = CONFINE_NO_NEWNET,
		.capabilities = 1u << CAP_NET_ADMIN,
		.syscalls = syscalls,
		.syscalls_len = len,
	};

	memcpy(syscalls, confine_base_syscalls, confine_base_syscalls_len * sizeof(*syscalls));
	memcpy(syscalls + confine_base_syscalls_len, more_syscalls, sizeof(more_syscalls));
	return confine_apply(&confine, err);
}

/* In this order: what needs rights, giving them up, what talks to others. */
static int start(struct netd *netd, const struct options *options, struct error *err)
{
	char mgmt[CONNECTOR_NAME_MAX + 16], db[CONNECTOR_NAME_MAX + 1];
	uint8_t mac[6];

	/* The probe connects a netlink socket: from then on the connector alone connects. */
	const char *datapath = choose_datapath(options->datapath);

	if (start_connector(options, err) < 0)
		return -1;
	ovs_prepare();
	netd->config = (struct netd_config){
		.bridge = options->bridge,
		.datapath = datapath,
		.node = { options->subnet, options->cluster, options->tunnel_address != 0, false },
		.tunnel_address = options->tunnel_address,
		.mtu = options->mtu,
		.egress = options->egress,
	};
	mac_of_address(flow_gateway(&netd->config.node), mac);
#ifndef BULKHEAD_WEAK_GUARD
	netd->config.guard = strcmp(netd->config.datapath, "netdev") == 0;
#endif
	if (open_sockets(netd, err) < 0 || choose_mtu(netd, err) < 0 || confine(options, err) < 0 ||
		ipam_new(&netd->ipam, &options->subnet, err) < 0)
		return -1;
	snprintf(db, sizeof(db), "/%s", options->ovsdb_name);
	snprintf(mgmt, sizeof(mgmt), "unix:/%s.mgmt", options->bridge);
	netd->db = switchdb_new(&(struct switchdb_config){
		.socket = db,
		.bridge = options->bridge,
		.datapath = netd->config.datapath,
		.tunnel_address = options->tunnel_address,
		.mac = options->egress != EGRESS_OFF ? mac : NULL,
	});
	netd->flows = flow_sync_new(mgmt);
	netd->peers = peers_new();
	netd->limits = limits_new();
	netd->tracer = tracer_new();
	if (options->deny_log)
		netd->denials = denials_new(mgmt);
	hmap_init(&netd->endpoints);
	simap_init(&netd->vnids.now);
	simap_init(&netd->vnids.coming);
	if (netd_want_base(netd, err) < 0)
		return -1;
	return ipc_table_connect(&netd->ipc, AGENT_FD, IPC_NETD, IPC_AGENT, err);
}

/* ---- the loop ------------------------------------------------------------------------------ */

/* 0 to go on, 1 when the agent closed the connection, -1 when it must end. */
static int agent_run(struct netd *netd, struct error *err)
{
	if (ipc_flush(netd->ipc, err) < 0)
		return err->code == ERR_UNAVAILABLE ? 1 : -1;
	for (int i = 0; i < FRAMES_MAX; i++) {
		struct ipc_frame frame;
		int r = ipc_recv(netd->ipc, &frame, err);

		if (r == 0)
			return 0;
		if (r < 0)
			return err->code == ERR_UNAVAILABLE ? 1 : -1;
		r = plug_frame(netd, &frame, err);
		ipc_frame_done(&frame);
		if (r < 0)
			return -1;
	}
	poll_immediate_wake();
	return 0;
}

static void wait_for_more(struct netd *netd)
{
	short events = (short)(POLLIN | (ipc_wants_write(netd->ipc) ? POLLOUT : 0));

	switchdb_wait(netd->db);
	flow_sync_wait(netd->flows);
	endpoints_wait(netd);
	gateway_wait(netd);
	cni_wait(netd);
	tracer_wait(netd);
	denials_wait(netd);
	poll_fd_wait(ipc_fd(netd->ipc), events);
	poll_fd_wait(connector_fd(), POLLIN);
	poll_block();
}

static int loop(struct netd *netd, struct error *err)
{
	for (;;) {
		int r;

		switchdb_run(netd->db);
		if (!netd->adopted && switchdb_ready(netd->db, err) == 0)
			adopt_ports(netd);
		if (netd->adopted)
			adopt_changes(netd);
		*err = (struct error){ 0 };
		r = agent_run(netd, err);
		if (r != 0)
			return r < 0 ? -1 : 0;
		cni_run(netd);
		gateway_run(netd);
		policies_run(netd);
		/* Before the flows: a netd that starts again must not bring the old ones back. */
		rows_run(netd);
		flow_sync_run(netd->flows, netd_holds(netd));
		endpoints_run(netd);
		policies_run(netd);
		flow_sync_run(netd->flows, netd_holds(netd));
		state_run(netd);
		sync_run(netd);
		projects_run(netd);
		tracer_run(netd);
		denials_run(netd);
		policies_answer(netd);
		limits_run(netd);
		if (connector_is_gone())
			return error_set(err, ERR_INTERNAL, 0, "the connector is gone");
		wait_for_more(netd);
	}
}

int main(int argc, char **argv)
{
	struct netd netd = { 0 };
	struct options options;
	struct error err = { 0 };

	log_init("bulkhead-netd", LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	if (options_parse(&options, argc, argv, &err) < 0 || start(&netd, &options, &err) < 0) {
		log_error("%s", err.text);
		return err.code == ERR_INVALID ? 2 : 1;
	}
	log_info("datapath %s%s", netd.config.datapath,
		netd.config.guard ? ", ports guarded by nf_tables" : "");
	if (loop(&netd, &err) < 0) {
		log_error("%s", err.text);
		return 1;
	}
	return 0;
}
