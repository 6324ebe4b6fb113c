#include "tests/priv/cluster/relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"

static volatile sig_atomic_t lose;

static void on_signal(int number)
{
	(void)number;
	lose = 1;
}

static int unix_socket(const char *dir, const char *name, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s", dir, name);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* Passes on what is there; 0 at the end of the connection. */
static int pass(int from, int to)
{
	char data[65536];
	ssize_t n = read(from, data, sizeof(data));

	for (ssize_t done = 0; done < n;) {
		ssize_t m = write(to, data + done, (size_t)(n - done));

		if (m <= 0)
			return 0;
		done += m;
	}
	return n > 0;
}

static void relay(int client, int server)
{
	for (;;) {
		struct pollfd p[] = { { client, POLLIN, 0 }, { server, POLLIN, 0 } };

		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return;
		}
		if (p[1].revents && lose) {
			lose = 0;
			return;
		}
		if ((p[0].revents && !pass(client, server)) ||
			(p[1].revents && !pass(server, client)))
			return;
	}
}

static _Noreturn void serve(const char *dir, int listener)
{
	for (;;) {
		cleanup_close int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		struct sockaddr_un address;
		cleanup_close int server = unix_socket(dir, "db.sock", &address);

		if (client >= 0 &&
			connect(server, (struct sockaddr *)&address, sizeof(address)) == 0)
			relay(client, server);
	}
}

pid_t relay_start(const char *dir)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct sockaddr_un address;
	cleanup_close int listener = unix_socket(dir, "relay.sock", &address);
	pid_t pid;

	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(listener, 8) < 0) {
		perror("relay");
		exit(99);
	}
	sigaction(SIGUSR1, &action, NULL);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		serve(dir, listener);
	}
	return pid;
}

void relay_lose_next(pid_t pid)
{
	kill(pid, SIGUSR1);
}
