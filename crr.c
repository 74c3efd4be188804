#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/out.h"
#include "base/usage.h"
#include "base/version.h"
#include "client/client.h"
#include "master/master.h"
#include "porter/porter.h"

static int	show_help(int, char **);

static const struct role {
	const char	*command;
	int		(*run)(int, char **);
} roles[] = {
	{ "run",	master_main },
	{ "reload",	client_reload },
	{ "broadcast",	client_broadcast },
	{ "watch",	client_watch },
	{ "status",	client_status },
	{ "scale",	client_scale },
	{ "stop",	client_stop },
	{ "help",	show_help },
};

enum {
	NROLES = sizeof(roles) / sizeof(roles[0]),
};

/* Find the role of a command, or say that there is none, and exit. */
static const struct role *
find_role(const char *command)
{
	const char	*commands[NROLES + 1] = { NULL }, *near;
	size_t		 i;

	for (i = 0; i < NROLES; i++) {
		if (strcmp(command, roles[i].command) == 0)
			return &roles[i];
		commands[i] = roles[i].command;
	}
	if ((near = usage_nearest(command, commands)) == NULL)
		fatalx(2, "unknown command \"%s\"; crr help lists the commands",
		    command);
	fatalx(2, "unknown command \"%s\"; did you mean \"%s\"?", command,
	    near);
}

static int
show_help(int argc, char **argv)
{
	static const struct option none[] = { { NULL, 0, NULL, 0 } };

	while (usage_option(argc, argv, "", none) != -1)
		continue;
	log_set_command(NULL);
	if (argc - optind > 1)
		fatalx(2, "help takes one command; \"%s\" is one too many",
		    argv[optind + 1]);
	if (optind == argc)
		usage_show(NULL, 0);
	usage_show(find_role(argv[optind])->command, 0);
}

/*
 * Where stdin, stdout or stderr is closed, the next descriptor that is opened
 * takes its number, and would be written to in its place.
 */
static void
open_standard_fds(void)
{
	int fd;

	do {
		if ((fd = open("/dev/null", O_RDWR)) == -1)
			exit(1);
	} while (fd <= STDERR_FILENO);
	close(fd);
}

int
main(int argc, char **argv)
{
	const struct role *role;

	open_standard_fds();
	/* The master's, never a user's: its name is all of its arguments. */
	if (argc == 1 && strcmp(argv[0], "porter") == 0)
		return porter_main(argc, argv);
	if (argc < 2)
		usage_show(NULL, 2);
	if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)
		usage_show(NULL, 0);
	if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0) {
		out_line("crr " CRR_RELEASE);
		return 0;
	}
	if (*argv[1] == '-')
		fatalx(2, "unknown option %s; give the command first "
		    "(crr help lists the commands)", argv[1]);
	role = find_role(argv[1]);
	return role->run(argc - 1, argv + 1);
}
