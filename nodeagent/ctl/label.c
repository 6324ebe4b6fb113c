/* label: what a project is selected by. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/cleanup.h"
#include "nodeagent/ctl/ctl.h"

/* "KEY=VALUE" is set, "KEY-" removed; the latter is cut. */
static int take_word(char *word, Bulkhead__V1__LabelProjectRequest *request, struct error *err)
{
	size_t len = strlen(word);

	if (strchr(word, '=')) {
		request->set[request->n_set++] = word;
		return 0;
	}
	if (len < 2 || word[len - 1] != '-')
		return error_set(err, ERR_INVALID, 0,
			"'%s': a label is set as KEY=VALUE and removed as KEY-", word);
	word[len - 1] = '\0';
	request->remove[request->n_remove++] = word;
	return 0;
}

int ctl_label(struct ctl *ctl, struct error *err)
{
	const struct args *args = ctl->args;
	Bulkhead__V1__LabelProjectRequest request = BULKHEAD__V1__LABEL_PROJECT_REQUEST__INIT;
	cleanup_message ProtobufCMessage *response = NULL;
	char *set[ARGS_LIST_MAX], *removed[ARGS_LIST_MAX], *words[ARGS_LIST_MAX];
	size_t len = 0;
	int r = 0;

	request.name = (char *)(uintptr_t)args->words[2];
	request.set = set;
	request.remove = removed;
	for (size_t i = 3; i < args->words_len && r == 0; i++) {
		words[len] = strdup(args->words[i]);
		r = words[len] ? take_word(words[len++], &request, err)
			       : error_set(err, ERR_EXHAUSTED, ENOMEM, "no memory for a label");
	}
	if (r == 0)
		r = ctl_connect(ctl, err);
	if (r == 0)
		r = ctl_call(ctl, "LabelProject", &request.base, &response, err);
	if (r == 0)
		printf("project/%s labeled\n", args->words[2]);
	for (size_t i = 0; i < len; i++)
		free(words[i]);
	return r < 0 ? -1 : CTL_OK;
}
