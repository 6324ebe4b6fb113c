/*
 * A port's limits in its Port row's external_ids, where they outlive netd:
 * bulkhead-ingress-bandwidth and -egress-bandwidth of the pod, bulkhead-project-ingress-bandwidth
 * and -project-egress-bandwidth with bulkhead-project-number of its project. Bits a second; what is
 * not limited has no key.
 */
#ifndef NETPLUGIN_BANDWIDTH_ROW_H
#define NETPLUGIN_BANDWIDTH_ROW_H

#include "lib/error.h"
#include "netplugin/bandwidth.h"

struct smap;

/* Errors: ERR_INVALID (a value that no netd wrote). */
int bandwidth_row_read(const struct smap *ids, struct port_bandwidth *ret, struct error *err);

/* Sets keys, and takes away those of what is not limited. */
void bandwidth_row_write(struct smap *ids, const struct port_bandwidth *bandwidth);

#endif
