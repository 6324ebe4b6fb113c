/* node.yaml: what init writes passes, and every rule refuses by the field's name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "nodeagent/agent/config.h"
#include "proto/decode.h"

/* As `bulkhead init` writes it. */
static const char good[] = "nodeName: node1\n"
			   "stateDir: /var/lib/bulkhead\n"
			   "runDir: /run/bulkhead\n"
			   "listen: \"127.0.0.1:7443\"\n"
			   "clusterNetwork: 10.128.0.0/14\n"
			   "hostSubnetBits: 9\n"
			   "ovs: private\n"
			   "datapath: auto\n"
			   "cgroupParent: bulkhead\n"
			   "apiUid: 64201\n"
			   "secretdUid: 64202\n"
			   "clusterdUid: 64203\n"
			   "netdUid: 64204\n"
			   "unpackUid: 64205\n"
			   "usernsStart: 268435456\n"
			   "usernsSlices: 11000\n"
			   "imageBase: 268369920\n"
			   "bridge: br0\n"
			   "libexecDir: /usr/local/libexec/bulkhead\n"
			   "seccompDir: /var/lib/bulkhead/seccomp\n"
			   "tokenIssuer: https://node1\n"
			   "maxPods: 250\n";

/* The good one with the line of 'key' replaced by 'line' ("" leaves it out). */
static char *changed(const char *key, const char *line)
{
	const char *at = strstr(good, key);
	const char *end;
	char *text = NULL;

	assert_non_null(at);
	end = strchr(at, '\n');
	assert_true(asprintf(&text, "%.*s%s%s", (int)(at - good), good, line, end) > 0);
	return text;
}

static int judge(const char *text, struct error *err)
{
	ProtobufCMessage *message;
	int r;

	*err = (struct error){ 0 };
	if (decode_yaml(&bulkhead__v1__node_config__descriptor, text, strlen(text), &message, err) <
		0)
		return -1;
	r = config_check((Bulkhead__V1__NodeConfig *)message, err);
	protobuf_c_message_free_unpacked(message, NULL);
	return r;
}

static void what_init_writes_passes(void **state)
{
	struct error err;

	(void)state;
	if (judge(good, &err) < 0)
		fail_msg("%s", err.text);
}

#define LONG_50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct refused {
	const char *key;
	const char *line;
	const char *text; /* in the error */
} refused[] = {
	{ "nodeName:", "", "node_name: is missing" },
	{ "nodeName:", "nodeName: Node_1", "node_name: 'Node_1' is not an RFC 1123" },
	{ "stateDir:", "stateDir: var/lib", "state_dir: 'var/lib' is not an absolute path" },
	{ "stateDir:", "stateDir: /", "state_dir: '/' is not an absolute path below" },
	{ "stateDir:", "stateDir: /var/../etc", "state_dir: '/var/../etc' must be written" },
	{ "stateDir:", "stateDir: /var/..", "state_dir: '/var/..' must be written" },
	{ "stateDir:", "stateDir: /var/.", "state_dir: '/var/.' must be written" },
	{ "stateDir:", "stateDir: /var/", "state_dir: '/var/' must be written" },
	{ "stateDir:", "stateDir: /var//x", "state_dir: '/var//x' must be written" },
	{ "stateDir:", "stateDir: \"/var/a:b\"", "state_dir: '/var/a:b' has a blank" },
	{ "stateDir:", "stateDir: \"/var/a b\"", "state_dir: '/var/a b' has a blank" },
	{ "stateDir:", "stateDir: /run/bulkhead/state", "must not lie in each other" },
	{ "runDir:", "runDir: /var/lib/bulkhead", "must not lie in each other" },
	{ "runDir:", "runDir: /" LONG_50, "run_dir: is longer than 48" },
	{ "listen:", "listen: \"7443\"", "listen: '7443' is not ADDRESS:PORT" },
	{ "listen:", "listen: \"::1:7443\"", "listen: '::1:7443' is not ADDRESS:PORT" },
	{ "listen:", "listen: \"127.0.0.1:0\"", "listen" },
	{ "listen:", "listen: \"127.0.0.1:65536\"", "listen" },
	{ "clusterNetwork:", "clusterNetwork: 10.128.0.1/14", "cluster_network" },
	{ "clusterNetwork:", "clusterNetwork: 10.128.0.0/24", "do not fit in cluster_network" },
	{ "hostSubnetBits:", "hostSubnetBits: 2", "host_subnet_bits: must be 3 to 15, not 2" },
	{ "hostSubnetBits:", "hostSubnetBits: 16", "host_subnet_bits: must be 3 to 15, not 16" },
	{ "hostSubnetBits:", "hostSubnetBits: 7", "max_pods: 250 is more than the 125 addresses" },
	{ "ovs:", "ovs: public", "ovs: must be private or system, not 'public'" },
	{ "datapath:", "datapath: auto\nsecretsOnSwap: maybe",
		"secrets_on_swap: must be refuse or allow, not 'maybe'" },
	{ "datapath:", "datapath: auto\ndriftInterval: 3601",
		"drift_interval: must be 0 to 3600, not 3601" },
	{ "datapath:", "datapath: auto\ndeny_log: maybe",
		"deny_log: must be on or off, not 'maybe'" },
	{ "datapath:", "datapath: auto\negress: maybe", "egress: must be on or off, not 'maybe'" },
	{ "datapath:", "datapath: kernel", "datapath: must be auto, system or netdev" },
	{ "cgroupParent:", "cgroupParent: /bulkhead", "cgroup_parent: '/bulkhead' is not" },
	{ "cgroupParent:", "cgroupParent: a\ncgroupDriver: docker",
		"cgroup_driver: must be systemd or cgroupfs, not 'docker'" },
	{ "cgroupParent:", "cgroupParent: a/../b", "cgroup_parent: 'a/../b' is not" },
	{ "cgroupParent:", "cgroupParent: a//b", "cgroup_parent: 'a//b' is not" },
	{ "cgroupParent:", "cgroupParent: a/", "cgroup_parent: 'a/' is not" },
	{ "cgroupParent:", "cgroupParent: a" LONG_50 LONG_50, "cgroup_parent: is longer than 64" },
	{ "apiUid:", "apiUid: 0", "api_uid: must be 1 to" },
	{ "netdUid:", "netdUid: 64201", "netd_uid: id 64201 belongs to api_uid too" },
	{ "unpackUid:", "unpackUid: 1000000005", "unpack_uid: id 1000000005 belongs to the" },
	{ "unpackUid:", "unpackUid: 268435456", "belongs to userns_start and userns_slices too" },
	{ "imageBase:", "imageBase: 268369921", "image_base: id 268435456 belongs to userns" },
	{ "imageBase:", "imageBase: 1000", "image_base: must be 65536 to" },
	{ "usernsStart:", "usernsStart: 4000000000", "go past the last id" },
	{ "usernsStart:", "usernsStart: 999999999", "belongs to the projects' uid blocks too" },
	{ "usernsSlices:", "usernsSlices: 0", "userns_slices: must be 1 to" },
	{ "usernsSlices:", "usernsSlices: 249",
		"max_pods: 250 is more than the 249 userns_slices" },
	{ "bridge:", "bridge: bridge-of-16-ch-", "bridge: 'bridge-of-16-ch-' is not 1 to 15" },
	{ "bridge:", "bridge: a/b", "bridge: 'a/b' is not 1 to 15" },
	{ "bridge:", "bridge: \"-br\"", "bridge: '-br' is not 1 to 15" },
	{ "libexecDir:", "libexecDir: libexec", "libexec_dir: 'libexec' is not an absolute path" },
	{ "seccompDir:", "", "seccomp_dir: is missing" },
	{ "tokenIssuer:", "tokenIssuer: http://node1", "token_issuer: 'http://node1' is not an" },
	{ "tokenIssuer:", "tokenIssuer: \"https://\"", "token_issuer: 'https://' is not an" },
	{ "tokenIssuer:", "tokenIssuer: \"https://a?b\"", "token_issuer: 'https://a?b' is not" },
	{ "maxPods:", "maxPods: 0", "max_pods: must be 1 to 1000, not 0" },
	{ "maxPods:", "maxPods: 1001", "max_pods: must be 1 to 1000, not 1001" },
	{ "maxPods:", "maxPods: 510", "max_pods: 510 is more than the 509 addresses" },
	{ "maxPods:", "maxpods: 5", "maxpods" },
};

static void every_rule_names_its_field(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		cleanup_free char *text = changed(refused[i].key, refused[i].line);
		struct error err;

		if (judge(text, &err) == 0)
			fail_msg("'%s' was taken", refused[i].line);
		if (err.code != ERR_INVALID || !strstr(err.text, refused[i].text))
			fail_msg(
				"'%s': '%s', not '%s'", refused[i].line, err.text, refused[i].text);
	}
}

static const struct taken {
	const char *key;
	const char *line;
} taken[] = {
	{ "listen:", "listen: \"[::1]:7443\"" },
	{ "listen:", "listen: \"0.0.0.0:65535\"" },
	{ "ovs:", "ovs: system" },
	{ "datapath:", "datapath: netdev" },
	{ "datapath:", "datapath: auto\ndeny_log: \"on\"" },
	{ "datapath:", "datapath: auto\negress: \"on\"" },
	{ "datapath:", "datapath: auto\negress: \"off\"" },
	{ "cgroupParent:", "cgroupParent: system.slice/bulk_head-1" },
	{ "bridge:", "bridge: bridge-of-15-ch" },
	{ "maxPods:", "maxPods: 509" },
	{ "stateDir:", "stateDir: /run/bulkhead2" },
};

static void what_is_right_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		cleanup_free char *text = changed(taken[i].key, taken[i].line);
		struct error err;

		if (judge(text, &err) < 0)
			fail_msg("'%s': %s", taken[i].line, err.text);
	}
}

static void a_file_is_named(void **state)
{
	char path[] = "/tmp/bulkhead-config-XXXXXX";
	Bulkhead__V1__NodeConfig *config = NULL;
	cleanup_close int fd = mkstemp(path);
	struct error err = { 0 };
	int absent;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, good, strlen(good), &err), 0);
	assert_int_equal(config_load(path, &config, &err), 0);
	assert_string_equal(config->bridge, "br0");
	bulkhead__v1__node_config__free_unpacked(config, NULL);
	assert_int_equal(fd_write_all(fd, "maxpods: 1\n", 11, &err), 0);
	assert_int_equal(config_load(path, &config, &err), -1);
	unlink(path);
	assert_non_null(strstr(err.text, path));
	absent = config_load(path, &config, &err);
	assert_int_equal(absent, -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_init_writes_passes),
		cmocka_unit_test(every_rule_names_its_field),
		cmocka_unit_test(what_is_right_is_taken),
		cmocka_unit_test(a_file_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
