#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "nodeagent/agent/watch.h"

#define NOW 1000

static struct error err;

static int setup(void **state)
{
	return watch_new((struct watch **)state, NOW, &err);
}

static int teardown(void **state)
{
	watch_free(*state);
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* What a watcher got, one letter an event and the pod's name: "Aweb Mweb Dweb S". */
struct seen {
	char text[8192];
	uint64_t last;
};

static void see(void *user, const Bulkhead__V1__PodEvent *event)
{
	struct seen *seen = user;
	size_t len = strlen(seen->text);

	snprintf(seen->text + len, sizeof(seen->text) - len, "%s%c%s", len ? " " : "",
		event->type[0], event->pod ? event->pod->metadata->name : "");
	assert_true(event->sequence >= seen->last);
	seen->last = event->sequence;
}

struct named {
	K8sPod pod;
	K8sObjectMeta meta;
};

static const K8sPod *named(struct named *n, const char *project, const char *name)
{
	k8s__io__api__core__v1__pod__init(&n->pod);
	k8s__io__apimachinery__pkg__apis__meta__v1__object_meta__init(&n->meta);
	n->pod.metadata = &n->meta;
	n->meta.namespace_ = (char *)(uintptr_t)project;
	n->meta.name = (char *)(uintptr_t)name;
	n->meta.uid = (char *)(uintptr_t) "u";
	return &n->pod;
}

static void change(struct watch *watch, const char *project, const char *name)
{
	struct named n;

	watch_changed(watch, "MODIFIED", watch_next(watch), named(&n, project, name));
}

static void go(struct watch *watch, const char *project, const char *name)
{
	struct named n;

	watch_gone(watch, named(&n, project, name));
}

static void test_each_sees_its_own(void **state)
{
	struct watch *watch = *state;
	struct seen all = { 0 }, red = { 0 }, one = { 0 };
	struct watcher *a, *r, *o;

	assert_int_equal(watcher_add(&a, watch, NULL, "", see, &all, &err), 0);
	assert_int_equal(watcher_add(&r, watch, "red", "", see, &red, &err), 0);
	assert_int_equal(watcher_add(&o, watch, "red", "web", see, &one, &err), 0);
	change(watch, "red", "web");
	change(watch, "red", "db");
	change(watch, "blue", "web");
	go(watch, "blue", "web");
	go(watch, "red", "db");
	assert_string_equal(all.text, "Mweb Mdb Mweb Dweb Ddb");
	assert_string_equal(red.text, "Mweb Mdb Ddb");
	assert_string_equal(one.text, "Mweb");
	assert_int_equal(watch_sequence(watch), NOW + 5);
	assert_int_equal(all.last, NOW + 5);
	watcher_remove(a);
	watcher_remove(NULL);
	change(watch, "red", "web");
	assert_string_equal(all.text, "Mweb Mdb Mweb Dweb Ddb");
	assert_string_equal(one.text, "Mweb Mweb");
	watcher_remove(r);
	watcher_remove(o);
}

static void test_what_is_known(void **state)
{
	struct watch *watch = *state;

	/* 0 asks for a list; before the start and after the last nothing is known. */
	assert_false(watch_knows(watch, 0));
	assert_false(watch_knows(watch, NOW - 1));
	assert_true(watch_knows(watch, NOW));
	assert_false(watch_knows(watch, NOW + 1));
	watch_next(watch);
	assert_true(watch_knows(watch, NOW + 1));
}

static void test_gone_ones_are_told_in_order(void **state)
{
	struct watch *watch = *state;
	struct seen seen = { 0 };
	struct watcher *w;

	go(watch, "red", "a");
	go(watch, "blue", "b");
	go(watch, "red", "c");
	assert_int_equal(watcher_add(&w, watch, "red", "", see, &seen, &err), 0);
	watcher_send_gone(w, NOW);
	assert_string_equal(seen.text, "Da Dc");
	seen = (struct seen){ 0 };
	watcher_send_gone(w, NOW + 1);
	assert_string_equal(seen.text, "Dc");
	watcher_remove(w);
}

/* One past what is remembered: whoever stands before it must list again, nobody else. */
static void test_memory_is_bounded(void **state)
{
	struct watch *watch = *state;
	struct seen seen = { 0 };
	struct watcher *w;

	for (int i = 0; i < WATCH_GONE_MAX; i++)
		go(watch, "red", "p");
	assert_true(watch_knows(watch, NOW));
	go(watch, "red", "last");
	assert_false(watch_knows(watch, NOW));
	assert_true(watch_knows(watch, NOW + 1));
	assert_int_equal(watcher_add(&w, watch, NULL, "", see, &seen, &err), 0);
	watcher_send_gone(w, NOW + WATCH_GONE_MAX - 1);
	assert_string_equal(seen.text, "Dp Dlast");
	watcher_remove(w);
}

static void test_watchers_are_bounded(void **state)
{
	struct watcher *all[WATCHERS_MAX], *more;

	for (int i = 0; i < WATCHERS_MAX; i++)
		assert_int_equal(watcher_add(&all[i], *state, NULL, "", see, NULL, &err), 0);
	assert_int_equal(watcher_add(&more, *state, NULL, "", see, NULL, &err), -1);
	assert_int_equal(err.code, ERR_EXHAUSTED);
	watcher_remove(all[0]);
	assert_int_equal(watcher_add(&more, *state, NULL, "", see, NULL, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_sees_its_own),
		TEST(test_what_is_known),
		TEST(test_gone_ones_are_told_in_order),
		TEST(test_memory_is_bounded),
		TEST(test_watchers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
