/* A report as columns, for people. */
#ifndef CLIENT_TABLE_H
#define CLIENT_TABLE_H

#include <stdio.h>

#include "client/report.h"

/*
 * Write the report to out. What a terminal must not see in the report's texts
 * is replaced there, in place (text_clean). Whether out has failed is for the
 * caller to look at.
 */
void	 table_write(FILE *out, const struct report *r);

#endif
