/*
 * How crr's commands are used, and how their options are read: by the same
 * rules, and with the same words for what is wrong, in each role. Does not know
 * what an option means.
 */
#ifndef BASE_USAGE_H
#define BASE_USAGE_H

#include <getopt.h>

enum {
	USAGE_LONG = 256,	/* value of the first option without a letter */
};

/*
 * Write how a command is used (NULL: crr as a whole), to stdout if status is 0,
 * else to stderr, and exit with status.
 */
void	 usage_show(const char *command, int status)
	    __attribute__((noreturn));

/*
 * Find the candidate that word is most likely a misspelling of. The list of
 * candidates ends with NULL. Returns NULL if none is near.
 */
const char *usage_nearest(const char *word, const char *const *candidates);

/*
 * Read the next option of the command argv[0] as getopt_long(3) does. Returns
 * its value, with its argument in optarg, or -1 at the end, with optind at the
 * first operand. An option that is unknown, or has no argument where it needs
 * one or the reverse, ends the program with 2 and a line on stderr. -h and
 * --help, which no command lists, write the usage and end the program with 0.
 * If letters begin with '+', options stop at the first operand. A long option
 * without a letter has a value of USAGE_LONG or more.
 */
int	 usage_option(int argc, char **argv, const char *letters,
	    const struct option *longs);

#endif
