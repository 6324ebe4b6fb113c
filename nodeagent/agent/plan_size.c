/* How much a secret volume takes, exactly: a tmpfs counts pages of data and inodes. */
#include <string.h>

#include "nodeagent/agent/plan_volumes.h"

/* A symbolic link as long as this is kept in its inode, a longer one takes a page (mm/shmem.c). */
#define LINK_SHORT 128
/* Header, signature and the fixed part of the claims; names come on top, escaped at worst. */
#define TOKEN_FIXED  2048
#define TOKEN_FACTOR 8
#define TOKEN_MAX    16384 /* what bulkhead-secretd signs at most (secrets/jwt.h) */

struct use {
	uint64_t pages; /* of one generation */
	uint64_t inodes;
	uint64_t link_pages; /* of the visible names */
	uint64_t links;
};

/* A file with its folders and the visible name that leads to it, none shared with another file. */
static void use_file(struct use *use, const char *path, uint64_t size)
{
	size_t first = strcspn(path, "/");

	use->pages += (size + PLAN_PAGE - 1) / PLAN_PAGE;
	use->inodes++;
	for (; *path; path++)
		use->inodes += *path == '/';
	use->links++;
	if (strlen("..data/") + first >= LINK_SHORT)
		use->link_pages++;
}

static void use_secret(struct use *use, const Bulkhead__V1__SecretSource *source)
{
	const Bulkhead__V1__ClusterSecret *secret = source->secret;

	for (size_t i = 0; i < secret->n_keys; i++) {
		const Bulkhead__V1__ClusterSecretKey *key = secret->keys[i];

		if (source->n_items == 0)
			use_file(use, key->name, key->size);
		for (size_t k = 0; k < source->n_items; k++) {
			if (strcmp(source->items[k]->key, key->name) == 0)
				use_file(use, source->items[k]->path, key->size);
		}
	}
}

static uint64_t token_size(const struct plan_node *node, const Bulkhead__V1__SecretsStage *stage,
	const Bulkhead__V1__TokenSource *token)
{
	const Bulkhead__V1__PodIdentity *id = stage->identity;
	size_t names = 2 * strlen(id->project) + strlen(id->pod) + strlen(id->pod_uid) +
		       2 * strlen(id->service_account) + strlen(id->service_account_uid) +
		       strlen(id->node) + strlen(id->node_uid) + strlen(token->audience) +
		       strlen(node->config->token_issuer);

	uint64_t size = TOKEN_FIXED + TOKEN_FACTOR * (uint64_t)names;

	return size < TOKEN_MAX ? size : TOKEN_MAX;
}

void plan_secrets_size(const struct plan_node *node, const Bulkhead__V1__SecretsStage *stage,
	uint64_t *ret_size, uint64_t *ret_inodes)
{
	struct use use = { .inodes = 1 }; /* the directory of the generation */

	for (size_t i = 0; i < stage->n_secrets; i++)
		use_secret(&use, stage->secrets[i]);
	for (size_t i = 0; i < stage->n_tokens; i++)
		use_file(&use, stage->tokens[i]->path, token_size(node, stage, stage->tokens[i]));
	for (size_t i = 0; i < stage->n_files; i++)
		use_file(&use, stage->files[i]->path, stage->files[i]->content.len);
	/* Two generations while one replaces the other; at least a page, for 0 would mean no limit.
	 */
	*ret_size = 2 * use.pages + use.link_pages;
	if (*ret_size == 0)
		*ret_size = 1;
	*ret_size *= PLAN_PAGE;
	/* And the root, ..data and the ..data_tmp that becomes it; links to old names go last. */
	*ret_inodes = 2 * (use.inodes + use.links) + 3;
}

void plan_volume_room(const struct plan_node *node, const Bulkhead__V1__SecretsStage *stage,
	Bulkhead__V1__VolumeResize *ret)
{
	plan_secrets_size(node, stage, &ret->size, &ret->inodes);
}
