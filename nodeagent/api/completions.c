#include "nodeagent/api/completions.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/log.h"

struct item {
	struct completion *completion;
	int ok;
};

struct completions {
	grpc_completion_queue *cq;
	struct loop_source *source;
	int event_fd;
	pthread_t thread;
	pthread_mutex_t mutex; /* guards the three below */
	struct item *items;
	size_t len;
	size_t room;
};

/* Every operation has its own completion, so 'room' is bounded by the operations under way. */
static void put(struct completions *c, struct item item)
{
	uint64_t one = 1;
	size_t was;

	pthread_mutex_lock(&c->mutex);
	if (c->len == c->room) {
		size_t room = c->room ? c->room * 2 : 64;
		struct item *items = realloc(c->items, room * sizeof(*items));

		if (!items) {
			log_error("out of memory for completions");
			abort();
		}
		c->items = items;
		c->room = room;
	}
	was = c->len;
	c->items[c->len++] = item;
	pthread_mutex_unlock(&c->mutex);
	if (was == 0)
		(void)!write(c->event_fd, &one, sizeof(one));
}

static void *poll_queue(void *user)
{
	struct completions *c = user;

	for (;;) {
		grpc_event event =
			grpc_completion_queue_next(c->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);

		if (event.type == GRPC_QUEUE_SHUTDOWN)
			return NULL;
		if (event.type == GRPC_OP_COMPLETE)
			put(c, (struct item){ event.tag, event.success });
	}
}

/* Takes the whole list at once: a completion handled may cause others. */
static void drain(struct completions *c)
{
	for (;;) {
		struct item *items;
		size_t len;

		pthread_mutex_lock(&c->mutex);
		items = c->items;
		len = c->len;
		c->items = NULL;
		c->len = 0;
		c->room = 0;
		pthread_mutex_unlock(&c->mutex);
		for (size_t i = 0; i < len; i++)
			items[i].completion->done(items[i].completion->user, items[i].ok);
		free(items);
		if (len == 0)
			return;
	}
}

static void on_event(void *user, uint32_t events)
{
	struct completions *c = user;
	uint64_t count;

	(void)events;
	(void)!read(c->event_fd, &count, sizeof(count));
	drain(c);
}

static int start(struct completions *c, struct loop *loop, struct error *err)
{
	int r;

	c->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->event_fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make an eventfd");
	if (loop_add(loop, &c->source, c->event_fd, on_event, c, err) < 0 ||
		loop_watch(c->source, EPOLLIN, err) < 0)
		return -1;
	r = pthread_create(&c->thread, NULL, poll_queue, c);
	if (r)
		return error_set(err, ERR_EXHAUSTED, r, "cannot start a thread");
	return 0;
}

static void destroy(struct completions *c)
{
	loop_remove(c->source);
	if (c->event_fd >= 0)
		close(c->event_fd);
	pthread_mutex_destroy(&c->mutex);
	free(c->items);
	free(c);
}

int completions_new(
	struct completions **ret, struct loop *loop, grpc_completion_queue *cq, struct error *err)
{
	struct completions *c = calloc(1, sizeof(*c));

	if (!c)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot poll the completion queue");
	c->cq = cq;
	c->event_fd = -1;
	pthread_mutex_init(&c->mutex, NULL);
	if (start(c, loop, err) < 0) {
		destroy(c);
		return -1;
	}
	*ret = c;
	return 0;
}

void completions_free(struct completions *c)
{
	if (!c)
		return;
	grpc_completion_queue_shutdown(c->cq);
	pthread_join(c->thread, NULL);
	drain(c);
	destroy(c);
}
