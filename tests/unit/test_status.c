#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/status.h"
#include "nodeagent/agent/status_container.h"
#include "proto/decode.h"

#define SEC INT64_C(1000000)

static K8sPod *pod_of(const char *spec)
{
	char yaml[1024];
	ProtobufCMessage *message;
	struct error err;

	snprintf(yaml, sizeof(yaml),
		"apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {%s}\n", spec);
	if (decode_object(K8S_POD_DESC, "v1", "Pod", yaml, strlen(yaml), &message, &err) < 0)
		fail_msg("%s", err.text);
	return (K8sPod *)message;
}

static void test_restarts(void **state)
{
	static const struct {
		const char *policy;
		bool main_ok, main_failed, init_ok, init_failed;
	} policies[] = {
		{ "", true, true, false, true },
		{ "restartPolicy: Always", true, true, false, true },
		{ "restartPolicy: OnFailure", false, true, false, true },
		{ "restartPolicy: Never", false, false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		K8sPod *pod = pod_of(policies[i].policy);

		assert_int_equal(status_restarts(pod, false, 0), policies[i].main_ok);
		assert_int_equal(status_restarts(pod, false, 1), policies[i].main_failed);
		assert_int_equal(status_restarts(pod, true, 0), policies[i].init_ok);
		assert_int_equal(status_restarts(pod, true, 137), policies[i].init_failed);
		k8s_pod_free(pod);
	}
}

static void test_backoff(void **state)
{
	static const uint64_t seconds[] = { 0, 0, 10, 20, 40, 80, 160, 300, 300, 300 };

	(void)state;
	for (uint32_t i = 0; i < ARRAY_LEN(seconds); i++)
		assert_int_equal(status_backoff_usec(i), seconds[i] * 1000000);
	assert_int_equal(status_backoff_usec(UINT32_MAX), 300 * SEC);
}

/*
 * One letter a container: w waits, r runs, 0 ended well, 1 failed, b waits after a failure, c waits
 * after success. Those before '/' are init containers.
 */
static size_t containers_of(struct status_container *ret, const char *letters)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	bool init = strchr(letters, '/') != NULL;
	size_t n = 0;

	for (; *letters; letters++) {
		struct status_container *c = &ret[n];

		if (*letters == '/') {
			init = false;
			continue;
		}
		*c = (struct status_container){ .name = names[n], .image = "app:1", .init = init };
		n++;
		c->stage = *letters == 'r'                      ? STATUS_RUNNING
			   : *letters == '0' || *letters == '1' ? STATUS_TERMINATED
								: STATUS_WAITING;
		c->exit_code = *letters == '1';
		c->has_last = *letters == 'b' || *letters == 'c';
		c->last_exit_code = *letters == 'b';
		if (c->stage != STATUS_WAITING)
			c->started_usec = 100 * SEC;
		if (c->stage == STATUS_TERMINATED)
			c->finished_usec = 200 * SEC;
		if (c->has_last) {
			c->last_started_usec = 100 * SEC;
			c->last_finished_usec = 200 * SEC;
		}
	}
	return n;
}

static const K8sPodCondition *condition(const K8sPod *pod, const char *type)
{
	for (size_t i = 0; i < pod->status->n_conditions; i++) {
		if (strcmp(pod->status->conditions[i]->type, type) == 0)
			return pod->status->conditions[i];
	}
	fail_msg("no condition %s", type);
	return NULL;
}

static const char *text(const char *s)
{
	return s ? s : "";
}

enum flags { LOST = 1, DELETING = 2 };

/* Policy, containers -> phase, and the reason why not initialized or ready ("": it is). */
static const struct row {
	const char *policy; /* the first letter */
	const char *letters;
	int flags;
	const char *phase;
	const char *initialized;
	const char *ready;
} rows[] = {
	{ "A", "w", 0, "Pending", "", "ContainersNotReady" },
	{ "A", "r", 0, "Running", "", "" },
	{ "A", "rr", 0, "Running", "", "" },
	{ "A", "rw", 0, "Pending", "", "ContainersNotReady" },
	{ "A", "r0", 0, "Running", "", "ContainersNotReady" },
	{ "A", "rb", 0, "Running", "", "ContainersNotReady" },
	{ "A", "b", 0, "Running", "", "ContainersNotReady" },
	{ "A", "c", 0, "Running", "", "ContainersNotReady" },
	{ "A", "0", 0, "Running", "", "ContainersNotReady" },
	{ "A", "1", 0, "Running", "", "ContainersNotReady" },
	{ "A", "bw", 0, "Pending", "", "ContainersNotReady" },
	{ "N", "w", 0, "Pending", "", "ContainersNotReady" },
	{ "N", "r", 0, "Running", "", "" },
	{ "N", "0", 0, "Succeeded", "", "PodCompleted" },
	{ "N", "1", 0, "Failed", "", "PodFailed" },
	{ "N", "01", 0, "Failed", "", "PodFailed" },
	{ "N", "00", 0, "Succeeded", "", "PodCompleted" },
	{ "N", "r1", 0, "Running", "", "ContainersNotReady" },
	{ "N", "w1", 0, "Pending", "", "ContainersNotReady" },
	{ "O", "0", 0, "Succeeded", "", "PodCompleted" },
	{ "O", "1", 0, "Running", "", "ContainersNotReady" },
	{ "O", "b", 0, "Running", "", "ContainersNotReady" },
	{ "O", "0b", 0, "Running", "", "ContainersNotReady" },
	/* Init containers. */
	{ "A", "w/w", 0, "Pending", "ContainersNotInitialized", "ContainersNotReady" },
	{ "A", "r/w", 0, "Pending", "ContainersNotInitialized", "ContainersNotReady" },
	{ "A", "0/w", 0, "Pending", "", "ContainersNotReady" },
	{ "A", "0/r", 0, "Running", "", "" },
	{ "A", "0w/w", 0, "Pending", "ContainersNotInitialized", "ContainersNotReady" },
	{ "A", "1/w", 0, "Pending", "ContainersNotInitialized", "ContainersNotReady" },
	{ "A", "b/w", 0, "Pending", "ContainersNotInitialized", "ContainersNotReady" },
	{ "N", "1/w", 0, "Failed", "ContainersNotInitialized", "PodFailed" },
	{ "O", "1/w", 0, "Pending", "ContainersNotInitialized", "ContainersNotReady" },
	{ "N", "0/0", 0, "Succeeded", "", "PodCompleted" },
	{ "N", "0/1", 0, "Failed", "", "PodFailed" },
	/* On its way out: what has ended stays so. */
	{ "A", "r", DELETING, "Running", "", "" },
	{ "A", "0", DELETING, "Succeeded", "", "PodCompleted" },
	{ "A", "1", DELETING, "Failed", "", "PodFailed" },
	{ "A", "r1", DELETING, "Running", "", "ContainersNotReady" },
	/* The shim died. */
	{ "A", "r", LOST, "Failed", "", "PodFailed" },
	{ "A", "w", LOST, "Failed", "", "PodFailed" },
	{ "A", "0/r", LOST, "Failed", "", "PodFailed" },
	{ "A", "w/w", LOST, "Failed", "ContainersNotInitialized", "PodFailed" },
	{ "N", "0", LOST, "Failed", "", "PodFailed" },
};

static void test_phases(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct status_container list[4];
		struct status_pod facts = { .lost = r->flags & LOST,
			.deleting = r->flags & DELETING,
			.started_usec = 50 * SEC,
			.containers = list,
			.containers_len = containers_of(list, r->letters) };
		K8sPod *pod = pod_of(*r->policy == 'A'   ? "restartPolicy: Always"
				     : *r->policy == 'N' ? "restartPolicy: Never"
							 : "restartPolicy: OnFailure");
		const K8sPodCondition *initialized, *ready, *containers;
		struct error err;

		facts.pod = pod;
		assert_int_equal(status_fill(pod, &facts, &err), 0);
		initialized = condition(pod, "Initialized");
		ready = condition(pod, "Ready");
		containers = condition(pod, "ContainersReady");
		if (strcmp(pod->status->phase, r->phase) != 0 ||
			strcmp(initialized->status, r->initialized[0] ? "False" : "True") != 0 ||
			(r->initialized[0] &&
				strcmp(text(initialized->reason), r->initialized) != 0) ||
			strcmp(ready->status, r->ready[0] ? "False" : "True") != 0 ||
			strcmp(text(ready->reason), r->ready) != 0 ||
			strcmp(ready->status, containers->status) != 0)
			fail_msg("%s %s %d: %s, initialized %s %s, ready %s %s", r->policy,
				r->letters, r->flags, pod->status->phase, initialized->status,
				text(initialized->reason), ready->status, text(ready->reason));
		k8s_pod_free(pod);
	}
}

static void test_conditions(void **state)
{
	static const char *const order[] = { "PodReadyToStartContainers", "Initialized", "Ready",
		"ContainersReady", "PodScheduled" };
	struct status_container list[4];
	struct status_pod facts = { .started_usec = 50 * SEC + 7,
		.pod_ip = "",
		.host_ip = "192.0.2.1",
		.containers = list };
	K8sPod *pod = pod_of("restartPolicy: Never");
	const K8sPodCondition *c;
	struct error err;

	(void)state;
	facts.pod = pod;
	facts.containers_len = containers_of(list, "0w/rw");
	assert_int_equal(status_fill(pod, &facts, &err), 0);
	assert_int_equal(pod->status->n_conditions, ARRAY_LEN(order));
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		assert_string_equal(pod->status->conditions[i]->type, order[i]);
	assert_string_equal(condition(pod, "PodReadyToStartContainers")->status, "False");
	assert_string_equal(condition(pod, "PodScheduled")->status, "True");
	assert_int_equal(condition(pod, "PodScheduled")->lasttransitiontime->seconds, 50);
	assert_int_equal(pod->status->n_podips, 0);
	c = condition(pod, "Ready");
	assert_string_equal(c->message, "containers with unready status: [d]");
	facts.containers_len = containers_of(list, "0w/ww");
	assert_int_equal(status_fill(pod, &facts, &err), 0);
	assert_string_equal(
		condition(pod, "Initialized")->message, "containers with incomplete status: [b]");
	assert_string_equal(
		condition(pod, "Ready")->message, "containers with unready status: [c d]");
	/* Ready since it was said to be; initialized since the last init container ended. */
	facts.containers_len = containers_of(list, "0/r");
	list[1].started_usec = 300 * SEC;
	facts.pod_ip = "10.128.0.5";
	facts.ready_since_usec = 301 * SEC;
	assert_int_equal(status_fill(pod, &facts, &err), 0);
	assert_int_equal(condition(pod, "Ready")->lasttransitiontime->seconds, 301);
	assert_int_equal(condition(pod, "Initialized")->lasttransitiontime->seconds, 200);
	assert_string_equal(condition(pod, "PodReadyToStartContainers")->status, "True");
	assert_string_equal(pod->status->podip, "10.128.0.5");
	assert_string_equal(pod->status->podips[0]->ip, "10.128.0.5");
	assert_string_equal(pod->status->hostip, "192.0.2.1");
	assert_string_equal(pod->status->hostips[0]->ip, "192.0.2.1");
	assert_int_equal(pod->status->starttime->seconds, 50);
	assert_string_equal(pod->status->qosclass, "BestEffort");
	/* Over: its sandbox is gone. */
	facts.containers_len = containers_of(list, "0/0");
	assert_int_equal(status_fill(pod, &facts, &err), 0);
	assert_string_equal(condition(pod, "PodReadyToStartContainers")->status, "False");
	assert_string_equal(condition(pod, "Initialized")->reason, "PodCompleted");
	k8s_pod_free(pod);
}

/* Of two that run, the second one's probes say otherwise. */
static void test_probed(void **state)
{
	struct status_container list[2];
	struct status_pod facts = { .started_usec = 50 * SEC,
		.pod_ip = "10.128.0.5",
		.host_ip = "192.0.2.1",
		.containers = list };
	K8sPod *pod = pod_of("restartPolicy: Always");
	struct error err;

	(void)state;
	facts.pod = pod;
	facts.containers_len = containers_of(list, "rr");
	list[1].unready = list[1].unstarted = true;
	assert_int_equal(status_fill(pod, &facts, &err), 0);
	assert_string_equal(pod->status->phase, "Running");
	for (int i = 0; i < 2; i++) {
		const K8sPodCondition *c = condition(pod, i ? "Ready" : "ContainersReady");

		assert_string_equal(c->status, "False");
		assert_string_equal(c->reason, "ContainersNotReady");
		assert_string_equal(c->message, "containers with unready status: [b]");
		assert_int_equal(pod->status->containerstatuses[i]->ready, i == 0);
		assert_int_equal(pod->status->containerstatuses[i]->started, i == 0);
	}
	list[1].unstarted = false;
	assert_int_equal(status_fill(pod, &facts, &err), 0);
	assert_false(pod->status->containerstatuses[1]->ready);
	assert_true(pod->status->containerstatuses[1]->started);
	k8s_pod_free(pod);
}

static void test_containers(void **state)
{
	struct status_container list[] = {
		{ .name = "init",
			.image = "app:1",
			.image_digest = "sha256:aa",
			.container_id = "bulkhead://u/init/0",
			.init = true,
			.stage = STATUS_TERMINATED,
			.started_usec = 10 * SEC,
			.finished_usec = 11 * SEC },
		{ .name = "main",
			.image = "app:2",
			.image_digest = "sha256:bb",
			.container_id = "bulkhead://u/main/2",
			.stage = STATUS_RUNNING,
			.restarts = 2,
			.started_usec = 20 * SEC + 999999,
			.has_last = true,
			.last_started_usec = 12 * SEC,
			.last_finished_usec = 13 * SEC,
			.last_exit_code = 137,
			.last_signal = 9,
			.last_oom_killed = true },
		{ .name = "crash",
			.stage = STATUS_WAITING,
			.restarts = 5,
			.reason = "CrashLoopBackOff",
			.message = "back-off 40s",
			.has_last = true,
			.last_exit_code = 3 },
		{ .name = "done",
			.stage = STATUS_TERMINATED,
			.exit_code = 143,
			.signal = 15,
			.oom_killed = true },
	};
	struct status_pod facts = { .containers = list, .containers_len = ARRAY_LEN(list) };
	K8sPod *pod = pod_of("restartPolicy: Always");
	const K8sContainerStatus *s;
	struct error err;

	(void)state;
	facts.pod = pod;
	assert_int_equal(status_fill(pod, &facts, &err), 0);
	assert_int_equal(pod->status->n_initcontainerstatuses, 1);
	assert_int_equal(pod->status->n_containerstatuses, 3);
	s = pod->status->initcontainerstatuses[0];
	assert_true(s->ready && !s->started && s->restartcount == 0);
	assert_string_equal(s->state->terminated->reason, "Completed");
	assert_int_equal(s->state->terminated->exitcode, 0);
	assert_false(s->state->terminated->has_signal);
	assert_int_equal(s->state->terminated->finishedat->seconds, 11);
	assert_string_equal(s->state->terminated->containerid, "bulkhead://u/init/0");
	assert_null(s->laststate);
	s = pod->status->containerstatuses[0];
	assert_string_equal(s->name, "main");
	assert_string_equal(s->image, "app:2");
	assert_string_equal(s->imageid, "sha256:bb");
	assert_string_equal(s->containerid, "bulkhead://u/main/2");
	assert_true(s->ready && s->started && s->restartcount == 2);
	assert_int_equal(s->state->running->startedat->seconds, 20);
	assert_false(s->state->running->startedat->has_nanos);
	assert_null(s->state->waiting);
	assert_string_equal(s->laststate->terminated->reason, "OOMKilled");
	assert_int_equal(s->laststate->terminated->exitcode, 137);
	assert_int_equal(s->laststate->terminated->signal, 9);
	s = pod->status->containerstatuses[1];
	assert_true(!s->ready && !s->started && s->restartcount == 5);
	assert_string_equal(s->state->waiting->reason, "CrashLoopBackOff");
	assert_string_equal(s->state->waiting->message, "back-off 40s");
	assert_string_equal(s->laststate->terminated->reason, "Error");
	assert_int_equal(s->laststate->terminated->exitcode, 3);
	s = pod->status->containerstatuses[2];
	assert_string_equal(s->state->terminated->reason, "OOMKilled");
	assert_int_equal(s->state->terminated->exitcode, 143);
	k8s_pod_free(pod);
}

/* One that never ran says why. */
static void test_start_error(void **state)
{
	struct status_container list[] = { { .name = "a",
		.stage = STATUS_TERMINATED,
		.exit_code = 128,
		.reason = "StartError",
		.message = "cannot run '/x'" } };
	struct status_pod facts = { .containers = list, .containers_len = 1 };
	K8sPod *pod = pod_of("restartPolicy: Never");
	const K8sContainerStateTerminated *t;
	struct error err;

	(void)state;
	facts.pod = pod;
	assert_int_equal(status_fill(pod, &facts, &err), 0);
	t = pod->status->containerstatuses[0]->state->terminated;
	assert_string_equal(t->reason, "StartError");
	assert_string_equal(t->message, "cannot run '/x'");
	assert_int_equal(t->exitcode, 128);
	assert_string_equal(pod->status->phase, "Failed");
	k8s_pod_free(pod);
}

static void test_waiting_reasons(void **state)
{
	static const char *const waits[][2] = { { "w", "ContainerCreating" },
		{ "w/w", "PodInitializing" }, { "r/w", "PodInitializing" },
		{ "0/w", "ContainerCreating" } };
	struct status_container list[4];
	struct status_pod facts = { .containers = list };
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		K8sPod *pod = pod_of("");

		facts.pod = pod;
		facts.containers_len = containers_of(list, waits[i][0]);
		assert_int_equal(status_fill(pod, &facts, &err), 0);
		assert_string_equal(
			pod->status->containerstatuses[0]->state->waiting->reason, waits[i][1]);
		k8s_pod_free(pod);
	}
}

static void test_lost(void **state)
{
	struct status_container list[4];
	struct status_pod facts = { .lost = true, .containers = list, .started_usec = SEC };
	K8sPod *pod = pod_of("");
	const K8sContainerStatus *s;
	struct error err;

	(void)state;
	facts.pod = pod;
	facts.containers_len = containers_of(list, "r1");
	assert_int_equal(status_fill(pod, &facts, &err), 0);
	assert_string_equal(pod->status->phase, "Failed");
	assert_string_equal(pod->status->reason, "ShimExited");
	assert_non_null(pod->status->message);
	s = pod->status->containerstatuses[0];
	assert_string_equal(s->state->terminated->reason, "ContainerStatusUnknown");
	assert_int_equal(s->state->terminated->exitcode, 137);
	assert_null(s->state->running);
	assert_false(s->ready);
	s = pod->status->containerstatuses[1];
	assert_string_equal(s->state->terminated->reason, "Error");
	/* A reason that is known says more. */
	facts.reason = "Evicted";
	facts.message = "no memory";
	assert_int_equal(status_fill(pod, &facts, &err), 0);
	assert_string_equal(pod->status->reason, "Evicted");
	assert_string_equal(pod->status->message, "no memory");
	k8s_pod_free(pod);
}

/* An init container that runs on is done once it runs, and must be ready. */
static void test_sidecar(void **state)
{
	static const struct {
		const char *letters;
		const char *phase;
		const char *initialized;
		const char *ready;
	} sidecars[] = {
		{ "w/w", "Pending", "False", "False" },
		{ "r/w", "Pending", "True", "False" },
		{ "r/r", "Running", "True", "True" },
		{ "b/r", "Running", "True", "False" },
		{ "1/w", "Pending", "False", "False" },
	};
	struct status_container list[4];
	struct status_pod facts = { .containers = list };
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sidecars); i++) {
		K8sPod *pod = pod_of("restartPolicy: Never, initContainers: [{name: a, image: i, "
				     "restartPolicy: Always}]");

		facts.pod = pod;
		facts.containers_len = containers_of(list, sidecars[i].letters);
		assert_int_equal(status_fill(pod, &facts, &err), 0);
		if (strcmp(pod->status->phase, sidecars[i].phase) != 0 ||
			strcmp(condition(pod, "Initialized")->status, sidecars[i].initialized) !=
				0 ||
			strcmp(condition(pod, "Ready")->status, sidecars[i].ready) != 0)
			fail_msg("%s: %s, %s, %s", sidecars[i].letters, pod->status->phase,
				condition(pod, "Initialized")->status,
				condition(pod, "Ready")->status);
		k8s_pod_free(pod);
	}
}

static void test_no_containers(void **state)
{
	struct status_pod facts = { 0 };
	K8sPod *pod = pod_of("");
	struct error err;

	(void)state;
	facts.pod = pod;
	assert_int_equal(status_fill(pod, &facts, &err), 0);
	assert_string_equal(pod->status->phase, "Pending");
	assert_string_equal(condition(pod, "Ready")->status, "False");
	assert_null(pod->status->starttime);
	k8s_pod_free(pod);
}

static void test_oom_message(void **state)
{
	(void)state;
	assert_null(status_oom_message(""));
	assert_null(status_oom_message("container"));
	assert_string_equal(
		status_oom_message("pod"), "killed by the kernel at the memory limit of the pod");
	assert_string_equal(status_oom_message("project"),
		"killed by the kernel at the memory limit of the project");
	assert_non_null(strstr(status_oom_message("node"), "no memory left"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_restarts),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_phases),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_probed),
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_start_error),
		cmocka_unit_test(test_waiting_reasons),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_sidecar),
		cmocka_unit_test(test_no_containers),
		cmocka_unit_test(test_oom_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
