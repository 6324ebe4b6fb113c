/* The socket at which the CNI plugin asks: who may, what they may say, and how many. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "netplugin/cni.h"
#include "netplugin/cni/failure.h"
#include "tests/priv/net/cni.h"

#define RED       11
#define LATER     100
#define ADDRESSES 61 /* of a /26 but for network, gateway and broadcast */
#define C1        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct lab lab;
static int listen_fd = -1;
static const char *const all_names[] = { "red", NULL };
static const uint32_t all_vnids[] = { RED };

static void tell_projects(void)
{
	assert_int_equal(cni_lab_projects(&lab, all_names, all_vnids), 0);
}

static int setup(void **state)
{
	(void)state;
	lab_start(&lab, "10.128.0.0/26", "netdev");
	cni_lab_listen(&lab, &listen_fd);
	tell_projects();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(listen_fd);
	lab_stop(&lab);
	return 0;
}

/* ---- at the socket itself ------------------------------------------------------------------ */

static int connect_to_netd(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/cni.sock", lab.dir);
	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* 0: netd answered, 1: it closed the connection, 2: not even connected. */
static int ask_as(uid_t uid)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		Bulkhead__V1__CniCall call = BULKHEAD__V1__CNI_CALL__INIT;
		struct ipc_frame frame;
		struct error err;
		struct ipc *ipc;
		int fd;

		if (setresuid(uid, uid, uid) < 0)
			_exit(9);
		fd = connect_to_netd();
		if (fd < 0)
			_exit(2);
		if (ipc_table_connect(&ipc, fd, IPC_CNI, IPC_NETD, &err) < 0)
			_exit(9);
		ipc_table_send(ipc, IPC_CNI_CALL, 0, &call.base, NULL, 0, NULL, &err);
		_exit(ipc_recv_wait(ipc, &frame, 5000, &err) == 1 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void others_than_root_are_not_answered(void **state)
{
	char path[96];

	(void)state;
	assert_int_equal(ask_as(0), 0);
	assert_int_equal(chmod(lab.dir, 0755), 0);
	assert_int_equal(ask_as(LAB_UID + 1), 2);
	/* Nor if the file let them. */
	snprintf(path, sizeof(path), "%s/cni.sock", lab.dir);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(ask_as(LAB_UID + 1), 1);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(ask_as(0), 0);
}

static void send_call(struct ipc *ipc, Bulkhead__V1__CniCommand command, const int *fds, size_t len)
{
	Bulkhead__V1__CniAttachment attachment = BULKHEAD__V1__CNI_ATTACHMENT__INIT;
	Bulkhead__V1__CniCall call = BULKHEAD__V1__CNI_CALL__INIT;
	struct error err;

	attachment.container = (char *)(uintptr_t)C1;
	attachment.ifname = (char *)(uintptr_t) "eth0";
	call.command = command;
	call.attachment = &attachment;
	call.network = (char *)(uintptr_t) "pods";
	call.project = (char *)(uintptr_t) "red";
	call.pod = (char *)(uintptr_t) "web";
	assert_int_equal(ipc_table_send(ipc, IPC_CNI_CALL, 0, &call.base, fds, len, NULL, &err), 0);
}

/* The error's code of the answer; -1: there was none. */
static int take_code(struct ipc *ipc)
{
	struct ipc_frame frame;
	ProtobufCMessage *message;
	struct error err;
	int code;

	if (ipc_recv_wait(ipc, &frame, 8000, &err) != 1)
		return -1;
	assert_int_equal(frame.type, IPC_CNI_REPLY);
	assert_int_equal(ipc_table_unpack(&frame, &message, &err), 0);
	code = ((Bulkhead__V1__CniReply *)message)->error
		       ? (int)((Bulkhead__V1__CniReply *)message)->error->code
		       : 0;
	protobuf_c_message_free_unpacked(message, NULL);
	ipc_frame_done(&frame);
	return code;
}

static struct ipc *open_ipc(void)
{
	struct error err;
	struct ipc *ipc;

	assert_int_equal(ipc_table_connect(&ipc, connect_to_netd(), IPC_CNI, IPC_NETD, &err), 0);
	return ipc;
}

/* netd takes nobody's word: wrong descriptors, numbers, bytes. It lives on. */
static void hostile_frames_do_no_harm(void **state)
{
	struct ipc *ipc = open_ipc();
	const int wrong[] = { STDERR_FILENO, STDERR_FILENO, STDERR_FILENO };
	const int own[] = { lab.node_netns_fd, STDERR_FILENO, STDERR_FILENO };
	const pid_t before = lab.netd;
	int fd = connect_to_netd();

	(void)state;
	send_call(ipc, BULKHEAD__V1__CNI_COMMAND__CNI_ADD, NULL, 0);
	assert_int_equal(take_code(ipc), ERR_INVALID);
	ipc_free(ipc);
	ipc = open_ipc();
	send_call(ipc, BULKHEAD__V1__CNI_COMMAND__CNI_ADD, wrong, 3);
	assert_int_equal(take_code(ipc), ERR_INVALID);
	ipc_free(ipc);
	ipc = open_ipc();
	send_call(ipc, BULKHEAD__V1__CNI_COMMAND__CNI_ADD, own, 3);
	assert_int_equal(take_code(ipc), ERR_INVALID);
	ipc_free(ipc);
	ipc = open_ipc();
	send_call(ipc, (Bulkhead__V1__CniCommand)77, NULL, 0);
	assert_int_equal(take_code(ipc), ERR_INVALID);
	ipc_free(ipc);
	/* Two questions at once. */
	ipc = open_ipc();
	send_call(ipc, BULKHEAD__V1__CNI_COMMAND__CNI_DEL, NULL, 0);
	send_call(ipc, BULKHEAD__V1__CNI_COMMAND__CNI_DEL, NULL, 0);
	take_code(ipc);
	assert_int_equal(take_code(ipc), -1);
	ipc_free(ipc);
	assert_int_equal(send(fd, "not a frame", 11, MSG_NOSIGNAL), 11);
	assert_int_equal(recv(fd, (char[8]){ 0 }, 8, 0), 0);
	close(fd);
	cni_status_becomes(&lab, 0);
	assert_int_equal(waitpid(before, NULL, WNOHANG), 0);
	assert_int_equal(cni_ports(&lab), 0);
}

/* A runtime that is killed, or gives up, while its container is attached. */
static void who_goes_away_has_no_port(void **state)
{
	cleanup_free char *before = lab_flows(&lab);
	struct pod pod;
	struct ipc *ipc;

	(void)state;
	pod_open(&lab, &pod, "-", 0);
	kill(lab.vswitchd, SIGSTOP);
	ipc = open_ipc();
	send_call(ipc, BULKHEAD__V1__CNI_COMMAND__CNI_ADD,
		(const int[]){ pod.netns_fd, pod.route_fd, pod.inet_fd }, 3);
	usleep(300 * 1000);
	kill(lab.ovsdb, SIGSTOP);
	ipc_free(ipc);
	usleep(300 * 1000);
	cni_is_refused(cni_lab_verb(&lab, "ADD", C1, "eth0", &pod, cni_args("red"),
			       cni_config(&lab, "1.1.0", "pods", "")),
		CNI_TRY_AGAIN, "is being detached from 'eth0' still");
	kill(lab.ovsdb, SIGCONT);
	kill(lab.vswitchd, SIGCONT);
	for (int i = 0; i < LATER && cni_ports(&lab) != 0; i++)
		usleep(50 * 1000);
	assert_int_equal(cni_ports(&lab), 0);
	cni_flows_become(&lab, before);
	/* And nothing is in the way of the next. */
	json_decref(cni_attach(&lab, &pod, C1, "eth0", "red", "1.1.0"));
	cni_detach(&lab, C1, "eth0");
	pod_close(&pod);
}

/* Who connects and says nothing keeps others waiting for a while, and not for ever. */
static void more_connections_than_the_limit_wait(void **state)
{
	static int fds[CNI_CONNS_MAX];

	(void)state;
	for (size_t i = 0; i < CNI_CONNS_MAX; i++) {
		fds[i] = connect_to_netd();
		assert_true(fds[i] >= 0);
	}
	cni_is_done(cni_lab_verb(
		&lab, "STATUS", NULL, NULL, NULL, NULL, cni_config(&lab, "1.1.0", "pods", "")));
	for (size_t i = 0; i < CNI_CONNS_MAX; i++)
		close(fds[i]);
	cni_status_becomes(&lab, 0);
}

/* A child that attaches one more interface of the pod, and exits with the plugin's code. */
static pid_t attach_beside(const struct pod *pod, unsigned i)
{
	struct plugin_run run;
	char ifname[16];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	snprintf(ifname, sizeof(ifname), "net%u", i);
	run = cni_lab_verb(&lab, "ADD", C1, ifname, pod, cni_args("red"),
		cni_config(&lab, "1.1.0", "pods", ""));
	if (run.code)
		fprintf(stderr, "%s: %s\n", ifname, run.text);
	_exit(run.status == 0 ? 0 : (int)run.code);
}

/* All at once, as after a node's start: every address once, and for one more there is none. */
static void as_many_at_once_as_there_are_addresses(void **state)
{
	cleanup_free char *addresses = NULL;
	pid_t pids[ADDRESSES];
	struct pod pod;
	int status;

	(void)state;
	pod_open(&lab, &pod, "-", 0);
	for (unsigned i = 0; i < ADDRESSES; i++)
		pids[i] = attach_beside(&pod, i);
	for (unsigned i = 0; i < ADDRESSES; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(cni_ports(&lab), ADDRESSES);
	addresses = lab_run("nsenter --net=/proc/%d/fd/%d ip -4 -o addr show | grep -c 10.128",
		(int)getpid(), pod.netns_fd);
	assert_int_equal(atoi(addresses), ADDRESSES);
	cni_is_refused(cni_lab_verb(&lab, "ADD", C1, "more", &pod, cni_args("red"),
			       cni_config(&lab, "1.1.0", "pods", "")),
		CNI_TRY_AGAIN, "no address is free in the node's subnet");
	cni_is_done(cni_lab_verb(&lab, "GC", NULL, NULL, NULL, NULL,
		cni_config(&lab, "1.1.0", "pods", ",\"cni.dev/valid-attachments\":[]")));
	assert_int_equal(cni_ports(&lab), 0);
	pod_close(&pod);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_than_root_are_not_answered),
		cmocka_unit_test(hostile_frames_do_no_harm),
		cmocka_unit_test(who_goes_away_has_no_port),
		cmocka_unit_test(more_connections_than_the_limit_wait),
		cmocka_unit_test(as_many_at_once_as_there_are_addresses),
	};

	return cmocka_run_group_tests_name("cni_socket", tests, setup, teardown);
}
