/*
 * Exec: bytes between the client and the descriptors of a process in a container. The agent opens
 * them and reports the exit; it sees no byte.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "nodeagent/api/api.h"
#include "nodeagent/api/handlers.h"
#include "nodeagent/api/pipe_end.h"

#define EXEC_CHUNK          32768u
#define EXEC_QUEUE          8 /* messages under way to the client before reading stops */
#define EXEC_GRACE_SECONDS  2 /* for output after the exit, while somebody holds the pipe open */
#define EXEC_WINDOW_MAX     4096u /* rows or columns */
#define END_OF_TRANSMISSION "\004"

enum end_index { END_IN, END_OUT, END_ERR, ENDS };

struct exec {
	struct call *call;
	int begun;
	int tty;
	int stdin_wanted;
	struct pipe_end ends[ENDS];      /* with a tty END_OUT is the terminal, both ways */
	struct pipe_end timer;           /* runs after the exit */
	Bulkhead__V1__ExecRequest *held; /* whose stdin is being written */
	size_t written;
	int input_over; /* stdin is closed, or will be after 'held' */
	uint8_t *last;  /* the agent's ExecResponse with the exit code */
	size_t last_size;
	int exited;
	int closing; /* the grace is over: 'left' bytes of each end are still the process's */
	size_t left[ENDS];
};

static void update(struct exec *x);

static struct pipe_end *input_of(struct exec *x)
{
	return &x->ends[x->tty ? END_OUT : END_IN];
}

static void drop_held(struct exec *x)
{
	if (x->held)
		bulkhead__v1__exec_request__free_unpacked(x->held, NULL);
	x->held = NULL;
	x->written = 0;
}

static void close_input(struct exec *x)
{
	struct pipe_end *in = input_of(x);

	if (!x->tty)
		pipe_end_close(in);
	else if (in->fd >= 0)
		/* A terminal cannot be half-closed: its line discipline takes this for the end. */
		pipe_end_write(in, END_OF_TRANSMISSION, 1);
}

/* Writes what is held; when all is taken (or nobody reads) asks the client for more. */
static void write_input(struct exec *x)
{
	struct pipe_end *in = input_of(x);

	if (!x->held)
		return;
	while (x->written < x->held->stdin.len) {
		ssize_t n = -1;

		if (in->fd >= 0)
			n = pipe_end_write(in, x->held->stdin.data + x->written,
				x->held->stdin.len - x->written);
		if (n == 0)
			return;
		if (n < 0) {
			if (!x->tty)
				pipe_end_close(in);
			break;
		}
		x->written += (size_t)n;
	}
	if (x->held->stdin_closed) {
		x->input_over = 1;
		close_input(x);
	}
	drop_held(x);
	call_receive(x->call);
}

static void read_output(struct exec *x, enum end_index i)
{
	Bulkhead__V1__ExecResponse response = BULKHEAD__V1__EXEC_RESPONSE__INIT;
	uint8_t data[EXEC_CHUNK];
	size_t room = x->closing && x->left[i] < sizeof(data) ? x->left[i] : sizeof(data);
	ssize_t n = room ? pipe_end_read(&x->ends[i], data, room) : 0;

	if (n == 0)
		pipe_end_close(&x->ends[i]);
	if (n <= 0)
		return;
	if (x->closing)
		x->left[i] -= (size_t)n;
	if (i == END_OUT)
		response.stdout = (ProtobufCBinaryData){ (size_t)n, data };
	else
		response.stderr = (ProtobufCBinaryData){ (size_t)n, data };
	call_send(x->call, &response.base);
}

static void on_in(void *user, uint32_t events)
{
	struct exec *x = user;

	(void)events;
	write_input(x);
	update(x);
}

static void on_out(void *user, uint32_t events)
{
	struct exec *x = user;

	if (x->tty && x->held && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)))
		write_input(x);
	if (x->ends[END_OUT].fd >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) &&
		x->call->queue_len < EXEC_QUEUE)
		read_output(x, END_OUT);
	update(x);
}

static void on_err(void *user, uint32_t events)
{
	struct exec *x = user;

	(void)events;
	read_output(x, END_ERR);
	update(x);
}

static void send_last(struct exec *x)
{
	call_send_bytes(x->call, x->last, x->last_size);
	call_finish(x->call, NULL);
}

/*
 * Output still open after the exit: somebody else has it, and may write for ever. What lies in the
 * pipes now is still told, to a slow client too; then they are closed.
 */
static void on_timer(void *user, uint32_t events)
{
	static const enum end_index outputs[] = { END_OUT, END_ERR };
	struct exec *x = user;
	uint64_t times;

	(void)events;
	pipe_end_read(&x->timer, &times, sizeof(times));
	for (size_t i = 0; !x->closing && i < ARRAY_LEN(outputs); i++) {
		struct pipe_end *end = &x->ends[outputs[i]];
		int n = 0;

		if (end->fd >= 0 && (ioctl(end->fd, FIONREAD, &n) < 0 || n <= 0))
			pipe_end_close(end);
		x->left[outputs[i]] = n > 0 ? (size_t)n : 0;
	}
	x->closing = 1;
	update(x);
}

static void watch(struct exec *x, enum end_index i, uint32_t events)
{
	struct error err = { 0 };

	if (x->ends[i].fd >= 0 && loop_watch(x->ends[i].source, events, &err) < 0)
		call_finish(x->call, &err);
}

/* Watches each end for what can go on now, and ends the call when nothing can. */
static void update(struct exec *x)
{
	int room = x->call->queue_len < EXEC_QUEUE && !x->call->finished;
	int input = x->held && !x->call->finished;

	if (!x->begun)
		return;
	if (x->exited && x->ends[END_OUT].fd < 0 && x->ends[END_ERR].fd < 0) {
		send_last(x);
		return;
	}
	watch(x, END_IN, input ? EPOLLOUT : 0);
	watch(x, END_OUT, (room ? EPOLLIN : 0) | (input && x->tty ? EPOLLOUT : 0));
	watch(x, END_ERR, room ? EPOLLIN : 0);
}

static int resize(struct exec *x, const Bulkhead__V1__ExecRequest *request)
{
	struct winsize size = { 0 };

	if (!request->rows && !request->columns)
		return 0;
	if (!x->tty) {
		call_fail(x->call, ERR_INVALID, "rows, columns: the call was started without tty");
		return -1;
	}
	if (request->rows > EXEC_WINDOW_MAX || request->columns > EXEC_WINDOW_MAX) {
		call_fail(
			x->call, ERR_INVALID, "rows, columns: must be at most %u", EXEC_WINDOW_MAX);
		return -1;
	}
	size.ws_row = (unsigned short)request->rows;
	size.ws_col = (unsigned short)request->columns;
	if (x->ends[END_OUT].fd >= 0)
		(void)ioctl(x->ends[END_OUT].fd, TIOCSWINSZ, &size);
	return 0;
}

/* The first message: 'start' goes to the agent, stdin that came with it waits for the process. */
static void begin(struct call *call, Bulkhead__V1__ExecRequest *request)
{
	Bulkhead__V1__ExecRequest first = BULKHEAD__V1__EXEC_REQUEST__INIT;
	struct exec *x = calloc(1, sizeof(*x));

	if (!x || !request->start) {
		free(x);
		if (request->start)
			call_fail(call, ERR_EXHAUSTED, "out of memory for exec");
		else
			call_fail(call, ERR_INVALID, "start: the first message must have it");
		bulkhead__v1__exec_request__free_unpacked(request, NULL);
		return;
	}
	x->call = call;
	for (size_t i = 0; i < ENDS; i++)
		x->ends[i] = PIPE_END_NONE;
	x->timer = PIPE_END_NONE;
	x->tty = request->start->tty;
	x->stdin_wanted = request->start->stdin;
	x->held = request;
	call->state = x;
	first.start = request->start;
	forward_message(call, &first.base);
}

static void on_message(
	struct call *call, ProtobufCMessage *message, const uint8_t *data, size_t size)
{
	Bulkhead__V1__ExecRequest *request = (Bulkhead__V1__ExecRequest *)message;
	struct exec *x = call->state;

	(void)data;
	(void)size;
	if (!x) {
		begin(call, request);
		return;
	}
	x->held = request;
	if (request->start)
		call_fail(call, ERR_INVALID, "start: only the first message may have it");
	else if (request->stdin.len && !x->stdin_wanted)
		call_fail(call, ERR_INVALID, "stdin: the call was started without it");
	else if (request->stdin.len && x->input_over)
		call_fail(call, ERR_INVALID, "stdin: it was closed before");
	else if (resize(x, request) == 0)
		write_input(x);
	update(x);
}

static void on_half_closed(struct call *call)
{
	struct exec *x = call->state;

	if (!x) {
		call_fail(call, ERR_INVALID, "start: no message came");
		return;
	}
	if (!x->input_over)
		close_input(x);
	x->input_over = 1;
}

static int open_end(struct exec *x, enum end_index i, struct ipc_frame *frame, size_t fd_index,
	loop_fn fn, struct error *err)
{
	return pipe_end_open(
		&x->ends[i], x->call->api->loop, ipc_frame_take_fd(frame, fd_index), fn, x, err);
}

static int open_ends(struct exec *x, struct ipc_frame *frame, struct error *err)
{
	if (x->tty)
		return open_end(x, END_OUT, frame, 0, on_out, err);
	if (open_end(x, END_IN, frame, 0, on_in, err) < 0 ||
		open_end(x, END_OUT, frame, 1, on_out, err) < 0)
		return -1;
	return open_end(x, END_ERR, frame, 2, on_err, err);
}

static void stream(struct exec *x, struct ipc_frame *frame)
{
	struct error err = { 0 };

	if (open_ends(x, frame, &err) < 0) {
		call_finish(x->call, &err);
		return;
	}
	x->begun = 1;
	if (!x->stdin_wanted) {
		x->input_over = 1;
		if (!x->tty)
			pipe_end_close(&x->ends[END_IN]);
	}
	if (x->held->stdin.len && !x->stdin_wanted)
		call_fail(x->call, ERR_INVALID, "stdin: the call was started without it");
	else
		write_input(x);
	update(x);
}

/* The process has exited: its answer goes out when all output is. */
static void finish_later(struct exec *x, const Bulkhead__V1__CallReply *reply)
{
	struct itimerspec grace = { { EXEC_GRACE_SECONDS, 0 }, { EXEC_GRACE_SECONDS, 0 } };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct error err = { 0 };

	x->last = malloc(reply->message.len + 1);
	if (fd < 0 || !x->last || timerfd_settime(fd, 0, &grace, NULL) < 0) {
		if (fd >= 0)
			close(fd);
		call_fail(x->call, ERR_EXHAUSTED, "cannot wait for the end of the output");
		return;
	}
	if (reply->message.len)
		memcpy(x->last, reply->message.data, reply->message.len);
	x->last_size = reply->message.len;
	x->exited = 1;
	if (pipe_end_open(&x->timer, x->call->api->loop, fd, on_timer, x, &err) < 0 ||
		loop_watch(x->timer.source, EPOLLIN, &err) < 0)
		call_finish(x->call, &err);
	update(x);
}

static void on_reply(
	struct call *call, const Bulkhead__V1__CallReply *reply, struct ipc_frame *frame)
{
	struct exec *x = call->state;
	size_t fds = x->tty ? 1 : 3;
	int begins = forward_begins_stream(
		call, reply, frame, BULKHEAD__V1__STREAM_KIND__STREAM_EXEC, fds, fds);

	if (begins > 0 && !x->begun)
		stream(x, frame);
	else if (begins == 0 && reply->end && !reply->error && x->begun)
		finish_later(x, reply);
	else if (begins == 0)
		forward_reply(call, reply);
}

static void on_sent(struct call *call)
{
	if (call->state)
		update(call->state);
}

static void on_done(struct call *call)
{
	struct exec *x = call->state;

	if (!x)
		return;
	for (size_t i = 0; i < ENDS; i++)
		pipe_end_close(&x->ends[i]);
	pipe_end_close(&x->timer);
	drop_held(x);
	free(x->last);
	free(x);
}

const struct call_handler exec_handler = {
	.message = on_message,
	.half_closed = on_half_closed,
	.sent = on_sent,
	.reply = on_reply,
	.done = on_done,
};
