/*
 * The numbers of signals that images and pods name.
 */
#ifndef NODEAGENT_AGENT_SIGNAL_NAME_H
#define NODEAGENT_AGENT_SIGNAL_NAME_H

/* "SIGTERM", "TERM" or "15", whatever its case; 0 when it is none. */
int signal_number(const char *name);

#endif
