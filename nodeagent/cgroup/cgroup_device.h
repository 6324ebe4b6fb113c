/* The BPF program behind cgroup_restrict_devices() on v2, apart so that tests can load and run it.
 */
#ifndef NODEAGENT_CGROUP_CGROUP_DEVICE_H
#define NODEAGENT_CGROUP_CGROUP_DEVICE_H

#include <linux/bpf.h>
#include <stddef.h>

#include "lib/error.h"

#define CGROUP_DEVICE_INSNS_MAX 64

/* Writes the program to 'ret' and returns its length, or 0 when 'max' is too small. Pure. */
size_t cgroup_device_program(struct bpf_insn *ret, size_t max);

/* Loads it and attaches it to the v2 group 'dirfd'. Errors: ERR_PRECONDITION. */
int cgroup_device_attach(int dirfd, struct error *err);

#endif
