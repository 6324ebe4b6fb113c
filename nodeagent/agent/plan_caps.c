#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "auth/pod_edit.h"
#include "lib/cleanup.h"
#include "nodeagent/agent/plan_security.h"
#include "nodeagent/agent/plan_text.h"

/* By number, as <linux/capability.h> has them. */
static const char *const names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

#define ALL ((UINT64_C(1) << ARRAY_LEN(names)) - 1)

/* CRI-O's default_capabilities. */
static const char *const defaults[] = { "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "SETGID",
	"SETUID", "SETPCAP", "NET_BIND_SERVICE", "KILL" };

/* The bit of a name, 0 for an unknown one. */
static uint64_t bit_of(const char *name)
{
	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcasecmp(names[i] + 4, name) == 0)
			return UINT64_C(1) << i;
	}
	return 0;
}

/* ALL in *ret_all, the single ones in *ret. */
static int list_read(const struct plan_security *s, const char *which, char *const *list, size_t n,
	uint64_t *ret, bool *ret_all, struct error *err)
{
	uint64_t set = 0;

	*ret_all = false;
	for (size_t i = 0; i < n; i++) {
		uint64_t bit = bit_of(list[i]);

		if (strcasecmp(list[i], "ALL") == 0)
			*ret_all = true;
		else if (bit == 0)
			return error_set(err, ERR_INVALID, 0,
				"%s.securityContext.capabilities.%s[%zu]: '%.64s' is not a "
				"capability",
				s->field, which, i, list[i]);
		set |= bit;
	}
	*ret = set;
	return 0;
}

static uint64_t default_set(void)
{
	uint64_t set = 0;

	for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
		set |= bit_of(defaults[i]);
	return set;
}

int plan_capabilities(
	const struct plan_security *s, Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	static const K8sCapabilities none = K8S__IO__API__CORE__V1__CAPABILITIES__INIT;
	const K8sCapabilities *caps = s->own && s->own->capabilities ? s->own->capabilities : &none;
	uint64_t set = default_set();
	uint64_t add, drop;
	bool add_all, drop_all;

	if (list_read(s, "add", caps->add, caps->n_add, &add, &add_all, err) < 0 ||
		list_read(s, "drop", caps->drop, caps->n_drop, &drop, &drop_all, err) < 0)
		return -1;
	if (add_all || (s->own && s->own->privileged))
		set = ALL;
	if (drop_all)
		set = 0;
	set = (set | add) & ~drop;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if ((set & (UINT64_C(1) << i)) && edit_append_string(&plan->capabilities,
							  &plan->n_capabilities, names[i], err) < 0)
			return -1;
	}
	return 0;
}
