/*
 * Open vSwitch's own programs, which outlive the agent: an ovsdb-server with the cluster database
 * and, with `ovs: private`, another with the switch's database, and ovs-vswitchd. Found again by
 * their pid files, started when they are not there and started again when they end. With `ovs:
 * system` the switch is the distribution's, and only an ovsdb-server for the cluster database is
 * started.
 *
 * The cluster database is <state>/cluster.db, served to other nodes where `cluster_listen` says so;
 * a member of a cluster runs a relay of its manager's instead. Both speak TLS 1.2 or 1.3, know each
 * other by certificates of their own (secrets/setup.h), and the database knows by the certificate
 * which rows a node may write (RBAC). Everything else lies in <run>/ovs, the switch's
 * database too: what it says of ports is wrong after a reboot.
 */
#ifndef NODEAGENT_AGENT_OVS_H
#define NODEAGENT_AGENT_OVS_H

#include <stdbool.h>
#include <sys/types.h>

#include "bulkhead/v1/config.pb-c.h"
#include "lib/error.h"

#define OVS_DIR_SIZE     64
#define OVS_CONTROL_SIZE 40
#define OVS_SYSTEM_DIR   "/run/openvswitch"
#define OVS_CLUSTER      "cluster" /* .sock, .pid, .ctl, .log in <run>/ovs of the cluster's database */
#define OVS_DOMAIN       "bulkhead_ovs_t" /* of its programs where SELinux is on */

struct agent;
struct ovs;

/* Makes the databases that are missing and starts what does not run. */
int ovs_new(struct ovs **ret, struct agent *agent, struct error *err);
/* Lets go of the processes: they run on. */
void ovs_free(struct ovs *ovs);

/* Whether all processes run; if not 'err' says which does not and why. */
bool ovs_running(const struct ovs *ovs, struct error *err);

/* The folder with the sockets of the switch: db.sock, <bridge>.mgmt. Returns 'buf'. */
const char *ovs_switch_dir(const Bulkhead__V1__NodeConfig *config, char buf[OVS_DIR_SIZE]);

/*
 * The file in that folder that is ovs-vswitchd's control socket. Errors: ERR_UNAVAILABLE (it does
 * not run).
 */
int ovs_switch_control(
	const Bulkhead__V1__NodeConfig *config, char name[OVS_CONTROL_SIZE], struct error *err);

/*
 * Takes the bridge away, ends the processes (`ovs: private`), and waits for that. What is not there
 * is no error. Goes on after a failure and reports the first.
 */
int ovs_teardown(const Bulkhead__V1__NodeConfig *config, struct error *err);

/* The process that holds the lock on a pid file, as Open vSwitch's daemons do; 0 when none does. */
pid_t ovs_pid_of(const char *pid_file);

/* Ends that process, if there is one, and waits for it. Errors: ERR_TIMEOUT. */
int ovs_end(const char *pid_file, struct error *err);

#endif
