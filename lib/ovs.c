#include <config.h>

#include "lib/ovs.h"

#include <time.h>

#include "openvswitch/vlog.h"
#include "random.h"
#include "timeval.h"
#include "uuid.h"

void ovs_prepare(void)
{
	char syslog_method[] = "null";

	vlog_set_syslog_method(syslog_method);
	vlog_set_levels(NULL, VLF_SYSLOG, VLL_OFF);
	vlog_set_levels(NULL, VLF_CONSOLE, VLL_ERR);
	random_init();
	uuid_init();
	time_msec();
	tzset();
}
