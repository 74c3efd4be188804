#include <sys/stat.h>

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/event.h"
#include "base/log.h"
#include "base/out.h"
#include "base/usage.h"
#include "client/talk.h"

enum {
	ID = 1,				/* of our only request */
	PATH_SIZE = 1024,		/* bytes; crr_path has the limit */
};

void
talk_options(struct talk *t, int argc, char **argv,
    const struct option *longs, void (*keep)(void *own, int option), void *own)
{
	int option;

	log_set_command(argv[0]);
	while ((option = usage_option(argc, argv, "qn:s:", longs)) != -1) {
		switch (option) {
		case 'q':
			t->quiet = true;
			break;
		case 'n':
			t->name = optarg;
			t->path = NULL;
			break;
		case 's':
			t->path = optarg;
			t->name = NULL;
			break;
		default:
			keep(own, option);
		}
	}
}

void
talk_no_operand(int argc, char **argv)
{
	if (optind < argc)
		fatalx(EXIT_USAGE, "unexpected argument \"%s\"", argv[optind]);
}

void
talk_limit(struct talk *t, int64_t timeout_ms)
{
	t->until_ms = timeout_ms == 0 ? 0 : clock_now() + timeout_ms;
}

/* Return the time left, as poll(2) takes it. */
static int
count_left_ms(const struct talk *t)
{
	int64_t left;

	if (t->until_ms == 0)
		return -1;
	left = t->until_ms - clock_now();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* Find the socket's path, or end the program. */
static void
find_path(const struct talk *t, char *path)
{
	if (crr_path(t->path, t->name, path, PATH_SIZE) == 0)
		return;
	if (errno == ENAMETOOLONG)
		fatalx(EXIT_FAILED, "%s: too long for the path of a socket",
		    t->path != NULL ? t->path :
		    t->name != NULL ? t->name : "$CRR_SOCKET");
	if (t->path != NULL)
		fatalx(EXIT_USAGE, "-s needs a path");
	fatalx(EXIT_USAGE, "\"%s\" is not a name: a name must not be empty, "
	    "start with a dot or contain a slash", t->name);
}

/* Anybody can make the default directory in /tmp before we do. */
static void
check_owner(const struct talk *t, const char *path)
{
	const char	*given = getenv("CRR_SOCKET"), *dir;
	char		 copy[PATH_SIZE];
	struct stat	 st;

	if (t->path != NULL ||
	    (t->name == NULL && given != NULL && *given != '\0'))
		return;
	strcpy(copy, path);
	dir = dirname(copy);
	if (lstat(dir, &st) == -1)
		return;
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		fatalx(EXIT_FAILED, "%s: not trusted; it must be a directory "
		    "that you own and that nobody else can write to", dir);
}

/* Connect, and write where to into path[PATH_SIZE]. */
static void
connect_master(struct talk *t, char *path)
{
	int	fd;

	signal(SIGPIPE, SIG_IGN);
	find_path(t, path);
	check_owner(t, path);
	fd = crr_connect(path, count_left_ms(t));
	if (fd == -1 && (errno == ENOENT || errno == ECONNREFUSED))
		fatalx(EXIT_NO_MASTER, "no master at %s (is crr run running? "
		    "choose a master with -n NAME or -s PATH)", path);
	if (fd == -1)
		fatal(EXIT_FAILED, "%s", path);
	crr_init(&t->crr, fd);
}

void
talk_ask(struct talk *t, enum crr_type type, const void *payload, size_t len)
{
	char	path[PATH_SIZE];

	connect_master(t, path);
	/* A master that hung up may have said why: its answer will tell. */
	if (crr_send(&t->crr, type, ID, payload, len) == -1 && errno != EPIPE)
		fatal(EXIT_FAILED, "%s", path);
}

void
talk_publish(struct talk *t, enum crr_type type, const struct crr_message *m)
{
	char	path[PATH_SIZE];

	connect_master(t, path);
	if (crr_publish(&t->crr, type, ID, m) == -1 && errno != EPIPE)
		fatal(EXIT_FAILED, "%s", path);
}

/* Say what is wrong with the answer, going by errno, and end the program. */
static void
refuse_answer(const struct crr_frame *f)
{
	if (errno == EPROTONOSUPPORT)
		fatalx(EXIT_OTHER_VERSION, "the master speaks version %u of "
		    "the protocol; this crr speaks version %d", f->version,
		    CRR_OUR_VERSION);
	if (errno == EPROTO)
		fatalx(EXIT_FAILED, "the master's answer makes no sense");
	fatal(EXIT_FAILED, "can't read the master's answer");
}

enum talk_answer
talk_next(struct talk *t, struct crr_frame *f)
{
	int rc;

	progress_draw(&t->progress);
	rc = crr_next(&t->crr, f, count_left_ms(t));
	progress_erase(&t->progress);
	if (rc == 0 || (rc == -1 && errno == ECONNRESET))
		return TALK_END;
	if (rc == -1 && errno == ETIMEDOUT)
		return TALK_LATE;
	if (rc == -1)
		refuse_answer(f);
	if (f->type == CRR_ERROR)
		fatalx(EXIT_FAILED, "%.*s", (int)f->len,
		    (const char *)f->payload);
	return TALK_FRAME;
}

void
talk_expect(struct talk *t, struct crr_frame *f)
{
	switch (talk_next(t, f)) {
	case TALK_FRAME:
		return;
	case TALK_END:
		talk_broken();
	case TALK_LATE:
		fatalx(EXIT_FAILED, "the master did not answer within %d s",
		    TALK_PATIENCE_MS / 1000);
	}
}

/* Write an event as a line, and update the bar. */
static void
show_event(struct talk *t, const struct crr_frame *f)
{
	struct event	ev;
	char		line[EVENT_LINE_MAX];

	/* A later master may send a kind that is unknown here. */
	if (event_decode(&ev, f->payload, f->len) == -1)
		return;
	progress_event(&t->progress, &ev);
	t->stopped = t->stopped || ev.kind == CRR_EVENT_MASTER_STOPPED;
	if (t->quiet)
		return;
	event_line(&ev, event_signs(), line, sizeof(line));
	out_line(line);
}

enum talk_answer
talk_follow(struct talk *t)
{
	struct crr_frame	f;
	enum talk_answer	answer;

	while ((answer = talk_next(t, &f)) == TALK_FRAME) {
		if (f.type == CRR_DONE)
			return TALK_FRAME;
		if (f.type == CRR_EVENT)
			show_event(t, &f);
	}
	return answer;
}

void
talk_end(struct talk *t)
{
	crr_close(&t->crr);
}

void
talk_broken(void)
{
	fatalx(EXIT_FAILED, "the master ended before it answered");
}
