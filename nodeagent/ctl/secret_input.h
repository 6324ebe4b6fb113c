/*
 * What `create secret` was given, as keys and values: --from-literal and --from-file with kubectl's
 * rules. Plain text is in one buffer that is overwritten at the end, and in argv.
 */
#ifndef NODEAGENT_CTL_SECRET_INPUT_H
#define NODEAGENT_CTL_SECRET_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "secrets/secret_data.h"

struct secret_input {
	struct secret_value values[SECRET_KEYS_MAX + 1];
	char *names[SECRET_KEYS_MAX + 1];
	size_t len;
	uint8_t *bytes; /* of all files, one behind the other */
	size_t used;
};

/* The caller releases it with secret_input_done(). */
int secret_input_init(struct secret_input *input, struct error *err);

/* Overwrites and frees. */
void secret_input_done(struct secret_input *input);

/* "key=value"; the value is borrowed from 'literal'. Errors: ERR_INVALID, ERR_EXHAUSTED. */
int secret_input_literal(struct secret_input *input, const char *literal, struct error *err);

/*
 * "path" (the key is its last part), "key=path", or a directory: every regular file directly in it
 * whose name is a key. Errors name the file; ERR_EXHAUSTED over SECRET_DATA_MAX or SECRET_KEYS_MAX.
 */
int secret_input_file(struct secret_input *input, const char *spec, struct error *err);

#endif
