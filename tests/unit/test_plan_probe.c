/* From a pod's probes to what the shim is told. */
#include "plan_fixture.h"

static struct fixture f;

static const Bulkhead__V1__ContainerPlan *plan(const char *probes)
{
	char spec[1024];

	fixture_clear(&f);
	snprintf(spec, sizeof(spec),
		"containers: [{name: c, image: i, ports: [{name: web, containerPort: 8080}], "
		"%s}]",
		probes);
	fixture_spec(&f, spec);
	if (plan_container(&f.node, &f.pod, f.owned->spec->containers[0], false, 0, &f.image,
		    &f.container, &f.err) < 0)
		return NULL;
	return f.container;
}

static void test_numbers(void **state)
{
	const Bulkhead__V1__ContainerPlan *p;

	(void)state;
	p = plan("livenessProbe: {exec: {command: [a, b]}, initialDelaySeconds: 4, periodSeconds: "
		 "5, timeoutSeconds: 6, failureThreshold: 7}, readinessProbe: {tcpSocket: {port: "
		 "web}, successThreshold: 2}, startupProbe: {tcpSocket: {port: 81, host: "
		 "localhost}}");
	assert_non_null(p);
	assert_int_equal(p->n_probes, 3);
	assert_int_equal(p->probes[0]->kind, BULKHEAD__V1__PROBE_KIND__PROBE_STARTUP);
	assert_string_equal(p->probes[0]->address, "127.0.0.1");
	assert_int_equal(p->probes[0]->port, 81);
	assert_int_equal(p->probes[0]->request.len, 0);
	assert_int_equal(p->probes[1]->kind, BULKHEAD__V1__PROBE_KIND__PROBE_LIVENESS);
	assert_int_equal(p->probes[1]->n_exec, 2);
	assert_string_equal(p->probes[1]->exec[1], "b");
	assert_int_equal(p->probes[1]->initial_delay, 4);
	assert_int_equal(p->probes[1]->period, 5);
	assert_int_equal(p->probes[1]->timeout, 6);
	assert_int_equal(p->probes[1]->success_threshold, 1);
	assert_int_equal(p->probes[1]->failure_threshold, 7);
	assert_int_equal(p->probes[2]->kind, BULKHEAD__V1__PROBE_KIND__PROBE_READINESS);
	assert_string_equal(p->probes[2]->address, "10.128.0.5");
	assert_int_equal(p->probes[2]->port, 8080);
	assert_int_equal(p->probes[2]->initial_delay, 0);
	assert_int_equal(p->probes[2]->period, 10);
	assert_int_equal(p->probes[2]->timeout, 1);
	assert_int_equal(p->probes[2]->success_threshold, 2);
	assert_int_equal(p->probes[2]->failure_threshold, 3);
}

static void check_request(const char *http, const char *want)
{
	char text[512];
	const Bulkhead__V1__ContainerPlan *p;

	snprintf(text, sizeof(text), "livenessProbe: {httpGet: {port: web, %s}}", http);
	p = plan(text);
	if (!p)
		fail_msg("%s", f.err.text);
	assert_int_equal(p->probes[0]->request.len, strlen(want));
	assert_memory_equal(p->probes[0]->request.data, want, strlen(want));
}

static void test_requests(void **state)
{
	(void)state;
	check_request("path: healthz",
		"GET /healthz HTTP/1.1\r\nHost: 10.128.0.5:8080\r\nUser-Agent: "
		"kube-probe/bulkhead\r\nAccept: */*\r\nConnection: close\r\n\r\n");
	check_request(
		"host: localhost, httpHeaders: [{name: host, value: a.example}, {name: "
		"Connection, value: keep-alive}, {name: accept, value: b}, {name: X, value: z}]",
		"GET / HTTP/1.1\r\nHost: a.example\r\nUser-Agent: kube-probe/bulkhead\r\naccept: "
		"b\r\nX: z\r\nConnection: close\r\n\r\n");
}

static void test_refusals(void **state)
{
	static char text[20000];
	char **path, *before;

	(void)state;
	assert_null(plan("readinessProbe: {tcpSocket: {port: other}}"));
	assert_string_equal(f.err.text, "spec.containers[0].readinessProbe.tcpSocket.port: no port "
					"of the container is named "
					"'other'; add it to its ports or write the number");
	memset(text, 'a', 17000);
	assert_non_null(plan("readinessProbe: {httpGet: {port: 1, path: /}}"));
	path = &f.owned->spec->containers[0]->readinessprobe->handler->httpget->path;
	before = *path;
	*path = text;
	bulkhead__v1__container_plan__free_unpacked(f.container, NULL);
	f.container = NULL;
	assert_int_equal(plan_container(&f.node, &f.pod, f.owned->spec->containers[0], false, 0,
				 &f.image, &f.container, &f.err),
		-1);
	*path = before;
	assert_non_null(strstr(f.err.text, "more than 16384"));
}

static void test_host_network(void **state)
{
	(void)state;
	assert_null(plan("livenessProbe: {tcpSocket: {port: 80}}}], hostNetwork: true, "
			 "volumes: [{name: v, emptyDir: {}"));
	assert_string_equal(f.err.text, "spec.containers[0].livenessProbe.tcpSocket: not honoured "
					"with hostNetwork; use exec");
	assert_non_null(plan("livenessProbe: {exec: {command: [a]}}}], hostNetwork: true, "
			     "volumes: [{name: v, emptyDir: {}"));
}

static int setup(void **state)
{
	(void)state;
	fixture_init(&f);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_done(&f);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_host_network),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
