#include "nodeagent/agent/net_policies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "auth/project.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "nodeagent/agent/agent.h"
#include "nodeagent/agent/cluster.h"
#include "nodeagent/agent/daemon.h"
#include "nodeagent/agent/peer_pods.h"
#include "nodeagent/agent/pod.h"
#include "nodeagent/agent/pods.h"

/* Of one frame: any policy, pod or project fits. */
#define FRAME_BYTES  (1u << 20)
#define FRAME_FIELDS 50000

static int label_add(Bulkhead__V1__NetLabel ***list, size_t *n, const char *key, const char *value,
	struct error *err)
{
	Bulkhead__V1__NetLabel *label =
		edit_append(list, n, &bulkhead__v1__net_label__descriptor, err);

	if (!label || edit_string(&label->key, key ? key : "", err) < 0 ||
		edit_string(&label->value, value ? value : "", err) < 0)
		return -1;
	return 0;
}

static int pod_add(Bulkhead__V1__NetPolicies *message, const struct pod *pod, struct error *err)
{
	Bulkhead__V1__NetPolicyPod *row = edit_append(
		&message->pods, &message->n_pods, &bulkhead__v1__net_policy_pod__descriptor, err);
	const K8sObjectMeta *meta = pod->object->metadata;

	if (!row || edit_string(&row->pod_uid, pod->subject.uid, err) < 0 ||
		edit_string(&row->project, pod->subject.project, err) < 0)
		return -1;
	for (size_t i = 0; i < meta->n_labels; i++) {
		if (label_add(&row->labels, &row->n_labels, meta->labels[i]->key,
			    meta->labels[i]->value, err) < 0)
			return -1;
	}
	return 0;
}

static int project_add(Bulkhead__V1__NetPolicies *message,
	const Bulkhead__V1__ClusterProject *project, struct error *err)
{
	Bulkhead__V1__NetPolicyProject *row = edit_append(&message->projects, &message->n_projects,
		&bulkhead__v1__net_policy_project__descriptor, err);

	if (!row || edit_string(&row->name, project->name, err) < 0)
		return -1;
	for (size_t i = 0; i < project->n_labels; i++) {
		size_t len = strcspn(project->labels[i], "=");
		cleanup_free char *key = strndup(project->labels[i], len);

		if (!project->labels[i][len])
			continue;
		if (!key || label_add(&row->labels, &row->n_labels, key,
				    project->labels[i] + len + 1, err) < 0)
			return error_set(
				err, ERR_EXHAUSTED, ENOMEM, "no memory for network policies");
	}
	return label_add(&row->labels, &row->n_labels, PROJECT_NAME_LABEL, project->name, err);
}

static int policies_add(
	Bulkhead__V1__NetPolicies *message, const struct agent *agent, struct error *err)
{
	const Bulkhead__V1__ClusterPolicy *policy;
	size_t len = 0;

	while (cluster_policy_at(agent->cluster, len))
		len++;
	message->policies = calloc(len + 1, sizeof(*message->policies));
	if (!message->policies)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for network policies");
	for (size_t i = 0; (policy = cluster_policy_at(agent->cluster, i)); i++) {
		ProtobufCBinaryData *copy = &message->policies[message->n_policies];

		copy->data = malloc(policy->policy.len + 1);
		if (!copy->data)
			return error_set(
				err, ERR_EXHAUSTED, ENOMEM, "no memory for network policies");
		memcpy(copy->data, policy->policy.data, policy->policy.len);
		copy->len = policy->policy.len;
		message->n_policies++;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Those that have a pod in the message. */
static int projects_add(
	Bulkhead__V1__NetPolicies *message, const struct agent *agent, struct error *err)
{
	const Bulkhead__V1__ClusterProject *project;
	char **used = calloc(message->n_pods + 1, sizeof(*used));
	int r = 0;

	if (!used)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for network policies");
	for (size_t i = 0; i < message->n_pods; i++)
		used[i] = message->pods[i]->project;
	qsort(used, message->n_pods, sizeof(*used), compare);
	for (size_t i = 0; r == 0 && (project = cluster_project_at(agent->cluster, i)); i++) {
		if (bsearch(&project->name, used, message->n_pods, sizeof(*used), compare))
			r = project_add(message, project, err);
	}
	free(used);
	return r;
}

static int pods_tell(
	Bulkhead__V1__NetPolicies *message, const struct agent *agent, struct error *err)
{
	const Bulkhead__V1__ClusterNode *node;

	for (const struct pod *pod = agent->pods->first; pod; pod = pod->next) {
		if (!view_spec(pod->object)->hostnetwork && pod_add(message, pod, err) < 0)
			return -1;
	}
	for (size_t i = 0; (node = cluster_node_at(agent->cluster, i)); i++) {
		if (strcmp(node->name, agent->config->node_name) != 0 &&
			peer_pods_add(message, node, err) < 0)
			return -1;
	}
	return 0;
}

static bool is_shared(const struct agent *agent, const Bulkhead__V1__ClusterProject *project)
{
	const Bulkhead__V1__ClusterProject *other;

	for (size_t i = 0; (other = cluster_project_at(agent->cluster, i)); i++) {
		if (other->vnid == project->vnid && strcmp(other->name, project->name) != 0)
			return true;
	}
	return false;
}

/* All there are: a CNI plugin may plug a pod of any project, and they say who shares a VNID. */
static int firewalls_add(
	Bulkhead__V1__NetPolicies *message, const struct agent *agent, struct error *err)
{
	const Bulkhead__V1__ClusterProject *project;

	for (size_t i = 0; (project = cluster_project_at(agent->cluster, i)); i++) {
		Bulkhead__V1__NetFirewall *row;

		if (!project->egress[0])
			continue;
		row = edit_append(&message->firewalls, &message->n_firewalls,
			&bulkhead__v1__net_firewall__descriptor, err);
		if (!row || edit_string(&row->project, project->name, err) < 0 ||
			edit_string(&row->rules, project->egress, err) < 0)
			return -1;
		row->vnid = project->vnid;
		row->shared = is_shared(agent, project);
	}
	return 0;
}

/* All of it; without policies there are no pods and projects in it. */
static int collect(const struct agent *agent, Bulkhead__V1__NetPolicies **ret, struct error *err)
{
	Bulkhead__V1__NetPolicies *message = malloc(sizeof(*message));

	if (!message)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for network policies");
	bulkhead__v1__net_policies__init(message);
	if (policies_add(message, agent, err) < 0 || firewalls_add(message, agent, err) < 0 ||
		(message->n_policies > 0 && (pods_tell(message, agent, err) < 0 ||
						    projects_add(message, agent, err) < 0))) {
		bulkhead__v1__net_policies__free_unpacked(message, NULL);
		return -1;
	}
	*ret = message;
	return 0;
}

static void hash_append(ProtobufCBuffer *buffer, size_t len, const uint8_t *data)
{
	uint64_t *hash = (uint64_t *)(void *)(buffer + 1);

	for (size_t i = 0; i < len; i++)
		*hash = (*hash ^ data[i]) * UINT64_C(0x100000001b3);
}

/* Tells one such message from another (FNV-1a of what is sent); never 0. */
static uint64_t hash_of(const Bulkhead__V1__NetPolicies *message)
{
	struct {
		ProtobufCBuffer buffer;
		uint64_t hash;
	} sink = { { hash_append }, UINT64_C(0xcbf29ce484222325) };

	protobuf_c_message_pack_to_buffer(&message->base, &sink.buffer);
	return sink.hash | 1;
}

/* What a frame has room for still. */
struct room {
	size_t bytes;
	size_t fields; /* as wire_check() counts */
};

static bool fits(struct room *room, size_t bytes, size_t fields)
{
	if (bytes > room->bytes || fields > room->fields)
		return false;
	room->bytes -= bytes;
	room->fields -= fields;
	return true;
}

/* Each next part begins where the one before ended. */
struct part_at {
	size_t policy, pod, project, wall;
};

static void part_fill(
	const Bulkhead__V1__NetPolicies *all, struct part_at *at, Bulkhead__V1__NetPolicies *part)
{
	struct room room = { FRAME_BYTES, FRAME_FIELDS };

	part->policies = all->policies + at->policy;
	part->pods = all->pods + at->pod;
	part->projects = all->projects + at->project;
	part->firewalls = all->firewalls + at->wall;
	part->n_policies = part->n_pods = part->n_projects = part->n_firewalls = 0;
	for (; at->wall < all->n_firewalls; at->wall++, part->n_firewalls++) {
		if (!fits(&room,
			    protobuf_c_message_get_packed_size(&all->firewalls[at->wall]->base), 5))
			return;
	}
	for (; at->policy < all->n_policies; at->policy++, part->n_policies++) {
		if (!fits(&room, all->policies[at->policy].len, 1))
			return;
	}
	for (; at->pod < all->n_pods; at->pod++, part->n_pods++) {
		const Bulkhead__V1__NetPolicyPod *pod = all->pods[at->pod];

		if (!fits(&room, protobuf_c_message_get_packed_size(&pod->base),
			    5 + 3 * pod->n_labels))
			return;
	}
	for (; at->project < all->n_projects; at->project++, part->n_projects++) {
		const Bulkhead__V1__NetPolicyProject *project = all->projects[at->project];

		if (!fits(&room, protobuf_c_message_get_packed_size(&project->base),
			    2 + 3 * project->n_labels))
			return;
	}
}

/* In as many frames as it takes. */
static int send_parts(const Bulkhead__V1__NetPolicies *all, struct daemon *daemon, uint32_t *serial,
	struct error *err)
{
	Bulkhead__V1__NetPolicies part = BULKHEAD__V1__NET_POLICIES__INIT;
	struct part_at at = { 0 };

	do {
		part_fill(all, &at, &part);
		part.more = at.policy < all->n_policies || at.pod < all->n_pods ||
			    at.project < all->n_projects || at.wall < all->n_firewalls;
		if (daemon_send(daemon, IPC_NET_POLICIES, &part.base, NULL, 0, serial, err) < 0)
			return -1;
		part.part++;
	} while (part.more);
	return 0;
}

int net_policies_tell(struct net_policies_told *told, const struct agent *agent,
	struct daemon *daemon, struct error *err)
{
	Bulkhead__V1__NetPolicies *message;
	uint64_t hash;
	int r = 0;

	if (collect(agent, &message, err) < 0)
		return -1;
	hash = hash_of(message);
	if (hash != told->hash)
		r = send_parts(message, daemon, &told->serial, err);
	if (r == 0)
		told->hash = hash;
	bulkhead__v1__net_policies__free_unpacked(message, NULL);
	return r;
}

void net_policies_answered(
	struct net_policies_told *told, uint32_t reply_to, const Bulkhead__V1__NetPoliciesSet *set)
{
	struct error why = { 0 };

	if (!told->serial || told->serial != reply_to)
		return;
	told->serial = 0;
	if (ipc_error_unpack(set->error, &why) < 0)
		log_warning("the network policies are not as they should be: %s", why.text);
}
