#include <stdio.h>

#include "auth/pod_view.h"
#include "auth/validate.h"

static void judge(const K8sSELinuxOptions *o, const char *at, struct violations *ret)
{
	const struct {
		const char *name, *value;
	} parts[] = {
		{ "user", o->user },
		{ "role", o->role },
		{ "type", o->type },
		{ "level", o->level },
	};
	char field[VIEW_PATH_SIZE];

	/* A Go client writes what is absent as "": that asks for nothing. */
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!parts[i].value || !parts[i].value[0])
			continue;
		snprintf(field, sizeof(field), "%s.seLinuxOptions.%s", at, parts[i].name);
		violation_add(ret, ERR_UNSUPPORTED, "honoured", field,
			"SELinux is off on this node, so nothing would enforce it; remove it, or "
			"run the pod where SELinux is on");
	}
}

int pod_honoured_without_selinux(const K8sPod *asked, struct violations *ret, struct error *err)
{
	const K8sPodSecurityContext *of_pod = view_spec(asked)->securitycontext;
	struct view_walk walk = { .pod = asked };
	char at[VIEW_PATH_SIZE];
	struct view_container c;

	if (view_own_level(asked))
		violation_add(ret, ERR_UNSUPPORTED, "honoured",
			"metadata.annotations[" VIEW_SELINUX_LEVEL "]",
			"SELinux is off on this node, so nothing would enforce it; remove it, or "
			"run the pod where SELinux is on");
	if (of_pod && of_pod->selinuxoptions)
		judge(of_pod->selinuxoptions, "spec.securityContext", ret);
	while (view_next(&walk, &c)) {
		const K8sSecurityContext *own = *c.security;

		if (!own || !own->selinuxoptions)
			continue;
		snprintf(at, sizeof(at), "%s.securityContext", c.path);
		judge(own->selinuxoptions, at, ret);
	}
	return violations_end(ret, err);
}
