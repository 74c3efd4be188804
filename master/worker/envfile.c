#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/worker/envfile.h"

static char *
trim_line(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return s;
}

static char *
unquote_value(char *s)
{
	size_t len = strlen(s);

	if (len >= 2 && (s[0] == '"' || s[0] == '\'') && s[len - 1] == s[0]) {
		s[len - 1] = '\0';
		s++;
	}
	return s;
}

static int
load_line(char *line)
{
	char *equals;

	line = trim_line(line);
	if (*line == '\0' || *line == '#')
		return 0;
	if (strncmp(line, "export ", 7) == 0)
		line = trim_line(line + 7);
	equals = strchr(line, '=');
	if (equals == NULL || equals == line) {
		errno = EINVAL;
		return -1;
	}
	*equals = '\0';
	return setenv(trim_line(line), unquote_value(trim_line(equals + 1)), 1);
}

int
envfile_load(const char *path, char *where, size_t size)
{
	char *line = NULL;
	size_t room = 0;
	unsigned number;
	int result;
	FILE *f;

	where[0] = '\0';
	f = fopen(path, "re");
	if (f == NULL)
		return -1;
	result = 0;
	for (number = 1; result == 0 && getline(&line, &room, f) != -1;
	    number++) {
		result = load_line(line);
		if (result == -1)
			snprintf(where, size, ", line %u", number);
	}
	free(line);
	fclose(f);
	return result;
}
