/*
 * Drives the real bulkhead-secretd as the agent does: a socket pair as its descriptor 3, keys made
 * for the test, volumes that are tmpfs mounted nowhere.
 */
#ifndef TESTS_PRIV_SECRETD_HARNESS_H
#define TESTS_PRIV_SECRETD_HARNESS_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/shim/tmpfs.h"
#include "proto/ipc_table.h"
#include "secrets/envelope.h"
#include "secrets/secret_data.h"
#include "secrets/setup.h"

#define TEST_UID 61236
#define NODE     "node-1"
#define ISSUER   "https://node-1"
#define WAIT_MS  20000

#define S(text) ((char *)(uintptr_t)(text))

struct secretd {
	char dir[64];
	char keys[96], pki[96], empty[96], cluster[96];
	pid_t pid;
	struct ipc *ipc;
	Bulkhead__V1__SecretsHello *hello;
	int volume_fd; /* a tmpfs of 64 KiB and 64 inodes */
};

/* A stage message with room for what its lists point to. */
struct stage {
	Bulkhead__V1__SecretsStage message;
	Bulkhead__V1__PodIdentity identity;
	Bulkhead__V1__ClusterSecret secret[3];
	Bulkhead__V1__SecretSource source[3], *sources[3];
	Bulkhead__V1__SecretItem item[8], *items[8];
	Bulkhead__V1__TokenSource token, *tokens[1];
	Bulkhead__V1__PlainFile file[2], *files[2];
	uint8_t *sealed[3];
};

static struct error test_err;

static ProtobufCMessage *recv_message(struct secretd *s, enum ipc_type type)
{
	ProtobufCMessage *message;
	struct ipc_frame frame;

	if (ipc_recv_wait(s->ipc, &frame, WAIT_MS, &test_err) != 1)
		fail_msg("waiting for %s: %s", ipc_table_name(type), test_err.text);
	if (frame.type != (uint32_t)type)
		fail_msg("%s came, not %s", ipc_table_name(frame.type), ipc_table_name(type));
	if (ipc_table_unpack(&frame, &message, &test_err) < 0)
		fail_msg("%s", test_err.text);
	ipc_frame_done(&frame);
	return message;
}

static int make_tmpfs(uint64_t size, uint64_t inodes, uid_t uid)
{
	const struct tmpfs_options options = {
		.size = size,
		.inodes = inodes,
		.uid = uid,
		.gid = uid,
		.mode = 0755,
		.noswap = 1,
		.attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
	};
	int fd = tmpfs_make(&options, &test_err);

	if (fd < 0)
		fail_msg("%s", test_err.text);
	return fd;
}

static void daemon_exec(const struct secretd *s, int fd)
{
	char program[PATH_MAX], uid[16];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 32);

	program[n > 0 ? n : 0] = '\0';
	for (int i = 0; i < 3; i++)
		*strrchr(program, '/') = '\0';
	strcat(program, "/bulkhead-secretd");
	snprintf(uid, sizeof(uid), "%d", TEST_UID);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dup2(fd, 3) != 3)
		_exit(99);
	fcntl(3, F_SETFD, 0);
	execl(program, "bulkhead-secretd", "--keys", s->keys, "--uid", uid, "--empty-root",
		s->empty, "--issuer", ISSUER, (char *)NULL);
	_exit(99);
}

static void daemon_start(struct secretd *s)
{
	int pair[2];

	assert_int_equal(ipc_socketpair(pair, &test_err), 0);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0)
		daemon_exec(s, pair[1]);
	close(pair[1]);
	assert_int_equal(ipc_table_connect(&s->ipc, pair[0], IPC_AGENT, IPC_SECRETD, &test_err), 0);
	s->hello = (Bulkhead__V1__SecretsHello *)recv_message(s, IPC_SECRETS_HELLO);
}

/* Closes the connection and returns how the daemon ended, as of waitpid(2). */
static int daemon_stop(struct secretd *s)
{
	int status = -1;

	ipc_free(s->ipc);
	s->ipc = NULL;
	if (s->pid > 0)
		assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	s->pid = 0;
	return status;
}

static int set_up(void **state)
{
	struct secretd *s = calloc(1, sizeof(*s));
	struct setup_node node = { .keys = s->keys,
		.pki = s->pki,
		.cluster = s->cluster,
		.name = NODE,
		.address = "127.0.0.1",
		.uid = TEST_UID };

	strcpy(s->dir, "/tmp/bulkhead-secretd-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	assert_int_equal(chmod(s->dir, 0755), 0);
	snprintf(s->keys, sizeof(s->keys), "%s/keys", s->dir);
	snprintf(s->pki, sizeof(s->pki), "%s/pki", s->dir);
	snprintf(s->cluster, sizeof(s->cluster), "%s/cluster", s->dir);
	snprintf(s->empty, sizeof(s->empty), "%s/empty", s->dir);
	assert_int_equal(mkdir(s->empty, 0755), 0);
	if (setup_node(&node, &test_err) < 0)
		fail_msg("%s", test_err.text);
	s->volume_fd = make_tmpfs(65536, 64, TEST_UID);
	*state = s;
	daemon_start(s);
	return 0;
}

static int tear_down(void **state)
{
	struct secretd *s = *state;

	if (s->pid > 0)
		kill(s->pid, SIGKILL);
	daemon_stop(s);
	if (s->hello)
		bulkhead__v1__secrets_hello__free_unpacked(s->hello, NULL);
	close(s->volume_fd);
	tree_remove_at(AT_FDCWD, s->dir, &test_err);
	free(s);
	return 0;
}

/* ---- messages ------------------------------------------------------------------------------ */

static void stage_init(struct stage *g)
{
	memset(g, 0, sizeof(*g));
	bulkhead__v1__secrets_stage__init(&g->message);
	bulkhead__v1__pod_identity__init(&g->identity);
	g->identity.project = S("red");
	g->identity.pod = S("web");
	g->identity.pod_uid = S("11111111-2222-3333-4444-555555555555");
	g->identity.service_account = S("default");
	g->identity.service_account_uid = S("sa-uid");
	g->identity.node = S(NODE);
	g->identity.node_uid = S("node-uid");
	g->message.identity = &g->identity;
	g->message.volume = S("db");
	g->message.default_mode = 0644;
	g->message.secrets = g->sources;
	g->message.tokens = g->tokens;
	g->message.files = g->files;
	for (int i = 0; i < 3; i++) {
		bulkhead__v1__cluster_secret__init(&g->secret[i]);
		bulkhead__v1__secret_source__init(&g->source[i]);
		g->source[i].secret = &g->secret[i];
		g->sources[i] = &g->source[i];
	}
}

static void stage_done(struct stage *g)
{
	for (int i = 0; i < 3; i++)
		free(g->sealed[i]);
}

/* Seals 'values' as secret 'name' of 'project' for this node and adds it to the message. */
static Bulkhead__V1__SecretSource *stage_secret(struct stage *g, struct secretd *s,
	const char *project, const char *name, const struct secret_value *values, size_t len)
{
	const struct envelope_context ctx = { project, name, NODE };
	size_t i = g->message.n_secrets++;
	uint8_t *packed;
	size_t size;

	assert_int_equal(secret_data_pack(values, len, &packed, &size, &test_err), 0);
	assert_int_equal(envelope_seal(s->hello->sealing_key.data, &ctx, packed, size,
				 &g->sealed[i], &g->secret[i].sealed.len, &test_err),
		0);
	envelope_wipe(packed, size);
	g->secret[i].sealed.data = g->sealed[i];
	g->secret[i].project = S(project);
	g->secret[i].name = S(name);
	g->secret[i].node = S(NODE);
	return &g->source[i];
}

static void stage_item(struct stage *g, Bulkhead__V1__SecretSource *source, const char *key,
	const char *path, int mode)
{
	size_t i = source->n_items++;

	bulkhead__v1__secret_item__init(&g->item[i]);
	g->item[i].key = S(key);
	g->item[i].path = S(path);
	g->item[i].mode = mode;
	g->items[i] = &g->item[i];
	source->items = g->items;
}

static void stage_file(struct stage *g, const char *path, const char *content)
{
	size_t i = g->message.n_files++;

	bulkhead__v1__plain_file__init(&g->file[i]);
	g->file[i].path = S(path);
	g->file[i].content.data = (uint8_t *)(uintptr_t)content;
	g->file[i].content.len = strlen(content);
	g->file[i].mode = -1;
	g->files[i] = &g->file[i];
}

/* The caller frees the answer. */
static Bulkhead__V1__SecretsStaged *stage_send(struct secretd *s, const struct stage *g, int fd)
{
	Bulkhead__V1__SecretsStaged *staged;

	if (ipc_table_send(
		    s->ipc, IPC_SECRETS_STAGE, 0, &g->message.base, &fd, 1, NULL, &test_err) < 0)
		fail_msg("%s", test_err.text);
	staged = (Bulkhead__V1__SecretsStaged *)recv_message(s, IPC_SECRETS_STAGED);
	assert_string_equal(staged->volume, g->message.volume);
	return staged;
}

/* Stages into the volume; the directory's name comes into 'ret'. */
static void stage_ok(struct secretd *s, const struct stage *g, char ret[64])
{
	Bulkhead__V1__SecretsStaged *staged = stage_send(s, g, s->volume_fd);

	if (staged->error)
		fail_msg("%s", staged->error->text);
	assert_string_equal(staged->pod_uid, g->identity.pod_uid);
	snprintf(ret, 64, "%s", staged->directory);
	bulkhead__v1__secrets_staged__free_unpacked(staged, NULL);
}

static void stage_refused(
	struct secretd *s, const struct stage *g, int fd, enum error_code code, const char *why)
{
	Bulkhead__V1__SecretsStaged *staged = stage_send(s, g, fd);

	assert_non_null(staged->error);
	if (!strstr(staged->error->text, why))
		fail_msg("'%s' does not say '%s'", staged->error->text, why);
	assert_int_equal(staged->error->code, code);
	assert_string_equal(staged->directory, "");
	bulkhead__v1__secrets_staged__free_unpacked(staged, NULL);
}

/* The error's text in a static buffer, or NULL. */
static const char *publish(struct secretd *s, const char *directory, int fd)
{
	static char text[ERROR_TEXT_SIZE];
	Bulkhead__V1__SecretsPublish message = BULKHEAD__V1__SECRETS_PUBLISH__INIT;
	Bulkhead__V1__SecretsPublished *published;
	const char *ret = NULL;

	message.pod_uid = S("11111111-2222-3333-4444-555555555555");
	message.volume = S("db");
	message.directory = S(directory);
	if (ipc_table_send(s->ipc, IPC_SECRETS_PUBLISH, 0, &message.base, &fd, 1, NULL, &test_err) <
		0)
		fail_msg("%s", test_err.text);
	published = (Bulkhead__V1__SecretsPublished *)recv_message(s, IPC_SECRETS_PUBLISHED);
	assert_string_equal(published->volume, "db");
	if (published->error) {
		snprintf(text, sizeof(text), "%s", published->error->text);
		ret = text;
	}
	bulkhead__v1__secrets_published__free_unpacked(published, NULL);
	return ret;
}

static void publish_ok(struct secretd *s, const char *directory)
{
	const char *why = publish(s, directory, s->volume_fd);

	if (why)
		fail_msg("%s", why);
}

/* ---- looking ------------------------------------------------------------------------------- */

static void assert_content(int dirfd, const char *path, const char *want)
{
	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	cleanup_free char *text = NULL;
	size_t size;

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	assert_int_equal(fd_read_all(fd, 1 << 20, &text, &size, &test_err), 0);
	assert_string_equal(text, want);
}

static void assert_mode(int dirfd, const char *path, mode_t want)
{
	struct stat st;

	assert_int_equal(fstatat(dirfd, path, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, want);
}

static void assert_link(int dirfd, const char *path, const char *want)
{
	char target[256] = "";

	assert_true(readlinkat(dirfd, path, target, sizeof(target) - 1) > 0);
	assert_string_equal(target, want);
}

static int count_entries(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = fdopendir(fd);
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	return n - 2;
}

#endif
