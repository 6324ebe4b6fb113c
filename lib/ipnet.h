/* IPv4 networks and addresses as text and back. Pure; addresses are in host byte order. */
#ifndef LIB_IPNET_H
#define LIB_IPNET_H

#include <stdint.h>

#include "lib/error.h"

/* An IPv4 network, e.g. 10.128.0.0/23. */
struct ipnet {
	uint32_t address; /* host bits are 0 */
	unsigned prefix;
};

/* Room for "255.255.255.255/32" with its NUL. */
#define IPNET_TEXT_SIZE 19

/*
 * Parses "A.B.C.D/N". 'field' names it in the error. Errors: ERR_INVALID (syntax, host bits set).
 */
int ipnet_parse(const char *text, const char *field, struct ipnet *ret, struct error *err);
void ipnet_format(const struct ipnet *net, char text[IPNET_TEXT_SIZE]);
int ipnet_contains(const struct ipnet *net, uint32_t address);

/* Dotted quad; 'text' has room for IPNET_TEXT_SIZE. */
void address_format(uint32_t address, char *text);
int address_parse(const char *text, uint32_t *ret, struct error *err);

#endif
