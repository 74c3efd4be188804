/*
 * What a unit test prints: TAP, a line for each sentence, the plan at the end.
 */
#ifndef TEST_TAP_H
#define TEST_TAP_H

#include <stdbool.h>
#include <stdio.h>

static int tap_run;
static int tap_failed;

/* Print whether what the sentence says is so. */
static inline void
ok(bool good, const char *sentence)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++tap_run, sentence);
	fflush(stdout);
	if (!good)
		tap_failed++;
}

/* Print the plan. Returns what main is to return. */
static inline int
done(void)
{
	printf("1..%d\n", tap_run);
	return tap_failed != 0;
}

#endif
