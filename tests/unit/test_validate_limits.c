/* Every VALIDATE_* limit: at it all is well, one past it is refused. And what only bytes can say.
 */
#include "auth/pod_edit.h"
#include "auth/validate.h"
#include "proto/wire_check.h"
#include "tests/unit/pod_cases.h"

#define CORE(name) (&k8s__io__api__core__v1__##name##__descriptor)
#define C0         "spec.containers[0]"

static struct error err;

/* Adds n of something to a pod that is valid without. */
typedef void (*fill)(K8sPod *pod, size_t n);

static char *text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static char *text(const char *fmt, ...)
{
	char *ret = NULL;
	va_list ap;

	va_start(ap, fmt);
	assert_true(vasprintf(&ret, fmt, ap) >= 0);
	va_end(ap);
	return ret;
}

/* A text of 'len' times 'c', the caller's. */
static char *repeat(char c, size_t len)
{
	char *ret = malloc(len + 1);

	assert_non_null(ret);
	memset(ret, c, len);
	ret[len] = '\0';
	return ret;
}

static void *append(void *list, size_t *n, const ProtobufCMessageDescriptor *desc)
{
	void *msg = edit_append(list, n, desc, &err);

	assert_non_null(msg);
	return msg;
}

static void append_text(char ***list, size_t *n, char *owned)
{
	assert_int_equal(edit_append_string(list, n, owned, &err), 0);
	free(owned);
}

static K8sContainer *first(K8sPod *pod)
{
	return pod->spec->containers[0];
}

static void add_containers(K8sPod *pod, size_t n, bool init)
{
	for (size_t i = 0; i < n; i++) {
		K8sContainer *c = init ? append(&pod->spec->initcontainers,
						 &pod->spec->n_initcontainers, K8S_CONTAINER_DESC)
				       : append(&pod->spec->containers, &pod->spec->n_containers,
						 K8S_CONTAINER_DESC);

		c->name = text("%s%zu", init ? "i" : "m", i);
		c->image = text("i");
	}
}

static void fill_containers(K8sPod *pod, size_t n)
{
	add_containers(pod, n - 1, false);
}

static void fill_init_containers(K8sPod *pod, size_t n)
{
	add_containers(pod, n - 1, true);
}

static void fill_volumes(K8sPod *pod, size_t n)
{
	for (size_t i = pod->spec->n_volumes; i < n; i++) {
		K8sVolume *v = append(&pod->spec->volumes, &pod->spec->n_volumes, K8S_VOLUME_DESC);

		v->name = text("v%zu", i);
		assert_int_equal(edit_message(&v->volumesource, K8S_VOLUME_SOURCE_DESC, &err), 0);
		assert_int_equal(edit_message(&v->volumesource->emptydir,
					 CORE(empty_dir_volume_source), &err),
			0);
	}
}

static void fill_mounts(K8sPod *pod, size_t n)
{
	K8sContainer *c = first(pod);

	for (size_t i = c->n_volumemounts; i < n; i++) {
		K8sVolumeMount *m =
			append(&c->volumemounts, &c->n_volumemounts, CORE(volume_mount));

		m->name = text("%s", pod->spec->volumes[0]->name);
		m->mountpath = text("/m%zu", i);
	}
}

static void add_env(K8sPod *pod, char *name, char *value)
{
	K8sEnvVar *env = append(&first(pod)->env, &first(pod)->n_env, CORE(env_var));

	env->name = name;
	env->value = value;
}

static void fill_env(K8sPod *pod, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add_env(pod, text("E%zu", i), NULL);
}

/* Two variables: their names, "=" and NUL count as well. */
static void fill_env_size(K8sPod *pod, size_t n)
{
	add_env(pod, text("A"), repeat('x', 97));
	add_env(pod, text("B"), repeat('x', n - 100 - 3));
}

static void fill_args(K8sPod *pod, size_t n)
{
	K8sContainer *c = first(pod);

	append_text(&c->command, &c->n_command, text("sh"));
	while (c->n_args < n - 1)
		append_text(&c->args, &c->n_args, text("x"));
}

static void fill_args_size(K8sPod *pod, size_t n)
{
	K8sContainer *c = first(pod);

	append_text(&c->command, &c->n_command, text("sh"));
	append_text(&c->args, &c->n_args, repeat('x', n - 4));
}

static void fill_ports(K8sPod *pod, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		K8sContainerPort *p =
			append(&first(pod)->ports, &first(pod)->n_ports, CORE(container_port));

		p->has_containerport = 1;
		p->containerport = (int32_t)i + 1;
	}
}

static void fill_groups(K8sPod *pod, size_t n)
{
	K8sPodSecurityContext *p = pod->spec->securitycontext;

	p->supplementalgroups = calloc(n, sizeof(*p->supplementalgroups));
	assert_non_null(p->supplementalgroups);
	p->n_supplementalgroups = n;
}

static void fill_sysctls(K8sPod *pod, size_t n)
{
	K8sPodSecurityContext *p = pod->spec->securitycontext;

	for (size_t i = 0; i < n; i++) {
		K8sSysctl *s = append(&p->sysctls, &p->n_sysctls, CORE(sysctl));

		s->name = text("net.x%zu", i);
		s->value = text("1");
	}
}

static K8sCapabilities *capabilities(K8sPod *pod)
{
	K8sContainer *c = first(pod);

	assert_int_equal(edit_message(&c->securitycontext, K8S_SECURITY_CONTEXT_DESC, &err), 0);
	assert_int_equal(
		edit_message(&c->securitycontext->capabilities, CORE(capabilities), &err), 0);
	return c->securitycontext->capabilities;
}

static void fill_add(K8sPod *pod, size_t n)
{
	for (size_t i = 0; i < n; i++)
		append_text(&capabilities(pod)->add, &capabilities(pod)->n_add, text("NET_RAW"));
}

static void fill_drop(K8sPod *pod, size_t n)
{
	for (size_t i = 0; i < n; i++)
		append_text(&capabilities(pod)->drop, &capabilities(pod)->n_drop, text("NET_RAW"));
}

static void fill_labels(K8sPod *pod, size_t n)
{
	K8sObjectMeta *m = pod->metadata;

	for (size_t i = 0; i < n; i++) {
		K8sLabelsEntry *e = append(&m->labels, &m->n_labels,
			&k8s__io__apimachinery__pkg__apis__meta__v1__object_meta__labels_entry__descriptor);

		e->key = text("k%zu", i);
	}
}

static void fill_annotations(K8sPod *pod, size_t n)
{
	char *value = repeat('x', n - 1);

	assert_int_equal(edit_annotation(pod, "k", value, &err), 0);
	free(value);
}

static void fill_grace(K8sPod *pod, size_t n)
{
	pod->spec->terminationgraceperiodseconds = (int64_t)n;
}

static void fill_items(K8sPod *pod, size_t n)
{
	K8sVolumeSource *s = pod->spec->volumes[0]->volumesource;

	assert_int_equal(edit_message(&s->secret, CORE(secret_volume_source), &err), 0);
	protobuf_c_message_free_unpacked(&s->projected->base, NULL);
	s->projected = NULL;
	s->secret->secretname = text("s");
	for (size_t i = 0; i < n; i++) {
		K8sKeyToPath *item =
			append(&s->secret->items, &s->secret->n_items, CORE(key_to_path));

		item->key = text("k%zu", i);
		item->path = text("k%zu", i);
	}
}

static void fill_aliases(K8sPod *pod, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		K8sHostAlias *a = append(
			&pod->spec->hostaliases, &pod->spec->n_hostaliases, CORE(host_alias));

		a->ip = text("10.0.0.1");
	}
}

static void fill_alias_names(K8sPod *pod, size_t n)
{
	fill_aliases(pod, 1);
	while (n-- > 0)
		append_text(&pod->spec->hostaliases[0]->hostnames,
			&pod->spec->hostaliases[0]->n_hostnames, text("h"));
}

static K8sPodDNSConfig *dns(K8sPod *pod)
{
	assert_int_equal(edit_message(&pod->spec->dnsconfig, CORE(pod_dnsconfig), &err), 0);
	return pod->spec->dnsconfig;
}

static void fill_nameservers(K8sPod *pod, size_t n)
{
	while (n-- > 0)
		append_text(&dns(pod)->nameservers, &dns(pod)->n_nameservers, text("10.0.0.1"));
}

static void fill_searches(K8sPod *pod, size_t n)
{
	while (n-- > 0)
		append_text(&dns(pod)->searches, &dns(pod)->n_searches, text("a"));
}

/* Domains of 200 and one that fills up: 10 with the spaces between them are 2010. */
static void fill_search_size(K8sPod *pod, size_t n)
{
	for (size_t i = 0; i < 10; i++)
		append_text(&dns(pod)->searches, &dns(pod)->n_searches, repeat('a', 200));
	append_text(&dns(pod)->searches, &dns(pod)->n_searches, repeat('a', n - 2010));
}

static void fill_options(K8sPod *pod, size_t n)
{
	while (n-- > 0) {
		K8sPodDNSConfigOption *o = append(
			&dns(pod)->options, &dns(pod)->n_options, CORE(pod_dnsconfig_option));

		o->name = text("edns0");
	}
}

/* clang-format off */
static const struct {
	fill fill;
	size_t max;
	const char *field;
	const char *part;
} limits[] = {
	{ fill_containers, VALIDATE_CONTAINERS_MAX, "spec.containers", "33 are too many; at most 32" },
	{ fill_init_containers, VALIDATE_CONTAINERS_MAX, "spec.containers", "at most 32" },
	{ fill_volumes, VALIDATE_VOLUMES_MAX, "spec.volumes", "at most 64" },
	{ fill_mounts, VALIDATE_MOUNTS_MAX, C0 ".volumeMounts", "at most 64" },
	{ fill_env, VALIDATE_ENV_MAX, C0 ".env", "at most 1024" },
	{ fill_env_size, VALIDATE_ENV_SIZE_MAX, C0 ".env", "131073 bytes together; at most 131072" },
	{ fill_args, VALIDATE_ARGS_MAX, C0 ".args", "at most 1024" },
	{ fill_args_size, VALIDATE_ARGS_SIZE_MAX, C0 ".args", "131073 bytes together; at most 131072" },
	{ fill_ports, VALIDATE_PORTS_MAX, C0 ".ports", "at most 128" },
	{ fill_groups, VALIDATE_GROUPS_MAX, "spec.securityContext.supplementalGroups", "at most 64" },
	{ fill_sysctls, VALIDATE_SYSCTLS_MAX, "spec.securityContext.sysctls", "at most 64" },
	{ fill_add, VALIDATE_CAPS_MAX, C0 ".securityContext.capabilities.add", "at most 64" },
	{ fill_drop, VALIDATE_CAPS_MAX, C0 ".securityContext.capabilities.drop", "at most 64" },
	{ fill_labels, VALIDATE_LABELS_MAX, "metadata.labels", "at most 256" },
	{ fill_annotations, VALIDATE_ANNOTATIONS_MAX, "metadata.annotations", "262145 bytes together; at most 262144" },
	{ fill_grace, VALIDATE_GRACE_MAX, "spec.terminationGracePeriodSeconds", "0 to 86400" },
	{ fill_items, VALIDATE_ITEMS_MAX, "spec.volumes[0].secret.items[256].path", "at most 256 files" },
	{ fill_aliases, VALIDATE_ALIASES_MAX, "spec.hostAliases", "at most 64" },
	{ fill_alias_names, VALIDATE_ALIASES_MAX, "spec.hostAliases[0].hostnames", "at most 64" },
	{ fill_nameservers, VALIDATE_NAMESERVERS_MAX, "spec.dnsConfig.nameservers", "at most 3" },
	{ fill_searches, VALIDATE_SEARCHES_MAX, "spec.dnsConfig.searches", "at most 32" },
	{ fill_search_size, VALIDATE_SEARCH_SIZE_MAX, "spec.dnsConfig.searches", "2049 bytes together; at most 2048" },
	{ fill_options, VALIDATE_DNS_OPTIONS_MAX, "spec.dnsConfig.options", "at most 32" },
};
/* clang-format on */

static void check(size_t i, size_t n, const char *field)
{
	cleanup_violations struct violations list = { 0 };
	K8sPod *pod = case_pod(POD(ONE));

	limits[i].fill(pod, n);
	assert_int_equal(pod_validate(pod, &list, &err), 0);
	case_expect(&list, limits[i].field, "validate", ERR_INVALID, field, limits[i].part);
	if (field && list.n != 1) {
		case_print(&list);
		fail_msg("%s: more than one objection", field);
	}
	k8s_pod_free(pod);
}

static void test_limits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		check(i, limits[i].max, NULL);
		check(i, limits[i].max + 1, limits[i].field);
	}
}

/* YAML cannot say a key twice, protobuf can. */
static void test_key_twice(void **state)
{
	cleanup_violations struct violations list = { 0 };
	K8sPod *pod = case_pod(CONTAINER("resources: {limits: {cpu: 1, memory: 1Gi}}"));
	K8sResourceRequirements *r = pod->spec->containers[0]->resources;

	(void)state;
	assert_int_equal(edit_string(&r->limits[1]->key, "cpu", &err), 0);
	assert_int_equal(pod_validate(pod, &list, &err), 0);
	case_expect(&list, "twice", "validate", ERR_INVALID, C0 ".resources.limits",
		"\"cpu\" must not be there twice");
	k8s_pod_free(pod);
}

static void test_key_control(void **state)
{
	cleanup_violations struct violations list = { 0 };
	K8sPod *pod = case_pod(META("name: p, annotations: {ab: c}"));

	(void)state;
	pod->metadata->annotations[0]->key[1] = '\n';
	assert_int_equal(pod_validate(pod, &list, &err), 0);
	case_expect(&list, "newline", "validate", ERR_INVALID, "metadata.annotations[a?]",
		"must not contain control characters");
	k8s_pod_free(pod);
}

/* What decoding YAML would refuse already. */
static void test_not_a_quantity(void **state)
{
	cleanup_violations struct violations list = { 0 };
	K8sPod *pod = case_pod(CONTAINER("resources: {limits: {cpu: 1}}"));
	K8sResourceRequirements *r = pod->spec->containers[0]->resources;

	(void)state;
	assert_int_equal(edit_string(&r->limits[0]->value->string, "lots", &err), 0);
	assert_int_equal(pod_validate(pod, &list, &err), 0);
	case_expect(&list, "lots", "validate", ERR_INVALID, C0 ".resources.limits[cpu]",
		"is not a quantity");
	k8s_pod_free(pod);
}

/* NUL never gets as far as validation: the bytes are refused before. */
static void test_nul(void **state)
{
	static const uint8_t bytes[] = { 0x0a, 0x05, 0x0a, 0x03, 'a', 0, 'b' };
	ProtobufCMessage *msg = NULL;

	(void)state;
	assert_int_equal(message_unpack(K8S_POD_DESC, bytes, sizeof(bytes), &msg, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_non_null(strstr(err.text, "metadata.name"));
}

/* A pod with nothing in it at all, as bytes may have it, undefaulted. */
static void test_nothing(void **state)
{
	cleanup_violations struct violations list = { 0 };
	K8sPod pod = K8S_POD_INIT;

	(void)state;
	assert_int_equal(pod_validate(&pod, &list, &err), 0);
	case_expect(&list, "nothing", "validate", ERR_INVALID, "metadata", "must be given");
	case_expect(&list, "nothing", "validate", ERR_INVALID, "spec.containers", "at least one");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_key_twice),
		cmocka_unit_test(test_key_control),
		cmocka_unit_test(test_not_a_quantity),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests_name("validate_limits", tests, NULL, NULL);
}
