#include "nodeagent/agent/cni_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define BACKLOG 1024 /* as many plugins wait while netd is away, or busy */

int cni_socket_open(int run_dirfd, const char *run_dir, int *ret_fd, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	cleanup_close int fd = -1;
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/" CNI_SOCKET, run_dir);

	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return error_set(err, ERR_INVALID, 0,
			"run_dir: '%s/" CNI_SOCKET
			"' is longer than %zu bytes; use a shorter run_dir",
			run_dir, sizeof(address.sun_path) - 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, error_code_of(errno), errno, "cannot make a socket");
	if (unlinkat(run_dirfd, CNI_SOCKET, 0) < 0 && errno != ENOENT)
		return error_set(
			err, error_code_of(errno), errno, "cannot remove '%s'", address.sun_path);
	/* The umask keeps others out before the mode says so. */
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		fchmodat(run_dirfd, CNI_SOCKET, 0600, 0) < 0 || listen(fd, BACKLOG) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot listen at '%s'",
			address.sun_path);
	*ret_fd = take_fd(&fd);
	return 0;
}
