/*
 * Any manifest through defaults, validation, admission and what is honoured. Whatever comes out as
 * good must keep the promises of restricted-v2 or -v3, and the plans made of it must satisfy the
 * shim's own checks: what the shim cannot carry out has been refused by name before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/defaults.h"
#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "auth/scc_rules.h"
#include "auth/validate.h"
#include "auth/validate_place.h"
#include "nodeagent/agent/plan.h"
#include "nodeagent/shim/plan_check.h"
#include "nodeagent/shim/sandbox.h"
#include "proto/decode.h"

#define NODE    "n1"
#define POD_UID "0b0c5e0a-3c0e-4b0e-8b62-1f0c6f7a0001"
#define TEXT(s) ((char *)(uintptr_t)(s))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct project_facts red = {
	.name = "red",
	.uids = { 1000010000, 10000 },
	.mcs = "s0:c3,c2",
};

#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct packed {
	uint8_t *bytes;
	size_t size;
};

static struct packed pack(const K8sPod *pod)
{
	struct packed p = { .size = protobuf_c_message_get_packed_size(&pod->base) };

	p.bytes = malloc(p.size + 1);
	must(p.bytes && protobuf_c_message_pack(&pod->base, p.bytes) == p.size);
	return p;
}

static void must_be(const K8sPod *pod, struct packed *before)
{
	struct packed now = pack(pod);

	must(now.size == before->size && memcmp(now.bytes, before->bytes, now.size) == 0);
	free(now.bytes);
	free(before->bytes);
}

/* Objections are for people: one line each, without control characters. */
static void check_objections(const struct violations *list, const char *check, enum error_code code)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct violation *v = &list->items[i];

		must(v->code == code && strcmp(v->check, check) == 0);
		must(strlen(v->field) < PLACE_SIZE && v->reason[0]);
		for (const char *p = v->reason; *p; p++)
			must((unsigned char)*p >= ' ' && *p != 0x7f);
		for (const char *p = v->field; *p; p++)
			must((unsigned char)*p >= ' ' && *p != 0x7f);
	}
}

/* ---- what admission promises --------------------------------------------------------------- */

static bool drops_all(const K8sSecurityContext *s)
{
	for (size_t i = 0; s->capabilities && i < s->capabilities->n_drop; i++) {
		if (strcmp(s->capabilities->drop[i], "ALL") == 0)
			return true;
	}
	return false;
}

static void check_container(
	const struct scc *scc, const K8sPodSpec *spec, const K8sSecurityContext *s)
{
	struct scc_ids ids = scc_user_ids(scc, &red);
	bool own = s && s->has_runasuser;
	int64_t uid = own ? s->runasuser : spec->securitycontext->runasuser;

	must(s && !s->privileged);
	must(s->has_allowprivilegeescalation && !s->allowprivilegeescalation);
	must(own || spec->securitycontext->has_runasuser);
	must(uid >= ids.min && uid <= ids.max);
	must(drops_all(s));
	for (size_t i = 0; s->capabilities && i < s->capabilities->n_add; i++)
		must(strcmp(s->capabilities->add[i], "NET_BIND_SERVICE") == 0);
	must(!s->seccompprofile || strcmp(s->seccompprofile->type, "RuntimeDefault") == 0);
	must(!s->procmount || strcmp(s->procmount, "Unmasked") != 0);
}

static void check_admitted(const struct scc *scc, const K8sPod *pod)
{
	const K8sPodSpec *spec = pod->spec;
	struct view_walk walk = { .pod = pod };
	struct view_container c;

	must(strncmp(scc->name, "restricted-v", 12) == 0);
	must(strcmp(view_annotation(pod, SCC_ANNOTATION), scc->name) == 0);
	must(!spec->hostnetwork && !spec->hostpid && !spec->hostipc);
	must(spec->securitycontext->selinuxoptions);
	while (view_next(&walk, &c)) {
		check_container(scc, spec, *c.security);
		for (size_t i = 0; i < c.ports_len; i++)
			must(c.ports[i]->hostport == 0);
	}
	for (size_t i = 0; i < spec->n_volumes; i++)
		must(!spec->volumes[i]->volumesource->hostpath);
}

/* ---- what the shim can carry out ----------------------------------------------------------- */

static const Bulkhead__V1__ClusterSecret *find_secret(void *user, const char *name)
{
	static Bulkhead__V1__ClusterSecretKey key = BULKHEAD__V1__CLUSTER_SECRET_KEY__INIT;
	static Bulkhead__V1__ClusterSecretKey *keys[] = { &key };
	static Bulkhead__V1__ClusterSecret secret = BULKHEAD__V1__CLUSTER_SECRET__INIT;

	(void)user;
	key.name = TEXT("k");
	key.size = 5;
	secret.project = TEXT("red");
	secret.name = TEXT("s");
	secret.node = TEXT(NODE);
	secret.keys = keys;
	secret.n_keys = 1;
	return name[0] == 's' ? &secret : NULL;
}

/* What may still go wrong is what a manifest cannot know. */
static bool is_circumstance(const struct error *err)
{
	if (err->code == ERR_NOT_FOUND || err->code == ERR_EXHAUSTED)
		return true;
	fprintf(stderr, "plan: %s\n", err->text);
	return false;
}

static void check_plans(const struct plan_node *node, const struct plan_pod *pod)
{
	static char *layers[] = { TEXT("/l"), NULL }, *command[] = { TEXT("/c"), NULL };
	static char *none[] = { NULL };
	const struct image image = { .name = TEXT("i"),
		.digest = TEXT("sha256:0"),
		.layers = layers,
		.layers_len = 1,
		.entrypoint = command,
		.cmd = none,
		.env = none,
		.working_dir = TEXT(""),
		.user = TEXT(""),
		.stop_signal = TEXT("") };
	const K8sPodSpec *spec = pod->pod->spec;
	struct sandbox sandbox = { 0 };
	struct id_map map = { 0 };
	struct error err = { 0 };
	uint64_t caps;

	if (plan_sandbox(node, pod, find_secret, NULL, &sandbox.plan, &err) < 0) {
		must(is_circumstance(&err));
		return;
	}
	sandbox.tmpfs_len = sandbox.plan->n_tmpfs;
	if (plan_check_sandbox(sandbox.plan, &map, &err) < 0)
		must(is_circumstance(&err));
	for (size_t i = 0; i < spec->n_initcontainers + spec->n_containers; i++) {
		bool init = i < spec->n_initcontainers;
		Bulkhead__V1__ContainerPlan *plan;

		if (plan_container(node, pod,
			    init ? spec->initcontainers[i]
				 : spec->containers[i - spec->n_initcontainers],
			    init, 0, &image, &plan, &err) < 0) {
			must(is_circumstance(&err));
			continue;
		}
		if (plan_check_container(plan, &sandbox, &caps, &err) < 0)
			must(is_circumstance(&err));
		bulkhead__v1__container_plan__free_unpacked(plan, NULL);
	}
	bulkhead__v1__sandbox_plan__free_unpacked(sandbox.plan, NULL);
}

static void plan(K8sPod *pod)
{
	Bulkhead__V1__NodeConfig config = BULKHEAD__V1__NODE_CONFIG__INIT;
	static const char *const resolv[] = { "nameserver 192.0.2.53", NULL };
	const struct plan_node node = { .config = &config,
		.node_uid = "u",
		.node_address = "192.0.2.1",
		.ca_pem = "x",
		.memory_bytes = UINT64_C(1) << 33,
		.cpu_millis = 2000,
		.resolv = resolv };
	const struct plan_pod what = { .pod = pod,
		.project = red,
		.slice = pod->spec->hostusers ? 0 : 268500992,
		.address = "10.128.0.5" };
	struct error err;

	config.node_name = TEXT(NODE);
	config.state_dir = TEXT("/s");
	config.cgroup_parent = TEXT("b");
	config.seccomp_dir = TEXT("/p");
	config.token_issuer = TEXT("https://n1");
	config.image_base = 268369920;
	config.secretd_uid = 64202;
	must(edit_string(&pod->metadata->uid, POD_UID, &err) == 0);
	check_plans(&node, &what);
}

/* ---- the way of a manifest ----------------------------------------------------------------- */

/* Whether the pod is valid and all that it asks for is honoured. */
static bool judge(const K8sPod *pod, bool honoured)
{
	cleanup_violations struct violations list = { 0 };
	struct error err;

	if (honoured)
		must(pod_honoured(pod, NODE, &list, &err) == 0);
	else
		must(pod_validate(pod, &list, &err) == 0);
	check_objections(&list, honoured ? "honoured" : "validate",
		honoured ? ERR_UNSUPPORTED : ERR_INVALID);
	return !violations_any(&list);
}

static void admit(K8sPod *pod)
{
	cleanup_violations struct violations list = { 0 };
	struct packed before = pack(pod);
	struct scc_subject account;
	struct scc_result result;
	struct error err = { 0 };
	int r;

	must(scc_subject_service_account(&account, "red", "default", &err) == 0);
	r = scc_admit(&account, NULL, &red, pod, &result, &list, &err);
	if (r < 0) {
		must(err.code == ERR_DENIED && violations_any(&list));
		must_be(pod, &before);
	} else {
		free(before.bytes);
		check_admitted(result.scc, pod);
		before = pack(pod);
		must(scc_admit(&account, NULL, &red, pod, &result, NULL, &err) == 0);
		must_be(pod, &before);
		must(judge(pod, false)); /* what admission sets is valid */
		if (judge(pod, true))
			plan(pod);
	}
	scc_subject_done(&account);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ProtobufCMessage *msg;
	struct packed before;
	struct error err;
	K8sPod *pod;

	if (decode_object(K8S_POD_DESC, "v1", "Pod", (const char *)data, size, &msg, &err) < 0)
		return 0;
	pod = (K8sPod *)msg;
	must(pod_default(pod, "red", "bcdfg", &err) == 0);
	before = pack(pod);
	must(pod_default(pod, "blue", "zzzzz", &err) == 0);
	must_be(pod, &before);
	if (judge(pod, false))
		admit(pod);
	else
		judge(pod, true);
	k8s_pod_free(pod);
	return 0;
}
