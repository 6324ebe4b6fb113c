/* What a pod's containers share: namespaces, ids, files, volumes, sysctls, and clear refusals. */
#include "tests/priv/shim_harness.h"

#include "nodeagent/shim/sandbox.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

static void namespaces_are_the_pods(void **state)
{
	static const char *const names[] = { "user", "net", "ipc", "uts", "mnt", "pid", "cgroup" };
	struct pod *p = *state;
	struct box b;
	int pid;

	pod_up(p);
	box_init(&b, p, "main");
	box_args(&b, "sleep", "1000", NULL);
	pid = box_start(p, &b);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char path[64];
		struct stat theirs;
		struct stat ours;

		snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, names[i]);
		assert_int_equal(stat(path, &theirs), 0);
		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		assert_int_equal(stat(path, &ours), 0);
		assert_int_not_equal(theirs.st_ino, ours.st_ino);
		if (strcmp(names[i], "net") == 0) {
			assert_int_equal(fstat(p->fds[0], &ours), 0);
			assert_int_equal(theirs.st_ino, ours.st_ino);
		}
	}
}

static void ids_are_mapped_exactly(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;
	char expected[256];
	struct stat st;
	char path[256];

	pod_up(p);
	box_init(&b, p, "main");
	b.caps[b.plan.n_capabilities++] = (char *)(uintptr_t) "CAP_CHOWN";
	box_shell(&b, "cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; ls -ln "
		      "/bin/busybox; "
		      "touch /made; chown 1000:1000 /made");
	text = box_run(p, &b, NULL);
	snprintf(expected, sizeof(expected), "%10u %10u %10u\n", 0, SLICE, 65536);
	assert_has(text, expected);
	snprintf(expected, sizeof(expected), "%10u %10u %10u\n", PROJECT_ID, PROJECT_ID, 10000);
	assert_has(text, expected);
	assert_has(text, "allow\n");
	/* The image's uid 0, 1900000000 on disk, is the pod's 0. */
	assert_has(text, "1 0        0 ");
	/* What the pod writes is the slice's on disk. */
	snprintf(path, sizeof(path), "%s/containers/main/upper/made", p->state);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, SLICE + 1000);
}

static void files_and_hostname_are_managed(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	pod_up(p);
	box_init(&b, p, "main");
	box_shell(&b,
		"cat /etc/hosts /etc/resolv.conf /etc/hostname; hostname; cat "
		"/sys/class/net/lo/flags; "
		"ls /sys/class/net; ls -ln /etc/hosts; echo more >>/etc/hosts && echo appended");
	text = box_run(p, &b, NULL);
	assert_has(text, "127.0.0.1 localhost\n10.0.0.2 test-pod\nnameserver "
			 "10.0.0.1\ntest-pod\ntest-pod\n");
	assert_has(text, "0x9\nlo\n");
	assert_has(text, "1 0        0 ");
	assert_has(text, "appended");
}

static void hosts_come_again_with_a_container(void **state)
{
	struct pod *p = *state;
	struct box a, b;
	char *lines[] = { (char *)(uintptr_t) "127.0.0.1 localhost",
		(char *)(uintptr_t) "10.128.0.9 test-pod" };
	cleanup_free char *first = NULL, *second = NULL;
	int code;

	pod_up(p);
	box_init(&a, p, "first");
	box_args(&a, "sleep", "1000", NULL);
	a.plan.etc_hosts = lines;
	a.plan.n_etc_hosts = ARRAY_LEN(lines);
	box_start(p, &a);
	first = box_exec(p, "first", "cat /etc/hosts; echo by-hand >>/etc/hosts", &code);
	assert_string_equal(first, "127.0.0.1 localhost\n10.128.0.9 test-pod\n");
	/* The same lines once more change nothing, others come to all containers. */
	box_init(&b, p, "second");
	b.plan.etc_hosts = lines;
	b.plan.n_etc_hosts = ARRAY_LEN(lines);
	box_shell(&b, "cat /etc/hosts");
	second = box_run(p, &b, NULL);
	assert_string_equal(second, "127.0.0.1 localhost\n10.128.0.9 test-pod\nby-hand\n");
	free(second);
	lines[1] = (char *)(uintptr_t) "10.128.0.10 test-pod";
	b.plan.restart = 1;
	second = box_run(p, &b, NULL);
	assert_string_equal(second, "127.0.0.1 localhost\n10.128.0.10 test-pod\n");
	free(second);
	second = box_exec(p, "first", "cat /etc/hosts", &code);
	assert_string_equal(second, "127.0.0.1 localhost\n10.128.0.10 test-pod\n");
	lines[1] = (char *)(uintptr_t) "10.0.0.1 x\n10.0.0.2 bank";
	b.plan.restart = 2;
	assert_has(box_try(p, &b, NULL), "etc_hosts[1] has a newline");
}

static void resize(
	struct pod *p, const char *volume, uint64_t size, uint64_t inodes, const char *refusal)
{
	Bulkhead__V1__VolumeResize message = BULKHEAD__V1__VOLUME_RESIZE__INIT;
	Bulkhead__V1__VolumeResized *resized;
	struct ipc_frame frame;

	message.volume = (char *)(uintptr_t)volume;
	message.size = size;
	message.inodes = inodes;
	pod_send(p, IPC_VOLUME_RESIZE, &message.base);
	resized = (Bulkhead__V1__VolumeResized *)pod_recv(p, IPC_VOLUME_RESIZED, &frame);
	assert_string_equal(resized->volume, volume);
	if (refusal)
		assert_has(resized->error->text, refusal);
	else
		assert_null(resized->error);
	protobuf_c_message_free_unpacked(&resized->base, NULL);
	ipc_frame_done(&frame);
}

static void a_secret_volume_grows_and_never_shrinks(void **state)
{
	struct pod *p = *state;
	struct statfs before, after;
	struct box b;
	cleanup_free char *text = NULL;

	tmpfs_add(p, "secret", 1, SLICE, 0750);
	tmpfs_add(p, "data", 0, SLICE, 0777);
	pod_up(p);
	assert_int_equal(fstatfs(p->fds[3], &before), 0);
	resize(p, "secret", 1u << 20, 500, NULL);
	assert_int_equal(fstatfs(p->fds[3], &after), 0);
	assert_int_equal(after.f_blocks, (1u << 20) / 4096);
	assert_int_equal(after.f_files, 500);
	assert_int_equal(after.f_flags, before.f_flags);
	resize(p, "secret", 4096, 10, NULL);
	assert_int_equal(fstatfs(p->fds[3], &after), 0);
	assert_int_equal(after.f_blocks, (1u << 20) / 4096);
	assert_int_equal(after.f_files, 500);
	resize(p, "data", 1u << 20, 500, "is no secret volume");
	resize(p, "nosuch", 1u << 20, 500, "is no secret volume");
	resize(p, "secret", SANDBOX_SECRET_SIZE_MAX, SANDBOX_SECRET_INODES_MAX, NULL);
	resize(p, "secret", SANDBOX_SECRET_SIZE_MAX + 1, 1, "at most 67108864 bytes");
	resize(p, "secret", 1, SANDBOX_SECRET_INODES_MAX + 1, "at most 67108864 bytes");
	/* It is still what it was to the pod. */
	box_init(&b, p, "main");
	box_mount(&b, 1, "secret", "/secret", 1);
	box_shell(&b, "grep ' /secret ' /proc/mounts");
	text = box_run(p, &b, NULL);
	assert_has(text, " /secret tmpfs ro,nosuid,nodev,noexec");
	assert_has(text, "size=65536k");
}

/* What secretd gets: whoever takes it over must not climb to other volumes and the node's files. */
static void a_secret_volume_has_no_way_up(void **state)
{
	struct pod *p = *state;
	struct stat own, up;

	tmpfs_add(p, "secret", 1, SLICE, 0750);
	tmpfs_add(p, "other", 1, SLICE, 0750);
	pod_up(p);
	for (int i = 3; i <= 4; i++) {
		assert_int_equal(fstat(p->fds[i], &own), 0);
		assert_int_equal(fstatat(p->fds[i], "..", &up, 0), 0);
		assert_true(up.st_dev == own.st_dev && up.st_ino == own.st_ino);
		assert_int_equal(fstatat(p->fds[i], "../hosts", &up, 0), -1);
	}
}

static void sockets_are_in_the_pods_network(void **state)
{
	struct pod *p = *state;
	struct ifreq ifr = { .ifr_name = "lo" };
	struct {
		struct sockaddr_storage a;
	} addr;
	socklen_t len = sizeof(addr);

	pod_up(p);
	assert_int_equal(p->fds_len, 3);
	assert_int_equal(ioctl(p->fds[2], SIOCGIFFLAGS, &ifr), 0);
	assert_true(ifr.ifr_flags & IFF_UP);
	assert_int_equal(getsockname(p->fds[1], (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(addr.a.ss_family, AF_NETLINK);
	/* Only lo is there, so no interface has index 2. */
	ifr.ifr_ifindex = 2;
	assert_int_equal(ioctl(p->fds[2], SIOCGIFNAME, &ifr), -1);
}

static void secret_is_written_outside_and_read_inside(void **state)
{
	struct pod *p = *state;
	struct box b;
	Bulkhead__V1__VolumeOwn own = BULKHEAD__V1__VOLUME_OWN__INIT;
	Bulkhead__V1__VolumeOwned *owned;
	struct ipc_frame frame;
	struct statfs fs;
	struct stat st;
	cleanup_free char *text = NULL;
	int fd;

	tmpfs_add(p, "scratch", 0, SLICE, 0777);
	tmpfs_add(p, "secret", 1, SLICE, 0750);
	pod_up(p);
	assert_int_equal(p->fds_len, 4);
	assert_int_equal(fstatfs(p->fds[3], &fs), 0);
	assert_int_equal((uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize, 65536);
	assert_int_equal(fs.f_files, 32);
	/* As secretd does: a directory, files with modes, then a link that publishes it. */
	assert_int_equal(mkdirat(p->fds[3], "..2026", 0755), 0);
	fd = openat(p->fds[3], "..2026/key", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
	assert_int_equal(write(fd, "s3cret", 6), 6);
	assert_int_equal(fchmod(fd, 0400), 0);
	close(fd);
	assert_int_equal(symlinkat("/etc/shadow", p->fds[3], "..2026/link"), 0);
	own.volume = (char *)(uintptr_t) "secret";
	own.directory = (char *)(uintptr_t) "..2026";
	own.uid = SLICE;
	own.gid = SLICE + 1000;
	own.group_readable = 1;
	pod_send(p, IPC_VOLUME_OWN, &own.base);
	owned = (Bulkhead__V1__VolumeOwned *)pod_recv(p, IPC_VOLUME_OWNED, &frame);
	assert_null(owned->error);
	bulkhead__v1__volume_owned__free_unpacked(owned, NULL);
	ipc_frame_done(&frame);
	assert_int_equal(stat("/etc/shadow", &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(fstatat(p->fds[3], "..2026", &st, 0), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_gid, SLICE + 1000);
	assert_int_equal(symlinkat("..2026", p->fds[3], "..data"), 0);
	assert_int_equal(symlinkat("..data/key", p->fds[3], "key"), 0);
	assert_int_equal(fchown(p->fds[3], SLICE, SLICE + 1000), 0);

	box_init(&b, p, "main");
	b.plan.uid = 1000;
	b.plan.gid = 1000;
	b.plan.uid_set = b.plan.gid_set = 1;
	box_mount(&b, 1, "secret", "/run/secrets/db", 0);
	box_mount(&b, 1, "scratch", "/scratch", 0);
	box_shell(&b, "cat /run/secrets/db/key; echo; ls -ln /run/secrets/db/..data/key; "
		      "touch /run/secrets/db/x; touch /scratch/y && echo scratch; "
		      "grep -e /run/secrets -e /scratch /proc/self/mountinfo; "
		      "dd if=/dev/zero of=/scratch/big bs=1024 count=100 2>&1; true");
	text = box_run(p, &b, NULL);
	assert_has(text, "s3cret\n");
	assert_has(text, "-r--r-----    1 0        1000 ");
	assert_has(text, "touch: /run/secrets/db/x: Read-only file system");
	assert_has(text, "scratch\n");
	assert_has(text, "/run/secrets/db ro,nosuid,nodev,noexec,");
	assert_has(text, "/scratch rw,nosuid,nodev,");
	assert_has(text, "No space left on device");
}

static const char *own_error(struct pod *p, const char *volume, const char *directory)
{
	static char text[ERROR_TEXT_SIZE];
	Bulkhead__V1__VolumeOwn own = BULKHEAD__V1__VOLUME_OWN__INIT;
	Bulkhead__V1__VolumeOwned *owned;
	struct ipc_frame frame;

	own.volume = (char *)(uintptr_t)volume;
	own.directory = (char *)(uintptr_t)directory;
	own.uid = own.gid = SLICE;
	pod_send(p, IPC_VOLUME_OWN, &own.base);
	owned = (Bulkhead__V1__VolumeOwned *)pod_recv(p, IPC_VOLUME_OWNED, &frame);
	snprintf(text, sizeof(text), "%s", owned->error ? owned->error->text : "");
	bulkhead__v1__volume_owned__free_unpacked(owned, NULL);
	ipc_frame_done(&frame);
	return text;
}

static void own_refuses_what_is_no_staged_directory(void **state)
{
	struct pod *p = *state;

	tmpfs_add(p, "scratch", 0, SLICE, 0777);
	tmpfs_add(p, "secret", 1, SLICE, 0750);
	pod_up(p);
	assert_has(own_error(p, "nothing", "x"), "'nothing' is no secret volume");
	assert_has(own_error(p, "scratch", "x"), "'scratch' is no secret volume");
	assert_has(own_error(p, "secret", ".."), "is not a name");
	assert_has(own_error(p, "secret", "../../etc"), "is not a name");
	assert_has(own_error(p, "secret", "absent"), "No such file");
	assert_int_equal(mkdirat(p->fds[3], "d", 0755), 0);
	assert_int_equal(mknodat(p->fds[3], "d/fifo", S_IFIFO | 0600, 0), 0);
	assert_has(own_error(p, "secret", "d"), "neither a file nor a directory");
}

static void sysctls_stay_in_the_pod(void **state)
{
	struct pod *p = *state;
	struct box b;
	Bulkhead__V1__Sysctl rows[2];
	Bulkhead__V1__Sysctl *list[2];
	static const char *const pairs[][2] = {
		{ "net.ipv4.ip_unprivileged_port_start", "0" },
		{ "kernel.shm_rmid_forced", "1" },
	};
	cleanup_free char *text = NULL;
	cleanup_free char *before = NULL;
	cleanup_free char *after = NULL;
	size_t size;

	assert_int_equal(file_read_at(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start", 64,
				 &before, &size, &test_err),
		0);
	for (int i = 0; i < 2; i++) {
		bulkhead__v1__sysctl__init(&rows[i]);
		rows[i].name = (char *)(uintptr_t)pairs[i][0];
		rows[i].value = (char *)(uintptr_t)pairs[i][1];
		list[i] = &rows[i];
	}
	p->plan.sysctls = list;
	p->plan.n_sysctls = 2;
	pod_up(p);
	box_init(&b, p, "main");
	box_shell(&b, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start "
		      "/proc/sys/kernel/shm_rmid_forced");
	text = box_run(p, &b, NULL);
	assert_string_equal(text, "0\n1\n");
	assert_int_equal(file_read_at(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start", 64,
				 &after, &size, &test_err),
		0);
	assert_string_equal(before, after);
}

/* CVE-2022-0811: neither another name nor a value that names another one. */
static void hostile_sysctls_are_refused(void **state)
{
	static const char *const pairs[][2] = {
		{ "kernel.core_pattern", "|/bin/sh" },
		{ "kernel.shm_rmid_forced", "1+kernel.core_pattern=|/x" },
		{ "kernel.shm_rmid_forced", "1\nkernel.core_pattern=x" },
		{ "kernel.shm_rmid_forced", "" },
		{ "kernel/../vm.swappiness", "1" },
		{ "net.ipv4.ip_forward", "1" },
		{ "vm.max_map_count", "1" },
		{ "kernel.shm_rmid_forced ", "1" },
		{ "../../kernel/core_pattern", "1" },
		{ "", "1" },
	};
	struct pod *p = *state;
	Bulkhead__V1__Sysctl row = BULKHEAD__V1__SYSCTL__INIT;
	Bulkhead__V1__Sysctl *list[] = { &row };

	p->plan.sysctls = list;
	p->plan.n_sysctls = 1;
	pod_spawn(p);
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		const char *text;

		row.name = (char *)(uintptr_t)pairs[i][0];
		row.value = (char *)(uintptr_t)pairs[i][1];
		text = pod_sandbox(p);
		assert_non_null(text);
		assert_has(text, "sysctls: ");
	}
	p->plan.n_sysctls = 0;
	assert_null(pod_sandbox(p));
}

/* A refused plan names its field and leaves neither cgroup nor mount point. */
static void refused(struct pod *p, const char *part)
{
	const char *text = pod_sandbox(p);
	char path[256];

	if (!text)
		fail_msg("not refused: %s", part);
	assert_has(text, part);
	snprintf(path, sizeof(path), "/sys/fs/cgroup/memory/%s", p->cgroup);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", p->cgroup);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/.shim", p->state);
	assert_int_equal(access(path, F_OK), -1);
}

static void bad_sandbox_plans_leave_nothing(void **state)
{
	struct pod *p = *state;
	char *kept;

	pod_spawn(p);
	p->plan.host_users = 1;
	refused(p, "uid_map: must be empty with host_users");
	p->plan.host_users = 0;
	p->maps[0].outside = 0;
	refused(p, "host id 0 must not be mapped");
	p->maps[0].outside = PROJECT_ID - 1;
	refused(p, "overlap");
	p->maps[0].outside = SLICE;
	p->maps[0].inside = 1;
	refused(p, "id 0 of the pod is not mapped");
	p->maps[0].inside = 0;
	kept = p->plan.log_dir;
	p->plan.log_dir = (char *)(uintptr_t) "/nonexistent";
	refused(p, "log_dir: cannot open '/nonexistent'");
	p->plan.log_dir = (char *)(uintptr_t) "/tmp/../etc";
	refused(p, "log_dir: '/tmp/../etc' has an empty, '.' or '..' part");
	p->plan.log_dir = kept;
	kept = p->plan.cgroup;
	p->plan.cgroup = (char *)(uintptr_t) "bulkhead-test/../x";
	refused(p, "is no directory name");
	p->plan.cgroup = kept;
	p->plan.hostname = (char *)(uintptr_t) "Bad_Name";
	refused(p, "hostname: 'Bad_Name'");
	p->plan.hostname = (char *)(uintptr_t) "test-pod";
	p->limits.cpu_shares = 1;
	refused(p, "limits.cpu_shares: 1 is not in 2..262144");
	p->limits.cpu_shares = 0;
	tmpfs_add(p, "v", 1, SLICE, 0750);
	p->tmpfs[0].size = 0;
	refused(p, "tmpfs 'v': size and inodes must be given");
	p->tmpfs[0].size = 65536;
	p->plan.selinux_mount_label =
		(char *)(uintptr_t) "system_u:object_r:container_file_t:s0:c1,c2";
	if (access("/sys/fs/selinux/enforce", F_OK) < 0)
		refused(p, "SELinux is not enabled");
	p->plan.selinux_mount_label = (char *)(uintptr_t) "";
	assert_null(pod_sandbox(p));
	assert_has(pod_sandbox(p), "has its sandbox already");
}

static void host_users_pod_has_no_user_namespace(void **state)
{
	struct pod *p = *state;
	struct box b;
	cleanup_free char *text = NULL;

	p->plan.host_users = 1;
	p->plan.n_uid_map = 0;
	pod_up(p);
	box_init(&b, p, "main");
	box_shell(&b,
		"cat /proc/self/uid_map; id -u; ls -ln /bin/busybox; grep Cap /proc/self/status; "
		"touch /x && echo wrote");
	text = box_run(p, &b, NULL);
	assert_has(text, "         0          0 4294967295\n0\n");
	assert_has(text, "1 0        0 ");
	assert_has(text, "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n");
	assert_has(text, "wrote");
}

static void layers_stack_with_whiteouts(void **state)
{
	struct pod *p = *state;
	struct box b;
	char top[128];
	char root[160];
	cleanup_free char *text = NULL;

	snprintf(top, sizeof(top), "%s/top", p->dir);
	snprintf(root, sizeof(root), "%s/root", top);
	/* As the unpacker writes them: a 0:0 device, and the opaque mark in user.overlay. */
	run_host("mkdir -p %s/etc %s/bin && printf new >%s/etc/group && mknod %s/bin/yes c 0 0 && "
		 "mkdir %s/root && touch %s/root/new",
		top, top, top, top, top, top);
	assert_int_equal(setxattr(root, "user.overlay.opaque", "y", 1, 0), 0);
	run_host("touch %s/root/old && chown -R %u:%u %s %s/root", p->layer, IMAGE_BASE, IMAGE_BASE,
		top, p->layer);
	pod_up(p);
	box_init(&b, p, "main");
	b.layers[1] = top;
	b.plan.n_layers = 2;
	box_shell(&b, "cat /etc/group; ls /bin/yes; ls /root; ls /bin/cat");
	text = box_run(p, &b, NULL);
	assert_has(text, "new");
	assert_has(text, "ls: /bin/yes: No such file");
	assert_has_not(text, "old");
	assert_has(text, "/bin/cat\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pod_test(namespaces_are_the_pods),
		pod_test(ids_are_mapped_exactly),
		pod_test(files_and_hostname_are_managed),
		pod_test(hosts_come_again_with_a_container),
		pod_test(a_secret_volume_grows_and_never_shrinks),
		pod_test(a_secret_volume_has_no_way_up),
		pod_test(sockets_are_in_the_pods_network),
		pod_test(secret_is_written_outside_and_read_inside),
		pod_test(own_refuses_what_is_no_staged_directory),
		pod_test(sysctls_stay_in_the_pod),
		pod_test(hostile_sysctls_are_refused),
		pod_test(bad_sandbox_plans_leave_nothing),
		pod_test(layers_stack_with_whiteouts),
		pod_test(host_users_pod_has_no_user_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
