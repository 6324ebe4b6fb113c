#include "nodeagent/image/import.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "nodeagent/image/catalog.h"
#include "nodeagent/image/import_commit.h"
#include "nodeagent/image/import_spawn.h"
#include "nodeagent/image/reference.h"
#include "nodeagent/image/trash.h"
#include "proto/ipc_table.h"

struct image_import {
	char *store_dir;
	int store_dirfd;
	int staging_dirfd; /* <store>/staging/<directory> */
	char directory[TRASH_NAME_SIZE];
	char name[IMAGE_NAME_MAX + 1]; /* "" takes the archive's */
	int lifeline_fd;               /* write end: closed when the agent dies */
	int verdict_fd;
	int pidfd;
	int ended;
};

static int make_staging(
	struct image_import *import, const struct image_import_config *config, struct error *err)
{
	cleanup_close int all_fd = openat(import->store_dirfd, STORE_STAGING,
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	trash_name(import->directory);
	if (all_fd < 0 || mkdirat(all_fd, import->directory, 0700) < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot make a staging directory");
	import->staging_dirfd =
		openat(all_fd, import->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (import->staging_dirfd < 0 ||
		fchown(import->staging_dirfd, config->image_base, config->image_base) < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot make a staging directory");
	return 0;
}

/* Of a fixed size: who writes cannot take more memory than that. */
static int make_memfd(struct error *err)
{
	int fd = memfd_create("bulkhead-unpack", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, IMPORT_VERDICT_MAX) == 0 &&
		fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
		return fd;
	error_set(err, error_code_of(errno), errno, "cannot make a memfd");
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The layers that need not be unpacked again. */
static int list_layers(Bulkhead__V1__ImportRequest *request, const struct catalog *catalog,
	int layers_fd, struct error *err)
{
	const char *hex;
	json_t *size;
	struct stat st;

	request->layers = calloc(json_object_size(catalog->layers) + 1, sizeof(*request->layers));
	if (!request->layers)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot list the layers");
	json_object_foreach(catalog->layers, hex, size)
	{
		if (fstatat(layers_fd, hex, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
			request->layers[request->n_layers++] = (char *)(uintptr_t)hex;
	}
	return 0;
}

static int make_request(const struct image_import *import, struct error *err)
{
	Bulkhead__V1__ImportRequest request = BULKHEAD__V1__IMPORT_REQUEST__INIT;
	cleanup_close int layers_fd = openat(
		import->store_dirfd, STORE_LAYERS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	cleanup_close int fd = make_memfd(err);
	struct catalog catalog;
	int r;

	if (fd < 0)
		return -1;
	if (layers_fd < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot open '" STORE_LAYERS "'");
	if (catalog_read(&catalog, import->store_dirfd, err) < 0)
		return -1;
	request.name = (char *)(uintptr_t)import->name;
	r = list_layers(&request, &catalog, layers_fd, err);
	if (r == 0)
		r = unpack_message_write(fd, &request.base, err);
	free(request.layers);
	catalog_done(&catalog);
	return r < 0 ? -1 : take_fd(&fd);
}

/* Descriptors that only the child needs. */
struct handed {
	int fds[UNPACK_FD_END];
};

static void handed_close(struct handed *h)
{
	for (int i = 0; i < UNPACK_FD_END; i++) {
		if (h->fds[i] >= 0)
			close(h->fds[i]);
	}
}

static int make_pipes(
	struct image_import *import, struct handed *h, int *ret_data_fd, struct error *err)
{
	int lifeline[2];
	int data[2];

	if (pipe2(lifeline, O_CLOEXEC) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make a pipe");
	h->fds[UNPACK_LIFELINE_FD] = lifeline[0];
	import->lifeline_fd = lifeline[1];
	if (pipe2(data, O_CLOEXEC) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make a pipe");
	h->fds[UNPACK_ARCHIVE_FD] = data[0];
	*ret_data_fd = data[1];
	return 0;
}

static int start(struct image_import *import, const struct image_import_config *config,
	struct handed *h, int *ret_data_fd, struct error *err)
{
	cleanup_free char *directory = NULL;

	if (asprintf(&directory, "%s/" STORE_STAGING "/%s", import->store_dir, import->directory) <
		0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start an import");
	import->verdict_fd = make_memfd(err);
	if (import->verdict_fd < 0)
		return -1;
	/* A copy, so that what is handed can be closed as one. */
	h->fds[UNPACK_VERDICT_FD] = fcntl(import->verdict_fd, F_DUPFD_CLOEXEC, 0);
	h->fds[UNPACK_REQUEST_FD] = make_request(import, err);
	if (h->fds[UNPACK_REQUEST_FD] < 0)
		return -1;
	h->fds[UNPACK_USERNS_FD] = import_userns_make(config->image_base, config->uid, err);
	if (h->fds[UNPACK_USERNS_FD] < 0 || make_pipes(import, h, ret_data_fd, err) < 0)
		return -1;
	return import_spawn(config->program, directory, h->fds, &import->pidfd, err);
}

static int prepare(
	struct image_import *import, const struct image_import_config *config, struct error *err)
{
	import->store_dir = strdup(config->store_dir);
	if (!import->store_dir)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start an import");
	if (config->name[0] && reference_normalize(config->name, import->name, err) < 0)
		return -1;
	import->store_dirfd = open(config->store_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (import->store_dirfd < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot open '%s'", config->store_dir);
	return make_staging(import, config, err);
}

int image_import_start(struct image_import **ret, const struct image_import_config *config,
	int *ret_data_fd, struct error *err)
{
	struct image_import *import = calloc(1, sizeof(*import));
	struct handed h;
	int data_fd = -1;
	int r;

	if (!import)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot start an import");
	import->store_dirfd = import->staging_dirfd = import->lifeline_fd = -1;
	import->verdict_fd = import->pidfd = -1;
	memset(&h, 0xff, sizeof(h)); /* all -1 */
	r = prepare(import, config, err);
	if (r == 0)
		r = start(import, config, &h, &data_fd, err);
	handed_close(&h);
	if (r < 0) {
		if (data_fd >= 0)
			close(data_fd);
		image_import_free(import);
		return -1;
	}
	*ret_data_fd = data_fd;
	*ret = import;
	return 0;
}

int image_import_fd(const struct image_import *import)
{
	/* A verdict counts when its process is gone: nobody changes what is staged after. */
	return import->pidfd;
}

/* Why there is no verdict. */
static int ended_without(int status, struct error *err)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return error_set(err, ERR_INTERNAL, 0,
			"bulkhead-unpack was killed by its system call filter");
	if (WIFSIGNALED(status))
		return error_set(err, ERR_INTERNAL, 0, "bulkhead-unpack was killed by signal %d",
			WTERMSIG(status));
	return error_set(err, ERR_INTERNAL, 0, "bulkhead-unpack ended with %d and no verdict",
		WEXITSTATUS(status));
}

int image_import_finish(
	struct image_import *import, Bulkhead__V1__ImportImageResponse **ret, struct error *err)
{
	ProtobufCMessage *message;
	Bulkhead__V1__ImportVerdict *verdict;
	struct error why = { 0 };
	int status = 0;
	int r;

	if (!import->ended && import_reap(import->pidfd, 1, &status) == 0)
		return error_set(err, ERR_INTERNAL, 0, "the import is still under way");
	import->ended = 1;
	if (unpack_message_read(import->verdict_fd, &bulkhead__v1__import_verdict__descriptor,
		    &message, &why) < 0) {
		if (why.code == ERR_NOT_FOUND)
			return ended_without(status, err);
		return error_set(err, ERR_INTERNAL, 0, "bulkhead-unpack: %s", why.text);
	}
	verdict = (Bulkhead__V1__ImportVerdict *)message;
	r = ipc_error_unpack(verdict->error, err);
	if (r == 0) {
		const struct import_commit commit = { import->store_dir, import->store_dirfd,
			import->staging_dirfd, import->name };

		r = import_commit(&commit, verdict, ret, err);
	}
	protobuf_c_message_free_unpacked(message, NULL);
	return r;
}

static void kill_and_reap(struct image_import *import)
{
	int status;

	if (import->pidfd < 0 || import->ended)
		return;
	syscall(SYS_pidfd_send_signal, import->pidfd, SIGKILL, NULL, 0);
	import_reap(import->pidfd, 0, &status);
	import->ended = 1;
}

void image_import_free(struct image_import *import)
{
	const int *fds[] = { &import->store_dirfd, &import->staging_dirfd, &import->lifeline_fd,
		&import->verdict_fd, &import->pidfd };

	if (!import)
		return;
	kill_and_reap(import);
	if (import->staging_dirfd >= 0 &&
		trash_move(import->store_dirfd, STORE_STAGING, import->directory, NULL) == 0)
		trash_empty(import->store_dirfd);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
	}
	free(import->store_dir);
	free(import);
}
