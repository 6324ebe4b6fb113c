#include "tests/priv/net/world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/cleanup.h"

void world_run(const struct pod *place, const char *command)
{
	free(lab_run(
		"nsenter --net=/proc/%d/fd/%d sh -c '%s'", getpid(), place->netns_fd, command));
}

void world_wire(struct lab *lab, struct pod *place, const char *link, const char *address,
	const char *theirs)
{
	pod_open(lab, place, link, 0);
	free(lab_run("ip link add %s type veth peer name wire netns /proc/%d/fd/%d", link, getpid(),
		place->netns_fd));
	free(lab_run("ip address add %s/24 dev %s && ip link set %s up", address, link, link));
	free(lab_run("nsenter --net=/proc/%d/fd/%d sh -c 'ip address add %s/24 dev wire && "
		     "ip link set wire up'",
		getpid(), place->netns_fd, theirs));
}

void world_outside(struct lab *lab, struct pod *place)
{
	world_wire(lab, place, "up0", WORLD_NODE, WORLD_OUTSIDE);
	world_run(place, "ip address add " WORLD_FAR "/32 dev lo");
	free(lab_run("ip route add default via " WORLD_OUTSIDE
		     " && echo 1 >/proc/sys/net/ipv4/ip_forward"));
}

static int open_socket(struct lab *lab, const struct pod *place, int type)
{
	return place ? pod_socket(lab, place, AF_INET, type, 0)
		     : socket(AF_INET, type | SOCK_CLOEXEC, 0);
}

int world_serve(struct lab *lab, const struct pod *place, uint16_t port)
{
	const struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	const int on = 1;
	int fd = open_socket(lab, place, SOCK_STREAM);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

int world_reach(struct lab *lab, const struct pod *place, const char *address, uint16_t port,
	int timeout_ms)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	cleanup_close int fd = open_socket(lab, place, SOCK_STREAM | SOCK_NONBLOCK);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int failure = 0;
	socklen_t size = sizeof(failure);

	inet_pton(AF_INET, address, &to.sin_addr);
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		return -1;
	if (poll(&p, 1, timeout_ms) != 1 ||
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) < 0 || failure)
		return -1;
	return take_fd(&fd);
}

bool world_reaches(struct lab *lab, const struct pod *place, const char *address, int timeout_ms)
{
	cleanup_close int fd = world_reach(lab, place, address, WORLD_PORT, timeout_ms);

	return fd >= 0;
}

int world_accept_last(int listener)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	cleanup_close int fd = -1;

	while (poll(&p, 1, WORLD_SILENCE_MSEC) == 1) {
		cleanup_close_fn(&fd);
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	}
	assert_true(fd >= 0);
	return take_fd(&fd);
}

bool world_carries(int from, int to, int timeout_ms)
{
	struct pollfd p = { .fd = to, .events = POLLIN };
	char byte = 'x', got = 0;

	assert_int_equal(send(from, &byte, 1, MSG_NOSIGNAL), 1);
	return poll(&p, 1, timeout_ms) == 1 && recv(to, &got, 1, 0) == 1 && got == byte;
}
