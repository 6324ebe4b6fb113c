/*
 * How long a container takes to start with everything on, in the real shim and side by side with
 * OCI runtimes and bubblewrap: stages, starts a second with all CPUs busy, and with many pods
 * alive. As root: bench_launch BUNDLE [RUNS [PODS]]; run.sh makes the bundle.
 *
 * Ours is taken from before the fork of the shim, theirs from before execve(2) of the runtime, both
 * to the first instruction of the container's program. Theirs has no CRI log, no exec channel and
 * no supervisor that survives it; bubblewrap has no cgroup and no range of ids either.
 */
#include "tests/priv/shim_harness.h"

#include <spawn.h>
#include <stdbool.h>
#include <sys/resource.h>

#define RUNS_MAX    500
#define BUSY_MSEC   6000
#define WORKERS     4 /* twice the CPUs of the development machine */
#define PART        100
#define SETTLE_USEC 50000

extern char **environ;

enum stage { SPAWN, SANDBOX, CLONE, MOUNTS, EXEC, TOTAL, DESTROY, STAGES };

static const char *const names[STAGES] = {
	[SPAWN] = "shim process up",
	[SANDBOX] = "SANDBOX_PLAN -> READY",
	[CLONE] = "  plan -> clone",
	[MOUNTS] = "  clone -> mounted",
	[EXEC] = "  mounted -> execve",
	[TOTAL] = "fork of the shim -> execve",
	[DESTROY] = "SHIM_DESTROY -> gone",
};

enum peer { CRUN, RUNC, BWRAP, PEERS };

static const char *const peer_names[PEERS] = { "crun", "runc", "bwrap" };

/* As in the bundle. */
static const char *const masked[] = { "/proc/kcore", "/proc/keys", "/sys/firmware" };
static const char *const read_only[] = { "/proc/sys", "/proc/irq" };

static char bundle[256];
static char now_path[PATH_MAX];

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(double), compare);
	return values[n / 2];
}

static double ms(uint64_t from, uint64_t to)
{
	return (double)(to - from) / 1000;
}

/* KiB of the lines of smaps_rollup that begin with 'key'. */
static long memory_kib(pid_t pid, const char *key)
{
	char path[64], line[32];
	cleanup_free char *text = NULL;
	size_t size;
	long sum = 0;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	snprintf(line, sizeof(line), "\n%s", key);
	if (file_read_at(AT_FDCWD, path, 65536, &text, &size, NULL) < 0)
		return -1;
	for (const char *p = text; (p = strstr(p, line)); p++)
		sum += strtol(strchr(p, ':') + 1, NULL, 10);
	return sum;
}

/* A pod with one container that sleeps, everything on; fills 'row' but DESTROY. */
static void start(struct pod *p, const char *layer, double row[STAGES])
{
	struct box b;
	struct ipc_frame frame;
	Bulkhead__V1__ContainerStarted *s;
	uint64_t t[3];

	pod_init_layer(p, layer);
	tmpfs_add(p, "secret", 1, SLICE, 0750);
	t[0] = monotonic_usec();
	pod_spawn(p);
	t[1] = monotonic_usec();
	if (pod_sandbox(p))
		exit(1);
	t[2] = monotonic_usec();
	box_init(&b, p, "main");
	b.limits.memory_max = 64 << 20;
	b.limits.cpu_shares = 512;
	b.limits.cpu_quota_us = 50000;
	for (size_t i = 0; i < ARRAY_LEN(masked); i++)
		b.masked[b.plan.n_masked_paths++] = (char *)(uintptr_t)masked[i];
	for (size_t i = 0; i < ARRAY_LEN(read_only); i++)
		b.read_only[b.plan.n_read_only_paths++] = (char *)(uintptr_t)read_only[i];
	box_args(&b, "/bin/sleep", "1000", NULL);
	pod_send(p, IPC_CONTAINER_PLAN, &b.plan.base);
	s = (Bulkhead__V1__ContainerStarted *)pod_recv(p, IPC_CONTAINER_STARTED, &frame);
	if (s->error) {
		fprintf(stderr, "%s\n", s->error->text);
		exit(1);
	}
	row[SPAWN] = ms(t[0], t[1]);
	row[SANDBOX] = ms(t[1], t[2]);
	row[CLONE] = ms(s->times->received, s->times->cloned);
	row[MOUNTS] = ms(s->times->cloned, s->times->mounted);
	row[EXEC] = ms(s->times->mounted, s->times->exec);
	row[TOTAL] = ms(t[0], s->times->exec);
	ipc_frame_done(&frame);
	bulkhead__v1__container_started__free_unpacked(s, NULL);
}

static void end(struct pod *p)
{
	pod_destroy(p);
	pod_done(p);
}

/* ---- the others ---------------------------------------------------------------------------- */

static const char *const *peer_command(enum peer peer, const char *id, const char *rootfs)
{
	static const char *words[32];
	const char *const oci[] = { now_path, peer == CRUN ? "--v1" : "--",
		peer == CRUN ? "--" : "", peer_names[peer], "run", "--bundle", bundle, id };
	const char *const bwrap[] = { now_path, "--", "bwrap", "--unshare-all", "--die-with-parent",
		"--uid", "0", "--gid", "0", "--hostname", "bench", "--cap-drop", "ALL", "--ro-bind",
		rootfs, "/", "--proc", "/proc", "--dev", "/dev", "--clearenv", "--setenv", "PATH",
		"/bin", "/bin/now" };
	size_t n = 0;

	memset(words, 0, sizeof(words));
	if (peer == BWRAP) {
		memcpy(words, bwrap, sizeof(bwrap));
		return words;
	}
	for (size_t i = 0; i < ARRAY_LEN(oci); i++) {
		if (*oci[i])
			words[n++] = oci[i];
	}
	return words;
}

/* What the one before left to the kernel's workers is not to be paid by the next. */
static void settle(void)
{
	usleep(SETTLE_USEC);
}

/* ms to the first instruction, or -1 when it does not run. 'quiet' keeps its words from stderr. */
static double peer_run(enum peer peer, bool quiet)
{
	static unsigned count;
	char id[64], rootfs[300], out[256] = "";
	posix_spawn_file_actions_t actions;
	long long from = 0, to = 0;
	size_t len = 0;
	int pipe_fds[2];
	int status;
	pid_t pid;
	ssize_t n;

	snprintf(id, sizeof(id), "bench-%d-%u", getpid(), count++);
	snprintf(rootfs, sizeof(rootfs), "%s/rootfs", bundle);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 1);
	if (quiet)
		posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	assert_int_equal(posix_spawn(&pid, now_path, &actions, NULL,
				 (char *const *)(uintptr_t)peer_command(peer, id, rootfs), environ),
		0);
	posix_spawn_file_actions_destroy(&actions);
	close(pipe_fds[1]);
	while (len < sizeof(out) - 1 &&
		(n = read(pipe_fds[0], out + len, sizeof(out) - 1 - len)) > 0)
		len += (size_t)n;
	close(pipe_fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0 || sscanf(out, "%lld %lld", &from, &to) != 2)
		return -1;
	return (double)(to - from) / 1000;
}

/* ---- the tables ---------------------------------------------------------------------------- */

static void print_row(const char *name, double *values, size_t n)
{
	qsort(values, n, sizeof(double), compare);
	printf("  %-30s %8.2f %8.2f %8.2f  ms\n", name, values[0], values[n / 2],
		values[n * 9 / 10]);
}

static void side_by_side(const char *layer, size_t runs)
{
	static double rows[STAGES][RUNS_MAX], peers[PEERS][RUNS_MAX];
	bool away[PEERS] = { false };
	double ours;

	for (size_t i = 0; i < runs; i++) {
		struct pod p;
		double row[STAGES];
		uint64_t t;

		settle();
		start(&p, layer, row);
		t = monotonic_usec();
		pod_destroy(&p);
		row[DESTROY] = ms(t, monotonic_usec());
		pod_done(&p);
		for (int k = 0; k < STAGES; k++)
			rows[k][i] = row[k];
		for (int k = 0; k < PEERS; k++) {
			settle();
			peers[k][i] = away[k] ? -1 : peer_run((enum peer)k, i > 0);
			away[k] = away[k] || peers[k][i] < 0;
		}
	}
	printf("Container start, %zu runs of each in turn        min   median      p90\n", runs);
	print_row("bulkhead-shim", rows[TOTAL], runs);
	ours = rows[TOTAL][runs / 2];
	for (int k = 0; k < PEERS; k++) {
		if (away[k]) {
			printf("  %s does not run here\n", peer_names[k]);
			continue;
		}
		print_row(peer_names[k], peers[k], runs);
		printf("    ratio of medians, ours to it: %.2f\n", ours / peers[k][runs / 2]);
	}
	printf("\nWhat each stage of ours costs\n");
	for (int k = 0; k < STAGES; k++)
		print_row(names[k], rows[k], runs);
}

/* Starts one after another until 'until'; how many to 'fd'. */
static void worker(int fd, int peer, const char *layer, uint64_t until)
{
	uint32_t count = 0;

	while (monotonic_usec() < until) {
		struct pod p;
		double row[STAGES];

		if (peer < 0) {
			start(&p, layer, row);
			end(&p);
		} else if (peer_run((enum peer)peer, true) < 0) {
			break;
		}
		count++;
	}
	_exit(write(fd, &count, sizeof(count)) == sizeof(count) ? 0 : 1);
}

static double starts_a_second(int peer, const char *layer)
{
	uint64_t from = monotonic_usec();
	uint32_t sum = 0, count;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	for (int i = 0; i < WORKERS; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			worker(fds[1], peer, layer, from + BUSY_MSEC * 1000);
	}
	close(fds[1]);
	while (read(fds[0], &count, sizeof(count)) == sizeof(count))
		sum += count;
	close(fds[0]);
	while (waitpid(-1, NULL, 0) > 0)
		;
	return sum / ((double)(monotonic_usec() - from) / 1000000);
}

static void busy(const char *layer)
{
	double ours = starts_a_second(-1, layer);

	printf("\nStart and end, %d at a time for %d s         starts/s\n", WORKERS,
		BUSY_MSEC / 1000);
	printf("  %-30s %8.1f\n", "bulkhead-shim", ours);
	for (int k = 0; k < PEERS; k++) {
		double theirs = starts_a_second(k, layer);

		printf("  %-30s %8.1f   ratio ours to it: %.2f\n", peer_names[k], theirs,
			theirs > 0 ? ours / theirs : 0);
	}
}

static void crowd(const char *layer, size_t n)
{
	struct pod *pods = calloc(n, sizeof(*pods));
	double *total = calloc(n, sizeof(*total));
	size_t parts[3] = { 0, n / 2, n - PART };
	long rss = 0, own = 0;

	assert_true(pods && total);
	for (size_t i = 0; i < n; i++) {
		double row[STAGES];

		start(&pods[i], layer, row);
		total[i] = row[TOTAL];
	}
	for (size_t i = 0; i < n; i++) {
		rss += memory_kib(pods[i].shim, "Rss");
		own += memory_kib(pods[i].shim, "Private_");
	}
	printf("\n%zu pods alive at once\n", n);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		printf("  median start of %4zu to %4zu     %8.2f  ms\n", parts[i] + 1,
			parts[i] + PART, median(total + parts[i], PART));
	printf("  a shim: RSS %ld KiB, private %ld KiB\n", rss / (long)n, own / (long)n);
	for (size_t i = 0; i < n; i++)
		end(&pods[i]);
	free(pods);
	free(total);
}

int main(int argc, char **argv)
{
	size_t runs = argc > 2 ? strtoul(argv[2], NULL, 10) : 50;
	size_t pods = argc > 3 ? strtoul(argv[3], NULL, 10) : 1000;
	char layer[] = "/tmp/bulkhead-layer-XXXXXX";
	char build[PATH_MAX];
	/* A pod's sandbox is held by descriptors. */
	struct rlimit files = { pods * 16 + 256, pods * 16 + 256 };

	if (argc < 2 || runs < 1 || runs > RUNS_MAX || pods < 3 * PART)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	build_dir(build, sizeof(build) - 32);
	snprintf(now_path, sizeof(now_path), "%.4000s/tests/bench/now", build);
	snprintf(bundle, sizeof(bundle), "%s", argv[1]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	assert_non_null(mkdtemp(layer));
	assert_int_equal(chmod(layer, 0755), 0);
	layer_make(layer);
	side_by_side(layer, runs);
	busy(layer);
	crowd(layer, pods);
	run_host("rm -rf --one-file-system %s", layer);
	return 0;
}
