/* The CNI plugin through all its verbs, at a switch and a netd of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"
#include "netplugin/cni.h"
#include "netplugin/cni/failure.h"
#include "tests/priv/net/cni.h"

#define RED   11
#define BLUE  12
#define LATER 100
#define C1    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define C2    "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static struct lab lab;
static int listen_fd = -1;
static const char *const all_names[] = { "red", "blue", "default", NULL };
static const uint32_t all_vnids[] = { RED, BLUE, 0 };

static void tell_projects(void)
{
	assert_int_equal(cni_lab_projects(&lab, all_names, all_vnids), 0);
}

static int setup(void **state)
{
	(void)state;
	lab_start(&lab, "10.128.0.0/26", "netdev");
	cni_lab_listen(&lab, &listen_fd);
	tell_projects();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(listen_fd);
	lab_stop(&lab);
	return 0;
}

static void restart_netd(void)
{
	lab_kill(&lab.netd);
	lab_start_netd(&lab);
	lab_await_ready(&lab, true);
	cni_lab_listen(&lab, &listen_fd);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void version_says_what_is_honoured(void **state)
{
	const char *const variables[] = { "CNI_COMMAND=VERSION", NULL };
	struct plugin_run run = cni_lab_run(&lab, variables, "{\"cniVersion\":\"1.0.0\"}");
	json_t *list = json_object_get(run.answer, "supportedVersions");

	(void)state;
	assert_int_equal(run.status, 0);
	assert_string_equal(json_string_value(json_object_get(run.answer, "cniVersion")), "1.0.0");
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(json_string_value(json_array_get(list, 0)), "0.4.0");
	assert_string_equal(json_string_value(json_array_get(list, 2)), "1.1.0");
	json_decref(run.answer);
	cni_is_done(cni_lab_run(&lab, variables, ""));
}

static void the_project_alone_is_reached(void **state)
{
	cleanup_free char *before = lab_flows(&lab);
	struct pod red, red2, blue, global;
	bool reaches = true;

	(void)state;
	pod_open(&lab, &red, "-", 0);
	pod_open(&lab, &red2, "-", 0);
	pod_open(&lab, &blue, "-", 0);
	pod_open(&lab, &global, "-", 0);
	json_decref(cni_attach(&lab, &red, C1, "eth0", "red", "1.1.0"));
	json_decref(cni_attach(&lab, &red2, C2, "eth0", "red", "1.0.0"));
	json_decref(cni_attach(&lab, &blue, "blue", "net1", "blue", "0.4.0"));
	json_decref(cni_attach(&lab, &global, "global", "eth0", "default", "1.1.0"));
	assert_true(pod_pings(&lab, &red, red2.address, 2000));
	assert_true(pod_pings(&lab, &red, global.address, 2000));
	assert_false(pod_pings(&lab, &red, blue.address, 500));
	assert_false(pod_pings(&lab, &blue, red.address, 500));
	/* And when the projects are joined, and apart again (a flow may be cached for a moment). */
	assert_int_equal(cni_lab_projects(&lab, all_names, (const uint32_t[]){ BLUE, BLUE, 0 }), 0);
	assert_true(pod_pings(&lab, &red, blue.address, 2000));
	tell_projects();
	for (int i = 0; i < LATER && reaches; i++)
		reaches = pod_pings(&lab, &red, blue.address, 300);
	assert_false(reaches);
	cni_detach(&lab, C1, "eth0");
	cni_detach(&lab, C2, "eth0");
	cni_detach(&lab, "blue", "net1");
	cni_detach(&lab, "global", "eth0");
	assert_int_equal(cni_ports(&lab), 0);
	cni_flows_become(&lab, before);
	pod_close(&red);
	pod_close(&red2);
	pod_close(&blue);
	pod_close(&global);
}

static void result_is(const json_t *result, const char *version, const struct pod *pod)
{
	const json_t *interfaces = json_object_get(result, "interfaces");
	const json_t *inside = json_array_get(interfaces, 1);
	const json_t *ip = json_array_get(json_object_get(result, "ips"), 0);
	char netns[64];

	snprintf(netns, sizeof(netns), "/proc/%d/fd/%d", (int)getpid(), pod->netns_fd);
	assert_string_equal(json_string_value(json_object_get(result, "cniVersion")), version);
	assert_int_equal(json_array_size(interfaces), 2);
	assert_memory_equal(
		json_string_value(json_object_get(json_array_get(interfaces, 0), "name")), "bh", 2);
	assert_null(json_object_get(json_array_get(interfaces, 0), "sandbox"));
	assert_string_equal(json_string_value(json_object_get(inside, "name")), "eth0");
	assert_string_equal(json_string_value(json_object_get(inside, "sandbox")), netns);
	assert_memory_equal(json_string_value(json_object_get(inside, "mac")), "0a:58:0a:80:", 12);
	assert_int_equal(json_integer_value(json_object_get(inside, "mtu")),
		strcmp(version, "1.1.0") == 0 ? 1450 : 0);
	assert_int_equal(json_integer_value(json_object_get(ip, "interface")), 1);
	assert_int_equal(json_object_get(ip, "version") != NULL, strcmp(version, "0.4.0") == 0);
}

static void results_are_as_their_version_says(void **state)
{
	static const char *const versions[] = { "0.4.0", "1.0.0", "1.1.0" };
	struct pod pod;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		json_t *result;

		pod_open(&lab, &pod, "-", 0);
		result = cni_attach(&lab, &pod, C1, "eth0", "red", versions[i]);
		result_is(result, versions[i], &pod);
		cni_is_done(cni_lab_verb(&lab, "CHECK", C1, "eth0", &pod, NULL,
			cni_with_prev(&lab, versions[i], "pods", result)));
		/* As it is handed to DEL. */
		cni_is_done(cni_lab_verb(&lab, "DEL", C1, "eth0", &pod, cni_args("red"),
			cni_with_prev(&lab, versions[i], "pods", result)));
		json_decref(result);
		pod_close(&pod);
	}
}

static void rows_say_whose_they_are(void **state)
{
	static const char *const parts[] = { "bulkhead-owner=cni", "bulkhead-container=" C1 ",",
		"bulkhead-ifname=eth0", "bulkhead-network=pods", "bulkhead-project=red",
		"bulkhead-pod=web", "bulkhead-vnid=\"11\"", "sandbox=" C1 };
	cleanup_free char *row = NULL;
	json_t *result;
	struct pod pod;

	(void)state;
	pod_open(&lab, &pod, "-", 0);
	result = cni_attach(&lab, &pod, C1, "eth0", "red", "1.1.0");
	row = lab_run("ovs-vsctl --db=unix:%s/db.sock get port %s external_ids | tr -d '{}'"
		      " | sed 's/\"\\(%s\\)\"/\\1/g'",
		lab.dir,
		json_string_value(json_object_get(
			json_array_get(json_object_get(result, "interfaces"), 0), "name")),
		C1);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (!strstr(row, parts[i]))
			fail_msg("no %s in %s", parts[i], row);
	}
	json_decref(result);
	cni_detach(&lab, C1, "eth0");
	pod_close(&pod);
}

/* The agent removes what pods left behind: its own pods. */
static void a_sync_of_the_agent_leaves_them(void **state)
{
	struct pod cni, agents;
	json_t *result;

	(void)state;
	pod_open(&lab, &cni, "-", 0);
	pod_open(&lab, &agents, "pod-1", RED);
	result = cni_attach(&lab, &cni, C1, "eth0", "red", "1.1.0");
	assert_int_equal(pod_plug(&lab, &agents, NULL), 0);
	assert_true(pod_pings(&lab, &cni, agents.address, 2000));
	assert_int_equal(cni_lab_sync(&lab), 1);
	assert_int_equal(cni_ports(&lab), 1);
	cni_is_done(cni_lab_verb(&lab, "CHECK", C1, "eth0", &cni, NULL,
		cni_with_prev(&lab, "1.1.0", "pods", result)));
	json_decref(result);
	cni_detach(&lab, C1, "eth0");
	pod_close(&cni);
	pod_close(&agents);
}

static void a_new_netd_knows_them(void **state)
{
	cleanup_free char *before = lab_flows(&lab);
	struct pod pod, pod2;
	json_t *result;

	(void)state;
	pod_open(&lab, &pod, "-", 0);
	pod_open(&lab, &pod2, "-", 0);
	result = cni_attach(&lab, &pod, C1, "eth0", "red", "1.1.0");
	restart_netd();
	cni_is_done(cni_lab_verb(&lab, "CHECK", C1, "eth0", &pod, NULL,
		cni_with_prev(&lab, "1.1.0", "pods", result)));
	/* Which projects there are is the agent's to say. */
	cni_is_refused(cni_lab_verb(&lab, "ADD", C2, "eth0", &pod2, cni_args("red"),
			       cni_config(&lab, "1.1.0", "pods", "")),
		CNI_TRY_AGAIN, "which projects there are is not known yet");
	cni_is_refused(cni_lab_verb(&lab, "STATUS", NULL, NULL, NULL, NULL,
			       cni_config(&lab, "1.1.0", "pods", "")),
		CNI_NOT_AVAILABLE, "which projects there are is not known yet");
	tell_projects();
	cni_is_refused(cni_lab_verb(&lab, "ADD", C1, "eth0", &pod2, cni_args("red"),
			       cni_config(&lab, "1.1.0", "pods", "")),
		CNI_ATTACHED_ALREADY, "DEL comes before another ADD");
	json_decref(cni_attach(&lab, &pod2, C2, "eth0", "red", "1.1.0"));
	assert_true(pod_pings(&lab, &pod, pod2.address, 2000));
	json_decref(result);
	cni_detach(&lab, C1, "eth0");
	cni_detach(&lab, C2, "eth0");
	cni_flows_become(&lab, before);
	pod_close(&pod);
	pod_close(&pod2);
}

static void adding_twice_is_refused_and_deleting_twice_is_not(void **state)
{
	cleanup_free char *before = lab_flows(&lab);
	struct pod pod;
	char netns[64];
	const char *const gone[] = { "CNI_COMMAND=DEL", "CNI_CONTAINERID=" C1, "CNI_IFNAME=eth0",
		"CNI_NETNS=/run/netns/gone-long-ago", NULL };

	(void)state;
	pod_open(&lab, &pod, "-", 0);
	json_decref(cni_attach(&lab, &pod, C1, "eth0", "red", "1.1.0"));
	cni_is_refused(cni_lab_verb(&lab, "ADD", C1, "eth0", &pod, cni_args("red"),
			       cni_config(&lab, "1.1.0", "pods", "")),
		CNI_ATTACHED_ALREADY, "is attached by 'eth0' already");
	/* Another container of the same namespace: the link is there. */
	cni_is_refused(cni_lab_verb(&lab, "ADD", C2, "eth0", &pod, cni_args("red"),
			       cni_config(&lab, "1.1.0", "pods", "")),
		CNI_ATTACHED_ALREADY, "eth0");
	/* By another name it is another attachment. */
	json_decref(cni_attach(&lab, &pod, C1, "net1", "blue", "1.1.0"));
	assert_int_equal(cni_ports(&lab), 2);
	cni_detach(&lab, C1, "net1");
	snprintf(netns, sizeof(netns), "/proc/%d/fd/%d", (int)getpid(), pod.netns_fd);
	pod_close(&pod);
	cni_is_done(cni_lab_run(&lab, gone, cni_config(&lab, "1.1.0", "pods", "")));
	assert_int_equal(cni_ports(&lab), 0);
	cni_is_done(cni_lab_run(&lab, gone, cni_config(&lab, "1.1.0", "pods", "")));
	cni_is_done(cni_lab_verb(&lab, "DEL", "never-there", "eth0", NULL, NULL,
		cni_config(&lab, "0.4.0", "pods", ",\"mtu\":9000")));
	cni_flows_become(&lab, before);
}

static void what_is_asked_wrongly_is_refused_by_name(void **state)
{
	static const struct {
		const char *verb, *container, *ifname, *args, *version, *more;
		unsigned code;
		const char *says;
	} rows[] = {
		{ "add", C1, "eth0", NULL, "1.1.0", "", 4, "CNI_COMMAND: 'add'" },
		{ "ADD", NULL, NULL, NULL, "1.1.0", "", 4,
			"CNI_CONTAINERID is missing, CNI_IFNAME is missing" },
		{ "ADD", "-x", "a/b", NULL, "1.1.0", "", 4,
			"CNI_CONTAINERID is '-x', which is none, CNI_IFNAME is 'a/b'" },
		{ "ADD", C1, "sixteen-letters-", NULL, "1.1.0", "", 4, "CNI_IFNAME" },
		{ "ADD", C1, "eth%d", NULL, "1.1.0", "", 4, "CNI_IFNAME" },
		{ "ADD", C1, "eth0", "K8S_POD_NAMESPACE=red;X=1", "1.1.0", "", 4, "CNI_ARGS: 'X'" },
		{ "ADD", C1, "eth0", "K8S_POD_NAMESPACE=Red", "1.1.0", "", 4,
			"CNI_ARGS: K8S_POD_NAMESPACE 'Red'" },
		{ "ADD", C1, "eth0", "K8S_POD_NAMESPACE", "1.1.0", "", 4, "not KEY=VALUE" },
		{ "ADD", C1, "eth0", NULL, "1.1.0", "", 7, "no project" },
		{ "ADD", C1, "eth0", "K8S_POD_NAMESPACE=red", "1.1.0", ",\"project\":\"blue\"", 7,
			"the network is of 'blue', and K8S_POD_NAMESPACE is 'red'" },
		{ "ADD", C1, "eth0", "K8S_POD_NAMESPACE=green", "1.1.0", "", 11,
			"there is no project 'green'" },
		{ "ADD", C1, "eth0", "K8S_POD_NAMESPACE=red", "0.3.1", "", 1, "'0.3.1'" },
		{ "ADD", C1, "eth0", "K8S_POD_NAMESPACE=red", "1.1.0", ",\"ipam\":{\"type\":\"x\"}",
			2, "ipam: {\"type\":\"x\"}" },
		{ "ADD", C1, "eth0", "K8S_POD_NAMESPACE=red", "1.1.0",
			",\"runtimeConfig\":{\"portMappings\":[{\"hostPort\":1}]}", 2,
			"runtimeConfig.portMappings: [{\"hostPort\":1}]" },
		{ "ADD", C1, "eth0", "K8S_POD_NAMESPACE=red", "1.1.0", ",\"prevResult\":[]", 7,
			"prevResult" },
		{ "ADD", C1, "eth0", "K8S_POD_NAMESPACE=red", "1.1.0", ",", 6, "not JSON" },
		{ "CHECK", C1, "eth0", NULL, "1.1.0", "", 7, "prevResult" },
		{ "CHECK", C1, "eth0", NULL, "1.1.0", ",\"prevResult\":{}", 3, "is not attached" },
		{ "GC", NULL, NULL, NULL, "1.1.0", "", 7, "cni.dev/valid-attachments" },
		{ "GC", NULL, NULL, NULL, "1.0.0", "", 1, "'1.0.0' does not have this command" },
		{ "STATUS", NULL, NULL, NULL, "0.4.0", "", 1, "does not have this command" },
		{ "STATUS", NULL, NULL, NULL, "1.1.0", ",\"socket\":\"x\"", 6, "duplicate" },
	};
	struct pod pod;

	(void)state;
	pod_open(&lab, &pod, "-", 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cni_is_refused(cni_lab_verb(&lab, rows[i].verb, rows[i].container, rows[i].ifname,
				       &pod, rows[i].args,
				       cni_config(&lab, rows[i].version, "pods", rows[i].more)),
			rows[i].code, rows[i].says);
	pod_close(&pod);
	assert_int_equal(cni_ports(&lab), 0);
}

static void namespaces_must_be_a_containers(void **state)
{
	static const struct {
		const char *netns;
		const char *says;
	} rows[] = {
		{ "CNI_NETNS=/nowhere", "No such file" },
		{ "CNI_NETNS=/etc/passwd", "is not a network namespace" },
		{ "CNI_NETNS=/proc/self/ns/mnt", "is not a network namespace" },
		{ "CNI_NETNS=/proc/self/ns/net", "is the node's own" },
		{ "CNI_NETNS=relative", "which is none" },
		{ "CNI_NETNS=", "CNI_NETNS is missing" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *const variables[] = { "CNI_COMMAND=ADD", "CNI_CONTAINERID=" C1,
			"CNI_IFNAME=eth0", "CNI_ARGS=K8S_POD_NAMESPACE=red", rows[i].netns, NULL };

		cni_is_refused(cni_lab_run(&lab, variables, cni_config(&lab, "1.1.0", "pods", "")),
			4, rows[i].says);
	}
	assert_int_equal(cni_ports(&lab), 0);
}

/* The member 'key' of interface 'i' (or of the address, -1) of a copy is 'value'. */
static json_t *altered(const json_t *result, int i, const char *key, const char *value)
{
	json_t *copy = json_deep_copy(result);
	json_t *of = i < 0 ? json_array_get(json_object_get(copy, "ips"), 0)
			   : json_array_get(json_object_get(copy, "interfaces"), (size_t)i);

	json_object_set_new(of, key, json_string(value));
	return copy;
}

static void check_sees_what_was_changed(void **state)
{
	static const struct {
		int interface;
		const char *key, *value;
	} rows[] = {
		{ 0, "name", "bhother" },
		{ 1, "name", "eth1" },
		{ 1, "mac", "0a:58:0a:80:00:09" },
		{ 1, "sandbox", "/run/netns/other" },
		{ -1, "address", "10.128.0.9/14" },
		{ -1, "address", "10.128.0.2/24" },
	};
	char netns[64];
	json_t *result;
	struct pod pod;

	(void)state;
	pod_open(&lab, &pod, "-", 0);
	result = cni_attach(&lab, &pod, C1, "eth0", "red", "1.1.0");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *copy = altered(result, rows[i].interface, rows[i].key, rows[i].value);

		cni_is_refused(cni_lab_verb(&lab, "CHECK", C1, "eth0", &pod, NULL,
				       cni_with_prev(&lab, "1.1.0", "pods", copy)),
			CNI_DIFFERS, "");
		json_decref(copy);
	}
	snprintf(netns, sizeof(netns), "/proc/%d/fd/%d", (int)getpid(), pod.netns_fd);
	free(lab_run("nsenter --net=%s ip link set eth0 mtu 1400", netns));
	cni_is_refused(cni_lab_verb(&lab, "CHECK", C1, "eth0", &pod, NULL,
			       cni_with_prev(&lab, "1.1.0", "pods", result)),
		CNI_DIFFERS, "has MTU 1400 and not 1450");
	free(lab_run("nsenter --net=%s ip addr flush dev eth0", netns));
	cni_is_refused(cni_lab_verb(&lab, "CHECK", C1, "eth0", &pod, NULL,
			       cni_with_prev(&lab, "1.1.0", "pods", result)),
		CNI_DIFFERS, "has address none");
	free(lab_run("nsenter --net=%s ip link set eth0 down", netns));
	cni_is_refused(cni_lab_verb(&lab, "CHECK", C1, "eth0", &pod, NULL,
			       cni_with_prev(&lab, "1.1.0", "pods", result)),
		CNI_DIFFERS, "is down");
	free(lab_run("nsenter --net=%s ip link set eth0 name eth9", netns));
	cni_is_refused(cni_lab_verb(&lab, "CHECK", C1, "eth0", &pod, NULL,
			       cni_with_prev(&lab, "1.1.0", "pods", result)),
		CNI_DIFFERS, "interface 'eth0' of the container");
	json_decref(result);
	cni_detach(&lab, C1, "eth0");
	pod_close(&pod);
}

/* Behind another plugin of the list. */
static void results_are_chained(void **state)
{
	static const char prev[] =
		",\"dns\":{\"nameservers\":[\"10.128.0.9\"]},\"prevResult\":{\"interfaces\":["
		"{\"name\":\"lo\",\"sandbox\":\"/x\"},{\"name\":\"dummy0\"}],"
		"\"ips\":[{\"address\":\"127.0.0.1/8\",\"interface\":0}],\"routes\":[]}";
	struct plugin_run run;
	struct pod pod;
	json_t *ips;

	(void)state;
	pod_open(&lab, &pod, "-", 0);
	run = cni_lab_verb(&lab, "ADD", C1, "eth0", &pod, cni_args("red"),
		cni_config(&lab, "1.0.0", "pods", prev));
	assert_int_equal(run.status, 0);
	ips = json_object_get(run.answer, "ips");
	assert_int_equal(json_array_size(json_object_get(run.answer, "interfaces")), 4);
	assert_int_equal(json_array_size(ips), 2);
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(ips, 1), "interface")), 3);
	assert_non_null(json_object_get(json_object_get(run.answer, "dns"), "nameservers"));
	assert_non_null(json_object_get(run.answer, "routes"));
	cni_is_done(cni_lab_verb(&lab, "CHECK", C1, "eth0", &pod, NULL,
		cni_with_prev(&lab, "1.0.0", "pods", run.answer)));
	json_decref(run.answer);
	cni_detach(&lab, C1, "eth0");
	pod_close(&pod);
}

static void gc_removes_what_is_not_on_the_list(void **state)
{
	static const char one[] =
		",\"cni.dev/valid-attachments\":[{\"containerID\":\"" C1 "\",\"ifname\":\"eth0\"}]";
	struct pod a, b, c, agents;

	(void)state;
	pod_open(&lab, &a, "-", 0);
	pod_open(&lab, &b, "-", 0);
	pod_open(&lab, &c, "-", 0);
	pod_open(&lab, &agents, "pod-1", RED);
	json_decref(cni_attach(&lab, &a, C1, "eth0", "red", "1.1.0"));
	json_decref(cni_attach(&lab, &a, C1, "net1", "red", "1.1.0"));
	json_decref(cni_attach(&lab, &b, C2, "eth0", "red", "1.1.0"));
	cni_is_done(cni_lab_verb(&lab, "ADD", "other", "eth0", &c, cni_args("red"),
		cni_config(&lab, "1.1.0", "another-network", "")));
	assert_int_equal(pod_plug(&lab, &agents, NULL), 0);
	assert_int_equal(cni_ports(&lab), 5);
	/* A list that is not there is not one without attachments. */
	cni_is_refused(cni_lab_verb(&lab, "GC", NULL, NULL, NULL, NULL,
			       cni_config(&lab, "1.1.0", "pods", "")),
		7, "must be a list");
	assert_int_equal(cni_ports(&lab), 5);
	cni_is_done(cni_lab_verb(
		&lab, "GC", NULL, NULL, NULL, NULL, cni_config(&lab, "1.1.0", "pods", one)));
	assert_int_equal(cni_ports(&lab), 3);
	assert_true(pod_pings(&lab, &a, agents.address, 2000));
	cni_is_done(cni_lab_verb(&lab, "GC", NULL, NULL, NULL, NULL,
		cni_config(&lab, "1.1.0", "pods", ",\"cni.dev/valid-attachments\":null")));
	assert_int_equal(cni_ports(&lab), 2);
	cni_is_done(cni_lab_verb(&lab, "GC", NULL, NULL, NULL, NULL,
		cni_config(&lab, "1.1.0", "another-network", ",\"cni.dev/valid-attachments\":[]")));
	assert_int_equal(cni_ports(&lab), 1);
	assert_int_equal(pod_unplug(&lab, "pod-1"), 0);
	pod_close(&a);
	pod_close(&b);
	pod_close(&c);
	pod_close(&agents);
}

static void status_tells_what_is_away(void **state)
{
	(void)state;
	cni_status_becomes(&lab, 0);
	lab_kill(&lab.ovsdb);
	cni_status_becomes(&lab, CNI_NOT_AVAILABLE);
	lab_start_ovsdb(&lab);
	cni_status_becomes(&lab, 0);
	lab_kill(&lab.vswitchd);
	cni_status_becomes(&lab, CNI_LIMITED);
	lab_start_vswitchd(&lab);
	cni_status_becomes(&lab, 0);
	cni_is_refused(cni_lab_verb(&lab, "STATUS", NULL, NULL, NULL, NULL,
			       "{\"cniVersion\":\"1.1.0\",\"name\":\"x\",\"type\":\"x\","
			       "\"socket\":\"/nowhere/cni.sock\"}"),
		CNI_NOT_AVAILABLE, "does not answer at '/nowhere/cni.sock'");
	cni_is_refused(cni_lab_verb(&lab, "DEL", C1, "eth0", NULL, NULL,
			       "{\"cniVersion\":\"1.1.0\",\"name\":\"x\",\"type\":\"x\","
			       "\"socket\":\"/nowhere/cni.sock\"}"),
		CNI_TRY_AGAIN, "does not answer");
}

/* Its number may be another's later. */
static void a_port_goes_with_its_project(void **state)
{
	const char *const left[] = { "blue", "default", NULL };
	cleanup_free char *before = lab_flows(&lab);
	struct pod red, blue;

	(void)state;
	pod_open(&lab, &red, "-", 0);
	pod_open(&lab, &blue, "-", 0);
	json_decref(cni_attach(&lab, &red, C1, "eth0", "red", "1.1.0"));
	json_decref(cni_attach(&lab, &blue, C2, "eth0", "blue", "1.1.0"));
	assert_int_equal(cni_lab_projects(&lab, left, (const uint32_t[]){ BLUE, 0 }), 0);
	for (int i = 0; i < LATER && cni_ports(&lab) != 1; i++)
		usleep(50 * 1000);
	assert_int_equal(cni_ports(&lab), 1);
	cni_is_refused(cni_lab_verb(&lab, "CHECK", C1, "eth0", &red, NULL,
			       cni_config(&lab, "1.1.0", "pods", ",\"prevResult\":{}")),
		CNI_UNKNOWN_CONTAINER, "is not attached");
	cni_detach(&lab, C1, "eth0");
	cni_detach(&lab, C2, "eth0");
	tell_projects();
	cni_flows_become(&lab, before);
	pod_close(&red);
	pod_close(&blue);
}

/* Whatever a container asks for, no process is started and no file but its namespace opened. */
static void limits_of_the_project_are_theirs(void **state)
{
	cleanup_free char *before = lab_flows(&lab), *limited = NULL, *meters = NULL;
	struct pod pod;

	(void)state;
	assert_int_equal(lab_limit_project(&lab, "red", RED, 0, 5000000), 0);
	pod_open(&lab, &pod, "-", 0);
	json_decref(cni_attach(&lab, &pod, C1, "eth0", "red", "1.1.0"));
	limited = lab_flows(&lab);
	meters = lab_meters(&lab);
	assert_non_null(strstr(limited, "table=22, priority=100,ip,in_port="));
	assert_non_null(strstr(meters, "rate=5000 "));
	tell_projects();
	cni_detach(&lab, C1, "eth0");
	cni_flows_become(&lab, before);
	pod_close(&pod);
}

static void adding_forks_nothing(void **state)
{
	char program[512];
	cleanup_free char *calls = NULL;
	struct pod pod;

	(void)state;
	pod_open(&lab, &pod, "-", 0);
	cni_lab_program(&lab, program);
	calls = lab_run("echo '%s' | strace -f -e trace=process -o %s/trace env CNI_COMMAND=ADD"
			" CNI_CONTAINERID=%s CNI_IFNAME=eth0 CNI_NETNS=/proc/%d/fd/%d"
			" CNI_ARGS=K8S_POD_NAMESPACE=red %s >/dev/null"
			" && grep -cE 'fork|clone|execve' %s/trace",
		cni_config(&lab, "1.1.0", "pods", ""), lab.dir, C1, (int)getpid(), pod.netns_fd,
		program, lab.dir);
	assert_int_equal(atoi(calls), 2); /* env's own start, and the plugin's */
	cni_detach(&lab, C1, "eth0");
	pod_close(&pod);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_says_what_is_honoured),
		cmocka_unit_test(the_project_alone_is_reached),
		cmocka_unit_test(results_are_as_their_version_says),
		cmocka_unit_test(rows_say_whose_they_are),
		cmocka_unit_test(a_sync_of_the_agent_leaves_them),
		cmocka_unit_test(a_new_netd_knows_them),
		cmocka_unit_test(adding_twice_is_refused_and_deleting_twice_is_not),
		cmocka_unit_test(what_is_asked_wrongly_is_refused_by_name),
		cmocka_unit_test(namespaces_must_be_a_containers),
		cmocka_unit_test(check_sees_what_was_changed),
		cmocka_unit_test(results_are_chained),
		cmocka_unit_test(gc_removes_what_is_not_on_the_list),
		cmocka_unit_test(status_tells_what_is_away),
		cmocka_unit_test(a_port_goes_with_its_project),
		cmocka_unit_test(limits_of_the_project_are_theirs),
		cmocka_unit_test(adding_forks_nothing),
	};

	return cmocka_run_group_tests_name("cni", tests, setup, teardown);
}
