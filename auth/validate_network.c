/* Host name, DNS and /etc/hosts. */
#include <string.h>

#include "auth/validate.h"
#include "auth/validate_parts.h"

static const char *const policies[] = { "ClusterFirst", "ClusterFirstWithHostNet", "Default",
	"None", NULL };

/* A search domain: as a subdomain, but '_' is used and a final dot or "." alone are. */
static const char *rule_search(const char *text)
{
	char copy[256];
	size_t len = strlen(text);

	if (strcmp(text, ".") == 0)
		return NULL;
	if (len > 0 && len < sizeof(copy)) {
		memcpy(copy, text, len + 1);
		if (copy[len - 1] == '.')
			copy[len - 1] = '\0';
		for (char *p = copy; *p; p++) {
			if (*p == '_')
				*p = 'x';
		}
		if (!rule_dns_subdomain(copy))
			return NULL;
	}
	return "must be a DNS domain";
}

/* One word of resolv.conf. */
static const char *rule_option(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p <= ' ' || *p > '~' || *p == ':')
			return "must be printable ASCII without spaces and ':'";
	}
	return NULL;
}

static void check_searches(
	const struct validation *v, const K8sPodDNSConfig *c, const struct place *at)
{
	size_t size = 0;

	if (!want_count(v, at, c->n_searches, VALIDATE_SEARCHES_MAX))
		return;
	for (size_t i = 0; i < c->n_searches; i++) {
		want_text(v, AT_ITEM(at, i), c->searches[i], rule_search);
		size += strlen(c->searches[i]) + 1;
	}
	if (size > VALIDATE_SEARCH_SIZE_MAX + 1)
		invalid(v, at, "the domains are %zu bytes together; at most %d are allowed",
			size - 1, VALIDATE_SEARCH_SIZE_MAX);
}

static void check_dns_config(
	const struct validation *v, const K8sPodDNSConfig *c, const struct place *at)
{
	const struct place *servers = AT(at, "nameservers"), *options = AT(at, "options");

	if (want_count(v, servers, c->n_nameservers, VALIDATE_NAMESERVERS_MAX)) {
		for (size_t i = 0; i < c->n_nameservers; i++)
			want_text(v, AT_ITEM(servers, i), c->nameservers[i], rule_ip);
	}
	check_searches(v, c, AT(at, "searches"));
	if (!want_count(v, options, c->n_options, VALIDATE_DNS_OPTIONS_MAX))
		return;
	for (size_t i = 0; i < c->n_options; i++) {
		const struct place *here = AT_ITEM(options, i);

		want_text(v, AT(here, "name"), c->options[i]->name, rule_option);
		want_text_if(v, AT(here, "value"), c->options[i]->value, rule_option);
	}
}

static void check_alias(const struct validation *v, const K8sHostAlias *a, const struct place *at)
{
	const struct place *names = AT(at, "hostnames");

	want_text(v, AT(at, "ip"), a->ip, rule_ip);
	if (!want_count(v, names, a->n_hostnames, VALIDATE_ALIASES_MAX))
		return;
	for (size_t i = 0; i < a->n_hostnames; i++)
		want_text(v, AT_ITEM(names, i), a->hostnames[i], rule_dns_subdomain);
}

void validate_network(const struct validation *v)
{
	const struct place *at = AT(NULL, "spec");
	const K8sPodSpec *s = v->spec;
	const struct place *aliases = AT(at, "hostAliases");

	want_text_if(v, AT(at, "hostname"), s->hostname, rule_dns_label);
	want_text_if(v, AT(at, "subdomain"), s->subdomain, rule_dns_label);
	want_one_of(v, AT(at, "dnsPolicy"), s->dnspolicy, policies);
	if (text_is(s->dnspolicy, "None") && !(s->dnsconfig && s->dnsconfig->n_nameservers))
		invalid(v, AT(AT(at, "dnsConfig"), "nameservers"),
			"must have at least one when dnsPolicy is None");
	if (s->dnsconfig)
		check_dns_config(v, s->dnsconfig, AT(at, "dnsConfig"));
	if (!want_count(v, aliases, s->n_hostaliases, VALIDATE_ALIASES_MAX))
		return;
	for (size_t i = 0; i < s->n_hostaliases; i++)
		check_alias(v, s->hostaliases[i], AT_ITEM(aliases, i));
}
