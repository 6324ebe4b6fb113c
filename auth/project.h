/*
 * What a project owns by its number: OpenShift's UID range and MCS label, and the rules for project
 * names and VNIDs. Pure arithmetic; the database decides which number is free.
 */
#ifndef AUTH_PROJECT_H
#define AUTH_PROJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

#define PROJECT_BLOCKS     100000u     /* block indices are 0 .. PROJECT_BLOCKS - 1 */
#define PROJECT_UID_BASE   1000000000u /* OpenShift's 1000000000-1999999999/10000 */
#define PROJECT_UID_SIZE   10000u
#define PROJECT_MCS_LABELS 5u    /* offsets of one project; the first is the project's label */
#define PROJECT_MCS_CATS   1024u /* c0 .. c1023 */

#define PROJECT_UID_RANGE_SIZE 24 /* "1999990000/10000" */
#define PROJECT_MCS_SIZE       64 /* "s0:c1000,c495" and what others may write */
#define PROJECT_NAME_SIZE      64

#define PROJECT_VNID_DEFAULT 0u /* project "default": reaches and is reached by all */
#define PROJECT_VNID_CONTROL 1u /* the control plane; no project has it */
#define PROJECT_VNID_FIRST   10u
#define PROJECT_VNID_MAX     0xffffffu

#define PROJECTS_MOVED_MAX 1000 /* from one network to another, at once */

/* An inclusive range is [start, start + size - 1]. */
struct project_range {
	uint32_t start;
	uint32_t size;
};

/* What admission needs to know of a project. */
struct project_facts {
	char name[PROJECT_NAME_SIZE];
	struct project_range uids; /* sa.scc.uid-range, also sa.scc.supplemental-groups */
	char mcs[PROJECT_MCS_SIZE];
};

/* Block 0 is project "default". ERR_INVALID when block >= PROJECT_BLOCKS. */
int project_uid_range(uint32_t block, char ret[PROJECT_UID_RANGE_SIZE], struct error *err);

/*
 * "s0:c1,c0" for block 0: the pair numbered block * 5 in co-lexicographic order of the pairs out of
 * 1024 categories, the higher first (openshift/cluster-policy-controller, pkg/security/mcs).
 */
int project_mcs(uint32_t block, char ret[PROJECT_MCS_SIZE], struct error *err);

/*
 * The 'number'th of a project's PROJECT_MCS_LABELS pairs; 0 is project_mcs(), the others are for
 * pods that want one of their own. Two pairs that are not the same never dominate one another, and
 * no pair is two projects'.
 */
int project_mcs_of(uint32_t block, uint32_t number, char ret[PROJECT_MCS_SIZE], struct error *err);

/* The block that 'uids' is. ERR_INVALID when it is none that the allocation gives. */
int project_block_of(const struct project_range *uids, uint32_t *ret, struct error *err);

/* Reads "start/size" or "start-end". Ids stay below 2^31. ERR_INVALID says which rule is broken. */
int project_range_parse(const char *text, struct project_range *ret, struct error *err);

/* "s0" or "s0:c1,c0", sensitivities s0-s15, categories below 1024, none twice. */
int project_mcs_check(const char *text, struct error *err);

/*
 * Whether a project's numbers are ones that the allocation gives: a whole block of ids, its MCS
 * label, a VNID as project_vnid_check() has it. Whoever changes the database must not be able to
 * give a project root's ids, the node's own, or another's network.
 */
int project_numbers_check(const struct project_facts *facts, uint32_t vnid, struct error *err);

/* From the texts of a ClusterProject. */
int project_facts_parse(const char *name, const char *uid_range, const char *mcs,
	struct project_facts *ret, struct error *err);

/*
 * An RFC 1123 label that a user may create: "default" is always there, names that start with
 * "kube-" or "openshift-" and "openshift", "kubernetes", "bulkhead" are reserved.
 */
int project_name_check(const char *name, struct error *err);

/* A VNID that a project may have: 10 .. 2^24-1, or 0 when it is global, as "default" always is. */
int project_vnid_check(const char *name, uint32_t vnid, struct error *err);

#define PROJECT_LABELS_MAX 64
/* The label that every project has, as every namespace of Kubernetes: its name. Nobody sets it. */
#define PROJECT_NAME_LABEL "kubernetes.io/metadata.name"

/*
 * Whether "KEY=VALUE" ('set'), or "KEY" to be removed, may be a project's label. Errors:
 * ERR_INVALID, ERR_PRECONDITION (PROJECT_NAME_LABEL).
 */
int project_label_check(const char *label, bool set, struct error *err);

#endif
