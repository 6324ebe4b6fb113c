#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "nodeagent/agent/plan_env.h"
#include "nodeagent/agent/plan_etc.h"
#include "nodeagent/agent/plan_huge_pages.h"
#include "nodeagent/agent/plan_probe.h"
#include "nodeagent/agent/plan_resources.h"
#include "nodeagent/agent/plan_security.h"
#include "nodeagent/agent/plan_text.h"
#include "nodeagent/agent/plan_volumes.h"

#define CONTAINER_DESC (&bulkhead__v1__container_plan__descriptor)

static int layers_fill(
	const struct image *image, Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	for (size_t i = 0; i < image->layers_len; i++) {
		if (edit_append_string(&plan->layers, &plan->n_layers, image->layers[i], err) < 0)
			return -1;
	}
	return 0;
}

static int rights_fill(const struct plan_node *node, const struct plan_pod *pod,
	const K8sContainer *container, const struct image *image, Bulkhead__V1__ContainerPlan *plan,
	struct error *err)
{
	const K8sPodSpec *spec = view_spec(pod->pod);
	char field[PLAN_FIELD_SIZE];
	const struct plan_security s = { .node = node,
		.pod = pod,
		.field = plan_container_field(spec, container, field),
		.of_pod = spec->securitycontext,
		.own = container->securitycontext };

	if (plan_confinement(&s, plan, err) < 0 || plan_identity(&s, image, plan, err) < 0 ||
		plan_capabilities(&s, plan, err) < 0 || plan_covers(&s, plan, err) < 0)
		return -1;
	return plan_selinux_process(&s, plan, err);
}

/* The sandbox was made before the network gave the pod its address. */
static int hosts_fill(const struct plan_node *node, const struct plan_pod *pod,
	Bulkhead__V1__ContainerPlan *plan, struct error *err)
{
	if (plan_or_empty(pod->address)[0] == '\0')
		return 0;
	return plan_hosts(node, pod, &plan->etc_hosts, &plan->n_etc_hosts, err);
}

static int fill(const struct plan_node *node, const struct plan_pod *pod,
	const K8sContainer *container, const struct image *image, Bulkhead__V1__ContainerPlan *plan,
	struct error *err)
{
	const K8sPodSpec *spec = view_spec(pod->pod);
	char hostname[PLAN_HOSTNAME_SIZE];
	char field[PLAN_FIELD_SIZE];

	plan->tty = container->tty;
	plan->stdin = container->stdin;
	plan_hostname(node, pod->pod, hostname);
	if (edit_string(&plan->name, plan_or_empty(container->name), err) < 0 ||
		layers_fill(image, plan, err) < 0 ||
		rights_fill(node, pod, container, image, plan, err) < 0 ||
		plan_mounts(pod, container, plan, err) < 0 ||
		hosts_fill(node, pod, plan, err) < 0 ||
		plan_limits_container(spec, container, &plan->limits, err) < 0 ||
		plan_huge_pages_container(node, spec, container, plan->limits, err) < 0 ||
		plan_oom_score_adj(node, pod->pod, container, &plan->oom_score_adj, err) < 0 ||
		plan_probes(pod, container, plan_container_field(spec, container, field), plan,
			err) < 0)
		return -1;
	return plan_env_and_args(node, pod, container, hostname, image, plan, err);
}

int plan_container(const struct plan_node *node, const struct plan_pod *pod,
	const K8sContainer *container, bool init, uint32_t restart, const struct image *image,
	Bulkhead__V1__ContainerPlan **ret, struct error *err)
{
	Bulkhead__V1__ContainerPlan *plan = NULL;

	/* An init container is one like any other: only when it runs is different. */
	(void)init;
	if (edit_message(&plan, CONTAINER_DESC, err) < 0)
		return -1;
	plan->restart = restart;
	if (fill(node, pod, container, image, plan, err) < 0) {
		bulkhead__v1__container_plan__free_unpacked(plan, NULL);
		return -1;
	}
	*ret = plan;
	return 0;
}
