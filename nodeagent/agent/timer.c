#include "nodeagent/agent/timer.h"

#define ACCURACY_USEC 1000

int timer_set(sd_event_source **timer, sd_event *event, uint64_t usec, sd_event_time_handler_t fn,
	void *user, struct error *err)
{
	int r;

	if (!*timer) {
		r = sd_event_add_time_relative(
			event, timer, CLOCK_MONOTONIC, usec, ACCURACY_USEC, fn, user);
	} else {
		r = sd_event_source_set_time_relative(*timer, usec);
		if (r >= 0)
			r = sd_event_source_set_enabled(*timer, SD_EVENT_ONESHOT);
	}
	return r < 0 ? error_set(err, error_code_of(-r), -r, "cannot set a timer") : 0;
}

void timer_stop(sd_event_source *timer)
{
	if (timer)
		sd_event_source_set_enabled(timer, SD_EVENT_OFF);
}

uint64_t timer_retry_usec(unsigned failures)
{
	uint64_t usec = RETRY_FIRST_USEC;

	for (unsigned i = 1; i < failures && usec < RETRY_MAX_USEC; i++)
		usec *= 2;
	return usec < RETRY_MAX_USEC ? usec : RETRY_MAX_USEC;
}
