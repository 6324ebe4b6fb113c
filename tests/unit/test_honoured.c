/*
 * What this version honours: the table has a row for every field that a pod can hold, and says of
 * each value what the brief promises.
 */
#include "auth/pod_edit.h"
#include "auth/validate_honour.h"
#include "proto/schema.h"
#include "tests/unit/pod_cases.h"

#define NODE  "n1"
#define C0    "spec.containers[0]"
#define V0    "spec.volumes[0]"
#define S     "spec.securityContext"
#define CS    C0 ".securityContext"
#define UNHON "not honoured by this version"

static struct error err;

/* ---- every field of every message ---------------------------------------------------------- */

#define MESSAGES_MAX 256

struct seen {
	const ProtobufCMessageDescriptor *descs[MESSAGES_MAX];
	size_t n;
};

static bool is_seen(struct seen *seen, const ProtobufCMessageDescriptor *desc)
{
	for (size_t i = 0; i < seen->n; i++) {
		if (seen->descs[i] == desc)
			return true;
	}
	assert_true(seen->n < MESSAGES_MAX);
	seen->descs[seen->n++] = desc;
	return false;
}

static void walk_types(struct seen *seen, const ProtobufCMessageDescriptor *desc)
{
	if (is_seen(seen, desc))
		return;
	for (unsigned i = 0; i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &desc->fields[i];
		const ProtobufCMessageDescriptor *sub = NULL;

		if (pod_honour_of(desc, field->name) == HONOUR_UNKNOWN)
			fail_msg("%s.%s has no row in auth/validate_honour_table.c", desc->name,
				field->name);
		if (field->type == PROTOBUF_C_TYPE_MESSAGE)
			sub = schema_sub(field);
		if (sub && schema_is_map(desc, field))
			sub = sub->fields[1].type == PROTOBUF_C_TYPE_MESSAGE
				      ? schema_sub(&sub->fields[1])
				      : NULL;
		if (sub)
			walk_types(seen, sub);
	}
}

static void test_every_field(void **state)
{
	struct seen seen = { .n = 0 };

	(void)state;
	walk_types(&seen, K8S_POD_DESC);
	assert_true(seen.n > 100);
	/* And no row is for what a pod cannot hold. */
	for (size_t i = 0; i < honour_rows_len; i++) {
		const struct honour_row *row = &honour_rows[i];
		bool known = strcmp(row->field, "*") == 0 ||
			     protobuf_c_message_descriptor_get_field_by_name(row->desc, row->field);
		size_t before = seen.n;

		if (!known || !is_seen(&seen, row->desc) || seen.n != before)
			fail_msg("row %s.%s is for nothing", row->desc->name, row->field);
		assert_ptr_equal(honour_row_find(row->desc, row->field), row);
		assert_int_equal(row->honour == HONOUR_SOME,
			row->honour != HONOUR_REFUSED && row->check != NULL);
	}
}

static void test_unknown(void **state)
{
	(void)state;
	assert_int_equal(pod_honour_of(K8S_POD_SPEC_DESC, "priority"), HONOUR_REFUSED);
	assert_int_equal(pod_honour_of(K8S_POD_SPEC_DESC, "containers"), HONOUR_YES);
	assert_int_equal(pod_honour_of(K8S_POD_SPEC_DESC, "nodeName"), HONOUR_SOME);
	assert_int_equal(pod_honour_of(K8S_POD_SPEC_DESC, "fieldOfTheFuture"), HONOUR_UNKNOWN);
	assert_int_equal(pod_honour_of(K8S_SECRET_DESC, "data"), HONOUR_UNKNOWN);
}

/* ---- values -------------------------------------------------------------------------------- */

/* Without a field everything is honoured. */
struct row {
	const char *yaml;
	const char *field;
	const char *part;
};

static void expect(const K8sPod *pod, const struct row *row)
{
	cleanup_violations struct violations list = { 0 };

	assert_int_equal(pod_honoured(pod, NODE, &list, &err), 0);
	case_expect(&list, row->yaml, "honoured", ERR_UNSUPPORTED, row->field, row->part);
	if (row->field && list.n != 1) {
		case_print(&list);
		fail_msg("more than one objection: %s", row->yaml);
	}
}

static void run(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		K8sPod *pod = case_pod(rows[i].yaml);

		expect(pod, &rows[i]);
		k8s_pod_free(pod);
	}
}

#define RUN(rows) run(rows, ARRAY_LEN(rows))

#define A50 "a2345678901234567890123456789012345678901234567890"
#define A63 A50 "1234567890123"

/* clang-format off */
static void test_metadata(void **state)
{
	static const struct row rows[] = {
		{ META("name: p, labels: {a: b}, annotations: {c/d: e}"), NULL, NULL },
		{ META("name: a.b"), "metadata.name", "is also the host name" },
		{ META("name: " A63 "a"), NULL, NULL }, /* cut, as upstream */
		{ META("name: " A63 "a.b"), NULL, NULL },
		{ WITH_META("name: a.b", ONE ", hostname: h"), NULL, NULL },
		/* 63 + 154 + 36 + 2 are the 255 of a directory's name */
		{ WITH_META("name: " A50 "." A50 "." A50 ".a, namespace: " A63, ONE ", hostname: h"), NULL, NULL },
		{ WITH_META("name: " A50 "." A50 "." A50 ".ab, namespace: " A63, ONE ", hostname: h"), "metadata.name", "log directory" },
		{ META("name: p, generateName: q"), "metadata.generateName", "write a name" },
		{ META("name: p, selfLink: q"), "metadata.selfLink", "the node sets it" },
		{ META("name: p, uid: q"), "metadata.uid", "the node sets it" },
		{ META("name: p, resourceVersion: \"1\""), "metadata.resourceVersion", "the node sets it" },
		{ META("name: p, generation: 1"), "metadata.generation", "the node sets it" },
		{ META("name: p, creationTimestamp: 2026-01-01T00:00:00Z"), "metadata.creationTimestamp", "the node sets it" },
		{ META("name: p, creationTimestamp: null"), NULL, NULL },
		{ META("name: p, deletionTimestamp: 2026-01-01T00:00:00Z"), "metadata.deletionTimestamp", "the node sets it" },
		{ META("name: p, deletionGracePeriodSeconds: 1"), "metadata.deletionGracePeriodSeconds", "the node sets it" },
		{ META("name: p, ownerReferences: [{name: o}]"), "metadata.ownerReferences", UNHON "; remove it" },
		{ META("name: p, finalizers: [f]"), "metadata.finalizers", UNHON "; remove it" },
		{ META("name: p, annotations: {container.apparmor.security.beta.kubernetes.io/c: unconfined}"), "metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]", "AppArmor" },
		{ META("name: p, annotations: {bulkhead/time-namespace: private, bulkhead/selinux-level: pod, bulkhead/record-profile: \"true\"}"), NULL, NULL },
		{ META("name: p, annotations: {bulkhead/time-namespace: host}"), "metadata.annotations[bulkhead/time-namespace]", "must be 'private'" },
		{ META("name: p, annotations: {bulkhead/nosuch: x}"), "metadata.annotations[bulkhead/nosuch]", "not an annotation of this version" },
		{ META("name: p, annotations: {seccomp.security.alpha.kubernetes.io/pod: docker/default}"), NULL, NULL },
		{ META("name: p, annotations: {seccomp.security.alpha.kubernetes.io/pod: unconfined}"), "metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]", "set seccompProfile" },
		{ META("name: p, annotations: {container.seccomp.security.alpha.kubernetes.io/c: localhost/a}"), "metadata.annotations[container.seccomp.security.alpha.kubernetes.io/c]", "set seccompProfile" },
		{ WITH_META("name: p, annotations: {seccomp.security.alpha.kubernetes.io/pod: localhost/a}", ONE ", securityContext: {seccompProfile: {type: Localhost, localhostProfile: a}}"), NULL, NULL },
		{ WITH_META("name: p, annotations: {container.seccomp.security.alpha.kubernetes.io/c: unconfined}", "containers: [{name: c, image: i, securityContext: {seccompProfile: {type: Unconfined}}}]"), NULL, NULL },
		{ "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {" ONE "}, status: {}}", NULL, NULL },
		{ "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {" ONE "}, status: {phase: \"\", podIPs: []}}", NULL, NULL },
		{ "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {" ONE "}, status: {phase: Running}}", "status", "the node sets it" },
		{ "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {" ONE "}, status: {conditions: [{}]}}", "status", "the node sets it" },
	};

	(void)state;
	RUN(rows);
}

static void test_spec(void **state)
{
	static const struct row rows[] = {
		{ POD("initContainers: [{name: a, image: i}], containers: [{name: c, image: i}, {name: d, image: i}]"), NULL, NULL },
		{ SPEC("restartPolicy: Always"), NULL, NULL },
		{ SPEC("restartPolicy: OnFailure"), NULL, NULL },
		{ SPEC("restartPolicy: Never"), NULL, NULL },
		{ SPEC("terminationGracePeriodSeconds: 0"), NULL, NULL },
		{ SPEC("activeDeadlineSeconds: 5"), "spec.activeDeadlineSeconds", UNHON },
		{ SPEC("dnsPolicy: ClusterFirst"), NULL, NULL },
		{ SPEC("dnsPolicy: Default"), NULL, NULL },
		{ SPEC("dnsPolicy: None, dnsConfig: {nameservers: [10.0.0.1], searches: [a], options: [{name: ndots, value: \"1\"}]}"), NULL, NULL },
		{ SPEC("dnsPolicy: ClusterFirstWithHostNet"), NULL, NULL },
		{ SPEC("nodeSelector: {a: b}"), "spec.nodeSelector", "placement" },
		{ SPEC("serviceAccountName: robot"), NULL, NULL },
		{ SPEC("automountServiceAccountToken: false"), NULL, NULL },
		{ SPEC("automountServiceAccountToken: true"), NULL, NULL },
		{ SPEC("nodeName: n1"), NULL, NULL },
		{ SPEC("nodeName: n2"), "spec.nodeName", "\"n2\" is not this node, which is \"n1\"" },
		{ SPEC("hostNetwork: true, hostPID: true, hostIPC: true"), NULL, NULL },
		{ SPEC("hostNetwork: false, hostPID: false, hostIPC: false, shareProcessNamespace: false"), NULL, NULL },
		{ SPEC("shareProcessNamespace: true"), NULL, NULL },
		{ SPEC("imagePullSecrets: [{name: s}]"), "spec.imagePullSecrets", "imported, not pulled" },
		{ SPEC("hostname: h, hostAliases: [{ip: 10.0.0.1, hostnames: [a]}]"), NULL, NULL },
		{ SPEC("subdomain: s"), "spec.subdomain", UNHON },
		{ SPEC("affinity: {}"), "spec.affinity", "placement" },
		{ SPEC("schedulerName: default-scheduler"), NULL, NULL },
		{ SPEC("schedulerName: mine"), "spec.schedulerName", "placement" },
		{ SPEC("tolerations: [{key: a}]"), "spec.tolerations", "placement" },
		{ SPEC("tolerations: []"), NULL, NULL },
		{ SPEC("priorityClassName: high"), "spec.priorityClassName", "placement" },
		{ SPEC("priority: 0"), NULL, NULL },
		{ SPEC("priority: 1"), "spec.priority", "placement" },
		{ SPEC("readinessGates: [{conditionType: a}]"), "spec.readinessGates", UNHON },
		{ SPEC("runtimeClassName: kata"), "spec.runtimeClassName", UNHON },
		{ SPEC("enableServiceLinks: false"), NULL, NULL },
		{ SPEC("preemptionPolicy: PreemptLowerPriority"), NULL, NULL },
		{ SPEC("preemptionPolicy: Never"), "spec.preemptionPolicy", "placement" },
		{ SPEC("overhead: {cpu: 1}"), "spec.overhead", UNHON },
		{ SPEC("topologySpreadConstraints: [{maxSkew: 1}]"), "spec.topologySpreadConstraints", "placement" },
		{ SPEC("setHostnameAsFQDN: true"), "spec.setHostnameAsFQDN", UNHON },
		{ SPEC("os: {name: linux}"), NULL, NULL },
		{ SPEC("os: {name: windows}"), "spec.os.name", "which is linux" },
		{ SPEC("hostUsers: true"), NULL, NULL },
		{ SPEC("hostUsers: false"), NULL, NULL },
		{ SPEC("schedulingGates: [{name: a}]"), "spec.schedulingGates", "placement" },
		{ SPEC("resourceClaims: [{name: a}]"), "spec.resourceClaims", UNHON },
		{ SPEC("resources: {}"), "spec.resources", "of the containers" },
		{ SPEC("hostnameOverride: h"), "spec.hostnameOverride", "use hostname" },
		{ SPEC("workloadRef: {name: w}"), "spec.workloadRef", "placement" },
		{ SPEC("ephemeralContainers: [{name: d, image: i}]"), "spec.ephemeralContainers", UNHON },
	};

	(void)state;
	RUN(rows);
}

static void test_container(void **state)
{
#define ENV(from) CONTAINER("env: [{name: A, valueFrom: {" from "}}]")
	static const struct row rows[] = {
		{ CONTAINER("command: [a], args: [b], workingDir: /w, stdin: true, tty: true"), NULL, NULL },
		{ CONTAINER("stdinOnce: true"), C0 ".stdinOnce", UNHON },
		{ CONTAINER("stdinOnce: false"), NULL, NULL },
		{ CONTAINER("ports: [{containerPort: 80, name: a, protocol: UDP}]"), NULL, NULL },
		{ CONTAINER("ports: [{containerPort: 80, hostPort: 80}]"), C0 ".ports[0].hostPort", "with hostNetwork only" },
		{ WITH_META("name: p", "hostNetwork: true, containers: [{name: c, image: i, ports: [{containerPort: 80, hostPort: 80}]}]"), NULL, NULL },
		{ CONTAINER("ports: [{containerPort: 80, hostPort: 0}]"), NULL, NULL },
		{ CONTAINER("ports: [{containerPort: 80, hostIP: 10.0.0.1}]"), C0 ".ports[0].hostIP", UNHON },
		{ CONTAINER("env: [{name: A, value: b}]"), NULL, NULL },
		{ ENV("fieldRef: {fieldPath: status.podIP}"), NULL, NULL },
		{ ENV("resourceFieldRef: {resource: limits.cpu, divisor: 1m, containerName: c}"), NULL, NULL },
		{ ENV("resourceFieldRef: {resource: limits.ephemeral-storage}"), C0 ".env[0].valueFrom.resourceFieldRef.resource", "cpu and memory" },
		{ ENV("secretKeyRef: {name: s, key: k}"), C0 ".env[0].valueFrom.secretKeyRef", "mount it as a volume; an environment variable would pass through the agent" },
		{ ENV("configMapKeyRef: {name: s, key: k}"), C0 ".env[0].valueFrom.configMapKeyRef", "mount it as a volume" },
		{ ENV("fileKeyRef: {volumeName: v, path: p, key: k}"), C0 ".env[0].valueFrom.fileKeyRef", UNHON },
		{ CONTAINER("envFrom: [{secretRef: {name: s}}]"), C0 ".envFrom", "mount it as a volume" },
		{ CONTAINER("resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 1m}}"), NULL, NULL },
		{ CONTAINER("resources: {requests: {example.com/gpu: 2}}"), C0 ".resources.requests[example.com/gpu]", "limits cpu, memory, ephemeral-storage and hugepages-SIZE" },
		{ CONTAINER("resources: {limits: {cpu: 1, hugepages-2Mi: 2Mi}, requests: {hugepages-2Mi: 2Mi}}"), NULL, NULL },
		{ CONTAINER("resources: {limits: {ephemeral-storage: 1Gi}, requests: {ephemeral-storage: 1Gi}}"), NULL, NULL },
		{ CONTAINER("resources: {limits: {ephemeral-storage: 0}}"), NULL, NULL },
		{ CONTAINER("resources: {limits: {ephemeral-storage: 1Mi}}"), NULL, NULL },
		{ CONTAINER("resources: {limits: {ephemeral-storage: 1048575}}"), C0 ".resources.limits[ephemeral-storage]", "1Mi to 8Ti" },
		{ CONTAINER("resources: {limits: {ephemeral-storage: 9Ti}}"), C0 ".resources.limits[ephemeral-storage]", "1Mi to 8Ti" },
		{ WITH_META("name: p", "containers: [{name: a, image: i, resources: {limits: {ephemeral-storage: 1Gi}}}, {name: b, image: i}]"), C0 ".resources.limits[ephemeral-storage]", "for each or for none" },
		{ CONTAINER("resources: {claims: [{name: a}]}"), C0 ".resources.claims", UNHON },
		{ CONTAINER("resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}]"), C0 ".resizePolicy", UNHON },
		{ CONTAINER("restartPolicyRules: [{action: Restart}]"), C0 ".restartPolicyRules", UNHON },
		{ CONTAINER("restartPolicy: Never"), C0 ".restartPolicy", "the pod's restartPolicy" },
		{ POD("initContainers: [{name: a, image: i, restartPolicy: Always}], containers: [{name: c, image: i}]"), "spec.initContainers[0].restartPolicy", "sidecars" },
		{ CONTAINER("volumeDevices: [{name: v, devicePath: /d}]"), C0 ".volumeDevices", UNHON },
		{ CONTAINER("livenessProbe: {exec: {command: [a]}, initialDelaySeconds: 1, periodSeconds: 2, timeoutSeconds: 3, failureThreshold: 4}"), NULL, NULL },
		{ CONTAINER("readinessProbe: {exec: {command: [a]}, initialDelaySeconds: 1, periodSeconds: 2, timeoutSeconds: 3, failureThreshold: 4}"), NULL, NULL },
		{ CONTAINER("startupProbe: {exec: {command: [a]}, initialDelaySeconds: 1, periodSeconds: 2, timeoutSeconds: 3, failureThreshold: 4}"), NULL, NULL },
		{ CONTAINER("livenessProbe: {tcpSocket: {port: 80}, terminationGracePeriodSeconds: 3}"), NULL, NULL },
		{ CONTAINER("livenessProbe: {httpGet: {port: 80, path: /a%20b, host: localhost, httpHeaders: [{name: A, value: b}]}}"), NULL, NULL },
		{ CONTAINER("livenessProbe: {httpGet: {port: 80, host: 10.0.0.9}}"), C0 ".livenessProbe.httpGet.host", "the pod itself" },
		{ CONTAINER("livenessProbe: {httpGet: {port: 80, host: 127.0.0.2}}"), C0 ".livenessProbe.httpGet.host", "the pod itself" },
		{ CONTAINER("readinessProbe: {tcpSocket: {port: 80, host: vault.blue}}"), C0 ".readinessProbe.tcpSocket.host", "the pod itself" },
		{ CONTAINER("livenessProbe: {httpGet: {port: 80, scheme: HTTPS}}"), C0 ".livenessProbe.httpGet.scheme", "must be HTTP" },
		{ CONTAINER("livenessProbe: {httpGet: {port: 80, path: \"/a b\"}}"), C0 ".livenessProbe.httpGet.path", "%XX" },
		{ CONTAINER("livenessProbe: {grpc: {port: 80}}"), C0 ".livenessProbe.grpc", "use tcpSocket or exec" },
		{ CONTAINER("lifecycle: {preStop: {sleep: {seconds: 1}}}"), C0 ".lifecycle", "hooks" },
		{ CONTAINER("terminationMessagePath: /dev/termination-log, terminationMessagePolicy: File"), NULL, NULL },
		{ CONTAINER("terminationMessagePath: /log"), C0 ".terminationMessagePath", "termination message" },
		{ CONTAINER("terminationMessagePolicy: FallbackToLogsOnError"), C0 ".terminationMessagePolicy", "termination message" },
		{ CONTAINER("imagePullPolicy: Always"), NULL, NULL },
		{ CONTAINER("imagePullPolicy: Never"), NULL, NULL },
	};

	(void)state;
	RUN(rows);
}

static void test_security(void **state)
{
#define P(fields)  SPEC("securityContext: {" fields "}")
#define SC(fields) CONTAINER("securityContext: {" fields "}")
#define SYSCTL(name, value) P("sysctls: [{name: " name ", value: \"" value "\"}]")
	static const struct row rows[] = {
		{ P("runAsUser: 5, runAsGroup: 0, runAsNonRoot: true, fsGroup: 1000000000, fsGroupChangePolicy: Always, supplementalGroups: [65535], supplementalGroupsPolicy: Strict"), NULL, NULL },
		{ P("fsGroupChangePolicy: OnRootMismatch, supplementalGroupsPolicy: Merge"), NULL, NULL },
		{ P("seLinuxOptions: {user: a, role: b, type: c, level: s0}, seccompProfile: {type: Localhost, localhostProfile: a}"), NULL, NULL },
		{ P("runAsUser: 65536"), S ".runAsUser", "65536 is not in the pod's user namespace" },
		{ P("runAsUser: 999999999"), S ".runAsUser", "user namespace" },
		{ P("runAsUser: 1999999999"), NULL, NULL },
		{ P("runAsUser: 2000000000"), S ".runAsUser", "user namespace" },
		{ P("runAsGroup: 65536"), S ".runAsGroup", "user namespace" },
		{ P("fsGroup: 65536"), S ".fsGroup", "user namespace" },
		{ P("supplementalGroups: [1, 65536]"), S ".supplementalGroups[1]", "user namespace" },
		{ SPEC("hostUsers: true, securityContext: {runAsUser: 65536}"), NULL, NULL },
		{ P("windowsOptions: {}"), S ".windowsOptions", UNHON },
		{ P("appArmorProfile: {type: RuntimeDefault}"), S ".appArmorProfile", "SELinux and seccomp" },
		{ P("seLinuxChangePolicy: Recursive"), S ".seLinuxChangePolicy", UNHON },
		{ SYSCTL("net.ipv4.tcp_rmem", "4096 87380 16777216"), NULL, NULL },
		{ SYSCTL("kernel.shm_rmid_forced", "1"), NULL, NULL },
		{ SYSCTL("net.ipv4.tcp_notsent_lowat", "1"), S ".sysctls[0].name", UNHON },
		{ SYSCTL("kernel.core_pattern", "1"), S ".sysctls[0].name", UNHON },
		{ SYSCTL("net.ipv4.tcp_syncookies", "one"), S ".sysctls[0].value", "digits" },
		{ SC("runAsUser: 5, runAsGroup: 5, runAsNonRoot: true, readOnlyRootFilesystem: true, allowPrivilegeEscalation: true, procMount: Default, seccompProfile: {type: Unconfined}, seLinuxOptions: {type: t}"), NULL, NULL },
		{ SC("runAsUser: 65536"), CS ".runAsUser", "user namespace" },
		{ SC("runAsGroup: 65536"), CS ".runAsGroup", "user namespace" },
		{ SC("capabilities: {add: [NET_BIND_SERVICE, ALL], drop: [ALL, SYSLOG]}"), NULL, NULL },
		{ SC("capabilities: {add: [NET_RAW, CAP_NET_ADMIN]}"), CS ".capabilities.add[1]", "\"CAP_NET_ADMIN\" is no capability of Linux; write it in capitals without CAP_" },
		{ SC("capabilities: {drop: [all]}"), CS ".capabilities.drop[0]", "in capitals" },
		{ SC("privileged: true"), NULL, NULL },
		{ SC("privileged: false"), NULL, NULL },
		{ SC("procMount: Unmasked"), NULL, NULL },
		{ SC("windowsOptions: {}"), CS ".windowsOptions", UNHON },
		{ SC("appArmorProfile: {type: RuntimeDefault}"), CS ".appArmorProfile", "SELinux and seccomp" },
		{ SC("ulimits: [{name: nofile}]"), CS ".ulimits", UNHON },
	};

	(void)state;
	RUN(rows);
}

static void test_volumes(void **state)
{
#define PROJECTED(sources) VOLUME("projected: {defaultMode: 0400, sources: [" sources "]}")
#define MOUNT(more)        MOUNTED("{name: v, mountPath: /m, " more "}")
#define AT_PATH(path)      MOUNTED("{name: v, mountPath: " path "}")
#define M0                 C0 ".volumeMounts[0]"
	static const struct row rows[] = {
		{ VOLUME("emptyDir: {}"), NULL, NULL },
		{ VOLUME("emptyDir: {medium: \"\"}"), NULL, NULL },
		{ VOLUME("emptyDir: {medium: Memory, sizeLimit: 64Mi}"), NULL, NULL },
		{ VOLUME("emptyDir: {sizeLimit: 64Mi}"), NULL, NULL },
		{ VOLUME("emptyDir: {sizeLimit: 1}"), V0 ".emptyDir.sizeLimit", "1Mi to 8Ti" },
		{ VOLUME("emptyDir: {medium: HugePages}"), V0 ".emptyDir.medium", "use Memory" },
		{ VOLUME("secret: {secretName: s, defaultMode: 0400, optional: true, items: [{key: k, path: p, mode: 0400}]}"), NULL, NULL },
		{ VOLUME("downwardAPI: {defaultMode: 0400, items: [{path: p, mode: 0400, fieldRef: {fieldPath: metadata.name}}]}"), NULL, NULL },
		{ VOLUME("downwardAPI: {items: [{path: p, resourceFieldRef: {containerName: c, resource: limits.cpu}}]}"), NULL, NULL },
		{ PROJECTED("{secret: {name: s, optional: true, items: [{key: k, path: p}]}}, {downwardAPI: {items: [{path: q, fieldRef: {fieldPath: metadata.uid}}]}}"), NULL, NULL },
		{ PROJECTED("{serviceAccountToken: {path: t, audience: a, expirationSeconds: 600}}, {configMap: {name: kube-root-ca.crt, optional: true, items: [{key: ca.crt, path: ca}]}}"), NULL, NULL },
		{ PROJECTED("{configMap: {name: kube-root-ca.crt}}"), NULL, NULL },
		{ PROJECTED("{secret: {name: s}}, {configMap: {name: other}}"), V0 ".projected.sources[1].configMap", "other than kube-root-ca.crt" },
		{ PROJECTED("{configMap: {name: kube-root-ca.crt, items: [{key: x, path: ca}]}}"), V0 ".projected.sources[0].configMap", "only key" },
		{ PROJECTED("{clusterTrustBundle: {path: p}}"), V0 ".projected.sources[0].clusterTrustBundle", UNHON },
		{ PROJECTED("{podCertificate: {signerName: s}}"), V0 ".projected.sources[0].podCertificate", UNHON },
		{ VOLUME("hostPath: {path: /}"), V0 ".hostPath", "use an emptyDir, secret, projected or downwardAPI volume" },
		{ VOLUME("hostPath: {}"), V0 ".hostPath", UNHON },
		{ VOLUME("configMap: {name: c}"), V0 ".configMap", UNHON },
		{ VOLUME("persistentVolumeClaim: {claimName: c}"), V0 ".persistentVolumeClaim", UNHON },
		{ VOLUME("csi: {driver: d}"), V0 ".csi", UNHON },
		{ VOLUME("ephemeral: {}"), V0 ".ephemeral", UNHON },
		{ VOLUME("image: {reference: r}"), V0 ".image", UNHON },
		{ VOLUME("nfs: {server: s}"), V0 ".nfs", UNHON },
		{ MOUNT("readOnly: true"), NULL, NULL },
		{ MOUNT("subPath: a"), M0 ".subPath", UNHON },
		{ MOUNT("subPathExpr: a"), M0 ".subPathExpr", UNHON },
		{ MOUNT("mountPropagation: None, recursiveReadOnly: Disabled"), NULL, NULL },
		{ MOUNT("mountPropagation: Bidirectional"), M0 ".mountPropagation", "use None" },
		{ MOUNT("recursiveReadOnly: Enabled"), M0 ".recursiveReadOnly", "use Disabled" },
		{ AT_PATH("/"), M0 ".mountPath", "made by Bulkhead" },
		{ AT_PATH("/dev"), M0 ".mountPath", "made by Bulkhead" },
		{ AT_PATH("/dev/pts"), M0 ".mountPath", "made by Bulkhead" },
		{ AT_PATH("/dev/shm"), NULL, NULL },
		{ AT_PATH("/proc"), M0 ".mountPath", "/proc or /sys" },
		{ AT_PATH("/proc/sys/net"), M0 ".mountPath", "/proc or /sys" },
		{ AT_PATH("/sys/fs/cgroup"), M0 ".mountPath", "/proc or /sys" },
		{ AT_PATH("//dev/./pts/"), M0 ".mountPath", "made by Bulkhead" },
		{ AT_PATH("/./proc/"), M0 ".mountPath", "/proc or /sys" },
		{ AT_PATH("/process"), NULL, NULL },
	};

	(void)state;
	RUN(rows);
}
/* clang-format on */

/* A limit is its own request by default, so both are named. */
static void test_limits(void **state)
{
	cleanup_violations struct violations list = { 0 };
	K8sPod *pod = case_pod(CONTAINER("resources: {limits: {example.com/gpu: 2}}"));

	(void)state;
	assert_int_equal(pod_honoured(pod, NODE, &list, &err), 0);
	assert_int_equal(list.n, 2);
	assert_non_null(case_find(&list, C0 ".resources.limits[example.com/gpu]", UNHON));
	assert_non_null(case_find(&list, C0 ".resources.requests[example.com/gpu]", UNHON));
	k8s_pod_free(pod);
}

/* Every source but four is refused, as empty as it may be. */
static void test_every_source(void **state)
{
	const ProtobufCMessageDescriptor *desc = K8S_VOLUME_SOURCE_DESC;
	static const char *const honoured[] = { "emptyDir", "secret", "projected", "downwardAPI" };
	size_t refused = 0;

	(void)state;
	for (unsigned i = 0; i < desc->n_fields; i++) {
		cleanup_violations struct violations list = { 0 };
		K8sPod *pod = case_pod(VOLUME("emptyDir: {}"));
		K8sVolumeSource *s = pod->spec->volumes[0]->volumesource;
		char field[128];
		bool yes = false;

		for (size_t k = 0; k < ARRAY_LEN(honoured); k++)
			yes |= strcmp(honoured[k], desc->fields[i].name) == 0;
		assert_int_equal(edit_message((char *)s + desc->fields[i].offset,
					 schema_sub(&desc->fields[i]), &err),
			0);
		assert_int_equal(pod_honoured(pod, NODE, &list, &err), 0);
		snprintf(field, sizeof(field), V0 ".%s", desc->fields[i].name);
		if (!yes)
			assert_non_null(case_find(&list, field, UNHON));
		assert_int_equal(list.n, !yes);
		refused += !yes;
		k8s_pod_free(pod);
	}
	assert_int_equal(refused, desc->n_fields - ARRAY_LEN(honoured));
}

/* Descriptors of all tmpfs that secretd fills travel in one message. */
static void test_secret_volumes(void **state)
{
	static const struct row over = { "30 secret volumes", "spec.volumes",
		"30 secret, projected and downwardAPI volumes are too many" };
	static const struct row at = { "29 secret volumes", NULL, NULL };
	K8sPod *pod = case_pod(POD(ONE)); /* its token's volume is the first of them */

	(void)state;
	for (size_t n = 1; n <= HONOURED_SECRET_VOLUMES_MAX; n++) {
		K8sVolume *v;

		expect(pod, &at);
		v = edit_append(&pod->spec->volumes, &pod->spec->n_volumes, K8S_VOLUME_DESC, &err);
		assert_non_null(v);
		assert_int_equal(edit_message(&v->volumesource, K8S_VOLUME_SOURCE_DESC, &err), 0);
		assert_int_equal(
			edit_message(&v->volumesource->secret,
				&k8s__io__api__core__v1__secret_volume_source__descriptor, &err),
			0);
	}
	expect(pod, &over);
	k8s_pod_free(pod);
}

/* ---- SELinux is off -------------------------------------------------------------------------- */

static void test_without_selinux(void **state)
{
	static const struct {
		const char *pod, *init, *own;
		const char *field; /* NULL: nothing is asked for */
	} rows[] = {
		{ "", "", "", NULL },
		{ "seLinuxOptions: {}", "", "seLinuxOptions: {level: ''}", NULL },
		{ "runAsUser: 5", "", "runAsUser: 6", NULL },
		{ "seLinuxOptions: {level: 's0:c1,c0'}", "", "", S ".seLinuxOptions.level" },
		{ "", "", "seLinuxOptions: {type: spc_t}", CS ".seLinuxOptions.type" },
		{ "", "", "seLinuxOptions: {user: u}", CS ".seLinuxOptions.user" },
		{ "", "seLinuxOptions: {role: r}", "",
			"spec.initContainers[0].securityContext.seLinuxOptions.role" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		cleanup_violations struct violations found = { 0 };
		cleanup_free char *text = NULL;
		K8sPod *pod;

		assert_true(
			asprintf(&text,
				POD("securityContext: {%s}, "
				    "initContainers: [{name: i, image: x, securityContext: {%s}}], "
				    "containers: [{name: c, image: x, securityContext: {%s}}]"),
				rows[i].pod, rows[i].init, rows[i].own) > 0);
		pod = case_pod(text);
		assert_int_equal(pod_honoured_without_selinux(pod, &found, &err), 0);
		k8s_pod_free(pod);
		assert_int_equal(found.n, rows[i].field ? 1 : 0);
		if (!rows[i].field)
			continue;
		assert_int_equal(found.items[0].code, ERR_UNSUPPORTED);
		assert_string_equal(found.items[0].field, rows[i].field);
		assert_non_null(strstr(found.items[0].reason, "SELinux is off on this node"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_field),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_spec),
		cmocka_unit_test(test_container),
		cmocka_unit_test(test_security),
		cmocka_unit_test(test_volumes),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_every_source),
		cmocka_unit_test(test_secret_volumes),
		cmocka_unit_test(test_without_selinux),
	};

	return cmocka_run_group_tests_name("honoured", tests, NULL, NULL);
}
