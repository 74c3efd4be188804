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

/* Gather the whole answer: nothing is shown of one that breaks off. */
static void
ask_report(struct talk *t, struct report *r)
{
	struct crr_frame f;

	talk_limit(t, TALK_PATIENCE_MS);
	talk_ask(t, CRR_STATUS, NULL, 0);
	for (;;) {
		talk_expect(t, &f);
		if (f.type == CRR_DONE)
			break;
		report_decode(r, &f);
	}
	if (r->version.at == NULL)
		fatalx(EXIT_FAILED, "the master's answer makes no sense");
}

static void
keep_option(void *own, int option)
{
	bool *json = own;

	if (option == JSON)
		*json = true;
}

static void
show_report(struct report *r, bool json)
{
	if (json)
		json_write(stdout, r);
	else
		table_write(stdout, r);
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
	struct report	r = { .pid = 0 };
	bool		json = false;

	talk_options(&t, argc, argv, options, keep_option, &json);
	talk_no_operand(argc, argv);
	ask_report(&t, &r);
	if (!t.quiet)
		show_report(&r, json);
	report_free(&r);
	talk_end(&t);
	return EXIT_DONE;
}
