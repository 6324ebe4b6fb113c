#include "nodeagent/agent/pod_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/pod_edit.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/record.h"

#define FOLDER   "pods"
#define FILE_POD "pod"
#define PROGRESS "progress"
#define NEW      ".new-"
#define GONE     ".gone-"
#define BAD      ".bad-"

/*
 * The next progress is written over one that is past, in blocks that it has already: a full disk
 * must not keep a pod's end, which is what frees it, from being recorded. SPARE is for the first
 * exchange, when there is no past one yet.
 */
#define NEXT       ".progress.next"
#define SPARE      ".progress.spare"
#define SPARE_SIZE 4096

#define NAME_SIZE 64

bool pod_uid_valid(const char *uid)
{
	for (int i = 0; i < POD_UID_SIZE - 1; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (uid[i] != '-')
				return false;
		} else if (!uid[i] || !strchr("0123456789abcdef", uid[i])) {
			return false;
		}
	}
	return uid[POD_UID_SIZE - 1] == '\0';
}

static int folder_open(int state_dirfd, struct error *err)
{
	int fd = openat(state_dirfd, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd
		       : error_set(err, error_code_of(errno), errno, "cannot open '" FOLDER "'");
}

static int pod_open(int folder_fd, const char *name, struct error *err)
{
	int fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 ? fd
		       : error_set(err, error_code_of(errno), errno, "cannot open '" FOLDER "/%s'",
				 name);
}

static int sync_folder(int fd, struct error *err)
{
	if (fsync(fd) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot sync '" FOLDER "'");
	return 0;
}

static bool has_prefix(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Calls 'visit' for each name; stops at an error. */
static int each_name(int folder_fd, int (*visit)(void *user, const char *name, struct error *err),
	void *user, struct error *err)
{
	int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		error_set(err, error_code_of(errno), errno, "cannot list '" FOLDER "'");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while ((entry = readdir(dir))) {
		if (visit(user, entry->d_name, err) < 0)
			return -1;
	}
	return 0;
}

static int sweep_one(void *user, const char *name, struct error *err)
{
	(void)err;
	/* It costs space, no more: what cannot be removed now is tried at the next start. */
	if (has_prefix(name, NEW))
		tree_remove_at(*(int *)user, name, NULL);
	return 0;
}

int pod_store_prepare(int state_dirfd, struct error *err)
{
	cleanup_close int fd = -1;

	if (mkdirat(state_dirfd, FOLDER, 0700) < 0 && errno != EEXIST)
		return error_set(err, error_code_of(errno), errno, "cannot make '" FOLDER "'");
	fd = folder_open(state_dirfd, err);
	return fd < 0 ? -1 : each_name(fd, sweep_one, &fd, err);
}

static int write_record(
	int dirfd, const char *name, const ProtobufCMessage *message, struct error *err)
{
	cleanup_free uint8_t *data = NULL;
	size_t size;

	if (record_pack(message, &data, &size, err) < 0)
		return -1;
	return file_replace_at(dirfd, name, data, size, 0600, err);
}

static int spare_make(int dirfd, const char *name, struct error *err)
{
	cleanup_close int fd =
		openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int e = fd < 0 ? errno : posix_fallocate(fd, 0, SPARE_SIZE);

	return e ? error_set(err, error_code_of(e), e, "cannot make '%s'", name) : 0;
}

static int next_write(int dirfd, const void *data, size_t size, struct error *err)
{
	cleanup_close int fd =
		openat(dirfd, NEXT, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 || fd_write_all(fd, data, size, NULL) < 0 || ftruncate(fd, (off_t)size) < 0 ||
		fsync(fd) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot write '" PROGRESS "'");
	return 0;
}

/* What was PROGRESS becomes NEXT; at the first time SPARE does. */
static int next_publish(int dirfd, struct error *err)
{
	if (renameat2(dirfd, NEXT, dirfd, PROGRESS, RENAME_EXCHANGE) == 0)
		return 0;
	if (errno != ENOENT || renameat(dirfd, NEXT, dirfd, PROGRESS) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot replace '" PROGRESS "'");
	/* Without it the next write needs room, no more. */
	renameat(dirfd, SPARE, dirfd, NEXT);
	return 0;
}

static int write_progress(int dirfd, const ProtobufCMessage *message, struct error *err)
{
	cleanup_free uint8_t *data = NULL;
	size_t size;

	if (record_pack(message, &data, &size, err) < 0 || next_write(dirfd, data, size, err) < 0 ||
		next_publish(dirfd, err) < 0)
		return -1;
	return sync_folder(dirfd, err);
}

/* The directory under its first name; file_replace_at() syncs both the file and the directory. */
static int fill_new(
	int folder_fd, const char *name, const Bulkhead__V1__PodFile *file, struct error *err)
{
	cleanup_close int fd = -1;

	if (mkdirat(folder_fd, name, 0700) < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot make '" FOLDER "/%s'", name);
	fd = pod_open(folder_fd, name, err);
	if (fd < 0 || spare_make(fd, NEXT, err) < 0 || spare_make(fd, SPARE, err) < 0)
		return -1;
	return write_record(fd, FILE_POD, &file->base, err);
}

int pod_store_add(int state_dirfd, const Bulkhead__V1__PodFile *file, struct error *err)
{
	cleanup_close int fd = folder_open(state_dirfd, err);
	const char *uid = file->pod->metadata->uid;
	char name[NAME_SIZE];

	if (fd < 0)
		return -1;
	snprintf(name, sizeof(name), NEW "%s", uid);
	if (fill_new(fd, name, file, err) < 0)
		goto fail;
	if (renameat(fd, name, fd, uid) < 0) {
		error_set(err, error_code_of(errno), errno, "cannot name '" FOLDER "/%s'", uid);
		goto fail;
	}
	/* From here on a restart would find it, so a failure must take it out again. */
	if (sync_folder(fd, err) < 0) {
		renameat(fd, uid, fd, name);
		goto fail;
	}
	return 0;
fail:
	tree_remove_at(fd, name, NULL);
	return -1;
}

int pod_store_progress(int state_dirfd, const char *uid, const Bulkhead__V1__PodProgress *progress,
	struct error *err)
{
	cleanup_close int folder_fd = folder_open(state_dirfd, err);
	cleanup_close int fd = folder_fd < 0 ? -1 : pod_open(folder_fd, uid, err);

	return fd < 0 ? -1 : write_progress(fd, &progress->base, err);
}

static int read_record(int dirfd, const char *name, const ProtobufCMessageDescriptor *desc,
	ProtobufCMessage **ret, struct error *err)
{
	cleanup_free char *data = NULL;
	size_t size;

	if (file_read_at(dirfd, name, RECORD_SIZE_MAX, &data, &size, err) < 0)
		return -1;
	if (record_unpack(desc, (uint8_t *)data, size, ret, err) < 0)
		return error_prefix(err, "'%s'", name);
	return 0;
}

static int read_progress(int dirfd, Bulkhead__V1__PodProgress **ret, struct error *err)
{
	ProtobufCMessage *message = NULL;

	if (faccessat(dirfd, PROGRESS, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) {
		*ret = NULL;
		return 0;
	}
	if (read_record(dirfd, PROGRESS, &bulkhead__v1__pod_progress__descriptor, &message, err) <
		0)
		return -1;
	*ret = (Bulkhead__V1__PodProgress *)message;
	return 0;
}

/* A record that is sound may still be another pod's, copied there. */
static int check_file(const Bulkhead__V1__PodFile *file, const char *uid, struct error *err)
{
	const K8sObjectMeta *meta = file->pod ? file->pod->metadata : NULL;

	if (!meta || !file->pod->spec || !meta->name || !meta->namespace_ || !meta->uid)
		return error_set(err, ERR_INVALID, 0, "the pod has no name, project, uid or spec");
	if (strcmp(meta->uid, uid) != 0)
		return error_set(err, ERR_INVALID, 0, "it is the record of pod %.64s", meta->uid);
	if (file->n_images != file->pod->spec->n_initcontainers + file->pod->spec->n_containers)
		return error_set(err, ERR_INVALID, 0, "it does not name an image per container");
	return 0;
}

int pod_store_read(int state_dirfd, const char *uid, Bulkhead__V1__PodFile **ret_file,
	Bulkhead__V1__PodProgress **ret_progress, struct error *err)
{
	cleanup_close int folder_fd = folder_open(state_dirfd, err);
	cleanup_close int fd = folder_fd < 0 ? -1 : pod_open(folder_fd, uid, err);
	ProtobufCMessage *message = NULL;
	Bulkhead__V1__PodFile *file;

	if (fd < 0 ||
		read_record(fd, FILE_POD, &bulkhead__v1__pod_file__descriptor, &message, err) < 0)
		return -1;
	file = (Bulkhead__V1__PodFile *)message;
	if (check_file(file, uid, err) < 0 || read_progress(fd, ret_progress, err) < 0) {
		bulkhead__v1__pod_file__free_unpacked(file, NULL);
		return -1;
	}
	*ret_file = file;
	return 0;
}

struct list {
	char **names;
	size_t len;
};

static int list_one(void *user, const char *name, struct error *err)
{
	struct list *list = user;

	return pod_uid_valid(name) ? edit_append_string(&list->names, &list->len, name, err) : 0;
}

int pod_store_list(int state_dirfd, char ***ret, size_t *ret_len, struct error *err)
{
	cleanup_close int fd = folder_open(state_dirfd, err);
	struct list list = { NULL, 0 };

	if (fd < 0)
		return -1;
	if (each_name(fd, list_one, &list, err) < 0) {
		pod_store_list_free(list.names, list.len);
		return -1;
	}
	*ret = list.names;
	*ret_len = list.len;
	return 0;
}

void pod_store_list_free(char **list, size_t len)
{
	for (size_t i = 0; i < len; i++)
		free(list[i]);
	free(list);
}

static int rename_durably(int state_dirfd, const char *uid, const char *prefix, struct error *err)
{
	cleanup_close int fd = folder_open(state_dirfd, err);
	char name[NAME_SIZE];

	if (fd < 0)
		return -1;
	snprintf(name, sizeof(name), "%s%s", prefix, uid);
	if (renameat(fd, uid, fd, name) < 0 && errno != ENOENT)
		return error_set(err, error_code_of(errno), errno,
			"cannot rename '" FOLDER "/%s' to '%s'", uid, name);
	return sync_folder(fd, err);
}

int pod_store_set_aside(int state_dirfd, const char *uid, struct error *err)
{
	return rename_durably(state_dirfd, uid, BAD, err);
}

int pod_store_remove(int state_dirfd, const char *uid, struct error *err)
{
	return rename_durably(state_dirfd, uid, GONE, err);
}

int pod_store_clear(int state_dirfd, const char *uid, struct error *err)
{
	cleanup_close int fd = folder_open(state_dirfd, err);
	char name[NAME_SIZE];

	if (fd < 0)
		return -1;
	snprintf(name, sizeof(name), GONE "%s", uid);
	return tree_remove_at(fd, name, err);
}

static int clear_one(void *user, const char *name, struct error *err)
{
	(void)err;
	if (has_prefix(name, GONE))
		tree_remove_at(*(int *)user, name, NULL);
	return 0;
}

int pod_store_clear_all(int state_dirfd, struct error *err)
{
	cleanup_close int fd = folder_open(state_dirfd, err);

	return fd < 0 ? -1 : each_name(fd, clear_one, &fd, err);
}
