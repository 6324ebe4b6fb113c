#include "netplugin/bandwidth.h"

#include <errno.h>
#include <stdio.h>

#define PROJECT_METERS 0x40000000u /* first number; below are the pods' */
#define BURST_MIN      1049        /* kilobits: 128 KiB */
#define BURST_PART     4           /* of a second */

bool port_bandwidth_equal(const struct port_bandwidth *a, const struct port_bandwidth *b)
{
	return bandwidth_equal(&a->pod, &b->pod) && bandwidth_equal(&a->project, &b->project) &&
	       a->project_number == b->project_number;
}

uint32_t bandwidth_pod_meter(uint32_t host, enum bandwidth_direction direction)
{
	return host * BANDWIDTH_DIRECTIONS + direction;
}

uint32_t bandwidth_project_meter(uint32_t number, enum bandwidth_direction direction)
{
	return PROJECT_METERS + number * BANDWIDTH_DIRECTIONS + direction;
}

struct meter bandwidth_meter(uint64_t rate)
{
	uint32_t kilobits = (uint32_t)(rate / 1000);
	uint32_t burst = kilobits / BURST_PART;

	return (struct meter){ kilobits, burst > BURST_MIN ? burst : BURST_MIN };
}

/* One flow of 'table', which limits port by meter and goes on in the next table. */
static int append(struct flow_list *list, const struct flow_port *port, unsigned table,
	enum bandwidth_direction direction, uint32_t meter, unsigned next, struct error *err)
{
	char *line;

	if (asprintf(&line,
		    "cookie=0x%llx,table=%u,priority=100,ip,%s=%u,actions=meter:%u,goto_table:%u",
		    (unsigned long long)flow_cookie(FLOW_BANDWIDTH, port->address), table,
		    direction == BANDWIDTH_EGRESS ? "in_port" : "reg2", port->ofport, meter,
		    next) < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot compute flows");
	return flow_list_add(list, line, err);
}

int flows_bandwidth(const struct flow_port *port, uint32_t host,
	const struct port_bandwidth *bandwidth, struct flow_list *list, struct error *err)
{
	static const struct {
		unsigned pod_table, project_table, next;
	} tables[BANDWIDTH_DIRECTIONS] = {
		[BANDWIDTH_INGRESS] = { 82, 83, 84 },
		[BANDWIDTH_EGRESS] = { 21, 22, 30 },
	};

	for (enum bandwidth_direction d = 0; d < BANDWIDTH_DIRECTIONS; d++) {
		if (bandwidth->pod.rate[d] &&
			append(list, port, tables[d].pod_table, d, bandwidth_pod_meter(host, d),
				tables[d].project_table, err) < 0)
			return -1;
		if (bandwidth->project.rate[d] &&
			append(list, port, tables[d].project_table, d,
				bandwidth_project_meter(bandwidth->project_number, d),
				tables[d].next, err) < 0)
			return -1;
	}
	return 0;
}
