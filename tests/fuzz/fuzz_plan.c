/*
 * Any bytes as what the shim is told to launch: a SANDBOX_PLAN and a CONTAINER_PLAN (the first two
 * bytes are the length of the first). What is accepted keeps what later steps rely on: names that
 * are one path part, absolute paths without "..", ids that are mapped.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/path.h"
#include "nodeagent/shim/plan_check.h"
#include "nodeagent/shim/sandbox.h"
#include "proto/ipc_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
	if (!holds)
		abort();
}

static ProtobufCMessage *unpack(enum ipc_type type, const uint8_t *data, size_t size)
{
	struct ipc_frame frame = {
		.type = type, .serial = 1, .data = (uint8_t *)(uintptr_t)data, .size = size
	};
	ProtobufCMessage *message = NULL;
	struct error err = { 0 };

	if (ipc_table_unpack(&frame, &message, &err) < 0) {
		must(err.text[0] != '\0');
		return NULL;
	}
	return message;
}

static void path_must(const char *path)
{
	must(path[0] == '/' && strlen(path) < PATH_MAX);
	for (const char *p = path; (p = strstr(p, "/..")); p += 3)
		must(p[3] != '/' && p[3] != '\0');
}

static void sandbox_must(const struct sandbox *s)
{
	const Bulkhead__V1__SandboxPlan *plan = s->plan;
	struct error err;
	uint32_t root;

	path_must(plan->pod_dir);
	path_must(plan->log_dir);
	must(plan->n_tmpfs <= SANDBOX_TMPFS_MAX && plan->image_base != 0);
	must(plan->host_users || id_map_outside(&s->map, 0, &root, &err) == 0);
	for (size_t i = 0; i < plan->n_limited_volumes; i++)
		must(name_is_dns_label(plan->limited_volumes[i]->name));
}

static void container_must(const Bulkhead__V1__ContainerPlan *plan, const struct sandbox *s)
{
	must(plan->name[0] && !strchr(plan->name, '/') && plan->n_args > 0);
	for (size_t i = 0; i < plan->n_layers; i++)
		path_must(plan->layers[i]);
	for (size_t i = 0; i < plan->n_mounts; i++) {
		const Bulkhead__V1__Mount *m = plan->mounts[i];

		path_must(m->target);
		must(strncmp(m->target, "/proc/", 6) != 0 && strcmp(m->target, "/") != 0);
		must(m->kind != BULKHEAD__V1__MOUNT_KIND__MOUNT_TMPFS ||
			sandbox_tmpfs_find(s, m->volume) >= 0);
	}
}

static void container_try(const uint8_t *data, size_t size, const struct sandbox *s)
{
	Bulkhead__V1__ContainerPlan *plan =
		(Bulkhead__V1__ContainerPlan *)unpack(IPC_CONTAINER_PLAN, data, size);
	struct error err = { 0 };
	uint64_t caps = 0;

	if (!plan)
		return;
	if (plan_check_container(plan, s, &caps, &err) == 0)
		container_must(plan, s);
	else
		must(err.text[0] != '\0');
	bulkhead__v1__container_plan__free_unpacked(plan, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sandbox sandbox;
	struct error err = { 0 };
	size_t len;

	if (size < 2)
		return 0;
	len = (size_t)data[0] << 8 | data[1];
	if (len > size - 2)
		len = size - 2;
	sandbox_init(&sandbox);
	sandbox.plan = (Bulkhead__V1__SandboxPlan *)unpack(IPC_SANDBOX_PLAN, data + 2, len);
	if (!sandbox.plan)
		return 0;
	sandbox.tmpfs = calloc(sandbox.plan->n_tmpfs + 1, sizeof(*sandbox.tmpfs));
	must(sandbox.tmpfs != NULL);
	if (plan_check_sandbox(sandbox.plan, &sandbox.map, &err) == 0) {
		sandbox_must(&sandbox);
		container_try(data + 2 + len, size - 2 - len, &sandbox);
	} else {
		must(err.text[0] != '\0');
	}
	free(sandbox.tmpfs);
	bulkhead__v1__sandbox_plan__free_unpacked(sandbox.plan, NULL);
	return 0;
}
