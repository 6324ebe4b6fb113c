/* -f: files, folders of them, standard input; each a row of documents. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/egress_policy.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/ctl/ctl.h"
#include "proto/decode.h"

struct manifest {
	struct ctl *ctl;
	const struct ctl_each *each;
	void *user;
	size_t seen; /* documents */
};

static bool is_kind(const struct decode_document *doc, const char *name)
{
	struct decode_kind kind;

	/* What is wrong with it is said by the one who decodes it. */
	return decode_kind(doc->text, doc->size, &kind, NULL) == 0 && strcmp(kind.kind, name) == 0;
}

static int each_policy(
	struct manifest *m, const char *path, const struct decode_document *doc, struct error *err)
{
	cleanup_message ProtobufCMessage *policy = NULL;

	if (decode_object(K8S_NETWORK_POLICY_DESC, K8S_NETWORK_POLICY_VERSION,
		    K8S_NETWORK_POLICY_KIND, doc->text, doc->size, &policy, err) < 0)
		return error_prefix(err, "%s (document at line %u)", path, doc->line);
	return m->each->policy(m->ctl, (K8sNetworkPolicy *)policy, m->user, err);
}

static int each_egress(
	struct manifest *m, const char *path, const struct decode_document *doc, struct error *err)
{
	cleanup_message ProtobufCMessage *policy = NULL;

	if (decode_object(EGRESS_POLICY_DESC, EGRESS_POLICY_VERSION, EGRESS_POLICY_KIND, doc->text,
		    doc->size, &policy, err) < 0)
		return error_prefix(err, "%s (document at line %u)", path, doc->line);
	return m->each->egress(m->ctl, (Bulkhead__V1__EgressNetworkPolicy *)policy, m->user, err);
}

static int each_pod(
	struct manifest *m, const char *path, const struct decode_document *doc, struct error *err)
{
	cleanup_message ProtobufCMessage *pod = NULL;

	if (decode_object(K8S_POD_DESC, "v1", "Pod", doc->text, doc->size, &pod, err) < 0)
		return error_prefix(err, "%s (document at line %u)", path, doc->line);
	return m->each->pod(m->ctl, (K8sPod *)pod, m->user, err);
}

static int each_one(
	struct manifest *m, const char *path, const struct decode_document *doc, struct error *err)
{
	if (m->each->policy && is_kind(doc, K8S_NETWORK_POLICY_KIND))
		return each_policy(m, path, doc, err);
	if (m->each->egress && is_kind(doc, EGRESS_POLICY_KIND))
		return each_egress(m, path, doc, err);
	return each_pod(m, path, doc, err);
}

static int each_document(
	struct manifest *m, const char *path, const char *text, size_t size, struct error *err)
{
	struct decode_documents docs = { .text = text, .size = size };
	struct decode_document doc;
	size_t before = m->seen;

	while (decode_documents_next(&docs, &doc)) {
		m->seen++;
		if (each_one(m, path, &doc, err) < 0)
			return -1;
	}
	if (m->seen == before)
		return error_set(err, ERR_INVALID, 0, "%s: holds no object", path);
	return 0;
}

static int each_in_fd(struct manifest *m, const char *path, int fd, struct error *err)
{
	cleanup_free char *text = NULL;
	size_t size;

	if (fd_read_all(fd, DECODE_SIZE_MAX, &text, &size, err) < 0)
		return error_prefix(err, "%s", path);
	return each_document(m, path, text, size, err);
}

/* As kubectl has it: what is named like a manifest, by name, and no folder within. */
static int is_manifest(const struct dirent *entry)
{
	static const char *const endings[] = { ".yaml", ".yml", ".json" };
	size_t len = strlen(entry->d_name);

	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		size_t n = strlen(endings[i]);

		if (entry->d_name[0] != '.' && len > n &&
			strcmp(entry->d_name + len - n, endings[i]) == 0)
			return 1;
	}
	return 0;
}

static int each_in_entry(
	struct manifest *m, const char *folder, const char *name, struct error *err)
{
	cleanup_free char *path = NULL;
	cleanup_close int fd = -1;
	struct stat st;

	if (asprintf(&path, "%s/%s", folder, name) < 0) {
		path = NULL;
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot name a manifest");
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open %s", path);
	return S_ISDIR(st.st_mode) ? 0 : each_in_fd(m, path, fd, err);
}

static int each_in_folder(struct manifest *m, const char *path, struct error *err)
{
	struct dirent **entries = NULL;
	int n = scandir(path, &entries, is_manifest, alphasort);
	size_t before = m->seen;
	int r = 0;

	if (n < 0)
		return error_set(err, error_code_of(errno), errno, "cannot read folder %s", path);
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = each_in_entry(m, path, entries[i]->d_name, err);
		free(entries[i]);
	}
	free(entries);
	if (r == 0 && m->seen == before)
		return error_set(
			err, ERR_INVALID, 0, "%s: holds no manifest (*.yaml, *.yml, *.json)", path);
	return r;
}

static int each_in_path(struct manifest *m, const char *path, struct error *err)
{
	cleanup_close int fd = -1;
	struct stat st;

	if (strcmp(path, "-") == 0) {
		path = "standard input";
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	} else {
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot open %s", path);
	return S_ISDIR(st.st_mode) ? each_in_folder(m, path, err) : each_in_fd(m, path, fd, err);
}

int ctl_each_object(struct ctl *ctl, const struct ctl_each *each, void *user, struct error *err)
{
	const struct args_list *files = &ctl->args->files;
	struct manifest m = { .ctl = ctl, .each = each, .user = user };

	if (files->len == 0)
		return error_set(err, ERR_INVALID, 0,
			"no manifest given; use -f FILE, or -f - for standard input");
	for (size_t i = 0; i < files->len; i++) {
		if (each_in_path(&m, files->items[i], err) < 0)
			return -1;
	}
	return 0;
}
