/*
 * Diagnostics on stderr: one line each, "crr: " before it, written with a
 * single write(2) so that lines of several processes don't mix. What is not
 * printable in them becomes '?'. Knows nothing of master or client. None of
 * these changes errno.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>

enum log_level {
	LOG_QUIET,		/* warnings and errors alone */
	LOG_NORMAL,
	LOG_VERBOSE,		/* debug lines too */
};

/* Set how much is written; LOG_NORMAL until then. */
void	 log_set_level(enum log_level level);

/* Put "crr COMMAND: " before lines from now on; NULL: "crr: " again. */
void	 log_set_command(const char *command);

/* Drop lines from now on that would have to wait for who reads them. */
void	 log_set_dropping(void);

/* Write len bytes, the newline included, to fd. What can't be written is
 * lost. */
void	 log_line(int fd, const char *line, size_t len);

/* Write what went wrong, with errno's text behind it. */
void	 log_warn(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));

/* Write what went wrong. */
void	 log_warnx(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));

/* Write what people like to know; not when quiet. */
void	 log_info(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));

/* Write what a developer likes to know; only when verbose. */
void	 log_debug(const char *fmt, ...)
	    __attribute__((format(printf, 1, 2)));

/* Write what went wrong, with errno's text, and exit with code. */
void	 fatal(int code, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3), noreturn));

/* Write what went wrong and exit with code. */
void	 fatalx(int code, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3), noreturn));

#endif
