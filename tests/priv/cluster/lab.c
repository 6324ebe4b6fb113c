#include "tests/priv/cluster/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"

#define START_MSEC  10000
#define ANSWER_MSEC 8000

/* The one that is open, so that nothing is left behind by exit(). */
static struct lab *opened;

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
	char command[4096];
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
	must(fd_read_all(fileno(pipe), 16 << 20, &text, &size, &err) == 0);
	if (pclose(pipe) != 0) {
		fprintf(stderr, "lab: '%s' failed\n", command);
		exit(99);
	}
	return text;
}

char *lab_transact(struct lab *lab, const char *operations)
{
	return lab_run("ovsdb-client --timeout=20 transact unix:%s/db.sock '[\"Bulkhead\",%s]'",
		lab->dir, operations);
}

/* ---- processes ----------------------------------------------------------------------------- */

/* Children die with the test: nothing is left behind when it is killed. */
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
	close_range(agent_fd >= 0 ? 4 : 3, ~0u, 0); /* what the test itself inherited */
	execv(argv[0], (char *const *)(uintptr_t)argv);
	_exit(97);
}

static void kill_and_wait(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

static void find_build(struct lab *lab)
{
	ssize_t n = readlink("/proc/self/exe", lab->build, sizeof(lab->build) - 32);

	must(n > 0);
	lab->build[n] = '\0';
	for (int i = 0; i < 4; i++) {
		char *slash = strrchr(lab->build, '/');

		must(slash);
		*slash = '\0';
	}
}

void lab_start_ovsdb(struct lab *lab)
{
	char db[96], remote[96], pid[96], ctl[96], sock[96];
	const char *argv[] = { "/usr/sbin/ovsdb-server", db, remote, pid, ctl, "-vconsole:off",
		"-vsyslog:off", NULL };

	snprintf(db, sizeof(db), "%s/cluster.db", lab->dir);
	snprintf(remote, sizeof(remote), "--remote=punix:%s/db.sock", lab->dir);
	snprintf(pid, sizeof(pid), "--pidfile=%s/ovsdb-server.pid", lab->dir);
	snprintf(ctl, sizeof(ctl), "--unixctl=%s/ovsdb-server.ctl", lab->dir);
	snprintf(sock, sizeof(sock), "%s/db.sock", lab->dir);
	unlink(sock);
	lab->ovsdb = spawn(argv, -1);
	for (uint64_t end = lab_msec() + START_MSEC; access(sock, F_OK) < 0;) {
		must(lab_msec() < end);
		usleep(2000);
	}
}

void lab_kill_ovsdb(struct lab *lab)
{
	kill_and_wait(&lab->ovsdb);
}

static void close_at_exit(void)
{
	if (opened)
		lab_close(opened);
}

void lab_open(struct lab *lab)
{
	*lab = (struct lab){ .dir = "/tmp/bulkhead-cluster-XXXXXX", .socket = "db.sock" };
	find_build(lab);
	must(mkdtemp(lab->dir));
	opened = lab;
	must(atexit(close_at_exit) == 0);
	must(setenv("OVS_RUNDIR", lab->dir, 1) == 0 && setenv("OVS_LOGDIR", lab->dir, 1) == 0);
	snprintf(lab->empty, sizeof(lab->empty), "%s/empty", lab->dir);
	must(mkdir(lab->empty, 0555) == 0);
	free(lab_run(
		"ovsdb-tool create %s/cluster.db %s/bulkhead.ovsschema", lab->dir, lab->build));
	lab_start_ovsdb(lab);
}

void lab_close(struct lab *lab)
{
	struct error err = { 0 };

	opened = NULL;
	lab_kill_ovsdb(lab);
	if (tree_remove_at(AT_FDCWD, lab->dir, &err) < 0)
		fprintf(stderr, "lab: %s\n", err.text);
}

void daemon_start(struct daemon *d, struct lab *lab, const char *network, const char *hold)
{
	char binary[560], db[96], uid[16];
	const char *argv[16] = { binary, "--db", db, "--uid", uid, "--gid", uid, "--root",
		lab->empty, "--cluster-network", network, "--host-subnet-bits", "9" };
	struct error err;
	int pair[2];

	snprintf(binary, sizeof(binary), "%s/bulkhead-clusterd", lab->build);
	snprintf(db, sizeof(db), "unix:%s/%s", lab->dir, lab->socket);
	snprintf(uid, sizeof(uid), "%d", LAB_UID);
	if (hold) {
		argv[13] = "--hold";
		argv[14] = hold;
	}
	*d = (struct daemon){ .lab = lab };
	must(ipc_socketpair(pair, &err) == 0);
	d->pid = spawn(argv, pair[1]);
	close(pair[1]);
	must(ipc_table_connect(&d->ipc, pair[0], IPC_AGENT, IPC_CLUSTERD, &err) == 0);
}

static void forget(struct daemon *d)
{
	for (size_t i = 0; i < d->rows.len; i++) {
		free(d->rows.at[i].key);
		protobuf_c_message_free_unpacked(d->rows.at[i].message, NULL);
	}
	free(d->rows.at);
	d->rows = (struct rows){ 0 };
}

void daemon_kill(struct daemon *d)
{
	kill_and_wait(&d->pid);
	ipc_free(d->ipc);
	d->ipc = NULL;
	forget(d);
}

int daemon_stop(struct daemon *d)
{
	int status = 0;

	ipc_free(d->ipc);
	d->ipc = NULL;
	for (uint64_t end = lab_msec() + START_MSEC; waitpid(d->pid, &status, WNOHANG) == 0;) {
		must(lab_msec() < end);
		usleep(2000);
	}
	d->pid = 0;
	forget(d);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- what it told -------------------------------------------------------------------------- */

static struct row *find(const struct daemon *d, const char *key)
{
	for (size_t i = 0; i < d->rows.len; i++) {
		if (strcmp(d->rows.at[i].key, key) == 0)
			return &d->rows.at[i];
	}
	return NULL;
}

const void *daemon_row(const struct daemon *d, const char *key)
{
	const struct row *row = find(d, key);

	return row ? row->message : NULL;
}

size_t daemon_count(const struct daemon *d, const char *prefix)
{
	size_t n = 0;

	for (size_t i = 0; i < d->rows.len; i++)
		n += strncmp(d->rows.at[i].key, prefix, strlen(prefix)) == 0;
	return n;
}

/* A copy of its own: what was received is freed whole. */
static ProtobufCMessage *copy(const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	cleanup_free uint8_t *bytes = malloc(size + 1);

	must(bytes);
	protobuf_c_message_pack(message, bytes);
	return protobuf_c_message_unpack(message->descriptor, NULL, size, bytes);
}

static void put(struct daemon *d, const char *kind, const char *scope, const char *name,
	const ProtobufCMessage *message)
{
	char key[512];
	struct row *row;

	snprintf(key, sizeof(key), "%s:%s%s%s", kind, scope, scope[0] ? "/" : "", name);
	row = find(d, key);
	if (row) {
		protobuf_c_message_free_unpacked(row->message, NULL);
	} else {
		d->rows.at = reallocarray(d->rows.at, d->rows.len + 1, sizeof(*d->rows.at));
		must(d->rows.at);
		row = &d->rows.at[d->rows.len++];
		row->key = strdup(key);
	}
	row->message = copy(message);
}

static void take_out(struct daemon *d, const char *kind, const char *name)
{
	char key[512];
	struct row *row;

	snprintf(key, sizeof(key), "%s:%s", kind, name);
	row = find(d, key);
	if (!row)
		return;
	free(row->key);
	protobuf_c_message_free_unpacked(row->message, NULL);
	*row = d->rows.at[--d->rows.len];
}

static void take_delta(struct daemon *d, const Bulkhead__V1__ClusterDelta *m)
{
	for (size_t i = 0; i < m->n_projects_gone; i++)
		take_out(d, "project", m->projects_gone[i]);
	for (size_t i = 0; i < m->n_secrets_gone; i++)
		take_out(d, "secret", m->secrets_gone[i]);
	for (size_t i = 0; i < m->n_nodes_gone; i++)
		take_out(d, "node", m->nodes_gone[i]);
	for (size_t i = 0; i < m->n_projects; i++)
		put(d, "project", "", m->projects[i]->name, &m->projects[i]->base);
	for (size_t i = 0; i < m->n_secrets; i++)
		put(d, "secret", m->secrets[i]->project, m->secrets[i]->name, &m->secrets[i]->base);
	for (size_t i = 0; i < m->n_nodes; i++)
		put(d, "node", "", m->nodes[i]->name, &m->nodes[i]->base);
}

/* The agent's part: see ipc.proto at ClusterSnapshot. */
static void take_in(struct daemon *d, const struct ipc_frame *frame)
{
	Bulkhead__V1__ClusterDelta delta = BULKHEAD__V1__CLUSTER_DELTA__INIT;
	ProtobufCMessage *message;
	struct error err;

	if (ipc_table_unpack(frame, &message, &err) < 0) {
		fprintf(stderr, "lab: %s\n", err.text);
		exit(99);
	}
	if (frame->type == IPC_CLUSTER_SNAPSHOT) {
		const Bulkhead__V1__ClusterSnapshot *s = (const void *)message;

		forget(d);
		d->pieces = 0;
		d->in_snapshot = true;
		delta.connected = s->connected;
		delta.n_projects = s->n_projects;
		delta.projects = s->projects;
		delta.n_secrets = s->n_secrets;
		delta.secrets = s->secrets;
		delta.n_nodes = s->n_nodes;
		delta.nodes = s->nodes;
		delta.more = s->more;
	} else {
		delta = *(const Bulkhead__V1__ClusterDelta *)message;
	}
	take_delta(d, &delta);
	d->connected = delta.connected;
	d->pieces++;
	if (!delta.more) {
		d->snapshots += d->in_snapshot;
		d->in_snapshot = false;
	}
	protobuf_c_message_free_unpacked(message, NULL);
}

/* One message, an answer left in *ret. 0 when none comes. */
static int take_one(struct daemon *d, int ms, struct ipc_frame *ret)
{
	struct error err = { 0 };
	int r = ipc_recv_wait(d->ipc, ret, ms, &err);

	if (r != 1 && err.code != ERR_TIMEOUT) {
		fprintf(stderr, "lab: clusterd: %s\n", err.text);
		exit(99);
	}
	if (r != 1)
		return 0;
	if (ret->type == IPC_CLUSTER_TXN_REPLY)
		return 1;
	take_in(d, ret);
	ipc_frame_done(ret);
	return 1;
}

void daemon_await_snapshot(struct daemon *d)
{
	const unsigned before = d->snapshots;
	struct ipc_frame frame;

	while (d->snapshots == before)
		must(take_one(d, START_MSEC, &frame) == 1);
}

void daemon_await_connected(struct daemon *d, bool connected)
{
	struct ipc_frame frame;

	while (d->connected != connected)
		must(take_one(d, START_MSEC, &frame) == 1);
}

void daemon_listen(struct daemon *d, int ms)
{
	uint64_t end = lab_msec() + (uint64_t)ms;
	struct ipc_frame frame;

	while (lab_msec() < end && take_one(d, (int)(end - lab_msec()), &frame) == 1)
		;
}

/* ---- requests ------------------------------------------------------------------------------ */

uint32_t daemon_send(struct daemon *d, const Bulkhead__V1__ClusterTxn *txn)
{
	struct error err = { 0 };
	uint32_t serial = 0;

	if (ipc_table_send(d->ipc, IPC_CLUSTER_TXN, 0, &txn->base, NULL, 0, &serial, &err) < 0) {
		fprintf(stderr, "lab: %s\n", err.text);
		exit(99);
	}
	return serial;
}

Bulkhead__V1__ClusterTxnReply *daemon_answer(struct daemon *d, uint32_t serial, int ms)
{
	struct ipc_frame frame = { 0 };
	ProtobufCMessage *message;
	struct error err;

	do
		must(take_one(d, ms, &frame) == 1);
	while (frame.type != IPC_CLUSTER_TXN_REPLY);
	must(serial == 0 || frame.reply_to == serial);
	must(ipc_table_unpack(&frame, &message, &err) == 0);
	ipc_frame_done(&frame);
	return (Bulkhead__V1__ClusterTxnReply *)message;
}

unsigned daemon_do(struct daemon *d, const Bulkhead__V1__ClusterTxn *txn, char *text)
{
	Bulkhead__V1__ClusterTxnReply *reply = daemon_answer(d, daemon_send(d, txn), ANSWER_MSEC);
	unsigned code = reply->error ? reply->error->code : 0;

	if (text)
		snprintf(text, ERROR_TEXT_SIZE, "%s", reply->error ? reply->error->text : "");
	protobuf_c_message_free_unpacked(&reply->base, NULL);
	return code;
}

unsigned daemon_create(struct daemon *d, const char *project, char *text)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;

	txn.create_project = (char *)(uintptr_t)project;
	return daemon_do(d, &txn, text);
}

unsigned daemon_delete(struct daemon *d, const char *project, char *text)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;

	txn.delete_project = (char *)(uintptr_t)project;
	return daemon_do(d, &txn, text);
}

unsigned daemon_put_secret(struct daemon *d, const struct secret *secret, char *text)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	Bulkhead__V1__ClusterSecret m = BULKHEAD__V1__CLUSTER_SECRET__INIT;
	Bulkhead__V1__ClusterSecretKey key = BULKHEAD__V1__CLUSTER_SECRET_KEY__INIT;
	Bulkhead__V1__ClusterSecretKey *keys[] = { &key };
	cleanup_free uint8_t *sealed = malloc(secret->size + 1);

	must(sealed);
	memset(sealed, secret->fill, secret->size);
	key.name = (char *)(uintptr_t) "password";
	key.size = 7;
	m.project = (char *)(uintptr_t)secret->project;
	m.name = (char *)(uintptr_t)secret->name;
	m.type = (char *)(uintptr_t) "Opaque";
	m.node = (char *)(uintptr_t) "n1";
	m.n_keys = 1;
	m.keys = keys;
	m.sealed = (ProtobufCBinaryData){ secret->size, sealed };
	txn.put_secret = &m;
	txn.replace = secret->replace;
	return daemon_do(d, &txn, text);
}

unsigned daemon_delete_secret(struct daemon *d, const char *key, char *text)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;

	txn.delete_secret = (char *)(uintptr_t)key;
	return daemon_do(d, &txn, text);
}

unsigned daemon_put_node(
	struct daemon *d, const char *name, const char *address, uint8_t fill, char *text)
{
	Bulkhead__V1__ClusterTxn txn = BULKHEAD__V1__CLUSTER_TXN__INIT;
	Bulkhead__V1__ClusterNode m = BULKHEAD__V1__CLUSTER_NODE__INIT;
	uint8_t key[32];

	memset(key, fill, sizeof(key));
	m.name = (char *)(uintptr_t)name;
	m.address = (char *)(uintptr_t)address;
	m.sealing_key = (ProtobufCBinaryData){ sizeof(key), key };
	txn.put_node = &m;
	return daemon_do(d, &txn, text);
}
