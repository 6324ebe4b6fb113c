#include "tests/priv/net/lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"

#define SCHEMA        "/usr/share/openvswitch/vswitch.ovsschema"
#define START_MSEC    10000
#define PING_EVERY_MS 250

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "lab: %s: %s\n", what, strerror(errno));
	exit(99);
}

#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			die(#condition);                                                           \
	} while (0)

uint64_t lab_msec(void)
{
	return monotonic_usec() / 1000;
}

char *lab_run(const char *format, ...)
{
	char command[1024];
	struct error err;
	char *text;
	size_t size;
	va_list ap;
	FILE *pipe;

	va_start(ap, format);
	must(vsnprintf(command, sizeof(command), format, ap) < (int)sizeof(command));
	va_end(ap);
	pipe = popen(command, "re");
	must(pipe);
	must(fd_read_all(fileno(pipe), 1 << 20, &text, &size, &err) == 0);
	if (pclose(pipe) != 0) {
		fprintf(stderr, "lab: '%s' failed\n", command);
		exit(99);
	}
	return text;
}

char *lab_flows(struct lab *lab)
{
	return lab_run(
		"ovs-ofctl -O OpenFlow15 dump-flows --no-stats unix:%s/br0.mgmt | sort", lab->dir);
}

char *lab_meters(struct lab *lab)
{
	return lab_run(
		"ovs-ofctl -O OpenFlow15 dump-meters unix:%s/br0.mgmt | grep -A1 meter= | sort",
		lab->dir);
}

/* ---- processes ----------------------------------------------------------------------------- */

static pid_t spawn(const char *const *argv, int agent_fd)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (agent_fd >= 0 && dup2(agent_fd, 3) < 0)
		_exit(98);
	if (agent_fd == 3)
		fcntl(3, F_SETFD, 0);
	execv(argv[0], (char *const *)(uintptr_t)argv);
	_exit(97);
}

static void await_file(const struct lab *lab, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", lab->dir, name);
	for (uint64_t end = lab_msec() + START_MSEC; access(path, F_OK) < 0;) {
		must(lab_msec() < end);
		usleep(5000);
	}
}

void lab_start_ovsdb(struct lab *lab)
{
	char db[96], remote[96], log[112], pid[96], ctl[96];
	const char *argv[] = { "/usr/sbin/ovsdb-server", db, remote, log, pid, ctl, "-vconsole:off",
		NULL };

	snprintf(db, sizeof(db), "%s/conf.db", lab->dir);
	snprintf(remote, sizeof(remote), "--remote=punix:%s/db.sock", lab->dir);
	snprintf(log, sizeof(log), "--log-file=%s/ovsdb-server.log", lab->dir);
	snprintf(pid, sizeof(pid), "--pidfile=%s/ovsdb-server.pid", lab->dir);
	snprintf(ctl, sizeof(ctl), "--unixctl=%s/ovsdb-server.ctl", lab->dir);
	lab->ovsdb = spawn(argv, -1);
	await_file(lab, "db.sock");
}

void lab_start_vswitchd(struct lab *lab)
{
	char remote[96], log[112], pid[96], ctl[96];
	const char *argv[] = { "/usr/sbin/ovs-vswitchd", remote, log, pid, ctl, "-vconsole:off",
		NULL };

	snprintf(remote, sizeof(remote), "unix:%s/db.sock", lab->dir);
	snprintf(log, sizeof(log), "--log-file=%s/ovs-vswitchd.log", lab->dir);
	snprintf(pid, sizeof(pid), "--pidfile=%s/ovs-vswitchd.pid", lab->dir);
	snprintf(ctl, sizeof(ctl), "--unixctl=%s/ovs-vswitchd.ctl", lab->dir);
	lab->vswitchd = spawn(argv, -1);
}

void lab_send_policies(struct lab *lab, const Bulkhead__V1__NetPolicies *policies)
{
	struct error err;

	must(ipc_table_send(lab->ipc, IPC_NET_POLICIES, 0, &policies->base, NULL, 0, NULL, &err) ==
		0);
}

void lab_start_netd(struct lab *lab)
{
	char db[96], uid[16];
	const char *argv[] = { lab->netd_path, "--ovsdb", db, "--bridge", "br0",
		"--bridge-mgmt-dir", lab->dir, "--subnet", lab->subnet, "--cluster-network",
		LAB_CLUSTER, "--datapath", lab->datapath_asked, "--uid", uid, "--empty-root",
		lab->empty, "--egress", lab->egress ? lab->egress : "off",
		lab->tunnel ? "--tunnel-address" : NULL, lab->tunnel, NULL };
	struct error err;
	int pair[2];

	snprintf(db, sizeof(db), "unix:%s/db.sock", lab->dir);
	snprintf(uid, sizeof(uid), "%d", LAB_UID);
	must(ipc_socketpair(pair, &err) == 0);
	lab->netd = spawn(argv, pair[1]);
	close(pair[1]);
	ipc_free(lab->ipc);
	must(ipc_table_connect(&lab->ipc, pair[0], IPC_AGENT, IPC_NETD, &err) == 0);
	lab->ready = false;
	if (!lab->policies_untold)
		lab_send_policies(
			lab, &(Bulkhead__V1__NetPolicies)BULKHEAD__V1__NET_POLICIES__INIT);
}

void lab_kill(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

/* <build>/tests/<folder>/..., and the build may itself lie beneath some "tests". */
static void find_netd(struct lab *lab)
{
	ssize_t n = readlink("/proc/self/exe", lab->netd_path, sizeof(lab->netd_path) - 32);
	char *end = NULL;

	must(n > 0);
	lab->netd_path[n] = '\0';
	for (char *at = lab->netd_path; (at = strstr(at, "/tests/")); at++)
		end = at;
	must(end);
	*end = '\0';
	strcat(lab->netd_path, "/bulkhead-netd");
	must(access(lab->netd_path, X_OK) == 0);
}

static void set_link_up(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_UP };
	cleanup_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	must(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0);
}

static void start(struct lab *lab)
{
	find_netd(lab);
	must(unshare(CLONE_NEWNET | CLONE_NEWNS) == 0);
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	set_link_up("lo");
	lab->node_netns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	must(lab->node_netns_fd >= 0);
	strcpy(lab->dir, "/tmp/bulkhead-net-XXXXXX");
	must(mkdtemp(lab->dir));
	must(setenv("OVS_RUNDIR", lab->dir, 1) == 0 && setenv("OVS_LOGDIR", lab->dir, 1) == 0);
	snprintf(lab->empty, sizeof(lab->empty), "%s/empty", lab->dir);
	must(mkdir(lab->empty, 0555) == 0);
	free(lab_run("ovsdb-tool create %s/conf.db " SCHEMA, lab->dir));
	if (lab->tunnel)
		free(lab_run("ip link set lo mtu 1600; ip address add %s/32 dev lo", lab->tunnel));
	lab_start_ovsdb(lab);
	lab_start_vswitchd(lab);
	lab_start_netd(lab);
}

void lab_start(struct lab *lab, const char *subnet, const char *datapath)
{
	*lab = (struct lab){ .subnet = subnet, .datapath_asked = datapath };
	start(lab);
	lab_await_ready(lab, true);
}

void lab_start_egress(struct lab *lab, const char *subnet, const char *datapath, const char *egress)
{
	*lab = (struct lab){ .subnet = subnet, .datapath_asked = datapath, .egress = egress };
	start(lab);
	lab_await_ready(lab, true);
}

void lab_start_tunnel(struct lab *lab, const char *subnet, const char *tunnel)
{
	*lab = (struct lab){ .subnet = subnet, .datapath_asked = "netdev", .tunnel = tunnel };
	start(lab);
}

void lab_stop(struct lab *lab)
{
	struct error err = { 0 };

	ipc_free(lab->ipc);
	lab_kill(&lab->netd);
	lab_kill(&lab->vswitchd);
	lab_kill(&lab->ovsdb);
	if (tree_remove_at(AT_FDCWD, lab->dir, &err) < 0)
		fprintf(stderr, "lab: %s\n", err.text);
	close(lab->node_netns_fd);
}

/* ---- messages ------------------------------------------------------------------------------ */

static void take_state(struct lab *lab, const struct ipc_frame *frame)
{
	ProtobufCMessage *base;
	Bulkhead__V1__NetState *state;
	struct error err;

	must(ipc_table_unpack(frame, &base, &err) == 0);
	state = (void *)base;
	lab->ready = state->ready;
	lab->mended = state->flows_mended;
	snprintf(lab->reason, sizeof(lab->reason), "%s", state->reason);
	snprintf(lab->datapath, sizeof(lab->datapath), "%s", state->datapath);
	protobuf_c_message_free_unpacked(base, NULL);
}

void lab_await(struct lab *lab, enum ipc_type type, struct ipc_frame *ret, int timeout_ms)
{
	uint64_t end = lab_msec() + (uint64_t)timeout_ms;

	for (;;) {
		struct error err = { 0 };
		int64_t left = (int64_t)(end - lab_msec());
		int r = left > 0 ? ipc_recv_wait(lab->ipc, ret, (int)left, &err) : 0;

		if (r != 1) {
			fprintf(stderr, "lab: no %s: %s (state: %s)\n", ipc_table_name(type),
				err.text, lab->reason);
			exit(99);
		}
		if (ret->type == IPC_NET_STATE)
			take_state(lab, ret);
		if (ret->type == type)
			return;
		ipc_frame_done(ret);
	}
}

void lab_await_ready(struct lab *lab, bool ready)
{
	while (lab->ready != ready) {
		struct ipc_frame frame;

		lab_await(lab, IPC_NET_STATE, &frame, START_MSEC);
		ipc_frame_done(&frame);
	}
}

void pod_send_plug(struct lab *lab, const struct pod *pod)
{
	Bulkhead__V1__NetPlug message = BULKHEAD__V1__NET_PLUG__INIT;
	Bulkhead__V1__NetBandwidth bandwidth = BULKHEAD__V1__NET_BANDWIDTH__INIT;
	const int fds[] = { pod->netns_fd, pod->route_fd, pod->inet_fd };
	struct error err;

	bandwidth.ingress = pod->ingress;
	bandwidth.egress = pod->egress;
	message.bandwidth = &bandwidth;
	message.pod_uid = (char *)(uintptr_t)pod->uid;
	message.project = (char *)(uintptr_t)pod->project;
	message.pod = (char *)(uintptr_t) "web";
	message.vnid = pod->vnid;
	must(ipc_table_send(lab->ipc, IPC_NET_PLUG, 0, &message.base, fds, 3, NULL, &err) == 0);
}

static int link_index(const struct pod *pod)
{
	struct ifreq request = { .ifr_name = "eth0" };

	must(ioctl(pod->inet_fd, SIOCGIFINDEX, &request) == 0);
	return request.ifr_ifindex;
}

unsigned lab_take_plugged(struct lab *lab, struct pod *pods, size_t len, char *ret_text)
{
	Bulkhead__V1__NetPlugged *plugged;
	struct ipc_frame frame;
	ProtobufCMessage *base;
	unsigned code = 0, bytes[6];
	struct error err;

	lab_await(lab, IPC_NET_PLUGGED, &frame, 8000);
	must(ipc_table_unpack(&frame, &base, &err) == 0);
	plugged = (void *)base;
	if (ret_text)
		ret_text[0] = '\0';
	if (plugged->error) {
		code = plugged->error->code;
		if (ret_text)
			snprintf(ret_text, ERROR_TEXT_SIZE, "%s", plugged->error->text);
	}
	for (size_t i = 0; i < len && code == 0; i++) {
		struct in_addr in;

		if (strcmp(pods[i].uid, plugged->pod_uid) != 0)
			continue;
		must(inet_pton(AF_INET, plugged->address, &in) == 1 && plugged->prefix == 14);
		pods[i].address = ntohl(in.s_addr);
		must(sscanf(plugged->mac, "%x:%x:%x:%x:%x:%x", &bytes[0], &bytes[1], &bytes[2],
			     &bytes[3], &bytes[4], &bytes[5]) == 6);
		for (size_t b = 0; b < 6; b++)
			pods[i].mac[b] = (uint8_t)bytes[b];
		snprintf(pods[i].port, sizeof(pods[i].port), "%s", plugged->port);
		pods[i].ofport = plugged->ofport;
		pods[i].link_index = link_index(&pods[i]);
	}
	protobuf_c_message_free_unpacked(base, NULL);
	ipc_frame_done(&frame);
	return code;
}

unsigned pod_plug(struct lab *lab, struct pod *pod, char *ret_text)
{
	pod_send_plug(lab, pod);
	return lab_take_plugged(lab, pod, 1, ret_text);
}

unsigned pod_unplug(struct lab *lab, const char *uid)
{
	Bulkhead__V1__NetUnplug message = BULKHEAD__V1__NET_UNPLUG__INIT;
	Bulkhead__V1__NetUnplugged *unplugged;
	struct ipc_frame frame;
	ProtobufCMessage *base;
	struct error err;
	unsigned code;

	message.pod_uid = (char *)(uintptr_t)uid;
	must(ipc_table_send(lab->ipc, IPC_NET_UNPLUG, 0, &message.base, NULL, 0, NULL, &err) == 0);
	lab_await(lab, IPC_NET_UNPLUGGED, &frame, 8000);
	must(ipc_table_unpack(&frame, &base, &err) == 0);
	unplugged = (void *)base;
	code = unplugged->error ? unplugged->error->code : 0;
	protobuf_c_message_free_unpacked(base, NULL);
	ipc_frame_done(&frame);
	return code;
}

static unsigned send_project(
	struct lab *lab, const char *project, uint32_t vnid, Bulkhead__V1__NetBandwidth *bandwidth)
{
	Bulkhead__V1__NetProjects message = BULKHEAD__V1__NET_PROJECTS__INIT;
	Bulkhead__V1__NetProject row = BULKHEAD__V1__NET_PROJECT__INIT, *rows = &row;
	Bulkhead__V1__NetProjectsSet *set;
	struct ipc_frame frame;
	ProtobufCMessage *base;
	struct error err;
	unsigned code;

	row.name = (char *)(uintptr_t)project;
	row.vnid = vnid;
	row.bandwidth = bandwidth;
	row.number = vnid;
	message.projects = &rows;
	message.n_projects = 1;
	must(ipc_table_send(lab->ipc, IPC_NET_PROJECTS, 0, &message.base, NULL, 0, NULL, &err) ==
		0);
	lab_await(lab, IPC_NET_PROJECTS_SET, &frame, 8000);
	must(ipc_table_unpack(&frame, &base, &err) == 0);
	set = (void *)base;
	code = set->error ? set->error->code : 0;
	protobuf_c_message_free_unpacked(base, NULL);
	ipc_frame_done(&frame);
	return code;
}

unsigned lab_move(struct lab *lab, const char *project, uint32_t vnid)
{
	return send_project(lab, project, vnid, NULL);
}

unsigned lab_limit_project(
	struct lab *lab, const char *project, uint32_t vnid, uint64_t ingress, uint64_t egress)
{
	Bulkhead__V1__NetBandwidth bandwidth = BULKHEAD__V1__NET_BANDWIDTH__INIT;

	bandwidth.ingress = ingress;
	bandwidth.egress = egress;
	return send_project(lab, project, vnid, &bandwidth);
}

unsigned pod_limit(
	struct lab *lab, const char *uid, uint64_t ingress, uint64_t egress, char *ret_text)
{
	Bulkhead__V1__NetBandwidth bandwidth = BULKHEAD__V1__NET_BANDWIDTH__INIT;
	Bulkhead__V1__NetLimit message = BULKHEAD__V1__NET_LIMIT__INIT;
	Bulkhead__V1__NetLimited *limited;
	struct ipc_frame frame;
	ProtobufCMessage *base;
	struct error err;
	unsigned code;

	bandwidth.ingress = ingress;
	bandwidth.egress = egress;
	message.pod_uid = (char *)(uintptr_t)uid;
	message.bandwidth = &bandwidth;
	must(ipc_table_send(lab->ipc, IPC_NET_LIMIT, 0, &message.base, NULL, 0, NULL, &err) == 0);
	lab_await(lab, IPC_NET_LIMITED, &frame, 8000);
	must(ipc_table_unpack(&frame, &base, &err) == 0);
	limited = (void *)base;
	must(strcmp(limited->pod_uid, uid) == 0);
	code = limited->error ? limited->error->code : 0;
	if (ret_text)
		snprintf(ret_text, ERROR_TEXT_SIZE, "%s", code ? limited->error->text : "");
	protobuf_c_message_free_unpacked(base, NULL);
	ipc_frame_done(&frame);
	return code;
}

/* ---- pods ---------------------------------------------------------------------------------- */

int pod_socket(struct lab *lab, const struct pod *pod, int domain, int type, int protocol)
{
	int fd;

	must(setns(pod->netns_fd, CLONE_NEWNET) == 0);
	fd = socket(domain, type | SOCK_CLOEXEC, protocol);
	must(setns(lab->node_netns_fd, CLONE_NEWNET) == 0);
	must(fd >= 0);
	return fd;
}

void pod_open(struct lab *lab, struct pod *pod, const char *uid, uint32_t vnid)
{
	*pod = (struct pod){ .vnid = vnid, .project = "red" };
	snprintf(pod->uid, sizeof(pod->uid), "%s", uid);
	must(unshare(CLONE_NEWNET) == 0);
	set_link_up("lo");
	pod->netns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	must(pod->netns_fd >= 0 && setns(lab->node_netns_fd, CLONE_NEWNET) == 0);
	pod->route_fd = pod_socket(lab, pod, AF_NETLINK, SOCK_RAW, 0);
	pod->inet_fd = pod_socket(lab, pod, AF_INET, SOCK_DGRAM, 0);
	pod->packet_fd = pod_socket(lab, pod, AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
}

void pod_close(struct pod *pod)
{
	close(pod->netns_fd);
	close(pod->route_fd);
	close(pod->inet_fd);
	close(pod->packet_fd);
}

static uint16_t checksum(const void *data, size_t size)
{
	const uint16_t *words = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < size / 2; i++)
		sum += words[i];
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t) ~(sum + (sum >> 16));
}

/* Whether an answer to 'id' from 'address' comes to 'fd' before 'end'. */
static bool answered(int fd, uint16_t id, uint32_t address, uint64_t end)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = (int64_t)(end - lab_msec());
		struct {
			struct iphdr ip;
			struct icmphdr icmp;
		} answer;

		if (left <= 0 || poll(&p, 1, (int)left) != 1)
			return false;
		if (recv(fd, &answer, sizeof(answer), 0) == sizeof(answer) &&
			answer.icmp.type == ICMP_ECHOREPLY && answer.icmp.un.echo.id == id &&
			answer.ip.saddr == htonl(address))
			return true;
	}
}

bool pod_pings(struct lab *lab, const struct pod *pod, uint32_t address, int timeout_ms)
{
	cleanup_close int fd = pod_socket(lab, pod, AF_INET, SOCK_RAW, IPPROTO_ICMP);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(address) };
	struct icmphdr echo = { .type = ICMP_ECHO, .un.echo.id = htons((uint16_t)rand()) };
	uint64_t end = lab_msec() + (uint64_t)timeout_ms;

	echo.checksum = checksum(&echo, sizeof(echo));
	/* The switch may look once more at a cached flow of an address's former pod. */
	for (uint64_t now = lab_msec(); now < end; now = lab_msec()) {
		uint64_t next = now + PING_EVERY_MS < end ? now + PING_EVERY_MS : end;

		if (sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			return false;
		if (answered(fd, echo.un.echo.id, address, next))
			return true;
	}
	return false;
}
