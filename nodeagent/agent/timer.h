/*
 * One-shot timers on the event loop, set and stopped any number of times.
 */
#ifndef NODEAGENT_AGENT_TIMER_H
#define NODEAGENT_AGENT_TIMER_H

#include <stdint.h>
#include <systemd/sd-event.h>

#include "lib/error.h"

/*
 * Calls 'fn' once, 'usec' from now; *timer is made at the first time. A timer that is set already
 * is set anew.
 */
int timer_set(sd_event_source **timer, sd_event *event, uint64_t usec, sd_event_time_handler_t fn,
	void *user, struct error *err);

/* NULL is allowed. */
void timer_stop(sd_event_source *timer);

/*
 * What to wait before try number 'failures' (1 the first time again): RETRY_FIRST_USEC, doubling to
 * RETRY_MAX_USEC.
 */
#define RETRY_FIRST_USEC UINT64_C(500000)
#define RETRY_MAX_USEC   UINT64_C(60000000)
uint64_t timer_retry_usec(unsigned failures);

#endif
