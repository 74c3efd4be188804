/* --env-file: lines of NAME=VALUE into the environment of this process. */
#ifndef MASTER_WORKER_ENVFILE_H
#define MASTER_WORKER_ENVFILE_H

#include <stddef.h>

/*
 * Read a file of lines NAME=VALUE; blank lines and lines that begin with # are
 * ignored; "export " before a name and one pair of quotes around a value are
 * removed. Nothing is expanded. Returns 0, or -1 and errno (EINVAL: a line is
 * none of these) with ", line N" or "" in where.
 */
int	 envfile_load(const char *path, char *where, size_t size);

#endif
