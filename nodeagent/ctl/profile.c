/* profile record: the least seccomp profile for what a container did, in OCI's JSON. */
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/print.h"

#define NS_FLAGS                                                                                   \
	((unsigned long long)CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |         \
		CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static bool has_call(const Bulkhead__V1__ProfileRecord *r, const char *name)
{
	for (size_t i = 0; i < r->n_syscalls; i++) {
		if (strcmp(r->syscalls[i], name) == 0)
			return true;
	}
	return false;
}

/* Allowed by argument, not by name alone. */
static bool by_argument(const char *name)
{
	return strcmp(name, "socket") == 0 || strcmp(name, "socketpair") == 0 ||
	       strcmp(name, "clone") == 0 || strcmp(name, "unshare") == 0;
}

static void print_names(const Bulkhead__V1__ProfileRecord *r)
{
	bool first = true;

	printf("    {\n      \"names\": [");
	for (size_t i = 0; i < r->n_syscalls; i++) {
		if (by_argument(r->syscalls[i]))
			continue;
		printf("%s\n        \"%s\"", first ? "" : ",", r->syscalls[i]);
		first = false;
	}
	printf("\n      ],\n      \"action\": \"SCMP_ACT_ALLOW\"\n    }");
}

static void print_rule(const char *name, unsigned long long mask, unsigned long long value)
{
	printf(",\n    {\n      \"names\": [\"%s\"],\n      \"action\": \"SCMP_ACT_ALLOW\",\n",
		name);
	printf("      \"args\": [{\"index\": 0, \"value\": %llu, \"valueTwo\": %llu, "
	       "\"op\": \"SCMP_CMP_MASKED_EQ\"}]\n    }",
		mask, value);
}

/* The kernel looks at 32 bits of a family, whatever the upper ones are. */
static void print_families(const Bulkhead__V1__ProfileRecord *r, const char *name)
{
	for (size_t i = 0; has_call(r, name) && i < r->n_socket_families; i++)
		print_rule(name, 0xffffffff, r->socket_families[i]);
}

static void print_profile(const Bulkhead__V1__ProfileRecord *r)
{
	static const char *const namespaces[] = { "clone", "unshare" };

	printf("{\n  \"defaultAction\": \"SCMP_ACT_ERRNO\",\n  \"defaultErrnoRet\": 1,\n");
#if defined(__x86_64__)
	printf("  \"architectures\": [\"SCMP_ARCH_X86_64\"],\n");
#elif defined(__aarch64__)
	printf("  \"architectures\": [\"SCMP_ARCH_AARCH64\"],\n");
#endif
	printf("  \"syscalls\": [\n");
	print_names(r);
	print_families(r, "socket");
	print_families(r, "socketpair");
	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
		/* No namespace but those that were asked for. */
		if (has_call(r, namespaces[i]))
			print_rule(namespaces[i], NS_FLAGS & ~r->clone_flags, 0);
	}
	printf("\n  ]\n}\n");
}

/* For whoever reads along; standard output is the profile. */
static void print_rights(const Bulkhead__V1__PodProfileResponse *response)
{
	const Bulkhead__V1__ProfileRecord *r = response->record;

	fprintf(stderr, "container '%s': %zu system calls, %llu times\n", response->container,
		r->n_syscalls, (unsigned long long)r->notified);
	if (r->unnamed)
		fprintf(stderr,
			"warning: %u system calls that the node has no name for are not in it\n",
			r->unnamed);
	fprintf(stderr, "capabilities: {drop: [ALL]%s", r->n_capabilities ? ", add: [" : "");
	for (size_t i = 0; i < r->n_capabilities; i++)
		fprintf(stderr, "%s%s", i ? ", " : "", r->capabilities[i] + strlen("CAP_"));
	fprintf(stderr, "%s}\n", r->n_capabilities ? "]" : "");
	fputs("Capabilities are told from calls that cannot do without; DAC_OVERRIDE, FOWNER, "
	      "FSETID and "
	      "KILL\nleave no such trace: try it without them.\n",
		stderr);
}

int ctl_profile(struct ctl *ctl, struct error *err)
{
	Bulkhead__V1__PodProfileRequest request = BULKHEAD__V1__POD_PROFILE_REQUEST__INIT;
	cleanup_message ProtobufCMessage *message = NULL;
	const Bulkhead__V1__PodProfileResponse *response;
	const struct args *args = ctl->args;

	request.project = (char *)(uintptr_t)ctl_project(ctl);
	request.name = (char *)(uintptr_t)args->words[2];
	request.container = (char *)(uintptr_t)(args->container ? args->container : "");
	if (ctl_connect(ctl, err) < 0)
		return -1;
	if (args->duration > 0)
		poll(NULL, 0, ctl_deadline_ms((uint64_t)args->duration * 1000));
	if (ctl_call(ctl, "PodProfile", &request.base, &message, err) < 0)
		return -1;
	response = (Bulkhead__V1__PodProfileResponse *)message;
	if (!response->record)
		return error_set(err, ERR_UNAVAILABLE, 0, "the node sent no record");
	print_rights(response);
	print_profile(response->record);
	return CTL_OK;
}
