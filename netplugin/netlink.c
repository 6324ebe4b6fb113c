#include "netplugin/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"

uint32_t netlink_seq(void)
{
	return (uint32_t)monotonic_usec();
}

int netlink_open(int protocol, int *ret_fd, struct error *err)
{
	const struct sockaddr_nl local = { .nl_family = AF_NETLINK };
	const int on = 1;
	cleanup_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&local, sizeof(local)) < 0)
		return error_set(err, error_code_of(errno), errno,
			"cannot open a netlink socket of protocol %d", protocol);
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	*ret_fd = take_fd(&fd);
	return 0;
}

static ssize_t receive(int fd, char *buffer, size_t size, struct error *err)
{
	ssize_t n;

	do
		n = recv(fd, buffer, size, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_set(err, ERR_INTERNAL, errno, "netlink did not answer");
	return n;
}

/* Drops answers that nobody read: a socket handed over may have served others before. */
static void drain(int fd)
{
	char buffer[1];

	while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) >= 0)
		;
}

/* The kernel's words about an error, or NULL. */
static const char *error_text(const struct nlmsghdr *message)
{
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(message);
	size_t offset = sizeof(*answer);
	const struct nlattr *attr;

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		offset += mnl_nlmsg_get_payload_len(message) > offset
				  ? answer->msg.nlmsg_len - sizeof(answer->msg)
				  : 0;
	mnl_attr_for_each(attr, message, offset)
	{
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			return mnl_attr_get_str(attr);
	}
	return NULL;
}

/* 0, or the errno that 'message' (NLMSG_ERROR) reports, in 'err' too. */
static int acknowledgement(const struct nlmsghdr *message, struct error *err)
{
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(message);
	const char *text;

	if (answer->error == 0)
		return 0;
	text = error_text(message);
	error_set(err, error_code_of(-answer->error), -answer->error, "the kernel refused%s%s",
		text ? ": " : "", text ? text : "");
	return -answer->error;
}

int netlink_request(int fd, const void *messages, size_t size, unsigned acks, struct error *err)
{
	const uint32_t first = ((const struct nlmsghdr *)messages)->nlmsg_seq;
	_Alignas(struct nlmsghdr) char buffer[NETLINK_BUFFER];
	int failure = 0;

	drain(fd);
	if (send(fd, messages, size, 0) != (ssize_t)size)
		return error_set(err, ERR_INTERNAL, errno, "cannot send to netlink");
	while (acks > 0 && failure == 0) {
		ssize_t n = receive(fd, buffer, sizeof(buffer), err);
		const struct nlmsghdr *message = (const void *)buffer;
		int left = (int)n;

		if (n < 0)
			return -1;
		for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
			if (message->nlmsg_type != NLMSG_ERROR || message->nlmsg_seq - first > 15)
				continue;
			acks--;
			failure = acknowledgement(message, err);
			if (failure)
				break;
		}
	}
	return failure;
}

int netlink_dump(int fd, struct nlmsghdr *request, mnl_cb_t each, void *context, struct error *err)
{
	_Alignas(struct nlmsghdr) char buffer[4 * NETLINK_BUFFER];
	int more = MNL_CB_OK;

	drain(fd);
	if (send(fd, request, request->nlmsg_len, 0) != (ssize_t)request->nlmsg_len)
		return error_set(err, ERR_INTERNAL, errno, "cannot send to netlink");
	while (more > MNL_CB_STOP) {
		ssize_t n = receive(fd, buffer, sizeof(buffer), err);

		if (n < 0)
			return -1;
		more = mnl_cb_run(buffer, (size_t)n, request->nlmsg_seq, 0, each, context);
		if (more < 0)
			return error_set(err, error_code_of(errno), errno, "the kernel refused");
	}
	return 0;
}
