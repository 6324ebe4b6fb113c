/*
 * The shim looks at its own containers: by descriptors that it took when their processes had not
 * run a line of the tenant's, so that neither a pid nor a path stands for something else later.
 *
 * Seccomp filters are counted, not read: PTRACE_SECCOMP_GET_FILTER stops the process, and a stop
 * makes epoll_wait(2) and others of the tenant's program fail with EINTR. Filters cannot be taken
 * off or changed, so that their number says as much.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "lib/log.h"
#include "nodeagent/shim/drift.h"
#include "nodeagent/shim/shim.h"

struct container_drift {
	int proc_dirfd; /* /proc/PID */
	struct drift_plan plan;
	struct drift_list *told; /* NULL: as admitted */
};

/* ---- what is recorded at the start --------------------------------------------------------- */

static void limits_own(uint64_t ret[DRIFT_LIMITS])
{
	for (int i = 0; i < DRIFT_LIMITS; i++) {
		struct rlimit limit;

		ret[i] = getrlimit((__rlimit_resource_t)i, &limit) == 0 ? limit.rlim_max
									: RLIM_INFINITY;
	}
	/* child_no_core() */
	if (ret[RLIMIT_CORE] > 1)
		ret[RLIMIT_CORE] = 1;
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static void namespaces_of(
	const struct shim *shim, const struct container *c, struct drift_ns_fact *ret)
{
	const struct sandbox *s = &shim->sandbox;
	const int fds[DRIFT_NS_LEN] = {
		[DRIFT_NS_USER] = s->user_fd,
		[DRIFT_NS_MNT] = c->fds[LAUNCH_MNT_NS],
		[DRIFT_NS_PID] = c->fds[LAUNCH_PID_NS],
		[DRIFT_NS_NET] = s->net_fd,
		[DRIFT_NS_IPC] = s->ipc_fd,
		[DRIFT_NS_UTS] = s->uts_fd,
		[DRIFT_NS_CGROUP] = c->fds[LAUNCH_CGROUP_NS],
	};
	struct stat st;

	for (int i = 0; i < DRIFT_NS_LEN; i++) {
		char name[32];

		ret[i].inode = inode_of(fds[i]);
		snprintf(name, sizeof(name), "self/ns/%s", drift_ns_name((enum drift_ns)i));
		/* The host's own, where the pod shares it. */
		if (fds[i] < 0 && fstatat(s->proc_fd, name, &st, 0) == 0)
			ret[i].inode = st.st_ino;
	}
}

static int ids_of(const struct shim *shim, const struct container *c, struct drift_facts *ret,
	struct error *err)
{
	const struct id_map *map = &shim->sandbox.map;
	uint32_t uid, gid;

	if (id_map_outside(map, c->user.uid, &uid, err) < 0 ||
		id_map_outside(map, c->user.gid, &gid, err) < 0)
		return -1;
	for (int i = 0; i < 4; i++) {
		ret->uids[i] = uid;
		ret->gids[i] = gid;
	}
	for (size_t i = 0; i < c->user.groups_len; i++) {
		if (id_map_outside(map, c->user.groups[i], &ret->groups[i], err) < 0)
			return -1;
	}
	ret->groups_len = c->user.groups_len;
	ret->uid_map = ret->gid_map = *map;
	return 0;
}

static void confinement_of(const struct container *c, struct drift_plan *ret)
{
	const uint64_t held = c->user.uid == 0 ? c->caps : 0;

	ret->caps = c->caps;
	ret->filter_hash = c->filters_hash;
	ret->facts.caps[DRIFT_PERMITTED] = ret->facts.caps[DRIFT_EFFECTIVE] = held;
	ret->facts.caps[DRIFT_BOUNDING] = c->caps;
	ret->facts.no_new_privs = c->plan->no_new_privs != 0;
	ret->facts.filters = (unsigned)c->filters_len;
	ret->facts.seccomp = c->filters_len ? 2 : 0;
	ret->facts.oom_score_adj = c->plan->oom_score_adj;
	snprintf(ret->facts.label, sizeof(ret->facts.label), "%s", c->plan->selinux_label);
}

/* Who may mount on the host may mount here: what the table was says nothing then. */
static int mounts_count(const struct drift_plan *plan)
{
	return !plan->host_users || !(plan->caps & (UINT64_C(1) << CAP_SYS_ADMIN));
}

static int plan_fill(const struct shim *shim, const struct container *c, struct container_drift *d,
	struct error *err)
{
	struct drift_facts *f = &d->plan.facts;
	size_t size;

	d->plan.host_users = shim->sandbox.user_fd < 0;
	confinement_of(c, &d->plan);
	limits_own(f->limits);
	namespaces_of(shim, c, f->ns);
	if (ids_of(shim, c, f, err) < 0 ||
		file_read_at(d->proc_dirfd, "cgroup", DRIFT_FILE_MAX, &f->cgroups, &size, err) <
			0 ||
		cgroup_values_read(&c->cgroup, &f->values, err) < 0)
		return -1;
	if (!mounts_count(&d->plan))
		return 0;
	return drift_read_text(c->fds[LAUNCH_MOUNTS], &f->mounts, err);
}

static void drift_free(struct container_drift *d)
{
	if (!d)
		return;
	cleanup_close_fn(&d->proc_dirfd);
	drift_plan_done(&d->plan);
	free(d->told);
	free(d);
}

void drift_container_start(struct shim *shim, struct container *c)
{
	struct container_drift *d = calloc(1, sizeof(*d));
	struct error err = { 0 };
	char name[16];

	if (!d)
		return;
	snprintf(name, sizeof(name), "%d", c->pid);
	/* Not reaped yet, so that the number is its own. */
	d->proc_dirfd = openat(shim->sandbox.proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (d->proc_dirfd < 0 || plan_fill(shim, c, d, &err) < 0) {
		log_warning("container '%s' is not watched for drift: %s", c->plan->name,
			d->proc_dirfd < 0 ? strerror(errno) : err.text);
		drift_free(d);
		return;
	}
	c->drift = d;
}

void drift_container_end(struct container *c)
{
	drift_free(c->drift);
	c->drift = NULL;
}

void drift_mounts_changed(struct shim *shim)
{
	for (struct container *c = shim->containers; c; c = c->next) {
		char *text;

		if (!c->drift || !c->drift->plan.facts.mounts || c->drift->told ||
			drift_read_text(c->fds[LAUNCH_MOUNTS], &text, NULL) < 0)
			continue;
		free(c->drift->plan.facts.mounts);
		c->drift->plan.facts.mounts = text;
	}
}

/* ---- looking ------------------------------------------------------------------------------- */

static void container_check(const struct container *c, struct drift_list *ret)
{
	const struct container_drift *d = c->drift;
	struct drift_facts found = { 0 };
	struct error err = { 0 };

	if (drift_read(&found, d->proc_dirfd, &d->plan, &err) < 0) {
		/* Between its end and our hearing of it. */
		if (err.code != ERR_NOT_FOUND)
			drift_add(ret, "proc", "readable", err.text);
		return;
	}
	if (cgroup_values_read(&c->cgroup, &found.values, &err) < 0)
		drift_add(ret, "cgroup", "readable", err.text);
	if (d->plan.facts.mounts && drift_read_text(c->fds[LAUNCH_MOUNTS], &found.mounts, &err) < 0)
		drift_add(ret, "mounts", "readable", err.text);
	drift_compare(&d->plan, &found, ret);
	drift_facts_done(&found);
}

static void pod_check(const struct shim *shim, struct drift_list *ret)
{
	cleanup_free char *values = NULL;
	struct error err = { 0 };

	if (!shim->pod_values)
		return;
	if (cgroup_values_read(&shim->sandbox.cgroup, &values, &err) < 0)
		drift_add(ret, "cgroup", "readable", err.text);
	else
		drift_compare_values("cgroup.", shim->pod_values, values, ret);
}

/* Whether it is other than what was told; then it is what will be. */
static int take(struct drift_list **told, const struct drift_list *now)
{
	static const struct drift_list none;
	struct drift_list *copy = NULL;

	if (drift_same(*told ? *told : &none, now))
		return 0;
	if (now->len > 0) {
		copy = malloc(sizeof(*copy));
		if (copy)
			*copy = *now;
	}
	free(*told);
	*told = copy;
	return 1;
}

static int watched(const struct container *c)
{
	return c->drift && c->state == CONTAINER_RUNNING;
}

/* ---- telling ------------------------------------------------------------------------------- */

struct report {
	Bulkhead__V1__ContainerDrift container;
	Bulkhead__V1__DriftRow rows[DRIFT_ROWS_MAX];
	Bulkhead__V1__DriftRow *row_list[DRIFT_ROWS_MAX];
};

static void report_fill(
	struct report *r, const char *name, uint32_t restart, struct drift_list *list)
{
	bulkhead__v1__container_drift__init(&r->container);
	r->container.container = (char *)(uintptr_t)name;
	r->container.restart = restart;
	r->container.rows = r->row_list;
	for (size_t i = 0; list && i < list->len; i++) {
		bulkhead__v1__drift_row__init(&r->rows[i]);
		r->rows[i].field = list->rows[i].field;
		r->rows[i].expected = list->rows[i].expected;
		r->rows[i].found = list->rows[i].found;
		r->row_list[i] = &r->rows[i];
	}
	r->container.n_rows = list ? list->len : 0;
	r->container.more = list ? (uint32_t)list->more : 0;
}

static void tell(struct shim *shim, int asked, uint32_t serial, uint64_t took_usec)
{
	Bulkhead__V1__Drift message = BULKHEAD__V1__DRIFT__INIT;
	cleanup_free struct report *reports = calloc(SHIM_CONTAINERS_MAX + 1, sizeof(*reports));
	cleanup_free Bulkhead__V1__ContainerDrift **list =
		calloc(SHIM_CONTAINERS_MAX + 1, sizeof(Bulkhead__V1__ContainerDrift *));
	size_t n = 0;

	if (!reports || !list) {
		log_error("no memory to tell of drift");
		return;
	}
	report_fill(&reports[n++], "", 0, shim->pod_drift);
	for (struct container *c = shim->containers; c; c = c->next) {
		if (watched(c))
			report_fill(&reports[n++], c->plan->name, c->plan->restart, c->drift->told);
	}
	for (size_t i = 0; i < n; i++)
		list[i] = &reports[i].container;
	message.asked = asked;
	message.containers = list;
	message.n_containers = n;
	message.checked_at_usec = (int64_t)realtime_usec();
	message.took_usec = took_usec;
	shim_send(shim, IPC_DRIFT, serial, &message.base, NULL, 0);
}

void drift_check(struct shim *shim, int asked, uint32_t serial)
{
	uint64_t start = monotonic_usec();
	struct drift_list list = { .len = 0 };
	int changed;

	pod_check(shim, &list);
	changed = take(&shim->pod_drift, &list);
	for (struct container *c = shim->containers; c; c = c->next) {
		if (!watched(c))
			continue;
		list.len = list.more = 0;
		container_check(c, &list);
		changed |= take(&c->drift->told, &list);
	}
	if (asked || changed)
		tell(shim, asked, serial, monotonic_usec() - start);
}

void drift_tell(struct shim *shim)
{
	int any = shim->pod_drift != NULL;

	for (const struct container *c = shim->containers; c; c = c->next)
		any |= watched(c) && c->drift->told;
	if (any)
		tell(shim, 0, 0, 0);
}

/* ---- the timer ----------------------------------------------------------------------------- */

static void timer_ready(struct shim *shim, struct source *source)
{
	uint64_t turns;

	if (read(source->fd, &turns, sizeof(turns)) == (ssize_t)sizeof(turns))
		drift_check(shim, 0, 0);
}

void drift_start(struct shim *shim)
{
	const struct timespec interval = { .tv_sec = shim->sandbox.plan->drift_interval };
	const struct itimerspec every = { interval, interval };
	struct error err = { 0 };
	int fd;

	if (cgroup_values_read(&shim->sandbox.cgroup, &shim->pod_values, &err) < 0)
		log_warning("the pod's cgroup is not watched for drift: %s", err.text);
	if (interval.tv_sec == 0)
		return;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd >= 0 && timerfd_settime(fd, 0, &every, NULL) == 0 &&
		source_add(shim, &shim->drift_timer, fd, timer_ready, NULL, &err) == 0)
		return;
	cleanup_close_fn(&fd);
	log_warning("the pod is not watched for drift: no timer");
}

void drift_stop(struct shim *shim)
{
	source_done(shim, &shim->drift_timer);
	free(shim->pod_values);
	free(shim->pod_drift);
	shim->pod_values = NULL;
	shim->pod_drift = NULL;
}
