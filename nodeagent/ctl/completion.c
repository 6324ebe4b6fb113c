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
	"\t\t\twords='init up down create apply get describe logs exec delete wait image explain "
	"version "
	"completion help'\n"
	"\t\telse\n"
	"\t\t\tcase $verb in\n"
	"\t\t\tget|describe|delete|wait)\n"
	"\t\t\t\tif ((COMP_CWORD == 2)); then words=$kinds\n"
	"\t\t\t\telse words=$(bulkhead get \"${COMP_WORDS[2]}\" \"${project[@]}\" --no-headers "
	"2>/dev/null | "
	"cut -d' ' -f1); fi;;\n"
	"\t\t\tlogs|exec) words=$(bulkhead get pods \"${project[@]}\" --no-headers 2>/dev/null | "
	"cut -d' ' "
	"-f1);;\n"
	"\t\t\tcreate) words='project secret';;\n"
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

int ctl_version(struct ctl *ctl, struct error *err)
{
	Bulkhead__V1__GetVersionRequest request;
	cleanup_message ProtobufCMessage *response = NULL;
	const Bulkhead__V1__GetVersionResponse *r;

	printf("client: %s\n", BULKHEAD_VERSION);
	if (ctl->args->client_only)
		return CTL_OK;
	bulkhead__v1__get_version_request__init(&request);
	if (ctl_call(ctl, "GetVersion", &request.base, &response, err) < 0)
		return -1;
	r = (Bulkhead__V1__GetVersionResponse *)response;
	printf("node:   %s (%s)\n", r->version, r->node);
	return CTL_OK;
}
