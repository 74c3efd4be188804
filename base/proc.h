/*
 * Small files of /proc and /sys, and the numbers in them. Linux only. Knows no
 * file by name.
 */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

enum { PROC_MAX = 4096 };	/* bytes: enough for the files read here */

/*
 * Read a file with one read(2), as a string that is cut at size - 1 bytes.
 * Returns its length, or -1 with errno and "" in buf.
 */
ssize_t	 proc_read(const char *path, char *buf, size_t size);

/*
 * Open the file name of /proc/PID ("cwd", "fd/3"), close-on-exec; of a file
 * that can't be opened, as a socket can't, O_PATH gets at what it is. Returns
 * the descriptor, or -1 and errno.
 */
int	 proc_open(pid_t pid, const char *name, int flags);

/* Read the file name of /proc/PID, as proc_read does. */
ssize_t	 proc_read_of(pid_t pid, const char *name, char *buf, size_t size);

/* Return the number that follows a label in such a text ("\nTgid:"), in the
 * given base; 0 if there is no such label. */
uint64_t proc_number(const char *text, const char *label, int base);

#endif
