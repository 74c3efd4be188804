#include <sys/stat.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parse.h"
#include "base/usage.h"
#include "ipc.h"
#include "master/plan.h"
#include "master/worker/cpus.h"

enum option_kind {
	FLAG,				/* has no argument; set_flag knows it */
	TEXT,				/* const char * in struct asked */
	TIME,				/* int64_t in struct plan, ms */
	SIZE,				/* uint64_t in struct plan, bytes */
	OWN,				/* read by a function of its own */
};

enum flag {
	NO_SHARE,
	NODE,
	NO_NODE,
	NODE_CLUSTER,
	QUIET,
	VERBOSE,
};

/* What is asked, until all options have been read. */
struct asked {
	struct plan *plan;
	const char *name, *path;	/* of the control socket, or NULL */
	const char *directory, *env_file;	/* or NULL */
	int	 node;			/* true or false; -1: not said */
};

struct run_option {
	const char *name;		/* without its two hyphens */
	int	 letter;		/* or 0 */
	enum option_kind kind;
	enum flag flag;			/* for FLAG */
	size_t	 place;			/* for TEXT, TIME and SIZE: an offset */
	void	 (*read)(struct plan *, const char *);	/* for OWN */
};

static const struct plan defaults = {
	.surge = 1,
	.share = true,
	.rules = {
		.ready = WORKER_READY_LISTEN,
		.start_timeout_ms = 60000,
		.soak_ms = 1000,
		.drain_ms = 10000,
		.idle_ms = 1000,
		.stop_timeout_ms = 30000,
	},
};

static void
read_time(const char *name, const char *text, int64_t *ms)
{
	if (parse_time(text, ms) == -1)
		fatalx(2, "--%s %s: give a time %s", name, text,
		    errno == ERANGE ? "of at most 24 days" :
		    "such as 500ms, 10s or 2m");
}

static void
read_size(const char *name, const char *text, uint64_t *bytes)
{
	if (parse_size(text, bytes) == -1)
		fatalx(2, "--%s %s: give a size %s", name, text,
		    errno == ERANGE ? "of at most 1024G" :
		    "such as 500k, 64M or 1G");
}

static void
read_workers(struct plan *plan, const char *text)
{
	if (strcmp(text, "auto") == 0)
		plan->launch.workers = 0;
	else if (parse_number(text, 1, PLAN_WORKERS_MAX,
	    &plan->launch.workers) == -1)
		fatalx(2, "-w %s: give auto or a number from 1 to %d", text,
		    PLAN_WORKERS_MAX);
}

static void
read_listen(struct plan *plan, const char *text)
{
	const char *wrong;

	if (plan->nlisten == PLAN_LISTEN_MAX)
		fatalx(2, "-l %s: there can be at most %d addresses", text,
		    PLAN_LISTEN_MAX);
	wrong = address_parse(&plan->listen[plan->nlisten++], text);
	if (wrong != NULL)
		fatalx(2, "-l %s: %s", text, wrong);
}

/* Count the sockets that a service manager has given to this process. */
static int
count_inherited(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int number, n;

	if (pid == NULL || fds == NULL ||
	    parse_number(pid, 1, INT_MAX, &number) == -1 || number != getpid())
		return 0;
	if (parse_number(fds, 0, PLAN_LISTEN_MAX, &n) == -1)
		fatalx(2, "LISTEN_FDS=%s: not a number from 0 to %d", fds,
		    PLAN_LISTEN_MAX);
	return n;
}

static void
read_inherited(struct plan *plan)
{
	const char *wrong, *names = getenv("LISTEN_FDNAMES");
	int n = count_inherited();

	for (; plan->nlisten < n; plan->nlisten++) {
		int fd = PLAN_INHERITED_FIRST + plan->nlisten;

		wrong = address_of_fd(&plan->listen[plan->nlisten], fd);
		if (wrong != NULL)
			fatalx(1, "LISTEN_FDS: descriptor %d is %s", fd, wrong);
	}
	plan->ninherited = n;
	if (n > 0 && names != NULL && (plan->inherited = strdup(names)) == NULL)
		fatal(1, "can't keep LISTEN_FDNAMES");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

static void
read_ready(struct plan *plan, const char *text)
{
	struct worker_rules *rules = &plan->rules;

	if (strcmp(text, "listen") == 0)
		rules->ready = WORKER_READY_LISTEN;
	else if (strcmp(text, "notify") == 0)
		rules->ready = WORKER_READY_NOTIFY;
	else if (strncmp(text, "alive:", 6) == 0) {
		rules->ready = WORKER_READY_ALIVE;
		if (parse_time(text + 6, &rules->alive_ms) == -1)
			fatalx(2, "--ready %s: give a time such as "
			    "alive:500ms or alive:10s", text);
	} else
		fatalx(2, "--ready %s: give listen, notify or alive:TIME",
		    text);
}

static void
read_surge(struct plan *plan, const char *text)
{
	if (parse_number(text, 0, PLAN_SURGE_MAX, &plan->surge) == -1)
		fatalx(2, "--surge %s: give a number from 0 to %d", text,
		    PLAN_SURGE_MAX);
}

static void
read_stop_signal(struct plan *plan, const char *text)
{
	plan->rules.stop_signal = parse_signal(text);
	if (plan->rules.stop_signal == -1)
		fatalx(2, "--stop-signal %s: there is no such signal; give a "
		    "name such as TERM or QUIT", text);
}

static void
read_stop_new(struct plan *plan, const char *text)
{
	if (strcmp(text, "wait") == 0)
		plan->stop_wait = true;
	else if (strcmp(text, "refuse") == 0)
		plan->stop_wait = false;
	else
		fatalx(2, "--stop-new %s: give refuse or wait", text);
}

static void
read_queue(struct plan *plan, const char *text)
{
	if (strcmp(text, "shared") == 0)
		plan->shared_queue = true;
	else if (strcmp(text, "seat") == 0)
		plan->shared_queue = false;
	else
		fatalx(2, "--queue %s: give seat or shared", text);
}

static void
read_handoff(struct plan *plan, const char *text)
{
	if (strcmp(text, "local") == 0)
		plan->handoff = PLAN_HANDOFF_LOCAL;
	else if (strcmp(text, "any") == 0)
		plan->handoff = PLAN_HANDOFF_ANY;
	else if (strcmp(text, "off") == 0)
		plan->handoff = PLAN_HANDOFF_OFF;
	else
		fatalx(2, "--handoff %s: give local, any or off", text);
}

static void
read_group(struct launch *launch, const char *name)
{
	const struct group *gr;
	int gid;

	if (parse_number(name, 0, INT_MAX, &gid) == 0)
		launch->gid = (gid_t)gid;
	else if ((gr = getgrnam(name)) != NULL)
		launch->gid = gr->gr_gid;
	else
		fatalx(2, "--user: there is no group %s", name);
}

static void
read_user(struct plan *plan, const char *text)
{
	struct launch *launch = &plan->launch;
	const struct passwd *pw;
	char *group;
	int uid;

	if (strlen(text) >= sizeof(launch->user))
		fatalx(2, "--user %s: the name is too long", text);
	memcpy(launch->user, text, strlen(text) + 1);
	group = strchr(launch->user, ':');
	if (group != NULL)
		*group++ = '\0';
	pw = getpwnam(launch->user);
	if (pw == NULL && parse_number(launch->user, 0, INT_MAX, &uid) == 0) {
		pw = getpwuid((uid_t)uid);
		if (pw == NULL && group == NULL)
			fatalx(2, "--user %s: there is no such user; give a "
			    "group as well (UID:GID)", text);
		launch->uid = (uid_t)uid;
	} else if (pw == NULL)
		fatalx(2, "--user %s: there is no such user", text);
	if (pw != NULL) {
		launch->uid = pw->pw_uid;
		launch->gid = pw->pw_gid;
	}
	if (group != NULL)
		read_group(launch, group);
	if (geteuid() != 0 && launch->uid != geteuid())
		fatalx(2, "--user %s: only root can run workers as another "
		    "user", text);
}

#define ASKED(member) offsetof(struct asked, member)
#define PLAN(member) offsetof(struct plan, member)

static const struct run_option options[] = {
	{ "workers", 'w', OWN, .read = read_workers },
	{ "listen", 'l', OWN, .read = read_listen },
	{ "name", 'n', TEXT, .place = ASKED(name) },
	{ "socket", 's', TEXT, .place = ASKED(path) },
	{ "ready", 0, OWN, .read = read_ready },
	{ "start-timeout", 0, TIME, .place = PLAN(rules.start_timeout_ms) },
	{ "soak", 0, TIME, .place = PLAN(rules.soak_ms) },
	{ "wait", 0, TIME, .place = PLAN(rules.wait_ms) },
	{ "surge", 0, OWN, .read = read_surge },
	{ "drain", 0, TIME, .place = PLAN(rules.drain_ms) },
	{ "idle", 0, TIME, .place = PLAN(rules.idle_ms) },
	{ "handoff", 0, OWN, .read = read_handoff },
	{ "stop-signal", 0, OWN, .read = read_stop_signal },
	{ "stop-timeout", 0, TIME, .place = PLAN(rules.stop_timeout_ms) },
	{ "stop-delay", 0, TIME, .place = PLAN(stop_delay_ms) },
	{ "stop-new", 0, OWN, .read = read_stop_new },
	{ "hang", 0, TIME, .place = PLAN(rules.hang_ms) },
	{ "no-share", 0, FLAG, .flag = NO_SHARE },
	{ "queue", 0, OWN, .read = read_queue },
	{ "chdir", 'C', TEXT, .place = ASKED(directory) },
	{ "env-file", 0, TEXT, .place = ASKED(env_file) },
	{ "user", 0, OWN, .read = read_user },
	{ "retain", 0, SIZE, .place = PLAN(retain) },
	{ "node", 0, FLAG, .flag = NODE },
	{ "no-node", 0, FLAG, .flag = NO_NODE },
	{ "node-cluster", 0, FLAG, .flag = NODE_CLUSTER },
	{ "quiet", 'q', FLAG, .flag = QUIET },
	{ "verbose", 'v', FLAG, .flag = VERBOSE },
};

enum { NOPTIONS = sizeof(options) / sizeof(options[0]) };

static void
set_flag(struct asked *asked, enum flag flag)
{
	switch (flag) {
	case NO_SHARE:
		asked->plan->share = false;
		break;
	case NODE:
		asked->node = true;
		break;
	case NO_NODE:
		asked->node = false;
		break;
	case NODE_CLUSTER:
		asked->node = true;
		asked->plan->launch.node_cluster = true;
		break;
	case QUIET:
		asked->plan->quiet = true;
		log_set_level(LOG_QUIET);
		break;
	case VERBOSE:
		log_set_level(LOG_VERBOSE);
		break;
	}
}

static void
keep_option(struct asked *asked, const struct run_option *o, const char *text)
{
	char *place = (char *)asked->plan + o->place;

	switch (o->kind) {
	case FLAG:
		set_flag(asked, o->flag);
		break;
	case TEXT:
		*(const char **)((char *)asked + o->place) = text;
		break;
	case TIME:
		read_time(o->name, text, (int64_t *)place);
		break;
	case SIZE:
		read_size(o->name, text, (uint64_t *)place);
		break;
	case OWN:
		o->read(asked->plan, text);
		break;
	}
}

/* Return the value by which usage_option returns an option. */
static int
value_of(size_t i)
{
	return options[i].letter != 0 ? options[i].letter :
	    USAGE_LONG + (int)i;
}

static void
read_options(struct asked *asked, int argc, char **argv)
{
	struct option longs[NOPTIONS + 1] = { { NULL, 0, NULL, 0 } };
	size_t i;
	int option;

	for (i = 0; i < NOPTIONS; i++) {
		longs[i].name = options[i].name;
		longs[i].has_arg = options[i].kind == FLAG ? no_argument :
		    required_argument;
		longs[i].val = value_of(i);
	}
	while ((option = usage_option(argc, argv, "+w:l:n:s:C:qv", longs)) !=
	    -1) {
		for (i = 0; value_of(i) != option; i++)
			continue;
		keep_option(asked, &options[i], optarg);
	}
}

/* $PWD may go through a symbolic link, which a deploy can point elsewhere. */
static void
find_here(char *buf, size_t size)
{
	struct stat by_path, here;
	const char *pwd;

	pwd = getenv("PWD");
	if (pwd != NULL && pwd[0] == '/' && strlen(pwd) < size &&
	    stat(pwd, &by_path) == 0 && stat(".", &here) == 0 &&
	    by_path.st_dev == here.st_dev && by_path.st_ino == here.st_ino)
		memcpy(buf, pwd, strlen(pwd) + 1);
	else if (getcwd(buf, size) == NULL)
		fatal(1, "can't find the current directory");
}

static void
join_path(char *buf, size_t size, const char *option, const char *directory,
    const char *path)
{
	int n;

	if (path[0] == '/')
		n = snprintf(buf, size, "%s", path);
	else
		n = snprintf(buf, size, "%s/%s", directory, path);
	if (n < 0 || (size_t)n >= size)
		fatalx(2, "%s %s: the path is too long", option, path);
}

static void
find_directory(struct launch *launch, const char *chdir_to)
{
	char here[PATH_MAX];
	struct stat st;

	find_here(here, sizeof(here));
	join_path(launch->directory, sizeof(launch->directory), "-C", here,
	    chdir_to == NULL ? here : chdir_to);
	if (stat(launch->directory, &st) == -1)
		fatal(2, "-C %s", launch->directory);
	if (!S_ISDIR(st.st_mode))
		fatalx(2, "-C %s: not a directory", launch->directory);
}

static void
find_env_file(struct launch *launch, const char *file)
{
	char here[PATH_MAX];

	if (file == NULL)
		return;
	find_here(here, sizeof(here));
	join_path(launch->env_file, sizeof(launch->env_file), "--env-file",
	    here, file);
	if (access(launch->env_file, R_OK) == -1)
		fatal(2, "--env-file %s", launch->env_file);
}

/* In a worker of another master, $CRR_SOCKET is that master's. */
static const char *
find_env_socket(void)
{
	const char *path = getenv("CRR_SOCKET");

	if (path == NULL || path[0] == '\0' || getenv("CRR_WORKER_ID") != NULL)
		return NULL;
	return path;
}

static void
find_socket(struct plan *plan, const char *path, const char *name)
{
	char here[PATH_MAX], full[PATH_MAX];

	if (path != NULL && path[0] == '\0')
		fatalx(2, "-s: give a path");
	if (path == NULL && name == NULL && (path = find_env_socket()) == NULL)
		name = "default";
	if (path != NULL && path[0] != '/') {
		find_here(here, sizeof(here));
		join_path(full, sizeof(full), "-s", here, path);
		path = full;
	}
	if (crr_path(path, name, plan->launch.socket,
	    sizeof(plan->launch.socket)) == -1) {
		if (errno == EINVAL)
			fatalx(2, "-n %s: a name must not be empty, start with "
			    "a dot or contain a slash", name);
		fatalx(2, "%s: too long for the path of a socket; give a "
		    "shorter one with -s PATH", path == NULL ? name : path);
	}
	snprintf(plan->name, sizeof(plan->name), "%s",
	    name == NULL ? "" : name);
}

/* Make paths of -l absolute: they are relative to the workers' directory. */
static void
complete_paths(struct plan *plan)
{
	char full[sizeof(plan->launch.directory)];
	struct address *a;
	int i;

	for (i = plan->ninherited; i < plan->nlisten; i++) {
		a = &plan->listen[i];
		if (address_path(a) == NULL || address_path(a)[0] == '/')
			continue;
		join_path(full, sizeof(full), "-l", plan->launch.directory,
		    address_path(a));
		if (address_set_path(a, full) == -1)
			fatalx(2, "-l unix:%s: too long for the path of a "
			    "socket; give a shorter one", full);
	}
}

/* A program that merely starts node would pass on a closed channel. */
static bool
is_node(const char *command)
{
	const char *name = strrchr(command, '/');

	name = name == NULL ? command : name + 1;
	return strcmp(name, "node") == 0 || strcmp(name, "nodejs") == 0;
}

void
plan_read(struct plan *plan, int argc, char **argv)
{
	struct asked asked = { .plan = plan, .node = -1 };
	struct launch *launch = &plan->launch;

	*plan = defaults;
	launch->uid = geteuid();
	launch->gid = getegid();
	plan->rules.stop_signal = parse_signal("TERM");
	read_inherited(plan);
	read_options(&asked, argc, argv);
	if (optind == argc)
		fatalx(2, "run: no command; give one, as in: "
		    "crr run -- ./server");
	launch->command = argv + optind;
	launch->node = asked.node == -1 ? is_node(launch->command[0]) :
	    asked.node;
	if (launch->workers == 0)
		launch->workers = cpus_usable();
	if (launch->workers > PLAN_WORKERS_MAX)
		launch->workers = PLAN_WORKERS_MAX;
	find_directory(launch, asked.directory);
	complete_paths(plan);
	find_env_file(launch, asked.env_file);
	find_socket(plan, asked.path, asked.name);
}
