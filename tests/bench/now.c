/*
 * Prints CLOCK_MONOTONIC in microseconds: the moment a container's program begins. With a command,
 * prints the moment before that is executed: `now [--v1] -- COMMAND...`. --v1 hides the cgroup v2
 * hierarchy from it, which crun takes no other way where v1's are mounted as well. Static.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

static int hide_v2(void)
{
	if (access("/sys/fs/cgroup/unified", F_OK) != 0)
		return 0;
	if (unshare(CLONE_NEWNS) != 0 || mount("", "/", "", MS_REC | MS_PRIVATE, NULL) != 0)
		return -1;
	return mount("none", "/sys/fs/cgroup/unified", "tmpfs", 0, NULL);
}

int main(int argc, char **argv)
{
	int at = argc > 1 && strcmp(argv[1], "--v1") == 0 ? 2 : 1;
	struct timespec now;

	if (at == 2 && hide_v2() != 0) {
		perror("now: cannot hide cgroup v2");
		return 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("%lld\n", (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	fflush(stdout);
	if (argc <= at + 1 || strcmp(argv[at], "--") != 0)
		return 0;
	execvp(argv[at + 1], argv + at + 1);
	perror("now: cannot execute");
	return 1;
}
