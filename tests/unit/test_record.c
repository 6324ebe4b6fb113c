/* What a recorded call adds: names by number, arguments, and the rights it took. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bulkhead/v1/profile.pb-c.h"
#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/shim/record.h"

#define BIT(n) (UINT64_C(1) << (n))
#define ALL    (~UINT64_C(0))
#define MINUS  UINT64_C(0xffffffff)

static struct record begun(void)
{
	struct record r = { 0 };

	record_add(&r, &(struct record_call){ .nr = SYS_execve });
	return r;
}

static void test_rights(void **state)
{
	static const struct {
		struct record_call call;
		uint64_t caps;
	} rows[] = {
		{ { SYS_setuid, { 5 }, ALL, 0, 0, 0 }, BIT(CAP_SETUID) },
		{ { SYS_setuid, { 7 }, ALL, 7, 7, 0 }, 0 },
		{ { SYS_setuid, { 5 }, 0, 7, 7, 0 }, 0 },
		{ { SYS_setresuid, { MINUS, MINUS, 9 }, ALL, 0, 0, 0 }, BIT(CAP_SETUID) },
		{ { SYS_setresuid, { MINUS, MINUS, MINUS }, ALL, 0, 0, 0 }, 0 },
		{ { SYS_setresgid, { 9, 9, 9 }, ALL, 0, 0, 0 }, BIT(CAP_SETGID) },
		{ { SYS_setgroups, { 0 }, ALL, 0, 0, 0 }, BIT(CAP_SETGID) },
		{ { SYS_fchownat, { 3, 0, 9, 9 }, ALL, 0, 0, 0 }, BIT(CAP_CHOWN) },
		{ { SYS_fchownat, { 3, 0, MINUS, MINUS }, ALL, 0, 0, 0 }, 0 },
		{ { SYS_bind, { 3 }, ALL, 0, 0, 80 }, BIT(CAP_NET_BIND_SERVICE) },
		{ { SYS_bind, { 3 }, ALL, 0, 0, 1023 }, BIT(CAP_NET_BIND_SERVICE) },
		{ { SYS_bind, { 3 }, ALL, 0, 0, 1024 }, 0 },
		{ { SYS_bind, { 3 }, ALL, 0, 0, 0 }, 0 },
		{ { SYS_socket, { AF_INET, SOCK_RAW | SOCK_CLOEXEC }, ALL, 0, 0, 0 },
			BIT(CAP_NET_RAW) },
		{ { SYS_socket, { AF_NETLINK, SOCK_RAW }, ALL, 0, 0, 0 }, 0 },
		{ { SYS_socket, { AF_PACKET, SOCK_DGRAM }, ALL, 0, 0, 0 }, BIT(CAP_NET_RAW) },
		{ { SYS_mknodat, { 3, 0, S_IFCHR | 0600 }, ALL, 0, 0, 0 }, BIT(CAP_MKNOD) },
		{ { SYS_mknodat, { 3, 0, S_IFIFO | 0600 }, ALL, 0, 0, 0 }, 0 },
		{ { SYS_prctl, { PR_CAPBSET_DROP }, ALL, 0, 0, 0 }, BIT(CAP_SETPCAP) },
		{ { SYS_prctl, { PR_SET_NAME }, ALL, 0, 0, 0 }, 0 },
		{ { SYS_unshare, { CLONE_NEWNS }, ALL, 0, 0, 0 }, BIT(CAP_SYS_ADMIN) },
		{ { SYS_unshare, { CLONE_NEWUSER | CLONE_NEWNS }, ALL, 0, 0, 0 }, 0 },
		{ { SYS_chroot, { 0 }, ALL, 0, 0, 0 }, BIT(CAP_SYS_CHROOT) },
		{ { SYS_read, { 0 }, ALL, 0, 0, 0 }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct record r = begun();

		record_add(&r, &rows[i].call);
		if (r.caps != rows[i].caps)
			fail_msg("row %zu: %lx", i, (unsigned long)r.caps);
		/* Whoever is asked about must be looked at. */
		if (rows[i].caps)
			assert_true(record_asks_who(rows[i].call.nr));
	}
}

static void test_begin_and_change(void **state)
{
	struct record r = { 0 };

	(void)state;
	/* The shim's own calls, before the program runs. */
	record_add(&r, &(struct record_call){ .nr = SYS_seccomp });
	assert_int_equal(r.notified, 0);
	assert_false(r.changed);
	record_add(&r, &(struct record_call){ .nr = SYS_execve });
	assert_true(r.changed);
	r.changed = 0;
	record_add(&r, &(struct record_call){ .nr = SYS_execve });
	assert_false(r.changed);
	record_add(&r, &(struct record_call){ .nr = SYS_socket, .args = { AF_UNIX } });
	assert_true(r.changed);
	r.changed = 0;
	record_add(&r, &(struct record_call){ .nr = SYS_socket, .args = { AF_INET } });
	assert_true(r.changed);
	assert_int_equal(r.families, BIT(AF_UNIX) | BIT(AF_INET));
	/* Numbers that there are none of. */
	r.changed = 0;
	record_add(&r, &(struct record_call){ .nr = RECORD_CALLS_MAX });
	record_add(&r, &(struct record_call){ .nr = -1 });
	record_add(&r, &(struct record_call){ .nr = SYS_socket, .args = { 1 << 20 } });
	assert_false(r.changed);
	assert_int_equal(r.notified, 7);
}

static void test_file(void **state)
{
	char dir[] = "/tmp/bulkhead-record-XXXXXX";
	struct record r = begun();
	Bulkhead__V1__ProfileRecord *back;
	cleanup_free char *data = NULL;
	struct error err;
	size_t size;
	int fd;

	(void)state;
	record_add(&r, &(struct record_call){ .nr = SYS_read });
	record_add(&r, &(struct record_call){ .nr = SYS_socket, .args = { AF_INET } });
	record_add(&r, &(struct record_call){ .nr = SYS_chroot, .caps = ALL });
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(record_write(&r, fd, "main", &err), 0);
	assert_int_equal(record_write(&r, fd, "main", &err), 0);
	assert_int_equal(file_read_at(fd, "main.profile", 65536, &data, &size, &err), 0);
	back = bulkhead__v1__profile_record__unpack(NULL, size, (const uint8_t *)data);
	assert_non_null(back);
	assert_int_equal(back->n_syscalls, 4);
	assert_int_equal(back->n_socket_families, 1);
	assert_int_equal(back->socket_families[0], AF_INET);
	assert_int_equal(back->n_capabilities, 1);
	assert_string_equal(back->capabilities[0], "CAP_SYS_CHROOT");
	assert_int_equal(back->notified, 4);
	bulkhead__v1__profile_record__free_unpacked(back, NULL);
	unlinkat(fd, "main.profile", 0);
	assert_int_equal(rmdir(dir), 0);
	close(fd);
	/* A directory that is gone takes nothing. */
	assert_int_equal(record_write(&r, -1, "main", &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_begin_and_change),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
