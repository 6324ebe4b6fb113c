#include "nodeagent/ctl/client_error.h"

#include <string.h>

#include "lib/cleanup.h"

/* The reverse of nodeagent/api/status.c; what the node never sends is an internal error. */
static const struct {
	grpc_status_code status;
	enum error_code code;
} codes[] = {
	{ GRPC_STATUS_INVALID_ARGUMENT, ERR_INVALID },
	{ GRPC_STATUS_NOT_FOUND, ERR_NOT_FOUND },
	{ GRPC_STATUS_ALREADY_EXISTS, ERR_EXISTS },
	{ GRPC_STATUS_PERMISSION_DENIED, ERR_DENIED },
	{ GRPC_STATUS_UNAUTHENTICATED, ERR_UNAUTHENTICATED },
	{ GRPC_STATUS_RESOURCE_EXHAUSTED, ERR_EXHAUSTED },
	{ GRPC_STATUS_FAILED_PRECONDITION, ERR_PRECONDITION },
	{ GRPC_STATUS_UNIMPLEMENTED, ERR_UNSUPPORTED },
	{ GRPC_STATUS_UNAVAILABLE, ERR_UNAVAILABLE },
	{ GRPC_STATUS_INTERNAL, ERR_INTERNAL },
	{ GRPC_STATUS_CANCELLED, ERR_CANCELLED },
	{ GRPC_STATUS_DEADLINE_EXCEEDED, ERR_TIMEOUT },
};

/* What gRPC core 1.51 writes when it could not connect, and what to tell the operator. First fit.
 */
static const struct {
	const char *text;
	const char *reason;
} unreachable[] = {
	{ "Connection refused", "connection refused; is the node up?" },
	{ "CERTIFICATE_VERIFY_FAILED",
		"its certificate is not signed by the context's 'ca'; is this the right cluster?" },
	{ "certificate verify failed",
		"its certificate is not signed by the context's 'ca'; is this the right cluster?" },
	{ "Peer name", "its certificate is for another name; see 'server_name' in the context" },
	{ "Hostname Verification",
		"its certificate is for another name; see 'server_name' in the context" },
	{ "andshake", "the TLS handshake failed; is this a Bulkhead node?" },
	{ "No route to host", "no route to host" },
	{ "Network is unreachable", "the network is unreachable" },
	{ "imed out", "it does not answer" },
	{ "imeout", "it does not answer" },
	{ "Name or service not known", "the name in the context's 'server' is not known" },
	{ "DNS resolution failed", "the name in the context's 'server' is not known" },
	/* With TLS 1.3 a client certificate is judged after the client's side of the handshake. */
	{ "Socket closed",
		"the node closed the connection; does it accept the context's 'certificate'?" },
	{ "Connection reset",
		"the node closed the connection; does it accept the context's 'certificate'?" },
	{ "Broken pipe",
		"the node closed the connection; does it accept the context's 'certificate'?" },
	{ "failed to connect", "no connection" },
};

int client_error_of(grpc_status_code status, const char *details, const char *server,
	int timeout_ms, struct error *err)
{
	enum error_code code = ERR_INTERNAL;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (codes[i].status == status)
			code = codes[i].code;
	}
	for (size_t i = 0; code == ERR_UNAVAILABLE && i < ARRAY_LEN(unreachable); i++) {
		if (strstr(details, unreachable[i].text))
			return error_set(
				err, code, 0, "cannot reach %s: %s", server, unreachable[i].reason);
	}
	if (code == ERR_TIMEOUT && strcmp(details, "Deadline Exceeded") == 0)
		return error_set(
			err, code, 0, "no answer from %s within %d ms", server, timeout_ms);
	if (code == ERR_INTERNAL && status != GRPC_STATUS_INTERNAL)
		return error_set(err, code, 0, "%s answered with gRPC status %d: %s", server,
			(int)status, details);
	return error_set(err, code, 0, "%s", details[0] ? details : "no reason was given");
}
