#include <stdio.h>
#include <string.h>

#include "bulkhead/v1/node.pb-c.h"
#include "nodeagent/ctl/ctl.h"

/* Words and flags are few and fixed; names are asked of the node, quietly. */
static const char script[] =
	"# bash completion for bulkhead; load with: source <(bulkhead completion bash)\n"
	"_bulkhead() {\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} "
	"verb=${COMP_WORDS[1]}\n"
	"\tlocal kinds='pods projects secrets nodes images'\n"
	"\tlocal project=() i words=\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tcase ${COMP_WORDS[i]} in -n|--project|--namespace) project=(-n "
	"\"${COMP_WORDS[i+1]}\");; esac\n"
	"\tdone\n"
	"\tcase $prev in\n"
	"\t-n|--project|--namespace) words=$(bulkhead get projects --no-headers 2>/dev/null | cut "
	"-d' ' -f1);;\n"
	"\t-f|--filename|--from-file|--context) COMPREPLY=($(compgen -f -- \"$cur\")); return;;\n"
	"\t-o|--output) words='json yaml wide name';;\n"
	"\t*)\n"
	"\t\tif ((COMP_CWORD == 1)); then\n"
	"\t\t\twords='init up down create apply get describe drift profile logs exec debug "
	"delete wait "
	"image "
	"explain "
	"version "
	"completion help'\n"
	"\t\telif [[ $cur == -* ]]; then\n"
	"\t\t\twords=$(bulkhead help \"$verb\" 2>/dev/null | grep -o -- '--[a-z-]*' | sort -u)\n"
	"\t\telse\n"
	"\t\t\tcase $verb in\n"
	"\t\t\tget|describe|delete|wait)\n"
	"\t\t\t\tif ((COMP_CWORD == 2)); then words=$kinds\n"
	"\t\t\t\telse words=$(bulkhead get \"${COMP_WORDS[2]}\" \"${project[@]}\" --no-headers "
	"2>/dev/null | "
	"cut -d' ' -f1); fi;;\n"
	"\t\t\tlogs|exec|debug|drift) words=$(bulkhead get pods \"${project[@]}\" --no-headers "
	"2>/dev/null | "
	"cut -d' ' "
	"-f1);;\n"
	"\t\t\tcreate) if ((COMP_CWORD == 2)); then words='project secret'\n"
	"\t\t\t\telif [[ $prev == secret ]]; then words=generic; fi;;\n"
	"\t\t\timage) words=import;;\n"
	"\t\t\tcompletion) words=bash;;\n"
	"\t\t\tesac\n"
	"\t\tfi;;\n"
	"\tesac\n"
	"\t# Not by compgen -W, which would carry out what a name has in $() or ``.\n"
	"\tCOMPREPLY=()\n"
	"\twhile IFS= read -r i; do\n"
	"\t\t[[ -n $i && $i == \"$cur\"* ]] && COMPREPLY+=(\"$i\")\n"
	"\tdone <<<\"${words// /$'\\n'}\"\n"
	"}\n"
	"complete -F _bulkhead bulkhead\n";

int ctl_completion(struct ctl *ctl, struct error *err)
{
	if (strcmp(ctl->args->words[1], "bash") != 0)
		return error_set(err, ERR_UNSUPPORTED, 0,
			"there is completion for bash only, not for '%s'", ctl->args->words[1]);
	fputs(script, stdout);
	return CTL_OK;
}

static void print_versions(bool json, const Bulkhead__V1__GetVersionResponse *r)
{
	if (json && r)
		printf("{\n  \"client\": \"%s\",\n  \"node\": \"%s\",\n  \"nodeName\": \"%s\"\n}\n",
			BULKHEAD_VERSION, r->version, r->node);
	else if (json)
		printf("{\n  \"client\": \"%s\"\n}\n", BULKHEAD_VERSION);
	else if (r)
		printf("node:   %s (%s)\n", r->version, r->node);
}

int ctl_version(struct ctl *ctl, struct error *err)
{
	const char *output = ctl->args->output;
	Bulkhead__V1__GetVersionRequest request;
	cleanup_message ProtobufCMessage *response = NULL;

	if (output && strcmp(output, "json") != 0)
		return error_set(
			err, ERR_INVALID, 0, "version prints text or -o json, not '%s'", output);
	if (!output)
		printf("client: %s\n", BULKHEAD_VERSION);
	bulkhead__v1__get_version_request__init(&request);
	if (!ctl->args->client_only &&
		ctl_call(ctl, "GetVersion", &request.base, &response, err) < 0)
		return -1;
	print_versions(output != NULL, (Bulkhead__V1__GetVersionResponse *)response);
	return CTL_OK;
}
