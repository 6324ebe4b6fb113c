/*
 * The world outside of a lab's cluster: places that are no pods, cabled to the node, and TCP
 * between all of them. As lab.h, what fails here ends the test program.
 */
#ifndef TESTS_PRIV_NET_WORLD_H
#define TESTS_PRIV_NET_WORLD_H

#include "tests/priv/net/lab.h"

#define WORLD_SILENCE_MSEC  500
#define WORLD_PATIENCE_MSEC 5000
#define WORLD_PORT          8080
#define WORLD_NODE          "198.51.100.1"
#define WORLD_OUTSIDE       "198.51.100.2" /* the node's way to all else */
#define WORLD_FAR           "203.0.113.9"  /* behind it */

/* A cable from the node's 'link' (which gets 'address') to a place, which gets 'theirs'. */
void world_wire(struct lab *lab, struct pod *place, const char *link, const char *address,
	const char *theirs);

/* WORLD_OUTSIDE, with WORLD_FAR on it; the node's default route leads there, and it forwards. */
void world_outside(struct lab *lab, struct pod *place);

/* A shell command in the place. */
void world_run(const struct pod *place, const char *command);

/* A TCP socket that listens at every address. 'place' NULL is the node, here and below. */
int world_serve(struct lab *lab, const struct pod *place, uint16_t port);

/* A connection from the place, or -1 when none came to be. */
int world_reach(struct lab *lab, const struct pod *place, const char *address, uint16_t port,
	int timeout_ms);
bool world_reaches(struct lab *lab, const struct pod *place, const char *address, int timeout_ms);

/* The last connection that came to a listener; the others are closed. */
int world_accept_last(int listener);

/* Whether what is sent into one end comes out of the other. */
bool world_carries(int from, int to, int timeout_ms);

#endif
