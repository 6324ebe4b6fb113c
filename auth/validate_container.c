#include <string.h>

#include "auth/validate.h"
#include "auth/validate_parts.h"
#include "proto/text.h"

static const char *const protocols[] = { "TCP", "UDP", "SCTP", NULL };
static const char *const pull_policies[] = { "Always", "IfNotPresent", "Never", NULL };
static const char *const message_policies[] = { "File", "FallbackToLogsOnError", NULL };
static const char *const restart_policies[] = { "Always", "OnFailure", "Never", NULL };

static const char *rule_image(const char *text)
{
	return text[strcspn(text, " \t\r\n")] ? "must not contain spaces" : NULL;
}

/* ---- ports --------------------------------------------------------------------------------- */

static void check_port(
	const struct validation *v, const K8sContainerPort *port, const struct place *at)
{
	want_text_if(v, AT(at, "name"), port->name, rule_port_name);
	if (!port->has_containerport)
		invalid(v, AT(at, "containerPort"), "must be given");
	else
		want_range(v, AT(at, "containerPort"), port->containerport, 1, 65535);
	want_range(v, AT(at, "hostPort"), port->hostport, 0, 65535);
	if (v->spec->hostnetwork && port->hostport != port->containerport)
		invalid(v, AT(at, "hostPort"), "must equal containerPort when hostNetwork is true");
	want_one_of(v, AT(at, "protocol"), port->protocol, protocols);
	want_text_if(v, AT(at, "hostIP"), port->hostip, rule_ip);
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

void validate_ports(const struct validation *v, const K8sContainer *c, const struct place *at)
{
	if (!want_count(v, AT(at, "ports"), c->n_ports, VALIDATE_PORTS_MAX))
		return;
	for (size_t i = 0; i < c->n_ports; i++) {
		const struct place *here = AT_ITEM(AT(at, "ports"), i);
		const K8sContainerPort *port = c->ports[i];

		check_port(v, port, here);
		for (size_t k = 0; k < i; k++) {
			const K8sContainerPort *other = c->ports[k];

			if (is_set(port->name) && text_is(other->name, port->name))
				invalid(v, AT(here, "name"), "must not be that of ports[%zu]", k);
			if (port->hostport && other->hostport == port->hostport &&
				same_text(other->protocol, port->protocol) &&
				same_text(other->hostip, port->hostip))
				invalid(v, AT(here, "hostPort"), "must not be that of ports[%zu]",
					k);
		}
	}
}

/* ---- the rest of one container ------------------------------------------------------------- */

static size_t list_size(char *const *list, size_t n)
{
	size_t size = 0;

	for (size_t i = 0; i < n; i++)
		size += strlen(list[i]) + 1;
	return size;
}

static void check_args(const struct validation *v, const K8sContainer *c, const struct place *at)
{
	size_t size = list_size(c->command, c->n_command) + list_size(c->args, c->n_args);

	if (!want_count(v, AT(at, "args"), c->n_command + c->n_args, VALIDATE_ARGS_MAX))
		return;
	if (c->n_command && !*c->command[0])
		invalid(v, AT_ITEM(AT(at, "command"), 0), "must not be empty");
	if (size > VALIDATE_ARGS_SIZE_MAX)
		invalid(v, AT(at, "args"),
			"command and args are %zu bytes together; at most %d are allowed", size,
			VALIDATE_ARGS_SIZE_MAX);
}

static void check_container(
	const struct validation *v, const K8sContainer *c, const struct place *at)
{
	want_text(v, AT(at, "name"), c->name, rule_dns_label);
	want_text(v, AT(at, "image"), c->image, rule_image);
	want_text_if(v, AT(at, "workingDir"), c->workingdir, rule_absolute_path);
	want_one_of(v, AT(at, "imagePullPolicy"), c->imagepullpolicy, pull_policies);
	want_text_if(
		v, AT(at, "terminationMessagePath"), c->terminationmessagepath, rule_absolute_path);
	want_one_of(v, AT(at, "terminationMessagePolicy"), c->terminationmessagepolicy,
		message_policies);
	want_one_of(v, AT(at, "restartPolicy"), c->restartpolicy, restart_policies);
	check_args(v, c, at);
	validate_ports(v, c, at);
	validate_env(v, c, at);
	validate_mounts(v, c, at);
	validate_resources(v, c->resources, AT(at, "resources"));
	validate_hooks(v, c, at);
	validate_container_security(v, c, at);
}

/* An init container that is no sidecar ends before anybody could ask it. */
static void check_init(const struct validation *v, const K8sContainer *c, const struct place *at)
{
	const struct {
		const char *name;
		const void *value;
	} rows[] = {
		{ "livenessProbe", c->livenessprobe },
		{ "readinessProbe", c->readinessprobe },
		{ "startupProbe", c->startupprobe },
		{ "lifecycle", c->lifecycle },
	};

	if (text_is(c->restartpolicy, "Always"))
		return;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].value)
			invalid(v, AT(at, rows[i].name),
				"must not be set for an init container; remove it");
	}
}

/* ---- all containers ------------------------------------------------------------------------ */

/* The number'th of init, main and ephemeral containers, its place built on 'list'. */
static const char *name_at(const K8sPodSpec *s, size_t number, struct place *list, size_t *index)
{
	const K8sEphemeralContainerCommon *common;

	*index = number;
	list->name = "initContainers";
	if (number < s->n_initcontainers)
		return s->initcontainers[number]->name;
	*index = number -= s->n_initcontainers;
	list->name = "containers";
	if (number < s->n_containers)
		return s->containers[number]->name;
	*index = number -= s->n_containers;
	list->name = "ephemeralContainers";
	common = s->ephemeralcontainers[number]->ephemeralcontainercommon;
	return common ? common->name : NULL;
}

static void check_names(const struct validation *v, size_t total, const struct place *at)
{
	for (size_t i = 0; i < total; i++) {
		struct place list = { .up = at }, ignored;
		char quoted[TEXT_QUOTE_SIZE];
		size_t index, other;
		const char *name = name_at(v->spec, i, &list, &index);

		for (size_t k = 0; is_set(name) && k < i; k++) {
			if (!text_is(name_at(v->spec, k, &ignored, &other), name))
				continue;
			invalid(v, AT(AT_ITEM(&list, index), "name"),
				"%s must not be another container's, too",
				text_quote(quoted, name));
			break;
		}
	}
}

void validate_containers(const struct validation *v)
{
	const struct place *at = AT(NULL, "spec");
	const K8sPodSpec *s = v->spec;
	size_t total = s->n_initcontainers + s->n_containers + s->n_ephemeralcontainers;

	if (s->n_containers == 0)
		invalid(v, AT(at, "containers"), "must have at least one container");
	if (s->n_ephemeralcontainers)
		invalid(v, AT(at, "ephemeralContainers"),
			"must not be set when a pod is created; remove them");
	if (!want_count(v, AT(at, "containers"), total, VALIDATE_CONTAINERS_MAX))
		return;
	check_names(v, total, at);
	for (size_t i = 0; i < s->n_initcontainers; i++) {
		const struct place *here = AT_ITEM(AT(at, "initContainers"), i);

		check_container(v, s->initcontainers[i], here);
		check_init(v, s->initcontainers[i], here);
	}
	for (size_t i = 0; i < s->n_containers; i++)
		check_container(v, s->containers[i], AT_ITEM(AT(at, "containers"), i));
}
