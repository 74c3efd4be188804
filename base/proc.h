/* Small files of /proc and /sys. Linux. */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

enum { PROC_MAX = 4096 };	/* bytes: enough for the files read here */

/*
 * Read a file in one piece, as a string, cut at size - 1 bytes. Returns its
 * length, or -1 and errno with "" in buf.
 */
ssize_t	 proc_read(const char *path, char *buf, size_t size);

/* The same for the file name of /proc/PID. */
ssize_t	 proc_read_of(pid_t pid, const char *name, char *buf, size_t size);

/* The number behind a label in such a text ("\nTgid:"); 0 where there is no
 * such label. */
uint64_t proc_number(const char *text, const char *label, int base);

#endif
