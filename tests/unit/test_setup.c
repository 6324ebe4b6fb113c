/* A cluster's first keys and certificates, and bulkhead-secretd's command line. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/x509v3.h>

#include "lib/cleanup.h"
#include "lib/fdio.h"
#include "secrets/keystore.h"
#include "secrets/options.h"
#include "secrets/pem.h"
#include "secrets/pki.h"
#include "secrets/setup.h"

static struct error test_err;

struct fixture {
	char dir[64];
	char keys[96], pki[96], cluster[96];
	int keys_fd, pki_fd;
	struct setup_node node;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/bulkhead-setup-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->keys, sizeof(f->keys), "%s/keys", f->dir);
	snprintf(f->pki, sizeof(f->pki), "%s/pki", f->dir);
	snprintf(f->cluster, sizeof(f->cluster), "%s/cluster", f->dir);
	f->keys_fd = f->pki_fd = -1;
	f->node = (struct setup_node){
		.keys = f->keys,
		.pki = f->pki,
		.cluster = f->cluster,
		.name = "node-1.example.org",
		.address = "192.0.2.1",
		.uid = getuid(),
	};
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (f->keys_fd >= 0)
		close(f->keys_fd);
	if (f->pki_fd >= 0)
		close(f->pki_fd);
	assert_int_equal(tree_remove_at(AT_FDCWD, f->dir, &test_err), 0);
	free(f);
	return 0;
}

static void make(struct fixture *f)
{
	if (setup_node(&f->node, &test_err) < 0)
		fail_msg("%s", test_err.text);
	f->keys_fd = open(f->keys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->pki_fd = open(f->pki, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->keys_fd >= 0 && f->pki_fd >= 0);
}

static X509 *cert_of(const struct fixture *f, const char *name)
{
	X509 *cert;

	if (pem_read_cert(f->pki_fd, name, &cert, &test_err) < 0)
		fail_msg("%s", test_err.text);
	return cert;
}

/* As a TLS peer verifies: chain and purpose. */
static int verifies(X509 *ca, X509 *cert, int purpose)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int ok;

	X509_STORE_add_cert(store, ca);
	X509_STORE_CTX_init(ctx, store, cert, NULL);
	X509_STORE_CTX_set_purpose(ctx, purpose);
	X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(ctx), X509_V_FLAG_X509_STRICT);
	ok = X509_verify_cert(ctx) == 1;
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return ok;
}

static void assert_file(int dirfd, const char *name, mode_t mode)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_msg("no %s", name);
	assert_int_equal(st.st_mode & 07777, mode);
	assert_int_equal(st.st_uid, getuid());
}

static void all_files_are_made(void **state)
{
	struct fixture *f = *state;
	cleanup_close int cluster_fd = -1;
	cleanup_free char *ca = NULL;
	struct keystore keys;
	struct stat st;
	size_t size;

	make(f);
	assert_int_equal(fstat(f->keys_fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_file(f->keys_fd, "ca.key", 0600);
	assert_file(f->keys_fd, "sealing.key", 0600);
	assert_file(f->keys_fd, "sealing.sig", 0600);
	assert_file(f->keys_fd, "token.key", 0600);
	assert_file(f->pki_fd, "ca.pem", 0644);
	assert_file(f->pki_fd, "node.pem", 0644);
	assert_file(f->pki_fd, "node.key", 0600);
	assert_file(f->pki_fd, "admin.pem", 0644);
	assert_file(f->pki_fd, "admin.key", 0600);
	assert_file(f->keys_fd, "nodes-ca.key", 0600);
	cluster_fd = open(f->cluster, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fstat(cluster_fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_file(cluster_fd, "nodes-ca.pem", 0644);
	assert_file(cluster_fd, "database.pem", 0644);
	assert_file(cluster_fd, "database.key", 0600);
	assert_int_equal(keystore_init(&keys, f->keys, &test_err), 0);
	assert_string_equal(keys.node, "node-1.example.org");
	assert_int_equal(file_read_at(f->pki_fd, "ca.pem", 65536, &ca, &size, &test_err), 0);
	assert_int_equal(sealing_key_check(ca, keys.node, keys.sealing_public,
				 keys.sealing_signature, keys.sealing_signature_size, &test_err),
		0);
	assert_int_equal(strlen(jwt_key_id(keys.token)), 43);
	keystore_done(&keys);
}

static void certificates_serve_their_purpose_only(void **state)
{
	struct fixture *f = *state;
	X509 *ca, *node, *admin;

	make(f);
	ca = cert_of(f, "ca.pem");
	node = cert_of(f, "node.pem");
	admin = cert_of(f, "admin.pem");
	assert_int_equal(verifies(ca, node, X509_PURPOSE_SSL_SERVER), 1);
	assert_int_equal(verifies(ca, node, X509_PURPOSE_SSL_CLIENT), 0);
	assert_int_equal(verifies(ca, admin, X509_PURPOSE_SSL_CLIENT), 1);
	assert_int_equal(verifies(ca, admin, X509_PURPOSE_SSL_SERVER), 0);
	assert_int_equal(X509_check_host(node, "node-1.example.org", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(node, "localhost", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(node, "192.0.2.1", 0), 1);
	assert_int_equal(X509_check_ip_asc(node, "127.0.0.1", 0), 1);
	assert_int_equal(X509_check_ip_asc(node, "192.0.2.2", 0), 0);
	assert_int_equal(X509_check_ca(ca), 1);
	assert_int_equal(X509_check_ca(node), 0);
	assert_int_equal(X509_check_ca(admin), 0);
	/* A leaf's key signs nothing: a chain through it is refused. */
	assert_int_equal(verifies(node, admin, X509_PURPOSE_SSL_CLIENT), 0);
	X509_free(ca);
	X509_free(node);
	X509_free(admin);
}

static void nothing_is_overwritten(void **state)
{
	struct fixture *f = *state;
	cleanup_free char *before = NULL, *after = NULL;
	size_t size;

	make(f);
	assert_int_equal(file_read_at(f->pki_fd, "ca.pem", 65536, &before, &size, &test_err), 0);
	assert_int_equal(setup_node(&f->node, &test_err), -1);
	assert_int_equal(test_err.code, ERR_EXISTS);
	assert_non_null(strstr(test_err.text, "/keys/ca.key' exists"));
	/* One of nine is enough to refuse, and then none of the others appears. */
	assert_int_equal(tree_remove_at(AT_FDCWD, f->keys, &test_err), 0);
	assert_int_equal(setup_node(&f->node, &test_err), -1);
	assert_non_null(strstr(test_err.text, "/pki/ca.pem' exists"));
	assert_int_equal(access(f->keys, F_OK), -1);
	assert_int_equal(file_read_at(f->pki_fd, "ca.pem", 65536, &after, &size, &test_err), 0);
	assert_string_equal(before, after);
}

static void bad_names_make_nothing(void **state)
{
	static const struct {
		const char *name;
		const char *address;
		const char *why;
	} cases[] = {
		{ "Node", "127.0.0.1", "node 'Node'" },
		{ "n,DNS:evil", "127.0.0.1", "node 'n,DNS:evil'" },
		{ "", "127.0.0.1", "must have 1 to 253" },
		{ "n", "127.0.0.1,IP:10.0.0.1", "neither an IP address nor a DNS name" },
		{ "n", "[::1", "neither an IP address nor a DNS name" },
		{ "n", "[example.org]", "neither an IP address nor a DNS name" },
		{ "n", "a b", "neither an IP address nor a DNS name" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		f->node.name = cases[i].name;
		f->node.address = cases[i].address;
		assert_int_equal(setup_node(&f->node, &test_err), -1);
		assert_int_equal(test_err.code, ERR_INVALID);
		if (!strstr(test_err.text, cases[i].why))
			fail_msg("'%s' does not say '%s'", test_err.text, cases[i].why);
		assert_int_equal(access(f->keys, F_OK), -1);
		assert_int_equal(access(f->pki, F_OK), -1);
	}
}

static void addresses_of_all_kinds(void **state)
{
	static const char *const addresses[] = { "0.0.0.0", "::", "[2001:db8::1]", "2001:db8::1",
		"node.example.net", "localhost" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		f->node.address = addresses[i];
		if (setup_node(&f->node, &test_err) < 0)
			fail_msg("%s: %s", addresses[i], test_err.text);
		assert_int_equal(tree_remove_at(AT_FDCWD, f->keys, &test_err), 0);
		assert_int_equal(tree_remove_at(AT_FDCWD, f->pki, &test_err), 0);
		assert_int_equal(tree_remove_at(AT_FDCWD, f->cluster, &test_err), 0);
	}
}

static void a_user_is_issued(void **state)
{
	/* Longer than X.520's 64: projects' groups are. */
	static const char *const groups[] = {
		"bulkhead:project:"
		"a-project-whose-name-is-as-long-as-names-of-projects-can-be-0123:edit",
		"system:masters",
	};
	struct fixture *f = *state;
	char cert_file[128], key_file[128], text[256];
	struct setup_user user = {
		.keys = f->keys,
		.pki = f->pki,
		.name = "ada",
		.groups = groups,
		.groups_len = 2,
		.cert_file = cert_file,
		.key_file = key_file,
	};
	X509 *ca, *cert;
	EVP_PKEY *key;

	make(f);
	snprintf(cert_file, sizeof(cert_file), "%s/ada.pem", f->pki);
	snprintf(key_file, sizeof(key_file), "%s/ada.key", f->pki);
	if (setup_user(&user, &test_err) < 0)
		fail_msg("%s", test_err.text);
	assert_file(f->pki_fd, "ada.key", 0600);
	ca = cert_of(f, "ca.pem");
	cert = cert_of(f, "ada.pem");
	assert_int_equal(pem_read_key(f->pki_fd, "ada.key", &key, &test_err), 0);
	assert_int_equal(X509_check_private_key(cert, key), 1);
	assert_int_equal(verifies(ca, cert, X509_PURPOSE_SSL_CLIENT), 1);
	X509_NAME_get_text_by_NID(
		X509_get_subject_name(cert), NID_organizationName, text, sizeof(text));
	assert_string_equal(text, groups[0]);
	assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(cert)), 3);
	X509_free(ca);
	X509_free(cert);
	EVP_PKEY_free(key);
	assert_int_equal(setup_user(&user, &test_err), -1);
	assert_int_equal(test_err.code, ERR_EXISTS);
	assert_int_equal(unlinkat(f->pki_fd, "ada.key", 0), 0);
	assert_int_equal(setup_user(&user, &test_err), -1);
	assert_int_equal(faccessat(f->pki_fd, "ada.key", F_OK, 0), -1);
}

static void bad_subjects_are_refused(void **state)
{
	char long_name[PKI_NAME_MAX + 2];
	const char *const bad[] = { "", "a\nb", "\xc3\xa9", long_name };
	struct fixture *f = *state;
	struct setup_user user = { .keys = f->keys,
		.pki = f->pki,
		.cert_file = "/nonexistent/x",
		.key_file = "/nonexistent/y" };

	make(f);
	memset(long_name, 'a', sizeof(long_name));
	long_name[PKI_NAME_MAX + 1] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		user.name = bad[i];
		user.groups_len = 0;
		assert_int_equal(setup_user(&user, &test_err), -1);
		assert_int_equal(test_err.code, ERR_INVALID);
		user.name = "ada";
		user.groups = &bad[i];
		user.groups_len = 1;
		assert_int_equal(setup_user(&user, &test_err), -1);
		assert_int_equal(test_err.code, ERR_INVALID);
	}
}

static void damaged_keys_are_named(void **state)
{
	static const struct {
		const char *file;
		const char *content;
		const char *why;
	} cases[] = {
		{ "token.key", "nonsense", "'token.key': holds no unencrypted private key" },
		{ "token.key", NULL, "token.key" },
		{ "sealing.sig", "", "'sealing.sig': is empty" },
		{ "sealing.sig", NULL, "sealing.sig" },
		{ "sealing.sig",
			"seventy-three bytes are one more than a signature of P-256 has at "
			"most....",
			"'sealing.sig': larger than 72 bytes" },
		{ "node", "Not A Name", "'node': holds no node name" },
		{ "node", "", "'node': holds no node name" },
	};
	struct fixture *f = *state;
	cleanup_free char *sealing = NULL;
	struct keystore keys;
	size_t size;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		make(f);
		assert_int_equal(unlinkat(f->keys_fd, cases[i].file, 0), 0);
		if (cases[i].content)
			assert_int_equal(
				file_replace_at(f->keys_fd, cases[i].file, cases[i].content,
					strlen(cases[i].content), 0600, &test_err),
				0);
		assert_int_equal(keystore_init(&keys, f->keys, &test_err), -1);
		if (!strstr(test_err.text, cases[i].why))
			fail_msg("'%s' does not say '%s'", test_err.text, cases[i].why);
		close(f->keys_fd);
		close(f->pki_fd);
		assert_int_equal(tree_remove_at(AT_FDCWD, f->keys, &test_err), 0);
		assert_int_equal(tree_remove_at(AT_FDCWD, f->pki, &test_err), 0);
		assert_int_equal(tree_remove_at(AT_FDCWD, f->cluster, &test_err), 0);
	}
	/* Keys for one another's purpose. */
	make(f);
	assert_int_equal(
		file_read_at(f->keys_fd, "sealing.key", 4096, &sealing, &size, &test_err), 0);
	assert_int_equal(
		file_replace_at(f->keys_fd, "token.key", sealing, size, 0600, &test_err), 0);
	assert_int_equal(keystore_init(&keys, f->keys, &test_err), -1);
	assert_non_null(strstr(test_err.text, "'token.key': not a P-256 key"));
}

/* ---- command line -------------------------------------------------------------------------- */

#define PARSE(options, ...)                                                                        \
	({                                                                                         \
		const char *argv_[] = { "bulkhead-secretd", __VA_ARGS__, NULL };                   \
		options_parse(                                                                     \
			options, (int)ARRAY_LEN(argv_) - 1, (char **)(uintptr_t)argv_, &test_err); \
	})

static void options_of_each_mode(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(
		PARSE(&o, "--keys", "/k", "--uid", "7", "--empty-root=/e", "--issuer", "https://n"),
		0);
	assert_int_equal(o.mode, OPTIONS_SERVE);
	assert_int_equal(o.uid, 7);
	assert_string_equal(o.empty_root, "/e");
	assert_int_equal(PARSE(&o, "--init", "--keys", "/k", "--pki", "/p", "--cluster", "/c",
				 "--node", "n", "--address", "127.0.0.1", "--uid", "64202"),
		0);
	assert_int_equal(o.mode, OPTIONS_INIT);
	assert_string_equal(o.cluster, "/c");
	assert_int_equal(PARSE(&o, "--join", "--keys", "/k", "--pki", "/p", "--cluster", "/c",
				 "--node", "n", "--uid", "64202"),
		0);
	assert_int_equal(o.mode, OPTIONS_JOIN);
	assert_int_equal(
		PARSE(&o, "--sign", "--keys", "/k", "--uid", "64202", "--empty-root", "/e"), 0);
	assert_int_equal(o.mode, OPTIONS_SIGN);
	assert_int_equal(PARSE(&o, "--issue", "--keys", "/k", "--pki", "/p", "--cn", "ed", "--org",
				 "a", "--org", "b", "--out-cert", "c", "--out-key", "d"),
		0);
	assert_int_equal(o.mode, OPTIONS_ISSUE);
	assert_int_equal(o.groups_len, 2);
	assert_string_equal(o.groups[1], "b");
	assert_int_equal(o.life, 0);
	assert_int_equal(PARSE(&o, "--issue", "--keys", "/k", "--pki", "/p", "--cn", "ed",
				 "--out-cert", "c", "--out-key", "d", "--life", "60"),
		0);
	assert_int_equal(o.life, 60);
}

static void wrong_options_are_named(void **state)
{
	struct options o;

	(void)state;
#define REFUSED(why, ...)                                                                          \
	do {                                                                                       \
		assert_int_equal(PARSE(&o, __VA_ARGS__), -1);                                      \
		assert_int_equal(test_err.code, ERR_INVALID);                                      \
		if (!strstr(test_err.text, why))                                                   \
			fail_msg("'%s' does not say '%s'", test_err.text, why);                    \
	} while (0)
	REFUSED("--uid: is missing", "--keys", "/k", "--empty-root", "/e", "--issuer", "i");
	REFUSED("--node: does not belong here", "--keys", "/k", "--uid", "7", "--empty-root", "/e",
		"--issuer", "i", "--node", "n");
	REFUSED("--uid: '0'", "--uid", "0");
	REFUSED("--uid: '4294967295'", "--uid", "4294967295");
	REFUSED("--keys: given twice", "--keys", "/a", "--keys", "/b");
	REFUSED("--keys: is empty", "--keys", "");
	REFUSED("'--nonsense'", "--nonsense");
	REFUSED("only options are taken", "word");
	REFUSED("'--keys'", "--keys");
	REFUSED("--pki: does not belong here", "--sign", "--keys", "/k", "--uid", "7",
		"--empty-root", "/e", "--pki", "/p");
	REFUSED("--life: '59'", "--life", "59");
	REFUSED("--issue: does not belong here", "--issue", "--init");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(all_files_are_made),
		T(certificates_serve_their_purpose_only),
		T(nothing_is_overwritten),
		T(bad_names_make_nothing),
		T(addresses_of_all_kinds),
		T(a_user_is_issued),
		T(bad_subjects_are_refused),
		T(damaged_keys_are_named),
		cmocka_unit_test(options_of_each_mode),
		cmocka_unit_test(wrong_options_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
