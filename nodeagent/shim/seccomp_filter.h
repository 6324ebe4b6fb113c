/*
 * Compiled filters, kept by (profile, capabilities). Compiling happens in a short-lived child, so
 * the shim keeps neither libseccomp's heap nor a parser's mistakes.
 */
#ifndef NODEAGENT_SHIM_SECCOMP_FILTER_H
#define NODEAGENT_SHIM_SECCOMP_FILTER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "lib/error.h"
#include "nodeagent/shim/seccomp_build.h"

#define SECCOMP_CACHE_MAX 16

struct seccomp_key {
	int localhost; /* a profile file; else RuntimeDefault */
	dev_t dev;     /* which file, which content */
	ino_t ino;
	off_t size;
	struct timespec ctime;
	uint64_t caps; /* the container's bounding set */
};

struct seccomp_filter {
	struct seccomp_key key;
	int used;
	int pidfd;     /* of the child that compiles, or -1 */
	int answer_fd; /* where it reports */
	size_t len;
	int fds[SECCOMP_FILTERS_MAX]; /* memfds of struct sock_filter */
};

struct seccomp_cache {
	struct seccomp_filter filters[SECCOMP_CACHE_MAX];
	unsigned next; /* the one to evict */
};

void seccomp_cache_init(struct seccomp_cache *cache);
void seccomp_cache_done(struct seccomp_cache *cache);

/* Starts compiling RuntimeDefault for 'caps' and returns at once. Failing is found by
 * seccomp_get(). */
void seccomp_prefetch(struct seccomp_cache *cache, uint64_t caps);

/*
 * The filter of RuntimeDefault (profile_path NULL) or of the profile file; compiles it, or waits
 * for the child that does. Borrowed, until the next call. Errors: as seccomp_profile_build();
 * ERR_NOT_FOUND, ERR_INVALID (not a regular file, symbolic link).
 */
int seccomp_get(struct seccomp_cache *cache, const char *profile_path, uint64_t caps,
	const struct seccomp_filter **ret, struct error *err);

/* Reads filter 'i' as seccomp(2) takes it. The caller frees *ret. */
struct sock_filter;
int seccomp_read(const struct seccomp_filter *filter, size_t i, struct sock_filter **ret,
	unsigned short *ret_len, struct error *err);

#endif
