#include "auth/validate.h"

#include <string.h>

#include "auth/pod_view.h"
#include "auth/validate_parts.h"

static const K8sPodSecurityContext empty_security = K8S_POD_SECURITY_CONTEXT_INIT;

static const char *const restart_policies[] = { "Always", "OnFailure", "Never", NULL };
static const char *const preemptions[] = { "PreemptLowerPriority", "Never", NULL };
static const char *const systems[] = { "linux", "windows", NULL };

static void check_account(const struct validation *v, const struct place *at)
{
	const K8sPodSpec *s = v->spec;

	want_text_if(v, AT(at, "serviceAccountName"), s->serviceaccountname, rule_dns_subdomain);
	if (is_set(s->serviceaccount) && is_set(s->serviceaccountname) &&
		strcmp(s->serviceaccount, s->serviceaccountname) != 0)
		invalid(v, AT(at, "serviceAccount"),
			"must be the same as serviceAccountName; leave it out");
}

static void check_times(const struct validation *v, const struct place *at)
{
	const K8sPodSpec *s = v->spec;

	if (s->has_terminationgraceperiodseconds)
		want_range(v, AT(at, "terminationGracePeriodSeconds"),
			s->terminationgraceperiodseconds, 0, VALIDATE_GRACE_MAX);
	if (s->has_activedeadlineseconds)
		want_range(
			v, AT(at, "activeDeadlineSeconds"), s->activedeadlineseconds, 1, INT32_MAX);
}

static void check_namespaces(const struct validation *v, const struct place *at)
{
	const K8sPodSpec *s = v->spec;

	if (s->shareprocessnamespace && s->hostpid)
		invalid(v, AT(at, "shareProcessNamespace"),
			"must not be true with hostPID; remove one of the two");
	if (!s->has_hostusers || s->hostusers)
		return;
	if (s->hostnetwork)
		invalid(v, AT(at, "hostNetwork"), "must not be true when hostUsers is false");
	if (s->hostpid)
		invalid(v, AT(at, "hostPID"), "must not be true when hostUsers is false");
	if (s->hostipc)
		invalid(v, AT(at, "hostIPC"), "must not be true when hostUsers is false");
}

static void check_spec(const struct validation *v)
{
	const struct place *at = AT(NULL, "spec");
	const K8sPodSpec *s = v->spec;

	want_one_of(v, AT(at, "restartPolicy"), s->restartpolicy, restart_policies);
	want_one_of(v, AT(at, "preemptionPolicy"), s->preemptionpolicy, preemptions);
	want_text_if(v, AT(at, "nodeName"), s->nodename, rule_dns_subdomain);
	if (s->os && !is_set(s->os->name))
		invalid(v, AT(AT(at, "os"), "name"), "must be given");
	if (s->os)
		want_one_of(v, AT(AT(at, "os"), "name"), s->os->name, systems);
	check_account(v, at);
	check_times(v, at);
	check_namespaces(v, at);
	validate_resources(v, s->resources, AT(at, "resources"));
}

int pod_validate(const K8sPod *pod, struct violations *ret, struct error *err)
{
	struct validation v = {
		.pod = pod,
		.spec = view_spec(pod),
		.security = &empty_security,
		.out = ret,
	};

	if (v.spec->securitycontext)
		v.security = v.spec->securitycontext;
	validate_strings(&v);
	validate_meta(&v);
	check_spec(&v);
	validate_containers(&v);
	validate_volumes(&v);
	validate_network(&v);
	validate_security(&v);
	return violations_end(ret, err);
}
