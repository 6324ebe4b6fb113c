/*
 * How long a pod's sandbox and first container take, stage by stage: medians of N runs of the real
 * shim. Usage (as root): bench_shim [N]. tests/bench/bench_runtimes.sh runs runc and crun beside
 * it.
 */
#include "tests/priv/shim_harness.h"

#define RUNS_MAX 500

enum stage { SPAWN, SANDBOX, CLONE, MOUNTS, EXEC, TOTAL, DESTROY, STAGES };

static const char *const names[STAGES] = {
	[SPAWN] = "shim process up",
	[SANDBOX] = "SANDBOX_PLAN -> READY",
	[CLONE] = "  plan -> clone",
	[MOUNTS] = "  clone -> mounted",
	[EXEC] = "  mounted -> execve",
	[TOTAL] = "SANDBOX_PLAN -> execve",
	[DESTROY] = "SHIM_DESTROY -> gone",
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double ms(uint64_t from, uint64_t to)
{
	return (double)(to - from) / 1000;
}

/* Private memory of the shim in KiB. */
static long private_kib(pid_t pid)
{
	char path[64];
	cleanup_free char *text = NULL;
	size_t size;
	long sum = 0;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	if (file_read_at(AT_FDCWD, path, 65536, &text, &size, NULL) < 0)
		return -1;
	for (const char *p = text; (p = strstr(p, "\nPrivate_")); p++) {
		long kib;

		if (sscanf(p, "\nPrivate_%*[^:]: %ld", &kib) == 1)
			sum += kib;
	}
	return sum;
}

static void run(double row[STAGES], long *ret_kib)
{
	struct pod p;
	struct box b;
	struct ipc_frame frame;
	Bulkhead__V1__ContainerStarted *s;
	uint64_t t[4];

	pod_init(&p);
	tmpfs_add(&p, "secret", 1, SLICE, 0750);
	t[0] = monotonic_usec();
	pod_spawn(&p);
	t[1] = monotonic_usec();
	if (pod_sandbox(&p))
		exit(1);
	t[2] = monotonic_usec();
	box_init(&b, &p, "main");
	b.limits.memory_max = 64 << 20;
	b.limits.cpu_shares = 512;
	box_args(&b, "/bin/sleep", "1000", NULL);
	pod_send(&p, IPC_CONTAINER_PLAN, &b.plan.base);
	s = (Bulkhead__V1__ContainerStarted *)pod_recv(&p, IPC_CONTAINER_STARTED, &frame);
	if (s->error) {
		fprintf(stderr, "%s\n", s->error->text);
		exit(1);
	}
	row[SPAWN] = ms(t[0], t[1]);
	row[SANDBOX] = ms(t[1], t[2]);
	row[CLONE] = ms(s->times->received, s->times->cloned);
	row[MOUNTS] = ms(s->times->cloned, s->times->mounted);
	row[EXEC] = ms(s->times->mounted, s->times->exec);
	row[TOTAL] = ms(t[1], s->times->exec);
	*ret_kib = private_kib(p.shim);
	ipc_frame_done(&frame);
	bulkhead__v1__container_started__free_unpacked(s, NULL);
	t[3] = monotonic_usec();
	pod_destroy(&p);
	row[DESTROY] = ms(t[3], monotonic_usec());
	pod_done(&p);
}

int main(int argc, char **argv)
{
	static double rows[STAGES][RUNS_MAX];
	int runs = argc > 1 ? atoi(argv[1]) : 50;
	long kib = 0;

	if (runs < 1 || runs > RUNS_MAX)
		return 2;
	for (int i = 0; i < runs; i++) {
		double row[STAGES];

		run(row, &kib);
		for (int k = 0; k < STAGES; k++)
			rows[k][i] = row[k];
	}
	printf("%-26s %9s %9s\n", "", "median ms", "p90 ms");
	for (int k = 0; k < STAGES; k++) {
		qsort(rows[k], (size_t)runs, sizeof(double), compare);
		printf("%-26s %9.2f %9.2f\n", names[k], rows[k][runs / 2], rows[k][runs * 9 / 10]);
	}
	printf("%-26s %9ld KiB\n", "private memory of a shim", kib);
	return 0;
}
