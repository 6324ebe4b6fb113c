/* Walks every cell of the two tables, and judges what they must never do. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "nodeagent/agent/pod_machine.h"

/* States in which a shim may be at work. */
static bool has_shim(enum pod_state state)
{
	return state == POD_ADOPTING || state == POD_SANDBOX || state == POD_PREPARING ||
	       state == POD_INIT || state == POD_RUNNING || state == POD_FINISHING ||
	       state == POD_STOPPING || state == POD_DESTROYING;
}

static bool releases(enum pod_state state)
{
	return state == POD_RETIRING || state == POD_RELEASING || state == POD_CLEARING;
}

static bool leaving(enum pod_state state)
{
	return state == POD_STOPPING || state == POD_DESTROYING || state == POD_RELEASING ||
	       state == POD_REMOVED;
}

static void test_every_cell(void **unused)
{
	(void)unused;
	for (int s = 0; s < POD_STATES; s++) {
		for (int e = 0; e < POD_EVENTS; e++) {
			struct pod_step step = pod_machine_step(s, e);

			if (!step.taken) {
				assert_int_equal(step.action, POD_DO_NOTHING);
				continue;
			}
			assert_true(step.next < POD_STATES);
			/* Whoever was told to go never comes back to life. */
			if (leaving(s))
				assert_true(leaving(step.next));
			/* A shim is let go of only when it has ended. */
			if (has_shim(s) && !has_shim(step.next)) {
				assert_true(e == POD_SHIM_GONE || e == POD_SHIM_EARLY);
				assert_true(releases(step.next) || step.action == POD_DO_LOOK);
			}
			if (!has_shim(s) && has_shim(step.next))
				assert_true(e == POD_BEGIN || e == POD_FOUND);
			/* Address and cgroup are given back before the record changes for good. */
			if (step.next == POD_ENDED || step.next == POD_REMOVED)
				assert_int_equal(e, POD_RELEASED);
			if (step.action == POD_DO_REMOVE)
				assert_int_equal(step.next, POD_REMOVED);
			if (step.action == POD_DO_KEEP)
				assert_int_equal(step.next, POD_ENDED);
			if (step.action == POD_DO_RELEASE || step.action == POD_DO_CLEAR ||
				step.action == POD_DO_REPORT_LOST)
				assert_true(releases(step.next));
		}
	}
}

static void test_shim_gone_is_always_taken(void **unused)
{
	(void)unused;
	for (int s = 0; s < POD_STATES; s++) {
		if (!has_shim(s))
			continue;
		assert_true(pod_machine_step(s, POD_SHIM_GONE).taken);
		assert_true(pod_machine_step(s, POD_SHIM_EARLY).taken);
		/* One that was just found may have been on its way out: what is on disk decides. */
		if (s == POD_ADOPTING) {
			assert_int_equal(pod_machine_step(s, POD_SHIM_GONE).next, POD_NEW);
			assert_int_equal(pod_machine_step(s, POD_SHIM_EARLY).next, POD_NEW);
			continue;
		}
		assert_true(releases(pod_machine_step(s, POD_SHIM_GONE).next));
		assert_true(releases(pod_machine_step(s, POD_SHIM_EARLY).next));
	}
}

static void test_delete_is_taken_everywhere(void **unused)
{
	(void)unused;
	for (int s = 0; s < POD_STATES; s++) {
		struct pod_step step = pod_machine_step(s, POD_DELETE);

		if (s == POD_REMOVED) {
			assert_false(step.taken);
			continue;
		}
		assert_true(step.taken);
		/* But one that is being adopted, which is asked again, goes at once. */
		assert_true(s == POD_ADOPTING || leaving(step.next));
	}
}

/* From every state there is a way to POD_REMOVED once it was asked for. */
static void test_everyone_can_go(void **unused)
{
	(void)unused;
	for (int s = 0; s < POD_STATES; s++) {
		static const enum pod_event way[] = { POD_BEGUN, POD_DELETE, POD_QUIET,
			POD_SHIM_GONE, POD_RELEASED };
		enum pod_state state = s;

		for (size_t i = 0; i < sizeof(way) / sizeof(way[0]); i++) {
			struct pod_step step = pod_machine_step(state, way[i]);

			if (step.taken)
				state = step.next;
		}
		assert_int_equal(state, POD_REMOVED);
	}
}

static enum pod_action take(enum pod_state *state, enum pod_event event)
{
	struct pod_step step = pod_machine_step(*state, event);

	assert_true(step.taken);
	*state = step.next;
	return step.action;
}

static void test_a_life(void **unused)
{
	enum pod_state state = POD_NEW;

	(void)unused;
	assert_int_equal(take(&state, POD_BEGIN), POD_DO_SPAWN);
	assert_int_equal(take(&state, POD_REFUSED), POD_DO_RETRY);
	assert_int_equal(take(&state, POD_BUILT), POD_DO_PREPARE);
	assert_int_equal(take(&state, POD_PREPARED), POD_DO_INIT);
	assert_int_equal(take(&state, POD_INIT_DONE), POD_DO_RUN);
	assert_int_equal(take(&state, POD_OVER), POD_DO_DESTROY);
	assert_int_equal(take(&state, POD_SHIM_GONE), POD_DO_RELEASE);
	assert_int_equal(take(&state, POD_RELEASED), POD_DO_KEEP);
	assert_int_equal(state, POD_ENDED);
	assert_int_equal(take(&state, POD_DELETE), POD_DO_RELEASE);
	assert_int_equal(take(&state, POD_RELEASED), POD_DO_REMOVE);
	assert_int_equal(state, POD_REMOVED);
}

static void test_shim_died_early(void **unused)
{
	enum pod_state state = POD_PREPARING;

	(void)unused;
	assert_int_equal(take(&state, POD_SHIM_EARLY), POD_DO_CLEAR);
	assert_int_equal(take(&state, POD_RELEASED), POD_DO_AGAIN);
	assert_int_equal(state, POD_NEW);
}

static void test_names(void **unused)
{
	(void)unused;
	for (int s = 0; s < POD_STATES; s++) {
		assert_non_null(pod_state_name(s));
		for (int k = 0; k < s; k++)
			assert_string_not_equal(pod_state_name(s), pod_state_name(k));
	}
	for (int e = 0; e < POD_EVENTS; e++) {
		assert_non_null(pod_event_name(e));
		for (int k = 0; k < e; k++)
			assert_string_not_equal(pod_event_name(e), pod_event_name(k));
	}
}

static void test_every_container_cell(void **unused)
{
	(void)unused;
	for (int s = 0; s < CONTAINER_STAGES; s++) {
		for (int e = 0; e < CONTAINER_EVENTS; e++) {
			struct container_step step = container_machine_step(s, e);

			if (!step.taken) {
				assert_int_equal(step.action, CONTAINER_DO_NOTHING);
				continue;
			}
			assert_true(s != CONTAINER_ENDED);
			/* A plan is sent exactly when a run begins. */
			assert_int_equal(step.action == CONTAINER_DO_SEND,
				step.next == CONTAINER_STARTING && s != CONTAINER_STARTING);
			assert_int_equal(
				step.action == CONTAINER_DO_WAIT, step.next == CONTAINER_BACKOFF);
			/* What has stopped cannot begin a run, what runs is only asked to end. */
			if (e == CONTAINER_HALT)
				assert_true(step.next == CONTAINER_ENDED ||
					    (step.next == (enum container_stage)s &&
						    step.action == CONTAINER_DO_SIGNAL));
		}
		assert_int_equal(
			container_machine_step(s, CONTAINER_HALT).taken, s != CONTAINER_ENDED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cell),
		cmocka_unit_test(test_shim_gone_is_always_taken),
		cmocka_unit_test(test_delete_is_taken_everywhere),
		cmocka_unit_test(test_everyone_can_go),
		cmocka_unit_test(test_a_life),
		cmocka_unit_test(test_shim_died_early),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_every_container_cell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
