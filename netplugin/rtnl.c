#include "netplugin/rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "netplugin/netlink.h"

int rtnl_open(int *ret_fd, struct error *err)
{
	return netlink_open(NETLINK_ROUTE, ret_fd, err);
}

/* A request about the link 'name' (NULL: none), ready for attributes. */
static struct nlmsghdr *link_request(
	void *buffer, uint16_t type, uint16_t flags, const char *name, struct ifinfomsg **ret_info)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info;

	request->nlmsg_type = type;
	request->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	request->nlmsg_seq = netlink_seq();
	info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	if (name)
		mnl_attr_put_strz(request, IFLA_IFNAME, name);
	if (ret_info)
		*ret_info = info;
	return request;
}

static int talk(int fd, const struct nlmsghdr *request, struct error *err)
{
	return netlink_request(fd, request, request->nlmsg_len, 1, err);
}

int rtnl_veth_create(int fd, const struct veth *veth, struct error *err)
{
	char buffer[1024];
	struct nlmsghdr *request =
		link_request(buffer, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, veth->name, NULL);
	struct nlattr *info, *data, *peer;

	mnl_attr_put_u32(request, IFLA_MTU, veth->mtu);
	mnl_attr_put_u32(request, IFLA_GROUP, veth->group);
	info = mnl_attr_nest_start(request, IFLA_LINKINFO);
	mnl_attr_put_str(request, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(request, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(request, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request, IFLA_IFNAME, veth->peer_name);
	mnl_attr_put_u32(request, IFLA_MTU, veth->mtu);
	mnl_attr_put_u32(request, IFLA_NET_NS_FD, (uint32_t)veth->peer_netns_fd);
	mnl_attr_put(request, IFLA_ADDRESS, sizeof(veth->peer_mac), veth->peer_mac);
	mnl_attr_nest_end(request, peer);
	mnl_attr_nest_end(request, data);
	mnl_attr_nest_end(request, info);
	if (talk(fd, request, err) != 0)
		return error_prefix(err, "cannot make the veth pair '%s' and '%s'", veth->name,
			veth->peer_name);
	if (rtnl_link_set_alias(fd, veth->name, veth->alias, err) < 0 ||
		rtnl_link_no_ipv6(fd, veth->name, err) < 0) {
		rtnl_link_delete(fd, veth->name, NULL);
		return -1;
	}
	return 0;
}

int rtnl_link_set_alias(int fd, const char *name, const char *alias, struct error *err)
{
	char buffer[512];
	struct nlmsghdr *request = link_request(buffer, RTM_NEWLINK, 0, name, NULL);

	mnl_attr_put_str(request, IFLA_IFALIAS, alias);
	if (talk(fd, request, err) != 0)
		return error_prefix(err, "cannot name the owner of link '%s'", name);
	return 0;
}

int rtnl_link_delete(int fd, const char *name, struct error *err)
{
	char buffer[256];
	struct nlmsghdr *request = link_request(buffer, RTM_DELLINK, 0, name, NULL);
	int r = talk(fd, request, err);

	if (r != 0 && r != ENODEV)
		return error_prefix(err, "cannot delete link '%s'", name);
	return 0;
}

static int set_up(int fd, const char *name, int up, struct error *err)
{
	char buffer[256];
	struct ifinfomsg *info;
	struct nlmsghdr *request = link_request(buffer, RTM_NEWLINK, 0, name, &info);

	info->ifi_change = IFF_UP;
	info->ifi_flags = up ? IFF_UP : 0;
	return talk(fd, request, err);
}

int rtnl_link_down(int fd, const char *name, struct error *err)
{
	int r = set_up(fd, name, 0, err);

	if (r != 0 && r != ENODEV)
		return error_prefix(err, "cannot set link '%s' down", name);
	return 0;
}

int rtnl_link_up(int fd, const char *name, struct error *err)
{
	if (set_up(fd, name, 1, err) != 0)
		return error_prefix(err, "cannot set link '%s' up", name);
	return 0;
}

int rtnl_link_no_ipv6(int fd, const char *name, struct error *err)
{
	char buffer[256];
	struct nlmsghdr *request = link_request(buffer, RTM_NEWLINK, 0, name, NULL);
	struct nlattr *spec = mnl_attr_nest_start(request, IFLA_AF_SPEC);
	struct nlattr *inet6 = mnl_attr_nest_start(request, AF_INET6);
	int r;

	mnl_attr_put_u8(request, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(request, inet6);
	mnl_attr_nest_end(request, spec);
	r = talk(fd, request, err);
	if (r != 0 && r != EAFNOSUPPORT)
		return error_prefix(err, "cannot keep IPv6 addresses off link '%s'", name);
	return 0;
}

/* The index of 'name' as the socket's namespace has it. */
static int index_answer(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);

	*(int *)context = info->ifi_index;
	return MNL_CB_STOP;
}

static int link_index(int fd, const char *name, int *ret, struct error *err)
{
	char buffer[256];
	struct nlmsghdr *request = link_request(buffer, RTM_GETLINK, 0, name, NULL);

	request->nlmsg_flags = NLM_F_REQUEST;
	*ret = 0;
	if (netlink_dump(fd, request, index_answer, ret, err) != 0)
		return error_prefix(err, "cannot find link '%s'", name);
	return 0;
}

/* A request about 'address' of the link 'index', whole. */
static struct nlmsghdr *address_request(
	void *buffer, uint16_t type, uint16_t flags, int index, uint32_t address, unsigned prefix)
{
	const uint32_t wire = htonl(address);
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *message;

	request->nlmsg_type = type;
	request->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	request->nlmsg_seq = netlink_seq();
	message = mnl_nlmsg_put_extra_header(request, sizeof(*message));
	message->ifa_family = AF_INET;
	message->ifa_prefixlen = (uint8_t)prefix;
	message->ifa_scope = RT_SCOPE_UNIVERSE;
	message->ifa_index = (uint32_t)index;
	mnl_attr_put_u32(request, IFA_LOCAL, wire);
	mnl_attr_put_u32(request, IFA_ADDRESS, wire);
	return request;
}

int rtnl_address_add(int fd, const char *name, uint32_t address, unsigned prefix, struct error *err)
{
	const uint32_t wire = htonl(address);
	char buffer[256], text[INET_ADDRSTRLEN];
	struct nlmsghdr *request;
	int index;

	if (link_index(fd, name, &index, err) < 0)
		return -1;
	request = address_request(
		buffer, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, address, prefix);
	mnl_attr_put_u32(request, IFA_BROADCAST, htonl(address | UINT32_MAX >> prefix));
	if (talk(fd, request, err) != 0)
		return error_prefix(err, "cannot give %s to link '%s'",
			inet_ntop(AF_INET, &wire, text, sizeof(text)), name);
	return 0;
}

int rtnl_address_remove(
	int fd, const char *name, uint32_t address, unsigned prefix, struct error *err)
{
	char buffer[256];
	int index, r;

	if (link_index(fd, name, &index, NULL) < 0)
		return 0;
	r = talk(fd, address_request(buffer, RTM_DELADDR, 0, index, address, prefix), err);
	if (r != 0 && r != EADDRNOTAVAIL && r != ENODEV)
		return error_prefix(err, "cannot take the address off link '%s'", name);
	return 0;
}

int rtnl_route_default(int fd, const char *name, uint32_t gateway, struct error *err)
{
	char buffer[256];
	struct nlmsghdr *request;
	struct rtmsg *message;
	int index;

	if (link_index(fd, name, &index, err) < 0)
		return -1;
	request = mnl_nlmsg_put_header(buffer);
	request->nlmsg_type = RTM_NEWROUTE;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
	request->nlmsg_seq = netlink_seq();
	message = mnl_nlmsg_put_extra_header(request, sizeof(*message));
	message->rtm_family = AF_INET;
	message->rtm_table = RT_TABLE_MAIN;
	message->rtm_protocol = RTPROT_BOOT;
	message->rtm_scope = RT_SCOPE_UNIVERSE;
	message->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(request, RTA_GATEWAY, htonl(gateway));
	mnl_attr_put_u32(request, RTA_OIF, (uint32_t)index);
	if (talk(fd, request, err) != 0)
		return error_prefix(err, "cannot make the default route by link '%s'", name);
	return 0;
}

static const struct nlattr *nested(const struct nlattr *attr, uint16_t type)
{
	const struct nlattr *inner;

	mnl_attr_for_each_nested(inner, attr)
	{
		if (mnl_attr_get_type(inner) == type)
			return inner;
	}
	return NULL;
}

static bool makes_ipv6(const struct nlattr *spec)
{
	const struct nlattr *inet6 = nested(spec, AF_INET6);
	const struct nlattr *mode = inet6 ? nested(inet6, IFLA_INET6_ADDR_GEN_MODE) : NULL;

	return mode && mnl_attr_get_u8(mode) != IN6_ADDR_GEN_MODE_NONE;
}

static int find_answer(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct link_found *ret = context;
	const struct nlattr *attr;

	ret->up = info->ifi_flags & IFF_UP;
	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		if (mnl_attr_get_type(attr) == IFLA_ADDRESS && mnl_attr_get_payload_len(attr) == 6)
			memcpy(ret->mac, mnl_attr_get_payload(attr), 6);
		else if (mnl_attr_get_type(attr) == IFLA_AF_SPEC)
			ret->makes_ipv6 = makes_ipv6(attr);
	}
	return MNL_CB_STOP;
}

int rtnl_link_find(int fd, const char *name, struct link_found *ret)
{
	char buffer[256];
	struct nlmsghdr *request = link_request(buffer, RTM_GETLINK, 0, name, NULL);

	request->nlmsg_flags = NLM_F_REQUEST;
	*ret = (struct link_found){ 0 };
	return netlink_dump(fd, request, find_answer, ret, NULL) == 0;
}

struct address_search {
	uint32_t wire;
	uint32_t index; /* 0: not found */
};

static int address_answer(const struct nlmsghdr *message, void *context)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	struct address_search *search = context;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(*info))
	{
		if (mnl_attr_get_type(attr) == IFA_LOCAL &&
			mnl_attr_validate(attr, MNL_TYPE_U32) >= 0 &&
			mnl_attr_get_u32(attr) == search->wire)
			search->index = info->ifa_index;
	}
	return MNL_CB_OK;
}

static int mtu_answer(const struct nlmsghdr *message, void *context)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct ifinfomsg))
	{
		if (mnl_attr_get_type(attr) == IFLA_MTU &&
			mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			*(uint32_t *)context = mnl_attr_get_u32(attr);
	}
	return MNL_CB_STOP;
}

int rtnl_mtu_of_address(int fd, uint32_t address, uint32_t *ret_mtu, struct error *err)
{
	struct address_search search = { .wire = htonl(address) };
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *message;
	struct ifinfomsg *info;

	request->nlmsg_type = RTM_GETADDR;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = netlink_seq();
	message = mnl_nlmsg_put_extra_header(request, sizeof(*message));
	message->ifa_family = AF_INET;
	if (netlink_dump(fd, request, address_answer, &search, err) != 0)
		return error_prefix(err, "cannot list addresses");
	if (!search.index)
		return error_set(err, ERR_NOT_FOUND, 0, "no link of this machine has it");
	request = link_request(buffer, RTM_GETLINK, 0, NULL, &info);
	request->nlmsg_flags = NLM_F_REQUEST;
	info->ifi_index = (int)search.index;
	*ret_mtu = 0;
	if (netlink_dump(fd, request, mtu_answer, ret_mtu, err) != 0)
		return error_prefix(err, "cannot read the link's MTU");
	return 0;
}

struct alias_search {
	const char *prefix;
	uint32_t group;
	rtnl_each_fn *each;
	void *context;
};

static int alias_answer(const struct nlmsghdr *message, void *context)
{
	const struct alias_search *search = context;
	const char *name = NULL, *alias = NULL;
	const struct nlattr *attr;
	uint32_t group = 0;

	mnl_attr_for_each(attr, message, sizeof(struct ifinfomsg))
	{
		if (mnl_attr_get_type(attr) == IFLA_IFNAME)
			name = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == IFLA_IFALIAS)
			alias = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == IFLA_GROUP)
			group = mnl_attr_get_u32(attr);
	}
	if (name && (alias ? strncmp(alias, search->prefix, strlen(search->prefix)) == 0
			   : group == search->group))
		search->each(search->context, name);
	return MNL_CB_OK;
}

int rtnl_each_ours(int fd, const char *alias_prefix, uint32_t group, rtnl_each_fn *each,
	void *context, struct error *err)
{
	struct alias_search search = { alias_prefix, group, each, context };
	char buffer[256];
	struct nlmsghdr *request = link_request(buffer, RTM_GETLINK, 0, NULL, NULL);

	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	if (netlink_dump(fd, request, alias_answer, &search, err) != 0)
		return error_prefix(err, "cannot list links");
	return 0;
}

int rtnl_tx_checksum_off(int inet_fd, const char *name, struct error *err)
{
	struct ethtool_value value = { .cmd = ETHTOOL_STXCSUM, .data = 0 };
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	request.ifr_data = (void *)&value;
	if (ioctl(inet_fd, SIOCETHTOOL, &request) < 0)
		return error_set(err, error_code_of(errno), errno,
			"cannot switch off checksum offload of link '%s'", name);
	return 0;
}
