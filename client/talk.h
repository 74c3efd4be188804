/*
 * A conversation with a master: which one, what is asked, what it answers.
 * Knows frames and events; does not know what the other payloads mean. Where no
 * answer can come any more, the program ends with a code of client/exit.h and a
 * line on stderr.
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
	const char	*name, *path;	/* of -n and -s; at most one */
	bool		 quiet;		/* -q */
	bool		 stopped;	/* the master said that it stopped */
	int64_t		 until_ms;	/* of clock_now; 0: no limit */
	struct crr	 crr;
	struct progress	 progress;
};

/* The long options that every client command takes. */
#define TALK_OPTIONS \
	{ "quiet", no_argument, NULL, 'q' }, \
	{ "name", required_argument, NULL, 'n' }, \
	{ "socket", required_argument, NULL, 's' }

enum { TALK_PATIENCE_MS = 10 * 1000 };	/* for an answer that needs no work */

enum talk_answer {
	TALK_FRAME,
	TALK_END,			/* the master closed the connection */
	TALK_LATE,			/* the limit has passed */
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

/* Set the limit of what follows to timeout_ms from now; 0: no limit. */
void	 talk_limit(struct talk *t, int64_t timeout_ms);

/*
 * Connect, at the latest by the limit, and send a request. Ends the program
 * with EXIT_NO_MASTER if there is no master, with EXIT_USAGE if its name can't
 * be one, with EXIT_FAILED otherwise. SIGPIPE is ignored from then on. talk_end
 * hangs up.
 */
void	 talk_ask(struct talk *t, enum crr_type type, const void *payload,
	    size_t len);

/* Do the same with a message of the bus. */
void	 talk_publish(struct talk *t, enum crr_type type,
	    const struct crr_message *m);

/*
 * Wait until the limit for the next frame of the answer; it is valid until the
 * next call. The program ends with EXIT_FAILED if it is an ERROR or makes no
 * sense, with EXIT_OTHER_VERSION if the master speaks another version.
 */
enum talk_answer talk_next(struct talk *t, struct crr_frame *f);

/* Do the same where the limit is TALK_PATIENCE_MS: if no frame comes, the
 * program ends with EXIT_FAILED. */
void	 talk_expect(struct talk *t, struct crr_frame *f);

/* Write events to stdout as they come, unless quiet, until DONE (TALK_FRAME),
 * the end or the limit. */
enum talk_answer talk_follow(struct talk *t);

/* Hang up, and free what was read. */
void	 talk_end(struct talk *t);

/* End the program with EXIT_FAILED: the master ended before it answered. */
void	 talk_broken(void)
	    __attribute__((noreturn));

#endif
