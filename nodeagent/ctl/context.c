#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/ctl/ctl.h"
#include "proto/decode.h"

#define MANIFEST_MAX (1u << 20)

/* Where the context is: --context, $BULKHEAD_CONTEXT, ~/.config/bulkhead/context.yaml. */
static char *context_path(const struct args *args)
{
	const char *env = getenv("BULKHEAD_CONTEXT");
	const char *home = getenv("HOME");
	char *path = NULL;

	if (args->context)
		return strdup(args->context);
	if (env && *env)
		return strdup(env);
	if (asprintf(&path, "%s/.config/bulkhead/context.yaml", home ? home : "/root") < 0)
		return NULL;
	return path;
}

int ctl_connect(struct ctl *ctl, struct error *err)
{
	cleanup_free char *path = NULL;
	cleanup_free char *text = NULL;
	ProtobufCMessage *message;
	size_t size;

	if (ctl->client)
		return 0;
	path = context_path(ctl->args);
	if (!path)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot name the context file");
	if (file_read_at(AT_FDCWD, path, MANIFEST_MAX, &text, &size, err) < 0)
		return error_prefix(err, "no context to reach a node with (set BULKHEAD_CONTEXT or "
					 "--context to the context.yaml "
					 "that 'bulkhead init' wrote)");
	if (decode_yaml(&bulkhead__v1__context__descriptor, text, size, &message, err) < 0)
		return error_prefix(err, "%s", path);
	ctl->context = (Bulkhead__V1__Context *)message;
	if (client_new(&ctl->client, ctl->context, err) < 0)
		return error_prefix(err, "%s", path);
	return 0;
}

int ctl_call(struct ctl *ctl, const char *method, const ProtobufCMessage *request,
	ProtobufCMessage **ret, struct error *err)
{
	if (ctl_connect(ctl, err) < 0)
		return -1;
	return client_unary(ctl->client, method, request, ret, CLIENT_TIMEOUT_MS, err);
}

const char *ctl_project(const struct ctl *ctl)
{
	if (ctl->args->project)
		return ctl->args->project;
	if (ctl->context && *ctl->context->project)
		return ctl->context->project;
	return "default";
}

void ctl_free(void *message)
{
	if (message)
		protobuf_c_message_free_unpacked(message, NULL);
}

int ctl_kind(const char *word, enum ctl_kind *ret, const char **ret_name, struct error *err)
{
	static const struct {
		const char *word;
		enum ctl_kind kind;
	} kinds[] = {
		{ "pods", CTL_PODS },
		{ "pod", CTL_PODS },
		{ "po", CTL_PODS },
		{ "projects", CTL_PROJECTS },
		{ "project", CTL_PROJECTS },
		{ "namespaces", CTL_PROJECTS },
		{ "namespace", CTL_PROJECTS },
		{ "ns", CTL_PROJECTS },
		{ "nodes", CTL_NODES },
		{ "node", CTL_NODES },
		{ "no", CTL_NODES },
		{ "secrets", CTL_SECRETS },
		{ "secret", CTL_SECRETS },
		{ "images", CTL_IMAGES },
		{ "image", CTL_IMAGES },
	};
	const char *slash = strchr(word, '/');
	size_t len = slash ? (size_t)(slash - word) : strlen(word);

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (strlen(kinds[i].word) == len && strncmp(kinds[i].word, word, len) == 0) {
			*ret = kinds[i].kind;
			*ret_name = slash ? slash + 1 : NULL;
			return 0;
		}
	}
	return error_set(err, ERR_INVALID, 0,
		"'%s' is no kind of object; there are pods, projects, nodes, secrets and images",
		word);
}

static int each_document(struct ctl *ctl, const char *path, char *text, size_t size,
	ctl_pod_fn each, void *user, struct error *err)
{
	struct decode_documents docs = { .text = text, .size = size };
	struct decode_document doc;
	unsigned seen = 0;

	while (decode_documents_next(&docs, &doc)) {
		cleanup_message ProtobufCMessage *pod = NULL;

		seen++;
		if (decode_object(K8S_POD_DESC, "v1", "Pod", doc.text, doc.size, &pod, err) < 0)
			return error_prefix(err, "%s (document at line %u)", path, doc.line);
		if (each(ctl, (K8sPod *)pod, user, err) < 0)
			return -1;
	}
	if (!seen)
		return error_set(err, ERR_INVALID, 0, "%s: holds no object", path);
	return 0;
}

int ctl_each_pod(struct ctl *ctl, ctl_pod_fn each, void *user, struct error *err)
{
	const struct args_list *files = &ctl->args->files;

	if (files->len == 0)
		return error_set(err, ERR_INVALID, 0,
			"no manifest given; use -f FILE, or -f - for standard input");
	for (size_t i = 0; i < files->len; i++) {
		const char *path = files->items[i];
		cleanup_free char *text = NULL;
		cleanup_close int fd = -1;
		size_t size;

		if (strcmp(path, "-") == 0) {
			path = "standard input";
			fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		} else {
			fd = open(path, O_RDONLY | O_CLOEXEC);
		}
		if (fd < 0)
			return error_set(err, error_code_of(errno), errno, "cannot open %s", path);
		if (fd_read_all(fd, MANIFEST_MAX, &text, &size, err) < 0)
			return error_prefix(err, "%s", path);
		if (each_document(ctl, path, text, size, each, user, err) < 0)
			return -1;
	}
	return 0;
}
