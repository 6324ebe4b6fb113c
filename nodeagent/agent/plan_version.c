#include <string.h>

#include "auth/pod_view.h"
#include "nodeagent/agent/plan_text.h"
#include "nodeagent/agent/plan_volumes.h"

/* Of an envelope (secrets/envelope.h): holds the key that was made for this sealing alone. */
#define HEAD_SIZE 64
#define TAIL_SIZE 16

struct version {
	uint64_t hash; /* FNV-1a: two versions differ, nobody gains by making them alike */
	bool missing;
	plan_find_secret find;
	void *user;
};

static void mix(struct version *v, const void *data, size_t size)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++)
		v->hash = (v->hash ^ p[i]) * UINT64_C(0x100000001b3);
}

static void mix_secret(struct version *v, const char *name, bool optional)
{
	const Bulkhead__V1__ClusterSecret *secret = v->find(v->user, name);
	const ProtobufCBinaryData *sealed = secret ? &secret->sealed : NULL;
	uint64_t len = sealed ? sealed->len : UINT64_MAX;

	mix(v, &len, sizeof(len));
	if (!secret) {
		v->missing = v->missing || !optional;
		return;
	}
	mix(v, secret->uid, strlen(secret->uid) + 1);
	mix(v, sealed->data, len < HEAD_SIZE ? len : HEAD_SIZE);
	if (len > TAIL_SIZE)
		mix(v, sealed->data + len - TAIL_SIZE, TAIL_SIZE);
}

static void mix_projected(struct version *v, const K8sProjectedVolumeSource *projected)
{
	for (size_t i = 0; i < projected->n_sources; i++) {
		const K8sSecretProjection *s = projected->sources[i]->secret;

		if (s && s->localobjectreference)
			mix_secret(v, plan_or_empty(s->localobjectreference->name), s->optional);
	}
}

uint64_t plan_secrets_version(
	const struct plan_pod *pod, size_t i, plan_find_secret find, void *user)
{
	struct version v = { .hash = UINT64_C(0xcbf29ce484222325), .find = find, .user = user };
	size_t index;
	const K8sVolume *volume = plan_secret_volume(view_spec(pod->pod), i, &index);
	const K8sVolumeSource *source = volume ? volume->volumesource : NULL;

	if (!source)
		return 0;
	if (source->secret)
		mix_secret(&v, plan_or_empty(source->secret->secretname), source->secret->optional);
	else if (source->projected)
		mix_projected(&v, source->projected);
	if (v.missing)
		return 0;
	return v.hash ? v.hash : 1;
}
