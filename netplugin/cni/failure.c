#include "netplugin/cni/failure.h"

#include <stdarg.h>
#include <stdio.h>

void failure_fill(struct failure *failure, enum cni_code code, const char *fmt, ...)
{
	va_list ap;

	failure->code = code;
	va_start(ap, fmt);
	vsnprintf(failure->msg, sizeof(failure->msg), fmt, ap);
	va_end(ap);
	for (char *c = failure->msg; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
}
