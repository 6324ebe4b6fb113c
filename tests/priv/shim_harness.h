/*
 * Drives the real bulkhead-shim as the agent does: a socket pair as its descriptor 3, plans in,
 * messages out. Everything made lies beneath one temporary directory and one cgroup, and goes
 * with pod_done(). For the test_shim_*.c programs only, which include it once each.
 */
#ifndef TESTS_PRIV_SHIM_HARNESS_H
#define TESTS_PRIV_SHIM_HARNESS_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/cgroup/cgroup.h"
#include "proto/ipc_table.h"
#include "tests/priv/assert_text.h"
#include "tests/priv/layer.h"

#define SLICE      1910000000u
#define PROJECT_ID 1920000000u /* the project's own ids, mapped to themselves */
#define WAIT_MS    15000

#pragma GCC diagnostic ignored "-Wunused-function"

struct pod {
	char dir[64];
	char state[96], logs[96], layer[96], socket[96], cgroup[128];
	char uid[64];
	char program[96]; /* the shim to run, "" for the one of the build */
	pid_t shim;
	struct ipc *ipc;
	int fds[IPC_FDS_MAX]; /* of SANDBOX_READY */
	size_t fds_len;
	Bulkhead__V1__SandboxPlan plan;
	Bulkhead__V1__IdMap maps[2], *map_list[2];
	Bulkhead__V1__Tmpfs tmpfs[4], *tmpfs_list[4];
	Bulkhead__V1__CgroupLimits limits;
	char *hosts[2], *resolv[1];
};

/* A plan and the lists it points to. */
struct box {
	Bulkhead__V1__ContainerPlan plan;
	Bulkhead__V1__CgroupLimits limits;
	Bulkhead__V1__Mount mounts[4], *mount_list[4];
	char *layers[4], *args[16], *env[4], *caps[8], *masked[8], *read_only[8];
	uint32_t groups[4];
};

static struct error test_err;

static void tmpfs_add(struct pod *p, const char *name, int secret, uint32_t uid, uint32_t mode)
{
	size_t i = p->plan.n_tmpfs++;

	bulkhead__v1__tmpfs__init(&p->tmpfs[i]);
	p->tmpfs[i].name = (char *)(uintptr_t)name;
	p->tmpfs[i].kind = secret ? BULKHEAD__V1__TMPFS_KIND__TMPFS_SECRET
				  : BULKHEAD__V1__TMPFS_KIND__TMPFS_EMPTY_DIR;
	p->tmpfs[i].size = 65536;
	p->tmpfs[i].inodes = 32;
	p->tmpfs[i].uid = uid;
	p->tmpfs[i].gid = uid;
	p->tmpfs[i].mode = mode;
	p->tmpfs_list[i] = &p->tmpfs[i];
}

/* Directories and a default plan with an image's layer that is there; nothing runs yet. */
static void pod_init_layer(struct pod *p, const char *layer)
{
	static int count;

	memset(p, 0, sizeof(*p));
	strcpy(p->dir, "/tmp/bulkhead-shim-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	assert_int_equal(chmod(p->dir, 0700), 0);
	snprintf(p->uid, sizeof(p->uid), "%d-%d", getpid(), count++);
	snprintf(p->state, sizeof(p->state), "%s/state", p->dir);
	snprintf(p->logs, sizeof(p->logs), "%s/logs", p->dir);
	snprintf(p->layer, sizeof(p->layer), "%s", layer);
	snprintf(p->socket, sizeof(p->socket), "%s/shim.sock", p->dir);
	snprintf(p->cgroup, sizeof(p->cgroup), "bulkhead-test-%d/pod%s", getpid(), p->uid);
	assert_int_equal(mkdir(p->state, 0700), 0);
	assert_int_equal(mkdir(p->logs, 0750), 0);
	bulkhead__v1__sandbox_plan__init(&p->plan);
	bulkhead__v1__cgroup_limits__init(&p->limits);
	p->plan.pod_uid = p->uid;
	p->plan.project = (char *)(uintptr_t) "red";
	p->plan.pod = (char *)(uintptr_t) "test";
	p->plan.hostname = (char *)(uintptr_t) "test-pod";
	p->plan.cgroup = p->cgroup;
	p->plan.log_dir = p->logs;
	p->plan.pod_dir = p->state;
	p->plan.image_base = IMAGE_BASE;
	for (int i = 0; i < 2; i++) {
		bulkhead__v1__id_map__init(&p->maps[i]);
		p->map_list[i] = &p->maps[i];
	}
	p->maps[0].outside = SLICE;
	p->maps[0].count = 65536;
	p->maps[1].inside = p->maps[1].outside = PROJECT_ID;
	p->maps[1].count = 10000;
	p->plan.uid_map = p->map_list;
	p->plan.n_uid_map = 2;
	p->plan.tmpfs = p->tmpfs_list;
	p->hosts[0] = (char *)(uintptr_t) "127.0.0.1 localhost";
	p->hosts[1] = (char *)(uintptr_t) "10.0.0.2 test-pod";
	p->plan.etc_hosts = p->hosts;
	p->plan.n_etc_hosts = 2;
	p->resolv[0] = (char *)(uintptr_t) "nameserver 10.0.0.1";
	p->plan.etc_resolv = p->resolv;
	p->plan.n_etc_resolv = 1;
	p->limits.pids_max = 256;
	p->plan.limits = &p->limits;
}

/* The same with a layer of its own. */
static void pod_init(struct pod *p)
{
	pod_init_layer(p, "");
	snprintf(p->layer, sizeof(p->layer), "%s/layer", p->dir);
	layer_make(p->layer);
}

static ProtobufCMessage *pod_recv(struct pod *p, enum ipc_type type, struct ipc_frame *frame)
{
	ProtobufCMessage *message;

	if (ipc_recv_wait(p->ipc, frame, WAIT_MS, &test_err) != 1)
		fail_msg("waiting for %s: %s", ipc_table_name(type), test_err.text);
	if (frame->type != (uint32_t)type)
		fail_msg("%s came, not %s", ipc_table_name(frame->type), ipc_table_name(type));
	if (ipc_table_unpack(frame, &message, &test_err) < 0)
		fail_msg("%s", test_err.text);
	return message;
}

static void pod_send(struct pod *p, enum ipc_type type, const ProtobufCMessage *message)
{
	if (ipc_table_send(p->ipc, type, 0, message, NULL, 0, NULL, &test_err) < 0)
		fail_msg("%s", test_err.text);
}

/* Starts the shim and reads its first SHIM_STATE. */
static void pod_spawn(struct pod *p)
{
	char build[PATH_MAX];
	char shim[PATH_MAX + 32];
	struct ipc_frame frame;
	int pair[2];

	build_dir(build, sizeof(build));
	snprintf(shim, sizeof(shim), "%s", p->program);
	if (!p->program[0])
		snprintf(shim, sizeof(shim), "%s/bulkhead-shim", build);
	assert_int_equal(ipc_socketpair(pair, &test_err), 0);
	p->shim = fork();
	assert_true(p->shim >= 0);
	if (p->shim == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (dup2(pair[1], 3) != 3)
			_exit(1);
		fcntl(3, F_SETFD, 0);
		execl(shim, "bulkhead-shim", "--socket", p->socket, (char *)NULL);
		_exit(1);
	}
	close(pair[1]);
	assert_int_equal(ipc_table_connect(&p->ipc, pair[0], IPC_AGENT, IPC_SHIM, &test_err), 0);
	protobuf_c_message_free_unpacked(pod_recv(p, IPC_SHIM_STATE, &frame), NULL);
	ipc_frame_done(&frame);
}

/* Sends the plan; returns the error text, or NULL when the sandbox stands. Static buffer. */
static const char *pod_sandbox(struct pod *p)
{
	static char text[ERROR_TEXT_SIZE];
	struct ipc_frame frame;
	Bulkhead__V1__SandboxReady *ready;
	const char *ret = NULL;

	pod_send(p, IPC_SANDBOX_PLAN, &p->plan.base);
	ready = (Bulkhead__V1__SandboxReady *)pod_recv(p, IPC_SANDBOX_READY, &frame);
	if (ready->error) {
		snprintf(text, sizeof(text), "%s", ready->error->text);
		ret = text;
	}
	p->fds_len = frame.fds_len;
	for (size_t i = 0; i < frame.fds_len; i++)
		p->fds[i] = ipc_frame_take_fd(&frame, i);
	ipc_frame_done(&frame);
	bulkhead__v1__sandbox_ready__free_unpacked(ready, NULL);
	return ret;
}

static void pod_up(struct pod *p)
{
	const char *text;

	pod_spawn(p);
	text = pod_sandbox(p);
	if (text)
		fail_msg("sandbox: %s", text);
}

/* Asks the shim to end; its exit status. */
static int pod_destroy(struct pod *p)
{
	Bulkhead__V1__ShimDestroy destroy = BULKHEAD__V1__SHIM_DESTROY__INIT;
	int status = -1;

	if (p->shim <= 0)
		return 0;
	if (p->ipc) {
		pod_send(p, IPC_SHIM_DESTROY, &destroy.base);
		for (;;) {
			struct ipc_frame frame;

			if (ipc_recv_wait(p->ipc, &frame, WAIT_MS, &test_err) != 1)
				fail_msg("waiting for SHIM_DESTROYED: %s", test_err.text);
			if (frame.type == IPC_SHIM_DESTROYED) {
				ProtobufCMessage *m;
				const Bulkhead__V1__ShimDestroyed *d;

				assert_int_equal(ipc_table_unpack(&frame, &m, &test_err), 0);
				d = (const Bulkhead__V1__ShimDestroyed *)m;
				if (d->error)
					fail_msg("destroy: %s", d->error->text);
				protobuf_c_message_free_unpacked(m, NULL);
				ipc_frame_done(&frame);
				break;
			}
			ipc_frame_done(&frame);
		}
	} else {
		kill(p->shim, SIGKILL);
	}
	assert_int_equal(waitpid(p->shim, &status, 0), p->shim);
	p->shim = 0;
	return status;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* Kills the shim, and what of its pod is left in the kernel: as the agent does. */
static void pod_kill(struct pod *p)
{
	struct cgroup_tree tree;
	int root_fd = open("/sys/fs/cgroup", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char parent[64];

	if (p->shim > 0) {
		kill(p->shim, SIGKILL);
		waitpid(p->shim, NULL, 0);
		p->shim = 0;
	}
	ipc_free(p->ipc);
	p->ipc = NULL;
	for (size_t i = 0; i < p->fds_len; i++)
		close(p->fds[i]);
	p->fds_len = 0;
	if (root_fd >= 0 && cgroup_tree_open(&tree, root_fd, NULL) == 0) {
		snprintf(parent, sizeof(parent), "bulkhead-test-%d", getpid());
		cgroup_reap(&tree, parent, 3000, NULL);
		cgroup_tree_done(&tree);
	}
	if (root_fd >= 0)
		close(root_fd);
}

/* Removes everything, also after a failed test. */
static void pod_done(struct pod *p)
{
	pod_kill(p);
	if (p->dir[0])
		assert_int_equal(nftw(p->dir, remove_one, 32, FTW_PHYS | FTW_DEPTH | FTW_MOUNT), 0);
}

static void box_init(struct box *b, struct pod *p, const char *name)
{
	memset(b, 0, sizeof(*b));
	bulkhead__v1__container_plan__init(&b->plan);
	bulkhead__v1__cgroup_limits__init(&b->limits);
	b->plan.name = (char *)(uintptr_t)name;
	b->plan.layers = b->layers;
	b->layers[0] = p->layer;
	b->plan.n_layers = 1;
	b->plan.args = b->args;
	b->plan.env = b->env;
	b->plan.capabilities = b->caps;
	b->plan.mounts = b->mount_list;
	b->plan.masked_paths = b->masked;
	b->plan.read_only_paths = b->read_only;
	b->plan.groups = b->groups;
	b->plan.no_new_privs = 1;
	b->plan.limits = &b->limits;
}

static void box_args(struct box *b, const char *first, ...)
{
	va_list ap;

	b->plan.n_args = 0;
	va_start(ap, first);
	for (const char *arg = first; arg; arg = va_arg(ap, const char *))
		b->args[b->plan.n_args++] = (char *)(uintptr_t)arg;
	va_end(ap);
}

static void box_shell(struct box *b, const char *script)
{
	box_args(b, "/bin/sh", "-c", script, NULL);
}

static void box_mount(
	struct box *b, int tmpfs, const char *volume, const char *target, int read_only)
{
	Bulkhead__V1__Mount *m = &b->mounts[b->plan.n_mounts];

	bulkhead__v1__mount__init(m);
	m->kind = tmpfs ? BULKHEAD__V1__MOUNT_KIND__MOUNT_TMPFS
			: BULKHEAD__V1__MOUNT_KIND__MOUNT_EMPTY_DIR;
	m->volume = (char *)(uintptr_t)volume;
	m->target = (char *)(uintptr_t)target;
	m->read_only = read_only;
	b->mount_list[b->plan.n_mounts++] = m;
}

/* Starts it; the error text, or NULL. The pid goes to *ret_pid (may be NULL). */
static const char *box_try(struct pod *p, struct box *b, int *ret_pid)
{
	static char text[ERROR_TEXT_SIZE];
	struct ipc_frame frame;
	Bulkhead__V1__ContainerStarted *started;
	const char *ret = NULL;

	pod_send(p, IPC_CONTAINER_PLAN, &b->plan.base);
	started = (Bulkhead__V1__ContainerStarted *)pod_recv(p, IPC_CONTAINER_STARTED, &frame);
	assert_string_equal(started->name, b->plan.name);
	if (started->error) {
		snprintf(text, sizeof(text), "%s", started->error->text);
		ret = text;
	}
	if (ret_pid)
		*ret_pid = started->pid;
	ipc_frame_done(&frame);
	bulkhead__v1__container_started__free_unpacked(started, NULL);
	return ret;
}

static int box_start(struct pod *p, struct box *b)
{
	int pid = 0;
	const char *text = box_try(p, b, &pid);

	if (text)
		fail_msg("%s", text);
	return pid;
}

struct ending {
	int code, signal, oom;
};

static struct ending box_wait(struct pod *p, const char *name)
{
	struct ipc_frame frame;
	Bulkhead__V1__ContainerExited *e =
		(Bulkhead__V1__ContainerExited *)pod_recv(p, IPC_CONTAINER_EXITED, &frame);
	struct ending ret = { e->exit_code, e->signal, e->oom_killed };

	assert_string_equal(e->name, name);
	ipc_frame_done(&frame);
	bulkhead__v1__container_exited__free_unpacked(e, NULL);
	return ret;
}

/* The text of a container's log without the CRI stamps; pieces put together. The caller frees it.
 */
static char *box_log(struct pod *p, const char *name, unsigned restart)
{
	char path[512];
	cleanup_free char *raw = NULL;
	size_t size;
	char *text;
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/%s/%u.log", p->logs, name, restart);
	if (file_read_at(AT_FDCWD, path, 64 << 20, &raw, &size, &test_err) < 0)
		fail_msg("%s", test_err.text);
	text = calloc(1, size + 1);
	for (char *line = raw; line && *line;) {
		char *end = strchr(line, '\n');
		size_t len;

		assert_non_null(end);
		len = (size_t)(end - line);
		/* stamp, stream, tag */
		assert_true(len >= 40 && line[29] == 'Z' && strncmp(line + 30, " std", 4) == 0);
		assert_true(
			line[38] == 'F' || line[38] == 'P' || line[37] == 'F' || line[37] == 'P');
		memcpy(text + n, line + 40, len - 40);
		n += len - 40;
		if (line[38] == 'F')
			text[n++] = '\n';
		line = end + 1;
	}
	return text;
}

/* Waits until the log of a box that runs has 'part', and returns it. */
static char *box_log_wait(struct pod *p, const char *name, unsigned restart, const char *part)
{
	for (int i = 0; i < WAIT_MS / 10; i++) {
		char *text = box_log(p, name, restart);

		if (strstr(text, part))
			return text;
		free(text);
		usleep(10000);
	}
	fail_msg("'%s' does not come in the log of '%s'", part, name);
	return NULL;
}

/* Runs a box to its end and returns its log. */
static char *box_run(struct pod *p, struct box *b, struct ending *ret)
{
	struct ending ending;

	box_start(p, b);
	ending = box_wait(p, b->plan.name);
	if (ret)
		*ret = ending;
	return box_log(p, b->plan.name, b->plan.restart);
}

/* Executes in a running box; returns stdout and stderr together, the code in *ret_code. */
static char *box_exec_args(
	struct pod *p, const char *name, const char *const *args, size_t args_len, int *ret_code)
{
	static uint64_t id;
	Bulkhead__V1__ExecPlan plan = BULKHEAD__V1__EXEC_PLAN__INIT;
	char *out[2] = { NULL, NULL };
	char *both;
	struct ipc_frame frame;
	Bulkhead__V1__ExecStarted *started;
	Bulkhead__V1__ExecExited *exited;
	size_t size;

	plan.id = ++id;
	plan.container = (char *)(uintptr_t)name;
	plan.args = (char **)(uintptr_t)args;
	plan.n_args = args_len;
	pod_send(p, IPC_EXEC_PLAN, &plan.base);
	started = (Bulkhead__V1__ExecStarted *)pod_recv(p, IPC_EXEC_STARTED, &frame);
	if (started->error)
		fail_msg("%s", started->error->text);
	assert_int_equal(frame.fds_len, 3);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
			fd_read_all(frame.fds[i + 1], 1 << 20, &out[i], &size, &test_err), 0);
	ipc_frame_done(&frame);
	bulkhead__v1__exec_started__free_unpacked(started, NULL);
	exited = (Bulkhead__V1__ExecExited *)pod_recv(p, IPC_EXEC_EXITED, &frame);
	assert_int_equal(exited->id, plan.id);
	if (ret_code)
		*ret_code = exited->exit_code;
	else
		assert_int_equal(exited->exit_code, 0);
	ipc_frame_done(&frame);
	bulkhead__v1__exec_exited__free_unpacked(exited, NULL);
	assert_true(asprintf(&both, "%s%s", out[0], out[1]) >= 0);
	free(out[0]);
	free(out[1]);
	return both;
}

static char *box_exec(struct pod *p, const char *name, const char *script, int *ret_code)
{
	const char *const args[] = { "/bin/sh", "-c", script };

	return box_exec_args(p, name, args, ARRAY_LEN(args), ret_code);
}

static void box_signal(struct pod *p, const char *name, int sig)
{
	Bulkhead__V1__ContainerKill kill_message = BULKHEAD__V1__CONTAINER_KILL__INIT;

	kill_message.name = (char *)(uintptr_t)name;
	kill_message.signal = sig;
	pod_send(p, IPC_CONTAINER_KILL, &kill_message.base);
}

/* One pod a test, cleaned up whatever happens. */
static int pod_setup(void **state)
{
	struct pod *p = calloc(1, sizeof(*p));

	*state = p;
	if (!p)
		return -1;
	pod_init(p);
	return 0;
}

static int pod_teardown(void **state)
{
	pod_done(*state);
	free(*state);
	return 0;
}

#define pod_test(f) cmocka_unit_test_setup_teardown(f, pod_setup, pod_teardown)

#endif
