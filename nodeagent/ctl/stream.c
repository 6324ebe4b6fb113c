#include "nodeagent/ctl/stream.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"

/* Signals that a terminal session must hear, to resize or to give the terminal back. */
static const int heard[] = { SIGWINCH, SIGTERM, SIGHUP };

/* A signal handler has no argument: the one place where it leaves its word. */
static volatile sig_atomic_t wake_fd = -1;
static volatile sig_atomic_t ended_by;

struct session {
	struct client_call *call;
	const struct stream_stdio *stdio;
	int tty;
	int wake_fd; /* eventfd: a signal came, or the call has ended */
	pthread_mutex_t mutex;
	int over; /* guarded: the sender shall end */
	struct termios saved;
	struct sigaction saved_actions[ARRAY_LEN(heard)];
};

static void on_signal(int signal)
{
	const uint64_t one = 1;
	int saved = errno;

	if (signal != SIGWINCH)
		ended_by = signal;
	if (wake_fd >= 0)
		(void)!write(wake_fd, &one, sizeof(one));
	errno = saved;
}

static int is_over(struct session *s)
{
	int over;

	pthread_mutex_lock(&s->mutex);
	over = s->over;
	pthread_mutex_unlock(&s->mutex);
	return over;
}

static void window_of(int fd, uint32_t *rows, uint32_t *columns)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) == 0) {
		*rows = size.ws_row;
		*columns = size.ws_col;
	}
}

static int send_window(struct session *s)
{
	Bulkhead__V1__ExecRequest request = BULKHEAD__V1__EXEC_REQUEST__INIT;

	window_of(s->stdio->in, &request.rows, &request.columns);
	if (!request.rows || !request.columns)
		return 0;
	return client_call_send(s->call, &request.base, NULL);
}

/* One read's worth of input. 1 more may come, 0 it is at its end, -1 the call is over. */
static int send_input(struct session *s)
{
	Bulkhead__V1__ExecRequest request = BULKHEAD__V1__EXEC_REQUEST__INIT;
	uint8_t data[STREAM_CHUNK / 2];
	ssize_t n = read(s->stdio->in, data, sizeof(data));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	if (n > 0)
		request.stdin = (ProtobufCBinaryData){ (size_t)n, data };
	else
		request.stdin_closed = 1;
	if (client_call_send(s->call, &request.base, NULL) < 0)
		return -1;
	return n > 0;
}

/* Woken by a signal or the end. -1 when there is nothing left to do. */
static int woken(struct session *s)
{
	uint64_t count;

	(void)!read(s->wake_fd, &count, sizeof(count));
	if (is_over(s))
		return -1;
	if (ended_by) {
		client_call_cancel(s->call);
		return -1;
	}
	return s->tty ? send_window(s) : 0;
}

static void *send_all(void *user)
{
	struct session *s = user;
	int in = s->stdio->in;

	for (;;) {
		struct pollfd fds[] = { { .fd = s->wake_fd, .events = POLLIN },
			{ .fd = in, .events = POLLIN } };

		if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
			return NULL;
		if (fds[0].revents && woken(s) < 0)
			return NULL;
		if (in >= 0 && fds[1].revents) {
			int n = send_input(s);

			if (n < 0)
				return NULL;
			if (n == 0)
				in = -1;
		}
	}
}

/* Writes what comes until the process's exit. */
static int receive_all(struct session *s, int *ret_code, struct error *err)
{
	ProtobufCMessage *message;
	int exited = 0;
	int n;

	while ((n = client_call_next(s->call, &message, err)) == 1) {
		Bulkhead__V1__ExecResponse *r = (Bulkhead__V1__ExecResponse *)message;

		n = 0;
		if (r->stdout.len)
			n = fd_write_all(s->stdio->out, r->stdout.data, r->stdout.len, err);
		if (n == 0 && r->stderr.len)
			n = fd_write_all(s->stdio->err, r->stderr.data, r->stderr.len, err);
		if (r->exited) {
			exited = 1;
			*ret_code = r->exit_code;
		}
		protobuf_c_message_free_unpacked(message, NULL);
		if (n < 0)
			return error_prefix(err, "cannot write the output");
	}
	if (n < 0)
		return -1;
	if (!exited)
		return error_set(
			err, ERR_INTERNAL, 0, "the node did not say how the command ended");
	return 0;
}

static int terminal_begin(struct session *s, struct error *err)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct termios raw;

	if (!s->tty)
		return 0;
	if (tcgetattr(s->stdio->in, &s->saved) < 0)
		return error_set(err, ERR_INVALID, errno, "standard input is no terminal");
	raw = s->saved;
	cfmakeraw(&raw);
	wake_fd = s->wake_fd;
	ended_by = 0;
	for (size_t i = 0; i < ARRAY_LEN(heard); i++)
		sigaction(heard[i], &action, &s->saved_actions[i]);
	if (tcsetattr(s->stdio->in, TCSADRAIN, &raw) < 0)
		return error_set(err, ERR_INTERNAL, errno, "cannot set the terminal to raw");
	return 0;
}

static void terminal_end(struct session *s)
{
	if (!s->tty || wake_fd < 0)
		return;
	tcsetattr(s->stdio->in, TCSADRAIN, &s->saved);
	for (size_t i = 0; i < ARRAY_LEN(heard); i++)
		sigaction(heard[i], &s->saved_actions[i], NULL);
	wake_fd = -1;
	/* Now it may do what it would have done. */
	if (ended_by)
		raise(ended_by);
}

static int run(struct session *s, int *ret_code, struct error *err)
{
	const uint64_t one = 1;
	pthread_t sender;
	int e = pthread_create(&sender, NULL, send_all, s);
	int r;

	if (e)
		return error_set(err, ERR_EXHAUSTED, e, "cannot start a thread");
	r = receive_all(s, ret_code, err);
	pthread_mutex_lock(&s->mutex);
	s->over = 1;
	pthread_mutex_unlock(&s->mutex);
	client_call_cancel(s->call);
	(void)!write(s->wake_fd, &one, sizeof(one));
	pthread_join(sender, NULL);
	return r;
}

int stream_exec(struct client *client, Bulkhead__V1__ExecStart *start,
	const struct stream_stdio *stdio, int *ret_code, struct error *err)
{
	Bulkhead__V1__ExecRequest first = BULKHEAD__V1__EXEC_REQUEST__INIT;
	struct session s = { .stdio = stdio, .tty = start->tty };
	cleanup_close int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r;

	if (wake < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make an eventfd");
	if (start->tty && !isatty(stdio->in))
		return error_set(
			err, ERR_INVALID, 0, "-t: standard input is no terminal; leave -t out");
	s.wake_fd = wake;
	if (start->tty)
		window_of(stdio->in, &start->rows, &start->columns);
	first.start = start;
	if (client_call_start(&s.call, client, start->debug ? "Debug" : "Exec", NULL,
		    CLIENT_NO_DEADLINE, err) < 0)
		return -1;
	pthread_mutex_init(&s.mutex, NULL);
	/* When it cannot be sent the call has ended: receiving tells why. */
	client_call_send(s.call, &first.base, NULL);
	r = terminal_begin(&s, err);
	if (r == 0)
		r = run(&s, ret_code, err);
	terminal_end(&s);
	client_call_free(s.call);
	pthread_mutex_destroy(&s.mutex);
	return r;
}

/* Sends the file. 0 also when the call ended meanwhile: its result is the verdict. */
static int send_archive(struct client_call *call, const char *name, int fd,
	stream_progress progress, void *user, struct error *err)
{
	Bulkhead__V1__ImportImageRequest request = BULKHEAD__V1__IMPORT_IMAGE_REQUEST__INIT;
	cleanup_free uint8_t *data = malloc(STREAM_CHUNK);
	uint64_t sent = 0;

	if (!data)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot send the archive");
	request.name = (char *)(uintptr_t)name;
	for (;;) {
		ssize_t n = read(fd, data, STREAM_CHUNK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(
				err, error_code_of(errno), errno, "cannot read the archive");
		if (n == 0 && sent == 0)
			return error_set(err, ERR_INVALID, 0, "the archive is empty");
		if (n == 0)
			break;
		request.data = (ProtobufCBinaryData){ (size_t)n, data };
		if (client_call_send(call, &request.base, NULL) < 0)
			return 0;
		request.name = (char *)(uintptr_t)protobuf_c_empty_string;
		sent += (uint64_t)n;
		if (progress)
			progress(user, sent);
	}
	client_call_close_send(call, NULL);
	return 0;
}

int stream_import(struct client *client, const char *name, int fd, stream_progress progress,
	void *user, Bulkhead__V1__ImportImageResponse **ret, struct error *err)
{
	ProtobufCMessage *message = NULL;
	struct client_call *call;
	int r;

	if (client_call_start(&call, client, "ImportImage", NULL, CLIENT_NO_DEADLINE, err) < 0)
		return -1;
	r = send_archive(call, name, fd, progress, user, err);
	if (r == 0) {
		r = client_call_next(call, &message, err);
		if (r == 0)
			r = error_set(err, ERR_INTERNAL, 0, "the node sent no response");
	}
	client_call_free(call);
	if (r < 0)
		return -1;
	*ret = (Bulkhead__V1__ImportImageResponse *)message;
	return 0;
}
