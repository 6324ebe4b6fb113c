#include "auth/defaults_account.h"

#include <stdio.h>
#include <stdbool.h>
#include <string.h>

#include "auth/defaults.h"
#include "auth/pod_edit.h"

#define NAME_SIZE 32

#define MOUNT_DESC      (&k8s__io__api__core__v1__volume_mount__descriptor)
#define PROJECTED_DESC  (&k8s__io__api__core__v1__projected_volume_source__descriptor)
#define PROJECTION_DESC (&k8s__io__api__core__v1__volume_projection__descriptor)
#define TOKEN_DESC      (&k8s__io__api__core__v1__service_account_token_projection__descriptor)
#define CONFIG_MAP_DESC (&k8s__io__api__core__v1__config_map_projection__descriptor)
#define DOWNWARD_DESC   (&k8s__io__api__core__v1__downward_apiprojection__descriptor)
#define FILE_DESC       (&k8s__io__api__core__v1__downward_apivolume_file__descriptor)
#define FIELD_DESC      (&k8s__io__api__core__v1__object_field_selector__descriptor)
#define REFERENCE_DESC  (&k8s__io__api__core__v1__local_object_reference__descriptor)
#define ITEM_DESC       (&k8s__io__api__core__v1__key_to_path__descriptor)

/* Both names mean the same; the deprecated one follows the other. */
static int default_name(K8sPodSpec *spec, struct error *err)
{
	const char *name = "default";

	if (spec->serviceaccountname && *spec->serviceaccountname)
		name = spec->serviceaccountname;
	else if (spec->serviceaccount && *spec->serviceaccount)
		name = spec->serviceaccount;
	if (edit_string_default(&spec->serviceaccountname, name, err) < 0)
		return -1;
	return edit_string_default(&spec->serviceaccount, spec->serviceaccountname, err);
}

static bool has_mount(const K8sContainer *c)
{
	for (size_t i = 0; i < c->n_volumemounts; i++) {
		const char *path = c->volumemounts[i]->mountpath;

		if (path && strcmp(path, DEFAULTS_TOKEN_PATH) == 0)
			return true;
	}
	return false;
}

/* Sets *added when the container had none. */
static int add_mount(K8sContainer *c, const char *volume, bool *added, struct error *err)
{
	K8sVolumeMount *mount;

	if (has_mount(c))
		return 0;
	mount = edit_append(&c->volumemounts, &c->n_volumemounts, MOUNT_DESC, err);
	if (!mount || edit_string(&mount->name, volume, err) < 0 ||
		edit_string(&mount->mountpath, DEFAULTS_TOKEN_PATH, err) < 0)
		return -1;
	mount->has_readonly = 1;
	mount->readonly = 1;
	*added = true;
	return 0;
}

static K8sVolumeProjection *add_source(K8sProjectedVolumeSource *projected, struct error *err)
{
	return edit_append(&projected->sources, &projected->n_sources, PROJECTION_DESC, err);
}

static int add_token(K8sProjectedVolumeSource *projected, struct error *err)
{
	K8sVolumeProjection *source = add_source(projected, err);

	if (!source || edit_message(&source->serviceaccounttoken, TOKEN_DESC, err) < 0)
		return -1;
	source->serviceaccounttoken->has_expirationseconds = 1;
	source->serviceaccounttoken->expirationseconds = DEFAULTS_TOKEN_SECONDS;
	return edit_string(&source->serviceaccounttoken->path, "token", err);
}

static int add_ca(K8sProjectedVolumeSource *projected, struct error *err)
{
	K8sVolumeProjection *source = add_source(projected, err);
	K8sConfigMapProjection *map;
	K8sKeyToPath *item;

	if (!source || edit_message(&source->configmap, CONFIG_MAP_DESC, err) < 0)
		return -1;
	map = source->configmap;
	if (edit_message(&map->localobjectreference, REFERENCE_DESC, err) < 0 ||
		edit_string(&map->localobjectreference->name, DEFAULTS_ROOT_CA, err) < 0)
		return -1;
	item = edit_append(&map->items, &map->n_items, ITEM_DESC, err);
	if (!item || edit_string(&item->key, "ca.crt", err) < 0)
		return -1;
	return edit_string(&item->path, "ca.crt", err);
}

static int add_namespace(K8sProjectedVolumeSource *projected, struct error *err)
{
	K8sVolumeProjection *source = add_source(projected, err);
	K8sDownwardAPIVolumeFile *file;

	if (!source || edit_message(&source->downwardapi, DOWNWARD_DESC, err) < 0)
		return -1;
	file = edit_append(
		&source->downwardapi->items, &source->downwardapi->n_items, FILE_DESC, err);
	if (!file || edit_string(&file->path, "namespace", err) < 0 ||
		edit_message(&file->fieldref, FIELD_DESC, err) < 0 ||
		edit_string(&file->fieldref->apiversion, "v1", err) < 0)
		return -1;
	return edit_string(&file->fieldref->fieldpath, "metadata.namespace", err);
}

static int add_volume(K8sPodSpec *spec, const char *name, struct error *err)
{
	K8sVolume *volume = edit_append(&spec->volumes, &spec->n_volumes, K8S_VOLUME_DESC, err);
	K8sProjectedVolumeSource *projected;

	if (!volume || edit_string(&volume->name, name, err) < 0 ||
		edit_message(&volume->volumesource, K8S_VOLUME_SOURCE_DESC, err) < 0 ||
		edit_message(&volume->volumesource->projected, PROJECTED_DESC, err) < 0)
		return -1;
	projected = volume->volumesource->projected;
	projected->has_defaultmode = 1;
	projected->defaultmode = 0644;
	if (add_token(projected, err) < 0 || add_ca(projected, err) < 0)
		return -1;
	return add_namespace(projected, err);
}

int account_default(K8sPodSpec *spec, const char *suffix, struct error *err)
{
	char name[NAME_SIZE];
	bool added = false;

	if (default_name(spec, err) < 0)
		return -1;
	if (spec->has_automountserviceaccounttoken && !spec->automountserviceaccounttoken)
		return 0;
	snprintf(name, sizeof(name), "%s%s", DEFAULTS_TOKEN_VOLUME, suffix);
	for (size_t i = 0; i < spec->n_initcontainers; i++) {
		if (add_mount(spec->initcontainers[i], name, &added, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < spec->n_containers; i++) {
		if (add_mount(spec->containers[i], name, &added, err) < 0)
			return -1;
	}
	return added ? add_volume(spec, name, err) : 0;
}
