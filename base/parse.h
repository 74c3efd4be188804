/*
 * Numbers, times, sizes and signals as people write them in arguments. Pure. A
 * function that fails sets errno; what it was to fill may have changed.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stdint.h>

#define PARSE_TIME_MAX (INT64_C(24) * 86400 * 1000)	/* ms: 24 days, which
							   poll(2) can wait */

/*
 * Read a time: digits, optionally a fraction (1.5s), and a unit of ms, s, m or
 * h; without a unit it is in seconds. Returns 0, or -1 with EINVAL (not a
 * time) or ERANGE (more than PARSE_TIME_MAX).
 */
int	 parse_time(const char *text, int64_t *ms);

#define PARSE_SIZE_MAX (UINT64_C(1) << 40)	/* bytes: 1 TiB */

/*
 * Read a size in bytes: digits, and optionally k, M or G for powers of 1,024.
 * Returns 0, or -1 with EINVAL (not a size) or ERANGE (more than
 * PARSE_SIZE_MAX).
 */
int	 parse_size(const char *text, uint64_t *bytes);

/*
 * Read a decimal number, optionally with a sign, that is all of text. Returns
 * 0, or -1 with EINVAL (not a number) or ERANGE (less than min, or more than
 * max); *number does not change then.
 */
int	 parse_number(const char *text, int min, int max, int *number);

/* Read a signal, written as TERM, SIGTERM, term or 15. Returns its number, or
 * -1 if there is none, with an errno that means nothing. */
int	 parse_signal(const char *text);

/* Return the name of a signal without SIG ("TERM"), or "?" if it has none here:
 * POSIX 2008 has no call for it. */
const char *parse_signal_name(int sig);

#endif
