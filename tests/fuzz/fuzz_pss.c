/*
 * Any manifest, judged by the Pod Security Standards. A first line "# restricted:v1.20" names the
 * policy; without one the input's size chooses the version. What is said must be one line of valid
 * text about a field of the pod, the same each time, and restricted must not allow what baseline
 * denies.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/explain.h"
#include "auth/pss.h"
#include "auth/pss_finding.h"
#include "proto/decode.h"
#include "proto/k8s.h"
#include "proto/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pss_policy policy_of(const uint8_t *data, size_t size)
{
	struct pss_policy policy = { PSS_RESTRICTED, false, (unsigned)(size % 40) };
	const uint8_t *end = memchr(data, '\n', size);
	char line[64] = "";
	struct error err;

	if (end && end - data > 2 && end - data < (long)sizeof(line) && memcmp(data, "# ", 2) == 0)
		memcpy(line, data + 2, (size_t)(end - data) - 2);
	pss_policy_parse(line, &policy, &err);
	return policy;
}

static void must_be_sound(const struct violations *found)
{
	for (size_t i = 0; i < found->n; i++) {
		const struct violation *v = &found->items[i];

		if (strncmp(v->field, "spec.", 5) != 0 &&
			strncmp(v->field, "metadata.annotations[", 21) != 0)
			abort();
		if (strlen(v->reason) >= PSS_REASON_MAX || strpbrk(v->reason, "\n\r\033\177") ||
			strpbrk(v->field, "\n\r\033\177"))
			abort();
		if (!text_utf8(v->reason, strlen(v->reason), NULL) ||
			!text_utf8(v->field, strlen(v->field), NULL))
			abort();
	}
}

/* Judges and says so; the sentence is the caller's. */
static char *judge(const struct pss_policy *policy, const K8sPod *pod, bool *allowed)
{
	struct violations found = { 0 };
	struct error err;
	char *message, *text;
	json_t *json;

	if (pss_judge(policy, pod, &found, &err) < 0 ||
		pss_message(policy, &found, &message, &err) < 0)
		abort();
	must_be_sound(&found);
	*allowed = !violations_any(&found);
	if (explain_json(*allowed, &found, &text, &err) < 0)
		abort();
	json = json_loads(text, 0, NULL);
	if (!json || (!*allowed && strlen(message) < strlen("violates PodSecurity \"\": x (y)")))
		abort();
	json_decref(json);
	free(text);
	violations_done(&found);
	return message;
}

/* Where the levels differ for Windows, an API server refuses the pod before any of them. */
static bool is_windows(const K8sPod *pod)
{
	return pod->spec && pod->spec->os && pod->spec->os->name &&
	       strcmp(pod->spec->os->name, "windows") == 0;
}

static void judge_levels(struct pss_policy policy, const K8sPod *pod)
{
	bool allowed[3];

	for (int level = PSS_PRIVILEGED; level <= PSS_RESTRICTED; level++) {
		policy.level = (enum pss_level)level;
		free(judge(&policy, pod, &allowed[level]));
	}
	if (!allowed[PSS_PRIVILEGED])
		abort();
	if (allowed[PSS_RESTRICTED] && !allowed[PSS_BASELINE] && !is_windows(pod))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pss_policy policy = policy_of(data, size);
	ProtobufCMessage *msg;
	struct error err;
	char *first, *second;
	bool allowed;

	if (decode_object(K8S_POD_DESC, "v1", "Pod", (const char *)data, size, &msg, &err) < 0)
		return 0;
	first = judge(&policy, (const K8sPod *)msg, &allowed);
	second = judge(&policy, (const K8sPod *)msg, &allowed);
	if (strcmp(first, second) != 0)
		abort();
	free(first);
	free(second);
	judge_levels(policy, (const K8sPod *)msg);
	protobuf_c_message_free_unpacked(msg, NULL);
	return 0;
}
