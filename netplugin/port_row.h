/* A Port row of Open vSwitch's database as a record, and back: its external_ids (switchdb.h). */
#ifndef NETPLUGIN_PORT_ROW_H
#define NETPLUGIN_PORT_ROW_H

#include "netplugin/switchdb.h"

struct ovsrec_port;

/* As port_record's 'ofport' and 'problem'. */
int64_t port_row_number(const struct ovsrec_port *port, char problem[128]);

/* Errors: ERR_INVALID, with the port's name: a row that nobody of ours wrote. */
int port_row_read(const struct ovsrec_port *port, struct port_record *ret, struct error *err);

/* In the transaction that is open for 'port'. */
void port_row_write(const struct ovsrec_port *port, const struct port_record *record);

#endif
