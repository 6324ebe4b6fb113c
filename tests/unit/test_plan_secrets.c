#include "plan_fixture.h"

#include "nodeagent/agent/plan_volumes.h"

/* Sealed secrets of the project: "db" (user 5 bytes, password 4096, empty 0), "far" on another
 * node. */
struct secrets {
	Bulkhead__V1__ClusterSecret db, far;
	Bulkhead__V1__ClusterSecretKey keys[3], *key_list[3];
	bool none;
};

static void secrets_init(struct secrets *s)
{
	static const char *const names[] = { "user", "password", "empty" };
	static const uint32_t sizes[] = { 5, 4097, 0 };
	static uint8_t sealed[] = { 1, 2, 3 };

	memset(s, 0, sizeof(*s));
	bulkhead__v1__cluster_secret__init(&s->db);
	for (size_t i = 0; i < 3; i++) {
		bulkhead__v1__cluster_secret_key__init(&s->keys[i]);
		s->keys[i].name = S(names[i]);
		s->keys[i].size = sizes[i];
		s->key_list[i] = &s->keys[i];
	}
	s->db.project = S("red");
	s->db.name = S("db");
	s->db.node = S("node-1");
	s->db.keys = s->key_list;
	s->db.n_keys = 3;
	s->db.sealed.data = sealed;
	s->db.sealed.len = sizeof(sealed);
	s->far = s->db;
	s->far.name = S("far");
	s->far.node = S("node-2");
}

static const Bulkhead__V1__ClusterSecret *find(void *user, const char *name)
{
	const struct secrets *s = user;

	if (s->none)
		return NULL;
	if (strcmp(name, "db") == 0)
		return &s->db;
	return strcmp(name, "far") == 0 ? &s->far : NULL;
}

static void stage(struct fixture *f, struct secrets *s, size_t i)
{
	fixture_clear(f);
	if (plan_secrets(&f->node, &f->pod, i, find, s, &f->stage, &f->err) < 0)
		fail_msg("%s", f->err.text);
}

static void stage_refused(
	struct fixture *f, struct secrets *s, enum error_code code, const char *text)
{
	fixture_clear(f);
	if (plan_secrets(&f->node, &f->pod, 0, find, s, &f->stage, &f->err) == 0)
		fail_msg("staged, although it should be refused: %s", text);
	if (f->err.code != code || !strstr(f->err.text, text))
		fail_msg("%s (%s), not %s: %s", f->err.text, error_code_name(f->err.code),
			error_code_name(code), text);
	/* The sandbox, which looks at the same, says the same. */
	assert_int_equal(plan_sandbox(&f->node, &f->pod, find, s, &f->sandbox, &f->err), -1);
	assert_int_equal(f->err.code, code);
	assert_non_null(strstr(f->err.text, text));
}

static void volume(struct fixture *f, const char *source)
{
	cleanup_free char *pod = NULL;

	assert_true(asprintf(&pod, "volumes: [{name: v, %s}]", source) > 0);
	fixture_container(f, "resources: {limits: {cpu: 500m}}", pod);
}

/* "key>path:mode" of each item. */
static void assert_items(const Bulkhead__V1__SecretSource *s, const char *expected)
{
	char *list[8];

	for (size_t i = 0; i < s->n_items; i++)
		assert_true(asprintf(&list[i], "%s>%s:%o", s->items[i]->key, s->items[i]->path,
				    s->items[i]->mode) > 0);
	assert_list(list, s->n_items, expected);
	for (size_t i = 0; i < s->n_items; i++)
		free(list[i]);
}

static void test_secret(void **state)
{
	struct fixture f;
	struct secrets s;

	(void)state;
	fixture_init(&f);
	secrets_init(&s);
	volume(&f, "secret: {secretName: db}");
	assert_int_equal(plan_secret_volumes(f.owned), 1);
	stage(&f, &s, 0);
	assert_string_equal(f.stage->volume, "v");
	assert_int_equal(f.stage->default_mode, 0644);
	assert_int_equal(f.stage->n_secrets, 1);
	assert_int_equal(f.stage->secrets[0]->n_items, 0);
	assert_string_equal(f.stage->secrets[0]->secret->name, "db");
	assert_int_equal(f.stage->secrets[0]->secret->sealed.len, 3);
	assert_ptr_not_equal(f.stage->secrets[0]->secret, &s.db);
	assert_string_equal(f.stage->identity->project, "red");
	assert_string_equal(f.stage->identity->pod, "web");
	assert_string_equal(f.stage->identity->pod_uid, POD_UID);
	assert_string_equal(f.stage->identity->service_account, "default");
	assert_string_equal(f.stage->identity->node, "node-1");
	assert_string_equal(f.stage->identity->node_uid, "node-uid");
	volume(&f, "secret: {secretName: db, defaultMode: 0400, items: [{key: user, path: a/u}, "
		   "{key: password, path: p, mode: 0600}]}");
	stage(&f, &s, 0);
	assert_int_equal(f.stage->default_mode, 0400);
	assert_items(f.stage->secrets[0], "user>a/u:37777777777|password>p:600");
	fixture_done(&f);
}

static void test_secret_missing(void **state)
{
	struct fixture f;
	struct secrets s;

	(void)state;
	fixture_init(&f);
	secrets_init(&s);
	volume(&f, "secret: {secretName: none}");
	stage_refused(&f, &s, ERR_NOT_FOUND,
		"spec.volumes[0]: secret: project 'red' has no secret 'none'");
	volume(&f, "secret: {secretName: none, optional: true}");
	stage(&f, &s, 0);
	assert_int_equal(f.stage->n_secrets, 0);
	volume(&f, "secret: {secretName: db, items: [{key: user, path: u}, {key: nope, path: w}]}");
	stage_refused(&f, &s, ERR_NOT_FOUND, "secret: items[1].key: secret 'db' has no key 'nope'");
	volume(&f, "secret: {secretName: db, optional: true, items: [{key: user, path: u}, {key: "
		   "nope, path: w}]}");
	stage(&f, &s, 0);
	assert_items(f.stage->secrets[0], "user>u:37777777777");
	/* All items missing is nothing, not everything. */
	volume(&f, "secret: {secretName: db, optional: true, items: [{key: nope, path: w}]}");
	stage(&f, &s, 0);
	assert_int_equal(f.stage->n_secrets, 0);
	volume(&f, "secret: {secretName: far}");
	stage_refused(&f, &s, ERR_PRECONDITION,
		"secret 'far' is sealed to node 'node-2', not to this one");
	volume(&f, "projected: {sources: [{secret: {name: db}}, {secret: {name: none}}]}");
	stage_refused(&f, &s, ERR_NOT_FOUND,
		"spec.volumes[0]: projected.sources[1].secret: project 'red' has no");
	/* Nobody to ask. */
	volume(&f, "secret: {secretName: db}");
	assert_int_equal(plan_secrets(&f.node, &f.pod, 0, NULL, NULL, &f.stage, &f.err), -1);
	assert_int_equal(f.err.code, ERR_NOT_FOUND);
	assert_int_equal(plan_secrets(&f.node, &f.pod, 1, find, &s, &f.stage, &f.err), -1);
	assert_int_equal(f.err.code, ERR_INTERNAL);
	fixture_done(&f);
}

/* All of it goes to secretd in one message, and is copied for that. */
static void test_too_much(void **state)
{
	static uint8_t sealed[1 << 20];
	struct fixture f;
	struct secrets s;
	char text[4096];

	(void)state;
	fixture_init(&f);
	secrets_init(&s);
	s.db.sealed.data = sealed;
	s.db.sealed.len = sizeof(sealed);
	for (int sources = 3; sources <= 60; sources += 57) {
		size_t n = (size_t)sprintf(text, "projected: {sources: [");

		for (int i = 0; i < sources; i++)
			n += (size_t)sprintf(text + n,
				"%s{secret: {name: db, items: [{key: user, path: f%d}]}}",
				i ? ", " : "", i);
		sprintf(text + n, "]}");
		volume(&f, text);
		if (sources == 3)
			stage(&f, &s, 0);
		else
			stage_refused(&f, &s, ERR_EXHAUSTED,
				"sources[3].secret: the volume's files are more than 3670016");
	}
	fixture_done(&f);
}

static void assert_file(
	const struct fixture *f, size_t i, const char *path, int mode, const char *content)
{
	const Bulkhead__V1__PlainFile *file = f->stage->files[i];

	assert_true(i < f->stage->n_files);
	assert_string_equal(file->path, path);
	assert_int_equal(file->mode, mode);
	if (file->content.len != strlen(content) ||
		(file->content.len > 0 &&
			memcmp(file->content.data, content, file->content.len) != 0))
		fail_msg("%s: '%.*s', not '%s'", path, (int)file->content.len,
			(const char *)file->content.data, content);
}

static void test_downward(void **state)
{
	static const char yaml[] =
		"apiVersion: v1\nkind: Pod\n"
		"metadata:\n  name: web\n  namespace: red\n"
		"  labels: {zone: b, app: web}\n"
		"  annotations: {\"t\": \"line\\n\\\"two\\\"\\t\\\\\\u0001\\u007f\\u00e9\"}\n"
		"spec:\n  containers: [{name: a, image: i, resources: {limits: {memory: 3Mi}}}]\n"
		"  volumes:\n  - name: v\n    downwardAPI:\n      defaultMode: 0440\n      items:\n"
		"      - {path: labels, fieldRef: {fieldPath: metadata.labels}}\n"
		"      - {path: annotations, fieldRef: {fieldPath: metadata.annotations}, mode: "
		"0400}\n"
		"      - {path: app, fieldRef: {fieldPath: \"metadata.labels['app']\"}}\n"
		"      - {path: uid, fieldRef: {fieldPath: metadata.uid}}\n"
		"      - {path: mem, resourceFieldRef: {containerName: a, resource: limits.memory, "
		"divisor: 1Mi}}\n"
		"      - {path: none, fieldRef: {fieldPath: \"metadata.labels['x']\"}}\n";
	struct fixture f;
	struct secrets s;

	(void)state;
	fixture_init(&f);
	secrets_init(&s);
	fixture_take(&f, pod_decode(yaml), 0);
	/* The network comes later. */
	f.pod.address = "";
	stage(&f, &s, 0);
	assert_int_equal(f.stage->n_files, 6);
	assert_file(&f, 0, "labels", 0440, "app=\"web\"\nzone=\"b\"");
	assert_file(
		&f, 1, "annotations", 0400, "t=\"line\\n\\\"two\\\"\\t\\\\\\x01\\x7f\xc3\xa9\"");
	assert_file(&f, 2, "app", 0440, "web");
	assert_file(&f, 3, "uid", 0440, POD_UID);
	assert_file(&f, 4, "mem", 0440, "3");
	assert_file(&f, 5, "none", 0440, "");
	fixture_done(&f);
}

static void test_downward_refused(void **state)
{
	static const char *const rows[][2] = {
		{ "{path: p, fieldRef: {fieldPath: status.podIP}}",
			"items[0]: fieldRef.fieldPath: 'status.podIP' is not" },
		{ "{path: p, fieldRef: {fieldPath: spec.nodeName}}", "'spec.nodeName' is not" },
		{ "{path: p}", "items[0]: set fieldRef or resourceFieldRef" },
		{ "{path: p, resourceFieldRef: {resource: limits.cpu}}",
			"containerName: '' is not a container" },
	};
	struct fixture f;
	struct secrets s;
	char text[256];

	(void)state;
	fixture_init(&f);
	secrets_init(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(text, sizeof(text), "downwardAPI: {items: [%s]}", rows[i][0]);
		volume(&f, text);
		stage_refused(&f, &s, ERR_INVALID, rows[i][1]);
	}
	fixture_done(&f);
}

/* The volume that every pod gets. */
static void test_token(void **state)
{
	struct fixture f;
	struct secrets s;
	char uid[40];

	(void)state;
	fixture_init(&f);
	secrets_init(&s);
	fixture_take(&f,
		pod_decode("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"
			   "spec: {containers: [{name: a, image: i}]}"),
		1);
	stage(&f, &s, 0);
	assert_string_equal(f.stage->volume, "kube-api-access-x7k2p");
	assert_int_equal(f.stage->n_tokens, 1);
	assert_string_equal(f.stage->tokens[0]->path, "token");
	assert_string_equal(f.stage->tokens[0]->audience, "https://node-1");
	assert_int_equal(f.stage->tokens[0]->expiration_seconds, 3607);
	assert_int_equal(f.stage->tokens[0]->mode, 0);
	assert_int_equal(f.stage->n_files, 2);
	assert_file(&f, 0, "ca.crt", 0644, "-----BEGIN CERTIFICATE-----\n");
	assert_file(&f, 1, "namespace", 0644, "red");
	/* An account's uid stays, and is another one's for another account or project. */
	snprintf(uid, sizeof(uid), "%s", f.stage->identity->service_account_uid);
	assert_int_equal(strlen(uid), 36);
	assert_int_equal(uid[14], '8');
	stage(&f, &s, 0);
	assert_string_equal(f.stage->identity->service_account_uid, uid);
	strcpy(f.pod.project.name, "blue");
	stage(&f, &s, 0);
	assert_string_not_equal(f.stage->identity->service_account_uid, uid);
	volume(&f, "projected: {sources: [{serviceAccountToken: {audience: vault, path: t}}]}");
	stage(&f, &s, 0);
	assert_string_equal(f.stage->tokens[0]->audience, "vault");
	assert_int_equal(f.stage->tokens[0]->expiration_seconds, 3600);
	fixture_done(&f);
}

static void test_projected(void **state)
{
	struct fixture f;
	struct secrets s;

	(void)state;
	fixture_init(&f);
	secrets_init(&s);
	volume(&f, "projected: {defaultMode: 0400, sources: ["
		   "{secret: {name: db, items: [{key: user, path: u, mode: 0444}]}}, "
		   "{configMap: {name: kube-root-ca.crt}}, "
		   "{configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: x/ca, mode: "
		   "0600}]}}, "
		   "{configMap: {name: other, optional: true}}, "
		   "{configMap: {name: kube-root-ca.crt, optional: true, items: [{key: x, path: "
		   "x}]}}, "
		   "{downwardAPI: {items: [{path: w, fieldRef: {fieldPath: metadata.name}}]}}]}");
	stage(&f, &s, 0);
	assert_int_equal(f.stage->default_mode, 0400);
	assert_items(f.stage->secrets[0], "user>u:444");
	assert_int_equal(f.stage->n_files, 3);
	assert_file(&f, 0, "ca.crt", 0400, f.node.ca_pem);
	assert_file(&f, 1, "x/ca", 0600, f.node.ca_pem);
	assert_file(&f, 2, "w", 0400, "web");
	volume(&f, "configMap: {name: kube-root-ca.crt}");
	stage(&f, &s, 0);
	assert_file(&f, 0, "ca.crt", 0644, f.node.ca_pem);
	volume(&f, "configMap: {name: settings}");
	stage_refused(&f, &s, ERR_UNSUPPORTED,
		"spec.volumes[0]: configMap: config map 'settings': only kube-root-ca.crt is "
		"honoured");
	volume(&f, "configMap: {name: kube-root-ca.crt, items: [{key: x, path: x}]}");
	stage_refused(&f, &s, ERR_NOT_FOUND,
		"items[0].key: config map 'kube-root-ca.crt' has no key 'x'");
	volume(&f, "projected: {sources: [{clusterTrustBundle: {name: x, path: z}}]}");
	stage_refused(&f, &s, ERR_UNSUPPORTED, "projected.sources[0]: this kind is not honoured");
	fixture_done(&f);
}

/* Two generations of whole pages; a directory, the files and their links for each; root, ..data. */
static void test_sizes(void **state)
{
	static const struct {
		const char *source;
		uint64_t pages, inodes;
	} rows[] = {
		{ "secret: {secretName: none, optional: true}", 1, 2 * 1 + 3 },
		/* 5 bytes, 4097 and 0 are 1, 2 and 0 pages. */
		{ "secret: {secretName: db}", 2 * 3, 2 * (1 + 3 + 3) + 3 },
		{ "secret: {secretName: db, items: [{key: user, path: u}]}", 2 * 1,
			2 * (1 + 1 + 1) + 3 },
		{ "secret: {secretName: db, items: [{key: empty, path: u}]}", 1,
			2 * (1 + 1 + 1) + 3 },
		{ "secret: {secretName: db, items: [{key: password, path: a/b/u}, {key: password, "
		  "path: v}]}",
			2 * 4, 2 * (1 + 4 + 2) + 3 },
		{ "downwardAPI: {items: [{path: w, fieldRef: {fieldPath: metadata.name}}]}", 2,
			2 * (1 + 1 + 1) + 3 },
		/* A token of short names; the largest that is signed. */
		{ "projected: {sources: [{serviceAccountToken: {path: t}}]}", 2 * 1, 2 * 3 + 3 },
	};
	struct fixture f;
	struct secrets s;
	char text[512], name[256];

	(void)state;
	fixture_init(&f);
	secrets_init(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const Bulkhead__V1__Tmpfs *t;

		volume(&f, rows[i].source);
		if (plan_sandbox(&f.node, &f.pod, find, &s, &f.sandbox, &f.err) < 0)
			fail_msg("%s", f.err.text);
		t = f.sandbox->tmpfs[0];
		if (t->size != rows[i].pages * 4096 || t->inodes != rows[i].inodes)
			fail_msg("%s: %lu bytes, %lu inodes", rows[i].source,
				(unsigned long)t->size, (unsigned long)t->inodes);
		assert_int_equal(t->kind, BULKHEAD__V1__TMPFS_KIND__TMPFS_SECRET);
		assert_int_equal(t->uid, 64202);
		assert_int_equal(t->gid, 64202);
		assert_int_equal(t->mode, 0755);
	}
	/* A link "..data/<name>" of 128 bytes with its NUL lies in the inode; one more takes a
	 * page. */
	for (size_t len = 120; len <= 121; len++) {
		memset(name, 'x', len);
		name[len] = '\0';
		snprintf(text, sizeof(text),
			"secret: {secretName: db, items: [{key: user, path: %s}]}", name);
		volume(&f, text);
		assert_int_equal(plan_sandbox(&f.node, &f.pod, find, &s, &f.sandbox, &f.err), 0);
		assert_int_equal(f.sandbox->tmpfs[0]->size, 4096 * (2 + (len > 120)));
	}
	memset(text, 0, sizeof(text));
	fixture_done(&f);
}

static void test_order(void **state)
{
	struct fixture f;
	struct secrets s;
	size_t n = 0;

	(void)state;
	fixture_init(&f);
	secrets_init(&s);
	fixture_container(&f, "",
		"volumes: [{name: one, emptyDir: {medium: Memory}}, {name: two, secret: "
		"{secretName: db}}, "
		"{name: three, emptyDir: {}}, {name: four, downwardAPI: {}}, {name: five, "
		"configMap: {name: "
		"kube-root-ca.crt}}, {name: six, projected: {}}]");
	assert_int_equal(plan_secret_volumes(f.owned), 4);
	assert_int_equal(plan_sandbox(&f.node, &f.pod, find, &s, &f.sandbox, &f.err), 0);
	assert_int_equal(f.sandbox->n_tmpfs, 5);
	for (size_t i = 0; i < f.sandbox->n_tmpfs; i++) {
		Bulkhead__V1__SecretsStage *staged;
		Bulkhead__V1__VolumeOwn *own;

		if (f.sandbox->tmpfs[i]->kind != BULKHEAD__V1__TMPFS_KIND__TMPFS_SECRET)
			continue;
		assert_int_equal(plan_secrets(&f.node, &f.pod, n, find, &s, &staged, &f.err), 0);
		assert_int_equal(plan_volume_own(&f.node, &f.pod, n, &own, &f.err), 0);
		assert_string_equal(staged->volume, f.sandbox->tmpfs[i]->name);
		assert_string_equal(own->volume, f.sandbox->tmpfs[i]->name);
		assert_string_equal(own->directory, "");
		bulkhead__v1__secrets_stage__free_unpacked(staged, NULL);
		bulkhead__v1__volume_own__free_unpacked(own, NULL);
		n++;
	}
	assert_int_equal(n, 4);
	assert_int_equal(plan_volume_own(&f.node, &f.pod, 4, &f.own, &f.err), -1);
	assert_int_equal(f.err.code, ERR_INTERNAL);
	fixture_done(&f);
}

#define TOKEN "projected: {sources: [{serviceAccountToken: {path: t}}]}"

static void test_own(void **state)
{
	static const struct {
		const char *source;
		const char *pod; /* securityContext */
		const char *a, *b;
		uint32_t uid, gid;
		int group_readable;
		int32_t token_mode;
	} rows[] = {
		{ "secret: {secretName: db}", "", "", "", SLICE, SLICE, 0, 0 },
		{ "secret: {secretName: db}", "fsGroup: 7", "", "", SLICE, SLICE + 7, 1, 0 },
		{ "secret: {secretName: db}", "fsGroup: 1000010000, runAsUser: 1000010000", "", "",
			SLICE, BLOCK, 1, 0 },
		{ "secret: {secretName: db}", "runAsUser: 5", "", "", SLICE, SLICE, 0, 0 },
		{ TOKEN, "", "", "", SLICE, SLICE, 0, 0 },
		{ TOKEN, "runAsUser: 5", "", "", SLICE + 5, SLICE, 0, 0600 },
		{ TOKEN, "runAsUser: 5", "runAsUser: 1000010001", "runAsUser: 1000010001",
			BLOCK + 1, SLICE, 0, 0600 },
		{ TOKEN, "runAsUser: 5", "runAsUser: 6", "", SLICE, SLICE, 0, 0 },
		{ TOKEN, "", "runAsUser: 6", "", SLICE, SLICE, 0, 0 },
		{ TOKEN, "fsGroup: 9", "runAsUser: 6", "runAsUser: 6", SLICE + 6, SLICE + 9, 1,
			0600 },
		{ TOKEN, "fsGroup: 9", "runAsUser: 6", "", SLICE, SLICE + 9, 1, 0600 },
	};
	struct fixture f;
	struct secrets s;
	char text[1024];

	(void)state;
	fixture_init(&f);
	secrets_init(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(text, sizeof(text),
			"volumes: [{name: v, %s}], securityContext: {%s}, initContainers: [{name: "
			"a, image: i, "
			"securityContext: {%s}}], containers: [{name: b, image: i, "
			"securityContext: {%s}}]",
			rows[i].source, rows[i].pod, rows[i].a, rows[i].b);
		fixture_spec(&f, text);
		stage(&f, &s, 0);
		if (f.stage->n_tokens)
			assert_int_equal(f.stage->tokens[0]->mode, rows[i].token_mode);
		if (plan_volume_own(&f.node, &f.pod, 0, &f.own, &f.err) < 0)
			fail_msg("%s", f.err.text);
		if (f.own->uid != rows[i].uid || f.own->gid != rows[i].gid ||
			f.own->group_readable != rows[i].group_readable)
			fail_msg("row %zu: %u:%u, %d", i, f.own->uid, f.own->gid,
				f.own->group_readable);
	}
	fixture_spec(&f, "volumes: [{name: v, secret: {secretName: db}}], hostUsers: true, "
			 "securityContext: {fsGroup: 100000}, containers: [{name: b, image: i}]");
	assert_int_equal(plan_volume_own(&f.node, &f.pod, 0, &f.own, &f.err), 0);
	assert_int_equal(f.own->uid, 0);
	assert_int_equal(f.own->gid, 100000);
	fixture_spec(&f,
		"volumes: [{name: v, secret: {secretName: db}}], securityContext: {fsGroup: "
		"100000}, containers: [{name: b, image: i}]");
	assert_int_equal(plan_volume_own(&f.node, &f.pod, 0, &f.own, &f.err), -1);
	assert_non_null(strstr(f.err.text, "spec.securityContext.fsGroup: 100000"));
	fixture_done(&f);
}

/* ---- versions ------------------------------------------------------------------------------ */

static uint64_t version(struct fixture *f, struct secrets *s)
{
	return plan_secrets_version(&f->pod, 0, find, s);
}

static void test_version(void **state)
{
	static const char *const sources[] = { "secret: {secretName: db}",
		"projected: {sources: [{secret: {name: none, optional: true}}, {secret: {name: "
		"db}}]}" };
	uint8_t sealed[200] = { 0 };
	struct fixture f;
	struct secrets s;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
		uint64_t before;

		secrets_init(&s);
		volume(&f, sources[i]);
		s.db.sealed = (ProtobufCBinaryData){ sizeof(sealed), sealed };
		before = version(&f, &s);
		assert_true(before != 0);
		assert_int_equal(version(&f, &s), before);
		sealed[9] ^= 1; /* the key that each sealing makes anew */
		assert_true(version(&f, &s) != before);
		sealed[9] ^= 1;
		sealed[199] ^= 1; /* the tag */
		assert_true(version(&f, &s) != before);
		sealed[199] ^= 1;
		s.db.sealed.len--;
		assert_true(version(&f, &s) != before);
		s.db.sealed.len = 0;
		assert_true(version(&f, &s) != before);
		s.db.sealed.len = sizeof(sealed);
		s.db.uid = S("another");
		assert_true(version(&f, &s) != before);
	}
	volume(&f, "secret: {secretName: none}");
	assert_true(version(&f, &s) == 0);
	volume(&f, "secret: {secretName: none, optional: true}");
	assert_true(version(&f, &s) != 0);
	volume(&f, "projected: {sources: [{secret: {name: db}}, {secret: {name: none}}]}");
	assert_true(version(&f, &s) == 0);
	volume(&f, "downwardAPI: {items: [{path: p, fieldRef: {fieldPath: metadata.name}}]}");
	assert_true(version(&f, &s) != 0);
	assert_true(plan_secrets_version(&f.pod, 7, find, &s) == 0);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_secret_missing),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_downward),
		cmocka_unit_test(test_downward_refused),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_projected),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
