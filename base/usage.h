/*
 * What crr's commands are called, how they are used, and how their options are
 * read. Both wings read theirs by the same rules and complain in the same
 * words. Knows no option's meaning.
 */
#ifndef BASE_USAGE_H
#define BASE_USAGE_H

#include <getopt.h>

enum {
	USAGE_LONG = 256,	/* least value of an option without a letter */
};

/*
 * Write how command is used (NULL: crr as a whole) and exit with status: to
 * stdout for 0, else to stderr.
 */
void	 usage(const char *command, int status)
	    __attribute__((noreturn));

/*
 * Find the candidate that word is most likely a misspelling of. The list ends
 * with NULL. Returns NULL if none is near.
 */
const char *nearest(const char *word, const char *const *candidates);

/*
 * Read the next option of argv[0] as getopt_long(3) does. An option that is
 * unknown or lacks its argument is named in one line, and ends the program
 * with 2; -h and --help, which every command has without listing them, write
 * the usage and end it with 0. Returns the option, or -1 at the end, with
 * optind at the first operand. letters may begin with '+': options stop at the
 * first operand. A long option without a letter has a value from USAGE_LONG on.
 */
int	 usage_option(int argc, char **argv, const char *letters,
	    const struct option *longs);

#endif
