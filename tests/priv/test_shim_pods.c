/* Pods driven by the agent's own code with the real shim, while everything around them fails. */
#include <dirent.h>

#include "tests/priv/pods_rig.h"

#define STREAMS_MAX                                                                                \
	256 /* POD_STREAMS_MAX of nodeagent/agent/pod.h, whose names are other ones here */

static void a_pod_runs_and_goes(void **unused)
{
	char uid[40];

	(void)unused;
	applied("web", SLEEP, ALWAYS);
	uid_of("web", uid);
	until(runs("web"));
	assert_string_equal(get("web")->status->podip, "10.128.0.2");
	assert_true(shim_pid(uid) > 0);
	assert_int_equal(ports_count(), 1);
	assert_int_equal(delete ("web", -1), 0);
	until(absent("web"));
	nothing_left();
}

static void one_that_ends_keeps_only_its_record(void **unused)
{
	char uid[40];

	(void)unused;
	applied("job", "exit 7", NEVER);
	uid_of("job", uid);
	until(in_phase("job", "Failed") && ports_count() == 0 && entries("run/pods") == 0);
	assert_int_equal(get("job")->status->containerstatuses[0]->state->terminated->exitcode, 7);
	assert_int_equal(shim_pid(uid), 0);
	node_kill();
	node_up();
	assert_true(in_phase("job", "Failed"));
	assert_int_equal(delete ("job", -1), 0);
	until(absent("job"));
	nothing_left();
}

static void waiting_for_the_network(void **unused)
{
	(void)unused;
	error_set(&rig.net_error, ERR_EXHAUSTED, 0, "no free address");
	applied("web", SLEEP, ALWAYS);
	until(rig.plugs == 1 && rig.pending_len == 0);
	assert_true(in_phase("web", "Pending"));
	assert_non_null(strstr(get("web")->status->message, "no free address"));
	until(runs("web"));
	assert_int_equal(rig.plugs, 2);
}

static void waiting_for_a_daemon_that_is_away(void **unused)
{
	(void)unused;
	rig.secretd_away = true;
	rig.net_ready = false;
	applied("web", SLEEP, ALWAYS);
	for (int i = 0; i < 20; i++)
		turn(50000);
	assert_true(in_phase("web", "Pending"));
	rig.secretd_away = false;
	net_sync();
	until(runs("web"));
}

static void waiting_for_the_cluster(void **unused)
{
	(void)unused;
	applied("web", SLEEP, ALWAYS);
	node_kill();
	rig.known = false;
	node_up();
	for (int i = 0; i < 20; i++)
		turn(50000);
	assert_true(in_phase("web", "Pending"));
	rig.known = true;
	pods_kick(rig.agent.pods);
	until(runs("web"));
}

static void a_secret_that_fails_is_tried_again(void **unused)
{
	(void)unused;
	error_set(&rig.secret_error, ERR_INVALID, 0, "the envelope is not for this node");
	applied("web", SLEEP, ALWAYS);
	until(rig.stages == 1 && rig.pending_len == 0);
	until(in_phase("web", "Pending") && get("web")->status->message &&
		strstr(get("web")->status->message, "the envelope is not for this node"));
	until(runs("web"));
}

static void tokens_are_renewed(void **unused)
{
	(void)unused;
	rig.refresh_at = (int64_t)(realtime_usec() / 1000000) + 1;
	applied("web", SLEEP, ALWAYS);
	until(runs("web"));
	assert_int_equal(rig.stages, 1);
	until(rig.stages == 2);
	rig.refresh_at = 0;
	until(rig.stages == 3);
	for (int i = 0; i < 10; i++)
		turn(50000);
	assert_true(runs("web"));
}

/* Before a container began nothing is lost, so the pod begins again. */
static void a_shim_killed_early_is_replaced(void **unused)
{
	char uid[40];
	pid_t first;

	(void)unused;
	error_set(&rig.net_error, ERR_EXHAUSTED, 0, "no free address");
	applied("web", SLEEP, ALWAYS);
	uid_of("web", uid);
	until(rig.plugs == 1 && rig.pending_len == 0);
	first = shim_pid(uid);
	assert_true(first > 0);
	kill(first, SIGKILL);
	until(runs("web"));
	assert_int_not_equal(shim_pid(uid), first);
	assert_int_equal(delete ("web", 0), 0);
	until(absent("web"));
	nothing_left();
}

static void a_shim_killed_takes_its_pod(void **unused)
{
	char uid[40];

	(void)unused;
	applied("one", SLEEP, ALWAYS);
	applied("two", SLEEP, ALWAYS);
	until(runs("one") && runs("two"));
	uid_of("two", uid);
	kill(shim_pid(uid), SIGKILL);
	until(in_phase("two", "Failed"));
	assert_string_equal(get("two")->status->reason, "ShimExited");
	assert_string_equal(
		get("two")->status->containerstatuses[0]->state->terminated->reason, "ShimExited");
	assert_true(runs("one"));
	until(ports_count() == 1);
	assert_int_equal(delete ("two", 0), 0);
	assert_int_equal(delete ("one", 0), 0);
	until(absent("one") && absent("two"));
	nothing_left();
}

static void a_shim_killed_while_the_agent_is_away(void **unused)
{
	char uid[40];

	(void)unused;
	applied("web", SLEEP, ALWAYS);
	until(runs("web"));
	uid_of("web", uid);
	node_kill();
	kill(shim_pid(uid), SIGKILL);
	waitpid(-1, NULL, 0);
	node_up();
	until(in_phase("web", "Failed"));
	assert_string_equal(get("web")->status->reason, "ShimExited");
	/* Once reported it stays so. */
	node_kill();
	node_up();
	assert_true(in_phase("web", "Failed"));
}

/* After a start of the machine there is no shim, and its mark names another boot. */
static void a_start_of_the_machine_is_no_loss(void **unused)
{
	char uid[40];
	char path[192];

	(void)unused;
	applied("web", SLEEP, ALWAYS);
	until(runs("web"));
	uid_of("web", uid);
	node_kill();
	kill(shim_pid(uid), SIGKILL);
	waitpid(-1, NULL, 0);
	snprintf(path, sizeof(path), "%s/pods/%s/begun", rig.run, uid);
	run_host("echo another-boot >%s", path);
	node_up();
	until(runs("web"));
	assert_int_equal(delete ("web", 0), 0);
	until(absent("web"));
	nothing_left();
}

/* What ended while nobody looked is counted once, with its own exit code. */
static void an_exit_while_the_agent_is_away(void **unused)
{
	(void)unused;
	applied("job", "sleep 1; exit 5", NEVER);
	until(runs("job"));
	node_kill();
	usleep(1500000);
	node_up();
	until(in_phase("job", "Failed"));
	assert_int_equal(get("job")->status->containerstatuses[0]->state->terminated->exitcode, 5);
}

static void a_shim_without_a_pod_is_ended(void **unused)
{
	char uid[40];
	char path[160];

	(void)unused;
	applied("web", SLEEP, ALWAYS);
	until(runs("web"));
	uid_of("web", uid);
	node_kill();
	snprintf(path, sizeof(path), "%s/pods/%s", rig.state, uid);
	assert_int_equal(tree_remove_at(AT_FDCWD, path, &test_err), 0);
	node_up();
	until(shim_pid(uid) == 0 && entries("run/pods") == 0);
	assert_true(absent("web"));
	assert_int_equal(ports_count(), 0);
}

/* It hears nothing, but the kernel still kills it, and its containers with the cgroup. */
static void a_hung_shim_does_not_keep_its_pod(void **unused)
{
	char uid[40];

	(void)unused;
	applied("web", SLEEP, ALWAYS);
	until(runs("web"));
	uid_of("web", uid);
	kill(shim_pid(uid), SIGSTOP);
	assert_int_equal(delete ("web", 0), 0);
	until(absent("web"));
	nothing_left();
}

static void a_hung_shim_is_not_adopted(void **unused)
{
	char uid[40];

	(void)unused;
	applied("web", SLEEP, ALWAYS);
	until(runs("web"));
	uid_of("web", uid);
	node_kill();
	kill(shim_pid(uid), SIGSTOP);
	node_up();
	until(in_phase("web", "Failed"));
	assert_int_equal(delete ("web", 0), 0);
	until(absent("web"));
	nothing_left();
}

/* Connections of agents that were killed wait at its socket: that it takes no more says nothing. */
static void a_shim_that_is_slow_is_not_dead(void **unused)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fds[16];
	size_t n = 0;
	char uid[40];
	char path[192];
	pid_t pid;

	(void)unused;
	applied("web", SLEEP, ALWAYS);
	until(runs("web"));
	uid_of("web", uid);
	pid = shim_pid(uid);
	node_kill();
	kill(pid, SIGSTOP);
	snprintf(path, sizeof(path), "%s/pods/%s/shim.sock", rig.run, uid);
	assert_true(strlen(path) < sizeof(addr.sun_path));
	memcpy(addr.sun_path, path, strlen(path) + 1);
	do
		fds[n] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	while (connect(fds[n++], (struct sockaddr *)&addr, sizeof(addr)) == 0 && n < 16);
	assert_true(n < 16);
	node_up();
	turn(300000);
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
	kill(pid, SIGCONT);
	until(runs("web"));
	assert_int_equal(shim_pid(uid), pid);
	assert_int_equal(delete ("web", 0), 0);
	until(absent("web"));
	nothing_left();
}

static void a_new_pod_with_a_hung_shim_can_go(void **unused)
{
	char uid[40];

	(void)unused;
	applied("web", SLEEP, ALWAYS);
	uid_of("web", uid);
	kill(shim_pid(uid), SIGSTOP);
	for (int i = 0; i < 10; i++)
		turn(50000);
	assert_true(in_phase("web", "Pending"));
	assert_int_equal(delete ("web", 0), 0);
	until(absent("web"));
	nothing_left();
}

/*
 * The agent dies after each turn of the loop on the way up: whatever was done by then, the pod that
 * was accepted comes up, and goes without a trace.
 */
static void killed_at_each_turn_on_the_way_up(void **unused)
{
	(void)unused;
	for (int turns = 0; turns < 40; turns++) {
		bool up = false;

		applied("web", SLEEP, ALWAYS);
		for (int i = 0; i < turns && !up; i++) {
			turn(20000);
			up = i % 8 == 7 && runs("web");
		}
		node_kill();
		node_up();
		until(runs("web"));
		assert_int_equal(get("web")->status->containerstatuses[0]->restartcount, 0);
		assert_int_equal(delete ("web", 0), 0);
		until(absent("web"));
		nothing_left();
	}
}

static void killed_at_each_turn_on_the_way_down(void **unused)
{
	(void)unused;
	for (int turns = 0; turns < 15; turns++) {
		applied("web", SLEEP, ALWAYS);
		until(runs("web"));
		assert_int_equal(delete ("web", 0), 0);
		for (int i = 0; i < turns && !absent("web"); i++)
			turn(20000);
		node_kill();
		node_up();
		until(absent("web"));
		nothing_left();
	}
}

static void killed_at_each_turn_of_an_end(void **unused)
{
	(void)unused;
	for (int turns = 0; turns < 40; turns += 3) {
		applied("job", "exit 3", NEVER);
		for (int i = 0; i < turns; i++)
			turn(20000);
		node_kill();
		node_up();
		until(in_phase("job", "Failed") && entries("run/pods") == 0);
		assert_int_equal(
			get("job")->status->containerstatuses[0]->state->terminated->exitcode, 3);
		assert_int_equal(get("job")->status->containerstatuses[0]->restartcount, 0);
		assert_int_equal(delete ("job", 0), 0);
		until(absent("job"));
		nothing_left();
	}
}

static void one_past_the_pods(void **unused)
{
	char name[16];

	(void)unused;
	for (int i = 0; i < RIG_PODS_MAX; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		applied(name, "exit 0", NEVER);
	}
	assert_int_equal(apply("more", "exit 0", NEVER), -1);
	assert_int_equal(rig.call_err.code, ERR_EXHAUSTED);
	assert_non_null(strstr(rig.call_err.text, "max_pods"));
	until(in_phase("p0", "Succeeded"));
	assert_int_equal(delete ("p0", 0), 0);
	until(absent("p0"));
	applied("more", "exit 0", NEVER);
}

static void one_past_the_slices(void **unused)
{
	char name[16];

	(void)unused;
	rig.config.max_pods = 100;
	for (int i = 0; i < RIG_SLICES; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		applied(name, "exit 0", NEVER);
	}
	assert_int_equal(apply("more", "exit 0", NEVER), -1);
	assert_int_equal(rig.call_err.code, ERR_EXHAUSTED);
	assert_int_equal(entries("state/pods"), RIG_SLICES);
	/* Also when the agent has forgotten what it gave. */
	node_kill();
	node_up();
	assert_int_equal(apply("more", "exit 0", NEVER), -1);
}

/* A watch that lives as long as 'c'; what it gets is in rig.events. */
static void watch(struct call *c, uint64_t since)
{
	static char *groups[] = { (char *)(uintptr_t) "system:masters" };
	Bulkhead__V1__ListPodsRequest request = BULKHEAD__V1__LIST_PODS_REQUEST__INIT;

	request.project = NAME("red");
	request.since = since;
	rig.events[0] = '\0';
	*c = (struct call){
		.agent = &rig.agent, .principal = { "admin", groups, 1 }, .message = &request.base
	};
	method_watch_pods(&rig.agent, c);
	c->message = NULL;
}

static void a_watch_is_taken_up_where_it_was(void **unused)
{
	struct call c;
	uint64_t seen;

	(void)unused;
	applied("web", "exit 0", NEVER);
	until(in_phase("web", "Succeeded") && entries("run/pods") == 0);
	turn(0);
	watch(&c, 0);
	assert_string_equal(rig.events, "ADDED web, SYNCED");
	seen = rig.sequence;
	applied("db", "exit 0", NEVER);
	until(in_phase("db", "Succeeded") && entries("run/pods") == 0);
	assert_string_equal(rig.events, "ADDED web, SYNCED, ADDED db, MODIFIED db");
	c.gone(&c);
	/* While nobody watches one comes, one goes. */
	assert_int_equal(delete ("web", 0), 0);
	until(absent("web"));
	turn(0);
	applied("new", "exit 0", NEVER);
	until(in_phase("new", "Succeeded") && entries("run/pods") == 0);
	watch(&c, seen);
	assert_string_equal(rig.events, "DELETED web, ADDED new, ADDED db, SYNCED");
	c.gone(&c);
	/* Up to date: nothing but that. */
	watch(&c, rig.sequence);
	assert_string_equal(rig.events, "SYNCED");
	c.gone(&c);
	/* Another agent does not know what was before it, and says all. */
	node_kill();
	node_up();
	turn(0);
	watch(&c, seen);
	assert_non_null(strstr(rig.events, "ADDED new"));
	assert_non_null(strstr(rig.events, "ADDED db"));
	assert_null(strstr(rig.events, "web"));
	c.gone(&c);
}

/* Whoever follows the log of a container that is never to run is not left waiting. */
static void a_log_of_what_never_runs_ends(void **unused)
{
	static const char extra[] =
		NEVER ", \"initContainers\": [{\"name\": \"first\", \"image\": \"box\", "
		      "\"command\": [\"/bin/sh\", \"-c\", \"sleep 1; exit 7\"]}]";
	Bulkhead__V1__PodLogsRequest request = BULKHEAD__V1__POD_LOGS_REQUEST__INIT;
	struct call calls[2];

	(void)unused;
	applied("job", SLEEP, extra);
	request.project = NAME("red");
	request.pod = NAME("job");
	request.container = NAME("main");
	request.follow = true;
	calls[0] = calls[1] = (struct call){ .agent = &rig.agent, .message = &request.base };
	method_pod_logs(&rig.agent, &calls[0]);
	assert_int_equal(rig.ends, 0);
	until(in_phase("job", "Failed") && entries("run/pods") == 0);
	until(rig.ends == 1);
	method_pod_logs(&rig.agent, &calls[1]);
	assert_int_equal(rig.ends, 2);
}

/* Of one pod; they end with it, and none is left hanging. */
static void one_past_the_streams(void **unused)
{
	static struct call calls[STREAMS_MAX + 1];
	Bulkhead__V1__PodLogsRequest request = BULKHEAD__V1__POD_LOGS_REQUEST__INIT;

	(void)unused;
	applied("web", SLEEP, ALWAYS);
	until(runs("web"));
	request.project = NAME("red");
	request.pod = NAME("web");
	request.follow = true;
	rig.call_err = (struct error){ 0 };
	for (int i = 0; i <= STREAMS_MAX; i++) {
		assert_int_equal(rig.call_err.code, ERR_NONE);
		calls[i] = (struct call){ .agent = &rig.agent, .message = &request.base };
		method_pod_logs(&rig.agent, &calls[i]);
	}
	assert_int_equal(rig.call_err.code, ERR_EXHAUSTED);
	/* One goes away: there is room for another. */
	calls[7].gone(&calls[7]);
	rig.call_err = (struct error){ 0 };
	method_pod_logs(&rig.agent, &calls[7]);
	assert_int_equal(rig.call_err.code, ERR_NONE);
	rig.replies = 0;
	assert_int_equal(delete ("web", 0), 0);
	until(rig.replies >= STREAMS_MAX);
	until(absent("web"));
}

static void refusals_change_nothing(void **unused)
{
	(void)unused;
	assert_int_equal(apply("Bad_Name", SLEEP, ALWAYS), -1);
	assert_int_equal(rig.call_err.code, ERR_INVALID);
	assert_int_equal(apply("web", SLEEP, ", \"hostname\": \"Bad_Name\""), -1);
	/* A database that says so makes no pod run as root, or in no project's network. */
	rig.project.uid_range = NAME("0/10000");
	assert_int_equal(apply("web", SLEEP, ", \"hostUsers\": true"), -1);
	assert_non_null(strstr(rig.call_err.text, "project 'red': its ids"));
	rig.project.uid_range = NAME("1920000000/10000");
	rig.project.vnid = 9;
	assert_int_equal(apply("web", SLEEP, ALWAYS), -1);
	assert_non_null(strstr(rig.call_err.text, "VNID 9"));
	rig.project.vnid = 10;
	assert_int_equal(apply("web", SLEEP,
				 ", \"volumes\": [{\"name\": \"s\", \"secret\": "
				 "{\"secretName\": \"nosuch\"}}]"),
		-1);
	assert_int_equal(rig.call_err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(rig.call_err.text, "spec.volumes[0]: secret"));
	assert_non_null(strstr(rig.call_err.text, "nosuch"));
	assert_int_equal(delete ("web", 0), -1);
	assert_int_equal(rig.call_err.code, ERR_NOT_FOUND);
	nothing_left();
	applied("web", SLEEP, ALWAYS);
	applied("web", SLEEP, ALWAYS);
	assert_string_equal(((Bulkhead__V1__ApplyPodResponse *)rig.reply)->result, "unchanged");
	assert_int_equal(apply("web", "exec sleep 2", ALWAYS), -1);
	assert_int_equal(rig.call_err.code, ERR_PRECONDITION);
	assert_non_null(strstr(rig.call_err.text, "spec.containers[0].command[2]"));
	assert_int_equal(delete ("web", -2), -1);
	assert_int_equal(rig.call_err.code, ERR_INVALID);
	assert_int_equal(delete ("web", 0), 0);
	assert_int_equal(apply("web", SLEEP, ALWAYS), -1);
	assert_int_equal(rig.call_err.code, ERR_PRECONDITION);
	until(absent("web"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_pod_runs_and_goes),
		RIG_TEST(one_that_ends_keeps_only_its_record),
		RIG_TEST(waiting_for_the_network),
		RIG_TEST(waiting_for_a_daemon_that_is_away),
		RIG_TEST(waiting_for_the_cluster),
		RIG_TEST(a_secret_that_fails_is_tried_again),
		RIG_TEST(tokens_are_renewed),
		RIG_TEST(a_shim_killed_early_is_replaced),
		RIG_TEST(a_shim_killed_takes_its_pod),
		RIG_TEST(a_shim_killed_while_the_agent_is_away),
		RIG_TEST(a_start_of_the_machine_is_no_loss),
		RIG_TEST(an_exit_while_the_agent_is_away),
		RIG_TEST(a_shim_without_a_pod_is_ended),
		RIG_TEST(a_hung_shim_does_not_keep_its_pod),
		RIG_TEST(a_hung_shim_is_not_adopted),
		RIG_TEST(a_shim_that_is_slow_is_not_dead),
		RIG_TEST(a_new_pod_with_a_hung_shim_can_go),
		RIG_TEST(killed_at_each_turn_on_the_way_up),
		RIG_TEST(killed_at_each_turn_on_the_way_down),
		RIG_TEST(killed_at_each_turn_of_an_end),
		RIG_TEST(one_past_the_pods),
		RIG_TEST(one_past_the_slices),
		RIG_TEST(a_watch_is_taken_up_where_it_was),
		RIG_TEST(a_log_of_what_never_runs_ends),
		RIG_TEST(one_past_the_streams),
		RIG_TEST(refusals_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
