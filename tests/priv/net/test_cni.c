/* The CNI plugin through all its verbs, at a switch and a netd of their own. */
#include <setjmp.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
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
#define ARGS  "IgnoreUnknown=1;K8S_POD_NAMESPACE=%s;K8S_POD_NAME=web;K8S_POD_UID=u;MORE=1"

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

/* ---- configurations and runs --------------------------------------------------------------- */

/* 'more' is members with a comma before each. The next call's takes its place. */
static const char *config(const char *version, const char *network, const char *more)
{
	static char text[1 << 16];

	assert_true(snprintf(text, sizeof(text),
			    "{\"cniVersion\":\"%s\",\"name\":\"%s\",\"type\":\"bulkhead-cni\","
			    "\"socket\":\"%s/cni.sock\"%s}",
			    version, network, lab.dir, more) < (int)sizeof(text));
	return text;
}

static const char *with_prev(const char *version, const char *network, const json_t *prev)
{
	cleanup_free char *text = json_dumps(prev, JSON_COMPACT);
	cleanup_free char *more = NULL;

	assert_true(text && asprintf(&more, ",\"prevResult\":%s", text) > 0);
	return config(version, network, more);
}

static const char *args_of(const char *project)
{
	static char text[256];

	snprintf(text, sizeof(text), ARGS, project);
	return text;
}

static void is_done(struct plugin_run run)
{
	if (run.status != 0)
		fail_msg("code %u: %s", run.code, run.text);
	json_decref(run.answer);
}

static void is_refused(struct plugin_run run, unsigned code, const char *says)
{
	assert_int_equal(run.status, 1);
	if (run.code != code || !strstr(run.text, says))
		fail_msg("code %u: %s", run.code, run.text);
	assert_non_null(json_object_get(run.answer, "cniVersion"));
	json_decref(run.answer);
}

/* Attaches 'pod', takes in its address; the caller owns the result. */
static json_t *attach(struct pod *pod, const char *container, const char *ifname,
	const char *project, const char *version)
{
	struct plugin_run run = cni_lab_verb(
		&lab, "ADD", container, ifname, pod, args_of(project), config(version, "pods", ""));
	const char *text;
	char dotted[32];
	struct in_addr in;

	if (run.status != 0)
		fail_msg("code %u: %s", run.code, run.text);
	text = json_string_value(
		json_object_get(json_array_get(json_object_get(run.answer, "ips"), 0), "address"));
	assert_int_equal(sscanf(text, "%31[0-9.]/14", dotted), 1);
	assert_int_equal(inet_pton(AF_INET, dotted, &in), 1);
	pod->address = ntohl(in.s_addr);
	return run.answer;
}

static void detach(const char *container, const char *ifname)
{
	is_done(cni_lab_verb(
		&lab, "DEL", container, ifname, NULL, NULL, config("1.1.0", "pods", "")));
}

static unsigned ports(void)
{
	cleanup_free char *text =
		lab_run("ovs-vsctl --db=unix:%s/db.sock list-ports br0 | wc -l", lab.dir);

	return (unsigned)atoi(text);
}

static void flows_are(const char *expected)
{
	for (int i = 0; i < LATER; i++) {
		cleanup_free char *now = lab_flows(&lab);

		if (strcmp(now, expected) == 0)
			return;
		usleep(100 * 1000);
	}
	fail_msg("the flows do not become what they must be");
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
	is_done(cni_lab_run(&lab, variables, ""));
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
	json_decref(attach(&red, C1, "eth0", "red", "1.1.0"));
	json_decref(attach(&red2, C2, "eth0", "red", "1.0.0"));
	json_decref(attach(&blue, "blue", "net1", "blue", "0.4.0"));
	json_decref(attach(&global, "global", "eth0", "default", "1.1.0"));
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
	detach(C1, "eth0");
	detach(C2, "eth0");
	detach("blue", "net1");
	detach("global", "eth0");
	assert_int_equal(ports(), 0);
	flows_are(before);
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
		result = attach(&pod, C1, "eth0", "red", versions[i]);
		result_is(result, versions[i], &pod);
		is_done(cni_lab_verb(&lab, "CHECK", C1, "eth0", &pod, NULL,
			with_prev(versions[i], "pods", result)));
		/* As it is handed to DEL. */
		is_done(cni_lab_verb(&lab, "DEL", C1, "eth0", &pod, args_of("red"),
			with_prev(versions[i], "pods", result)));
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
	result = attach(&pod, C1, "eth0", "red", "1.1.0");
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
	detach(C1, "eth0");
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
	result = attach(&cni, C1, "eth0", "red", "1.1.0");
	assert_int_equal(pod_plug(&lab, &agents, NULL), 0);
	assert_true(pod_pings(&lab, &cni, agents.address, 2000));
	assert_int_equal(cni_lab_sync(&lab), 1);
	assert_int_equal(ports(), 1);
	is_done(cni_lab_verb(
		&lab, "CHECK", C1, "eth0", &cni, NULL, with_prev("1.1.0", "pods", result)));
	json_decref(result);
	detach(C1, "eth0");
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
	result = attach(&pod, C1, "eth0", "red", "1.1.0");
	restart_netd();
	is_done(cni_lab_verb(
		&lab, "CHECK", C1, "eth0", &pod, NULL, with_prev("1.1.0", "pods", result)));
	/* Which projects there are is the agent's to say. */
	is_refused(cni_lab_verb(&lab, "ADD", C2, "eth0", &pod2, args_of("red"),
			   config("1.1.0", "pods", "")),
		CNI_TRY_AGAIN, "which projects there are is not known yet");
	is_refused(
		cni_lab_verb(&lab, "STATUS", NULL, NULL, NULL, NULL, config("1.1.0", "pods", "")),
		CNI_NOT_AVAILABLE, "which projects there are is not known yet");
	tell_projects();
	is_refused(cni_lab_verb(&lab, "ADD", C1, "eth0", &pod2, args_of("red"),
			   config("1.1.0", "pods", "")),
		CNI_ATTACHED_ALREADY, "DEL comes before another ADD");
	json_decref(attach(&pod2, C2, "eth0", "red", "1.1.0"));
	assert_true(pod_pings(&lab, &pod, pod2.address, 2000));
	json_decref(result);
	detach(C1, "eth0");
	detach(C2, "eth0");
	flows_are(before);
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
	json_decref(attach(&pod, C1, "eth0", "red", "1.1.0"));
	is_refused(cni_lab_verb(&lab, "ADD", C1, "eth0", &pod, args_of("red"),
			   config("1.1.0", "pods", "")),
		CNI_ATTACHED_ALREADY, "is attached by 'eth0' already");
	/* Another container of the same namespace: the link is there. */
	is_refused(cni_lab_verb(&lab, "ADD", C2, "eth0", &pod, args_of("red"),
			   config("1.1.0", "pods", "")),
		CNI_ATTACHED_ALREADY, "eth0");
	/* By another name it is another attachment. */
	json_decref(attach(&pod, C1, "net1", "blue", "1.1.0"));
	assert_int_equal(ports(), 2);
	detach(C1, "net1");
	snprintf(netns, sizeof(netns), "/proc/%d/fd/%d", (int)getpid(), pod.netns_fd);
	pod_close(&pod);
	is_done(cni_lab_run(&lab, gone, config("1.1.0", "pods", "")));
	assert_int_equal(ports(), 0);
	is_done(cni_lab_run(&lab, gone, config("1.1.0", "pods", "")));
	is_done(cni_lab_verb(&lab, "DEL", "never-there", "eth0", NULL, NULL,
		config("0.4.0", "pods", ",\"mtu\":9000")));
	flows_are(before);
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
		is_refused(cni_lab_verb(&lab, rows[i].verb, rows[i].container, rows[i].ifname, &pod,
				   rows[i].args, config(rows[i].version, "pods", rows[i].more)),
			rows[i].code, rows[i].says);
	pod_close(&pod);
	assert_int_equal(ports(), 0);
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

		is_refused(
			cni_lab_run(&lab, variables, config("1.1.0", "pods", "")), 4, rows[i].says);
	}
	assert_int_equal(ports(), 0);
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
	result = attach(&pod, C1, "eth0", "red", "1.1.0");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *copy = altered(result, rows[i].interface, rows[i].key, rows[i].value);

		is_refused(cni_lab_verb(&lab, "CHECK", C1, "eth0", &pod, NULL,
				   with_prev("1.1.0", "pods", copy)),
			CNI_DIFFERS, "");
		json_decref(copy);
	}
	snprintf(netns, sizeof(netns), "/proc/%d/fd/%d", (int)getpid(), pod.netns_fd);
	free(lab_run("nsenter --net=%s ip link set eth0 mtu 1400", netns));
	is_refused(cni_lab_verb(&lab, "CHECK", C1, "eth0", &pod, NULL,
			   with_prev("1.1.0", "pods", result)),
		CNI_DIFFERS, "has MTU 1400 and not 1450");
	free(lab_run("nsenter --net=%s ip addr flush dev eth0", netns));
	is_refused(cni_lab_verb(&lab, "CHECK", C1, "eth0", &pod, NULL,
			   with_prev("1.1.0", "pods", result)),
		CNI_DIFFERS, "has address none");
	free(lab_run("nsenter --net=%s ip link set eth0 down", netns));
	is_refused(cni_lab_verb(&lab, "CHECK", C1, "eth0", &pod, NULL,
			   with_prev("1.1.0", "pods", result)),
		CNI_DIFFERS, "is down");
	free(lab_run("nsenter --net=%s ip link set eth0 name eth9", netns));
	is_refused(cni_lab_verb(&lab, "CHECK", C1, "eth0", &pod, NULL,
			   with_prev("1.1.0", "pods", result)),
		CNI_DIFFERS, "interface 'eth0' of the container");
	json_decref(result);
	detach(C1, "eth0");
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
	run = cni_lab_verb(
		&lab, "ADD", C1, "eth0", &pod, args_of("red"), config("1.0.0", "pods", prev));
	assert_int_equal(run.status, 0);
	ips = json_object_get(run.answer, "ips");
	assert_int_equal(json_array_size(json_object_get(run.answer, "interfaces")), 4);
	assert_int_equal(json_array_size(ips), 2);
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(ips, 1), "interface")), 3);
	assert_non_null(json_object_get(json_object_get(run.answer, "dns"), "nameservers"));
	assert_non_null(json_object_get(run.answer, "routes"));
	is_done(cni_lab_verb(
		&lab, "CHECK", C1, "eth0", &pod, NULL, with_prev("1.0.0", "pods", run.answer)));
	json_decref(run.answer);
	detach(C1, "eth0");
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
	json_decref(attach(&a, C1, "eth0", "red", "1.1.0"));
	json_decref(attach(&a, C1, "net1", "red", "1.1.0"));
	json_decref(attach(&b, C2, "eth0", "red", "1.1.0"));
	is_done(cni_lab_verb(&lab, "ADD", "other", "eth0", &c, args_of("red"),
		config("1.1.0", "another-network", "")));
	assert_int_equal(pod_plug(&lab, &agents, NULL), 0);
	assert_int_equal(ports(), 5);
	/* A list that is not there is not one without attachments. */
	is_refused(cni_lab_verb(&lab, "GC", NULL, NULL, NULL, NULL, config("1.1.0", "pods", "")), 7,
		"must be a list");
	assert_int_equal(ports(), 5);
	is_done(cni_lab_verb(&lab, "GC", NULL, NULL, NULL, NULL, config("1.1.0", "pods", one)));
	assert_int_equal(ports(), 3);
	assert_true(pod_pings(&lab, &a, agents.address, 2000));
	is_done(cni_lab_verb(&lab, "GC", NULL, NULL, NULL, NULL,
		config("1.1.0", "pods", ",\"cni.dev/valid-attachments\":null")));
	assert_int_equal(ports(), 2);
	is_done(cni_lab_verb(&lab, "GC", NULL, NULL, NULL, NULL,
		config("1.1.0", "another-network", ",\"cni.dev/valid-attachments\":[]")));
	assert_int_equal(ports(), 1);
	assert_int_equal(pod_unplug(&lab, "pod-1"), 0);
	pod_close(&a);
	pod_close(&b);
	pod_close(&c);
	pod_close(&agents);
}

static void status_is(unsigned code)
{
	struct plugin_run run = { 0 };

	for (int i = 0; i < LATER; i++) {
		run = cni_lab_verb(
			&lab, "STATUS", NULL, NULL, NULL, NULL, config("1.1.0", "pods", ""));
		json_decref(run.answer);
		if (run.code == code && run.status == (code ? 1 : 0))
			return;
		usleep(100 * 1000);
	}
	fail_msg("status is %u: %s", run.code, run.text);
}

static void status_tells_what_is_away(void **state)
{
	(void)state;
	status_is(0);
	lab_kill(&lab.ovsdb);
	status_is(CNI_NOT_AVAILABLE);
	lab_start_ovsdb(&lab);
	status_is(0);
	lab_kill(&lab.vswitchd);
	status_is(CNI_LIMITED);
	lab_start_vswitchd(&lab);
	status_is(0);
	is_refused(cni_lab_verb(&lab, "STATUS", NULL, NULL, NULL, NULL,
			   "{\"cniVersion\":\"1.1.0\",\"name\":\"x\",\"type\":\"x\","
			   "\"socket\":\"/nowhere/cni.sock\"}"),
		CNI_NOT_AVAILABLE, "does not answer at '/nowhere/cni.sock'");
	is_refused(cni_lab_verb(&lab, "DEL", C1, "eth0", NULL, NULL,
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
	json_decref(attach(&red, C1, "eth0", "red", "1.1.0"));
	json_decref(attach(&blue, C2, "eth0", "blue", "1.1.0"));
	assert_int_equal(cni_lab_projects(&lab, left, (const uint32_t[]){ BLUE, 0 }), 0);
	for (int i = 0; i < LATER && ports() != 1; i++)
		usleep(50 * 1000);
	assert_int_equal(ports(), 1);
	is_refused(cni_lab_verb(&lab, "CHECK", C1, "eth0", &red, NULL,
			   config("1.1.0", "pods", ",\"prevResult\":{}")),
		CNI_UNKNOWN_CONTAINER, "is not attached");
	detach(C1, "eth0");
	detach(C2, "eth0");
	tell_projects();
	flows_are(before);
	pod_close(&red);
	pod_close(&blue);
}

/* ---- at the socket itself ------------------------------------------------------------------ */

static int connect_to_netd(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/cni.sock", lab.dir);
	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* 0: netd answered, 1: it closed the connection, 2: not even connected. */
static int ask_as(uid_t uid)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		Bulkhead__V1__CniCall call = BULKHEAD__V1__CNI_CALL__INIT;
		struct ipc_frame frame;
		struct error err;
		struct ipc *ipc;
		int fd;

		if (setresuid(uid, uid, uid) < 0)
			_exit(9);
		fd = connect_to_netd();
		if (fd < 0)
			_exit(2);
		if (ipc_table_connect(&ipc, fd, IPC_CNI, IPC_NETD, &err) < 0)
			_exit(9);
		ipc_table_send(ipc, IPC_CNI_CALL, 0, &call.base, NULL, 0, NULL, &err);
		_exit(ipc_recv_wait(ipc, &frame, 5000, &err) == 1 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void others_than_root_are_not_answered(void **state)
{
	char path[96];

	(void)state;
	assert_int_equal(ask_as(0), 0);
	assert_int_equal(chmod(lab.dir, 0755), 0);
	assert_int_equal(ask_as(LAB_UID + 1), 2);
	/* Nor if the file let them. */
	snprintf(path, sizeof(path), "%s/cni.sock", lab.dir);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(ask_as(LAB_UID + 1), 1);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(ask_as(0), 0);
}

static void send_call(struct ipc *ipc, Bulkhead__V1__CniCommand command, const int *fds, size_t len)
{
	Bulkhead__V1__CniAttachment attachment = BULKHEAD__V1__CNI_ATTACHMENT__INIT;
	Bulkhead__V1__CniCall call = BULKHEAD__V1__CNI_CALL__INIT;
	struct error err;

	attachment.container = (char *)(uintptr_t)C1;
	attachment.ifname = (char *)(uintptr_t) "eth0";
	call.command = command;
	call.attachment = &attachment;
	call.network = (char *)(uintptr_t) "pods";
	call.project = (char *)(uintptr_t) "red";
	call.pod = (char *)(uintptr_t) "web";
	assert_int_equal(ipc_table_send(ipc, IPC_CNI_CALL, 0, &call.base, fds, len, NULL, &err), 0);
}

/* The error's code of the answer; -1: there was none. */
static int take_code(struct ipc *ipc)
{
	struct ipc_frame frame;
	ProtobufCMessage *message;
	struct error err;
	int code;

	if (ipc_recv_wait(ipc, &frame, 8000, &err) != 1)
		return -1;
	assert_int_equal(frame.type, IPC_CNI_REPLY);
	assert_int_equal(ipc_table_unpack(&frame, &message, &err), 0);
	code = ((Bulkhead__V1__CniReply *)message)->error
		       ? (int)((Bulkhead__V1__CniReply *)message)->error->code
		       : 0;
	protobuf_c_message_free_unpacked(message, NULL);
	ipc_frame_done(&frame);
	return code;
}

static struct ipc *open_ipc(void)
{
	struct error err;
	struct ipc *ipc;

	assert_int_equal(ipc_table_connect(&ipc, connect_to_netd(), IPC_CNI, IPC_NETD, &err), 0);
	return ipc;
}

/* netd takes nobody's word: wrong descriptors, numbers, bytes. It lives on. */
static void hostile_frames_do_no_harm(void **state)
{
	struct ipc *ipc = open_ipc();
	const int wrong[] = { STDERR_FILENO, STDERR_FILENO, STDERR_FILENO };
	const int own[] = { lab.node_netns_fd, STDERR_FILENO, STDERR_FILENO };
	const pid_t before = lab.netd;
	int fd = connect_to_netd();

	(void)state;
	send_call(ipc, BULKHEAD__V1__CNI_COMMAND__CNI_ADD, NULL, 0);
	assert_int_equal(take_code(ipc), ERR_INVALID);
	ipc_free(ipc);
	ipc = open_ipc();
	send_call(ipc, BULKHEAD__V1__CNI_COMMAND__CNI_ADD, wrong, 3);
	assert_int_equal(take_code(ipc), ERR_INVALID);
	ipc_free(ipc);
	ipc = open_ipc();
	send_call(ipc, BULKHEAD__V1__CNI_COMMAND__CNI_ADD, own, 3);
	assert_int_equal(take_code(ipc), ERR_INVALID);
	ipc_free(ipc);
	ipc = open_ipc();
	send_call(ipc, (Bulkhead__V1__CniCommand)77, NULL, 0);
	assert_int_equal(take_code(ipc), ERR_INVALID);
	ipc_free(ipc);
	/* Two questions at once. */
	ipc = open_ipc();
	send_call(ipc, BULKHEAD__V1__CNI_COMMAND__CNI_DEL, NULL, 0);
	send_call(ipc, BULKHEAD__V1__CNI_COMMAND__CNI_DEL, NULL, 0);
	take_code(ipc);
	assert_int_equal(take_code(ipc), -1);
	ipc_free(ipc);
	assert_int_equal(send(fd, "not a frame", 11, MSG_NOSIGNAL), 11);
	assert_int_equal(recv(fd, (char[8]){ 0 }, 8, 0), 0);
	close(fd);
	status_is(0);
	assert_int_equal(waitpid(before, NULL, WNOHANG), 0);
	assert_int_equal(ports(), 0);
}

/* A runtime that is killed, or gives up, while its container is attached. */
static void who_goes_away_has_no_port(void **state)
{
	cleanup_free char *before = lab_flows(&lab);
	struct pod pod;
	struct ipc *ipc;

	(void)state;
	pod_open(&lab, &pod, "-", 0);
	kill(lab.vswitchd, SIGSTOP);
	ipc = open_ipc();
	send_call(ipc, BULKHEAD__V1__CNI_COMMAND__CNI_ADD,
		(const int[]){ pod.netns_fd, pod.route_fd, pod.inet_fd }, 3);
	usleep(300 * 1000);
	ipc_free(ipc);
	usleep(300 * 1000);
	kill(lab.vswitchd, SIGCONT);
	for (int i = 0; i < LATER && ports() != 0; i++)
		usleep(50 * 1000);
	assert_int_equal(ports(), 0);
	flows_are(before);
	/* And nothing is in the way of the next. */
	json_decref(attach(&pod, C1, "eth0", "red", "1.1.0"));
	detach(C1, "eth0");
	pod_close(&pod);
}

/* Who connects and says nothing keeps others waiting for a while, and not for ever. */
static void more_connections_than_the_limit_wait(void **state)
{
	static int fds[CNI_CONNS_MAX];

	(void)state;
	for (size_t i = 0; i < CNI_CONNS_MAX; i++) {
		fds[i] = connect_to_netd();
		assert_true(fds[i] >= 0);
	}
	is_done(cni_lab_verb(&lab, "STATUS", NULL, NULL, NULL, NULL, config("1.1.0", "pods", "")));
	for (size_t i = 0; i < CNI_CONNS_MAX; i++)
		close(fds[i]);
	status_is(0);
}

/* Whatever a container asks for, no process is started and no file but its namespace opened. */
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
		config("1.1.0", "pods", ""), lab.dir, C1, (int)getpid(), pod.netns_fd, program,
		lab.dir);
	assert_int_equal(atoi(calls), 2); /* env's own start, and the plugin's */
	detach(C1, "eth0");
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
		cmocka_unit_test(others_than_root_are_not_answered),
		cmocka_unit_test(hostile_frames_do_no_harm),
		cmocka_unit_test(who_goes_away_has_no_port),
		cmocka_unit_test(more_connections_than_the_limit_wait),
		cmocka_unit_test(adding_forks_nothing),
	};

	return cmocka_run_group_tests_name("cni", tests, setup, teardown);
}
