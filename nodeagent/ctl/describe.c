#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bulkhead/v1/node.pb-c.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/print.h"

static void line(const char *name, const char *value)
{
	printf("%-18s", name);
	value = value && *value ? value : "<none>";
	print_untrusted(stdout, value, strlen(value), true);
	putchar('\n');
}

static const char *annotation(const K8sPod *pod, const char *key)
{
	const K8sObjectMeta *meta = pod->metadata;

	for (size_t i = 0; meta && i < meta->n_annotations; i++) {
		if (meta->annotations[i]->key && strcmp(meta->annotations[i]->key, key) == 0)
			return meta->annotations[i]->value;
	}
	return NULL;
}

static void stamp(const char *name, const K8sTime *at)
{
	char text[64] = "";
	time_t seconds = at ? (time_t)at->seconds : 0;
	struct tm tm;

	if (at && gmtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	line(name, text);
}

static void describe_state(const K8sContainerState *state)
{
	if (!state)
		return;
	if (state->running) {
		line("    State:", "Running");
		stamp("      Started:", state->running->startedat);
	} else if (state->waiting) {
		line("    State:", "Waiting");
		line("      Reason:", state->waiting->reason);
		if (state->waiting->message && *state->waiting->message)
			line("      Message:", state->waiting->message);
	} else if (state->terminated) {
		char code[16];

		snprintf(code, sizeof(code), "%d", state->terminated->exitcode);
		line("    State:", "Terminated");
		line("      Reason:", state->terminated->reason);
		line("      Exit code:", code);
		if (state->terminated->message && *state->terminated->message)
			line("      Message:", state->terminated->message);
		stamp("      Finished:", state->terminated->finishedat);
	}
}

static void describe_containers(const K8sPod *pod)
{
	puts("Containers:");
	for (size_t i = 0; pod->spec && i < pod->spec->n_containers; i++) {
		const K8sContainer *c = pod->spec->containers[i];

		printf("  %s:\n", c->name);
		line("    Image:", c->image);
		for (size_t j = 0; pod->status && j < pod->status->n_containerstatuses; j++) {
			const K8sContainerStatus *s = pod->status->containerstatuses[j];
			char restarts[16];

			if (strcmp(s->name, c->name) != 0)
				continue;
			describe_state(s->state);
			snprintf(restarts, sizeof(restarts), "%d", s->restartcount);
			line("    Ready:", s->ready ? "True" : "False");
			line("    Restarts:", restarts);
		}
	}
}

/* Debug containers are not in the spec: they are there as long as they run. */
static void describe_debug(const K8sPod *pod)
{
	for (size_t i = 0; pod->status && i < pod->status->n_ephemeralcontainerstatuses; i++) {
		const K8sContainerStatus *s = pod->status->ephemeralcontainerstatuses[i];

		if (i == 0)
			puts("Debug Containers:");
		printf("  %s:\n", s->name);
		line("    Image:", s->image);
		describe_state(s->state);
	}
}

static void describe_stages(const Bulkhead__V1__DescribePodResponse *r)
{
	struct print_table *table;
	static const char *const headings[] = { "  STAGE", "START", "DURATION", "DETAIL" };

	if (!r->n_stages)
		return;
	puts("Stages (since the request was received):");
	table = print_table_new();
	print_table_row(table, headings, 4);
	for (size_t i = 0; i < r->n_stages; i++) {
		const Bulkhead__V1__Stage *s = r->stages[i];
		char name[64];
		char start[32];
		char duration[32];
		const char *cells[] = { name, start, duration, *s->detail ? s->detail : "-" };

		snprintf(name, sizeof(name), "  %s", s->name);
		snprintf(start, sizeof(start), "%.3f ms", (double)s->start_usec / 1000);
		snprintf(duration, sizeof(duration), "%.3f ms", (double)s->duration_usec / 1000);
		print_table_row(table, cells, 4);
	}
	print_table_write(table, stdout);
	print_table_free(table);
}

static void describe_events(const Bulkhead__V1__DescribePodResponse *r)
{
	static const char *const headings[] = { "  TYPE", "REASON", "AGE", "MESSAGE" };
	struct print_table *table;

	if (!r->n_events) {
		line("Events:", NULL);
		return;
	}
	puts("Events:");
	table = print_table_new();
	print_table_row(table, headings, 4);
	for (size_t i = 0; i < r->n_events; i++) {
		const Bulkhead__V1__PodRecord *e = r->events[i];
		char type[32];
		char age[PRINT_AGE_SIZE];
		const char *cells[] = { type, e->reason,
			print_age((int64_t)time(NULL) - e->at_usec / 1000000, age), e->message };

		snprintf(type, sizeof(type), "  %s", e->type);
		print_table_row(table, cells, 4);
	}
	print_table_write(table, stdout);
	print_table_free(table);
}

static void describe_pressure(const Bulkhead__V1__DescribePodResponse *r)
{
	if (r->n_pressure == 0)
		line("Pressure:", "not available");
	for (size_t i = 0; i < r->n_pressure; i++) {
		const Bulkhead__V1__Pressure *p = r->pressure[i];
		char text[256];

		if (i == 0)
			puts("Pressure (percent of the time in which some, or all, waited):");
		snprintf(text, sizeof(text), "some %.64s%s%.64s", p->some,
			p->full[0] ? ", full " : "", p->full);
		printf("  %-8.8s%-8.8s", p->group, p->resource);
		print_untrusted(stdout, text, strlen(text), true);
		putchar('\n');
	}
}

static int describe_pod(struct ctl *ctl, const char *name, struct error *err)
{
	Bulkhead__V1__DescribePodRequest request = BULKHEAD__V1__DESCRIBE_POD_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__DescribePodResponse *r;
	char vnid[16];

	request.project = (char *)(uintptr_t)ctl_project(ctl);
	request.name = (char *)(uintptr_t)name;
	if (ctl_call(ctl, "DescribePod", &request.base, &response, err) < 0)
		return -1;
	r = (Bulkhead__V1__DescribePodResponse *)response;
	line("Name:", r->pod->metadata->name);
	line("Project:", r->pod->metadata->namespace_);
	line("UID:", r->pod->metadata->uid);
	line("Node:", r->pod->spec ? r->pod->spec->nodename : NULL);
	stamp("Created:", r->pod->metadata->creationtimestamp);
	line("Status:", ctl_pod_status(r->pod));
	if (r->pod->status && r->pod->status->message && *r->pod->status->message)
		line("Message:", r->pod->status->message);
	line("IP:", r->pod->status ? r->pod->status->podip : NULL);
	line("MAC:", r->mac);
	line("Port:", r->port);
	snprintf(vnid, sizeof(vnid), "%" PRIu32, r->vnid);
	line("VNID:", vnid);
	line("User map:", r->uid_map);
	line("Constraint:", annotation(r->pod, "openshift.io/scc"));
	line("Service account:", r->pod->spec ? r->pod->spec->serviceaccountname : NULL);
	describe_containers(r->pod);
	describe_debug(r->pod);
	describe_pressure(r);
	describe_stages(r);
	describe_events(r);
	return 0;
}

static int describe_one(struct ctl *ctl, enum ctl_kind kind, const char *name, struct error *err)
{
	if (kind == CTL_PODS)
		return describe_pod(ctl, name, err);
	if (kind == CTL_QUOTAS)
		return ctl_quota_describe(ctl, name, err);
	if (kind == CTL_EGRESS)
		return ctl_egress_describe(ctl, name, err);
	return ctl_policy_describe(ctl, name, err);
}

int ctl_describe(struct ctl *ctl, struct error *err)
{
	struct ctl_names names;

	if (ctl_names(ctl->args, &names, err) < 0 || ctl_connect(ctl, err) < 0)
		return -1;
	if (names.kind != CTL_PODS && names.kind != CTL_QUOTAS && names.kind != CTL_POLICIES &&
		names.kind != CTL_EGRESS)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"describe shows pods, quotas, network policies and egress firewalls; for "
			"others use 'get %s "
			"-o yaml'",
			ctl->args->words[1]);
	if (names.len == 0)
		return error_set(err, ERR_INVALID, 0, "describe which %s? give its name",
			names.kind == CTL_PODS     ? "pod"
			: names.kind == CTL_QUOTAS ? "quota"
			: names.kind == CTL_EGRESS ? "egress firewall"
						   : "network policy");
	for (size_t i = 0; i < names.len; i++) {
		if (i)
			putchar('\n');
		if (describe_one(ctl, names.kind, names.items[i], err) < 0)
			return -1;
	}
	return 0;
}
