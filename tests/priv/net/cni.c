#include "tests/priv/net/cni.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"

#define VARIABLES_MAX 8
#define LATER         100
#define ARGS          "IgnoreUnknown=1;K8S_POD_NAMESPACE=%s;K8S_POD_NAME=web;K8S_POD_UID=u;MORE=1"

#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "cni lab: %s: %s\n", #condition, strerror(errno));         \
			exit(99);                                                                  \
		}                                                                                  \
	} while (0)

void cni_lab_listen(struct lab *lab, int *listen_fd)
{
	Bulkhead__V1__NetCni message = BULKHEAD__V1__NET_CNI__INIT;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct error err;

	if (*listen_fd < 0) {
		snprintf(address.sun_path, sizeof(address.sun_path), "%s/cni.sock", lab->dir);
		*listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		must(*listen_fd >= 0);
		must(bind(*listen_fd, (struct sockaddr *)&address, sizeof(address)) == 0);
		must(chmod(address.sun_path, 0600) == 0 && listen(*listen_fd, 512) == 0);
	}
	must(ipc_table_send(lab->ipc, IPC_NET_CNI, 0, &message.base, listen_fd, 1, NULL, &err) ==
		0);
}

unsigned cni_lab_projects(struct lab *lab, const char *const *names, const uint32_t *vnids)
{
	Bulkhead__V1__NetProjects message = BULKHEAD__V1__NET_PROJECTS__INIT;
	Bulkhead__V1__NetProject rows[8], *list[8];
	Bulkhead__V1__NetProjectsSet *set;
	struct ipc_frame frame;
	ProtobufCMessage *base;
	struct error err;
	unsigned code;

	/* One project a part: all count together. */
	for (size_t i = 0; names[i]; i++) {
		bulkhead__v1__net_project__init(&rows[i]);
		rows[i].name = (char *)(uintptr_t)names[i];
		rows[i].vnid = vnids[i];
		list[0] = &rows[i];
		message.projects = list;
		message.n_projects = 1;
		message.part = (uint32_t)i;
		message.more = names[i + 1] != NULL;
		must(ipc_table_send(lab->ipc, IPC_NET_PROJECTS, 0, &message.base, NULL, 0, NULL,
			     &err) == 0);
	}
	lab_await(lab, IPC_NET_PROJECTS_SET, &frame, 8000);
	must(ipc_table_unpack(&frame, &base, &err) == 0);
	set = (void *)base;
	code = set->error ? set->error->code : 0;
	protobuf_c_message_free_unpacked(base, NULL);
	ipc_frame_done(&frame);
	return code;
}

unsigned cni_lab_sync(struct lab *lab)
{
	Bulkhead__V1__NetSync message = BULKHEAD__V1__NET_SYNC__INIT;
	Bulkhead__V1__NetSynced *synced;
	struct ipc_frame frame;
	ProtobufCMessage *base;
	struct error err;
	unsigned removed;

	must(ipc_table_send(lab->ipc, IPC_NET_SYNC, 0, &message.base, NULL, 0, NULL, &err) == 0);
	lab_await(lab, IPC_NET_SYNCED, &frame, 8000);
	must(ipc_table_unpack(&frame, &base, &err) == 0);
	synced = (void *)base;
	must(!synced->error && synced->n_ports == 0);
	removed = synced->removed;
	protobuf_c_message_free_unpacked(base, NULL);
	ipc_frame_done(&frame);
	return removed;
}

void cni_lab_program(const struct lab *lab, char path[512])
{
	char *slash;

	strcpy(path, lab->netd_path);
	slash = strrchr(path, '/');
	must(slash && strlen(path) < 480);
	strcpy(slash, "/bulkhead-cni");
}

static void take_answer(struct plugin_run *run, const char *text)
{
	const char *message;

	if (!text[0])
		return;
	run->answer = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	must(run->answer);
	run->code = (unsigned)json_integer_value(json_object_get(run->answer, "code"));
	message = json_string_value(json_object_get(run->answer, "msg"));
	if (message)
		snprintf(run->text, sizeof(run->text), "%s", message);
}

struct plugin_run cni_lab_run(
	const struct lab *lab, const char *const *variables, const char *input)
{
	struct plugin_run run = { .status = -1 };
	char program[512];
	const char *const argv[] = { program, NULL };
	cleanup_free char *text = NULL;
	int in[2], out[2], status;
	struct error err;
	size_t size;
	pid_t pid;

	cni_lab_program(lab, program);
	must(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0)
			_exit(98);
		execve(program, (char *const *)(uintptr_t)argv,
			(char *const *)(uintptr_t)variables);
		_exit(97);
	}
	close(in[0]);
	close(out[1]);
	/* A plugin that does not read all of it is not waited for. */
	fd_write_all(in[1], input, strlen(input), NULL);
	close(in[1]);
	must(fd_read_all(out[0], 1 << 20, &text, &size, &err) == 0);
	close(out[0]);
	must(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status))
		run.status = WEXITSTATUS(status);
	take_answer(&run, text);
	return run;
}

struct plugin_run cni_lab_verb(const struct lab *lab, const char *verb, const char *container,
	const char *ifname, const struct pod *pod, const char *args, const char *input)
{
	char text[VARIABLES_MAX][256];
	const char *variables[VARIABLES_MAX + 1] = { NULL };
	size_t n = 0;

	snprintf(text[n++], sizeof(text[0]), "CNI_COMMAND=%s", verb);
	snprintf(text[n++], sizeof(text[0]), "CNI_PATH=/opt/cni/bin");
	if (container)
		snprintf(text[n++], sizeof(text[0]), "CNI_CONTAINERID=%s", container);
	if (ifname)
		snprintf(text[n++], sizeof(text[0]), "CNI_IFNAME=%s", ifname);
	if (pod)
		snprintf(text[n++], sizeof(text[0]), "CNI_NETNS=/proc/%d/fd/%d", (int)getpid(),
			pod->netns_fd);
	if (args)
		snprintf(text[n++], sizeof(text[0]), "CNI_ARGS=%s", args);
	for (size_t i = 0; i < n; i++)
		variables[i] = text[i];
	return cni_lab_run(lab, variables, input);
}

/* 'more' is members with a comma before each. The next call's takes its place. */
const char *cni_config(
	const struct lab *lab, const char *version, const char *network, const char *more)
{
	static char text[1 << 16];

	assert_true(snprintf(text, sizeof(text),
			    "{\"cniVersion\":\"%s\",\"name\":\"%s\",\"type\":\"bulkhead-cni\","
			    "\"socket\":\"%s/cni.sock\"%s}",
			    version, network, lab->dir, more) < (int)sizeof(text));
	return text;
}

const char *cni_with_prev(
	const struct lab *lab, const char *version, const char *network, const json_t *prev)
{
	cleanup_free char *text = json_dumps(prev, JSON_COMPACT);
	cleanup_free char *more = NULL;

	assert_true(text && asprintf(&more, ",\"prevResult\":%s", text) > 0);
	return cni_config(lab, version, network, more);
}

const char *cni_args(const char *project)
{
	static char text[256];

	snprintf(text, sizeof(text), ARGS, project);
	return text;
}

void cni_is_done(struct plugin_run run)
{
	if (run.status != 0)
		fail_msg("code %u: %s", run.code, run.text);
	json_decref(run.answer);
}

void cni_is_refused(struct plugin_run run, unsigned code, const char *says)
{
	assert_int_equal(run.status, 1);
	if (run.code != code || !strstr(run.text, says))
		fail_msg("code %u: %s", run.code, run.text);
	assert_non_null(json_object_get(run.answer, "cniVersion"));
	json_decref(run.answer);
}

/* Attaches 'pod', takes in its address; the caller owns the result. */
json_t *cni_attach(const struct lab *lab, struct pod *pod, const char *container,
	const char *ifname, const char *project, const char *version)
{
	struct plugin_run run = cni_lab_verb(lab, "ADD", container, ifname, pod, cni_args(project),
		cni_config(lab, version, "pods", ""));
	const char *text;
	char dotted[32];
	struct in_addr in;

	if (run.status != 0)
		fail_msg("code %u: %s", run.code, run.text);
	text = json_string_value(
		json_object_get(json_array_get(json_object_get(run.answer, "ips"), 0), "address"));
	assert_int_equal(sscanf(text, "%31[0-9.]/14", dotted), 1);
	assert_int_equal(inet_pton(AF_INET, dotted, &in), 1);
	pod->address = ntohl(in.s_addr);
	return run.answer;
}

void cni_detach(const struct lab *lab, const char *container, const char *ifname)
{
	cni_is_done(cni_lab_verb(
		lab, "DEL", container, ifname, NULL, NULL, cni_config(lab, "1.1.0", "pods", "")));
}

unsigned cni_ports(const struct lab *lab)
{
	cleanup_free char *text =
		lab_run("ovs-vsctl --db=unix:%s/db.sock list-ports br0 | wc -l", lab->dir);

	return (unsigned)atoi(text);
}

void cni_flows_become(struct lab *lab, const char *expected)
{
	for (int i = 0; i < LATER; i++) {
		cleanup_free char *now = lab_flows(lab);

		if (strcmp(now, expected) == 0)
			return;
		usleep(100 * 1000);
	}
	fail_msg("the flows do not become what they must be");
}

void cni_status_becomes(const struct lab *lab, unsigned code)
{
	struct plugin_run run = { 0 };

	for (int i = 0; i < LATER; i++) {
		run = cni_lab_verb(lab, "STATUS", NULL, NULL, NULL, NULL,
			cni_config(lab, "1.1.0", "pods", ""));
		json_decref(run.answer);
		if (run.code == code && run.status == (code ? 1 : 0))
			return;
		usleep(100 * 1000);
	}
	fail_msg("status is %u: %s", run.code, run.text);
}
