#include <config.h>

#include "netplugin/port_row.h"

#include <stdio.h>
#include <string.h>

#include "lib/ipnet.h"
#include "lib/parse.h"
#include "netplugin/bandwidth_row.h"
#include "smap.h"
#include "vswitch-idl.h"

int64_t port_row_number(const struct ovsrec_port *port, char problem[128])
{
	const struct ovsrec_interface *interface;

	problem[0] = '\0';
	if (port->n_interfaces != 1)
		return 0;
	interface = port->interfaces[0];
	if (interface->error)
		snprintf(problem, 128, "%s", interface->error);
	return interface->n_ofport ? interface->ofport[0] : 0;
}

static int copy_id(
	const struct ovsrec_port *port, const char *key, char *to, size_t size, struct error *err)
{
	const char *value = smap_get(&port->external_ids, key);

	if (!value || !value[0] || strlen(value) >= size)
		return error_set(err, ERR_INVALID, 0,
			"port '%s': external_ids:%s is missing or too long", port->name, key);
	memcpy(to, value, strlen(value) + 1);
	return 0;
}

/* What a CNI plugin's port has besides; of a pod of the agent's nothing. */
static int cni_read(const struct ovsrec_port *port, struct port_record *record, struct error *err)
{
	const char *owner = smap_get(&port->external_ids, "bulkhead-owner");

	snprintf(record->link, sizeof(record->link), POD_LINK);
	if (!owner)
		return 0;
	if (strcmp(owner, "cni") != 0)
		return error_set(err, ERR_INVALID, 0,
			"port '%s': external_ids:bulkhead-owner is '%s'", port->name, owner);
	if (copy_id(port, "bulkhead-container", record->container, sizeof(record->container), err) <
			0 ||
		copy_id(port, "bulkhead-network", record->network, sizeof(record->network), err) <
			0)
		return -1;
	return copy_id(port, "bulkhead-ifname", record->link, sizeof(record->link), err);
}

int port_row_read(const struct ovsrec_port *port, struct port_record *ret, struct error *err)
{
	char address[IPNET_TEXT_SIZE], vnid[16], expected[PORT_NAME_SIZE];
	struct port_record record = { 0 };

	if (copy_id(port, "bulkhead-pod-uid", record.pod_uid, sizeof(record.pod_uid), err) < 0 ||
		copy_id(port, "bulkhead-project", record.project, sizeof(record.project), err) <
			0 ||
		copy_id(port, "bulkhead-pod", record.pod, sizeof(record.pod), err) < 0 ||
		copy_id(port, "bulkhead-ip", address, sizeof(address), err) < 0 ||
		copy_id(port, "bulkhead-vnid", vnid, sizeof(vnid), err) < 0 ||
		cni_read(port, &record, err) < 0)
		return -1;
	if (bandwidth_row_read(&port->external_ids, &record.bandwidth, err) < 0)
		return error_prefix(err, "port '%s'", port->name);
	if (address_parse(address, &record.address, err) < 0)
		return error_prefix(err, "port '%s'", port->name);
	if (parse_u32(vnid, "VNID", 0, VNID_MAX, &record.vnid, err) < 0)
		return error_prefix(err, "port '%s'", port->name);
	port_name_of(record.pod_uid, expected);
	if (strcmp(expected, port->name) != 0 || !pod_uid_is_valid(record.pod_uid))
		return error_set(err, ERR_INVALID, 0, "port '%s' is not the one of pod '%s'",
			port->name, record.pod_uid);
	memcpy(record.name, expected, sizeof(expected));
	record.ofport = port_row_number(port, record.problem);
	*ret = record;
	return 0;
}

void port_row_write(const struct ovsrec_port *port, const struct port_record *record)
{
	struct smap ids = SMAP_INITIALIZER(&ids);
	char address[IPNET_TEXT_SIZE], mac_text[MAC_TEXT_SIZE];
	uint8_t mac[6];

	mac_of_address(record->address, mac);
	mac_format(mac, mac_text);
	address_format(record->address, address);
	smap_add(&ids, "sandbox", record->container[0] ? record->container : record->pod_uid);
	smap_add(&ids, "bulkhead-pod-uid", record->pod_uid);
	smap_add(&ids, "bulkhead-project", record->project);
	smap_add(&ids, "bulkhead-pod", record->pod);
	smap_add(&ids, "bulkhead-ip", address);
	smap_add(&ids, "bulkhead-mac", mac_text);
	smap_add_format(&ids, "bulkhead-vnid", "%u", record->vnid);
	if (record->container[0]) {
		smap_add(&ids, "bulkhead-owner", "cni");
		smap_add(&ids, "bulkhead-container", record->container);
		smap_add(&ids, "bulkhead-network", record->network);
		smap_add(&ids, "bulkhead-ifname", record->link);
	}
	bandwidth_row_write(&ids, &record->bandwidth);
	ovsrec_port_set_external_ids(port, &ids);
	smap_destroy(&ids);
}
