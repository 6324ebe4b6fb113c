/*
 * Runs inside test containers, static: uses memory, prints. What is hostile beyond that is
 * tests/priv/escapes/hostile.c. Usage: workload VERB ARG.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "eat") == 0 && argc == 3)
		eat(strtoul(argv[2], NULL, 10));
	else if (strcmp(verb, "flood") == 0 && argc == 3)
		flood(strtoul(argv[2], NULL, 10));
	else
		return 2;
	return 0;
}
