/* A report as one line of JSON, for scripts. */
#ifndef CLIENT_JSON_H
#define CLIENT_JSON_H

#include <stdio.h>

#include "client/report.h"

/* Write the report and a newline to out. Lack of memory ends the program with
 * EXIT_FAILED; whether out has failed is for the caller to look at. */
void	 json_write(FILE *out, const struct report *r);

#endif
