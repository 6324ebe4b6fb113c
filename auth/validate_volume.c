/* Volumes and where they are mounted. */
#include <string.h>

#include "auth/pod_view.h"
#include "auth/validate.h"
#include "auth/validate_parts.h"
#include "proto/text.h"

#define MODE_MAX          0777
#define TOKEN_SECONDS_MIN 600
#define TOKEN_SECONDS_MAX (INT64_C(1) << 32)

/* The paths of one volume's files, whatever source each comes from. */
struct files {
	const char *paths[VALIDATE_ITEMS_MAX];
	size_t n;
};

static void check_mode(const struct validation *v, bool has, int32_t mode, const struct place *at)
{
	if (has && (mode < 0 || mode > MODE_MAX))
		invalid(v, at, "must be 0000 to 0777, in YAML with a leading 0");
}

/* Whether one is the other, or a directory above it. */
static bool in_the_way(const char *a, const char *b)
{
	size_t len = strlen(a);

	return strncmp(a, b, len) == 0 && (b[len] == '\0' || b[len] == '/');
}

static void add_path(
	const struct validation *v, struct files *files, const char *path, const struct place *at)
{
	char quoted[TEXT_QUOTE_SIZE];

	want_text(v, at, path, rule_relative_path);
	if (!is_set(path))
		return;
	for (size_t i = 0; i < files->n && i < VALIDATE_ITEMS_MAX; i++) {
		if (in_the_way(files->paths[i], path) || in_the_way(path, files->paths[i])) {
			invalid(v, at, "must not be in the way of another file's path, %s",
				text_quote(quoted, files->paths[i]));
			break;
		}
	}
	if (files->n < VALIDATE_ITEMS_MAX)
		files->paths[files->n] = path;
	/* One past is objected to once. */
	if (files->n++ == VALIDATE_ITEMS_MAX)
		invalid(v, at, "is one too many; a volume lists at most %d files",
			VALIDATE_ITEMS_MAX);
}

static void check_items(const struct validation *v, struct files *files, K8sKeyToPath *const *items,
	size_t n, const struct place *at)
{
	for (size_t i = 0; i < n && files->n <= VALIDATE_ITEMS_MAX; i++) {
		const struct place *here = AT_ITEM(at, i);

		want_text(v, AT(here, "key"), items[i]->key, rule_config_key);
		add_path(v, files, items[i]->path, AT(here, "path"));
		check_mode(v, items[i]->has_mode, items[i]->mode, AT(here, "mode"));
	}
}

static void check_files(const struct validation *v, struct files *files,
	K8sDownwardAPIVolumeFile *const *items, size_t n, const struct place *at)
{
	for (size_t i = 0; i < n && files->n <= VALIDATE_ITEMS_MAX; i++) {
		const struct place *here = AT_ITEM(at, i);
		const K8sDownwardAPIVolumeFile *file = items[i];

		add_path(v, files, file->path, AT(here, "path"));
		check_mode(v, file->has_mode, file->mode, AT(here, "mode"));
		if (!file->fieldref == !file->resourcefieldref)
			invalid(v, here, "must have one of fieldRef and resourceFieldRef");
		validate_field_ref(v, file->fieldref, AT(here, "fieldRef"), true);
		validate_resource_ref(
			v, file->resourcefieldref, AT(here, "resourceFieldRef"), true);
	}
}

static const char *reference(const K8sLocalObjectReference *ref)
{
	return ref ? ref->name : NULL;
}

static void check_token(const struct validation *v, struct files *files,
	const K8sServiceAccountTokenProjection *token, const struct place *at)
{
	add_path(v, files, token->path, AT(at, "path"));
	want_range(v, AT(at, "expirationSeconds"), token->expirationseconds, TOKEN_SECONDS_MIN,
		TOKEN_SECONDS_MAX);
}

static void check_projection(const struct validation *v, struct files *files,
	const K8sVolumeProjection *p, const struct place *at)
{
	want_one_member(v, at, &p->base,
		"secret, downwardAPI, configMap, serviceAccountToken, clusterTrustBundle and "
		"podCertificate");
	if (p->secret) {
		const struct place *here = AT(at, "secret");

		want_text(v, AT(here, "name"), reference(p->secret->localobjectreference),
			rule_dns_subdomain);
		check_items(v, files, p->secret->items, p->secret->n_items, AT(here, "items"));
	}
	if (p->configmap) {
		const struct place *here = AT(at, "configMap");

		want_text(v, AT(here, "name"), reference(p->configmap->localobjectreference),
			rule_dns_subdomain);
		check_items(
			v, files, p->configmap->items, p->configmap->n_items, AT(here, "items"));
	}
	if (p->downwardapi)
		check_files(v, files, p->downwardapi->items, p->downwardapi->n_items,
			AT(AT(at, "downwardAPI"), "items"));
	if (p->serviceaccounttoken)
		check_token(v, files, p->serviceaccounttoken, AT(at, "serviceAccountToken"));
}

static void check_projected(const struct validation *v, struct files *files,
	const K8sProjectedVolumeSource *p, const struct place *at)
{
	const struct place *sources = AT(at, "sources");

	check_mode(v, p->has_defaultmode, p->defaultmode, AT(at, "defaultMode"));
	if (p->n_sources == 0)
		invalid(v, sources, "must have at least one source");
	if (!want_count(v, sources, p->n_sources, VALIDATE_ITEMS_MAX))
		return;
	for (size_t i = 0; i < p->n_sources; i++)
		check_projection(v, files, p->sources[i], AT_ITEM(sources, i));
}

static void check_empty_dir(
	const struct validation *v, const K8sEmptyDirVolumeSource *e, const struct place *at)
{
	char quoted[TEXT_QUOTE_SIZE];

	if (is_set(e->medium) && strcmp(e->medium, "Memory") != 0 &&
		strncmp(e->medium, "HugePages", strlen("HugePages")) != 0)
		invalid(v, AT(at, "medium"), "%s must be Memory, HugePages or not set",
			text_quote(quoted, e->medium));
	validate_quantity(v, e->sizelimit, AT(at, "sizeLimit"));
}

/* Sources of files: what secretd writes, and config maps. */
static void check_file_source(
	const struct validation *v, const K8sVolumeSource *s, const struct place *at)
{
	struct files files = { .n = 0 };

	if (s->secret) {
		const struct place *here = AT(at, "secret");

		want_text(v, AT(here, "secretName"), s->secret->secretname, rule_dns_subdomain);
		check_items(v, &files, s->secret->items, s->secret->n_items, AT(here, "items"));
		check_mode(v, s->secret->has_defaultmode, s->secret->defaultmode,
			AT(here, "defaultMode"));
	}
	if (s->configmap) {
		const struct place *here = AT(at, "configMap");

		want_text(v, AT(here, "name"), reference(s->configmap->localobjectreference),
			rule_dns_subdomain);
		check_items(
			v, &files, s->configmap->items, s->configmap->n_items, AT(here, "items"));
		check_mode(v, s->configmap->has_defaultmode, s->configmap->defaultmode,
			AT(here, "defaultMode"));
	}
	if (s->downwardapi) {
		const struct place *here = AT(at, "downwardAPI");

		check_files(v, &files, s->downwardapi->items, s->downwardapi->n_items,
			AT(here, "items"));
		check_mode(v, s->downwardapi->has_defaultmode, s->downwardapi->defaultmode,
			AT(here, "defaultMode"));
	}
	if (s->projected)
		check_projected(v, &files, s->projected, AT(at, "projected"));
}

static void check_volume(
	const struct validation *v, const K8sVolume *volume, const struct place *at)
{
	const K8sVolumeSource *s = volume->volumesource;

	want_text(v, AT(at, "name"), volume->name, rule_dns_label);
	want_one_member(v, at, s ? &s->base : NULL, "the volume sources, such as emptyDir");
	if (!s)
		return;
	if (s->emptydir)
		check_empty_dir(v, s->emptydir, AT(at, "emptyDir"));
	if (s->hostpath)
		want_text(v, AT(AT(at, "hostPath"), "path"), s->hostpath->path, rule_absolute_path);
	if (s->persistentvolumeclaim)
		want_text(v, AT(AT(at, "persistentVolumeClaim"), "claimName"),
			s->persistentvolumeclaim->claimname, rule_dns_subdomain);
	check_file_source(v, s, at);
}

void validate_volumes(const struct validation *v)
{
	const struct place *at = AT(AT(NULL, "spec"), "volumes");
	const K8sPodSpec *s = v->spec;
	char quoted[TEXT_QUOTE_SIZE];

	if (!want_count(v, at, s->n_volumes, VALIDATE_VOLUMES_MAX))
		return;
	for (size_t i = 0; i < s->n_volumes; i++) {
		check_volume(v, s->volumes[i], AT_ITEM(at, i));
		for (size_t k = 0; k < i; k++) {
			if (!is_set(s->volumes[i]->name) ||
				!text_is(s->volumes[k]->name, s->volumes[i]->name))
				continue;
			invalid(v, AT(AT_ITEM(at, i), "name"),
				"%s must not be another volume's, too",
				text_quote(quoted, s->volumes[i]->name));
			break;
		}
	}
}

/* ---- mounts -------------------------------------------------------------------------------- */

static const char *const propagations[] = { "None", "HostToContainer", "Bidirectional", NULL };
static const char *const recursions[] = { "Disabled", "IfPossible", "Enabled", NULL };

static bool volume_exists(const K8sPodSpec *s, const char *name)
{
	for (size_t i = 0; i < s->n_volumes; i++) {
		if (text_is(s->volumes[i]->name, name))
			return true;
	}
	return false;
}

static const char *rule_mount_path(const char *text)
{
	if (strchr(text, ':'))
		return "must not contain ':'";
	return rule_absolute_path(text);
}

static void check_mount(
	const struct validation *v, const K8sVolumeMount *mount, const struct place *at)
{
	char quoted[TEXT_QUOTE_SIZE];

	if (!is_set(mount->name))
		invalid(v, AT(at, "name"), "must be given");
	else if (!volume_exists(v->spec, mount->name))
		invalid(v, AT(at, "name"), "%s must be the name of a volume of this pod",
			text_quote(quoted, mount->name));
	want_text(v, AT(at, "mountPath"), mount->mountpath, rule_mount_path);
	want_text_if(v, AT(at, "subPath"), mount->subpath, rule_relative_path);
	want_text_if(v, AT(at, "subPathExpr"), mount->subpathexpr, rule_relative_path);
	if (is_set(mount->subpath) && is_set(mount->subpathexpr))
		invalid(v, AT(at, "subPathExpr"),
			"must not be set beside subPath; remove one of the two");
	want_one_of(v, AT(at, "mountPropagation"), mount->mountpropagation, propagations);
	want_one_of(v, AT(at, "recursiveReadOnly"), mount->recursivereadonly, recursions);
}

/* Two paths that mean the same place are the same. */
static bool mounted_before(const K8sContainer *c, size_t i)
{
	char path[PATH_MAX], other[PATH_MAX];

	if (!is_set(c->volumemounts[i]->mountpath) ||
		!path_normal(c->volumemounts[i]->mountpath, path))
		return false;
	for (size_t k = 0; k < i; k++) {
		if (is_set(c->volumemounts[k]->mountpath) &&
			path_normal(c->volumemounts[k]->mountpath, other) &&
			strcmp(path, other) == 0)
			return true;
	}
	return false;
}

void validate_mounts(const struct validation *v, const K8sContainer *c, const struct place *at)
{
	const struct place *list = AT(at, "volumeMounts");
	char quoted[TEXT_QUOTE_SIZE];

	if (!want_count(v, list, c->n_volumemounts, VALIDATE_MOUNTS_MAX) ||
		!want_count(v, AT(at, "volumeDevices"), c->n_volumedevices, VALIDATE_MOUNTS_MAX))
		return;
	for (size_t i = 0; i < c->n_volumemounts; i++) {
		const struct place *here = AT_ITEM(list, i);

		check_mount(v, c->volumemounts[i], here);
		if (mounted_before(c, i))
			invalid(v, AT(here, "mountPath"), "%s must not be another mount's, too",
				text_quote(quoted, c->volumemounts[i]->mountpath));
	}
}
