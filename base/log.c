#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"

enum {
	LINE_MAX_BYTES = 2048,		/* a longer line is cut */
};

static enum log_level	 level = LOG_NORMAL;
static bool		 dropping;
static const char	*command;

void
log_set_level(enum log_level to)
{
	level = to;
}

void
log_set_command(const char *name)
{
	command = name;
}

void
log_set_dropping(void)
{
	dropping = true;
}

void
log_line(int fd, const char *line, size_t len)
{
	struct pollfd	room = { .fd = fd, .events = POLLOUT };
	int		saved = errno;

	if ((!dropping || poll(&room, 1, 0) != 0) &&
	    write(fd, line, len) == -1) {
		/* There is nowhere left to say so. */
	}
	errno = saved;
}

/* Write one line, followed by the text of an errno unless code is 0. */
static void
write_line(int code, const char *fmt, va_list ap)
{
	char	line[LINE_MAX_BYTES];
	int	saved = errno;
	size_t	len, room = sizeof(line) - 1;

	snprintf(line, room, "crr%s%s: ", command == NULL ? "" : " ",
	    command == NULL ? "" : command);
	len = strlen(line);
	vsnprintf(line + len, room - len, fmt, ap);
	len = strlen(line);
	if (code != 0)
		snprintf(line + len, room - len, ": %s", strerror(code));

	text_clean(line);
	len = strlen(line);
	line[len++] = '\n';
	log_line(STDERR_FILENO, line, len);
	errno = saved;
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(errno, fmt, ap);
	va_end(ap);
}

void
log_warnx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(0, fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	if (level < LOG_NORMAL)
		return;
	va_start(ap, fmt);
	write_line(0, fmt, ap);
	va_end(ap);
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	if (level < LOG_VERBOSE)
		return;
	va_start(ap, fmt);
	write_line(0, fmt, ap);
	va_end(ap);
}

void
fatal(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(errno, fmt, ap);
	va_end(ap);
	exit(code);
}

void
fatalx(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(0, fmt, ap);
	va_end(ap);
	exit(code);
}
