#include "nodeagent/agent/ovs_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/ovs.h"
#include "nodeagent/agent/spawn.h"

#define TOOL      "/usr/bin/ovsdb-tool"
#define TOOL_MSEC 10000

static int tool(const char *verb, const char *a, const char *b, struct error *err)
{
	const char *argv[] = { "ovsdb-tool", "-vconsole:err", verb, a, b, NULL };
	const struct spawn_config config = {
		.program = TOOL,
		.argv = argv,
		.quiet = true,
		.fd = -1,
		.domain = OVS_DOMAIN,
	};

	return spawn_tool(&config, TOOL_MSEC, err);
}

/* ovsdb-tool leaves ".<name>.~lock~" beside the file. */
static void remove_lock(const char *file)
{
	const char *slash = strrchr(file, '/');
	cleanup_free char *lock = NULL;

	if (slash && asprintf(&lock, "%.*s/.%s.~lock~", (int)(slash - file), file, slash + 1) >= 0)
		unlink(lock);
}

static int sync_file(const char *file, struct error *err)
{
	cleanup_close int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return error_set(err, error_code_of(errno), errno, "cannot write '%s'", file);
	return 0;
}

int ovs_db_make(const char *file, const char *schema, const char *transaction, struct error *err)
{
	cleanup_free char *fresh = NULL;
	int r;

	if (access(file, F_OK) == 0)
		return 0;
	if (access(schema, R_OK) < 0)
		return error_set(
			err, error_code_of(errno), errno, "cannot read schema '%s'", schema);
	if (asprintf(&fresh, "%s.new", file) < 0)
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "cannot make '%s'", file);
	unlink(fresh);
	r = tool("create", fresh, schema, err);
	if (r == 0 && transaction)
		r = tool("transact", fresh, transaction, err);
	if (r == 0)
		r = sync_file(fresh, err);
	if (r == 0 && rename(fresh, file) < 0)
		r = error_set(err, error_code_of(errno), errno, "cannot make '%s'", file);
	if (r < 0)
		unlink(fresh);
	remove_lock(fresh);
	return r < 0 ? error_prefix(err, "database '%s'", file) : 0;
}

int ovs_db_transact(const char *file, const char *transaction, struct error *err)
{
	if (tool("transact", file, transaction, err) < 0)
		return error_prefix(err, "database '%s'", file);
	return 0;
}

int ovs_db_convert(const char *file, const char *schema, struct error *err)
{
	cleanup_free char *fresh = NULL;
	int r = tool("convert", file, schema, err);

	if (asprintf(&fresh, "%s.tmp", file) >= 0)
		remove_lock(fresh);
	if (r < 0)
		return error_prefix(err, "database '%s' does not fit schema '%s'", file, schema);
	return 0;
}
