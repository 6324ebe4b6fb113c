/*
 * Any bytes as a seccomp profile: it compiles to a filter of a size that the kernel takes, or is
 * refused with a reason.
 */
#include <linux/filter.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "nodeagent/shim/seccomp_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scmp_filter_ctx filter = NULL;
	struct error err = { 0 };
	cleanup_close int fd = -1;
	struct stat st;

	/* The first byte chooses capabilities and kernel, which 'includes' and 'excludes' look at.
	 */
	if (size < 1)
		return 0;
	if (seccomp_profile_build(&filter, (const char *)data + 1, size - 1,
		    (uint64_t)(data[0] & 15) << 18, (unsigned)(data[0] >> 4) << 16, &err) < 0) {
		if (!err.text[0] || filter)
			abort();
		return 0;
	}
	fd = memfd_create("filter", MFD_CLOEXEC);
	if (fd < 0 || seccomp_export_bpf(filter, fd) < 0 || fstat(fd, &st) < 0 || st.st_size == 0)
		abort();
	seccomp_release(filter);
	return 0;
}
