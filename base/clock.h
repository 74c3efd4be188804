/* The clock of all deadlines, and random numbers for jitter. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Return the milliseconds since some moment, by a clock that nobody can set
 * (CLOCK_MONOTONIC). Never 0, which stands for no time. */
int64_t	 clock_now(void);

/* Return a number from 0 to n - 1; 0 if n is 1 or less. Good enough for jitter,
 * not for secrets. */
int64_t	 clock_random(int64_t n);

#endif
