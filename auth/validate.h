/*
 * Whether a pod is one that Kubernetes' API would take (pod_validate), and whether this version
 * does all that it asks for (pod_honoured). A field that is not honoured is refused by name.
 */
#ifndef AUTH_VALIDATE_H
#define AUTH_VALIDATE_H

#include "auth/violation.h"
#include "lib/error.h"
#include "proto/k8s.h"

#define VALIDATE_CONTAINERS_MAX  32 /* init containers included */
#define VALIDATE_VOLUMES_MAX     64
#define VALIDATE_MOUNTS_MAX      64 /* of one container */
#define VALIDATE_ENV_MAX         1024
#define VALIDATE_ENV_SIZE_MAX    (128u << 10) /* of one container, each as NAME=value and NUL */
#define VALIDATE_ARGS_MAX        1024
#define VALIDATE_ARGS_SIZE_MAX   (128u << 10) /* command and args, each with its NUL */
#define VALIDATE_PORTS_MAX       128
#define VALIDATE_GROUPS_MAX      64
#define VALIDATE_ITEMS_MAX       256 /* files that one volume lists */
#define VALIDATE_ALIASES_MAX     64  /* host aliases, and names of each */
#define VALIDATE_NAMESERVERS_MAX 3
#define VALIDATE_SEARCHES_MAX    32
#define VALIDATE_SEARCH_SIZE_MAX 2048 /* bytes of all search domains */
#define VALIDATE_DNS_OPTIONS_MAX 32
#define VALIDATE_SYSCTLS_MAX     64
#define VALIDATE_CAPS_MAX        64           /* to add, and to drop */
#define VALIDATE_ANNOTATIONS_MAX (256u << 10) /* bytes of keys and values, as upstream */
#define VALIDATE_LABELS_MAX      256
#define VALIDATE_GRACE_MAX       86400 /* seconds */

/* What one pod may have on this node: descriptors of tmpfs travel in one message. */
#define HONOURED_SECRET_VOLUMES_MAX 29  /* secret, projected and downwardAPI */
#define HONOURED_LOG_NAME_MAX       255 /* bytes of <project>_<pod>_<uid>, a directory's name */

/*
 * Judges a pod after pod_default(). Violations have check "validate" and code ERR_INVALID. Returns
 * 0 whatever it found, -1 only when it could not judge. Rules: pkg/apis/core/validation upstream.
 */
int pod_validate(const K8sPod *pod, struct violations *ret, struct error *err);

/*
 * Names every field that is set but not honoured yet: check "honoured", code ERR_UNSUPPORTED. To be
 * called after the policy has judged, so that a denied field is said to be denied. 'node_name' is
 * this node's, for spec.nodeName. Fields of metadata that the node sets (uid...) are refused: call
 * it before they are set. Returns as pod_validate().
 */
int pod_honoured(
	const K8sPod *pod, const char *node_name, struct violations *ret, struct error *err);

/*
 * For a node where SELinux is off: names what the author of 'asked' (the pod before a security
 * context constraint added its own) wants of it and the kernel cannot enforce. Returns as
 * pod_validate().
 */
int pod_honoured_without_selinux(const K8sPod *asked, struct violations *ret, struct error *err);

/* What the table says of a field, for the test that walks every descriptor. */
enum honour {
	HONOUR_UNKNOWN = 0, /* in no row: refused, and the test fails */
	HONOUR_YES,
	HONOUR_SOME, /* honoured for some values */
	HONOUR_REFUSED,
};

enum honour pod_honour_of(const ProtobufCMessageDescriptor *desc, const char *field);

#endif
