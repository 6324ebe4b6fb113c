/* Pod security standards: names of policies, upstream's sentences word for word, and when they
 * changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "tests/unit/pss_pod.h"

static const struct pss_policy restricted = { PSS_RESTRICTED, false, PSS_MINOR_MAX };

/* ---- policies ------------------------------------------------------------------------------- */

static void policies_by_name(void **state)
{
	static const struct {
		const char *text;
		struct pss_policy policy;
		const char *back;
	} rows[] = {
		{ "restricted:v1.37", { PSS_RESTRICTED, false, 37 }, "restricted:v1.37" },
		{ "baseline:v1.0", { PSS_BASELINE, false, 0 }, "baseline:v1.0" },
		{ "baseline:latest", { PSS_BASELINE, true, 37 }, "baseline:latest" },
		{ "restricted", { PSS_RESTRICTED, true, 37 }, "restricted:latest" },
		{ "privileged:v1.99", { PSS_PRIVILEGED, false, 99 }, "privileged:v1.99" },
		{ "restricted:v1.2147483647", { PSS_RESTRICTED, false, 2147483647 },
			"restricted:v1.2147483647" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pss_policy got;
		struct error err = { 0 };
		char buf[PSS_POLICY_SIZE];

		if (pss_policy_parse(rows[i].text, &got, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.text);
		assert_int_equal(got.level, rows[i].policy.level);
		assert_int_equal(got.latest, rows[i].policy.latest);
		assert_int_equal(got.minor, rows[i].policy.minor);
		assert_string_equal(pss_policy_text(&got, buf), rows[i].back);
	}
}

static void policies_refused(void **state)
{
	static const char *const texts[] = { "", ":", ":latest", "Restricted", "restrict",
		"restrictedx", "baseline:", "baseline:1.37", "baseline:v1", "baseline:v1.",
		"baseline:v1.01", "baseline:v1.-1", "baseline:v1.+1", "baseline:v1.1 ",
		"baseline:v2.0", "baseline:LATEST", "baseline:v1.2147483648",
		"baseline:v1.99999999999999999999", "baseline:latest:latest" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct pss_policy got = { .minor = 7 };
		struct error err = { 0 };

		if (pss_policy_parse(texts[i], &got, &err) == 0)
			fail_msg("'%s' was taken", texts[i]);
		assert_int_equal(err.code, ERR_INVALID);
		assert_non_null(strstr(err.text, "LEVEL:VERSION"));
		assert_int_equal(got.minor, 7);
	}
}

/* ---- sentences ------------------------------------------------------------------------------ */

#define SC(x)     "{'c':{'securityContext':{" x "}}}"
#define SP(x)     "{'spec':{'securityContext':{" x "}}}"
#define TWO(a, b) "{'c':{'securityContext':{" a "}},'i':{'securityContext':{" b "}}}"
#define ALL_LEVELS_OF(a, b, c)                                                                     \
	"{'spec':{'securityContext':{" a "}},'c':{'securityContext':{" b "}},"                     \
	"'i':{'securityContext':{" c "}}}"

struct sentence {
	enum pss_level level;
	unsigned minor;
	const char *check;
	const char *want;   /* the reason */
	const char *fields; /* one a line */
	const char *patch;
};

/* The words are upstream's (policy/check_*.go and their tests). */
static const struct sentence sentences[] = {
	{ PSS_BASELINE, 37, "appArmorProfile",
		"forbidden AppArmor profile (pod must not set AppArmor profile type to "
		"\"Unconfined\")",
		"spec.securityContext.appArmorProfile.type\n",
		SP("'appArmorProfile':{'type':'Unconfined'}") },
	{ PSS_BASELINE, 0, "appArmorProfile",
		"forbidden AppArmor profiles (pod and container \"container1\" and annotations "
		"must "
		"not set AppArmor profile type to \"Unconfined\", \"unconfined\", "
		"\"container.apparmor.security.beta.kubernetes.io/=\"bogus\"\", "
		"\"container.apparmor.security.beta.kubernetes.io/e=\"a\\\"b\"\")",
		"spec.securityContext.appArmorProfile.type\n"
		"spec.containers[0].securityContext.appArmorProfile.type\n"
		"metadata.annotations[container.apparmor.security.beta.kubernetes.io/e]\n"
		"metadata.annotations[container.apparmor.security.beta.kubernetes.io/]\n",
		"{'spec':{'securityContext':{'appArmorProfile':{'type':'unconfined'}}},"
		"'c':{'securityContext':{'appArmorProfile':{'type':'Unconfined'}}},"
		"'meta':{'annotations':{"
		"'container.apparmor.security.beta.kubernetes.io/e':'a\\'b',"
		"'container.apparmor.security.beta.kubernetes.io/a':'',"
		"'container.apparmor.security.beta.kubernetes.io/b':'runtime/default',"
		"'container.apparmor.security.beta.kubernetes.io/c':'localhost/',"
		"'container.apparmor.security.beta.kubernetes.io/':'bogus'}}}" },
	{ PSS_BASELINE, 37, "capabilities_baseline",
		"non-default capabilities (containers \"initcontainer1\", \"container1\" must not "
		"include \"NET_RAW\", \"bar\", \"foo\" in securityContext.capabilities.add)",
		"spec.initContainers[0].securityContext.capabilities.add\n"
		"spec.containers[0].securityContext.capabilities.add\n",
		TWO("'capabilities':{'add':['foo','bar','CHOWN']}",
			"'capabilities':{'add':['bar','NET_RAW']}") },
	{ PSS_BASELINE, 37, "hostNamespaces",
		"host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)",
		"spec.hostNetwork\nspec.hostPID\nspec.hostIPC\n",
		"{'spec':{'hostIPC':true,'hostPID':true,'hostNetwork':true}}" },
	{ PSS_BASELINE, 37, "hostPathVolumes", "hostPath volumes (volume \"a\")",
		"spec.volumes[1].hostPath\n",
		"{'spec':{'volumes':[{'name':'b'},{'name':'a','hostPath':{}}]}}" },
	{ PSS_BASELINE, 37, "hostPathVolumes", "hostPath volumes (volumes \"b\", \"a\")",
		"spec.volumes[0].hostPath\nspec.volumes[1].hostPath\n",
		"{'spec':{'volumes':[{'name':'b','hostPath':{}},{'name':'a','hostPath':{}}]}}" },
	{ PSS_BASELINE, 37, "hostPorts", "hostPort (container \"container1\" uses hostPort 80)",
		"spec.containers[0].ports[1].hostPort\n",
		"{'c':{'ports':[{'containerPort':1},{'containerPort':2,'hostPort':80}]}}" },
	{ PSS_BASELINE, 37, "hostPorts",
		"hostPort (containers \"initcontainer1\", \"container1\" use hostPorts 10, 9)",
		"spec.initContainers[0].ports[0].hostPort\nspec.containers[0].ports[0].hostPort\n"
		"spec.containers[0].ports[1].hostPort\n",
		"{'i':{'ports':[{'hostPort':9}]},'c':{'ports':[{'hostPort':10},{'hostPort':9}]}}" },
	{ PSS_BASELINE, 34, "hostProbesAndHostLifecycle",
		"probe or lifecycle host (containers \"container1\", \"initcontainer1\" use probe "
		"or lifecycle hosts \"a\", \"b\", \"c\")",
		"spec.initContainers[0].startupProbe.tcpSocket.host\n"
		"spec.containers[0].livenessProbe.httpGet.host\n"
		"spec.containers[0].lifecycle.preStop.httpGet.host\n"
		"spec.containers[0].lifecycle.preStop.tcpSocket.host\n",
		"{'i':{'startupProbe':{'tcpSocket':{'host':'c','port':1}}},"
		"'c':{'livenessProbe':{'httpGet':{'host':'a','port':1}},"
		"'readinessProbe':{'httpGet':{'host':'','port':1}},'lifecycle':{'preStop':"
		"{'httpGet':{'host':'b','port':1},'tcpSocket':{'host':'a','port':1}}}}}" },
	{ PSS_BASELINE, 34, "hostProbesAndHostLifecycle",
		"probe or lifecycle host (container \"container1\" uses probe or lifecycle host "
		"\"a\")",
		"spec.containers[0].lifecycle.postStart.tcpSocket.host\n",
		"{'c':{'lifecycle':{'postStart':{'tcpSocket':{'host':'a','port':1}}}}}" },
	{ PSS_BASELINE, 37, "privileged",
		"privileged (container \"container1\" must not set "
		"securityContext.privileged=true)",
		"spec.containers[0].securityContext.privileged\n", SC("'privileged':true") },
	{ PSS_BASELINE, 37, "procMount",
		"procMount (containers \"initcontainer1\", \"container1\" must not set "
		"securityContext.procMount to \"\", \"Unmasked\")",
		"spec.initContainers[0].securityContext.procMount\n"
		"spec.containers[0].securityContext.procMount\n",
		TWO("'procMount':'Unmasked'", "'procMount':''") },
	{ PSS_BASELINE, 37, "seLinuxOptions",
		"seLinuxOptions (pod and containers \"initcontainer1\", \"container1\" set "
		"forbidden securityContext.seLinuxOptions: types \"bar\", \"foo\"; user may not be "
		"set; role may not be set)",
		"spec.securityContext.seLinuxOptions.type\n"
		"spec.securityContext.seLinuxOptions.user\n"
		"spec.initContainers[0].securityContext.seLinuxOptions.type\n"
		"spec.containers[0].securityContext.seLinuxOptions.role\n",
		ALL_LEVELS_OF("'seLinuxOptions':{'type':'foo','user':'u'}",
			"'seLinuxOptions':{'type':'container_engine_t','role':'r'}",
			"'seLinuxOptions':{'type':'bar'}") },
	{ PSS_BASELINE, 37, "seLinuxOptions",
		"seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: role may not be "
		"set)",
		"spec.securityContext.seLinuxOptions.role\n", SP("'seLinuxOptions':{'role':'r'}") },
	{ PSS_BASELINE, 30, "seLinuxOptions",
		"seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "
		"\"container_engine_t\")",
		"spec.securityContext.seLinuxOptions.type\n",
		SP("'seLinuxOptions':{'type':'container_engine_t'}") },
	{ PSS_BASELINE, 18, "seccompProfile_baseline",
		"seccompProfile (forbidden annotations "
		"container.seccomp.security.alpha.kubernetes.io/container1=\"unknown\", "
		"seccomp.security.alpha.kubernetes.io/pod=\"unconfined\")",
		"metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]\n"
		"metadata.annotations[container.seccomp.security.alpha.kubernetes.io/"
		"container1]\n",
		"{'meta':{'annotations':{'seccomp.security.alpha.kubernetes.io/pod':'unconfined',"
		"'container.seccomp.security.alpha.kubernetes.io/initcontainer1':'docker/default',"
		"'container.seccomp.security.alpha.kubernetes.io/stranger':'unconfined',"
		"'container.seccomp.security.alpha.kubernetes.io/container1':'unknown'}}}" },
	{ PSS_BASELINE, 19, "seccompProfile_baseline",
		"seccompProfile (pod and container \"container1\" must not set "
		"securityContext.seccompProfile.type to \"\", \"Unconfined\")",
		"spec.securityContext.seccompProfile.type\n"
		"spec.containers[0].securityContext.seccompProfile.type\n",
		ALL_LEVELS_OF("'seccompProfile':{'type':'Unconfined'}", "'seccompProfile':{}",
			"'seccompProfile':{'type':'Localhost'}") },
	{ PSS_BASELINE, 26, "sysctls",
		"forbidden sysctls (net.ipv4.ip_local_reserved_ports, b, a, a)",
		"spec.securityContext.sysctls[0].name\nspec.securityContext.sysctls[2].name\n"
		"spec.securityContext.sysctls[3].name\nspec.securityContext.sysctls[4].name\n",
		SP("'sysctls':[{'name':'net.ipv4.ip_local_reserved_ports'},"
		   "{'name':'net.ipv4.tcp_syncookies'},{'name':'b'},{'name':'a'},{'name':'a'}]") },
	{ PSS_BASELINE, 37, "windowsHostProcess",
		"hostProcess (pod and container \"container1\" must not set "
		"securityContext.windowsOptions.hostProcess=true)",
		"spec.securityContext.windowsOptions.hostProcess\n"
		"spec.containers[0].securityContext.windowsOptions.hostProcess\n",
		ALL_LEVELS_OF("'windowsOptions':{'hostProcess':true}",
			"'windowsOptions':{'hostProcess':true}",
			"'windowsOptions':{'hostProcess':false}") },

	{ PSS_RESTRICTED, 37, "allowPrivilegeEscalation",
		"allowPrivilegeEscalation != false (containers \"initcontainer1\", \"container1\" "
		"must set securityContext.allowPrivilegeEscalation=false)",
		"spec.initContainers[0].securityContext.allowPrivilegeEscalation\n"
		"spec.containers[0].securityContext.allowPrivilegeEscalation\n",
		TWO("'allowPrivilegeEscalation':null", "'allowPrivilegeEscalation':true") },
	{ PSS_RESTRICTED, 37, "capabilities_restricted",
		"unrestricted capabilities (containers \"initcontainer1\", \"container1\" must set "
		"securityContext.capabilities.drop=[\"ALL\"]; container \"container1\" must not "
		"include \"CHOWN\", \"bar\" in securityContext.capabilities.add)",
		"spec.initContainers[0].securityContext.capabilities.drop\n"
		"spec.containers[0].securityContext.capabilities.drop\n"
		"spec.containers[0].securityContext.capabilities.add\n",
		TWO("'capabilities':{'drop':['all','CAP_ALL'],"
		    "'add':['bar','CHOWN','bar','NET_BIND_SERVICE']}",
			"'capabilities':null") },
	{ PSS_RESTRICTED, 37, "capabilities_restricted",
		"unrestricted capabilities (container \"container1\" must not include "
		"\"net_bind_service\" in securityContext.capabilities.add)",
		"spec.containers[0].securityContext.capabilities.add\n",
		SC("'capabilities':{'add':['net_bind_service']}") },
	{ PSS_RESTRICTED, 37, "restrictedVolumes",
		"restricted volume types (volumes \"b\", \"a\" use restricted volume types "
		"\"gitRepo\", \"hostPath\")",
		"spec.volumes[0].hostPath\nspec.volumes[2].gitRepo\n",
		"{'spec':{'volumes':[{'name':'b','hostPath':{}},{'name':'c','secret':{}},"
		"{'name':'a','gitRepo':{}}]}}" },
	{ PSS_RESTRICTED, 37, "restrictedVolumes",
		"restricted volume types (volume \"b\" uses restricted volume type "
		"\"photonPersistentDisk\")",
		"spec.volumes[0].photonPersistentDisk\n",
		"{'spec':{'volumes':[{'name':'b','photonPersistentDisk':{}}]}}" },
	{ PSS_RESTRICTED, 37, "runAsNonRoot",
		"runAsNonRoot != true (pod and containers \"initcontainer1\", \"container1\" must "
		"not set securityContext.runAsNonRoot=false)",
		"spec.securityContext.runAsNonRoot\n"
		"spec.initContainers[0].securityContext.runAsNonRoot\n"
		"spec.containers[0].securityContext.runAsNonRoot\n",
		ALL_LEVELS_OF(
			"'runAsNonRoot':false", "'runAsNonRoot':false", "'runAsNonRoot':false") },
	{ PSS_RESTRICTED, 37, "runAsNonRoot",
		"runAsNonRoot != true (pod or container \"container1\" must set "
		"securityContext.runAsNonRoot=true)",
		"spec.containers[0].securityContext.runAsNonRoot\n",
		ALL_LEVELS_OF("'runAsNonRoot':null", "'runAsUser':5", "'runAsNonRoot':true") },
	{ PSS_RESTRICTED, 37, "runAsUser",
		"runAsUser=0 (pod and container \"container1\" must not set runAsUser=0)",
		"spec.securityContext.runAsUser\nspec.containers[0].securityContext.runAsUser\n",
		ALL_LEVELS_OF("'runAsUser':0", "'runAsUser':0", "'runAsUser':1") },
	{ PSS_RESTRICTED, 37, "seccompProfile_restricted",
		"seccompProfile (pod or containers \"initcontainer1\", \"container1\" must set "
		"securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")",
		"spec.initContainers[0].securityContext.seccompProfile.type\n"
		"spec.containers[0].securityContext.seccompProfile.type\n",
		SP("'seccompProfile':null") },
	{ PSS_RESTRICTED, 37, "seccompProfile_restricted",
		"seccompProfile (container \"container1\" must not set "
		"securityContext.seccompProfile.type to \"runtimedefault\")",
		"spec.containers[0].securityContext.seccompProfile.type\n",
		SC("'seccompProfile':{'type':'runtimedefault'}") },
};

/* Exactly this check objects, in these words, at these fields. */
static void check_sentence(const struct sentence *s)
{
	struct pss_policy policy = { s->level, false, s->minor };
	cleanup_violations struct violations found = { 0 };
	cleanup_free char *message = NULL;
	cleanup_free char *want = NULL;
	char fields[4096] = "";
	char name[PSS_POLICY_SIZE];
	cleanup_free char *patch = strdup(s->patch);

	message = pss_verdict(&policy, patch, &found);
	pss_policy_text(&policy, name);
	assert_true(asprintf(&want, "violates PodSecurity \"%s\": %s", name, s->want) > 0);
	assert_string_equal(message, want);
	for (size_t i = 0; i < found.n; i++) {
		assert_string_equal(found.items[i].check, s->check);
		assert_string_equal(found.items[i].reason, s->want);
		assert_int_equal(found.items[i].code, ERR_DENIED);
		strcat(fields, found.items[i].field);
		strcat(fields, "\n");
	}
	assert_string_equal(fields, s->fields);
}

static void upstream_sentences(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sentences); i++)
		check_sentence(&sentences[i]);
}

static void checks_come_in_upstreams_order(void **state)
{
	static const char *const want[] = { "appArmorProfile", "hostNamespaces", "hostPorts",
		"hostProbesAndHostLifecycle", "privileged", "seLinuxOptions", "sysctls",
		"windowsHostProcess", "allowPrivilegeEscalation", "capabilities_restricted",
		"procMount_restricted", "restrictedVolumes", "runAsNonRoot", "runAsUser",
		"seccompProfile_restricted" };
	cleanup_violations struct violations found = { 0 };
	cleanup_free char *message = pss_verdict(&restricted,
		"{'spec':{'hostPID':true,'volumes':[{'name':'v','hostPath':{}}],'securityContext':{"
		"'appArmorProfile':{},'seLinuxOptions':{'user':'u'},'sysctls':[{'name':'s'}],"
		"'windowsOptions':{'hostProcess':true},'runAsNonRoot':null,'runAsUser':0,"
		"'seccompProfile':null}},'i':{'securityContext':null,'ports':[{'hostPort':1}],"
		"'livenessProbe':{'httpGet':{'host':'h','port':1}}},"
		"'c':{'securityContext':{'privileged':true,'procMount':'Unmasked',"
		"'allowPrivilegeEscalation':null,'capabilities':null}}}",
		&found);
	const char *last = "";
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < found.n; i++) {
		if (strcmp(found.items[i].check, last) == 0)
			continue;
		last = found.items[i].check;
		assert_true(n < ARRAY_LEN(want));
		assert_string_equal(last, want[n++]);
	}
	assert_int_equal(n, ARRAY_LEN(want));
	assert_non_null(strstr(message, "violates PodSecurity \"restricted:v1.37\": forbidden "
					"AppArmor profile (pod must"));
	assert_non_null(strstr(message, "), host namespaces (hostPID=true), hostPort (container "));
}

/* ---- versions ------------------------------------------------------------------------------- */

/* The verdict turns between the version before and this one. */
static const struct turn {
	enum pss_level level;
	unsigned at;
	bool then_allowed; /* from 'at' on */
	const char *patch;
} turns[] = {
	{ PSS_BASELINE, 19, false, SP("'seccompProfile':{'type':'Unconfined'}") },
	{ PSS_BASELINE, 19, true,
		"{'meta':{'annotations':{'seccomp.security.alpha.kubernetes.io/"
		"pod':'unconfined'}}}" },
	{ PSS_BASELINE, 27, true, SP("'sysctls':[{'name':'net.ipv4.ip_local_reserved_ports'}]") },
	{ PSS_BASELINE, 29, true, SP("'sysctls':[{'name':'net.ipv4.tcp_keepalive_time'}]") },
	{ PSS_BASELINE, 29, true, SP("'sysctls':[{'name':'net.ipv4.tcp_fin_timeout'}]") },
	{ PSS_BASELINE, 29, true, SP("'sysctls':[{'name':'net.ipv4.tcp_keepalive_intvl'}]") },
	{ PSS_BASELINE, 29, true, SP("'sysctls':[{'name':'net.ipv4.tcp_keepalive_probes'}]") },
	{ PSS_BASELINE, 31, true, SP("'seLinuxOptions':{'type':'container_engine_t'}") },
	{ PSS_BASELINE, 32, true, SP("'sysctls':[{'name':'net.ipv4.tcp_rmem'}]") },
	{ PSS_BASELINE, 32, true, SP("'sysctls':[{'name':'net.ipv4.tcp_wmem'}]") },
	{ PSS_BASELINE, 34, false, "{'c':{'livenessProbe':{'httpGet':{'host':'h','port':1}}}}" },
	{ PSS_BASELINE, 35, true,
		"{'spec':{'hostUsers':false},'c':{'securityContext':{'procMount':'Unmasked'}}}" },
	{ PSS_BASELINE, 37, true, SP("'sysctls':[{'name':'net.ipv4.tcp_slow_start_after_idle'}]") },
	{ PSS_BASELINE, 37, true, SP("'sysctls':[{'name':'net.ipv4.tcp_notsent_lowat'}]") },
	{ PSS_RESTRICTED, 8, false, SC("'allowPrivilegeEscalation':true") },
	{ PSS_RESTRICTED, 19, false, SP("'seccompProfile':null") },
	{ PSS_RESTRICTED, 22, false, SC("'capabilities':{'drop':null,'add':['CHOWN']}") },
	{ PSS_RESTRICTED, 23, false, SP("'runAsUser':0") },
	{ PSS_RESTRICTED, 25, true,
		"{'spec':{'os':{'name':'windows'}},'c':{'securityContext':{"
		"'allowPrivilegeEscalation':null}}}" },
	{ PSS_RESTRICTED, 25, true,
		"{'spec':{'os':{'name':'windows'}},'c':{'securityContext':{'capabilities':null}}"
		"}" },
	{ PSS_RESTRICTED, 25, true,
		"{'spec':{'os':{'name':'windows'},'securityContext':{'seccompProfile':null}}}" },
	{ PSS_RESTRICTED, 35, true,
		"{'spec':{'hostUsers':false,'securityContext':{'runAsNonRoot':false}}}" },
	{ PSS_RESTRICTED, 35, true,
		"{'spec':{'hostUsers':false,'securityContext':{'runAsUser':0}}}" },
};

static bool allows(enum pss_level level, unsigned minor, const char *patch)
{
	struct pss_policy policy = { level, false, minor };
	cleanup_violations struct violations found = { 0 };
	cleanup_free char *message = pss_verdict(&policy, patch, &found);

	return !*message;
}

static void verdicts_turn_with_the_version(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(turns); i++) {
		const struct turn *t = &turns[i];

		if (allows(t->level, t->at - 1, t->patch) == t->then_allowed ||
			allows(t->level, t->at, t->patch) != t->then_allowed ||
			allows(t->level, PSS_MINOR_MAX, t->patch) != t->then_allowed)
			fail_msg("%s does not turn at v1.%u", t->patch, t->at);
	}
}

/* What never turns: the same at the first and the newest version. */
static void verdicts_that_stay(void **state)
{
	static const char userns[] =
		"{'spec':{'hostUsers':false},'c':{'securityContext':{'procMount':'Unmasked'}}}";
	static const char image[] =
		"{'spec':{'volumes':[{'name':'a','image':{'reference':'r'}},{'name':'b','csi':{}},"
		"{'name':'c','ephemeral':{}}]}}";

	(void)state;
	for (unsigned minor = 0; minor <= PSS_MINOR_MAX; minor++) {
		assert_false(allows(PSS_RESTRICTED, minor, userns));
		assert_true(allows(PSS_RESTRICTED, minor, image));
		assert_false(allows(PSS_BASELINE, minor, SP("'appArmorProfile':{'type':'x'}")));
		assert_false(allows(PSS_BASELINE, minor, SP("'sysctls':[{'name':'kernel.sem'}]")));
	}
	/* Windows is exempt from three checks, not from who it runs as; and only by this name. */
	assert_false(allows(PSS_RESTRICTED, 37,
		"{'spec':{'os':{'name':'windows'},'securityContext':{'runAsNonRoot':null}}}"));
	assert_false(allows(PSS_RESTRICTED, 37,
		"{'spec':{'os':{'name':'Windows'},'securityContext':{'seccompProfile':null}}}"));
	/* hostUsers unset or true relaxes nothing. */
	assert_false(allows(PSS_RESTRICTED, 37, SP("'runAsUser':0")));
	assert_false(allows(PSS_RESTRICTED, 37,
		"{'spec':{'hostUsers':true,'securityContext':{'runAsUser':0}}}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_by_name),
		cmocka_unit_test(policies_refused),
		cmocka_unit_test(upstream_sentences),
		cmocka_unit_test(checks_come_in_upstreams_order),
		cmocka_unit_test(verdicts_turn_with_the_version),
		cmocka_unit_test(verdicts_that_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
