/* One question to bulkhead-netd and its answer. */
#ifndef NETPLUGIN_CNI_CALL_H
#define NETPLUGIN_CNI_CALL_H

#include "netplugin/cni/failure.h"
#include "proto/ipc_table.h"

#define CNI_ANSWER_MSEC 15000 /* netd answers an ADD that does not come about after some 6 s */

/*
 * Connects to the socket 'path', which must be root's. The caller owns *ret. Errors: CNI_TRY_AGAIN.
 */
int cni_connect(const char *path, struct ipc **ret, struct failure *failure);

/*
 * Sends 'call' with 'fds' and waits. On success the caller frees *ret with
 * bulkhead__v1__cni_reply__free_unpacked(). What netd refuses is a failure with the code that fits
 * its error; for STATUS CNI_NOT_AVAILABLE or CNI_LIMITED.
 */
int cni_call(struct ipc *ipc, const Bulkhead__V1__CniCall *call, const int *fds, size_t fds_len,
	Bulkhead__V1__CniReply **ret, struct failure *failure);

#endif
