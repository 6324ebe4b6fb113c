/*
 * Two sides of "does a bad neighbour cost me anything": a round trip between pods of one project,
 * and what a pod of another project does to take all there is. Static; copied into pods.
 *
 *   neighbour serve PORT                  answers a byte with a byte; 'w' is answered after some
 * work neighbour ask ADDRESS PORT N [w]      N round trips; prints their median and 99th percentile
 * in us neighbour cpu | memory | fork | log | files | disk | inotify      until it is killed
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PART (1 << 20)
#define WORK (400 << 10)

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void no_delay(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* What a small request costs, some 0.5 ms of a CPU of 2024: a hash (FNV-1a) of so many bytes. */
static void work(void)
{
	static unsigned char data[WORK];
	unsigned hash = 2166136261;

	for (size_t i = 0; i < sizeof(data); i++)
		hash = (hash ^ data[i]) * 16777619;
	data[hash % sizeof(data)] ^= 1;
}

static void serve(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char c;

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 8) < 0)
		die("serve");
	for (;;) {
		int peer = accept(fd, NULL, NULL);

		if (peer < 0)
			die("accept");
		no_delay(peer);
		while (read(peer, &c, 1) == 1) {
			if (c == 'w')
				work();
			if (write(peer, &c, 1) != 1)
				break;
		}
		close(peer);
	}
}

static long usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int compare(const void *a, const void *b)
{
	long x = *(const long *)a;
	long y = *(const long *)b;

	return (x > y) - (x < y);
}

static void ask(const char *address, int port, size_t n, char c)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	long *took = calloc(n + 1, sizeof(*took));

	if (!took || n == 0 || fd < 0 || inet_pton(AF_INET, address, &a.sin_addr) != 1 ||
		connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("ask");
	no_delay(fd);
	for (size_t i = 0; i < n; i++) {
		long from = usec();

		if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
			die("ask");
		took[i] = usec() - from;
		usleep(c == 'w' ? 2500 : 500); /* below the pod's CPU limit */
	}
	qsort(took, n, sizeof(*took), compare);
	printf("%ld %ld\n", took[n / 2], took[n * 99 / 100]);
}

static void take_memory(void)
{
	for (;;) {
		char *p = malloc(PART);

		if (p)
			memset(p, 1, PART);
	}
}

static void take_processes(void)
{
	for (;;) {
		if (fork() < 0)
			usleep(1000);
	}
}

static void take_log(void)
{
	char line[4096];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	while (write(1, line, sizeof(line)) > 0)
		;
}

/* All descriptors it may have, in as many processes as it may have. */
static void take_files(void)
{
	for (;;) {
		if (open("/dev/null", O_RDONLY) < 0 && fork() < 0)
			usleep(1000);
	}
}

static void take_disk(void)
{
	static char part[PART];

	memset(part, 1, sizeof(part));
	for (unsigned n = 0;; n++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), "/tmp/fill-%u", n);
		fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
		for (int i = 0; i < 64 && fd >= 0 && write(fd, part, sizeof(part)) > 0; i++)
			;
		if (fd < 0)
			usleep(10000);
		else
			close(fd);
	}
}

static void take_inotify(void)
{
	for (;;) {
		int fd = inotify_init1(0);

		if (fd < 0 || inotify_add_watch(fd, "/", IN_ALL_EVENTS) < 0)
			usleep(1000);
	}
}

static void take_cpu(void)
{
	for (int i = 0; i < 8; i++) {
		if (fork() == 0)
			break;
	}
	for (volatile unsigned long n = 0;; n++)
		;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} attacks[] = { { "cpu", take_cpu }, { "memory", take_memory }, { "fork", take_processes },
		{ "log", take_log }, { "files", take_files }, { "disk", take_disk },
		{ "inotify", take_inotify } };

	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(atoi(argv[2]));
	if ((argc == 5 || argc == 6) && strcmp(argv[1], "ask") == 0) {
		ask(argv[2], atoi(argv[3]), strtoul(argv[4], NULL, 10),
			argc == 6 ? argv[5][0] : 'x');
		return 0;
	}
	for (size_t i = 0; argc == 2 && i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		if (strcmp(argv[1], attacks[i].name) == 0)
			attacks[i].run();
	}
	fprintf(stderr, "usage: neighbour serve PORT | ask ADDRESS PORT N [w] | ATTACK\n");
	return 2;
}
