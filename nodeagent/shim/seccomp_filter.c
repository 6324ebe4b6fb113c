#include "nodeagent/shim/seccomp_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/shim/sys.h"

/* Capabilities that RuntimeDefault's rules ask about: others make no other filter. */
#define DEFAULT_CAPS                                                                               \
	(UINT64_C(1) << CAP_SYS_PTRACE | UINT64_C(1) << CAP_SYS_CHROOT |                           \
		UINT64_C(1) << CAP_SYS_TIME)

static void filter_done(struct seccomp_filter *f)
{
	if (f->used) {
		for (size_t i = 0; i < SECCOMP_FILTERS_MAX; i++)
			cleanup_close_fn(&f->fds[i]);
		if (f->pidfd >= 0) {
			sys_pidfd_kill(f->pidfd, SIGKILL);
			sys_pidfd_reap(f->pidfd, NULL);
		}
		cleanup_close_fn(&f->pidfd);
		cleanup_close_fn(&f->answer_fd);
	}
	*f = (struct seccomp_filter){ .pidfd = -1, .answer_fd = -1, .fds = { -1, -1 } };
}

void seccomp_cache_init(struct seccomp_cache *cache)
{
	memset(cache, 0, sizeof(*cache));
	for (size_t i = 0; i < SECCOMP_CACHE_MAX; i++)
		filter_done(&cache->filters[i]);
}

void seccomp_cache_done(struct seccomp_cache *cache)
{
	for (size_t i = 0; i < SECCOMP_CACHE_MAX; i++)
		filter_done(&cache->filters[i]);
}

static int key_same(const struct seccomp_key *a, const struct seccomp_key *b)
{
	return a->localhost == b->localhost && a->dev == b->dev && a->ino == b->ino &&
	       a->size == b->size && a->ctime.tv_sec == b->ctime.tv_sec &&
	       a->ctime.tv_nsec == b->ctime.tv_nsec && a->caps == b->caps;
}

static struct seccomp_filter *find(struct seccomp_cache *cache, const struct seccomp_key *key)
{
	for (size_t i = 0; i < SECCOMP_CACHE_MAX; i++) {
		struct seccomp_filter *f = &cache->filters[i];

		if (f->used && key_same(&f->key, key))
			return f;
	}
	return NULL;
}

static int contexts_build(scmp_filter_ctx *ctx, size_t *ret_len, const struct seccomp_key *key,
	int profile_fd, struct error *err)
{
	cleanup_free char *json = NULL;
	size_t size;
	struct utsname name;

	*ret_len = SECCOMP_FILTERS_MAX;
	if (!key->localhost)
		return seccomp_default_build(ctx, key->caps, err);
	*ret_len = 1;
	if (uname(&name) < 0)
		return error_set(err, ERR_INTERNAL, errno, "uname");
	if (fd_read_all(profile_fd, SECCOMP_PROFILE_SIZE_MAX, &json, &size, err) < 0)
		return error_prefix(err, "seccomp profile");
	return seccomp_profile_build(
		ctx, json, size, key->caps, seccomp_kernel_of(name.release), err);
}

/* In the child: compiles into the memfds and reports. Never returns. */
static _Noreturn void compile(const struct seccomp_filter *f, int profile_fd, int answer_fd)
{
	scmp_filter_ctx ctx[SECCOMP_FILTERS_MAX] = { NULL };
	struct error err = { .code = ERR_NONE };
	size_t len;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (contexts_build(ctx, &len, &f->key, profile_fd, &err) == 0) {
		for (size_t i = 0; i < len && err.code == ERR_NONE; i++) {
			int rc = seccomp_export_bpf(ctx[i], f->fds[i]);

			if (rc < 0)
				error_set(&err, ERR_INTERNAL, -rc,
					"seccomp: cannot compile the filter");
		}
	}
	sys_send_fds(answer_fd, &err, sizeof(err), NULL, 0);
	_exit(0);
}

static int start(
	struct seccomp_filter *f, const struct seccomp_key *key, int profile_fd, struct error *err)
{
	struct clone_args args = { .flags = CLONE_PIDFD };
	int pair[2];
	pid_t pid;

	filter_done(f);
	f->used = 1;
	f->key = *key;
	f->len = key->localhost ? 1 : SECCOMP_FILTERS_MAX;
	for (size_t i = 0; i < f->len; i++) {
		f->fds[i] = memfd_create("bulkhead-seccomp", MFD_CLOEXEC);
		if (f->fds[i] < 0)
			return error_set(err, ERR_EXHAUSTED, errno, "seccomp: cannot make a memfd");
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "seccomp: cannot make a socket pair");
	args.pidfd = (uint64_t)(uintptr_t)&f->pidfd;
	pid = sys_clone3(&args);
	if (pid == 0) {
		close(pair[0]);
		compile(f, profile_fd, pair[1]);
	}
	close(pair[1]);
	f->answer_fd = pair[0];
	if (pid < 0)
		return error_set(err, ERR_EXHAUSTED, errno, "seccomp: cannot clone");
	return 0;
}

/* Waits for the child's answer. The child itself is reaped later. */
static int finish(struct seccomp_filter *f, struct error *err)
{
	struct error answer;
	size_t fds_len = 0;
	ssize_t n;

	if (f->answer_fd < 0)
		return 0;
	n = sys_recv_fds(f->answer_fd, &answer, sizeof(answer), NULL, &fds_len, 0);
	cleanup_close_fn(&f->answer_fd);
	f->answer_fd = -1;
	if (n != (ssize_t)sizeof(answer))
		return error_set(err, ERR_INTERNAL, 0, "seccomp: the compiling process died");
	if (answer.code != ERR_NONE) {
		answer.text[sizeof(answer.text) - 1] = '\0';
		*err = answer;
		return -1;
	}
	return 0;
}

static void reap_finished(struct seccomp_cache *cache)
{
	for (size_t i = 0; i < SECCOMP_CACHE_MAX; i++) {
		struct seccomp_filter *f = &cache->filters[i];

		if (f->pidfd >= 0 && f->answer_fd < 0 && sys_pidfd_try_reap(f->pidfd, NULL) != 0) {
			close(f->pidfd);
			f->pidfd = -1;
		}
	}
}

static struct seccomp_filter *slot(struct seccomp_cache *cache)
{
	for (size_t i = 0; i < SECCOMP_CACHE_MAX; i++) {
		if (!cache->filters[i].used)
			return &cache->filters[i];
	}
	cache->next = (cache->next + 1) % SECCOMP_CACHE_MAX;
	return &cache->filters[cache->next];
}

void seccomp_prefetch(struct seccomp_cache *cache, uint64_t caps)
{
	struct seccomp_key key = { .caps = caps & DEFAULT_CAPS };
	struct seccomp_filter *f = slot(cache);

	if (start(f, &key, -1, NULL) < 0)
		filter_done(f);
}

static int profile_open(const char *path, struct seccomp_key *key, int *ret_fd, struct error *err)
{
	cleanup_close int fd =
		open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot open seccomp profile '%s'", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return error_set(
			err, ERR_INVALID, 0, "seccomp profile '%s' is not a regular file", path);
	key->localhost = 1;
	key->dev = st.st_dev;
	key->ino = st.st_ino;
	key->size = st.st_size;
	key->ctime = st.st_ctim;
	*ret_fd = take_fd(&fd);
	return 0;
}

int seccomp_get(struct seccomp_cache *cache, const char *profile_path, uint64_t caps,
	const struct seccomp_filter **ret, struct error *err)
{
	struct seccomp_key key = { .caps = profile_path ? caps : caps & DEFAULT_CAPS };
	cleanup_close int profile_fd = -1;
	struct seccomp_filter *f;

	if (profile_path && profile_open(profile_path, &key, &profile_fd, err) < 0)
		return -1;
	f = find(cache, &key);
	if (!f) {
		f = slot(cache);
		if (start(f, &key, profile_fd, err) < 0) {
			filter_done(f);
			return -1;
		}
	}
	if (finish(f, err) < 0) {
		filter_done(f);
		return profile_path ? error_prefix(err, "'%s'", profile_path) : -1;
	}
	reap_finished(cache);
	*ret = f;
	return 0;
}

int seccomp_read(const struct seccomp_filter *filter, size_t i, struct sock_filter **ret,
	unsigned short *ret_len, struct error *err)
{
	cleanup_free struct sock_filter *program = NULL;
	struct stat st;

	if (fstat(filter->fds[i], &st) < 0 || st.st_size == 0 ||
		(size_t)st.st_size % sizeof(*program) != 0 ||
		(size_t)st.st_size / sizeof(*program) > BPF_MAXINSNS)
		return error_set(err, ERR_INVALID, 0,
			"seccomp: the filter is larger than %d instructions", BPF_MAXINSNS);
	program = malloc((size_t)st.st_size);
	if (!program || pread(filter->fds[i], program, (size_t)st.st_size, 0) != st.st_size)
		return error_set(err, ERR_INTERNAL, errno, "seccomp: cannot read the filter");
	*ret = take_ptr(program);
	*ret_len = (unsigned short)((size_t)st.st_size / sizeof(**ret));
	return 0;
}
