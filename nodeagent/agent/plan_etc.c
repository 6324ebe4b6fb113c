#include "nodeagent/agent/plan_etc.h"

#include <stdlib.h>
#include <string.h>

#include "auth/pod_edit.h"
#include "auth/pod_view.h"
#include "lib/cleanup.h"
#include "nodeagent/agent/plan_text.h"

void plan_hostname(const struct plan_node *node, const K8sPod *pod, char ret[PLAN_HOSTNAME_SIZE])
{
	const char *name = plan_or_empty(view_spec(pod)->hostname);
	size_t len;

	if (name[0] == '\0' && view_spec(pod)->hostnetwork)
		name = plan_or_empty(node->config->node_name);
	if (name[0] == '\0')
		name = plan_or_empty(pod->metadata->name);
	len = strnlen(name, PLAN_HOSTNAME_LEN_MAX);
	while (len > 0 && (name[len - 1] == '-' || name[len - 1] == '.'))
		len--;
	memcpy(ret, name, len);
	ret[len] = '\0';
}

/* No blank and no control character: a value must not become two, or a line. */
static int word_check(const char *field, const char *text, struct error *err)
{
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return error_set(err, ERR_INVALID, 0,
				"%s: has a blank or a control character", field);
	}
	return text[0] ? 0 : error_set(err, ERR_INVALID, 0, "%s: is empty", field);
}

static int alias_add(const K8sHostAlias *alias, char ***lines, size_t *n, struct error *err)
{
	char **line;

	if (word_check("ip", plan_or_empty(alias->ip), err) < 0 ||
		edit_append_string(lines, n, alias->ip, err) < 0)
		return -1;
	line = &(*lines)[*n - 1];
	for (size_t i = 0; i < alias->n_hostnames; i++) {
		if (word_check("hostnames", alias->hostnames[i], err) < 0 ||
			plan_print(line, err, "%s\t%s", *line, alias->hostnames[i]) < 0)
			return -1;
	}
	return 0;
}

/* The pod's own line, once it has an address. */
static int own_add(const struct plan_node *node, const struct plan_pod *pod, char ***lines,
	size_t *n, struct error *err)
{
	const K8sPodSpec *spec = view_spec(pod->pod);
	const char *address = plan_or_empty(pod->address);
	char hostname[PLAN_HOSTNAME_SIZE];

	plan_hostname(node, pod->pod, hostname);
	if (plan_or_empty(spec->subdomain)[0] &&
		word_check("spec.subdomain", spec->subdomain, err) < 0)
		return -1;
	if (address[0] == '\0')
		return 0;
	if (plan_or_empty(spec->subdomain)[0] == '\0')
		return plan_append(lines, n, err, "%s\t%s", address, hostname);
	return plan_append(lines, n, err, "%s\t%s.%s.%s.svc." PLAN_CLUSTER_DOMAIN "\t%s", address,
		hostname, spec->subdomain, pod->project.name, hostname);
}

int plan_hosts(const struct plan_node *node, const struct plan_pod *pod, char ***lines, size_t *n,
	struct error *err)
{
	static const char *const first[] = {
		"# Managed by Bulkhead.",
		"127.0.0.1\tlocalhost",
		"::1\tlocalhost ip6-localhost ip6-loopback",
		"fe00::0\tip6-localnet",
		"fe00::0\tip6-mcastprefix",
		"fe00::1\tip6-allnodes",
		"fe00::2\tip6-allrouters",
	};
	const K8sPodSpec *spec = view_spec(pod->pod);

	for (size_t i = 0; i < ARRAY_LEN(first); i++) {
		if (edit_append_string(lines, n, first[i], err) < 0)
			return -1;
	}
	if (own_add(node, pod, lines, n, err) < 0)
		return -1;
	for (size_t i = 0; i < spec->n_hostaliases; i++) {
		if (alias_add(spec->hostaliases[i], lines, n, err) < 0)
			return error_prefix(err, "spec.hostAliases[%zu]", i);
	}
	return 0;
}

struct words {
	char **list;
	size_t n;
};

struct resolv {
	struct words servers;
	struct words searches;
	struct words options;
};

static void words_clear(struct words *words)
{
	for (size_t i = 0; i < words->n; i++)
		free(words->list[i]);
	free(words->list);
	*words = (struct words){ 0 };
}

static void resolv_done(struct resolv *r)
{
	words_clear(&r->servers);
	words_clear(&r->searches);
	words_clear(&r->options);
}

#define cleanup_resolv __attribute__((cleanup(resolv_done)))

/* Adds what is not there yet. */
static int words_add(struct words *words, const char *text, size_t len, struct error *err)
{
	for (size_t i = 0; i < words->n; i++) {
		if (strlen(words->list[i]) == len && memcmp(words->list[i], text, len) == 0)
			return 0;
	}
	return plan_append(&words->list, &words->n, err, "%.*s", (int)len, text);
}

static bool loopback(const char *server, size_t len)
{
	return (len >= 4 && memcmp(server, "127.", 4) == 0) ||
	       (len == 3 && memcmp(server, "::1", 3) == 0);
}

/* One line of the node's: the last "search" and "options" are the ones that hold. */
static int node_line(struct resolv *r, const char *line, struct error *err)
{
	static const char blanks[] = " \t\r\n";
	const char *p = line + strspn(line, blanks);
	size_t len = strcspn(p, blanks);
	bool server = len == 10 && memcmp(p, "nameserver", 10) == 0;
	bool search = len == 6 && memcmp(p, "search", 6) == 0;
	bool options = len == 7 && memcmp(p, "options", 7) == 0;
	struct words *words = server ? &r->servers : search ? &r->searches : &r->options;

	if (!server && !search && !options)
		return 0;
	if (!server)
		words_clear(words);
	for (p += len; *(p += strspn(p, blanks)); p += len) {
		len = strcspn(p, blanks);
		if (server && loopback(p, len))
			return 0;
		if (!(search && len == 1 && *p == '.') && words_add(words, p, len, err) < 0)
			return -1;
		if (server)
			return 0;
	}
	return 0;
}

/* An option of the pod replaces the node's of that name. */
static int option_set(struct words *options, const char *name, const char *value, struct error *err)
{
	size_t len = strlen(name);
	const char *colon = value[0] ? ":" : "";

	for (size_t i = 0; i < options->n; i++) {
		char **o = &options->list[i];

		if (strncmp(*o, name, len) == 0 && ((*o)[len] == '\0' || (*o)[len] == ':'))
			return plan_print(o, err, "%s%s%s", name, colon, value);
	}
	return plan_append(&options->list, &options->n, err, "%s%s%s", name, colon, value);
}

static int pod_words(
	const char *field, char *const *list, size_t n, struct words *words, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (word_check(field, list[i], err) < 0 ||
			words_add(words, list[i], strlen(list[i]), err) < 0)
			return -1;
	}
	return 0;
}

static int pod_config(struct resolv *r, const K8sPodDNSConfig *config, struct error *err)
{
	if (pod_words("nameservers", config->nameservers, config->n_nameservers, &r->servers, err) <
			0 ||
		pod_words("searches", config->searches, config->n_searches, &r->searches, err) < 0)
		return -1;
	for (size_t i = 0; i < config->n_options; i++) {
		const char *name = plan_or_empty(config->options[i]->name);
		const char *value = plan_or_empty(config->options[i]->value);

		if (word_check("options.name", name, err) < 0 ||
			(value[0] && word_check("options.value", value, err) < 0) ||
			option_set(&r->options, name, value, err) < 0)
			return -1;
	}
	return 0;
}

/* How many of the words fit: at most 'max', joined by blanks at most 'len_max' bytes. */
static size_t words_fit(const struct words *words, size_t max, size_t len_max)
{
	size_t len = 0;
	size_t n = 0;

	while (n < words->n && n < max) {
		len += strlen(words->list[n]) + (n > 0);
		if (len > len_max)
			break;
		n++;
	}
	return n;
}

/* "search a b c"; nothing when there is none. */
static int line_join(Bulkhead__V1__SandboxPlan *plan, const char *key, char *const *list, size_t n,
	struct error *err)
{
	cleanup_free char *line = NULL;
	size_t size;
	FILE *f;

	if (n == 0)
		return 0;
	f = open_memstream(&line, &size);
	if (!f)
		return plan_no_memory(err);
	fputs(key, f);
	for (size_t i = 0; i < n; i++)
		fprintf(f, " %s", list[i]);
	if (fclose(f) != 0)
		return plan_no_memory(err);
	return edit_append_string(&plan->etc_resolv, &plan->n_etc_resolv, line, err);
}

static int resolv_write(const struct resolv *r, Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	size_t servers = words_fit(&r->servers, PLAN_NAMESERVERS_MAX, SIZE_MAX);
	size_t searches = words_fit(&r->searches, PLAN_SEARCHES_MAX, PLAN_SEARCHES_LEN_MAX);

	if (line_join(plan, "search", r->searches.list, searches, err) < 0)
		return -1;
	for (size_t i = 0; i < servers; i++) {
		if (plan_append(&plan->etc_resolv, &plan->n_etc_resolv, err, "nameserver %s",
			    r->servers.list[i]) < 0)
			return -1;
	}
	return line_join(plan, "options", r->options.list, r->options.n, err);
}

int plan_resolv(const struct plan_node *node, const struct plan_pod *pod,
	Bulkhead__V1__SandboxPlan *plan, struct error *err)
{
	const K8sPodSpec *spec = view_spec(pod->pod);
	cleanup_resolv struct resolv r = { 0 };
	bool own = strcmp(plan_or_empty(spec->dnspolicy), "None") == 0;

	for (size_t i = 0; !own && node->resolv && node->resolv[i]; i++) {
		if (node_line(&r, node->resolv[i], err) < 0)
			return -1;
	}
	if (spec->dnsconfig && pod_config(&r, spec->dnsconfig, err) < 0)
		return error_prefix(err, "spec.dnsConfig");
	return resolv_write(&r, plan, err);
}
