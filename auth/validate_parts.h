/*
 * The parts of pod_validate(), one file a topic: each raises its objections and returns nothing.
 */
#ifndef AUTH_VALIDATE_PARTS_H
#define AUTH_VALIDATE_PARTS_H

#include "auth/validate_rules.h"

/* Any text of the pod: no control characters but where a program may want them; no key twice. */
void validate_strings(const struct validation *v);

void validate_meta(const struct validation *v);
void validate_containers(const struct validation *v);
void validate_volumes(const struct validation *v);
void validate_network(const struct validation *v);  /* hostname, DNS, hosts */
void validate_security(const struct validation *v); /* of the pod */

/* Of the container that stands at 'at'. */
void validate_ports(const struct validation *v, const K8sContainer *c, const struct place *at);
void validate_env(const struct validation *v, const K8sContainer *c, const struct place *at);
void validate_mounts(const struct validation *v, const K8sContainer *c, const struct place *at);
void validate_hooks(const struct validation *v, const K8sContainer *c, const struct place *at);
void validate_container_security(
	const struct validation *v, const K8sContainer *c, const struct place *at);

/* NULL is allowed. */
void validate_resources(
	const struct validation *v, const K8sResourceRequirements *r, const struct place *at);

/* A quantity of at least 0, or absent. */
void validate_quantity(
	const struct validation *v, const K8sQuantity *quantity, const struct place *at);

/* What a variable (in_file false) or a file may show of its own pod. NULL is allowed. */
void validate_field_ref(const struct validation *v, const K8sObjectFieldSelector *ref,
	const struct place *at, bool in_file);
void validate_resource_ref(const struct validation *v, const K8sResourceFieldSelector *ref,
	const struct place *at, bool in_file);

#endif
