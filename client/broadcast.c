#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/out.h"
#include "base/usage.h"
#include "client/client.h"
#include "client/talk.h"
#include "ipc.h"

enum {
	SAVE = USAGE_LONG,
	DELETE,
	NAME,
	ID,
};

/* Read all of stdin, at most CRR_DATA_MAX bytes; the caller frees it. */
static char *
read_all(size_t *len)
{
	size_t	size = CRR_DATA_MAX + 1;
	char	*data = malloc(size);

	if (data == NULL)
		fatal(EXIT_FAILED, "can't read stdin");
	*len = fread(data, 1, size, stdin);
	if (ferror(stdin))
		fatal(EXIT_FAILED, "can't read stdin");
	if (*len == size)
		fatalx(EXIT_FAILED, "stdin has more than %d bytes, the most "
		    "that a message can carry", CRR_DATA_MAX);
	return data;
}

/* Return the length of a name or an id, or end the program. */
static size_t
check_len(const char *option, const char *text)
{
	size_t len = strlen(text);

	if (len > CRR_NAME_MAX)
		fatalx(EXIT_USAGE, "%s can be at most %d bytes long", option,
		    CRR_NAME_MAX);
	return len;
}

/*
 * Take the message's data from the operand or from stdin; without an operand
 * it is empty, if optional. Returns what the caller frees, or NULL.
 */
static char *
take_data(int argc, char **argv, bool optional, struct crr_message *m)
{
	char *data = NULL;

	if (optind == argc) {
		if (!optional)
			fatalx(EXIT_USAGE, "no data; give it as an argument, "
			    "or - to read stdin");
		m->data = "";
		return NULL;
	}
	if (strcmp(argv[optind], "-") == 0)
		m->data = data = read_all(&m->data_len);
	else {
		m->data = argv[optind];
		m->data_len = strlen(argv[optind]);
		if (m->data_len > CRR_DATA_MAX)
			fatalx(EXIT_FAILED, "the data can be at most %d bytes "
			    "long", CRR_DATA_MAX);
	}
	optind++;
	talk_no_operand(argc, argv);
	return data;
}

static void
check_id(enum crr_type type, const struct crr_message *m)
{
	if (type == CRR_BROADCAST && m->id_len > 0)
		fatalx(EXIT_USAGE, "--id needs --save or --delete");
	if (type != CRR_BROADCAST && m->id_len == 0)
		fatalx(EXIT_USAGE, "%s needs --id ID", type == CRR_SAVE ?
		    "--save" : "--delete");
}

/* Say how many workers it was queued for. */
static void
say_queued(const struct talk *t, const struct crr_frame *f)
{
	char		line[64];
	uint32_t	n = crr_get32(f->payload);

	if (t->quiet)
		return;
	snprintf(line, sizeof(line), "sent to %" PRIu32 " worker%s", n,
	    n == 1 ? "" : "s");
	out_line(line);
}

static void
wait_queued(struct talk *t)
{
	struct crr_frame f;

	do {
		talk_expect(t, &f);
	} while (f.type != CRR_QUEUED);
	say_queued(t, &f);
}

/* What is to be published. */
struct post {
	enum crr_type		type;
	struct crr_message	message;
};

static void
keep_option(void *own, int option)
{
	struct post *p = own;

	switch (option) {
	case SAVE:
	case DELETE:
		if (p->type != CRR_BROADCAST)
			fatalx(EXIT_USAGE, "give either --save or --delete, "
			    "once");
		p->type = option == SAVE ? CRR_SAVE : CRR_DELETE;
		break;
	case NAME:
		p->message.name = optarg;
		p->message.name_len = check_len("--name", optarg);
		break;
	case ID:
		p->message.id = optarg;
		p->message.id_len = check_len("--id", optarg);
		break;
	}
}

int
client_broadcast(int argc, char **argv)
{
	/* -n says which master; --name belongs to the message here. */
	static const struct option options[] = {
		{ "quiet", no_argument, NULL, 'q' },
		{ "socket", required_argument, NULL, 's' },
		{ "save", no_argument, NULL, SAVE },
		{ "delete", no_argument, NULL, DELETE },
		{ "name", required_argument, NULL, NAME },
		{ "id", required_argument, NULL, ID },
		{ NULL, 0, NULL, 0 },
	};
	struct talk	t = { .quiet = false };
	struct post	p = {
		.type = CRR_BROADCAST,
		.message = { .name = "", .id = "" },
	};
	char		*data;

	talk_options(&t, argc, argv, options, keep_option, &p);
	check_id(p.type, &p.message);
	data = take_data(argc, argv, p.type == CRR_DELETE, &p.message);
	talk_limit(&t, TALK_PATIENCE_MS);
	talk_publish(&t, p.type, &p.message);
	wait_queued(&t);
	free(data);
	talk_end(&t);
	return EXIT_DONE;
}
