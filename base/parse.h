/* Numbers, times, sizes and signals as people write them in arguments. Pure. */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stdint.h>

#define PARSE_TIME_MAX (INT64_C(24) * 86400 * 1000)	/* ms: 24 days, so that
							   it fits in poll's */

/*
 * Read a time: digits and a unit of ms, s, m or h; a bare number is seconds. A
 * fraction (1.5s) is accepted. Returns 0, or -1 with EINVAL (not a time) or
 * ERANGE (more than PARSE_TIME_MAX).
 */
int	 parse_time(const char *text, int64_t *ms);

#define PARSE_SIZE_MAX (UINT64_C(1) << 40)	/* bytes: 1 TiB */

/*
 * Read a size in bytes: digits and perhaps k, M or G for powers of 1,024.
 * Returns 0, or -1 with EINVAL (not a size) or ERANGE (more than
 * PARSE_SIZE_MAX).
 */
int	 parse_size(const char *text, uint64_t *bytes);

/*
 * Read a decimal number, all of text, perhaps with a sign. Returns 0, or -1
 * with EINVAL (not a number) or ERANGE (not in min...max).
 */
int	 parse_number(const char *text, int min, int max, int *number);

/* The number of a signal, written as TERM, SIGTERM, term or 15; -1: no such. */
int	 parse_signal(const char *text);

/* The name of a signal without SIG ("TERM"), or "?". POSIX 2008 has no call
 * for it. */
const char *parse_signal_name(int sig);

#endif
