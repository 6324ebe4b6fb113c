/* image import: an archive or a layout's directory goes to the node, with progress on a terminal.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bulkhead/v1/node.pb-c.h"
#include "lib/fdio.h"
#include "nodeagent/ctl/archive.h"
#include "nodeagent/ctl/ctl.h"
#include "nodeagent/ctl/print.h"
#include "nodeagent/ctl/stream.h"

#define MIB            (UINT64_C(1) << 20)
#define TERMINAL_USEC  200000   /* between two updates of the line on a terminal */
#define ELSEWHERE_USEC 10000000 /* between two lines anywhere else */

/* What was shown of an import under way. */
struct progress {
	uint64_t size; /* of the archive in bytes, 0 when it is not known */
	uint64_t at;   /* when something was shown last, in microseconds */
	bool terminal;
	bool shown;
	bool all_sent;
};

static void progress_begin(struct progress *p, int fd)
{
	struct stat st;

	memset(p, 0, sizeof(*p));
	p->terminal = isatty(STDERR_FILENO);
	p->at = monotonic_usec();
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		p->size = (uint64_t)st.st_size;
}

static void show_sent(const struct progress *p, uint64_t sent)
{
	char text[96];

	if (p->size)
		snprintf(text, sizeof(text), "sent %llu of %llu MiB (%llu %%)",
			(unsigned long long)(sent / MIB), (unsigned long long)(p->size / MIB),
			(unsigned long long)(sent * 100 / p->size));
	else
		snprintf(text, sizeof(text), "sent %llu MiB", (unsigned long long)(sent / MIB));
	fprintf(stderr, p->terminal ? "\r\033[K%s" : "%s\n", text);
	fflush(stderr);
}

static void on_sent(void *user, uint64_t sent)
{
	struct progress *p = user;
	uint64_t now = monotonic_usec();

	if (p->size && sent >= p->size && p->shown && !p->all_sent) {
		p->all_sent = true;
		fputs(p->terminal ? "\r\033[Ksent all, unpacking" : "sent all, unpacking\n",
			stderr);
		fflush(stderr);
		return;
	}
	if (now - p->at < (p->terminal ? TERMINAL_USEC : ELSEWHERE_USEC))
		return;
	p->at = now;
	p->shown = true;
	show_sent(p, sent);
}

static void progress_end(const struct progress *p)
{
	if (p->terminal && (p->shown || p->all_sent))
		fputs("\r\033[K", stderr);
}

/* Names and warnings come from the node, and so from whoever made the archive. */
static void print_imported(const Bulkhead__V1__ImportImageResponse *response)
{
	for (size_t i = 0; i < response->n_warnings; i++) {
		fputs("warning: ", stderr);
		print_text(stderr, response->warnings[i]);
		fputc('\n', stderr);
	}
	for (size_t i = 0; i < response->n_images; i++) {
		const Bulkhead__V1__Image *image = response->images[i];

		fputs("image/", stdout);
		print_text(stdout, image->name);
		printf(" imported (");
		print_text(stdout, image->digest);
		printf(", %u layer%s, %.1f MiB)\n", image->layers, image->layers == 1 ? "" : "s",
			(double)image->size / (double)MIB);
	}
}

static int image_import(struct ctl *ctl, const char *path, struct error *err)
{
	const char *name = ctl->args->name ? ctl->args->name : "";
	Bulkhead__V1__ImportImageResponse *response = NULL;
	struct archive_source source;
	struct progress progress;
	int status;

	if (ctl_connect(ctl, err) < 0 || archive_source_open(&source, path, err) < 0)
		return -1;
	progress_begin(&progress, source.fd);
	status = stream_import(ctl->client, name, source.fd, on_sent, &progress, &response, err);
	progress_end(&progress);
	/* A failed import stops the packing of a directory: that failure is no news. */
	if (archive_source_close(&source, status < 0 ? NULL : err) < 0 && status == 0)
		status = -1;
	if (status == 0)
		print_imported(response);
	ctl_free(response);
	return status;
}

int ctl_image(struct ctl *ctl, struct error *err)
{
	const char *verb = ctl->args->words[1];

	if (strcmp(verb, "import") != 0)
		return error_set(err, ERR_INVALID, 0,
			"'image %s' is no command; there is 'image import', 'get images' and "
			"'delete image'",
			verb);
	if (ctl->args->words_len != 3)
		return error_set(err, ERR_INVALID, 0,
			"import what? 'bulkhead image import FILE|DIRECTORY|- [--name NAME]'");
	return image_import(ctl, ctl->args->words[2], err);
}
