/*
 * A conversation with a master: which one, what was asked, what comes back.
 * Ends the program with a line on stderr where there is nothing left to talk
 * about, so that what returns is what was hoped for.
 */
#ifndef CLIENT_TALK_H
#define CLIENT_TALK_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/exit.h"
#include "client/progress.h"
#include "ipc.h"

struct talk {
	const char	*name, *path;	/* of -n and -s, or NULL */
	bool		 quiet;
	bool		 stopped;	/* the master said that it is */
	int64_t		 until_ms;	/* monotonic, 0: no limit */
	struct crr	 crr;
	struct progress	 progress;
};

/* The long options that every client command takes. */
#define TALK_OPTIONS \
	{ "quiet", no_argument, NULL, 'q' }, \
	{ "name", required_argument, NULL, 'n' }, \
	{ "socket", required_argument, NULL, 's' }

enum { TALK_PATIENCE_MS = 10 * 1000 };

enum talk_answer {
	TALK_FRAME,
	TALK_END,			/* the master closed the connection */
	TALK_LATE,			/* until_ms has come */
};

/*
 * Read the options of the command argv[0], whose name begins the lines on
 * stderr from then on. Options in TALK_OPTIONS go into *t; for any other keep
 * is called, with own, the option's value in longs, and its argument in
 * optarg. What usage_option refuses ends the program. Returns with optind at
 * the first operand.
 */
void	 talk_options(struct talk *t, int argc, char **argv,
	    const struct option *longs, void (*keep)(void *own, int option),
	    void *own);

/* End the program with EXIT_USAGE if there is an argument at optind. */
void	 talk_no_operand(int argc, char **argv);

/* Be patient for at most timeout_ms from now on; 0 is for ever. */
void	 talk_limit(struct talk *t, int64_t timeout_ms);

/* Connect and ask. Ends the program if there is no master or it is late. */
void	 talk_ask(struct talk *t, enum crr_type type, const void *payload,
	    size_t len);

/* The same for a message of the bus. */
void	 talk_publish(struct talk *t, enum crr_type type,
	    const struct crr_message *m);

/*
 * Wait for the next frame of the answer. The program ends with EXIT_FAILED if
 * it is an ERROR or makes no sense, with EXIT_OTHER_VERSION if the master
 * speaks another version.
 */
enum talk_answer talk_next(struct talk *t, struct crr_frame *f);

/* The next frame of an answer that comes at once, within TALK_PATIENCE_MS of
 * talk_limit: if none comes the program ends with EXIT_FAILED. */
void	 talk_expect(struct talk *t, struct crr_frame *f);

/* Write events as they come until DONE, the end or the limit. */
enum talk_answer talk_follow(struct talk *t);

/* Hang up. */
void	 talk_end(struct talk *t);

/* End the program: the master ended before it answered. */
void	 talk_broken(void)
	    __attribute__((noreturn));

#endif
