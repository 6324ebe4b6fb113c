/* What admission lets a pod have is what the shim can carry out: settings, capabilities, counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/safe_sysctl.h"
#include "auth/validate_honour.h"
#include "lib/cleanup.h"
#include "nodeagent/shim/caps.h"
#include "nodeagent/shim/plan_check.h"
#include "nodeagent/shim/sandbox.h"
#include "nodeagent/shim/sysctl.h"

/* The Pod Security Standards' list by version (check_sysctls.go), spelled out once more. */
static const struct {
	const char *name;
	int since;
} listed[] = {
	{ "kernel.shm_rmid_forced", 0 },
	{ "net.ipv4.ip_local_port_range", 0 },
	{ "net.ipv4.tcp_syncookies", 0 },
	{ "net.ipv4.ping_group_range", 0 },
	{ "net.ipv4.ip_unprivileged_port_start", 0 },
	{ "net.ipv4.ip_local_reserved_ports", 27 },
	{ "net.ipv4.tcp_keepalive_time", 29 },
	{ "net.ipv4.tcp_fin_timeout", 29 },
	{ "net.ipv4.tcp_keepalive_intvl", 29 },
	{ "net.ipv4.tcp_keepalive_probes", 29 },
	{ "net.ipv4.tcp_rmem", 32 },
	{ "net.ipv4.tcp_wmem", 32 },
	{ "net.ipv4.tcp_slow_start_after_idle", 37 },
	{ "net.ipv4.tcp_notsent_lowat", 37 },
};

static void test_since(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(listed); i++)
		assert_int_equal(safe_sysctl_since(listed[i].name), listed[i].since);
	assert_int_equal(safe_sysctl_since("kernel.core_pattern"), -1);
	assert_int_equal(safe_sysctl_since("kernel.shm_rmid_forced2"), -1);
	assert_int_equal(safe_sysctl_since("kernel/shm_rmid_forced"), -1);
	assert_int_equal(safe_sysctl_since(""), -1);
}

static void test_shim_agrees(void **state)
{
	struct error err;
	size_t honoured = 0;

	(void)state;
	for (size_t i = 0; i < sysctl_rows_len; i++)
		assert_true(safe_sysctl_honoured(sysctl_rows[i].name));
	for (size_t i = 0; i < ARRAY_LEN(listed); i++)
		honoured += safe_sysctl_honoured(listed[i].name);
	assert_int_equal(honoured, sysctl_rows_len);
	assert_false(safe_sysctl_honoured("kernel.core_pattern"));
	/* A value that one takes the other takes. */
	for (int c = 1; c < 128; c++) {
		char value[2] = { (char)c, '\0' };
		const struct honour_case check = { .value = value };

		if (honour_sysctl_value(&check) == NULL)
			assert_int_equal(sysctl_check("net.ipv4.tcp_rmem", value, &err), 0);
	}
}

static void test_capabilities_agree(void **state)
{
	static const char *const bad[] = { "", "CAP_CHOWN", "chown", "CHOWN2", "all", "*" };
	char name[64];
	int known = 0;

	(void)state;
	/* All that the shim knows, by number. */
	for (int cap = 0; cap <= cap_last(); cap++) {
		static const char *const names[] = { "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH",
			"FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
			"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN",
			"NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
			"SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
			"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
			"AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN",
			"SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
			"CHECKPOINT_RESTORE" };
		const struct honour_case c = { .value = names[cap] };

		snprintf(name, sizeof(name), "CAP_%s", names[cap]);
		assert_int_equal(cap_number(name), cap);
		known += honour_capability(&c) == NULL;
	}
	assert_int_equal(known, cap_last() + 1);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct honour_case c = { .value = bad[i] };

		assert_non_null(honour_capability(&c));
	}
}

static void test_limits_agree(void **state)
{
	(void)state;
	assert_int_equal(HONOURED_SECRET_VOLUMES_MAX, SANDBOX_SECRETS_MAX);
	assert_true(VALIDATE_VOLUMES_MAX <= SANDBOX_TMPFS_MAX);
	assert_true(VALIDATE_MOUNTS_MAX <= PLAN_MOUNTS_MAX);
	assert_true(VALIDATE_ARGS_MAX <= PLAN_ARGS_MAX && VALIDATE_ENV_MAX <= PLAN_ARGS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_since),
		cmocka_unit_test(test_shim_agrees),
		cmocka_unit_test(test_capabilities_agree),
		cmocka_unit_test(test_limits_agree),
	};

	return cmocka_run_group_tests_name("auth_shim", tests, NULL, NULL);
}
