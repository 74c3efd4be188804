#include <stdbool.h>
#include <stdio.h>

#include "base/log.h"
#include "base/out.h"
#include "base/usage.h"
#include "client/client.h"
#include "client/json.h"
#include "client/report.h"
#include "client/table.h"
#include "client/talk.h"
#include "ipc.h"

enum { JSON = USAGE_LONG };

/* Gather the whole answer: half of one is none. */
static void
ask(struct talk *t, struct status *st)
{
	struct crr_frame f;

	talk_limit(t, TALK_PATIENCE_MS);
	talk_ask(t, CRR_STATUS, NULL, 0);
	for (;;) {
		talk_expect(t, &f);
		if (f.type == CRR_DONE)
			break;
		report_decode(st, &f);
	}
	if (st->version.at == NULL)
		fatalx(EXIT_FAILED, "the master's answer makes no sense");
}

static void
show(struct status *st, bool json)
{
	if (json)
		json_write(stdout, st);
	else
		table_write(stdout, st);
	out_flush();
}

int
client_status(int argc, char **argv)
{
	static const struct option options[] = {
		TALK_OPTIONS,
		{ "json", no_argument, NULL, JSON },
		{ NULL, 0, NULL, 0 },
	};
	struct talk	t = { .quiet = false };
	struct status	st = { .pid = 0 };
	bool		json = false;
	int		option;

	log_set_command(argv[0]);
	while ((option = usage_option(argc, argv, TALK_LETTERS, options)) !=
	    -1) {
		if (option == JSON)
			json = true;
		else
			talk_option(&t, option);
	}
	talk_no_operand(argc, argv);
	ask(&t, &st);
	if (!t.quiet)
		show(&st, json);
	report_free(&st);
	talk_end(&t);
	return EXIT_DONE;
}
