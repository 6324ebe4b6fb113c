#include "nodeagent/agent/links.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define ANSWER_SECS 5
#define ANSWER_SIZE 65536
#define FOUND_MAX   256 /* at a time: then they are removed and the rest is looked for */

struct found {
	int indices[FOUND_MAX];
	size_t len;
};

union answer {
	struct nlmsghdr header;
	char bytes[ANSWER_SIZE];
};

static int send_request(int fd, uint16_t type, uint16_t flags, int index, struct error *err)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg body;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = type,
			.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
		},
		.body = { .ifi_family = AF_UNSPEC, .ifi_index = index },
	};

	if (send(fd, &request, sizeof(request), 0) != (ssize_t)sizeof(request))
		return error_set(err, ERR_INTERNAL, errno, "cannot ask the kernel for links");
	return 0;
}

static bool alias_begins(const struct nlmsghdr *header, const char *prefix)
{
	const struct rtattr *a = IFLA_RTA((struct ifinfomsg *)NLMSG_DATA(header));
	size_t left = IFLA_PAYLOAD(header), len = strlen(prefix);

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_IFALIAS && RTA_PAYLOAD(a) > len)
			return strncmp(RTA_DATA(a), prefix, len) == 0;
	}
	return false;
}

/* One datagram of the list. 1 more follow, 0 it was the last, -1 it is broken. */
static int take_links(
	const struct nlmsghdr *header, size_t size, const char *prefix, struct found *found)
{
	for (; NLMSG_OK(header, size); header = NLMSG_NEXT(header, size)) {
		const struct ifinfomsg *link = NLMSG_DATA(header);

		if (header->nlmsg_type == NLMSG_DONE)
			return 0;
		if (header->nlmsg_type == NLMSG_ERROR)
			return -1;
		if (header->nlmsg_type == RTM_NEWLINK && found->len < FOUND_MAX &&
			alias_begins(header, prefix))
			found->indices[found->len++] = link->ifi_index;
	}
	return 1;
}

static int find(int fd, const char *prefix, struct found *found, struct error *err)
{
	cleanup_free union answer *answer = malloc(sizeof(*answer));
	int r = 1;

	found->len = 0;
	if (!answer)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot list links");
	if (send_request(fd, RTM_GETLINK, NLM_F_DUMP, 0, err) < 0)
		return -1;
	while (r > 0) {
		ssize_t size = recv(fd, answer, sizeof(*answer), 0);

		r = size > 0 ? take_links(&answer->header, (size_t)size, prefix, found) : -1;
	}
	return r < 0 ? error_set(err, ERR_INTERNAL, errno, "cannot list links") : 0;
}

static int remove_one(int fd, int index, struct error *err)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr verdict;
		char rest[1024];
	} answer;

	if (send_request(fd, RTM_DELLINK, NLM_F_ACK, index, err) < 0)
		return -1;
	if (recv(fd, &answer, sizeof(answer), 0) < (ssize_t)NLMSG_LENGTH(sizeof(int)) ||
		answer.header.nlmsg_type != NLMSG_ERROR)
		return error_set(err, ERR_INTERNAL, errno, "no answer about link %d", index);
	if (answer.verdict.error && answer.verdict.error != -ENODEV)
		return error_set(err, error_code_of(-answer.verdict.error), -answer.verdict.error,
			"cannot remove link %d", index);
	return 0;
}

int links_remove(const char *prefix, struct error *err)
{
	cleanup_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const struct timeval wait = { .tv_sec = ANSWER_SECS };
	struct found found;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot reach rtnetlink");
	do {
		if (find(fd, prefix, &found, err) < 0)
			return -1;
		for (size_t i = 0; i < found.len; i++) {
			if (remove_one(fd, found.indices[i], err) < 0)
				return -1;
		}
	} while (found.len == FOUND_MAX);
	return 0;
}
