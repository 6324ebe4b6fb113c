/*
 * System call filters: the built-in RuntimeDefault, and OCI/Docker JSON profiles, as libseccomp
 * contexts. Pure but for libseccomp's own heap; runs in a short-lived child of the shim.
 */
#ifndef NODEAGENT_SHIM_SECCOMP_BUILD_H
#define NODEAGENT_SHIM_SECCOMP_BUILD_H

#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define SECCOMP_PROFILE_SIZE_MAX (256u << 10)
#define SECCOMP_FILTERS_MAX      2

/*
 * RuntimeDefault takes two filters, both loaded: the kernel takes the stricter answer. The first
 * allows system calls by name (unknown ones: ENOSYS, refused ones: EPERM). The second allows all
 * but some arguments, compared in the 32 bits that the kernel looks at: an allow-list cannot say
 * that, for "not equal" looks at 64 bits and a caller sets the upper ones (CVE-2019-10063).
 *
 * 'caps' is the container's bounding set. The caller releases both with seccomp_release().
 */
int seccomp_default_build(
	scmp_filter_ctx ret[SECCOMP_FILTERS_MAX], uint64_t caps, struct error *err);

/*
 * Builds from the JSON text of a profile. 'kernel' is (major << 16 | minor) for minKernel. Keys
 * that are not known, actions and flags that are not honoured are errors that name them; a system
 * call unknown to libseccomp is passed over when allowed and an error when the profile restricts
 * it.
 */
int seccomp_profile_build(scmp_filter_ctx *ret, const char *json, size_t size, uint64_t caps,
	unsigned kernel, struct error *err);

/* uname(2)'s release as (major << 16 | minor); 0 when it cannot be read. */
unsigned seccomp_kernel_of(const char *release);

#endif
