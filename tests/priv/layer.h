/*
 * The image that tests of the shim run: one layer with busybox and the workload, ids as the
 * unpacker leaves them. For programs that include it once each.
 */
#ifndef TESTS_PRIV_LAYER_H
#define TESTS_PRIV_LAYER_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_BASE 1900000000u

#pragma GCC diagnostic ignored "-Wunused-function"

static void build_dir(char *ret, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", ret, size - 1);
	char *ret_end = NULL;

	assert_true(n > 0);
	ret[n] = '\0';
	/* <build>/tests/<folder>/..., and the build may itself lie beneath some "tests". */
	for (char *at = ret; (at = strstr(at, "/tests/")); at++)
		ret_end = at;
	assert_non_null(ret_end);
	*ret_end = '\0';
}

static void run_host(const char *fmt, ...)
{
	char command[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static int chown_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)flag;
	(void)ftw;
	return lchown(path, IMAGE_BASE + st->st_uid, IMAGE_BASE + st->st_gid);
}

/* A layer with busybox and the workload, ids shifted as the unpacker does. */
static void layer_make(const char *path)
{
	char build[PATH_MAX];

	build_dir(build, sizeof(build));
	run_host("mkdir -p %s && cd %s && mkdir bin dev proc sys tmp etc root data && chmod 1777 "
		 "tmp && "
		 "cp /bin/busybox bin/busybox && cp %s/tests/priv/workload bin/workload && "
		 "for a in sh cat echo ls sleep id true false mkdir touch head dd printf env pwd "
		 "stty tty grep "
		 "logger mv tr cut unshare mknod readlink kill stat ps hostname awk wc mount ln rm "
		 "test tail yes; do ln -s "
		 "busybox bin/$a; done",
		path, path, build);
	run_host("cd %s && printf "
		 "'root:x:0:0:root:/root:/bin/sh\\nalice:x:1000:1000::/home/alice:/bin/sh\\n"
		 "toor:x:0:0::/:/bin/sh\\n' >etc/passwd && "
		 "printf 'root:x:0:\\nalice:x:1000:\\nextra:x:2000:alice\\n' >etc/group",
		path);
	assert_int_equal(nftw(path, chown_one, 32, FTW_PHYS), 0);
}

/* Ids of a changed layer go up as well. Only for what was just made as root. */
static void layer_own(const char *path)
{
	assert_int_equal(lchown(path, IMAGE_BASE, IMAGE_BASE), 0);
}

#endif
