/*
 * What each field of a constraint sets in a pod and demands of it, row by row of OpenShift's
 * rules; and the holes that upstream leaves and we close.
 */
#include "auth/pod_edit.h"
#include "auth/scc_rules.h"
#include "proto/encode.h"
#include "tests/unit/pod_cases.h"

static struct error err;

static const struct project_facts red = {
	.name = "red",
	.uids = { 1000010000, 10000 },
	.mcs = "s0:c3,c2",
};

/*
 * The pod under one constraint: with a field that objection is raised, else none; the pod then
 * has, as JSON, the first text and lacks the second (NULL: do not look).
 */
struct row {
	const char *scc;
	const char *yaml;
	const char *field;
	const char *part;
	const char *has;
	const char *lacks;
};

#define C0         "spec.containers[0]"
#define S          "spec.securityContext"
#define CS         C0 ".securityContext"
#define P(fields)  SPEC("securityContext: {" fields "}")
#define SC(fields) CONTAINER("securityContext: {" fields "}")
#define PLAIN      POD(ONE)
#define OK         NULL, NULL

static void check(const struct scc *scc, const struct row *row)
{
	cleanup_violations struct violations list = { 0 };
	K8sPod *pod = case_pod(row->yaml);
	cleanup_free char *json = NULL;

	assert_int_equal(scc_rules_apply(scc, &red, pod, &err), 0);
	scc_rules_judge(scc, &red, pod, &list);
	assert_int_equal(encode_json(&pod->base, NULL, NULL, false, &json, &err), 0);
	case_expect(&list, row->yaml, scc->name, ERR_DENIED, row->field, row->part);
	if (row->has && !strstr(json, row->has))
		fail_msg("%s: %s lacks %s", scc->name, json, row->has);
	if (row->lacks && strstr(json, row->lacks))
		fail_msg("%s: %s has %s", scc->name, json, row->lacks);
	k8s_pod_free(pod);
}

static void run(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_non_null(scc_find(rows[i].scc));
		check(scc_find(rows[i].scc), &rows[i]);
	}
}

#define RUN(rows) run(rows, ARRAY_LEN(rows))

/* clang-format off */
static void test_user(void **state)
{
	static const struct row rows[] = {
		/* MustRunAsRange: the project's block, its least unless given; per container, effective */
		{ "restricted", PLAIN, OK, "\"runAsUser\":1000010000", NULL },
		{ "restricted", PLAIN, OK, "\"runAsNonRoot\":true", NULL },
		{ "restricted", SC("runAsUser: 1000019999"), OK, "\"runAsUser\":1000019999", "1000010000,\"runAs" },
		{ "restricted", SC("runAsUser: 1000020000"), CS ".runAsUser", "1000020000 is not in the range 1000010000 to 1000019999", NULL, NULL },
		{ "restricted", SC("runAsUser: 1000009999"), CS ".runAsUser", "not in the range", NULL, NULL },
		{ "restricted", P("runAsUser: 1000010005"), OK, NULL, "\"runAsUser\":1000010000" },
		{ "restricted", P("runAsUser: 5"), CS ".runAsUser", "5 is not in the range", NULL, NULL },
		{ "restricted", POD("securityContext: {runAsUser: 5}, containers: [{name: c, image: i, securityContext: {runAsUser: 1000010000}}]"), OK, NULL, NULL },
		{ "restricted", POD("securityContext: {runAsUser: 1000010000}, containers: [{name: c, image: i, securityContext: {runAsUser: 5}}]"), CS ".runAsUser", "5 is not in", NULL, NULL },
		/* with a range of its own */
		{ "restricted-v3", PLAIN, OK, "\"runAsUser\":1000,", NULL },
		{ "restricted-v3", SC("runAsUser: 999"), CS ".runAsUser", "1000 to 65534", NULL, NULL },
		{ "restricted-v3", SC("runAsUser: 65535"), CS ".runAsUser", "1000 to 65534", NULL, NULL },
		{ "nested-container", PLAIN, OK, "\"runAsUser\":0", "\"runAsNonRoot\"" },
		{ "nested-container", SC("runAsUser: 65535"), CS ".runAsUser", "0 to 65534", NULL, NULL },
		/* MustRunAsNonRoot: no uid, but runAsNonRoot */
		{ "nonroot", PLAIN, OK, "\"runAsNonRoot\":true", "runAsUser" },
		{ "nonroot", SC("runAsUser: 5"), OK, "\"runAsNonRoot\":true", NULL },
		{ "nonroot", SC("runAsUser: 0"), CS ".runAsUser", "running as root", NULL, NULL },
		{ "nonroot", P("runAsUser: 0"), CS ".runAsUser", "running as root", NULL, NULL },
		{ "nonroot", SC("runAsNonRoot: false"), CS ".runAsNonRoot", "must be true", NULL, NULL },
		{ "nonroot", P("runAsNonRoot: false"), CS ".runAsNonRoot", "must be true", NULL, NULL },
		{ "nonroot", POD("securityContext: {runAsNonRoot: false}, containers: [{name: c, image: i, securityContext: {runAsNonRoot: true}}]"), OK, NULL, NULL },
		/* RunAsAny */
		{ "anyuid", PLAIN, OK, NULL, "runAsUser" },
		{ "anyuid", SC("runAsUser: 0"), OK, "\"runAsUser\":0", "runAsNonRoot" },
		{ "anyuid", SC("runAsUser: 0, runAsNonRoot: false"), OK, NULL, NULL },
		/* whatever the rule: a known uid other than 0 is said to be no root */
		{ "anyuid", SC("runAsUser: 5"), OK, "\"runAsNonRoot\":true", NULL },
		{ "anyuid", P("runAsUser: 5"), OK, "\"runAsNonRoot\":true", NULL },
		{ "anyuid", SC("runAsUser: 5, runAsNonRoot: false"), OK, "\"runAsNonRoot\":false", "\"runAsNonRoot\":true" },
		{ "anyuid", POD("securityContext: {runAsNonRoot: false}, containers: [{name: c, image: i, securityContext: {runAsUser: 5}}]"), OK, NULL, "\"runAsNonRoot\":true" },
	};

	(void)state;
	RUN(rows);
}

static void test_selinux(void **state)
{
#define LEVEL(level) P("seLinuxOptions: {level: \"" level "\"}")
	static const struct row rows[] = {
		{ "restricted", PLAIN, OK, "\"seLinuxOptions\":{\"level\":\"s0:c3,c2\"}", NULL },
		{ "restricted", LEVEL("s0:c3,c2"), OK, NULL, NULL },
		{ "restricted", LEVEL("s0:c2,c3"), OK, "s0:c2,c3", NULL }, /* categories are a set */
		{ "restricted", LEVEL("s0:c3,c1"), S ".seLinuxOptions.level", "must be \"s0:c3,c2\", the project's, not \"s0:c3,c1\"", NULL, NULL },
		{ "restricted", LEVEL("s0:c3"), S ".seLinuxOptions.level", "the project's", NULL, NULL },
		{ "restricted", LEVEL("s0:c3,c2,c1"), S ".seLinuxOptions.level", "the project's", NULL, NULL },
		{ "restricted", LEVEL("s1:c3,c2"), S ".seLinuxOptions.level", "the project's", NULL, NULL },
		{ "restricted", LEVEL("s0"), S ".seLinuxOptions.level", "the project's", NULL, NULL },
		{ "restricted", P("seLinuxOptions: {type: spc_t, level: \"s0:c3,c2\"}"), S ".seLinuxOptions.type", "must be \"\", not \"spc_t\"", NULL, NULL },
		{ "restricted", P("seLinuxOptions: {user: u, level: \"s0:c3,c2\"}"), S ".seLinuxOptions.user", "must be \"\"", NULL, NULL },
		{ "restricted", P("seLinuxOptions: {role: r, level: \"s0:c3,c2\"}"), S ".seLinuxOptions.role", "must be \"\"", NULL, NULL },
		{ "restricted", P("seLinuxOptions: {}"), S ".seLinuxOptions.level", "the project's, not \"\"", NULL, NULL },
		{ "restricted", SC("seLinuxOptions: {level: \"s0:c3,c2\"}"), OK, NULL, NULL },
		{ "restricted", SC("seLinuxOptions: {level: \"s0:c9\"}"), CS ".seLinuxOptions.level", "the project's", NULL, NULL },
		{ "restricted", SC("seLinuxOptions: {type: spc_t, level: \"s0:c3,c2\"}"), CS ".seLinuxOptions.type", "must be \"\"", NULL, NULL },
		/* a type that the constraint names */
		{ "nested-container", PLAIN, OK, "\"type\":\"container_engine_t\",\"level\":\"s0:c3,c2\"", NULL },
		{ "nested-container", LEVEL("s0:c3,c2"), S ".seLinuxOptions.type", "must be \"container_engine_t\"", NULL, NULL },
		/* RunAsAny */
		{ "privileged", PLAIN, OK, NULL, "seLinuxOptions" },
		{ "privileged", P("seLinuxOptions: {type: spc_t}"), OK, NULL, NULL },
		{ "hostmount-anyuid-v2", SC("seLinuxOptions: {level: s0}"), OK, NULL, NULL },
	};

	(void)state;
	RUN(rows);
}

static void test_groups(void **state)
{
	static const struct row rows[] = {
		/* fsGroup MustRunAs without ranges: the first of the block alone */
		{ "restricted", PLAIN, OK, "\"fsGroup\":1000010000", NULL },
		{ "restricted", P("fsGroup: 1000010000"), OK, NULL, NULL },
		{ "restricted", P("fsGroup: 1000010001"), S ".fsGroup", "not in the range 1000010000 to 1000010000", NULL, NULL },
		{ "restricted", P("fsGroup: 0"), S ".fsGroup", "0 is not in the range", NULL, NULL },
		{ "restricted-v3", PLAIN, OK, "\"fsGroup\":1000", NULL },
		{ "restricted-v3", P("fsGroup: 65535"), S ".fsGroup", "1000 to 65534", NULL, NULL },
		{ "nested-container", PLAIN, OK, "\"fsGroup\":0", NULL },
		{ "anyuid", PLAIN, OK, NULL, "fsGroup" },
		{ "anyuid", P("fsGroup: 0"), OK, NULL, NULL },
		/* supplementalGroups MustRunAs without ranges: the whole block */
		{ "restricted", PLAIN, OK, NULL, "supplementalGroups" },
		{ "restricted", P("supplementalGroups: [0]"), OK, NULL, NULL },
		{ "hostnetwork", PLAIN, OK, "\"supplementalGroups\":[1000010000]", NULL },
		{ "hostnetwork", P("supplementalGroups: [1000019999, 1000010000]"), OK, NULL, NULL },
		{ "hostnetwork", P("supplementalGroups: [1000010000, 5]"), S ".supplementalGroups[1]", "5 is not in the range 1000010000 to 1000019999", NULL, NULL },
		{ "restricted-v3", PLAIN, OK, "\"supplementalGroups\":[1000]", NULL },
		{ "restricted-v3", P("supplementalGroups: [0]"), S ".supplementalGroups[0]", "1000 to 65534", NULL, NULL },
	};

	(void)state;
	RUN(rows);
}

static void test_capabilities(void **state)
{
#define CAPS(fields) SC("capabilities: {" fields "}")
	static const struct row rows[] = {
		/* requiredDropCapabilities are merged into drop */
		{ "restricted", PLAIN, OK, "\"drop\":[\"KILL\",\"MKNOD\",\"SETUID\",\"SETGID\"]", NULL },
		{ "restricted", CAPS("drop: [SETUID, CHOWN]"), OK, "\"drop\":[\"SETUID\",\"CHOWN\",\"KILL\",\"MKNOD\",\"SETGID\"]", NULL },
		{ "restricted-v2", PLAIN, OK, "\"drop\":[\"ALL\"]", NULL },
		{ "restricted-v2", CAPS("drop: [ALL]"), OK, "\"drop\":[\"ALL\"]", NULL },
		{ "restricted-v2", CAPS("drop: [all]"), OK, "\"drop\":[\"all\",\"ALL\"]", NULL },
		{ "anyuid", PLAIN, OK, "\"drop\":[\"MKNOD\"]", NULL },
		{ "nested-container", PLAIN, OK, NULL, "\"drop\"" },
		/* each that is added must be allowed, by its exact name */
		{ "restricted-v2", CAPS("add: [NET_BIND_SERVICE]"), OK, NULL, NULL },
		{ "restricted-v2", CAPS("add: [NET_BIND_SERVICE, CHOWN]"), CS ".capabilities.add[1]", "capability \"CHOWN\" may not be added", NULL, NULL },
		{ "restricted-v2", CAPS("add: [CAP_NET_BIND_SERVICE]"), CS ".capabilities.add[0]", "may not be added", NULL, NULL },
		{ "restricted-v2", CAPS("add: [net_bind_service]"), CS ".capabilities.add[0]", "may not be added", NULL, NULL },
		{ "restricted-v2", CAPS("add: [ALL]"), CS ".capabilities.add[0]", "may not be added", NULL, NULL },
		{ "restricted-v2", CAPS("add: [\"*\"]"), CS ".capabilities.add[0]", "may not be added", NULL, NULL },
		{ "restricted", CAPS("add: [NET_BIND_SERVICE]"), CS ".capabilities.add[0]", "may not be added", NULL, NULL },
		{ "nested-container", CAPS("add: [SETUID, SETGID]"), OK, NULL, NULL },
		{ "nested-container", CAPS("add: [SYS_ADMIN]"), CS ".capabilities.add[0]", "may not be added", NULL, NULL },
		{ "privileged", CAPS("add: [SYS_ADMIN, ALL, whatever]"), OK, NULL, "\"drop\"" },
	};

	(void)state;
	RUN(rows);
}

static void test_seccomp(void **state)
{
#define PROFILE(type)  P("seccompProfile: {type: " type "}")
#define LOCAL          "seccompProfile: {type: Localhost, localhostProfile: a/b}"
#define NOTED(value)   META("name: p, annotations: {seccomp.security.alpha.kubernetes.io/pod: " value "}")
#define NOTED_C(value) META("name: p, annotations: {container.seccomp.security.alpha.kubernetes.io/c: " value "}")
	static const struct row rows[] = {
		/* the first of the list is the pod's default, as field and annotation */
		{ "restricted-v2", PLAIN, OK, "\"seccompProfile\":{\"type\":\"RuntimeDefault\"}", NULL },
		{ "restricted-v2", PLAIN, OK, "\"seccomp.security.alpha.kubernetes.io/pod\":\"runtime/default\"", NULL },
		{ "restricted-v2", PROFILE("RuntimeDefault"), OK, NULL, NULL },
		{ "restricted-v2", NOTED("runtime/default"), OK, NULL, NULL },
		{ "restricted-v2", NOTED("docker/default"), OK, NULL, NULL },
		{ "restricted-v2", PROFILE("Unconfined"), S ".seccompProfile", "\"unconfined\" is not allowed; use RuntimeDefault", NULL, NULL },
		{ "restricted-v2", P(LOCAL), S ".seccompProfile", "\"localhost/a/b\" is not allowed", NULL, NULL },
		{ "restricted-v2", NOTED("unconfined"), "metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]", "\"unconfined\" is not allowed", NULL, NULL },
		{ "restricted-v2", NOTED_C("unconfined"), "metadata.annotations[container.seccomp.security.alpha.kubernetes.io/c]", "\"unconfined\" is not allowed", NULL, NULL },
		{ "restricted-v2", SC("seccompProfile: {type: Unconfined}"), CS ".seccompProfile", "\"unconfined\" is not allowed", NULL, NULL },
		{ "restricted-v2", SC("seccompProfile: {type: RuntimeDefault}"), OK, NULL, NULL },
		{ "restricted-v2", SC("seccompProfile: {type: runtime/default}"), OK, NULL, NULL }, /* validation has refused it */
		/* an empty list: none may be set */
		{ "restricted", PLAIN, OK, NULL, "seccomp" },
		{ "restricted", PROFILE("RuntimeDefault"), S ".seccompProfile", "none may be set", NULL, NULL },
		{ "restricted", SC("seccompProfile: {type: RuntimeDefault}"), CS ".seccompProfile", "none may be set", NULL, NULL },
		{ "restricted", NOTED("runtime/default"), "metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]", "none may be set", NULL, NULL },
		/* "*": any */
		{ "privileged", PLAIN, OK, NULL, "seccomp" },
		{ "privileged", PROFILE("Unconfined"), OK, NULL, NULL },
		{ "nested-container", P(LOCAL), OK, NULL, NULL },
	};

	(void)state;
	RUN(rows);
}

static void test_privilege(void **state)
{
	static const struct row rows[] = {
		{ "restricted-v2", PLAIN, OK, "\"allowPrivilegeEscalation\":false", NULL },
		{ "restricted-v2", SC("allowPrivilegeEscalation: false"), OK, NULL, NULL },
		{ "restricted-v2", SC("allowPrivilegeEscalation: true"), CS ".allowPrivilegeEscalation", "must be false", NULL, NULL },
		{ "restricted", PLAIN, OK, NULL, "allowPrivilegeEscalation" },
		{ "restricted", SC("allowPrivilegeEscalation: true"), OK, NULL, NULL },
		{ "restricted", SC("privileged: true"), CS ".privileged", "privileged containers are not allowed", NULL, NULL },
		{ "restricted", SC("privileged: false"), OK, NULL, NULL },
		{ "privileged", SC("privileged: true"), OK, NULL, NULL },
		{ "restricted", SC("readOnlyRootFilesystem: false"), OK, NULL, NULL },
	};

	(void)state;
	RUN(rows);
}

static void test_host(void **state)
{
#define PORT "ports: [{containerPort: 80}, {containerPort: 81, hostPort: 81}]"
	static const struct row rows[] = {
		{ "restricted", SPEC("hostNetwork: true"), "spec.hostNetwork", "not allowed", NULL, NULL },
		{ "restricted", SPEC("hostPID: true"), "spec.hostPID", "not allowed", NULL, NULL },
		{ "restricted", SPEC("hostIPC: true"), "spec.hostIPC", "not allowed", NULL, NULL },
		{ "restricted", CONTAINER(PORT), C0 ".ports[1].hostPort", "host ports are not allowed", NULL, NULL },
		{ "hostnetwork", SPEC("hostNetwork: true"), OK, NULL, NULL },
		{ "hostnetwork", CONTAINER(PORT), OK, NULL, NULL },
		{ "hostnetwork", SPEC("hostPID: true"), "spec.hostPID", "not allowed", NULL, NULL },
		{ "hostnetwork", SPEC("hostIPC: true"), "spec.hostIPC", "not allowed", NULL, NULL },
		{ "hostaccess", SPEC("hostNetwork: true, hostPID: true, hostIPC: true"), OK, NULL, NULL },
		{ "hostmount-anyuid", SPEC("hostNetwork: true"), "spec.hostNetwork", "not allowed", NULL, NULL },
		/* RequirePodLevel */
		{ "restricted-v3", PLAIN, OK, "\"hostUsers\":false", NULL },
		{ "restricted-v3", SPEC("hostUsers: true"), "spec.hostUsers", "must be false", NULL, NULL },
		{ "nested-container", SPEC("hostUsers: true"), "spec.hostUsers", "must be false", NULL, NULL },
		{ "restricted-v2", SPEC("hostUsers: true"), OK, NULL, NULL },
		/* a host in a probe or hook reaches beyond the pod: closed here, not upstream */
		{ "restricted", CONTAINER("livenessProbe: {httpGet: {port: 1, host: h}}"), C0 ".livenessProbe", "a host other than the pod", NULL, NULL },
		{ "restricted", CONTAINER("readinessProbe: {tcpSocket: {port: 1, host: h}}"), C0 ".readinessProbe", "a host other than the pod", NULL, NULL },
		{ "restricted", CONTAINER("startupProbe: {httpGet: {port: 1, host: h}}"), C0 ".startupProbe", "a host other than the pod", NULL, NULL },
		{ "restricted", CONTAINER("lifecycle: {postStart: {httpGet: {port: 1, host: h}}}"), C0 ".lifecycle", "a host other than the pod", NULL, NULL },
		{ "restricted", CONTAINER("lifecycle: {preStop: {tcpSocket: {port: 1, host: h}}}"), C0 ".lifecycle", "a host other than the pod", NULL, NULL },
		{ "restricted", CONTAINER("livenessProbe: {httpGet: {port: 1}}, lifecycle: {preStop: {httpGet: {port: 1}}}"), OK, NULL, NULL },
		{ "hostnetwork", CONTAINER("livenessProbe: {httpGet: {port: 1, host: h}}"), OK, NULL, NULL },
	};

	(void)state;
	RUN(rows);
}

static void test_volumes(void **state)
{
	static const struct row rows[] = {
		{ "restricted", VOLUME("emptyDir: {}"), OK, NULL, NULL },
		{ "restricted", VOLUME("secret: {secretName: s}"), OK, NULL, NULL },
		{ "restricted", VOLUME("configMap: {name: c}"), OK, NULL, NULL },
		{ "restricted", VOLUME("persistentVolumeClaim: {claimName: c}"), OK, NULL, NULL },
		{ "restricted", VOLUME("csi: {driver: d}"), OK, NULL, NULL },
		{ "restricted", VOLUME("ephemeral: {}"), OK, NULL, NULL },
		{ "restricted", VOLUME("image: {reference: r}"), OK, NULL, NULL },
		{ "restricted", VOLUME("downwardAPI: {}"), OK, NULL, NULL },
		{ "restricted", VOLUME("hostPath: {path: /}"), "spec.volumes[0].hostPath", "hostPath volumes are not allowed", NULL, NULL },
		{ "restricted", VOLUME("hostPath: {}"), "spec.volumes[0].hostPath", "not allowed", NULL, NULL },
		{ "restricted", VOLUME("emptyDir: {}, hostPath: {path: /}"), "spec.volumes[0].hostPath", "not allowed", NULL, NULL },
		{ "restricted", VOLUME("nfs: {server: s}"), "spec.volumes[0].nfs", "not allowed", NULL, NULL },
		{ "restricted", VOLUME("gitRepo: {repository: r}"), "spec.volumes[0].gitRepo", "not allowed", NULL, NULL },
		{ "hostmount-anyuid", VOLUME("hostPath: {path: /}"), OK, NULL, NULL },
		{ "hostmount-anyuid", VOLUME("nfs: {server: s}"), OK, NULL, NULL },
		{ "hostaccess", VOLUME("hostPath: {path: /}"), OK, NULL, NULL },
		{ "hostaccess", VOLUME("nfs: {server: s}"), "spec.volumes[0].nfs", "not allowed", NULL, NULL },
		{ "privileged", VOLUME("flexVolume: {driver: d}"), OK, NULL, NULL },
	};

	(void)state;
	RUN(rows);
}

static void test_sysctls(void **state)
{
#define SYSCTL(name) P("sysctls: [{name: net.ipv4.tcp_syncookies, value: \"1\"}, {name: " name ", value: \"1\"}]")
	static const struct row rows[] = {
		{ "restricted", SYSCTL("kernel.shm_rmid_forced"), OK, NULL, NULL },
		{ "restricted", SYSCTL("kernel.core_pattern"), S ".sysctls[1].name", "unsafe sysctl \"kernel.core_pattern\"", NULL, NULL },
		{ "restricted", SYSCTL("net.core.somaxconn"), S ".sysctls[1].name", "unsafe sysctl", NULL, NULL },
		{ "privileged", SYSCTL("net.core.somaxconn"), OK, NULL, NULL },
	};

	(void)state;
	RUN(rows);
}

/* What upstream has no rule for. */
static void test_holes(void **state)
{
	static const struct row rows[] = {
		{ "restricted-v2", SC("procMount: Unmasked"), CS ".procMount", "must be Default", NULL, NULL },
		{ "anyuid", SC("procMount: Unmasked"), CS ".procMount", "must be Default", NULL, NULL },
		{ "nested-container", SC("procMount: Unmasked"), OK, NULL, NULL },
		{ "restricted-v2", SC("procMount: Default"), OK, NULL, NULL },
		{ "restricted-v2", SC("appArmorProfile: {type: Unconfined}"), CS ".appArmorProfile.type", "must not be Unconfined", NULL, NULL },
		{ "restricted-v2", P("appArmorProfile: {type: Unconfined}"), S ".appArmorProfile.type", "must not be Unconfined", NULL, NULL },
		{ "restricted-v2", SC("appArmorProfile: {type: RuntimeDefault}"), OK, NULL, NULL },
		{ "privileged", SC("appArmorProfile: {type: Unconfined}"), OK, NULL, NULL },
		/* left open, as upstream, and why is in scc_rules.h */
		{ "restricted-v2", P("runAsGroup: 0, supplementalGroupsPolicy: Merge"), OK, NULL, NULL },
	};

	(void)state;
	RUN(rows);
}
/* clang-format on */

/* Rules that none of the defaults has, on constraints of our own. */
static void test_other_rules(void **state)
{
	static const struct scc read_only = { .name = "ro",
		.read_only_root = true,
		.volumes = { "*" },
		.seccomp = { "*" },
		.allow = { "*" } };
	static const struct scc some_sysctls = { .name = "sys",
		.volumes = { "*" },
		.allow = { "*" },
		.unsafe_sysctls = { "net.core.*", "kernel.msgmax" } };
	static const struct scc no_volumes = { .name = "none", .allow = { "*" } };
	static const struct row rows[] = {
		{ "ro", PLAIN, OK, "\"readOnlyRootFilesystem\":true", NULL },
		{ "ro", SC("readOnlyRootFilesystem: false"), CS ".readOnlyRootFilesystem",
			"must be true", NULL, NULL },
		{ "sys", SYSCTL("net.core.somaxconn"), OK, NULL, NULL },
		{ "sys", SYSCTL("kernel.msgmax"), OK, NULL, NULL },
		{ "sys", SYSCTL("kernel.msgmaxx"), S ".sysctls[1].name", "unsafe", NULL, NULL },
		{ "sys", SYSCTL("net.cor"), S ".sysctls[1].name", "unsafe", NULL, NULL },
		{ "none", VOLUME("emptyDir: {}"), "spec.volumes[0].emptyDir", "not allowed", NULL,
			NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(rows[i].scc[0] == 'r'     ? &read_only
			: rows[i].scc[0] == 's' ? &some_sysctls
						: &no_volumes,
			&rows[i]);
}

/* What is set is also demanded, should the setting ever be forgotten. */
static void test_judge_alone(void **state)
{
	static const struct {
		const char *scc, *field, *part;
	} demands[] = {
		{ "restricted", S ".fsGroup", "must be set" },
		{ "restricted", S ".seLinuxOptions", "must be set" },
		{ "restricted", CS ".runAsUser", "must be set" },
		{ "restricted", CS ".capabilities.drop", "must have \"SETGID\"" },
		{ "restricted-v2", CS ".capabilities.drop", "must have \"ALL\"" },
		{ "restricted-v2", S ".seccompProfile", "must be set" },
		{ "restricted-v2", CS ".allowPrivilegeEscalation", "must be false" },
		{ "hostnetwork", S ".supplementalGroups", "must not be empty" },
		{ "nonroot", CS ".runAsNonRoot", "this or runAsUser must be set" },
	};
	K8sPod *pod = case_pod(PLAIN);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(demands); i++) {
		cleanup_violations struct violations list = { 0 };

		scc_rules_judge(scc_find(demands[i].scc), &red, pod, &list);
		case_expect(&list, PLAIN, demands[i].scc, ERR_DENIED, demands[i].field,
			demands[i].part);
	}
	k8s_pod_free(pod);
}

/* Init and ephemeral containers are defaulted and judged as all others are. */
static void test_all_containers(void **state)
{
	static const char bad[] = "securityContext: {privileged: true, runAsUser: 0}";
	static const char *const paths[] = { "spec.initContainers[0]", "spec.containers[0]",
		"spec.ephemeralContainers[0]" };
	cleanup_violations struct violations list = { 0 };
	cleanup_free char *yaml = NULL;
	K8sPod *pod;
	char field[128];

	(void)state;
	assert_true(asprintf(&yaml,
			    "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {"
			    "initContainers: [{name: a, image: i, %s}], "
			    "containers: [{name: b, image: i, %s}], "
			    "ephemeralContainers: [{name: c, image: i, %s}]}}",
			    bad, bad, bad) > 0);
	pod = case_pod(yaml);
	assert_int_equal(scc_rules_apply(scc_find("restricted-v2"), &red, pod, &err), 0);
	scc_rules_judge(scc_find("restricted-v2"), &red, pod, &list);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		snprintf(field, sizeof(field), "%s.securityContext.privileged", paths[i]);
		assert_non_null(case_find(&list, field, "not allowed"));
		snprintf(field, sizeof(field), "%s.securityContext.runAsUser", paths[i]);
		assert_non_null(case_find(&list, field, "not in the range"));
	}
	assert_int_equal(list.n, 2 * ARRAY_LEN(paths));
	assert_string_equal(
		pod->spec->ephemeralcontainers[0]
			->ephemeralcontainercommon->securitycontext->capabilities->drop[0],
		"ALL");
	k8s_pod_free(pod);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_selinux),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_seccomp),
		cmocka_unit_test(test_privilege),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_volumes),
		cmocka_unit_test(test_sysctls),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_other_rules),
		cmocka_unit_test(test_judge_alone),
		cmocka_unit_test(test_all_containers),
	};

	return cmocka_run_group_tests_name("scc_rules", tests, NULL, NULL);
}
