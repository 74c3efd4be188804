#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/out.h"
#include "base/usage.h"

enum {
	WORD_MAX = 32,			/* bytes; a longer word is near none */
	OPTIONS_MAX = 40,		/* of one command */
};

static const char crr_text[] =
"usage: crr COMMAND [option ...]\n"
"\n"
"Run any server as a cluster, and restart it without losing a request.\n"
"\n"
"  run       start a command as workers, and supervise them\n"
"  reload    replace the workers one by one\n"
"  broadcast send a message to all workers\n"
"  watch     show events and messages as they happen\n"
"  status    show the master, its listeners and its workers\n"
"  scale     change the number of workers\n"
"  stop      stop the workers and the master\n"
"  help      show how to use a command\n"
"\n"
"  -h, --help      show this help\n"
"  -V, --version   show the version\n"
"\n"
"example:\n"
"  crr run -w 4 -- node server.js\n"
"  crr reload\n";

/* A byte in a text stands for what several texts have in common. */
#define COMMON_TEXT "\1"
#define TIME_TEXT "\2"

static const char *const common[] = {
	['\1'] =
"  -n, --name NAME      name of the master (else $CRR_SOCKET, else \"default\")\n"
"  -s, --socket PATH    control socket of the master, instead of its name\n"
"  -q, --quiet          write nothing but errors\n"
"\n",
	['\2'] =
"TIME is 500ms, 10s, 2m or 1h; without a unit it is in seconds.\n"
"\n",
};

static const struct text {
	const char *command, *text;
} texts[] = {
	{ "run",
"usage: crr run [option ...] [--] command [argument ...]\n"
"\n"
"Start the command as workers that share its port, and supervise them.\n"
"\n"
"  -w, --workers N|auto   number of workers (default auto: one per usable CPU)\n"
"  -l, --listen ADDR      open ADDR and hand it to the workers: 8080,\n"
"                         127.0.0.1:80, [::1]:80, unix:PATH, unix:@NAME; may be\n"
"                         repeated\n"
"  -n, --name NAME        name of this master, for clients (default \"default\")\n"
"  -s, --socket PATH      path of the control socket, instead of a name\n"
"      --ready HOW        a worker is ready when it calls listen(2) (listen,\n"
"                         the default), says so (notify), or has run for a\n"
"                         time (alive:TIME)\n"
"      --start-timeout TIME  a worker not ready by then has failed (default 60s)\n"
"      --soak TIME        how long the first new worker of a reload must live\n"
"                         before an old one is touched (default 1s)\n"
"      --wait TIME        pause between workers of a reload (default 0)\n"
"      --surge N          extra workers during a reload (default 1);\n"
"                         0: stop the old one first, then start the new one\n"
"      --drain TIME       longest wait until a worker has finished what it has\n"
"                         in flight (default 10s)\n"
"      --idle TIME        a kept connection is idle when it has been quiet for\n"
"                         TIME after an answer (default 1s)\n"
"      --handoff WHOSE    hand on the next request of kept connections of an\n"
"                         old worker: of clients on this machine (local, the\n"
"                         default), of any, or of none (off)\n"
"      --stop-signal SIG  signal that asks a worker to stop (default TERM)\n"
"      --stop-timeout TIME  SIGKILL to its process group follows after TIME\n"
"                         (default 30s)\n"
"      --stop-delay TIME  serve on for TIME after a stop was asked (default 0)\n"
"      --stop-new HOW     new clients during a stop are refused at once, where\n"
"                         crr has the right (refuse, the default), or wait for\n"
"                         the next master (wait)\n"
"      --hang TIME        replace a worker that has left connections waiting\n"
"                         for that long (default: never)\n"
"      --no-share         don't intercept the workers' bind(2)\n"
"      --queue shared     one queue for all workers instead of one each\n"
"  -C, --chdir DIR        start workers in DIR; looked up again at each start\n"
"      --env-file FILE    set the FILE's NAME=VALUE lines in the environment of\n"
"                         the workers; read again at each start\n"
"      --user USER[:GROUP]  run the workers as USER\n"
"      --retain SIZE      keep up to SIZE bytes of what is saved on the bus, for\n"
"                         workers that start later (default: nothing)\n"
"      --node, --no-node  give workers Node's channel for process.send(), or\n"
"                         don't (default: only if the command is node)\n"
"      --node-cluster     act as the primary of Node's cluster module\n"
"  -q, --quiet            write no lines to stdout; only warnings and errors\n"
"  -v, --verbose          write debug lines to stderr\n"
"\n"
TIME_TEXT
"SIZE is in bytes, or 500k, 64M or 1G.\n"
"\n"
"example:\n"
"  crr run -w 4 --name shop -- node server.js\n" },

	{ "reload",
"usage: crr reload [--no-wait] [--timeout TIME] [--reset]\n"
"                  [-q] [-n NAME | -s PATH]\n"
"\n"
"Replace the workers one by one, and wait until all are new.\n"
"\n"
"      --no-wait        return as soon as the master has accepted the request\n"
"      --timeout TIME   give up waiting after TIME: exit with 5, while the\n"
"                       reload goes on (default 0: no limit)\n"
"      --reset          end a reload in progress where it stands, and start none\n"
COMMON_TEXT
TIME_TEXT
"example:\n"
"  crr reload --timeout 2m && echo all workers are new\n" },

	{ "broadcast",
"usage: crr broadcast [--name NAME] [-q] [-n MASTER | -s PATH] DATA | -\n"
"       crr broadcast --save [--name NAME] --id ID DATA | -\n"
"       crr broadcast --delete [--name NAME] --id ID [DATA | -]\n"
"\n"
"Send a message to all workers.\n"
"\n"
"      --save           DATA is the new value of NAME and ID\n"
"      --delete         NAME and ID no longer have a value\n"
"      --name NAME      name of a cache\n"
"      --id ID          id of a value in it\n"
"      -                read the data from stdin\n"
"  -n MASTER            name of the master (else $CRR_SOCKET, else \"default\")\n"
"  -s, --socket PATH    control socket of the master, instead of its name\n"
"  -q, --quiet          write nothing but errors\n"
"\n"
"example:\n"
"  crr broadcast --save --name users --id 7 '{\"name\":\"Ada\"}'\n" },

	{ "watch",
"usage: crr watch [--json] [--retained] [--type TYPE[,TYPE ...]]\n"
"                 [-q] [-n NAME | -s PATH]\n"
"\n"
"Show events and messages as they happen, one per line.\n"
"\n"
"      --json           write each as a JSON object\n"
"      --retained       begin with the values that the master has kept\n"
"      --type TYPE      show only these: message, saved, deleted, lagged,\n"
"                       master-starting, worker-up, worker-down,\n"
"                       reload-requested, reload-pending, reload-complete,\n"
"                       reload-failed, reload-reset, scaled, master-stopping,\n"
"                       master-stopped\n"
COMMON_TEXT
"example:\n"
"  crr watch --json --type saved,deleted\n" },

	{ "status",
"usage: crr status [--json] [-q] [-n NAME | -s PATH]\n"
"\n"
"Show the master, its listeners and its workers.\n"
"\n"
"      --json           write one line of JSON\n"
COMMON_TEXT
"example:\n"
"  crr status --json | jq '.workers[].pid'\n" },

	{ "scale",
"usage: crr scale N | +N | -N [-q] [-n NAME | -s PATH]\n"
"\n"
"Change the number of workers, and wait until that many are ready.\n"
"\n"
COMMON_TEXT
"example:\n"
"  crr scale +2\n" },

	{ "stop",
"usage: crr stop [--now] [-q] [-n NAME | -s PATH]\n"
"\n"
"Stop the workers and the master, and wait until they are gone.\n"
"\n"
"      --now            send SIGKILL, with neither a drain nor the stop signal\n"
COMMON_TEXT
"example:\n"
"  crr stop -n shop\n" },

	{ "help",
"usage: crr help [COMMAND]\n"
"\n"
"Show how to use a command.\n"
"\n"
"example:\n"
"  crr help run\n" },
};

void
usage_show(const char *command, int status)
{
	FILE		*out = status == 0 ? stdout : stderr;
	const char	*text = crr_text;
	size_t		 i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (command != NULL && strcmp(command, texts[i].command) == 0)
			text = texts[i].text;
	for (; *text != '\0'; text++) {
		if (*text <= '\2')
			fputs(common[(int)*text], out);
		else
			putc(*text, out);
	}
	if (status == 0)
		out_flush();
	exit(status);
}

static size_t
min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Count the letters to insert, delete, change or swap with their neighbour in
 * order to get from a to b. Neither is longer than WORD_MAX.
 */
static size_t
measure_distance(const char *a, const char *b)
{
	size_t d[WORD_MAX + 1][WORD_MAX + 1], i, j;

	for (i = 0; i <= strlen(a); i++) {
		for (j = 0; j <= strlen(b); j++) {
			if (i == 0 || j == 0) {
				d[i][j] = i + j;
				continue;
			}
			d[i][j] = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			d[i][j] = min_size(d[i][j], d[i - 1][j] + 1);
			d[i][j] = min_size(d[i][j], d[i][j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				d[i][j] = min_size(d[i][j],
				    d[i - 2][j - 2] + 1);
		}
	}
	return d[strlen(a)][strlen(b)];
}

const char *
usage_nearest(const char *word, const char *const *candidates)
{
	const char	*best = NULL;
	size_t		 len = strlen(word), far = (len + 2) / 3 + 1, d;

	if (len == 0 || len > WORD_MAX)
		return NULL;
	for (; *candidates != NULL; candidates++) {
		if (strlen(*candidates) > WORD_MAX)
			continue;
		d = measure_distance(word, *candidates);
		if (len > 1 && strncmp(word, *candidates, len) == 0)
			d = 1;
		if (d < far) {
			far = d;
			best = *candidates;
		}
	}
	return best;
}

/* Name the option that getopt_long(3) has a problem with, and exit. */
static void
refuse_option(const char *problem, int option, const struct option *longs)
{
	for (; longs->name != NULL; longs++)
		if (longs->val == option)
			fatalx(2, "option --%s %s", longs->name, problem);
	fatalx(2, "option -%c %s", option, problem);
}

/* Name a long option that does not exist, and the nearest one that does, and
 * exit. */
static void
refuse_long(const char *word, const struct option *longs)
{
	const char	*names[OPTIONS_MAX + 2], *near;
	char		 name[WORD_MAX + 1];
	size_t		 len = strcspn(word, "="), n = 0, same = 0;

	for (; longs->name != NULL && n < OPTIONS_MAX; longs++) {
		same += strncmp(word, longs->name, len) == 0;
		names[n++] = longs->name;
	}
	names[n] = NULL;
	if (same > 1)
		fatalx(2, "option --%.*s is ambiguous", (int)len, word);
	snprintf(name, sizeof(name), "%.*s", (int)len, word);
	near = len > WORD_MAX ? NULL : usage_nearest(name, names);
	if (near == NULL)
		fatalx(2, "unknown option --%.*s", (int)len, word);
	fatalx(2, "unknown option --%.*s; did you mean --%s?", (int)len, word,
	    near);
}

/* Copy a command's options, and add the common ones. */
static void
add_common(struct option *all, const struct option *longs)
{
	static const struct option	ours[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	size_t				n = 0;

	for (; longs->name != NULL && n < OPTIONS_MAX; longs++)
		all[n++] = *longs;
	memcpy(&all[n], ours, sizeof(ours));
}

int
usage_option(int argc, char **argv, const char *letters,
    const struct option *longs)
{
	struct option	all[OPTIONS_MAX + 2];
	char		spec[2 * OPTIONS_MAX];
	bool		plus = *letters == '+';
	int		option;

	add_common(all, longs);
	snprintf(spec, sizeof(spec), "%s:h%s", plus ? "+" : "",
	    letters + plus);
	opterr = 0;
	option = getopt_long(argc, argv, spec, all, NULL);
	if (option == 'h')
		usage_show(argv[0], 0);
	if (option != ':' && option != '?')
		return option;

	log_set_command(argv[0]);
	if (option == ':')
		refuse_option("needs an argument", optopt, all);
	if (optopt == 0)
		refuse_long(argv[optind - 1] + 2, all);
	for (longs = all; longs->name != NULL; longs++)
		if (longs->val == optopt)
			refuse_option("takes no argument", optopt, all);
	fatalx(2, "unknown option -%c", optopt);
}
