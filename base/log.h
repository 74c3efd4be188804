/*
 * Diagnostics on stderr: lines that begin with "crr: ", each written with a
 * single write(2) so that lines of several processes don't mix, and cut at
 * 2,047 bytes. What is not printable in them becomes '?'. Knows nothing of
 * master or client. No function here changes errno.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>

enum log_level {
	LOG_QUIET,		/* only warnings and errors */
	LOG_NORMAL,
	LOG_VERBOSE,		/* debug lines too */
};

/* Set how much is written; LOG_NORMAL until then. */
void	 log_set_level(enum log_level level);

/* Begin lines with "crr COMMAND: " from now on; NULL: with "crr: " again. name
 * is kept, not copied. */
void	 log_set_command(const char *name);

/* From now on, drop a line that would block: its reader may have stopped. */
void	 log_set_dropping(void);

/*
 * Write len bytes, the newline included, to fd as they are. Blocks until fd
 * takes them, unless log_set_dropping was called. What can't be written is
 * lost.
 */
void	 log_line(int fd, const char *line, size_t len);

/* Write what went wrong, followed by errno's text. */
void	 log_warn(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));

/* Write what went wrong. */
void	 log_warnx(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));

/* Write what users like to know, unless the level is LOG_QUIET. */
void	 log_info(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));

/* Write what developers like to know, if the level is LOG_VERBOSE. */
void	 log_debug(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));

/* Write what went wrong, followed by errno's text, and exit with code. */
void	 fatal(int code, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3), noreturn));

/* Write what went wrong and exit with code. */
void	 fatalx(int code, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3), noreturn));

#endif
