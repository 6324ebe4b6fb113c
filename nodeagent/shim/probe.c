#include "nodeagent/shim/probe.h"

#include "lib/cleanup.h"

#define SECOND UINT64_C(1000000)

#define STARTUP   BULKHEAD__V1__PROBE_KIND__PROBE_STARTUP
#define READINESS BULKHEAD__V1__PROBE_KIND__PROBE_READINESS

void probe_set_begin(
	struct probe_set *set, Bulkhead__V1__ProbePlan *const *plans, size_t len, uint64_t now)
{
	*set = (struct probe_set){ .started = true };
	for (size_t i = 0; i < len; i++) {
		struct probe *p = &set->probes[plans[i]->kind];

		p->plan = plans[i];
		p->due = now + plans[i]->initial_delay * SECOND;
	}
	set->started = set->probes[STARTUP].plan == NULL;
}

/* The startup probe runs until it succeeds, the others from then on. */
static bool may_run(const struct probe_set *set, int kind)
{
	const struct probe *p = &set->probes[kind];

	return p->plan && !p->deadline && !set->dead && (kind == STARTUP) != set->started;
}

uint64_t probe_set_next(const struct probe_set *set)
{
	uint64_t next = PROBE_NEVER;

	for (int kind = 0; kind < PROBE_KINDS; kind++) {
		const struct probe *p = &set->probes[kind];

		if (p->deadline && p->deadline < next)
			next = p->deadline;
		if (may_run(set, kind) && p->due < next)
			next = p->due;
	}
	return next;
}

int probe_set_due(const struct probe_set *set, uint64_t now)
{
	for (int kind = 0; kind < PROBE_KINDS; kind++) {
		if (may_run(set, kind) && set->probes[kind].due <= now)
			return kind;
	}
	return -1;
}

int probe_set_late(const struct probe_set *set, uint64_t now)
{
	for (int kind = 0; kind < PROBE_KINDS; kind++) {
		if (set->probes[kind].deadline && set->probes[kind].deadline <= now)
			return kind;
	}
	return -1;
}

void probe_set_run(struct probe_set *set, int kind, uint64_t now)
{
	struct probe *p = &set->probes[kind];

	p->deadline = now + p->plan->timeout * SECOND;
	p->due = now + p->plan->period * SECOND;
}

static unsigned passed(struct probe_set *set, int kind)
{
	struct probe *p = &set->probes[kind];

	if (p->passed || p->row < p->plan->success_threshold)
		return 0;
	p->passed = true;
	if (kind == STARTUP)
		set->started = true;
	return kind == STARTUP || kind == READINESS ? PROBE_CHANGED : 0;
}

static unsigned failed(struct probe_set *set, int kind)
{
	struct probe *p = &set->probes[kind];
	unsigned first = p->row == 1 ? PROBE_FAILING : 0;

	if (p->row < p->plan->failure_threshold)
		return first;
	if (kind != READINESS) {
		set->dead = true;
		p->passed = false;
		return first | PROBE_KILL;
	}
	if (!p->passed)
		return first;
	p->passed = false;
	return first | PROBE_CHANGED;
}

unsigned probe_set_result(struct probe_set *set, int kind, bool ok, uint64_t now)
{
	struct probe *p = &set->probes[kind];

	p->deadline = 0;
	if (p->due < now)
		p->due = now;
	/* One that was under way when another one's failure ended the container. */
	if (set->dead)
		return 0;
	if (p->row == 0 || p->last_ok != ok)
		p->row = 0;
	/* A container that is well for years must not come round to one again. */
	if (p->row < UINT32_MAX)
		p->row++;
	p->last_ok = ok;
	return ok ? passed(set, kind) : failed(set, kind);
}

bool probe_set_ready(const struct probe_set *set)
{
	const struct probe *p = &set->probes[READINESS];

	return set->started && !set->dead && (!p->plan || p->passed);
}

const char *probe_kind_name(int kind)
{
	static const char *const names[] = { "startup", "liveness", "readiness" };

	return kind >= 0 && kind < (int)ARRAY_LEN(names) ? names[kind] : "unknown";
}
