#include "netplugin/cni/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"

static int open_netns(const char *path, int *ret_fd, struct failure *failure)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat own, its;

	if (fd < 0)
		return failure_set(failure, CNI_INVALID_ENVIRONMENT, "CNI_NETNS: '%.200s': %s",
			path, strerror(errno));
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return failure_set(failure, CNI_INVALID_ENVIRONMENT,
			"CNI_NETNS: '%.200s' is not a network namespace", path);
	if (fstat(fd, &its) < 0 || stat("/proc/self/ns/net", &own) < 0)
		return failure_set(failure, CNI_IO, "stat: %s", strerror(errno));
	if (its.st_ino == own.st_ino && its.st_dev == own.st_dev)
		return failure_set(failure, CNI_INVALID_ENVIRONMENT,
			"CNI_NETNS: '%.200s' is the node's own: a container without a network of "
			"its own is not attached",
			path);
	*ret_fd = take_fd(&fd);
	return 0;
}

int cni_netns_enter(const char *path, int ret_fds[NETNS_FDS], struct failure *failure)
{
	cleanup_close int netns_fd = -1, route_fd = -1, inet_fd = -1;

	if (open_netns(path, &netns_fd, failure) < 0)
		return -1;
	if (setns(netns_fd, CLONE_NEWNET) < 0)
		return failure_set(
			failure, CNI_IO, "cannot enter '%.200s': %s", path, strerror(errno));
	route_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	inet_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (route_fd < 0 || inet_fd < 0)
		return failure_set(
			failure, CNI_IO, "no socket in '%.200s': %s", path, strerror(errno));
	ret_fds[NETNS_FD] = take_fd(&netns_fd);
	ret_fds[NETNS_ROUTE_FD] = take_fd(&route_fd);
	ret_fds[NETNS_INET_FD] = take_fd(&inet_fd);
	return 0;
}

/* ---- CHECK --------------------------------------------------------------------------------- */

static struct ifreq request_of(const char *name)
{
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return request;
}

static int check_link(int fd, const char *name, struct failure *failure)
{
	struct ifreq request = request_of(name);

	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return failure_set(failure, CNI_DIFFERS, "interface '%s' of the container: %s",
			name, strerror(errno));
	if (!(request.ifr_flags & IFF_UP))
		return failure_set(
			failure, CNI_DIFFERS, "interface '%s' of the container is down", name);
	return 0;
}

static int check_mac(int fd, const char *name, const char *mac, struct failure *failure)
{
	struct ifreq request = request_of(name);
	char text[MAC_TEXT_SIZE];

	if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		return failure_set(failure, CNI_IO, "'%s': %s", name, strerror(errno));
	mac_format((const uint8_t *)request.ifr_hwaddr.sa_data, text);
	if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER || strcmp(text, mac) != 0)
		return failure_set(failure, CNI_DIFFERS,
			"interface '%s' of the container has MAC address %s and not %s", name, text,
			mac);
	return 0;
}

static uint32_t address_in(const struct sockaddr *sockaddr)
{
	struct sockaddr_in in;

	memcpy(&in, sockaddr, sizeof(in));
	return ntohl(in.sin_addr.s_addr);
}

static int check_address(
	int fd, const char *name, const struct cni_attached *attached, struct failure *failure)
{
	struct ifreq address = request_of(name), mask = request_of(name);
	char text[IPNET_TEXT_SIZE] = "none";
	unsigned prefix = 0;

	if (ioctl(fd, SIOCGIFADDR, &address) == 0 && ioctl(fd, SIOCGIFNETMASK, &mask) == 0) {
		address_format(address_in(&address.ifr_addr), text);
		prefix = (unsigned)__builtin_popcount(address_in(&mask.ifr_netmask));
	} else if (errno != EADDRNOTAVAIL) {
		return failure_set(failure, CNI_IO, "'%s': %s", name, strerror(errno));
	}
	if (strcmp(text, attached->address) != 0 || prefix != attached->prefix)
		return failure_set(failure, CNI_DIFFERS,
			"interface '%s' of the container has address %s/%u and not %s/%u", name,
			text, prefix, attached->address, attached->prefix);
	return 0;
}

static int check_mtu(int fd, const char *name, unsigned mtu, struct failure *failure)
{
	struct ifreq request = request_of(name);

	if (ioctl(fd, SIOCGIFMTU, &request) < 0)
		return failure_set(failure, CNI_IO, "'%s': %s", name, strerror(errno));
	if (request.ifr_mtu != (int)mtu)
		return failure_set(failure, CNI_DIFFERS,
			"interface '%s' of the container has MTU %d and not %u", name,
			request.ifr_mtu, mtu);
	return 0;
}

int cni_netns_check(
	int inet_fd, const char *name, const struct cni_attached *attached, struct failure *failure)
{
	if (check_link(inet_fd, name, failure) < 0 ||
		check_mac(inet_fd, name, attached->mac, failure) < 0 ||
		check_address(inet_fd, name, attached, failure) < 0)
		return -1;
	return check_mtu(inet_fd, name, attached->mtu, failure);
}
