#include "nodeagent/agent/plan_probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/pod_edit.h"
#include "lib/cleanup.h"
#include "nodeagent/agent/plan_field.h"
#include "nodeagent/agent/plan_text.h"

#define PROBE_DESC (&bulkhead__v1__probe_plan__descriptor)
#define LOOPBACK   "127.0.0.1"

/* One handler that connects. */
struct target {
	const K8sIntOrString *port;
	const char *host;
	const K8sHTTPGetAction *http; /* NULL: TCP */
};

static int port_find(const K8sContainer *container, const K8sIntOrString *port, const char *field,
	uint32_t *ret, struct error *err)
{
	const char *name = plan_or_empty(port->strval);

	if (port->type != 1) {
		*ret = (uint32_t)port->intval;
		return 0;
	}
	for (size_t i = 0; i < container->n_ports; i++) {
		if (strcmp(plan_or_empty(container->ports[i]->name), name) == 0) {
			*ret = (uint32_t)container->ports[i]->containerport;
			return 0;
		}
	}
	return error_set(err, ERR_INVALID, 0,
		"%s.port: no port of the container is named '%.15s'; add it to its ports or write "
		"the number",
		field, name);
}

/* The name is the container's to choose; the address is not. */
static const char *address_of(const struct plan_pod *pod, const char *host)
{
	return plan_or_empty(host)[0] ? LOOPBACK : plan_or_empty(pod->address);
}

static const char *header_find(const K8sHTTPGetAction *http, const char *name)
{
	for (size_t i = 0; i < http->n_httpheaders; i++) {
		if (strcasecmp(plan_or_empty(http->httpheaders[i]->name), name) == 0)
			return plan_or_empty(http->httpheaders[i]->value);
	}
	return NULL;
}

/* As the kubelet's: its own headers only where the pod has none of the name. */
static void request_print(
	FILE *out, const K8sHTTPGetAction *http, const char *address, uint32_t port)
{
	const char *path = plan_or_empty(http->path);
	const char *host = header_find(http, "Host");

	fprintf(out, "GET %s%s HTTP/1.1\r\n", path[0] == '/' ? "" : "/", path);
	if (host)
		fprintf(out, "Host: %s\r\n", host);
	else
		fprintf(out, "Host: %s:%u\r\n", address, port);
	if (!header_find(http, "User-Agent"))
		fprintf(out, "User-Agent: kube-probe/bulkhead\r\n");
	if (!header_find(http, "Accept"))
		fprintf(out, "Accept: */*\r\n");
	for (size_t i = 0; i < http->n_httpheaders; i++) {
		const K8sHTTPHeader *h = http->httpheaders[i];

		if (strcasecmp(h->name, "Host") != 0 && strcasecmp(h->name, "Connection") != 0)
			fprintf(out, "%s: %s\r\n", h->name, plan_or_empty(h->value));
	}
	fprintf(out, "Connection: close\r\n\r\n");
}

static int request_fill(Bulkhead__V1__ProbePlan *p, const K8sHTTPGetAction *http, const char *field,
	struct error *err)
{
	cleanup_free char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "%s", field);
	request_print(out, http, p->address, p->port);
	if (fclose(out) != 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "%s", field);
	if (size > PLAN_PROBE_REQUEST_MAX)
		return error_set(err, ERR_INVALID, 0,
			"%s: path and headers make a request of %zu bytes, more than %d", field,
			size, PLAN_PROBE_REQUEST_MAX);
	p->request.data = (uint8_t *)take_ptr(text);
	p->request.len = size;
	return 0;
}

static int target_fill(const struct plan_pod *pod, const K8sContainer *container,
	const struct target *t, const char *field, Bulkhead__V1__ProbePlan *p, struct error *err)
{
	/* There, "the pod itself" is the node. */
	if (pod->pod->spec->hostnetwork)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"%s: not honoured with hostNetwork; use exec", field);
	if (port_find(container, t->port, field, &p->port, err) < 0 ||
		edit_string(&p->address, address_of(pod, t->host), err) < 0)
		return -1;
	return t->http ? request_fill(p, t->http, field, err) : 0;
}

static int handler_fill(const struct plan_pod *pod, const K8sContainer *container,
	const K8sProbeHandler *h, const char *field, Bulkhead__V1__ProbePlan *p, struct error *err)
{
	char own[PLAN_FIELD_SIZE + 32];
	struct target t = { 0 };

	snprintf(own, sizeof(own), "%s.%s", field, h->httpget ? "httpGet" : "tcpSocket");
	if (h->httpget)
		t = (struct target){ h->httpget->port, h->httpget->host, h->httpget };
	else if (h->tcpsocket)
		t = (struct target){ h->tcpsocket->port, h->tcpsocket->host, NULL };
	if (t.port)
		return target_fill(pod, container, &t, own, p, err);
	for (size_t i = 0; h->exec && i < h->exec->n_command; i++) {
		if (edit_append_string(&p->exec, &p->n_exec, h->exec->command[i], err) < 0)
			return -1;
	}
	return 0;
}

static uint32_t or_default(int32_t value, uint32_t otherwise)
{
	return value > 0 ? (uint32_t)value : otherwise;
}

int plan_probes(const struct plan_pod *pod, const K8sContainer *container, const char *field,
	Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	const struct {
		const char *name;
		const K8sProbe *probe;
		Bulkhead__V1__ProbeKind kind;
	} rows[] = {
		{ "startupProbe", container->startupprobe,
			BULKHEAD__V1__PROBE_KIND__PROBE_STARTUP },
		{ "livenessProbe", container->livenessprobe,
			BULKHEAD__V1__PROBE_KIND__PROBE_LIVENESS },
		{ "readinessProbe", container->readinessprobe,
			BULKHEAD__V1__PROBE_KIND__PROBE_READINESS },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const K8sProbe *from = rows[i].probe;
		char own[PLAN_FIELD_SIZE + 16];
		Bulkhead__V1__ProbePlan *p;

		if (!from || !from->handler)
			continue;
		p = edit_append(&plan->probes, &plan->n_probes, PROBE_DESC, err);
		if (!p)
			return -1;
		p->kind = rows[i].kind;
		p->initial_delay = or_default(from->initialdelayseconds, 0);
		p->period = or_default(from->periodseconds, 10);
		p->timeout = or_default(from->timeoutseconds, 1);
		p->success_threshold = or_default(from->successthreshold, 1);
		p->failure_threshold = or_default(from->failurethreshold, 3);
		snprintf(own, sizeof(own), "%s.%s", field, rows[i].name);
		if (handler_fill(pod, container, from->handler, own, p, err) < 0)
			return -1;
	}
	return 0;
}
