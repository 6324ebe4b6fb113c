/* Probes and hooks. */
#include <string.h>

#include "auth/validate_parts.h"

#define SLEEP_MAX INT32_MAX

static const char *const schemes[] = { "HTTP", "HTTPS", NULL };

/* Exactly one of a handler's actions; the pointers of all that its kind may have. */
struct actions {
	const K8sExecAction *exec;
	const K8sHTTPGetAction *http;
	const K8sTCPSocketAction *tcp;
	const K8sGRPCAction *grpc;
	const K8sSleepAction *sleep;
};

static void check_target(
	const struct validation *v, const K8sIntOrString *port, const struct place *at)
{
	if (!port)
		invalid(v, at, "must be given");
	else if (port->type == 1)
		want_text(v, at, port->strval, rule_port_name);
	else
		want_range(v, at, port->intval, 1, 65535);
}

/* RFC 9110 field name */
static const char *rule_header(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p <= ' ' || *p >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", *p))
			return "must be the name of an HTTP header";
	}
	return NULL;
}

static void check_http(
	const struct validation *v, const K8sHTTPGetAction *http, const struct place *at)
{
	check_target(v, http->port, AT(at, "port"));
	want_one_of(v, AT(at, "scheme"), http->scheme, schemes);
	for (size_t i = 0; i < http->n_httpheaders; i++)
		want_text(v, AT(AT_ITEM(AT(at, "httpHeaders"), i), "name"),
			http->httpheaders[i]->name, rule_header);
}

static void check_actions(const struct validation *v, const struct actions *a, const char *names,
	const struct place *at)
{
	int n = !!a->exec + !!a->http + !!a->tcp + !!a->grpc + !!a->sleep;

	if (n != 1)
		invalid(v, at, "must have exactly one of %s", names);
	if (a->exec && a->exec->n_command == 0)
		invalid(v, AT(AT(at, "exec"), "command"), "must be given");
	if (a->http)
		check_http(v, a->http, AT(at, "httpGet"));
	if (a->tcp)
		check_target(v, a->tcp->port, AT(AT(at, "tcpSocket"), "port"));
	if (a->grpc)
		want_range(v, AT(AT(at, "grpc"), "port"), a->grpc->port, 1, 65535);
	if (a->sleep)
		want_range(v, AT(AT(at, "sleep"), "seconds"), a->sleep->seconds, 0, SLEEP_MAX);
}

static void check_probe(
	const struct validation *v, const K8sProbe *p, bool readiness, const struct place *at)
{
	static const K8sProbeHandler none;
	const K8sProbeHandler *h;

	if (!p)
		return;
	h = p->handler ? p->handler : &none;
	check_actions(v, &(struct actions){ h->exec, h->httpget, h->tcpsocket, h->grpc, NULL },
		"exec, httpGet, tcpSocket and grpc", at);
	want_range(v, AT(at, "initialDelaySeconds"), p->initialdelayseconds, 0, INT32_MAX);
	want_range(v, AT(at, "timeoutSeconds"), p->timeoutseconds, 1, INT32_MAX);
	want_range(v, AT(at, "periodSeconds"), p->periodseconds, 1, INT32_MAX);
	want_range(v, AT(at, "failureThreshold"), p->failurethreshold, 1, INT32_MAX);
	/* Only readiness comes and goes. */
	want_range(
		v, AT(at, "successThreshold"), p->successthreshold, 1, readiness ? INT32_MAX : 1);
	if (!p->has_terminationgraceperiodseconds)
		return;
	if (readiness)
		invalid(v, AT(at, "terminationGracePeriodSeconds"),
			"must not be set for a readiness probe; remove it");
	else
		want_range(v, AT(at, "terminationGracePeriodSeconds"),
			p->terminationgraceperiodseconds, 1, INT32_MAX);
}

static void check_hook(
	const struct validation *v, const K8sLifecycleHandler *h, const struct place *at)
{
	if (h)
		check_actions(v,
			&(struct actions){ h->exec, h->httpget, h->tcpsocket, NULL, h->sleep },
			"exec, httpGet, tcpSocket and sleep", at);
}

void validate_hooks(const struct validation *v, const K8sContainer *c, const struct place *at)
{
	check_probe(v, c->livenessprobe, false, AT(at, "livenessProbe"));
	check_probe(v, c->readinessprobe, true, AT(at, "readinessProbe"));
	check_probe(v, c->startupprobe, false, AT(at, "startupProbe"));
	if (!c->lifecycle)
		return;
	check_hook(v, c->lifecycle->poststart, AT(AT(at, "lifecycle"), "postStart"));
	check_hook(v, c->lifecycle->prestop, AT(AT(at, "lifecycle"), "preStop"));
}
