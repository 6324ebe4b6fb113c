/*
 * What a hostile program in a container tries, one verb an attack; linked static into one program,
 * for the test images have no libraries. A try prints one line, "<what> <errno or 0>", so that the
 * tests on the host can compare: 0 means that it worked.
 */
#ifndef TESTS_PRIV_ESCAPES_HOSTILE_H
#define TESTS_PRIV_ESCAPES_HOSTILE_H

/* Prints 'name' with errno where 'result' is below zero, else with 0. */
void say(const char *name, long result);

/*
 * Runs 'call' in a child of its own. Returns its errno, 0, or -SIGNAL where that ended it; a call
 * that hangs is ended by SIGALRM.
 */
int in_child(long (*call)(const void *of), const void *of);

/* Each is a verb; arguments start at argv[0]. hostile.c's table says what they take. */
typedef void verb_fn(int argc, char **argv);

verb_fn verb_exe, verb_fds, verb_hunt, verb_swap, verb_open, verb_device; /* hostile_files.c */
verb_fn verb_cgroup, verb_release_agent, verb_abstract, verb_ids, verb_proc_over;
verb_fn verb_refused, verb_arguments, verb_unknown, verb_int80, verb_x32; /* hostile_calls.c */
verb_fn verb_keys_add, verb_keys_find;
verb_fn verb_inotify, verb_queues, verb_signals, verb_ptys, verb_files; /* hostile_use.c */
verb_fn verb_core, verb_print, verb_flood, verb_forks;

#endif
