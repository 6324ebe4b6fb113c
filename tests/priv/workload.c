/*
 * Runs inside test containers, static: uses memory, prints, logs. What is hostile beyond that is
 * tests/priv/escapes/hostile.c. Usage: workload VERB ARG.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void eat(size_t mib)
{
	for (size_t i = 0; i < mib; i++) {
		char *p = mmap(
			NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			exit(3);
		memset(p, 1, 1 << 20);
	}
}

static void flood(size_t bytes)
{
	char line[4096];

	memset(line, 'x', sizeof(line));
	while (bytes > 0) {
		ssize_t n = write(1, line, bytes < sizeof(line) ? bytes : sizeof(line));

		if (n < 0)
			exit(1);
		bytes -= (size_t)n;
	}
}

/* 'count' times one datagram to /dev/log. */
static void log_send(const char *text, unsigned long count)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	while (count-- > 0) {
		if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&a, sizeof(a)) < 0)
			exit(4);
	}
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "eat") == 0 && argc == 3)
		eat(strtoul(argv[2], NULL, 10));
	else if (strcmp(verb, "flood") == 0 && argc == 3)
		flood(strtoul(argv[2], NULL, 10));
	else if (strcmp(verb, "log") == 0 && argc == 3)
		log_send(argv[2], 1);
	else if (strcmp(verb, "logs") == 0 && argc == 3)
		log_send("<14>flood", strtoul(argv[2], NULL, 10));
	else
		return 2;
	return 0;
}
