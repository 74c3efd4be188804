#include <sys/ioctl.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/progress.h"

enum {
	BAR = 30,			/* columns between the brackets */
	COLUMNS = BAR + 40,		/* that a terminal must have at least */
};

static const char erase[] = "\r\033[K";

/* Write without stdio, so that no signal comes between drawing and flushing. */
static void
write_text(const char *text, size_t len)
{
	if (write(STDOUT_FILENO, text, len) == -1) {
		/* The next line that is written will report it. */
	}
}

static void
erase_and_end(int sig)
{
	/* SA_RESETHAND has restored the default action. */
	write_text(erase, sizeof(erase) - 1);
	raise(sig);
}

/* Erase the bar before a signal ends the program. */
static void
catch_signal(int sig)
{
	struct sigaction sa;

	if (sigaction(sig, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
		return;
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = erase_and_end;
	sa.sa_flags = (int)SA_RESETHAND;
	sigemptyset(&sa.sa_mask);
	sigaction(sig, &sa, NULL);
}

void
progress_init(struct progress *p)
{
	const char	*term = getenv("TERM");
	struct winsize	 ws;

	p->on = term != NULL && *term != '\0' && strcmp(term, "dumb") != 0 &&
	    isatty(STDOUT_FILENO) &&
	    ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 &&
	    (ws.ws_col == 0 || ws.ws_col >= COLUMNS);
	if (!p->on)
		return;
	catch_signal(SIGINT);
	catch_signal(SIGTERM);
	catch_signal(SIGHUP);
	catch_signal(SIGQUIT);
}

void
progress_event(struct progress *p, const struct event *ev)
{
	if (ev->kind == CRR_EVENT_RELOAD_REQUESTED) {
		p->generation = ev->generation;
		p->workers = ev->count;
		p->ready = 0;
	} else if (ev->kind == CRR_EVENT_WORKER_UP && p->ready < p->workers &&
	    ev->generation == p->generation)
		p->ready++;
}

void
progress_draw(const struct progress *p)
{
	char	 bar[BAR + 1], line[2 * COLUMNS];
	int	 len;

	if (!p->on || p->workers == 0)
		return;
	memset(bar, '.', BAR);
	memset(bar, '#', (size_t)BAR * p->ready / p->workers);
	bar[BAR] = '\0';
	len = snprintf(line, sizeof(line), "%s[%s] %u of %u new workers ready",
	    erase, bar, p->ready, p->workers);
	write_text(line, (size_t)len);
}

void
progress_erase(const struct progress *p)
{
	if (p->on && p->workers != 0)
		write_text(erase, sizeof(erase) - 1);
}
