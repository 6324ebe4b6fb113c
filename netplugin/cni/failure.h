/*
 * Why bulkhead-cni fails, in the CNI specification's codes (SPEC.md of CNI 1.1, "Error"): runtimes
 * decide by them what to do. Those from 100 on are the plugin's own; bulkhead-cni(8) lists them.
 */
#ifndef NETPLUGIN_CNI_FAILURE_H
#define NETPLUGIN_CNI_FAILURE_H

#include "lib/error.h"

enum cni_code {
	CNI_NONE = 0,
	CNI_INCOMPATIBLE_VERSION = 1,
	CNI_UNSUPPORTED_FIELD = 2,
	CNI_UNKNOWN_CONTAINER = 3,
	CNI_INVALID_ENVIRONMENT = 4,
	CNI_IO = 5,
	CNI_DECODE = 6,
	CNI_INVALID_CONFIG = 7,
	CNI_TRY_AGAIN = 11,
	CNI_NOT_AVAILABLE = 50,     /* STATUS: no ADD now */
	CNI_LIMITED = 51,           /* and what is attached may be cut off */
	CNI_ATTACHED_ALREADY = 100, /* ADD: this container by this name, or the link is there */
	CNI_DIFFERS = 101,          /* CHECK: something is not as ADD left it */
	CNI_REFUSED = 102,          /* bulkhead-netd failed; its message says why */
};

struct failure {
	enum cni_code code;
	char msg[ERROR_TEXT_SIZE];
};

/*
 * Fills 'failure' and is -1, as error_set(). What is not printable ASCII becomes '?': the message
 * is JSON's, and quotes what need not even be UTF-8.
 */
#define failure_set(...) (failure_fill(__VA_ARGS__), error_failed())
void failure_fill(struct failure *failure, enum cni_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
