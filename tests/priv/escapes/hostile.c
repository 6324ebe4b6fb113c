/* The verbs, and what they share. usage: hostile VERB [ARG...] */
#include "tests/priv/escapes/hostile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALL_SECONDS 2

void say(const char *name, long result)
{
	printf("%s %d\n", name, result < 0 ? errno : 0);
	fflush(stdout);
}

int in_child(long (*call)(const void *of), const void *of)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		long result;

		alarm(CALL_SECONDS);
		result = call(of);
		_exit(result < 0 ? errno : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return errno;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static const struct {
	const char *name;
	verb_fn *run;
	int args_min;
} verbs[] = {
	{ "exe", verb_exe, 1 },   /* DESCRIPTOR of what is to be overwritten */
	{ "fds", verb_fds, 0 },   /* lists its descriptors */
	{ "hunt", verb_hunt, 1 }, /* PID: opens what processes from PID on let it, until killed */
	{ "swap", verb_swap, 2 }, /* A B: exchanges them until killed */
	{ "open", verb_open, 1 }, /* PATH...: for writing and for reading */
	{ "device", verb_device, 0 }, /* makes and opens the host's disk and memory */
	{ "cgroup", verb_cgroup, 1 }, /* DIRECTORY: opens all files below for writing */
	{ "release_agent", verb_release_agent, 0 },
	{ "abstract", verb_abstract, 0 },   /* lists unix sockets, tries each */
	{ "ids", verb_ids, 0 },             /* who it is */
	{ "proc-over", verb_proc_over, 1 }, /* DIRECTORY: a false /proc/self */
	{ "refused", verb_refused, 0 },
	{ "arguments", verb_arguments, 0 },
	{ "unknown", verb_unknown, 0 },
	{ "int80", verb_int80, 0 },
	{ "x32", verb_x32, 0 },
	{ "keys-add", verb_keys_add, 1 },   /* DESCRIPTION */
	{ "keys-find", verb_keys_find, 1 }, /* DESCRIPTION */
	{ "inotify", verb_inotify, 0 },     /* takes what there is, says how much; sleeps */
	{ "queues", verb_queues, 0 },
	{ "signals", verb_signals, 0 },
	{ "ptys", verb_ptys, 0 },
	{ "files", verb_files, 0 },
	{ "core", verb_core, 0 },
	{ "print", verb_print, 0 },
	{ "flood", verb_flood, 1 }, /* MIB without a newline */
	{ "forks", verb_forks, 0 },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (strcmp(verbs[i].name, argv[1]) == 0 && argc - 2 >= verbs[i].args_min) {
			verbs[i].run(argc - 2, argv + 2);
			return 0;
		}
	}
	return 2;
}
