/*
 * Packets that tenancy denies, told by name. With --deny-log each port has flows of a priority
 * below all others in the tables that deny: 20 (forged), 40 (asks for another tenant's address) and
 * 80 (other network). They send the packet's head to netd instead of dropping it unseen, through
 * one meter a port, in the datapath: a flood costs netd no more than DENIALS_RATE, and hides no
 * other port's.
 */
#ifndef NETPLUGIN_DENIALS_H
#define NETPLUGIN_DENIALS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

#define DENIALS_RATE  2           /* kilobits a second of a port: four to six small packets */
#define DENIALS_BURST 80          /* kilobits: a packet of 9000 bytes fits */
#define DENIALS_METER 0x60000000u /* first number; the host number in the subnet is added */

struct netd;
struct denials;
struct endpoint;

/* 'target' is a vconn name. The caller owns the result. */
struct denials *denials_new(const char *target);

/* Round of the loop: wants flows of ports that have none yet, takes in what the switch sent. */
void denials_run(struct netd *netd);
void denials_wait(const struct netd *netd);

/* The port's number is another now, or (not 'wanted') its flows go: follows. Raises *seq. */
int denials_follow(struct netd *netd, struct endpoint *endpoint, bool wanted, uint64_t *seq,
	struct error *err);

/* Answers NET_DENIALS. */
void denials_answer(struct netd *netd, uint32_t serial);

#endif
