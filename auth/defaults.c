#include "auth/defaults.h"

#include <stdbool.h>
#include <string.h>

#include "auth/defaults_account.h"
#include "auth/pod_edit.h"

#define REQUESTS_ENTRY_DESC                                                                        \
	(&k8s__io__api__core__v1__resource_requirements__requests_entry__descriptor)

#define FILE_MODE 0644

static void default_i32(protobuf_c_boolean *has, int32_t *field, int32_t value)
{
	if (*has)
		return;
	*has = 1;
	*field = value;
}

/* Upstream takes 0 as unset for the counts of a probe. */
static void default_count(protobuf_c_boolean *has, int32_t *field, int32_t value)
{
	if (*has && *field == 0)
		*has = 0;
	default_i32(has, field, value);
}

const char *pod_pull_policy(const char *image)
{
	const char *name = strrchr(image, '/');
	const char *tag, *digest;

	name = name ? name + 1 : image;
	digest = strchr(name, '@');
	tag = strchr(name, ':');
	if (!tag || (digest && tag > digest))
		return digest ? "IfNotPresent" : "Always";
	tag++;
	if ((digest ? (size_t)(digest - tag) : strlen(tag)) == 6 && strncmp(tag, "latest", 6) == 0)
		return "Always";
	return "IfNotPresent";
}

static int default_http(K8sHTTPGetAction *http, struct error *err)
{
	if (!http)
		return 0;
	if (edit_string_default(&http->path, "/", err) < 0)
		return -1;
	return edit_string_default(&http->scheme, "HTTP", err);
}

static int default_probe(K8sProbe *probe, struct error *err)
{
	if (!probe)
		return 0;
	default_count(&probe->has_timeoutseconds, &probe->timeoutseconds, 1);
	default_count(&probe->has_periodseconds, &probe->periodseconds, 10);
	default_count(&probe->has_successthreshold, &probe->successthreshold, 1);
	default_count(&probe->has_failurethreshold, &probe->failurethreshold, 3);
	return probe->handler ? default_http(probe->handler->httpget, err) : 0;
}

static int default_lifecycle(K8sLifecycle *lifecycle, struct error *err)
{
	if (!lifecycle)
		return 0;
	if (lifecycle->poststart && default_http(lifecycle->poststart->httpget, err) < 0)
		return -1;
	return lifecycle->prestop ? default_http(lifecycle->prestop->httpget, err) : 0;
}

static bool has_request(const K8sResourceRequirements *r, const char *key)
{
	for (size_t i = 0; i < r->n_requests; i++) {
		if (r->requests[i]->key && strcmp(r->requests[i]->key, key) == 0)
			return true;
	}
	return false;
}

/* A limit without a request is its own request. */
static int default_resources(K8sResourceRequirements *r, struct error *err)
{
	for (size_t i = 0; r && i < r->n_limits; i++) {
		const K8sLimitsEntry *limit = r->limits[i];
		K8sRequestsEntry *request;

		if (!limit->key || !limit->value || !limit->value->string ||
			has_request(r, limit->key))
			continue;
		request = edit_append(&r->requests, &r->n_requests, REQUESTS_ENTRY_DESC, err);
		if (!request || edit_string(&request->key, limit->key, err) < 0 ||
			edit_message(&request->value, K8S_QUANTITY_DESC, err) < 0 ||
			edit_string(&request->value->string, limit->value->string, err) < 0)
			return -1;
	}
	return 0;
}

static int default_field_ref(K8sObjectFieldSelector *ref, struct error *err)
{
	return ref ? edit_string_default(&ref->apiversion, "v1", err) : 0;
}

static int default_env(K8sContainer *c, struct error *err)
{
	for (size_t i = 0; i < c->n_env; i++) {
		if (c->env[i]->valuefrom &&
			default_field_ref(c->env[i]->valuefrom->fieldref, err) < 0)
			return -1;
	}
	return 0;
}

static int default_ports(K8sContainer *c, bool host_network, struct error *err)
{
	for (size_t i = 0; i < c->n_ports; i++) {
		K8sContainerPort *port = c->ports[i];

		if (edit_string_default(&port->protocol, "TCP", err) < 0)
			return -1;
		if (host_network && port->hostport == 0 && port->has_containerport) {
			port->has_hostport = 1;
			port->hostport = port->containerport;
		}
	}
	return 0;
}

static int default_container(K8sContainer *c, bool host_network, struct error *err)
{
	const char *pull = pod_pull_policy(c->image ? c->image : "");

	if (edit_string_default(&c->imagepullpolicy, pull, err) < 0 ||
		edit_string_default(&c->terminationmessagepath, "/dev/termination-log", err) < 0 ||
		edit_string_default(&c->terminationmessagepolicy, "File", err) < 0 ||
		default_probe(c->livenessprobe, err) < 0 ||
		default_probe(c->readinessprobe, err) < 0 ||
		default_probe(c->startupprobe, err) < 0 ||
		default_lifecycle(c->lifecycle, err) < 0 ||
		default_resources(c->resources, err) < 0 || default_env(c, err) < 0)
		return -1;
	return default_ports(c, host_network, err);
}

static int default_downward(K8sDownwardAPIVolumeFile **items, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (default_field_ref(items[i]->fieldref, err) < 0)
			return -1;
	}
	return 0;
}

static int default_projected(K8sProjectedVolumeSource *projected, struct error *err)
{
	default_i32(&projected->has_defaultmode, &projected->defaultmode, FILE_MODE);
	for (size_t i = 0; i < projected->n_sources; i++) {
		K8sVolumeProjection *source = projected->sources[i];
		K8sServiceAccountTokenProjection *token = source->serviceaccounttoken;

		if (token && !token->has_expirationseconds) {
			token->has_expirationseconds = 1;
			token->expirationseconds = 3600;
		}
		if (source->downwardapi && default_downward(source->downwardapi->items,
						   source->downwardapi->n_items, err) < 0)
			return -1;
	}
	return 0;
}

/* A volume without any source is an emptyDir. */
static int default_volume(K8sVolume *volume, struct error *err)
{
	K8sVolumeSource *s;

	if (edit_message(&volume->volumesource, K8S_VOLUME_SOURCE_DESC, err) < 0)
		return -1;
	s = volume->volumesource;
	if (protobuf_c_message_get_packed_size(&s->base) == 0)
		return edit_message(&s->emptydir,
			&k8s__io__api__core__v1__empty_dir_volume_source__descriptor, err);
	if (s->secret)
		default_i32(&s->secret->has_defaultmode, &s->secret->defaultmode, FILE_MODE);
	if (s->configmap)
		default_i32(&s->configmap->has_defaultmode, &s->configmap->defaultmode, FILE_MODE);
	if (s->downwardapi) {
		default_i32(
			&s->downwardapi->has_defaultmode, &s->downwardapi->defaultmode, FILE_MODE);
		if (default_downward(s->downwardapi->items, s->downwardapi->n_items, err) < 0)
			return -1;
	}
	return s->projected ? default_projected(s->projected, err) : 0;
}

static void default_spec_scalars(K8sPodSpec *spec)
{
	if (!spec->has_terminationgraceperiodseconds) {
		spec->has_terminationgraceperiodseconds = 1;
		spec->terminationgraceperiodseconds = 30;
	}
	if (!spec->has_enableservicelinks) {
		spec->has_enableservicelinks = 1;
		spec->enableservicelinks = 1;
	}
	default_i32(&spec->has_priority, &spec->priority, 0);
	if (!spec->has_hostusers && !spec->hostnetwork && !spec->hostpid && !spec->hostipc) {
		spec->has_hostusers = 1;
		spec->hostusers = 0;
	}
}

static int default_spec(K8sPodSpec *spec, struct error *err)
{
	if (edit_string_default(&spec->restartpolicy, "Always", err) < 0 ||
		edit_string_default(&spec->dnspolicy, "ClusterFirst", err) < 0 ||
		edit_string_default(&spec->schedulername, "default-scheduler", err) < 0 ||
		edit_message(&spec->securitycontext, K8S_POD_SECURITY_CONTEXT_DESC, err) < 0)
		return -1;
	default_spec_scalars(spec);
	for (size_t i = 0; i < spec->n_initcontainers; i++) {
		if (default_container(spec->initcontainers[i], spec->hostnetwork, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < spec->n_containers; i++) {
		if (default_container(spec->containers[i], spec->hostnetwork, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < spec->n_volumes; i++) {
		if (default_volume(spec->volumes[i], err) < 0)
			return -1;
	}
	return 0;
}

static int suffix_check(const char *suffix, struct error *err)
{
	if (strlen(suffix) == DEFAULTS_SUFFIX_LEN &&
		strspn(suffix, DEFAULTS_SUFFIX_CHARS) == DEFAULTS_SUFFIX_LEN)
		return 0;
	return error_set(err, ERR_INVALID, 0, "volume suffix '%s': must be %d of %s", suffix,
		DEFAULTS_SUFFIX_LEN, DEFAULTS_SUFFIX_CHARS);
}

int pod_default(K8sPod *pod, const char *project, const char *suffix, struct error *err)
{
	if (suffix_check(suffix, err) < 0 ||
		edit_message(&pod->metadata, K8S_OBJECT_META_DESC, err) < 0 ||
		edit_message(&pod->spec, K8S_POD_SPEC_DESC, err) < 0 ||
		edit_string_default(&pod->metadata->namespace_, project, err) < 0 ||
		account_default(pod->spec, suffix, err) < 0)
		return -1;
	return default_spec(pod->spec, err);
}
