#include "lib/egress.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/cleanup.h"
#include "lib/parse.h"

static const struct {
	const char *name;
	uint8_t protocol;
} protocols[] = {
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "sctp", IPPROTO_SCTP },
};

const char *egress_protocol_name(uint8_t protocol)
{
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		if (protocols[i].protocol == protocol)
			return protocols[i].name;
	}
	return NULL;
}

uint8_t egress_protocol(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		if (strcasecmp(protocols[i].name, name) == 0)
			return protocols[i].protocol;
	}
	return 0;
}

void egress_done(struct egress_rules *egress)
{
	free(egress->rules);
	*egress = (struct egress_rules){ 0 };
}

size_t egress_size(const struct egress_rules *egress)
{
	size_t size = 0;

	for (size_t i = 0; i < egress->len; i++)
		size += egress->rules[i].ports_len ? egress->rules[i].ports_len : 1;
	return size;
}

/* ---- parsing ------------------------------------------------------------------------------- */

/* "tcp/80" or "tcp/80-90". */
static int parse_ports(char *word, struct egress_ports *ret, struct error *err)
{
	char *slash = strchr(word, '/');
	char *dash = slash ? strchr(slash, '-') : NULL;
	uint32_t first, last;

	if (!slash)
		return error_set(err, ERR_INVALID, 0, "'%.64s' is not PROTOCOL/PORT[-PORT]", word);
	*slash = '\0';
	if (dash)
		*dash = '\0';
	ret->protocol = egress_protocol(word);
	if (!ret->protocol)
		return error_set(
			err, ERR_INVALID, 0, "protocol '%.64s' is not tcp, udp or sctp", word);
	if (parse_u32(slash + 1, "port", 1, UINT16_MAX, &first, err) < 0 ||
		parse_u32(dash ? dash + 1 : slash + 1, "port", first, UINT16_MAX, &last, err) < 0)
		return -1;
	ret->first = (uint16_t)first;
	ret->last = (uint16_t)last;
	return 0;
}

static int parse_rule(char *text, struct egress_rule *rule, struct error *err)
{
	char *rest = text;
	const char *verdict = strsep(&rest, " ");
	const char *net = strsep(&rest, " ");
	char *word;

	rule->allow = strcmp(verdict, "allow") == 0;
	if (!rule->allow && strcmp(verdict, "deny") != 0)
		return error_set(
			err, ERR_INVALID, 0, "'%.64s' is neither 'allow' nor 'deny'", verdict);
	if (ipnet_parse(net ? net : "", "network", &rule->to, err) < 0)
		return -1;
	while ((word = strsep(&rest, " "))) {
		if (rule->ports_len == EGRESS_PORTS_MAX)
			return error_set(err, ERR_EXHAUSTED, 0, "more than %d ranges of ports",
				EGRESS_PORTS_MAX);
		if (parse_ports(word, &rule->ports[rule->ports_len++], err) < 0)
			return -1;
	}
	return 0;
}

static size_t count_rules(const char *text)
{
	size_t n = *text ? 1 : 0;

	for (; *text; text++)
		n += *text == ';';
	return n;
}

static int parse_all(char *copy, struct egress_rules *egress, struct error *err)
{
	char *rest = *copy ? copy : NULL;
	char *text;

	while ((text = strsep(&rest, ";"))) {
		if (parse_rule(text, &egress->rules[egress->len++], err) < 0)
			return error_prefix(err, "rule %zu", egress->len);
	}
	if (egress_size(egress) > EGRESS_RULES_MAX)
		return error_set(err, ERR_EXHAUSTED, 0,
			"%zu rules and ranges of ports are more than %d", egress_size(egress),
			EGRESS_RULES_MAX);
	return 0;
}

int egress_parse(const char *text, struct egress_rules *ret, struct error *err)
{
	cleanup_free char *copy = NULL;
	struct egress_rules egress = { 0 };
	size_t n = count_rules(text);

	if (strlen(text) > EGRESS_TEXT_MAX || n > EGRESS_RULES_MAX)
		return error_set(err, ERR_EXHAUSTED, 0, "more than %d rules or %d bytes",
			EGRESS_RULES_MAX, EGRESS_TEXT_MAX);
	copy = strdup(text);
	egress.rules = calloc(n + 1, sizeof(*egress.rules));
	if (!copy || !egress.rules) {
		egress_done(&egress);
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for an egress firewall");
	}
	if (parse_all(copy, &egress, err) < 0) {
		egress_done(&egress);
		return -1;
	}
	*ret = egress;
	return 0;
}

/* ---- formatting ---------------------------------------------------------------------------- */

static void format_rule(FILE *out, const struct egress_rule *rule)
{
	char net[IPNET_TEXT_SIZE];

	ipnet_format(&rule->to, net);
	fprintf(out, "%s %s", rule->allow ? "allow" : "deny", net);
	for (size_t i = 0; i < rule->ports_len; i++) {
		const struct egress_ports *ports = &rule->ports[i];

		fprintf(out, " %s/%u", egress_protocol_name(ports->protocol), ports->first);
		if (ports->last != ports->first)
			fprintf(out, "-%u", ports->last);
	}
}

int egress_format(const struct egress_rules *egress, char **ret, struct error *err)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return error_set(err, ERR_EXHAUSTED, errno, "no memory for an egress firewall");
	for (size_t i = 0; i < egress->len; i++) {
		if (i)
			fputc(';', out);
		format_rule(out, &egress->rules[i]);
	}
	if (fclose(out) != 0) {
		free(text);
		return error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for an egress firewall");
	}
	*ret = text;
	return 0;
}
