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

#define CONTEXT_MAX (1u << 20)

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
	if (file_read_at(AT_FDCWD, path, CONTEXT_MAX, &text, &size, err) < 0)
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
		{ "quotas", CTL_QUOTAS },
		{ "quota", CTL_QUOTAS },
		{ "resourcequotas", CTL_QUOTAS },
		{ "resourcequota", CTL_QUOTAS },
		{ "networkpolicies", CTL_POLICIES },
		{ "networkpolicy", CTL_POLICIES },
		{ "netpol", CTL_POLICIES },
		{ "egressnetworkpolicies", CTL_EGRESS },
		{ "egressnetworkpolicy", CTL_EGRESS },
		{ "egressfirewall", CTL_EGRESS },
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
		"'%s' is no kind of object; there are pods, projects, nodes, secrets, quotas, "
		"networkpolicies and images",
		word);
}

/* "pod/a" among words that name kinds: one more of 'names', which must be of its kind. */
static int name_with_kind(struct ctl_names *names, const char *word, struct error *err)
{
	enum ctl_kind kind;
	const char *name;

	if (!strchr(word, '/'))
		return error_set(err, ERR_INVALID, 0,
			"'%s' stands among KIND/NAME words: write all like that, or KIND NAME...",
			word);
	if (ctl_kind(word, &kind, &name, err) < 0)
		return -1;
	if (names->len && kind != names->kind)
		return error_set(err, ERR_INVALID, 0,
			"'%s' is of another kind than the words before; one kind at a time", word);
	if (!name || !*name)
		return error_set(err, ERR_INVALID, 0, "'%s' names nothing behind the '/'", word);
	names->kind = kind;
	names->items[names->len++] = name;
	return 0;
}

int ctl_names(const struct args *args, struct ctl_names *ret, struct error *err)
{
	struct ctl_names names = { 0 };
	const char *name;

	if (ctl_kind(args->words[1], &names.kind, &name, err) < 0)
		return -1;
	for (size_t i = name ? 1 : 2; i < args->words_len; i++) {
		if (!name)
			names.items[names.len++] = args->words[i];
		else if (name_with_kind(&names, args->words[i], err) < 0)
			return -1;
	}
	*ret = names;
	return 0;
}
