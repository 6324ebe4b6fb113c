#include <config.h>

#include "netplugin/gateway.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/log.h"
#include "netplugin/gateway_rules.h"
#include "netplugin/netd.h"
#include "netplugin/netlink.h"
#include "netplugin/rtnl.h"
#include "openvswitch/poll-loop.h"
#include "timeval.h"

int gateway_open(struct netd *netd, struct error *err)
{
	const int group = NFNLGRP_NFTABLES;
	struct gateway *gateway = &netd->gateway;

	gateway->events_fd = -1;
	if (netlink_open(NETLINK_NETFILTER, &gateway->fd, err) < 0) {
		/* A kernel without nf_tables has no table of an earlier life either. */
		gateway->fd = -1;
		gateway->removed = true;
		return netd->config.egress == EGRESS_OFF ? 0 : -1;
	}
	if (netd->config.egress == EGRESS_OFF)
		return 0;
	if (netlink_open(NETLINK_NETFILTER, &gateway->events_fd, err) < 0)
		return -1;
	if (setsockopt(gateway->events_fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
		    sizeof(group)) < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot hear of nf_tables' changes");
	return 0;
}

/* Whether anything came; what it was is seen by looking. An overrun is an event, too. */
static bool events_came(int fd)
{
	bool came = false;
	char buffer[64];

	while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) >= 0 || errno == ENOBUFS)
		came = true;
	return came;
}

static int check_rules(struct netd *netd, struct error *err)
{
	const struct gateway_rules rules = {
		.link = netd->config.bridge,
		.subnet = netd->config.node.subnet,
		.alone = netd->config.egress == EGRESS_ALONE,
	};
	struct gateway *gateway = &netd->gateway;
	uint64_t mark;

	if (gateway_rules_mark(gateway->fd, rules.link, &mark, err) < 0)
		return -1;
	if (gateway->mark && mark == gateway->mark)
		return 0;
	if (gateway->mark)
		log_warning("the nf_tables rules of the way out were changed by somebody else and "
			    "are made anew");
	gateway->mark = 0;
	if (gateway_rules_put(gateway->fd, &rules, err) < 0)
		return -1;
	return gateway_rules_mark(gateway->fd, rules.link, &gateway->mark, err);
}

/* The link is the switch's: it comes after the bridge's row, and may come anew. */
static int check_link(struct netd *netd, struct error *err)
{
	const struct flow_node *node = &netd->config.node;
	const char *link = netd->config.bridge;
	const uint32_t address = flow_gateway(node);
	const int fd = netd->route_fd;
	struct link_found found;
	uint8_t right[6];

	if (!rtnl_link_find(fd, link, &found))
		return error_set(err, ERR_UNAVAILABLE, 0, "there is no link '%s' yet", link);
	mac_of_address(address, right);
	if (memcmp(found.mac, right, sizeof(right)) != 0)
		return error_set(
			err, ERR_UNAVAILABLE, 0, "link '%s' has not its MAC address yet", link);
	if (found.makes_ipv6 && rtnl_link_no_ipv6(fd, link, err) < 0)
		return -1;
	if (rtnl_address_add(fd, link, address, node->subnet.prefix, err) < 0 &&
		err->code != ERR_EXISTS)
		return -1;
	*err = (struct error){ 0 };
	return found.up ? 0 : rtnl_link_up(fd, link, err);
}

/* The rules first: without them nothing must pass. */
static int check(struct netd *netd, struct error *err)
{
	if (check_rules(netd, err) < 0)
		return error_prefix(err, "no way out of the cluster (set egress: \"off\" in "
					 "node.yaml if pods need none)");
	return check_link(netd, err);
}

/* What a life with egress left. */
static void remove_once(struct netd *netd)
{
	struct gateway *gateway = &netd->gateway;
	const struct flow_node *node = &netd->config.node;
	struct error err = { 0 };

	if (gateway->removed)
		return;
	gateway->removed = true;
	if (rtnl_address_remove(netd->route_fd, netd->config.bridge, flow_gateway(node),
		    node->subnet.prefix, &err) < 0 ||
		gateway_rules_remove(gateway->fd, netd->config.bridge, &err) < 0)
		log_error("%s", err.text);
}

/* The base flows lead out, or not. */
static void set_open(struct netd *netd, bool open)
{
	struct error err = { 0 };

	if (netd->config.node.gateway == open)
		return;
	netd->config.node.gateway = open;
	if (netd_want_base(netd, &err) < 0)
		log_error("%s", err.text);
}

void gateway_run(struct netd *netd)
{
	struct gateway *gateway = &netd->gateway;

	if (netd->config.egress == EGRESS_OFF) {
		remove_once(netd);
		return;
	}
	if (!events_came(gateway->events_fd) && time_msec() < gateway->check_at)
		return;
	gateway->problem = (struct error){ 0 };
	check(netd, &gateway->problem);
	set_open(netd, gateway->problem.code == ERR_NONE);
	gateway->check_at = time_msec() + (gateway->problem.code == ERR_NONE ? GATEWAY_CHECK_MSEC
									     : GATEWAY_RETRY_MSEC);
}

void gateway_wait(struct netd *netd)
{
	if (netd->config.egress == EGRESS_OFF)
		return;
	poll_fd_wait(netd->gateway.events_fd, POLLIN);
	poll_timer_wait_until(netd->gateway.check_at);
}

int gateway_ready(const struct netd *netd, struct error *err)
{
	if (netd->gateway.problem.code == ERR_NONE)
		return 0;
	*err = netd->gateway.problem;
	return -1;
}
