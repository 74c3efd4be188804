/*
 * libFuzzer: what a worker may write on Node's channel. What is read lies
 * within the line, and what is called JSON is so for its own parts, too.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "master/node/json.h"

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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *line = (const char *)data;
	struct json_value v;
	struct json j;

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
