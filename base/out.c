#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/out.h"

void
out_flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return;
	if (errno == EPIPE)
		exit(1);
	fatal(1, "stdout");
}

void
out_line(const char *text)
{
	/* A failure stays in the stream, with errno, until it is flushed. */
	if (puts(text) != EOF)
		out_flush();
	else if (errno == EPIPE)
		exit(1);
	else
		fatal(1, "stdout");
}
