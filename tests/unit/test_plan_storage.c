#include "plan_fixture.h"

#define LIMIT(size)      "resources: {limits: {ephemeral-storage: " size "}}"
#define INIT(name, size) "{name: " name ", image: x, " LIMIT(size) "}"

/* Limits of disk: the pod's, and each emptyDir's. */
static void test_storage(void **state)
{
	static const struct {
		const char *container, *pod;
		uint64_t storage;
		size_t volumes;
		const char *error;
	} rows[] = {
		{ "", "", 0, 0, NULL },
		{ LIMIT("64Mi"), "", 64 << 20, 0, NULL },
		{ LIMIT("1Mi"), "", 1 << 20, 0, NULL },
		{ LIMIT("1048575"), "", 0, 0,
			"spec.containers[0].resources.limits['ephemeral-storage']: must be 1Mi to "
			"8Ti" },
		{ LIMIT("9Ti"), "", 0, 0, "must be 1Mi to 8Ti" },
		/* Init containers run one at a time, before the others. */
		{ LIMIT("64Mi"), "initContainers: [" INIT("a", "80Mi") ", " INIT("b", "70Mi") "]",
			80 << 20, 0, NULL },
		{ LIMIT("64Mi"), "initContainers: [" INIT("a", "10Mi") "]", 64 << 20, 0, NULL },
		{ LIMIT("64Mi"), "initContainers: [{name: a, image: x}]", 0, 0,
			"spec.initContainers[0].resources.limits['ephemeral-storage']: is not "
			"set" },
		{ "", "initContainers: [" INIT("a", "10Mi") "]", 0, 0,
			"spec.containers[0].resources.limits['ephemeral-storage']: is not set" },
		{ "", "volumes: [{name: v, emptyDir: {sizeLimit: 2Mi}}, {name: w, emptyDir: {}}]",
			0, 1, NULL },
		{ "", "volumes: [{name: v, emptyDir: {sizeLimit: 1}}]", 0, 0,
			"spec.volumes[0].emptyDir.sizeLimit: must be 1Mi to 8Ti" },
	};
	struct fixture f;

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fixture_container(&f, rows[i].container, rows[i].pod);
		if (rows[i].error) {
			fixture_sandbox_refused(&f, ERR_INVALID, rows[i].error);
			continue;
		}
		fixture_sandboxed(&f);
		assert_int_equal(f.sandbox->storage, rows[i].storage);
		assert_int_equal(f.sandbox->n_limited_volumes, rows[i].volumes);
	}
	fixture_container(&f, "", "volumes: [{name: v, emptyDir: {sizeLimit: 2Mi}}]");
	fixture_sandboxed(&f);
	assert_string_equal(f.sandbox->limited_volumes[0]->name, "v");
	assert_int_equal(f.sandbox->limited_volumes[0]->size, 2 << 20);
	fixture_done(&f);
}

/* One more than a pod may have. */
static void test_storage_volumes(void **state)
{
	struct fixture f;
	char pod[2048] = "volumes: [";

	(void)state;
	fixture_init(&f);
	for (size_t i = 0; i <= 16; i++)
		snprintf(pod + strlen(pod), sizeof(pod) - strlen(pod),
			"{name: v%zu, emptyDir: {sizeLimit: 1Mi}}, ", i);
	strcat(pod, "]");
	fixture_container(&f, "", pod);
	fixture_sandbox_refused(&f, ERR_EXHAUSTED,
		"spec.volumes[16].emptyDir.sizeLimit: a pod has at most 16 of them on disk");
	*strstr(pod, "{name: v16") = ']';
	*(strchr(pod, ']') + 1) = '\0';
	fixture_container(&f, "", pod);
	fixture_sandboxed(&f);
	assert_int_equal(f.sandbox->n_limited_volumes, 16);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_storage),
		cmocka_unit_test(test_storage_volumes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
