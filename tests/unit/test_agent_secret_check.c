/* What the agent judges of a secret that it cannot open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "nodeagent/agent/secret_check.h"
#include "secrets/envelope.h"
#include "secrets/secret_data.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static uint8_t sealed[ENVELOPE_OVERHEAD + ENVELOPE_PLAIN_MAX + 1] = { ENVELOPE_VERSION };

/* One good secret, changed by each case. */
struct fixture {
	Bulkhead__V1__Secret secret;
	Bulkhead__V1__SecretKey keys[2];
	Bulkhead__V1__SecretKey *list[2];
};

static void fill(struct fixture *f)
{
	bulkhead__v1__secret__init(&f->secret);
	for (size_t i = 0; i < 2; i++) {
		bulkhead__v1__secret_key__init(&f->keys[i]);
		f->list[i] = &f->keys[i];
	}
	f->keys[0].name = TEXT("password");
	f->keys[0].size = 10;
	f->keys[1].name = TEXT("user");
	f->keys[1].size = 4;
	f->secret.name = TEXT("db.credentials");
	f->secret.type = TEXT("kubernetes.io/basic-auth");
	f->secret.keys = f->list;
	f->secret.n_keys = 2;
	f->secret.sealed = (ProtobufCBinaryData){ ENVELOPE_OVERHEAD + 40, sealed };
}

static void expect(struct fixture *f, enum error_code code, const char *text)
{
	struct error err = { 0 };

	assert_int_equal(secret_check(&f->secret, &err), code ? -1 : 0);
	assert_int_equal(err.code, code);
	if (text && !strstr(err.text, text))
		fail_msg("'%s', not '%s'", err.text, text);
	fill(f);
}

static void fields_are_judged_by_name(void **state)
{
	struct fixture f;
	char long_type[SECRET_TYPE_MAX + 2];

	(void)state;
	fill(&f);
	expect(&f, ERR_NONE, NULL);
	f.secret.type = TEXT("");
	expect(&f, ERR_NONE, NULL);
	memset(long_type, 'a', sizeof(long_type) - 1);
	long_type[SECRET_TYPE_MAX] = '\0';
	f.secret.type = long_type;
	expect(&f, ERR_NONE, NULL);
	long_type[SECRET_TYPE_MAX] = 'a';
	long_type[SECRET_TYPE_MAX + 1] = '\0';
	f.secret.type = long_type;
	expect(&f, ERR_INVALID, "secret.type");
	f.secret.type = TEXT("a b");
	expect(&f, ERR_INVALID, "secret.type: 'a b'");
	f.secret.name = TEXT("Upper");
	expect(&f, ERR_INVALID, "secret.name: 'Upper'");
	f.secret.name = TEXT("");
	expect(&f, ERR_INVALID, "secret.name");
	f.secret.n_keys = 0;
	expect(&f, ERR_INVALID, "secret.keys: at least one");
	f.keys[1].name = TEXT("a/b");
	expect(&f, ERR_INVALID, "secret.keys[1]: key 'a/b'");
	f.keys[1].name = TEXT("password");
	expect(&f, ERR_INVALID, "secret.keys: 'password' is there twice");
}

static void sizes_have_limits(void **state)
{
	struct fixture f;

	(void)state;
	fill(&f);
	f.secret.sealed.len = ENVELOPE_OVERHEAD;
	expect(&f, ERR_INVALID, "secret.sealed: 57 bytes are no sealed secret");
	f.secret.sealed.len = ENVELOPE_OVERHEAD + 13;
	expect(&f, ERR_INVALID, "secret.keys: 14 bytes do not fit");
	f.secret.sealed.len = ENVELOPE_OVERHEAD + 14;
	expect(&f, ERR_NONE, NULL);
	f.secret.sealed.len = ENVELOPE_OVERHEAD + ENVELOPE_PLAIN_MAX;
	expect(&f, ERR_NONE, NULL);
	f.secret.sealed.len = ENVELOPE_OVERHEAD + ENVELOPE_PLAIN_MAX + 1;
	expect(&f, ERR_EXHAUSTED, "secret.sealed");
	f.secret.sealed.len = ENVELOPE_OVERHEAD + ENVELOPE_PLAIN_MAX;
	f.keys[0].size = SECRET_DATA_MAX - 4;
	expect(&f, ERR_NONE, NULL);
	f.secret.sealed.len = ENVELOPE_OVERHEAD + ENVELOPE_PLAIN_MAX;
	f.keys[0].size = SECRET_DATA_MAX - 3;
	expect(&f, ERR_EXHAUSTED, "secret.keys: 1048577 bytes");
	f.keys[0].size = UINT32_MAX;
	f.keys[1].size = UINT32_MAX;
	expect(&f, ERR_EXHAUSTED, "secret.keys: 8589934590 bytes");
	sealed[0] = ENVELOPE_VERSION + 1;
	expect(&f, ERR_UNSUPPORTED, "secret.sealed: version 2 is unknown");
	sealed[0] = ENVELOPE_VERSION;
}

static void keys_have_a_limit(void **state)
{
	enum { MANY = SECRET_KEYS_MAX + 1 };
	Bulkhead__V1__SecretKey *keys = calloc(MANY, sizeof(*keys));
	Bulkhead__V1__SecretKey **list = calloc(MANY, sizeof(Bulkhead__V1__SecretKey *));
	char(*names)[16] = calloc(MANY, sizeof(*names));
	struct fixture f;

	(void)state;
	assert_true(keys && list && names);
	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "k%zu", i);
		bulkhead__v1__secret_key__init(&keys[i]);
		keys[i].name = names[i];
		list[i] = &keys[i];
	}
	fill(&f);
	f.secret.keys = list;
	f.secret.n_keys = SECRET_KEYS_MAX;
	expect(&f, ERR_NONE, NULL);
	f.secret.keys = list;
	f.secret.n_keys = MANY;
	expect(&f, ERR_EXHAUSTED, "secret.keys: 1025 keys are more than the limit of 1024");
	free(keys);
	free(list);
	free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_judged_by_name),
		cmocka_unit_test(sizes_have_limits),
		cmocka_unit_test(keys_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
