/* The clock that all deadlines go by, and a little chance. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds of a clock that nobody sets, from some moment on; never 0. */
int64_t	 clock_now(void);

/* A number from 0 to n - 1, not to be guessed at a glance; 0 where n is 1 or
 * less. For jitter, not for secrets. */
int64_t	 clock_random(int64_t n);

#endif
