/*
 * libFuzzer: what a worker may write on Node's channel. What is read lies
 * within the line, what is called JSON is so for its own parts, too, and what
 * others get of a message is a line of JSON.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "master/node/json.h"
#include "master/node/words.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct json_value *v, const char *line, size_t size)
{
	struct json inner;
	char *text;

	if (v->at == NULL)
		return;
	if (v->len == 0 || v->at < line || v->at + v->len > line + size)
		abort();
	if (json_read(&inner, v->at, v->len) == -1)
		abort();
	text = malloc(v->len);
	if (text == NULL || json_text(v, text) > v->len)
		abort();
	free(text);
}

/* What others get of a message of the bus. */
static void
check_line(const struct crr_frame *f)
{
	struct pile out = { .bytes = NULL };
	struct json j;
	size_t len;

	if (words_write(&out, f) == -1)
		abort();
	len = pile_len(&out);
	if (len == 0 || memchr(out.bytes, '\n', len) != out.bytes + len - 1 ||
	    json_read(&j, out.bytes, len - 1) == -1 ||
	    (!json_is(&j.cmd, "saveCommand") &&
	    !json_is(&j.cmd, "deleteCommand")))
		abort();
	pile_free(&out);
}

static void
check_words(const char *line, size_t size)
{
	unsigned char *bytes;
	struct crr_frame f;
	struct words said;

	words_read(&said, line, size, 77);
	if (said.payload != NULL) {
		bytes = malloc(CRR_HEADER + said.len);
		if (bytes == NULL)
			abort();
		crr_header(bytes, said.kind == WORDS_SAVE ? CRR_SAVED :
		    CRR_DELETED, (uint32_t)said.len, 0);
		memcpy(bytes + CRR_HEADER, said.payload, said.len);
		if (crr_parse(bytes, CRR_HEADER + said.len, &f) != CRR_FRAME)
			abort();
		check_line(&f);
		/* The same, as if it came from a program that is not Node. */
		crr_put16(bytes + CRR_HEADER + CRR_BUS_FLAGS, 0);
		check_line(&f);
		free(bytes);
	}
	free(said.payload);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *line = (const char *)data;
	struct json_value v;
	struct json j;

	if (size > 0 && memchr(line, '\n', size) == NULL)
		check_words(line, size);
	if (json_read(&j, line, size) == -1)
		return 0;
	check(&j.all, line, size);
	check(&j.cmd, line, size);
	check(&j.pid, line, size);
	check(&j.id, line, size);
	check(&j.name, line, size);
	check(&j.data, line, size);
	v = json_find(&j.all, "cmd");
	if (v.at != j.cmd.at || v.len != j.cmd.len)
		abort();
	json_is(&j.cmd, "reload");
	return 0;
}
