#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "nodeagent/agent/message_diff.h"
#include "nodeagent/agent/signal_name.h"
#include "proto/decode.h"
#include "proto/k8s.h"

#define POD(metadata, spec)                                                                        \
	"apiVersion: v1\nkind: Pod\nmetadata: {" metadata "}\nspec: {" spec "}\n"

static K8sPod *pod_of(const char *yaml)
{
	struct error err;
	ProtobufCMessage *message;

	if (decode_object(K8S_POD_DESC, "v1", "Pod", yaml, strlen(yaml), &message, &err) < 0)
		fail_msg("%s", err.text);
	return (K8sPod *)message;
}

static void expect(const char *a, const char *b, const char *path)
{
	K8sPod *x = pod_of(a);
	K8sPod *y = pod_of(b);
	char found[MESSAGE_DIFF_SIZE];

	assert_int_equal(message_same(&x->base, &y->base, found), path == NULL);
	assert_string_equal(found, path ? path : "");
	/* The other way round the same place is named. */
	assert_int_equal(message_same(&y->base, &x->base, found), path == NULL);
	assert_string_equal(found, path ? path : "");
	k8s_pod_free(x);
	k8s_pod_free(y);
}

#define BASE                                                                                       \
	POD("name: a, labels: {x: '1', b: '2'}", "containers: [{name: m, image: i, args: [a, "     \
						 "b]}]")

static void test_same(void **unused)
{
	(void)unused;
	expect(BASE, BASE, NULL);
	expect(BASE,
		POD("name: a, labels: {b: '2', x: '1'}",
			"containers: [{name: m, image: i, args: [a, b]}]"),
		NULL);
}

static void test_differs(void **unused)
{
	static const struct {
		const char *yaml;
		const char *path;
	} rows[] = {
		{ POD("name: b, labels: {x: '1', b: '2'}",
			  "containers: [{name: m, image: i, args: [a, b]}]"),
			"metadata.name" },
		{ POD("name: a, labels: {x: '1', b: '3'}",
			  "containers: [{name: m, image: i, args: [a, b]}]"),
			"metadata.labels[b]" },
		{ POD("name: a, labels: {x: '1'}",
			  "containers: [{name: m, image: i, args: [a, b]}]"),
			"metadata.labels[b]" },
		{ POD("name: a, labels: {x: '1', b: '2'}",
			  "containers: [{name: m, image: i, args: [a, c]}]"),
			"spec.containers[0].args[1]" },
		{ POD("name: a, labels: {x: '1', b: '2'}",
			  "containers: [{name: m, image: i, args: [a]}]"),
			"spec.containers[0].args[1]" },
		{ POD("name: a, labels: {x: '1', b: '2'}",
			  "containers: [{name: m, image: i, args: [a, b], tty: false}]"),
			"spec.containers[0].tty" },
		{ POD("name: a, labels: {x: '1', b: '2'}",
			  "containers: [{name: m, image: i, args: [a, b]}], restartPolicy: Never"),
			"spec.restartPolicy" },
		{ POD("name: a, labels: {x: '1', b: '2'}",
			  "containers: [{name: m, image: i, args: [a, b]}, {name: o}]"),
			"spec.containers[1]" },
		{ POD("name: a, labels: {x: '1', b: '2'}",
			  "containers: [{name: m, image: i, args: [a, b], resources: {limits: "
			  "{cpu: 1}}}]"),
			"spec.containers[0].resources" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(BASE, rows[i].yaml, rows[i].path);
}

static void test_inline_fields(void **unused)
{
	(void)unused;
	expect(POD("name: a", "volumes: [{name: v, secret: {secretName: s}}]"),
		POD("name: a", "volumes: [{name: v, secret: {secretName: t}}]"),
		"spec.volumes[0].secret.secretName");
	expect(POD("name: a", "containers: [{name: c, resources: {limits: {cpu: 100m}}}]"),
		POD("name: a", "containers: [{name: c, resources: {limits: {cpu: 200m}}}]"),
		"spec.containers[0].resources.limits[cpu]");
}

static void test_signal_names(void **unused)
{
	(void)unused;
	assert_int_equal(signal_number("SIGTERM"), 15);
	assert_int_equal(signal_number("term"), 15);
	assert_int_equal(signal_number("SIGQUIT"), 3);
	assert_int_equal(signal_number("9"), 9);
	assert_int_equal(signal_number(""), 0);
	assert_int_equal(signal_number("0"), 0);
	assert_int_equal(signal_number("-1"), 0);
	assert_int_equal(signal_number("65"), 0);
	assert_int_equal(signal_number("SIGNONE"), 0);
	assert_int_equal(signal_number("9x"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_differs),
		cmocka_unit_test(test_inline_fields),
		cmocka_unit_test(test_signal_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
