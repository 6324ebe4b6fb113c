#include "auth/validate.h"
#include "tests/unit/pod_cases.h"

/* Without a field the pod is valid. */
struct row {
	const char *yaml;
	const char *field;
	const char *part;
};

#define C0  "spec.containers[0]"
#define V0  "spec.volumes[0]"
#define S   "spec.securityContext"
#define CS  C0 ".securityContext"
#define A63 "a23456789012345678901234567890123456789012345678901234567890123"
#define A64 A63 "4"

static void run(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		cleanup_violations struct violations list = { 0 };
		struct error err = { 0 };
		K8sPod *pod = case_pod(rows[i].yaml);

		assert_int_equal(pod_validate(pod, &list, &err), 0);
		case_expect(
			&list, rows[i].yaml, "validate", ERR_INVALID, rows[i].field, rows[i].part);
		k8s_pod_free(pod);
	}
}

#define RUN(rows) run(rows, ARRAY_LEN(rows))

/* clang-format off */
static void test_metadata(void **state)
{
	static const struct row rows[] = {
		{ META("name: p"), NULL, NULL },
		{ META("name: a.b-c.9"), NULL, NULL },
		{ META("labels: {}"), "metadata.name", "must be given" },
		{ META("name: Bad_Name"), "metadata.name", "\"Bad_Name\" must be at most 253" },
		{ META("name: ../escape"), "metadata.name", "a-z" },
		{ META("name: -a"), "metadata.name", "both ends" },
		{ META("name: a..b"), "metadata.name", "both ends" },
		{ META("name: " A64), NULL, NULL }, /* upstream limits the whole, not its parts */
		{ META("name: p, namespace: a.b"), "metadata.namespace", "1 to 63" },
		{ META("name: p, namespace: " A63), NULL, NULL },
		{ META("name: p, namespace: " A64), "metadata.namespace", "1 to 63" },
		{ META("name: p, labels: {app: web, a.b/c: \"\", A_b.C: x}"), NULL, NULL },
		{ META("name: p, labels: {" A63 ": " A63 "}"), NULL, NULL },
		{ META("name: p, labels: {-a: b}"), "metadata.labels[-a]", "letter or digit" },
		{ META("name: p, labels: {a/b/c: b}"), "metadata.labels[a/b/c]", "at most 63" },
		{ META("name: p, labels: {/c: b}"), "metadata.labels[/c]", "DNS name" },
		{ META("name: p, labels: {X.y/c: b}"), "metadata.labels[X.y/c]", "DNS name" },
		{ META("name: p, labels: {" A64 ": b}"), "metadata.labels[" A64 "]", "at most 63" },
		{ META("name: p, labels: {a: b c}"), "metadata.labels[a]", "\"b c\" must be at most 63" },
		{ META("name: p, labels: {a: " A64 "}"), "metadata.labels[a]", "at most 63" },
		{ META("name: p, labels: {a: \"b\\n\"}"), "metadata.labels[a].value", "control characters" },
		{ META("name: p, annotations: {X.y/c: \"any\\ntext\\t\\x1b[0m\"}"), NULL, NULL },
		{ META("name: p, annotations: {\"a b\": c}"), "metadata.annotations[a b]", "at most 63" },
	};

	(void)state;
	RUN(rows);
}

static void test_spec(void **state)
{
	static const struct row rows[] = {
		{ POD(""), "spec.containers", "at least one" },
		{ SPEC("restartPolicy: Never"), NULL, NULL },
		{ SPEC("restartPolicy: never"), "spec.restartPolicy", "one of Always, OnFailure, Never" },
		{ SPEC("terminationGracePeriodSeconds: 0"), NULL, NULL },
		{ SPEC("terminationGracePeriodSeconds: 86400"), NULL, NULL },
		{ SPEC("terminationGracePeriodSeconds: -1"), "spec.terminationGracePeriodSeconds", "0 to 86400" },
		{ SPEC("terminationGracePeriodSeconds: 86401"), "spec.terminationGracePeriodSeconds", "0 to 86400" },
		{ SPEC("activeDeadlineSeconds: 1"), NULL, NULL },
		{ SPEC("activeDeadlineSeconds: 0"), "spec.activeDeadlineSeconds", "1 to 2147483647" },
		{ SPEC("activeDeadlineSeconds: 2147483648"), "spec.activeDeadlineSeconds", "1 to 2147483647" },
		{ SPEC("serviceAccountName: a.b"), NULL, NULL },
		{ SPEC("serviceAccountName: A"), "spec.serviceAccountName", "253" },
		{ SPEC("serviceAccountName: a, serviceAccount: b"), "spec.serviceAccount", "same as serviceAccountName" },
		{ SPEC("nodeName: n_1"), "spec.nodeName", "253" },
		{ SPEC("os: {name: linux}"), NULL, NULL },
		{ SPEC("os: {}"), "spec.os.name", "must be given" },
		{ SPEC("os: {name: plan9}"), "spec.os.name", "one of linux, windows" },
		{ SPEC("preemptionPolicy: Often"), "spec.preemptionPolicy", "one of" },
		{ SPEC("hostNetwork: true"), NULL, NULL },
		{ SPEC("hostUsers: false, hostNetwork: true"), "spec.hostNetwork", "when hostUsers is false" },
		{ SPEC("hostUsers: false, hostPID: true"), "spec.hostPID", "when hostUsers is false" },
		{ SPEC("hostUsers: false, hostIPC: true"), "spec.hostIPC", "when hostUsers is false" },
		{ SPEC("hostPID: true, shareProcessNamespace: true"), "spec.shareProcessNamespace", "hostPID" },
		{ SPEC("ephemeralContainers: [{name: d, image: i}]"), "spec.ephemeralContainers", "when a pod is created" },
		{ SPEC("resources: {limits: {cpu: -1}}"), "spec.resources.limits[cpu]", "negative" },
	};

	(void)state;
	RUN(rows);
}

static void test_network(void **state)
{
	static const struct row rows[] = {
		{ SPEC("hostname: web, subdomain: x"), NULL, NULL },
		{ SPEC("hostname: a.b"), "spec.hostname", "1 to 63" },
		{ SPEC("hostname: \"a\\nb\""), "spec.hostname", "control characters" },
		{ SPEC("subdomain: A"), "spec.subdomain", "1 to 63" },
		{ SPEC("dnsPolicy: Default"), NULL, NULL },
		{ SPEC("dnsPolicy: First"), "spec.dnsPolicy", "one of" },
		{ SPEC("dnsPolicy: None"), "spec.dnsConfig.nameservers", "at least one" },
		{ SPEC("dnsPolicy: None, dnsConfig: {nameservers: [10.0.0.1, \"::1\"]}"), NULL, NULL },
		{ SPEC("dnsConfig: {nameservers: [10.0.0]}"), "spec.dnsConfig.nameservers[0]", "IPv4 or IPv6" },
		{ SPEC("dnsConfig: {nameservers: [\"10.0.0.1\\nnameserver 1.1.1.1\"]}"), "spec.dnsConfig.nameservers[0]", "control characters" },
		{ SPEC("dnsConfig: {nameservers: [10.0.0.1, 10.0.0.2, 10.0.0.3]}"), NULL, NULL },
		{ SPEC("dnsConfig: {nameservers: [10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4]}"), "spec.dnsConfig.nameservers", "at most 3" },
		{ SPEC("dnsConfig: {searches: [., _tcp.example.com, example.com.]}"), NULL, NULL },
		{ SPEC("dnsConfig: {searches: [\"a b\"]}"), "spec.dnsConfig.searches[0]", "DNS domain" },
		{ SPEC("dnsConfig: {searches: [\"\"]}"), "spec.dnsConfig.searches[0]", "must be given" },
		{ SPEC("dnsConfig: {options: [{name: ndots, value: \"2\"}, {name: edns0}]}"), NULL, NULL },
		{ SPEC("dnsConfig: {options: [{value: \"2\"}]}"), "spec.dnsConfig.options[0].name", "must be given" },
		{ SPEC("dnsConfig: {options: [{name: \"a b\"}]}"), "spec.dnsConfig.options[0].name", "without spaces" },
		{ SPEC("dnsConfig: {options: [{name: a, value: \"b\\nnameserver 1.1.1.1\"}]}"), "spec.dnsConfig.options[0].value", "control characters" },
		{ SPEC("dnsConfig: {options: [{name: a, value: \"b c\"}]}"), "spec.dnsConfig.options[0].value", "without spaces" },
		{ SPEC("hostAliases: [{ip: 10.0.0.1, hostnames: [a, b.c]}]"), NULL, NULL },
		{ SPEC("hostAliases: [{hostnames: [a]}]"), "spec.hostAliases[0].ip", "must be given" },
		{ SPEC("hostAliases: [{ip: 10.0.0.256, hostnames: [a]}]"), "spec.hostAliases[0].ip", "IPv4 or IPv6" },
		{ SPEC("hostAliases: [{ip: 10.0.0.1, hostnames: [a, B]}]"), "spec.hostAliases[0].hostnames[1]", "at most 253" },
	};

	(void)state;
	RUN(rows);
}

static void test_container(void **state)
{
	static const struct row rows[] = {
		{ POD("containers: [{image: i}]"), C0 ".name", "must be given" },
		{ POD("containers: [{name: a.b, image: i}]"), C0 ".name", "1 to 63" },
		{ POD("containers: [{name: a}]"), C0 ".image", "must be given" },
		{ POD("containers: [{name: a, image: \" i\"}]"), C0 ".image", "spaces" },
		{ POD("containers: [{name: a, image: i}, {name: a, image: i}]"), "spec.containers[1].name", "another container's" },
		{ POD("initContainers: [{name: a, image: i}], containers: [{name: a, image: i}]"), C0 ".name", "another container's" },
		{ POD("containers: [{name: a, image: i}], ephemeralContainers: [{name: a, image: i}]"), "spec.ephemeralContainers[0].name", "another container's" },
		{ POD("initContainers: [{name: a}], containers: [{name: b, image: i}]"), "spec.initContainers[0].image", "must be given" },
		{ CONTAINER("imagePullPolicy: Sometimes"), C0 ".imagePullPolicy", "one of Always, IfNotPresent, Never" },
		{ CONTAINER("workingDir: /srv"), NULL, NULL },
		{ CONTAINER("workingDir: /"), NULL, NULL },
		{ CONTAINER("workingDir: srv"), C0 ".workingDir", "absolute" },
		{ CONTAINER("workingDir: /srv/../etc"), C0 ".workingDir", "'..'" },
		{ CONTAINER("terminationMessagePath: log"), C0 ".terminationMessagePath", "absolute" },
		{ CONTAINER("terminationMessagePolicy: Log"), C0 ".terminationMessagePolicy", "one of" },
		{ CONTAINER("restartPolicy: Sometimes"), C0 ".restartPolicy", "one of" },
		{ CONTAINER("command: [sh, -c, \"a\\nb\\tc\"], args: [\"\", \"x\\ny\"]"), NULL, NULL },
		{ CONTAINER("command: [\"\"]"), C0 ".command[0]", "must not be empty" },
		{ POD("initContainers: [{name: a, image: i, lifecycle: {}}], containers: [{name: b, image: i}]"), "spec.initContainers[0].lifecycle", "init container" },
		{ POD("initContainers: [{name: a, image: i, readinessProbe: {exec: {command: [a]}}}], containers: [{name: b, image: i}]"), "spec.initContainers[0].readinessProbe", "init container" },
		{ POD("initContainers: [{name: a, image: i, restartPolicy: Always, readinessProbe: {exec: {command: [a]}}}], containers: [{name: b, image: i}]"), NULL, NULL },
	};

	(void)state;
	RUN(rows);
}

static void test_ports(void **state)
{
#define PORTS(list) CONTAINER("ports: [" list "]")
	static const struct row rows[] = {
		{ PORTS("{containerPort: 1}, {containerPort: 65535, name: http-2, protocol: UDP}"), NULL, NULL },
		{ PORTS("{containerPort: 80}, {containerPort: 80}"), NULL, NULL },
		{ PORTS("{name: a}"), C0 ".ports[0].containerPort", "must be given" },
		{ PORTS("{containerPort: 0}"), C0 ".ports[0].containerPort", "1 to 65535" },
		{ PORTS("{containerPort: 65536}"), C0 ".ports[0].containerPort", "1 to 65535" },
		{ PORTS("{containerPort: 80, hostPort: 65536}"), C0 ".ports[0].hostPort", "0 to 65535" },
		{ PORTS("{containerPort: 80, hostPort: -1}"), C0 ".ports[0].hostPort", "0 to 65535" },
		{ PORTS("{containerPort: 80, protocol: tcp}"), C0 ".ports[0].protocol", "one of TCP, UDP, SCTP" },
		{ PORTS("{containerPort: 80, hostIP: x}"), C0 ".ports[0].hostIP", "IPv4" },
		{ PORTS("{containerPort: 80, name: a23456789012345}"), NULL, NULL },
		{ PORTS("{containerPort: 80, name: a234567890123456}"), C0 ".ports[0].name", "1 to 15" },
		{ PORTS("{containerPort: 80, name: \"80\"}"), C0 ".ports[0].name", "at least one letter" },
		{ PORTS("{containerPort: 80, name: a--b}"), C0 ".ports[0].name", "twice in a row" },
		{ PORTS("{containerPort: 80, name: -a}"), C0 ".ports[0].name", "either end" },
		{ PORTS("{containerPort: 80, name: a}, {containerPort: 81, name: a}"), C0 ".ports[1].name", "that of ports[0]" },
		{ PORTS("{containerPort: 80, hostPort: 8}, {containerPort: 81, hostPort: 8}"), C0 ".ports[1].hostPort", "that of ports[0]" },
		{ PORTS("{containerPort: 80, hostPort: 8}, {containerPort: 81, hostPort: 8, protocol: UDP}"), NULL, NULL },
		{ POD("hostNetwork: true, containers: [{name: c, image: i, ports: [{containerPort: 80}]}]"), NULL, NULL },
		{ POD("hostNetwork: true, containers: [{name: c, image: i, ports: [{containerPort: 80, hostPort: 81}]}]"), C0 ".ports[0].hostPort", "equal containerPort" },
	};

	(void)state;
	RUN(rows);
}

static void test_env(void **state)
{
#define ENV(list)   CONTAINER("env: [" list "]")
#define FIELD(path) ENV("{name: A, valueFrom: {fieldRef: {fieldPath: \"" path "\"}}}")
#define RES(fields) ENV("{name: A, valueFrom: {resourceFieldRef: {" fields "}}}")
	static const struct row rows[] = {
		{ ENV("{name: A, value: \"x\\ny\"}, {name: a.b-c d, value: \"\"}, {name: A}"), NULL, NULL },
		{ ENV("{value: x}"), C0 ".env[0].name", "must be given" },
		{ ENV("{name: A=B}"), C0 ".env[0].name", "without '='" },
		{ ENV("{name: \"\u00e9\"}"), C0 ".env[0].name", "printable ASCII" },
		{ ENV("{name: \"A\\nB\"}"), C0 ".env[0].name", "control characters" },
		{ ENV("{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}"), C0 ".env[0].valueFrom", "beside value" },
		{ ENV("{name: A, valueFrom: {}}"), C0 ".env[0].valueFrom", "must have one of" },
		{ ENV("{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}, resourceFieldRef: {resource: limits.cpu}}}"), C0 ".env[0].valueFrom", "only one of" },
		{ FIELD("metadata.name"), NULL, NULL },
		{ FIELD("metadata.namespace"), NULL, NULL },
		{ FIELD("metadata.uid"), NULL, NULL },
		{ FIELD("metadata.labels['a.b/c']"), NULL, NULL },
		{ FIELD("metadata.annotations['X.y/c']"), NULL, NULL },
		{ FIELD("spec.nodeName"), NULL, NULL },
		{ FIELD("spec.serviceAccountName"), NULL, NULL },
		{ FIELD("status.hostIP"), NULL, NULL },
		{ FIELD("status.hostIPs"), NULL, NULL },
		{ FIELD("status.podIP"), NULL, NULL },
		{ FIELD("status.podIPs"), NULL, NULL },
		{ FIELD(""), C0 ".env[0].valueFrom.fieldRef.fieldPath", "must be given" },
		{ FIELD("metadata.labels"), C0 ".env[0].valueFrom.fieldRef.fieldPath", "one of" },
		{ FIELD("metadata.labels['']"), C0 ".env[0].valueFrom.fieldRef.fieldPath", "one of" },
		{ FIELD("metadata.labels['a b']"), C0 ".env[0].valueFrom.fieldRef.fieldPath", "one of" },
		{ FIELD("metadata.name['a']"), C0 ".env[0].valueFrom.fieldRef.fieldPath", "one of" },
		{ FIELD("metadata.labels[']"), C0 ".env[0].valueFrom.fieldRef.fieldPath", "one of" },
		{ FIELD("spec.containers"), C0 ".env[0].valueFrom.fieldRef.fieldPath", "one of" },
		{ ENV("{name: A, valueFrom: {fieldRef: {apiVersion: v2, fieldPath: metadata.name}}}"), C0 ".env[0].valueFrom.fieldRef.apiVersion", "one of v1" },
		{ RES("resource: limits.cpu, divisor: 1m"), NULL, NULL },
		{ RES("resource: requests.memory, divisor: 1Mi, containerName: c"), NULL, NULL },
		{ RES("containerName: c"), C0 ".env[0].valueFrom.resourceFieldRef.resource", "must be given" },
		{ RES("resource: limits.disk"), C0 ".env[0].valueFrom.resourceFieldRef.resource", "one of" },
		{ RES("resource: limits.cpu, containerName: d"), C0 ".env[0].valueFrom.resourceFieldRef.containerName", "container of this pod" },
		{ RES("resource: limits.cpu, divisor: 1Mi"), C0 ".env[0].valueFrom.resourceFieldRef.divisor", "one of 0, 1m, 1" },
		{ RES("resource: limits.memory, divisor: 1m"), C0 ".env[0].valueFrom.resourceFieldRef.divisor", "one of" },
		{ ENV("{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}"), NULL, NULL },
		{ ENV("{name: A, valueFrom: {secretKeyRef: {name: s, key: ..k}}}"), C0 ".env[0].valueFrom.secretKeyRef.key", "'..'" },
		{ ENV("{name: A, valueFrom: {configMapKeyRef: {name: s}}}"), C0 ".env[0].valueFrom.configMapKeyRef.key", "must be given" },
		{ CONTAINER("envFrom: [{prefix: a=, secretRef: {name: s}}]"), C0 ".envFrom[0].prefix", "'='" },
		{ CONTAINER("envFrom: [{prefix: a}]"), C0 ".envFrom[0]", "one of" },
		{ CONTAINER("envFrom: [{configMapRef: {name: a}, secretRef: {name: b}}]"), C0 ".envFrom[0]", "one of" },
	};

	(void)state;
	RUN(rows);
}

static void test_mounts(void **state)
{
#define M0 C0 ".volumeMounts[0]"
	static const struct row rows[] = {
		{ MOUNTED("{name: v, mountPath: /a/b}, {name: v, mountPath: /c, readOnly: true}"), NULL, NULL },
		{ MOUNTED("{mountPath: /a}"), M0 ".name", "must be given" },
		{ MOUNTED("{name: x, mountPath: /a}"), M0 ".name", "\"x\" must be the name of a volume" },
		{ MOUNTED("{name: v}"), M0 ".mountPath", "must be given" },
		{ MOUNTED("{name: v, mountPath: a}"), M0 ".mountPath", "absolute" },
		{ MOUNTED("{name: v, mountPath: /a/}, {name: v, mountPath: /b//c}, {name: v, mountPath: /b/./d}"), NULL, NULL },
		{ MOUNTED("{name: v, mountPath: /a/../b}"), M0 ".mountPath", "absolute" },
		{ MOUNTED("{name: v, mountPath: \"/a:b\"}"), M0 ".mountPath", "':'" },
		{ MOUNTED("{name: v, mountPath: \"/a\\nb\"}"), M0 ".mountPath", "control characters" },
		{ MOUNTED("{name: v, mountPath: /a}, {name: w, mountPath: /a}"), C0 ".volumeMounts[1].mountPath", "another mount's" },
		{ MOUNTED("{name: v, mountPath: /a/b}, {name: w, mountPath: //a/./b/}"), C0 ".volumeMounts[1].mountPath", "another mount's" },
		{ MOUNTED("{name: v, mountPath: /a/..}"), M0 ".mountPath", "'..'" },
		{ MOUNTED("{name: v, mountPath: /..}"), M0 ".mountPath", "'..'" },
		{ MOUNTED("{name: v, mountPath: /a, subPath: ../b}"), M0 ".subPath", "relative" },
		{ MOUNTED("{name: v, mountPath: /a, subPath: /b}"), M0 ".subPath", "relative" },
		{ MOUNTED("{name: v, mountPath: /a, subPathExpr: a/../b}"), M0 ".subPathExpr", "relative" },
		{ MOUNTED("{name: v, mountPath: /a, subPath: b, subPathExpr: b}"), M0 ".subPathExpr", "beside subPath" },
		{ MOUNTED("{name: v, mountPath: /a, mountPropagation: All}"), M0 ".mountPropagation", "one of" },
		{ MOUNTED("{name: v, mountPath: /a, recursiveReadOnly: Maybe}"), M0 ".recursiveReadOnly", "one of" },
	};

	(void)state;
	RUN(rows);
}

static void test_volumes(void **state)
{
	static const struct row rows[] = {
		{ VOLUME("emptyDir: {medium: Memory, sizeLimit: 64Mi}"), NULL, NULL },
		{ SPEC("volumes: [{emptyDir: {}}]"), V0 ".name", "must be given" },
		{ SPEC("volumes: [{name: A, emptyDir: {}}]"), V0 ".name", "1 to 63" },
		{ SPEC("volumes: [{name: a}]"), NULL, NULL },
		{ SPEC("volumes: [{name: a, emptyDir: {}}, {name: a, emptyDir: {}}]"), "spec.volumes[1].name", "another volume's" },
		{ VOLUME("emptyDir: {}, hostPath: {path: /a}"), V0, "only one of the volume sources, such as emptyDir; it has hostPath, emptyDir" },
		{ VOLUME("emptyDir: {medium: Disk}"), V0 ".emptyDir.medium", "Memory" },
		{ VOLUME("emptyDir: {sizeLimit: -1}"), V0 ".emptyDir.sizeLimit", "negative" },
		{ VOLUME("emptyDir: {sizeLimit: 100E}"), V0 ".emptyDir.sizeLimit", "too large" },
		{ VOLUME("hostPath: {}"), V0 ".hostPath.path", "must be given" },
		{ VOLUME("hostPath: {path: /a/../b}"), V0 ".hostPath.path", "absolute" },
		{ VOLUME("persistentVolumeClaim: {}"), V0 ".persistentVolumeClaim.claimName", "must be given" },
		{ VOLUME("configMap: {}"), V0 ".configMap.name", "must be given" },
		{ VOLUME("configMap: {name: a, items: [{key: k}]}"), V0 ".configMap.items[0].path", "must be given" },
		{ VOLUME("secret: {secretName: s, defaultMode: 0777, items: [{key: k, path: a/b, mode: 0400}]}"), NULL, NULL },
		{ VOLUME("secret: {}"), V0 ".secret.secretName", "must be given" },
		{ VOLUME("secret: {secretName: S}"), V0 ".secret.secretName", "253" },
		{ VOLUME("secret: {secretName: s, defaultMode: 01000}"), V0 ".secret.defaultMode", "0000 to 0777" },
		{ VOLUME("secret: {secretName: s, defaultMode: -1}"), V0 ".secret.defaultMode", "0000 to 0777" },
		{ VOLUME("secret: {secretName: s, items: [{path: a}]}"), V0 ".secret.items[0].key", "must be given" },
		{ VOLUME("secret: {secretName: s, items: [{key: a/b, path: a}]}"), V0 ".secret.items[0].key", "253" },
		{ VOLUME("secret: {secretName: s, items: [{key: k, path: /a}]}"), V0 ".secret.items[0].path", "relative" },
		{ VOLUME("secret: {secretName: s, items: [{key: k, path: a/../../b}]}"), V0 ".secret.items[0].path", "'..'" },
		{ VOLUME("secret: {secretName: s, items: [{key: k, path: ..data}]}"), V0 ".secret.items[0].path", "start with '..'" },
		{ VOLUME("secret: {secretName: s, items: [{key: k, path: a, mode: 01777}]}"), V0 ".secret.items[0].mode", "0777" },
		{ VOLUME("secret: {secretName: s, items: [{key: k, path: a}, {key: l, path: a}]}"), V0 ".secret.items[1].path", "in the way" },
		{ VOLUME("secret: {secretName: s, items: [{key: k, path: a/b}, {key: l, path: a}]}"), V0 ".secret.items[1].path", "in the way" },
		{ VOLUME("secret: {secretName: s, items: [{key: k, path: a}, {key: l, path: ab}]}"), NULL, NULL },
		{ VOLUME("downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}]}"), NULL, NULL },
		{ VOLUME("downwardAPI: {items: [{path: l, resourceFieldRef: {containerName: c, resource: limits.cpu}}]}"), NULL, NULL },
		{ VOLUME("downwardAPI: {items: [{path: l}]}"), V0 ".downwardAPI.items[0]", "one of" },
		{ VOLUME("downwardAPI: {items: [{path: l, fieldRef: {fieldPath: status.podIP}}]}"), V0 ".downwardAPI.items[0].fieldRef.fieldPath", "one of" },
		{ VOLUME("downwardAPI: {items: [{path: l, resourceFieldRef: {resource: limits.cpu}}]}"), V0 ".downwardAPI.items[0].resourceFieldRef.containerName", "must be given" },
		{ VOLUME("downwardAPI: {items: [{path: ../l, fieldRef: {fieldPath: metadata.name}}]}"), V0 ".downwardAPI.items[0].path", "relative" },
		{ VOLUME("projected: {sources: [{secret: {name: s}}, {serviceAccountToken: {path: t, expirationSeconds: 600}}]}"), NULL, NULL },
		{ VOLUME("downwardAPI: {items: [{path: l, mode: 01000, fieldRef: {fieldPath: metadata.name}}]}"), V0 ".downwardAPI.items[0].mode", "0777" },
		{ VOLUME("downwardAPI: {defaultMode: 01000}"), V0 ".downwardAPI.defaultMode", "0777" },
		{ VOLUME("configMap: {name: c, defaultMode: 01000}"), V0 ".configMap.defaultMode", "0777" },
		{ VOLUME("projected: {sources: [{configMap: {name: c, items: [{key: k, path: ../a}]}}]}"), V0 ".projected.sources[0].configMap.items[0].path", "relative" },
		{ VOLUME("projected: {sources: [{downwardAPI: {items: [{path: ../a, fieldRef: {fieldPath: metadata.name}}]}}]}"), V0 ".projected.sources[0].downwardAPI.items[0].path", "relative" },
		{ VOLUME("projected: {}"), V0 ".projected.sources", "at least one" },
		{ VOLUME("projected: {defaultMode: 01000, sources: [{secret: {name: s}}]}"), V0 ".projected.defaultMode", "0777" },
		{ VOLUME("projected: {sources: [{}]}"), V0 ".projected.sources[0]", "must have one of" },
		{ VOLUME("projected: {sources: [{secret: {name: s}, configMap: {name: c}}]}"), V0 ".projected.sources[0]", "only one of" },
		{ VOLUME("projected: {sources: [{secret: {}}]}"), V0 ".projected.sources[0].secret.name", "must be given" },
		{ VOLUME("projected: {sources: [{configMap: {name: X}}]}"), V0 ".projected.sources[0].configMap.name", "253" },
		{ VOLUME("projected: {sources: [{serviceAccountToken: {path: t, expirationSeconds: 599}}]}"), V0 ".projected.sources[0].serviceAccountToken.expirationSeconds", "600 to 4294967296" },
		{ VOLUME("projected: {sources: [{serviceAccountToken: {path: t, expirationSeconds: 4294967297}}]}"), V0 ".projected.sources[0].serviceAccountToken.expirationSeconds", "600 to" },
		{ VOLUME("projected: {sources: [{serviceAccountToken: {expirationSeconds: 600}}]}"), V0 ".projected.sources[0].serviceAccountToken.path", "must be given" },
		{ VOLUME("projected: {sources: [{serviceAccountToken: {path: a}}, {secret: {name: s, items: [{key: k, path: a}]}}]}"), V0 ".projected.sources[1].secret.items[0].path", "in the way" },
	};

	(void)state;
	RUN(rows);
}

static void test_resources(void **state)
{
#define R(fields) CONTAINER("resources: {" fields "}")
#define R0 C0 ".resources"
	static const struct row rows[] = {
		{ R("limits: {cpu: 500m, memory: 1Gi}, requests: {cpu: 0.5, memory: 64Mi}"), NULL, NULL },
		{ R("requests: {cpu: 2}"), NULL, NULL },
		{ R("limits: {cpu: -1m}"), R0 ".limits[cpu]", "negative" },
		{ R("limits: {memory: 100E}"), R0 ".limits[memory]", "too large" },
		{ R("requests: {cpu: -1}"), R0 ".requests[cpu]", "negative" },
		{ R("requests: {gpu: 1}"), R0 ".requests[gpu]", "must be cpu, memory" },
		{ R("limits: {gpu: 1}"), R0 ".limits[gpu]", "must be cpu, memory" },
		{ R("requests: {cpu: 501m}, limits: {cpu: 500m}"), R0 ".requests[cpu]", "more than the limit" },
		{ R("requests: {memory: 2Gi}, limits: {memory: 1Gi}"), R0 ".requests[memory]", "more than the limit" },
		{ R("limits: {example.com/gpu: 1}"), NULL, NULL },
		{ R("requests: {example.com/gpu: 1}"), R0 ".requests[example.com/gpu]", "must have a limit" },
		{ R("requests: {example.com/gpu: 1}, limits: {example.com/gpu: 2}"), R0 ".requests[example.com/gpu]", "equal the limit" },
		{ R("limits: {kubernetes.io/x: 1}"), R0 ".limits[kubernetes.io/x]", "must be cpu" },
		{ R("limits: {cpu: 1, hugepages-2Mi: 0}"), R0 ".limits[hugepages-2Mi]", "a multiple of the page size, and not 0" },
		{ R("limits: {cpu: 1, hugepages-2Mi: 3Mi}"), R0 ".limits[hugepages-2Mi]", "a multiple of the page size" },
		{ R("limits: {cpu: 1, hugepages-x: 3Mi}"), R0 ".limits[hugepages-x]", "named for a page size" },
		{ R("limits: {hugepages-2Mi: 4Mi}"), R0 ".limits[hugepages-2Mi]", "needs cpu or memory beside it" },
		{ R("limits: {hugepages-2Mi: 4Mi}, requests: {memory: 1Mi, hugepages-2Mi: 4Mi}"), NULL, NULL },
		{ R("limits: {cpu: 1, hugepages-2Mi: 4Mi}, requests: {hugepages-2Mi: 2Mi}"), R0 ".requests[hugepages-2Mi]", "must equal the limit" },
	};

	(void)state;
	RUN(rows);
}

static void test_pod_security(void **state)
{
#define P(fields) SPEC("securityContext: {" fields "}")
#define SYSCTL(name, value) P("sysctls: [{name: \"" name "\", value: \"" value "\"}]")
	static const struct row rows[] = {
		{ P("runAsUser: 0, runAsGroup: 2147483647, fsGroup: 1, supplementalGroups: [0, 5]"), NULL, NULL },
		{ P("runAsUser: -1"), S ".runAsUser", "0 to 2147483647" },
		{ P("runAsUser: 2147483648"), S ".runAsUser", "0 to 2147483647" },
		{ P("runAsGroup: 2147483648"), S ".runAsGroup", "0 to 2147483647" },
		{ P("fsGroup: -1"), S ".fsGroup", "0 to 2147483647" },
		{ P("supplementalGroups: [1, -1]"), S ".supplementalGroups[1]", "0 to 2147483647" },
		{ P("runAsNonRoot: true, runAsUser: 0"), CS ".runAsUser", "runAsNonRoot is true" },
		{ P("fsGroupChangePolicy: Sometimes"), S ".fsGroupChangePolicy", "one of Always, OnRootMismatch" },
		{ P("supplementalGroupsPolicy: All"), S ".supplementalGroupsPolicy", "one of Merge, Strict" },
		{ P("seLinuxChangePolicy: All"), S ".seLinuxChangePolicy", "one of" },
		{ P("seLinuxOptions: {user: system_u, role: system_r, type: container_t, level: \"s0:c1,c0\"}"), NULL, NULL },
		{ P("seLinuxOptions: {user: \"a b\"}"), S ".seLinuxOptions.user", "A-Z" },
		{ P("seLinuxOptions: {type: \"a:b\"}"), S ".seLinuxOptions.type", "A-Z" },
		{ P("seLinuxOptions: {level: \"s0-s15:c0.c1023,c5\"}"), NULL, NULL },
		{ P("seLinuxOptions: {level: x}"), S ".seLinuxOptions.level", "level such as" },
		{ P("seLinuxOptions: {level: s}"), S ".seLinuxOptions.level", "level such as" },
		{ P("seLinuxOptions: {level: \"s0,c1,c0\"}"), S ".seLinuxOptions.level", "level such as" },
		{ P("seLinuxOptions: {level: \"s0:c1,,c0\"}"), S ".seLinuxOptions.level", "level such as" },
		{ P("seLinuxOptions: {level: \"s0:c1.\"}"), S ".seLinuxOptions.level", "level such as" },
		{ P("seLinuxOptions: {level: \"s0-\"}"), S ".seLinuxOptions.level", "level such as" },
		{ P("seccompProfile: {type: RuntimeDefault}"), NULL, NULL },
		{ P("seccompProfile: {type: Localhost, localhostProfile: a/b.json}"), NULL, NULL },
		{ P("seccompProfile: {}"), S ".seccompProfile.type", "must be given" },
		{ P("seccompProfile: {type: Strict}"), S ".seccompProfile.type", "one of" },
		{ P("seccompProfile: {type: Localhost}"), S ".seccompProfile.localhostProfile", "must be given" },
		{ P("seccompProfile: {type: Localhost, localhostProfile: ../a}"), S ".seccompProfile.localhostProfile", "'..'" },
		{ P("seccompProfile: {type: Localhost, localhostProfile: /a}"), S ".seccompProfile.localhostProfile", "relative" },
		{ P("seccompProfile: {type: Unconfined, localhostProfile: a}"), S ".seccompProfile.localhostProfile", "unless type is Localhost" },
		{ P("appArmorProfile: {type: Localhost}"), S ".appArmorProfile.localhostProfile", "must be given" },
		{ SYSCTL("net.ipv4.tcp_rmem", "4096 87380 16777216"), NULL, NULL },
		{ SYSCTL("net/ipv4/conf.eth0/forwarding", "1"), NULL, NULL },
		{ SYSCTL("", "1"), S ".sysctls[0].name", "must be given" },
		{ SYSCTL("kernel.shm_rmid_forced", ""), S ".sysctls[0].value", "must be given" },
		{ SYSCTL("kernel..x", "1"), S ".sysctls[0].name", "joined by '.'" },
		{ SYSCTL("kernel.x=1+kernel.core_pattern", "1"), S ".sysctls[0].name", "joined by '.'" },
		{ SYSCTL("a.b.", "1"), S ".sysctls[0].name", "joined by '.'" },
		{ SYSCTL("../x", "1"), S ".sysctls[0].name", "joined by '.'" },
		{ SYSCTL("kernel.shm_rmid_forced", "1+kernel.core_pattern=|/evil"), S ".sysctls[0].value", "'+' and '='" },
		{ SYSCTL("kernel.shm_rmid_forced", "1\\nx"), S ".sysctls[0].value", "control characters" },
		{ P("sysctls: [{name: a.b, value: \"1\"}, {name: a/b, value: \"2\"}]"), S ".sysctls[1].name", "that of sysctls[0]" },
		{ SPEC("hostNetwork: true, securityContext: {sysctls: [{name: net.core.x, value: \"1\"}]}"), S ".sysctls[0].name", "hostNetwork" },
		{ SPEC("hostIPC: true, securityContext: {sysctls: [{name: kernel.shmmax, value: \"1\"}]}"), S ".sysctls[0].name", "hostIPC" },
		{ SPEC("hostIPC: true, securityContext: {sysctls: [{name: net.core.x, value: \"1\"}]}"), NULL, NULL },
	};

	(void)state;
	RUN(rows);
}

static void test_container_security(void **state)
{
#define SC(fields) CONTAINER("securityContext: {" fields "}")
	static const struct row rows[] = {
		{ SC("runAsUser: 5, runAsGroup: 5, runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: {add: [NET_RAW], drop: [ALL]}"), NULL, NULL },
		{ SC("runAsUser: -1"), CS ".runAsUser", "0 to 2147483647" },
		{ SC("runAsGroup: -1"), CS ".runAsGroup", "0 to 2147483647" },
		{ SC("runAsUser: 0, runAsNonRoot: true"), CS ".runAsUser", "runAsNonRoot is true" },
		{ SC("runAsUser: 0, runAsNonRoot: false"), NULL, NULL },
		{ SC("privileged: true, allowPrivilegeEscalation: false"), CS ".allowPrivilegeEscalation", "privileged is true" },
		{ SC("privileged: true"), NULL, NULL },
		{ SC("allowPrivilegeEscalation: false, capabilities: {add: [CAP_SYS_ADMIN]}"), CS ".allowPrivilegeEscalation", "SYS_ADMIN" },
		{ SC("allowPrivilegeEscalation: false, capabilities: {add: [SYS_ADMIN]}"), CS ".allowPrivilegeEscalation", "SYS_ADMIN" },
		{ SC("procMount: Unmasked"), NULL, NULL },
		{ SC("procMount: Some"), CS ".procMount", "one of Default, Unmasked" },
		{ POD("hostUsers: true, containers: [{name: c, image: i, securityContext: {procMount: Unmasked}}]"), CS ".procMount", "hostUsers is false" },
		{ SC("seccompProfile: {type: Localhost, localhostProfile: a//b}"), CS ".seccompProfile.localhostProfile", "relative" },
		{ SC("seLinuxOptions: {role: \"a b\"}"), CS ".seLinuxOptions.role", "A-Z" },
	};

	(void)state;
	RUN(rows);
}

static void test_hooks(void **state)
{
#define L(probe) CONTAINER("livenessProbe: {" probe "}")
	static const struct row rows[] = {
		{ L("httpGet: {port: http, path: /x, httpHeaders: [{name: X-A, value: b}]}"), NULL, NULL },
		{ L("tcpSocket: {port: 8080}, terminationGracePeriodSeconds: 1"), NULL, NULL },
		{ L("grpc: {port: 9090}"), NULL, NULL },
		{ L("exec: {command: [\"a\\nb\"]}"), NULL, NULL },
		{ L("periodSeconds: 5"), C0 ".livenessProbe", "exactly one of" },
		{ L("exec: {command: [a]}, tcpSocket: {port: 1}"), C0 ".livenessProbe", "exactly one of" },
		{ L("exec: {}"), C0 ".livenessProbe.exec.command", "must be given" },
		{ L("httpGet: {path: /}"), C0 ".livenessProbe.httpGet.port", "must be given" },
		{ L("httpGet: {port: 65536}"), C0 ".livenessProbe.httpGet.port", "1 to 65535" },
		{ L("httpGet: {port: \"a b\"}"), C0 ".livenessProbe.httpGet.port", "1 to 15" },
		{ L("httpGet: {port: 1, scheme: FTP}"), C0 ".livenessProbe.httpGet.scheme", "one of HTTP, HTTPS" },
		{ L("httpGet: {port: 1, httpHeaders: [{name: \"a:b\", value: c}]}"), C0 ".livenessProbe.httpGet.httpHeaders[0].name", "HTTP header" },
		{ L("httpGet: {port: 1, httpHeaders: [{name: a, value: \"c\\r\\nd: e\"}]}"), C0 ".livenessProbe.httpGet.httpHeaders[0].value", "control characters" },
		{ L("tcpSocket: {port: 0}"), C0 ".livenessProbe.tcpSocket.port", "1 to 65535" },
		{ L("grpc: {}"), C0 ".livenessProbe.grpc.port", "1 to 65535" },
		{ L("exec: {command: [a]}, initialDelaySeconds: -1"), C0 ".livenessProbe.initialDelaySeconds", "0 to" },
		{ L("exec: {command: [a]}, timeoutSeconds: -1"), C0 ".livenessProbe.timeoutSeconds", "1 to" },
		{ L("exec: {command: [a]}, periodSeconds: -1"), C0 ".livenessProbe.periodSeconds", "1 to" },
		{ L("exec: {command: [a]}, failureThreshold: -1"), C0 ".livenessProbe.failureThreshold", "1 to" },
		{ L("exec: {command: [a]}, successThreshold: 2"), C0 ".livenessProbe.successThreshold", "1 to 1" },
		{ CONTAINER("readinessProbe: {exec: {command: [a]}, successThreshold: 2}"), NULL, NULL },
		{ CONTAINER("readinessProbe: {exec: {command: [a]}, terminationGracePeriodSeconds: 5}"), C0 ".readinessProbe.terminationGracePeriodSeconds", "readiness" },
		{ CONTAINER("startupProbe: {exec: {command: [a]}, terminationGracePeriodSeconds: 0}"), C0 ".startupProbe.terminationGracePeriodSeconds", "1 to" },
		{ CONTAINER("lifecycle: {preStop: {sleep: {seconds: 5}}, postStart: {exec: {command: [a]}}}"), NULL, NULL },
		{ CONTAINER("lifecycle: {preStop: {}}"), C0 ".lifecycle.preStop", "exactly one of" },
		{ CONTAINER("lifecycle: {preStop: {sleep: {seconds: -1}}}"), C0 ".lifecycle.preStop.sleep.seconds", "0 to" },
		{ CONTAINER("lifecycle: {postStart: {httpGet: {port: 0}}}"), C0 ".lifecycle.postStart.httpGet.port", "1 to 65535" },
	};

	(void)state;
	RUN(rows);
}
/* clang-format on */

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_spec),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_container),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_env),
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_volumes),
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_pod_security),
		cmocka_unit_test(test_container_security),
		cmocka_unit_test(test_hooks),
	};

	return cmocka_run_group_tests_name("validate", tests, NULL, NULL);
}
