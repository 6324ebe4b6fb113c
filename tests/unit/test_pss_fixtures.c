/*
 * The cases that k8s.io/pod-security-admission tests its checks with (test/fixtures_*.go), for
 * every version: each row is one change to the least pod that the level and version allows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "tests/unit/pss_pod.h"

#define LAST PSS_MINOR_MAX

struct fixture {
	const char *check;
	unsigned levels;   /* a set of bits */
	unsigned from, to; /* versions */
	const char *want;  /* in the message; NULL: allowed */
	const char *patch;
};

#define BASE (1u << PSS_BASELINE)
#define R    (1u << PSS_RESTRICTED)
#define B    (BASE | R) /* restricted repeats baseline's cases */

#define APP_ARMOR  "container.apparmor.security.beta.kubernetes.io/"
#define SECCOMP    "seccomp.security.alpha.kubernetes.io/pod"
#define SECCOMP_C  "container.seccomp.security.alpha.kubernetes.io/"
#define SC(x)      "{'c':{'securityContext':{" x "}}}"
#define SI(x)      "{'i':{'securityContext':{" x "}}}"
#define SCI(x)     "{'c':{'securityContext':{" x "}},'i':{'securityContext':{" x "}}}"
#define SP(x)      "{'spec':{'securityContext':{" x "}}}"
#define NOTE(k, v) "{'meta':{'annotations':{'" k "':'" v "'}}}"
#define VOLUME(x)  "{'spec':{'volumes':[{'name':'volume1'," x "}]}}"
#define CAPS                                                                                       \
	"['AUDIT_WRITE','CHOWN','DAC_OVERRIDE','FOWNER','FSETID','KILL','MKNOD','NET_BIND_"        \
	"SERVICE','SETFCAP','SETGID','SETPCAP','SETUID','SYS_CHROOT']"
#define EVERY_CAP                                                                                  \
	"['SYS_TIME','SYS_MODULE','SYS_RAWIO','SYS_PACCT','SYS_ADMIN','SYS_NICE','SYS_RESOURCE',"  \
	"'SYS_TTY_CONFIG','MKNOD','AUDIT_WRITE','AUDIT_CONTROL','MAC_OVERRIDE','MAC_ADMIN',"       \
	"'NET_ADMIN','SYSLOG','CHOWN','NET_RAW','DAC_OVERRIDE','FOWNER','DAC_READ_SEARCH',"        \
	"'FSETID','KILL','SETGID','SETUID','LINUX_IMMUTABLE','NET_BIND_SERVICE','NET_BROADCAST',"  \
	"'IPC_LOCK','IPC_OWNER','SYS_CHROOT','SYS_PTRACE','SYS_BOOT','LEASE','SETFCAP',"           \
	"'WAKE_ALARM','BLOCK_SUSPEND']"
#define SYSCTL(n, v) "{'name':'" n "','value':'" v "'}"
#define SYSCTLS_0                                                                                  \
	SYSCTL("kernel.shm_rmid_forced", "0")                                                      \
	"," SYSCTL("net.ipv4.ip_local_port_range", "1024 65535") "," SYSCTL(                       \
		"net.ipv4.tcp_syncookies", "0") "," SYSCTL("net.ipv4.ping_group_range",            \
		"1 0") "," SYSCTL("net.ipv4.ip_unprivileged_port_start", "1024")
#define SYSCTLS_27 SYSCTLS_0 "," SYSCTL("net.ipv4.ip_local_reserved_ports", "1024-4999")
#define SYSCTLS_29                                                                                 \
	SYSCTLS_27 "," SYSCTL("net.ipv4.tcp_keepalive_time", "7200") "," SYSCTL(                   \
		"net.ipv4.tcp_fin_timeout", "60") "," SYSCTL("net.ipv4.tcp_keepalive_intvl",       \
		"75") "," SYSCTL("net.ipv4.tcp_keepalive_probes", "9")
#define SYSCTLS_32                                                                                 \
	SYSCTLS_29 "," SYSCTL("net.ipv4.tcp_rmem", "4096 87380 16777216") "," SYSCTL(              \
		"net.ipv4.tcp_wmem", "4096 65536 16777216")
#define SYSCTLS_37                                                                                 \
	SYSCTLS_32 "," SYSCTL("net.ipv4.tcp_slow_start_after_idle", "0") "," SYSCTL(               \
		"net.ipv4.tcp_notsent_lowat", "131072")
#define DEFAULT    "'seccompProfile':{'type':'RuntimeDefault'}"
#define LOCAL      "'seccompProfile':{'type':'Localhost','localhostProfile':'testing'}"
#define FREE       "'seccompProfile':{'type':'Unconfined'}"
#define ESCALATES  "'allowPrivilegeEscalation':null"
#define USERNS(x)  "{'spec':{'hostUsers':false}," x "}"
#define HOSTNS(x)  "{'spec':{'hostUsers':true}," x "}"
#define MOUNT_C(t) "'c':{'securityContext':{'procMount':'" t "'}}"
#define MOUNT_I(t) "'i':{'securityContext':{'procMount':'" t "'}}"

static const struct fixture fixtures[] = {
	{ "base", B, 0, LAST, NULL, "{}" },
	{ "base_linux", R, 0, LAST, NULL, "{'spec':{'os':{'name':'linux'}}}" },
	/* From 1.25 a pod for Windows need not say what is for Linux. */
	{ "base_windows", R, 0, 24, NULL, "{'spec':{'os':{'name':'windows'}}}" },
	{ "base_windows", R, 25, LAST, NULL,
		"{'spec':{'os':{'name':'windows'},'securityContext':{'seccompProfile':null}},"
		"'c':{'securityContext':null},'i':{'securityContext':null}}" },

	{ "appArmorProfile", B, 0, LAST, NULL, NOTE(APP_ARMOR "container1", "localhost/foo") },
	{ "appArmorProfile", B, 0, LAST, "forbidden AppArmor profile",
		NOTE(APP_ARMOR "container1", "unconfined") },
	{ "appArmorProfile", B, 0, LAST, "forbidden AppArmor profile",
		NOTE(APP_ARMOR "initcontainer1", "unconfined") },

	{ "capabilities_baseline", BASE, 0, LAST, NULL, SCI("'capabilities':{'add':" CAPS "}") },
	{ "capabilities_baseline", R, 0, 21, NULL, SCI("'capabilities':{'add':" CAPS "}") },
	{ "capabilities_baseline", B, 0, LAST, "capabilities",
		SC("'capabilities':{'add':['NET_RAW']}") },
	{ "capabilities_baseline", B, 0, LAST, "capabilities",
		SI("'capabilities':{'add':['NET_RAW']}") },
	{ "capabilities_baseline", B, 0, LAST, "capabilities",
		SC("'capabilities':{'add':['chown']}") },
	{ "capabilities_baseline", B, 0, LAST, "capabilities",
		SC("'capabilities':{'add':['CAP_CHOWN']}") },

	{ "hostNamespaces", B, 0, LAST, "host namespaces", "{'spec':{'hostIPC':true}}" },
	{ "hostNamespaces", B, 0, LAST, "host namespaces", "{'spec':{'hostNetwork':true}}" },
	{ "hostNamespaces", B, 0, LAST, "host namespaces", "{'spec':{'hostPID':true}}" },

	{ "hostPathVolumes", BASE, 0, LAST, "hostPath volumes",
		"{'spec':{'volumes':[{'name':'volume-emptydir','emptyDir':{}},"
		"{'name':'volume-hostpath','hostPath':{'path':'/a'}}]}}" },
	{ "hostPathVolumes", BASE, 0, LAST, "hostPath volumes",
		"{'spec':{'volumes':[{'name':'volume-hostpath-a','hostPath':{'path':'/a'}},"
		"{'name':'volume-hostpath-b','hostPath':{'path':'/b'}}]}}" },
	{ "hostPathVolumes", R, 0, LAST, "restricted volume types",
		"{'spec':{'volumes':[{'name':'volume-emptydir','emptyDir':{}},"
		"{'name':'volume-hostpath','hostPath':{'path':'/a'}}]}}" },
	{ "hostPathVolumes", R, 0, LAST, "restricted volume types",
		"{'spec':{'volumes':[{'name':'volume-hostpath-a','hostPath':{'path':'/a'}},"
		"{'name':'volume-hostpath-b','hostPath':{'path':'/b'}}]}}" },

	{ "hostPorts", B, 0, LAST, NULL,
		"{'c':{'ports':[{'containerPort':12345}]},'i':{'ports':[{'containerPort':12346}]}"
		"}" },
	{ "hostPorts", B, 0, LAST, "hostPort",
		"{'c':{'ports':[{'containerPort':12345,'hostPort':12345}]}}" },
	{ "hostPorts", B, 0, LAST, "hostPort",
		"{'i':{'ports':[{'containerPort':12346,'hostPort':12346}]}}" },
	{ "hostPorts", B, 0, LAST, "hostPort",
		"{'c':{'ports':[{'containerPort':12345,'hostPort':12345},{'containerPort':12347}]},"
		"'i':{'ports':[{'containerPort':12346,'hostPort':12346},{'containerPort':12348}]}"
		"}" },

	{ "hostProbesAndHostLifecycle", B, 34, LAST, NULL, "{}" },
	{ "hostProbesAndHostLifecycle", B, 34, LAST, NULL,
		"{'c':{'livenessProbe':{'httpGet':{'port':8080}}}}" },
	{ "hostProbesAndHostLifecycle", B, 34, LAST, NULL,
		"{'c':{'readinessProbe':{'tcpSocket':{'port':8080}}}}" },
	{ "hostProbesAndHostLifecycle", B, 34, LAST, "probe or lifecycle host",
		"{'c':{'livenessProbe':{'httpGet':{'host':'bad.host','port':8080}}}}" },
	{ "hostProbesAndHostLifecycle", B, 34, LAST, "probe or lifecycle host",
		"{'i':{'restartPolicy':'Always',"
		"'readinessProbe':{'tcpSocket':{'host':'8.8.8.8','port':8080}}}}" },
	{ "hostProbesAndHostLifecycle", B, 34, LAST, "probe or lifecycle host",
		"{'c':{'lifecycle':{'postStart':{'httpGet':{'host':'bad.host','port':8080}}}}}" },
	{ "hostProbesAndHostLifecycle", B, 34, LAST, "probe or lifecycle host",
		"{'c':{'livenessProbe':{'httpGet':{'host':'127.0.0.1','port':8080}}}}" },
	{ "hostProbesAndHostLifecycle", B, 34, LAST, "probe or lifecycle host",
		"{'c':{'readinessProbe':{'tcpSocket':{'host':'::1','port':8080}}}}" },

	{ "privileged", B, 0, LAST, NULL, SCI("'privileged':false") },
	{ "privileged", B, 0, LAST, "privileged", SC("'privileged':true," ESCALATES) },
	{ "privileged", B, 0, LAST, "privileged", SI("'privileged':true," ESCALATES) },

	{ "procMount", B, 0, LAST, NULL, USERNS(MOUNT_C("Default") "," MOUNT_I("Default")) },
	{ "procMount", BASE, 35, LAST, NULL, USERNS(MOUNT_C("Unmasked") "," MOUNT_I("Unmasked")) },
	{ "procMount", B, 0, 34, "procMount", USERNS(MOUNT_C("Unmasked")) },
	{ "procMount", B, 0, 34, "procMount", USERNS(MOUNT_I("Unmasked")) },
	{ "procMount", B, 35, LAST, "procMount", HOSTNS(MOUNT_C("Unmasked")) },
	{ "procMount", B, 35, LAST, "procMount", HOSTNS(MOUNT_I("Unmasked")) },

	{ "seLinuxOptions", B, 0, LAST, NULL, SI("'seLinuxOptions':{}") },
	{ "seLinuxOptions", B, 0, LAST, NULL,
		"{'spec':{'securityContext':{'seLinuxOptions':{'type':'container_t','level':''}}},"
		"'c':{'securityContext':{'seLinuxOptions':{'type':'container_init_t',"
		"'level':'somevalue'}}},"
		"'i':{'securityContext':{'seLinuxOptions':{'type':'container_kvm_t'}}}}" },
	{ "seLinuxOptions", B, 0, LAST, "seLinuxOptions",
		SP("'seLinuxOptions':{'type':'somevalue'}") },
	{ "seLinuxOptions", B, 0, LAST, "seLinuxOptions",
		SC("'seLinuxOptions':{'type':'somevalue'}") },
	{ "seLinuxOptions", B, 0, LAST, "seLinuxOptions",
		SI("'seLinuxOptions':{'type':'somevalue'}") },
	{ "seLinuxOptions", B, 0, LAST, "seLinuxOptions",
		SP("'seLinuxOptions':{'user':'somevalue'}") },
	{ "seLinuxOptions", B, 0, LAST, "seLinuxOptions",
		SP("'seLinuxOptions':{'role':'somevalue'}") },

	{ "seccompProfile_baseline", B, 0, 18, NULL,
		"{'meta':{'annotations':{'" SECCOMP "':'runtime/default','" SECCOMP_C
		"container1':'localhost/testing'}}}" },
	{ "seccompProfile_baseline", B, 0, 18, "seccompProfile", NOTE(SECCOMP, "unconfined") },
	{ "seccompProfile_baseline", B, 0, 18, "seccompProfile",
		NOTE(SECCOMP_C "container1", "unconfined") },
	{ "seccompProfile_baseline", B, 0, 18, "seccompProfile",
		NOTE(SECCOMP_C "initcontainer1", "unconfined") },
	{ "seccompProfile_baseline", BASE, 19, LAST, NULL,
		"{'spec':{'securityContext':{" DEFAULT "}},'c':{'securityContext':{" DEFAULT
		"}}}" },
	{ "seccompProfile_baseline", B, 19, LAST, "seccompProfile", SP(FREE) },
	{ "seccompProfile_baseline", B, 19, LAST, "seccompProfile", SC(FREE) },
	{ "seccompProfile_baseline", B, 19, LAST, "seccompProfile", SI(FREE) },

	{ "sysctls", B, 0, LAST, NULL, SP("'sysctls':[]") },
	{ "sysctls", B, 0, 26, NULL, SP("'sysctls':[" SYSCTLS_0 "]") },
	{ "sysctls", B, 27, 28, NULL, SP("'sysctls':[" SYSCTLS_27 "]") },
	{ "sysctls", B, 29, 31, NULL, SP("'sysctls':[" SYSCTLS_29 "]") },
	{ "sysctls", B, 32, 36, NULL, SP("'sysctls':[" SYSCTLS_32 "]") },
	{ "sysctls", B, 37, LAST, NULL, SP("'sysctls':[" SYSCTLS_37 "]") },
	{ "sysctls", B, 0, LAST, "forbidden sysctl",
		SP("'sysctls':[" SYSCTL("othersysctl", "other") "]") },

	{ "windowsHostProcess", B, 0, LAST, "hostProcess",
		"{'spec':{'hostNetwork':true,"
		"'securityContext':{'windowsOptions':{'hostProcess':true}}}}" },
	{ "windowsHostProcess", B, 0, LAST, "hostProcess",
		"{'spec':{'hostNetwork':true},"
		"'c':{'securityContext':{'windowsOptions':{'hostProcess':true}}},"
		"'i':{'securityContext':{'windowsOptions':{'hostProcess':true}}}}" },

	{ "allowPrivilegeEscalation", R, 8, LAST, "allowPrivilegeEscalation",
		SC("'allowPrivilegeEscalation':true") },
	{ "allowPrivilegeEscalation", R, 8, LAST, "allowPrivilegeEscalation",
		SI("'allowPrivilegeEscalation':true") },
	{ "allowPrivilegeEscalation", R, 8, LAST, "allowPrivilegeEscalation", SC(ESCALATES) },
	{ "allowPrivilegeEscalation", R, 8, LAST, "allowPrivilegeEscalation",
		"{'c':{'securityContext':null}}" },

	{ "capabilities_restricted", R, 22, LAST, NULL,
		SCI("'capabilities':{'drop':['ALL'],'add':['NET_BIND_SERVICE']}") },
	{ "capabilities_restricted", R, 22, LAST, "unrestricted capabilities",
		SC("'capabilities':{'drop':[]}") },
	{ "capabilities_restricted", R, 22, LAST, "unrestricted capabilities",
		SI("'capabilities':{'drop':[]}") },
	{ "capabilities_restricted", R, 22, LAST, "unrestricted capabilities",
		SCI("'capabilities':{'drop':" EVERY_CAP "}") },
	{ "capabilities_restricted", R, 22, LAST, "unrestricted capabilities",
		SCI("'capabilities':{'drop':['ALL'],'add':" CAPS "}") },

	{ "procMount_restricted", R, 35, LAST, NULL,
		USERNS(MOUNT_C("Default") "," MOUNT_I("Default")) },
	{ "procMount_restricted", R, 35, LAST, "procMount", USERNS(MOUNT_C("Unmasked")) },
	{ "procMount_restricted", R, 35, LAST, "procMount", USERNS(MOUNT_I("Unmasked")) },

	{ "restrictedVolumes", R, 0, LAST, NULL,
		"{'spec':{'volumes':[{'name':'volume0'},{'name':'volume1','emptyDir':{}},"
		"{'name':'volume2','secret':{'secretName':'test'}},"
		"{'name':'volume3','persistentVolumeClaim':{'claimName':'test'}},"
		"{'name':'volume4','downwardAPI':{'items':[{'path':'labels',"
		"'fieldRef':{'fieldPath':'metadata.labels'}}]}},"
		"{'name':'volume5','configMap':{'name':'test'}},"
		"{'name':'volume6','projected':{'sources':[]}}]}}" },
#define RESTRICTED_VOLUME(x)                                                                       \
	{                                                                                          \
		"restrictedVolumes", R, 0, LAST, "restricted volume types", VOLUME(x)              \
	}
	RESTRICTED_VOLUME("'gcePersistentDisk':{'pdName':'test'}"),
	RESTRICTED_VOLUME("'awsElasticBlockStore':{'volumeID':'test'}"),
	RESTRICTED_VOLUME("'gitRepo':{'repository':'example/project'}"),
	RESTRICTED_VOLUME("'nfs':{'server':'test','path':'/test'}"),
	RESTRICTED_VOLUME(
		"'iscsi':{'targetPortal':'test','iqn':'iqn.2001-04.com.example:a','lun':0}"),
	RESTRICTED_VOLUME("'glusterfs':{'path':'test','endpoints':'test'}"),
	RESTRICTED_VOLUME("'rbd':{'monitors':['test'],'image':'test'}"),
	RESTRICTED_VOLUME("'flexVolume':{'driver':'test'}"),
	RESTRICTED_VOLUME("'cinder':{'volumeID':'test'}"),
	RESTRICTED_VOLUME("'cephfs':{'monitors':['test']}"),
	RESTRICTED_VOLUME("'flocker':{'datasetName':'test'}"),
	RESTRICTED_VOLUME("'fc':{'wwids':['test']}"),
	RESTRICTED_VOLUME("'azureFile':{'secretName':'test','shareName':'test'}"),
	RESTRICTED_VOLUME("'vsphereVolume':{'volumePath':'test'}"),
	RESTRICTED_VOLUME("'quobyte':{'registry':'localhost:1234','volume':'test'}"),
	RESTRICTED_VOLUME("'azureDisk':{'diskName':'test','diskURI':'https://example.com/a.vhd'}"),
	RESTRICTED_VOLUME("'portworxVolume':{'volumeID':'test','fsType':'ext4'}"),
	RESTRICTED_VOLUME("'scaleIO':{'volumeName':'test','gateway':'localhost','system':'test'}"),
	RESTRICTED_VOLUME("'storageos':{'volumeName':'test'}"),
	RESTRICTED_VOLUME("'hostPath':{'path':'/dev/null'}"),

	{ "runAsNonRoot", R, 0, LAST, NULL, SP("'runAsNonRoot':true") },
	{ "runAsNonRoot", R, 0, LAST, NULL,
		"{'spec':{'securityContext':{'runAsNonRoot':null}},"
		"'c':{'securityContext':{'runAsNonRoot':true}},"
		"'i':{'securityContext':{'runAsNonRoot':true}}}" },
	{ "runAsNonRoot", R, 0, LAST, "runAsNonRoot", SP("'runAsNonRoot':null") },
	{ "runAsNonRoot", R, 0, LAST, "runAsNonRoot", SP("'runAsNonRoot':false") },
	{ "runAsNonRoot", R, 0, LAST, "runAsNonRoot", SC("'runAsNonRoot':false") },
	{ "runAsNonRoot", R, 0, LAST, "runAsNonRoot", SI("'runAsNonRoot':false") },

	{ "runAsUser", R, 23, LAST, NULL,
		"{'spec':{'securityContext':{'runAsUser':1000}},"
		"'c':{'securityContext':{'runAsUser':1000}},"
		"'i':{'securityContext':{'runAsUser':1000}}}" },
	{ "runAsUser", R, 23, LAST, "runAsUser", SP("'runAsUser':0") },
	{ "runAsUser", R, 23, LAST, "runAsUser", SC("'runAsUser':0") },
	{ "runAsUser", R, 23, LAST, "runAsUser", SI("'runAsUser':0") },

	{ "seccompProfile_restricted", R, 19, LAST, NULL, SP(DEFAULT) },
	{ "seccompProfile_restricted", R, 19, LAST, NULL, SP(LOCAL) },
	{ "seccompProfile_restricted", R, 19, LAST, NULL,
		"{'spec':{'securityContext':{'seccompProfile':null}},"
		"'c':{'securityContext':{" DEFAULT "}},'i':{'securityContext':{" LOCAL "}}}" },
	{ "seccompProfile_restricted", R, 19, LAST, "seccompProfile", SP("'seccompProfile':null") },
	{ "seccompProfile_restricted", R, 19, LAST, "seccompProfile", SP(FREE) },
	{ "seccompProfile_restricted", R, 19, LAST, "seccompProfile",
		"{'spec':{'securityContext':{'seccompProfile':null}},"
		"'c':{'securityContext':{" DEFAULT "}}}" },
	{ "seccompProfile_restricted", R, 19, LAST, "seccompProfile",
		"{'spec':{'securityContext':{'seccompProfile':null}},"
		"'i':{'securityContext':{" DEFAULT "}}}" },
	{ "seccompProfile_restricted", R, 19, LAST, "seccompProfile",
		"{'spec':{'securityContext':{'seccompProfile':null}},"
		"'c':{'securityContext':{" DEFAULT "}},'i':{'securityContext':{" FREE "}}}" },
};

static bool has(const struct fixture *x, enum pss_level level, unsigned minor)
{
	return (x->levels & (1u << level)) && minor >= x->from && minor <= x->to;
}

/* The check itself, or the one that overrides it, must be among those that object. */
static bool objects(const struct violations *found, const char *check)
{
	static const char *const overrides[][2] = {
		{ "capabilities_baseline", "capabilities_restricted" },
		{ "hostPathVolumes", "restrictedVolumes" },
		{ "procMount", "procMount_restricted" },
		{ "seccompProfile_baseline", "seccompProfile_restricted" },
	};

	for (size_t i = 0; i < found->n; i++) {
		if (strcmp(found->items[i].check, check) == 0)
			return true;
		for (size_t k = 0; k < ARRAY_LEN(overrides); k++) {
			if (strcmp(overrides[k][0], check) == 0 &&
				strcmp(overrides[k][1], found->items[i].check) == 0)
				return true;
		}
	}
	return false;
}

static void judge(const struct fixture *x, const struct pss_policy *policy)
{
	cleanup_violations struct violations found = { 0 };
	cleanup_free char *message = pss_verdict(policy, x->patch, &found);
	char name[PSS_POLICY_SIZE];

	pss_policy_text(policy, name);
	if (!x->want && *message)
		fail_msg("%s, %s, %s: %s", name, x->check, x->patch, message);
	if (x->want && !strstr(message, x->want))
		fail_msg("%s, %s, %s: want '%s', got '%s'", name, x->check, x->patch, x->want,
			message);
	if (x->want && !objects(&found, x->check))
		fail_msg(
			"%s, %s, %s: another check objects: %s", name, x->check, x->patch, message);
}

struct count {
	unsigned pass, fail;
};

static struct count judge_all(enum pss_level level, unsigned minor)
{
	struct pss_policy policy = { .level = level, .minor = minor };
	struct count count = { 0, 0 };

	for (size_t i = 0; i < ARRAY_LEN(fixtures); i++) {
		if (!has(&fixtures[i], level, minor))
			continue;
		judge(&fixtures[i], &policy);
		count.pass += !fixtures[i].want;
		count.fail += fixtures[i].want != NULL;
	}
	return count;
}

/* The numbers are those of upstream's testdata: nothing is left out. */
static void newest_version_has_all_148(void **state)
{
	struct count baseline = judge_all(PSS_BASELINE, LAST);
	struct count restricted = judge_all(PSS_RESTRICTED, LAST);

	(void)state;
	assert_int_equal(baseline.pass, 15);
	assert_int_equal(baseline.fail, 34);
	assert_int_equal(restricted.pass, 23);
	assert_int_equal(restricted.fail, 76);
}

static void every_version(void **state)
{
	(void)state;
	for (unsigned minor = 0; minor <= LAST; minor++) {
		assert_true(judge_all(PSS_BASELINE, minor).fail >= 29);
		assert_true(judge_all(PSS_RESTRICTED, minor).fail >= 53);
	}
}

/* A version that is not known yet means the newest one. */
static void newer_versions_clamp(void **state)
{
	struct count now = judge_all(PSS_RESTRICTED, LAST);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fixtures); i++) {
		struct pss_policy policy = { .level = PSS_RESTRICTED, .minor = 4000 };

		if (has(&fixtures[i], PSS_RESTRICTED, LAST))
			judge(&fixtures[i], &policy);
	}
	assert_int_equal(now.pass + now.fail, 99);
}

static void privileged_allows_everything(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fixtures); i++) {
		struct pss_policy policy = { .level = PSS_PRIVILEGED, .minor = LAST };
		cleanup_violations struct violations found = { 0 };
		cleanup_free char *message = pss_verdict(&policy, fixtures[i].patch, &found);

		assert_string_equal(message, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(newest_version_has_all_148),
		cmocka_unit_test(every_version),
		cmocka_unit_test(newer_versions_clamp),
		cmocka_unit_test(privileged_allows_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
