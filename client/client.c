#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/usage.h"
#include "client/client.h"
#include "client/talk.h"
#include "ipc.h"

enum {
	NO_WAIT = USAGE_LONG,
	TIMEOUT,
	RESET,
	NOW,
};

/* What one of these commands asks. */
struct request {
	uint32_t	 flags;		/* of its frame */
	const char	*timeout;	/* --timeout, as it was written */
};

static void
keep_option(void *own, int option)
{
	struct request *r = own;

	switch (option) {
	case NO_WAIT:
		r->flags |= CRR_RELOAD_NOWAIT;
		break;
	case TIMEOUT:
		r->timeout = optarg;
		break;
	case RESET:
		r->flags |= CRR_RELOAD_RESET;
		break;
	case NOW:
		r->flags |= CRR_STOP_NOW;
		break;
	}
}

static int64_t
read_timeout(const char *text)
{
	int64_t ms;

	if (parse_time(text, &ms) == -1)
		fatalx(EXIT_USAGE, "--timeout %s: give a time %s", text,
		    errno == ERANGE ? "of at most 24 days" :
		    "such as 500ms, 10s or 2m");
	return ms;
}

int
client_reload(int argc, char **argv)
{
	static const struct option options[] = {
		TALK_OPTIONS,
		{ "no-wait", no_argument, NULL, NO_WAIT },
		{ "timeout", required_argument, NULL, TIMEOUT },
		{ "reset", no_argument, NULL, RESET },
		{ NULL, 0, NULL, 0 },
	};
	struct talk	 t = { .quiet = false };
	struct request	 r = { .timeout = "0" };
	unsigned char	 payload[4];

	talk_options(&t, argc, argv, options, keep_option, &r);
	talk_no_operand(argc, argv);
	talk_limit(&t, read_timeout(r.timeout));
	crr_put32(payload, r.flags);
	talk_ask(&t, CRR_RELOAD, payload, sizeof(payload));
	if (!t.quiet)
		progress_init(&t.progress);
	switch (talk_follow(&t)) {
	case TALK_FRAME:
		break;
	case TALK_END:
		talk_broken();
	case TALK_LATE:
		fatalx(EXIT_LATE, "not finished after --timeout %s; the reload "
		    "goes on", r.timeout);
	}
	talk_end(&t);
	return EXIT_DONE;
}

/* Tell whether an argument is a number like -2, which getopt(3) would read as
 * options. */
static bool
is_negative(const char *arg)
{
	return arg[0] == '-' && isdigit((unsigned char)arg[1]);
}

/* Tell whether the argument after this option belongs to it. */
static bool
expects_value(const char *arg)
{
	return strcmp(arg, "-n") == 0 || strcmp(arg, "--name") == 0 ||
	    strcmp(arg, "-s") == 0 || strcmp(arg, "--socket") == 0;
}

/* Take the first number like -2 out of the arguments; NULL if there is none. */
static char *
take_negative(int *argc, char **argv)
{
	char	*number;
	int	 i;

	for (i = 1; i < *argc && strcmp(argv[i], "--") != 0; i++) {
		if (!is_negative(argv[i]) || expects_value(argv[i - 1]))
			continue;
		number = argv[i];
		memmove(&argv[i], &argv[i + 1],
		    (size_t)(*argc - i) * sizeof(argv[0]));
		--*argc;
		return number;
	}
	return NULL;
}

/* Write SCALE's payload for N, +N or -N. */
static void
encode_scale(const char *text, unsigned char *payload)
{
	bool	by = *text == '+' || *text == '-';
	int	n;

	if (!isdigit((unsigned char)text[by]) ||
	    parse_number(text + by, 1, CRR_WORKERS_MAX, &n) == -1)
		fatalx(EXIT_USAGE, "\"%s\" is not a number of workers from 1 "
		    "to %d", text, CRR_WORKERS_MAX);
	crr_put32(payload, by ? CRR_SCALE_BY : CRR_SCALE_TO);
	crr_put32(payload + 4, (uint32_t)(*text == '-' ? -n : n));
}

int
client_scale(int argc, char **argv)
{
	static const struct option options[] = {
		TALK_OPTIONS,
		{ NULL, 0, NULL, 0 },
	};
	struct talk	 t = { .quiet = false };
	const char	*number;
	unsigned char	 payload[8];

	number = take_negative(&argc, argv);
	talk_options(&t, argc, argv, options, NULL, NULL);
	if (number == NULL && optind < argc)
		number = argv[optind++];
	if (number == NULL)
		fatalx(EXIT_USAGE, "give a number of workers: N, +N or -N");
	talk_no_operand(argc, argv);
	encode_scale(number, payload);
	talk_ask(&t, CRR_SCALE, payload, sizeof(payload));
	if (talk_follow(&t) == TALK_END)
		talk_broken();
	talk_end(&t);
	return EXIT_DONE;
}

int
client_stop(int argc, char **argv)
{
	static const struct option options[] = {
		TALK_OPTIONS,
		{ "now", no_argument, NULL, NOW },
		{ NULL, 0, NULL, 0 },
	};
	struct talk	t = { .quiet = false };
	struct request	r = { .flags = 0 };
	unsigned char	payload[4];

	talk_options(&t, argc, argv, options, keep_option, &r);
	talk_no_operand(argc, argv);
	crr_put32(payload, r.flags);
	talk_ask(&t, CRR_STOP, payload, sizeof(payload));
	if (talk_follow(&t) == TALK_END && !t.stopped)
		talk_broken();
	/* DONE means that the workers are gone; the end, that the master is. */
	while (talk_follow(&t) == TALK_FRAME)
		continue;
	talk_end(&t);
	return EXIT_DONE;
}
