/*
 * An HTTP server with misbehaviours to choose, for the tests.
 */

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_LISTENERS = 16,
	MAX_CONNS = 8192,
	MAX_CHILDREN = 32,
	MAX_WORDS = 64,		/* in a flags file */
	HEAD_SIZE = 8192,	/* bytes of a request's head */
	LISTING_SIZE = 65536,	/* bytes of the longest listing */
	BIG_SIZE = 1 << 28,	/* bytes; a body is smaller */
	STUCK_CHECK_MS = 20,
	ACCEPT_LIMIT_MS = 10,	/* in a blocking accept */
	FRESH_LIMIT_MS = 1000,	/* a silent client holds a stop so long */
	CHILD_LIFE_S = 120	/* no child outlives a test run for long */
};

enum conn_state {
	READING,		/* a head, or the rest of a body */
	WAITING,		/* until due_ms */
	WRITING
};

struct conn {
	enum conn_state	 state;
	int		 fd;
	bool		 served;	/* has had an answer */
	bool		 in_body;	/* the head is complete */
	bool		 close;		/* after this answer */
	bool		 counted;
	int64_t		 accepted_ms;
	int64_t		 due_ms;
	size_t		 body_left;	/* bytes */
	size_t		 nin;
	char		 in[HEAD_SIZE];
	char		 target[1024];
	char		*out;
	size_t		 nout;
	size_t		 off;
};

struct counts {
	_Atomic uint64_t begun;
	_Atomic uint64_t answered;
};

struct server {
	const char	*bind_addr;
	const char	*unix_path;		/* @name: an abstract one */
	const char	*dgram_path;
	const char	*signal_log;
	const char	*stuck_file;
	const char	*count_file;
	const char	*flags_file;
	int		 ports[MAX_LISTENERS];
	size_t		 nports;
	bool		 port_set;
	bool		 listen_fds;
	bool		 never_ready;
	bool		 abort_at_start;
	bool		 ignore_term;
	bool		 graceful;
	bool		 drop_answer;
	bool		 shutdown_listener;	/* at a graceful stop */
	bool		 daemon_child;
	bool		 reuseport;
	bool		 v6only;
	bool		 keep_path;		/* no unlink before bind */
	bool		 remove_path;		/* at a graceful stop */
	bool		 twice;			/* each port by two sockets */
	bool		 blocking;
	int		 exit_code;		/* at start, or -1 */
	int		 children;
	int		 udp_port;		/* 0: none */
	int		 defer_s;
	int		 backlog;
	int64_t		 start_delay_ms;
	int64_t		 work_ms;
	int64_t		 die_after_ms;		/* these three: -1 is never */
	int64_t		 segv_after_ms;
	int64_t		 notify_ms;

	int		 fds[MAX_LISTENERS];
	size_t		 nfds;
	int		 dgram_fds[2];
	size_t		 ndgram_fds;
	struct conn	*conns[MAX_CONNS];
	size_t		 nconns;
	pid_t		 pids[MAX_CHILDREN];
	size_t		 npids;
	int64_t		 listen_ms;
	bool		 stopping;
	struct counts	*counts;
};

static const struct {
	int		 signo;
	const char	*name;
} signals[] = {
	{ SIGTERM,	"TERM" },
	{ SIGINT,	"INT" },
	{ SIGHUP,	"HUP" },
	{ SIGQUIT,	"QUIT" },
	{ SIGUSR1,	"USR1" },
};

static volatile sig_atomic_t got_term;
static const char *log_path;	/* for the handler */
static bool term_is_default;	/* for the handler */

static _Noreturn void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("server: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
sleep_ms(int64_t ms, bool until_term)
{
	struct timespec ts;
	int64_t left, end = now_ms() + ms;

	while ((left = end - now_ms()) > 0) {
		if (until_term && got_term)
			exit(0);
		ts.tv_sec = left / 1000;
		ts.tv_nsec = left % 1000 * 1000000;
		nanosleep(&ts, NULL);
	}
}

static int64_t
number(const char *flag, const char *text, int64_t max)
{
	long long n;
	char *end;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || n < 0 || n > max)
		die("--%s: '%s' is not a number from 0 to %lld", flag, text,
		    (long long)max);
	return n;
}

/* Signals. */

static void
log_signal(int signo)
{
	char line[64], digits[16] = "";
	const char *name = "?";
	size_t i, n = 0, len = 0;
	pid_t pid = getpid();
	int fd;

	for (i = 0; i < sizeof signals / sizeof signals[0]; i++)
		if (signals[i].signo == signo)
			name = signals[i].name;
	for (; pid > 0; pid /= 10)
		digits[n++] = (char)('0' + pid % 10);
	while (n > 0)
		line[len++] = digits[--n];
	line[len++] = ' ';
	while (*name != '\0')
		line[len++] = *name++;
	line[len++] = '\n';

	/* Opened again, so that /fds shows nothing of ours. */
	fd = open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (fd == -1)
		return;
	if (write(fd, line, len) == -1)
		line[0] = '\0';
	close(fd);
}

static void
on_signal(int signo)
{
	int saved = errno;

	if (log_path != NULL)
		log_signal(signo);
	if (signo == SIGTERM) {
		got_term = 1;
		if (term_is_default) {
			signal(SIGTERM, SIG_DFL);
			raise(SIGTERM);
		}
	}
	errno = saved;
}

static void
on_alarm(int signo)
{
	(void)signo;
}

static void
handle(int signo, void (*handler)(int))
{
	struct sigaction sa;

	memset(&sa, 0, sizeof sa);
	sigemptyset(&sa.sa_mask);
	sa.sa_handler = handler;
	sigaction(signo, &sa, NULL);
}

static void
catch_signals(struct server *s)
{
	size_t i;

	handle(SIGPIPE, SIG_IGN);
	handle(SIGALRM, on_alarm);
	log_path = s->signal_log;
	term_is_default = !s->graceful && !s->ignore_term;
	if (s->signal_log != NULL)
		for (i = 0; i < sizeof signals / sizeof signals[0]; i++)
			handle(signals[i].signo, on_signal);
	else if (s->graceful)
		handle(SIGTERM, on_signal);
	else if (s->ignore_term)
		handle(SIGTERM, SIG_IGN);
}

/* Flags. */

enum flag {
	FLAG_PORT = 1, FLAG_BIND, FLAG_UNIX, FLAG_ALSO, FLAG_LISTEN_FDS,
	FLAG_START_DELAY, FLAG_WORK, FLAG_NEVER_READY, FLAG_EXIT_AT_START,
	FLAG_ABORT_AT_START, FLAG_DIE_AFTER, FLAG_SEGV_AFTER,
	FLAG_IGNORE_TERM, FLAG_GRACEFUL, FLAG_SIGNAL_LOG, FLAG_STUCK_FILE,
	FLAG_DROP_ANSWER, FLAG_NOTIFY, FLAG_CHILDREN, FLAG_DAEMON_CHILD,
	FLAG_REUSEPORT, FLAG_V6ONLY, FLAG_DEFER, FLAG_BACKLOG, FLAG_NONBLOCK,
	FLAG_BLOCKING, FLAG_FLAGS_FILE, FLAG_COUNT_FILE,
	FLAG_SHUTDOWN_LISTENER, FLAG_UDP, FLAG_UNIX_DGRAM, FLAG_KEEP_PATH,
	FLAG_REMOVE_PATH, FLAG_TWICE, FLAG_UMASK
};

static const struct option flags[] = {
	{ "port", required_argument, NULL, FLAG_PORT },
	{ "bind", required_argument, NULL, FLAG_BIND },
	{ "unix", required_argument, NULL, FLAG_UNIX },
	{ "also", required_argument, NULL, FLAG_ALSO },
	{ "listen-fds", no_argument, NULL, FLAG_LISTEN_FDS },
	{ "start-delay", required_argument, NULL, FLAG_START_DELAY },
	{ "work", required_argument, NULL, FLAG_WORK },
	{ "never-ready", no_argument, NULL, FLAG_NEVER_READY },
	{ "exit-at-start", required_argument, NULL, FLAG_EXIT_AT_START },
	{ "abort-at-start", no_argument, NULL, FLAG_ABORT_AT_START },
	{ "die-after", required_argument, NULL, FLAG_DIE_AFTER },
	{ "segv-after", required_argument, NULL, FLAG_SEGV_AFTER },
	{ "ignore-term", no_argument, NULL, FLAG_IGNORE_TERM },
	{ "graceful", no_argument, NULL, FLAG_GRACEFUL },
	{ "signal-log", required_argument, NULL, FLAG_SIGNAL_LOG },
	{ "stuck-file", required_argument, NULL, FLAG_STUCK_FILE },
	{ "drop-answer", no_argument, NULL, FLAG_DROP_ANSWER },
	{ "notify", required_argument, NULL, FLAG_NOTIFY },
	{ "children", required_argument, NULL, FLAG_CHILDREN },
	{ "daemon-child", no_argument, NULL, FLAG_DAEMON_CHILD },
	{ "reuseport", no_argument, NULL, FLAG_REUSEPORT },
	{ "v6only", no_argument, NULL, FLAG_V6ONLY },
	{ "defer", required_argument, NULL, FLAG_DEFER },
	{ "backlog", required_argument, NULL, FLAG_BACKLOG },
	{ "nonblock", no_argument, NULL, FLAG_NONBLOCK },
	{ "blocking", no_argument, NULL, FLAG_BLOCKING },
	{ "flags-file", required_argument, NULL, FLAG_FLAGS_FILE },
	{ "count-file", required_argument, NULL, FLAG_COUNT_FILE },
	{ "shutdown-listener", no_argument, NULL, FLAG_SHUTDOWN_LISTENER },
	{ "udp", required_argument, NULL, FLAG_UDP },
	{ "unix-dgram", required_argument, NULL, FLAG_UNIX_DGRAM },
	{ "keep-path", no_argument, NULL, FLAG_KEEP_PATH },
	{ "remove-path", no_argument, NULL, FLAG_REMOVE_PATH },
	{ "twice", no_argument, NULL, FLAG_TWICE },
	{ "umask", required_argument, NULL, FLAG_UMASK },
	{ NULL, 0, NULL, 0 }
};

static void
set(struct server *s, enum flag flag, const char *name, const char *arg)
{
	const int64_t day_ms = 86400000;

	switch (flag) {
	case FLAG_PORT:
		s->ports[0] = (int)number(name, arg, 65535);
		s->port_set = true;
		break;
	case FLAG_BIND:
		s->bind_addr = arg;
		break;
	case FLAG_UNIX:
		s->unix_path = arg;
		break;
	case FLAG_ALSO:
		if (s->nports == MAX_LISTENERS - 1)
			die("--also: too many");
		s->ports[s->nports++] = (int)number(name, arg, 65535);
		break;
	case FLAG_LISTEN_FDS:
		s->listen_fds = true;
		break;
	case FLAG_START_DELAY:
		s->start_delay_ms = number(name, arg, day_ms);
		break;
	case FLAG_WORK:
		s->work_ms = number(name, arg, day_ms);
		break;
	case FLAG_NEVER_READY:
		s->never_ready = true;
		break;
	case FLAG_EXIT_AT_START:
		s->exit_code = (int)number(name, arg, 255);
		break;
	case FLAG_ABORT_AT_START:
		s->abort_at_start = true;
		break;
	case FLAG_DIE_AFTER:
		s->die_after_ms = number(name, arg, day_ms);
		break;
	case FLAG_SEGV_AFTER:
		s->segv_after_ms = number(name, arg, day_ms);
		break;
	case FLAG_IGNORE_TERM:
		s->ignore_term = true;
		break;
	case FLAG_GRACEFUL:
		s->graceful = true;
		break;
	case FLAG_SIGNAL_LOG:
		s->signal_log = arg;
		break;
	case FLAG_STUCK_FILE:
		s->stuck_file = arg;
		break;
	case FLAG_DROP_ANSWER:
		s->drop_answer = true;
		break;
	case FLAG_NOTIFY:
		s->notify_ms = number(name, arg, day_ms);
		break;
	case FLAG_CHILDREN:
		s->children = (int)number(name, arg, MAX_CHILDREN - 1);
		break;
	case FLAG_DAEMON_CHILD:
		s->daemon_child = true;
		break;
	case FLAG_REUSEPORT:
		s->reuseport = true;
		break;
	case FLAG_V6ONLY:
		s->v6only = true;
		break;
	case FLAG_DEFER:
		s->defer_s = (int)number(name, arg, 3600);
		break;
	case FLAG_BACKLOG:
		s->backlog = (int)number(name, arg, 65535);
		break;
	case FLAG_NONBLOCK:
		s->blocking = false;
		break;
	case FLAG_BLOCKING:
		s->blocking = true;
		break;
	case FLAG_FLAGS_FILE:
		s->flags_file = arg;
		break;
	case FLAG_COUNT_FILE:
		s->count_file = arg;
		break;
	case FLAG_SHUTDOWN_LISTENER:
		s->shutdown_listener = true;
		break;
	case FLAG_UDP:
		s->udp_port = (int)number(name, arg, 65535);
		break;
	case FLAG_UNIX_DGRAM:
		s->dgram_path = arg;
		break;
	case FLAG_KEEP_PATH:
		s->keep_path = true;
		break;
	case FLAG_REMOVE_PATH:
		s->remove_path = true;
		break;
	case FLAG_TWICE:
		s->twice = true;
		break;
	case FLAG_UMASK:
		umask((mode_t)strtoul(arg, NULL, 8));
		break;
	}
}

static void
parse(struct server *s, int argc, char **argv)
{
	int c, i;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", flags, &i)) != -1) {
		if (c == '?')
			exit(2);
		set(s, (enum flag)c, flags[i].name, optarg);
	}
	if (optind != argc)
		die("'%s' is no flag", argv[optind]);
}

static void
parse_file(struct server *s)
{
	static char text[4096], name[] = "server";
	char *argv[MAX_WORDS + 2], *word, *rest = text;
	ssize_t n;
	int fd, argc = 0;

	if (s->flags_file == NULL)
		return;
	if ((fd = open(s->flags_file, O_RDONLY | O_CLOEXEC)) == -1)
		return;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n == -1)
		die("%s: %s", s->flags_file, strerror(errno));
	text[n] = '\0';
	argv[argc++] = name;
	while ((word = strtok_r(rest, " \t\r\n", &rest)) != NULL)
		if (argc <= MAX_WORDS)
			argv[argc++] = word;
	argv[argc] = NULL;
	parse(s, argc, argv);
}

/* What goes wrong before anything is served. */

static void
sleep_as_child(void)
{
	handle(SIGALRM, SIG_DFL);
	alarm(CHILD_LIFE_S);
	for (;;)
		pause();
}

static void
fork_children(struct server *s)
{
	sigset_t term, old;
	pid_t pid;
	int i;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, &old);
	for (i = 0; i < s->children; i++) {
		if ((pid = fork()) == -1)
			die("fork: %s", strerror(errno));
		if (pid == 0) {
			handle(SIGTERM, SIG_IGN);
			sleep_as_child();
		}
		s->pids[s->npids++] = pid;
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void
fork_daemon(struct server *s)
{
	pid_t pid, daemon_pid = 0;
	int pipefd[2];

	if (!s->daemon_child)
		return;
	if (pipe(pipefd) == -1)
		die("pipe: %s", strerror(errno));
	if ((pid = fork()) == -1)
		die("fork: %s", strerror(errno));
	if (pid == 0) {
		setsid();
		if (fork() != 0)
			_exit(0);
		daemon_pid = getpid();
		if (write(pipefd[1], &daemon_pid, sizeof daemon_pid) == -1)
			_exit(1);
		close(pipefd[0]);
		close(pipefd[1]);
		handle(SIGTERM, SIG_DFL);
		sleep_as_child();
	}
	close(pipefd[1]);
	if (read(pipefd[0], &daemon_pid, sizeof daemon_pid) == -1)
		die("daemon: %s", strerror(errno));
	close(pipefd[0]);
	s->pids[s->npids++] = daemon_pid;
}

static void
misbehave_at_start(struct server *s)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	if (s->abort_at_start)
		abort();
	if (s->exit_code != -1)
		exit(s->exit_code);
	fork_children(s);
	fork_daemon(s);
	if (s->never_ready)
		for (;;)
			sleep_ms(1000, s->graceful);
	sleep_ms(s->start_delay_ms, s->graceful);
}

/* Listeners. */

static void
add_listener(struct server *s, int fd)
{
	if (s->nfds == MAX_LISTENERS)
		die("too many listeners");
	s->fds[s->nfds++] = fd;
}

static void
turn_on(int fd, int level, int option, int value, const char *what)
{
	if (setsockopt(fd, level, option, &value, sizeof value) == -1)
		die("%s: %s", what, strerror(errno));
}

static void
listen_tcp(struct server *s, int port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr *sa;
	socklen_t len;
	int fd, family;

	sin.sin_port = sin6.sin6_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, s->bind_addr, &sin.sin_addr) == 1) {
		sa = (struct sockaddr *)&sin;
		len = sizeof sin;
	} else if (inet_pton(AF_INET6, s->bind_addr, &sin6.sin6_addr) == 1) {
		sa = (struct sockaddr *)&sin6;
		len = sizeof sin6;
	} else
		die("--bind: '%s' is no address", s->bind_addr);
	family = sa->sa_family;

	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC |
	    (s->blocking ? 0 : SOCK_NONBLOCK), 0);
	if (fd == -1)
		die("socket: %s", strerror(errno));
	turn_on(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
	if (s->reuseport)
		turn_on(fd, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT");
	if (family == AF_INET6 && s->v6only)
		turn_on(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY");
	if (bind(fd, sa, len) == -1)
		die("bind %s port %d: %s", s->bind_addr, port,
		    strerror(errno));
#ifdef TCP_DEFER_ACCEPT
	if (s->defer_s > 0)
		turn_on(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, s->defer_s,
		    "TCP_DEFER_ACCEPT");
#endif
	if (listen(fd, s->backlog) == -1)
		die("listen %s port %d: %s", s->bind_addr, port,
		    strerror(errno));
	add_listener(s, fd);
}

static int
bind_unix(struct server *s, const char *path, int type)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len = sizeof sun;
	int fd;

	if (strlen(path) >= sizeof sun.sun_path)
		die("%s: path too long", path);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	if (path[0] == '@') {
		sun.sun_path[0] = '\0';
		len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
		    strlen(path));
	} else if (!s->keep_path && unlink(path) == -1 && errno != ENOENT)
		die("unlink %s: %s", path, strerror(errno));
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC |
	    (s->blocking ? 0 : SOCK_NONBLOCK), 0);
	if (fd == -1)
		die("socket: %s", strerror(errno));
	if (bind(fd, (struct sockaddr *)&sun, len) == -1)
		die("bind %s: %s", path, strerror(errno));
	return fd;
}

static void
bind_udp(struct server *s)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd;

	sin.sin_port = htons((uint16_t)s->udp_port);
	if (inet_pton(AF_INET, s->bind_addr, &sin.sin_addr) != 1)
		die("--udp: '%s' is no IPv4 address", s->bind_addr);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		die("socket: %s", strerror(errno));
	if (bind(fd, (struct sockaddr *)&sin, sizeof sin) == -1)
		die("bind UDP port %d: %s", s->udp_port, strerror(errno));
	s->dgram_fds[s->ndgram_fds++] = fd;
}

static void
listen_unix(struct server *s)
{
	int fd = bind_unix(s, s->unix_path, SOCK_STREAM);

	if (listen(fd, s->backlog) == -1)
		die("listen %s: %s", s->unix_path, strerror(errno));
	add_listener(s, fd);
}

static void
take_listen_fds(struct server *s)
{
	const char *count = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	int fd, fl, n;

	if (count == NULL || pid == NULL)
		die("LISTEN_FDS or LISTEN_PID is not set");
	if (atol(pid) != (long)getpid())
		die("LISTEN_PID is %s, not %ld", pid, (long)getpid());
	n = (int)number("listen-fds", count, MAX_LISTENERS);
	if (n == 0)
		die("LISTEN_FDS is 0");
	for (fd = 3; fd < 3 + n; fd++) {
		if ((fl = fcntl(fd, F_GETFL)) == -1)
			die("LISTEN_FDS: descriptor %d: %s", fd,
			    strerror(errno));
		if (fl & O_NONBLOCK)
			die("LISTEN_FDS: descriptor %d is non-blocking", fd);
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		add_listener(s, fd);
	}
	s->blocking = true;
}

static void
start_listening(struct server *s)
{
	size_t i;

	if (s->listen_fds)
		take_listen_fds(s);
	if (s->unix_path != NULL)
		listen_unix(s);
	if (s->port_set || (s->unix_path == NULL && s->dgram_path == NULL &&
	    s->udp_port == 0 && !s->listen_fds))
		listen_tcp(s, s->ports[0]);
	if (s->twice)
		listen_tcp(s, s->ports[0]);
	for (i = 1; i < s->nports; i++)
		listen_tcp(s, s->ports[i]);
	if (s->udp_port != 0)
		bind_udp(s);
	if (s->dgram_path != NULL)
		s->dgram_fds[s->ndgram_fds++] = bind_unix(s, s->dgram_path,
		    SOCK_DGRAM);
	s->listen_ms = now_ms();
}

static void
map_counts(struct server *s)
{
	static struct counts own;
	int fd;

	s->counts = &own;
	if (s->count_file == NULL)
		return;
	fd = open(s->count_file, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd == -1 || ftruncate(fd, sizeof own) == -1)
		die("%s: %s", s->count_file, strerror(errno));
	s->counts = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (s->counts == MAP_FAILED)
		die("%s: %s", s->count_file, strerror(errno));
	close(fd);
}

static void
notify(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len;
	int fd;

	if (path == NULL) {
		fputs("server: NOTIFY_SOCKET is not set\n", stderr);
		return;
	}
	if ((len = strlen(path)) >= sizeof sun.sun_path)
		die("NOTIFY_SOCKET: path too long");
	memcpy(sun.sun_path, path, len);
	if (path[0] == '@')
		sun.sun_path[0] = '\0';
	if ((fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) == -1)
		die("socket: %s", strerror(errno));
	if (sendto(fd, "READY=1\n", 8, MSG_NOSIGNAL, (struct sockaddr *)&sun,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == -1)
		fprintf(stderr, "server: NOTIFY_SOCKET: %s\n",
		    strerror(errno));
	close(fd);
}

/* Answers. */

static const char *
variable(const char *name)
{
	const char *value = getenv(name);

	return value == NULL ? "" : value;
}

static size_t
list_fds(char *body, size_t size)
{
	char link[32], target[256];
	struct dirent *d;
	size_t n = 0;
	ssize_t len;
	DIR *dir;

	if ((dir = opendir("/proc/self/fd")) == NULL)
		return 0;
	while ((d = readdir(dir)) != NULL && n + sizeof target + 16 < size) {
		if (!isdigit((unsigned char)d->d_name[0]) ||
		    atoi(d->d_name) == dirfd(dir))
			continue;
		snprintf(link, sizeof link, "/proc/self/fd/%.10s", d->d_name);
		if ((len = readlink(link, target, sizeof target - 1)) == -1)
			len = 0;
		target[len] = '\0';
		n += (size_t)snprintf(body + n, size - n, "%.10s %s\n",
		    d->d_name, target);
	}
	closedir(dir);
	return n;
}

static size_t
list_children(struct server *s, char *body, size_t size)
{
	size_t i, n = 0;

	for (i = 0; i < s->npids; i++)
		n += (size_t)snprintf(body + n, size - n, "%ld\n",
		    (long)s->pids[i]);
	return n;
}

static bool
is_path(const char *target, const char *path, const char **query)
{
	size_t len = strlen(path);

	if (strncmp(target, path, len) != 0)
		return false;
	if (target[len] != '\0' && target[len] != '?')
		return false;
	*query = target[len] == '?' ? target + len + 1 : "";
	return true;
}

/* Returns the length of the body, or (size_t)-1 for a path unknown. */
static size_t
fill(struct server *s, const char *target, char *body, size_t size)
{
	const char *q;
	long pid = (long)getpid();
	int n;

	if (is_path(target, "/stuck", &q))
		sleep_ms(atoll(q), false);
	if (is_path(target, "/fds", &q))
		return list_fds(body, size);
	if (is_path(target, "/children", &q))
		return list_children(s, body, size);
	if (is_path(target, "/", &q) || is_path(target, "/slow", &q) ||
	    is_path(target, "/big", &q) || is_path(target, "/stuck", &q))
		n = snprintf(body, size, "pid %ld\n", pid);
	else if (is_path(target, "/env", &q))
		n = snprintf(body, size, "%s\n", variable(q));
	else if (is_path(target, "/cwd", &q))
		n = getcwd(body, size - 1) == NULL ? 0 :
		    (int)strlen(strcat(body, "\n"));
	else if (is_path(target, "/id", &q))
		n = snprintf(body, size, "%s %s %ld\n",
		    variable("CRR_WORKER_ID"), variable("CRR_GENERATION"),
		    pid);
	else if (is_path(target, "/pgid", &q))
		n = snprintf(body, size, "%ld\n", (long)getpgrp());
	else if (is_path(target, "/count", &q))
		n = snprintf(body, size, "%llu %llu\n",
		    (unsigned long long)s->counts->begun,
		    (unsigned long long)s->counts->answered);
	else
		return (size_t)-1;
	return (size_t)n < size ? (size_t)n : size - 1;
}

static void
answer(struct server *s, struct conn *c)
{
	static char body[LISTING_SIZE];
	const char *q, *status = "200 OK";
	char head[256];
	size_t len, total, nhead;

	len = fill(s, c->target, body, sizeof body);
	if (len == (size_t)-1) {
		status = "404 Not Found";
		len = (size_t)snprintf(body, sizeof body, "no such path\n");
	}
	total = len;
	if (is_path(c->target, "/big", &q))
		total = strtoul(q, NULL, 10) % BIG_SIZE;
	if (s->stopping)
		c->close = true;
	nhead = (size_t)snprintf(head, sizeof head,
	    "HTTP/1.1 %s\r\nContent-Type: text/plain\r\n"
	    "Content-Length: %zu\r\nX-Pid: %ld\r\n%s\r\n", status, total,
	    (long)getpid(), c->close ? "Connection: close\r\n" : "");

	if ((c->out = malloc(nhead + total + 1)) == NULL)
		die("malloc: %s", strerror(errno));
	memcpy(c->out, head, nhead);
	memset(c->out + nhead, 'x', total);
	memcpy(c->out + nhead, body, len < total ? len : total);
	c->nout = nhead + total;
	c->off = 0;
	c->state = WRITING;
}

/* Connections. */

static void
drop(struct server *s, size_t i)
{
	struct conn *c = s->conns[i];

	close(c->fd);
	free(c->out);
	free(c);
	s->conns[i] = s->conns[--s->nconns];
}

static const char *
header(const char *head, const char *name)
{
	size_t len = strlen(name);
	const char *line = head;

	while ((line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " \t");
	}
	return NULL;
}

static bool
says(const char *value, const char *word)
{
	return value != NULL && strncasecmp(value, word, strlen(word)) == 0;
}

static void
begin(struct server *s, struct conn *c)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	const char *length, *connection, *q;
	char *end, version = '1';

	end = strstr(c->in, "\r\n\r\n");
	*end = '\0';
	if (sscanf(c->in, "%*15s %1023s HTTP/1.%c", c->target, &version) < 1)
		c->target[0] = '\0';
	length = header(c->in, "Content-Length");
	c->body_left = length == NULL ? 0 : strtoul(length, NULL, 10);
	connection = header(c->in, "Connection");
	c->close = says(connection, "close") ||
	    (version == '0' && !says(connection, "keep-alive"));
	if (says(header(c->in, "Expect"), "100-continue") &&
	    send(c->fd, go_on, sizeof go_on - 1, MSG_NOSIGNAL) == -1)
		c->close = true;

	end += 4;
	c->nin -= (size_t)(end - c->in);
	memmove(c->in, end, c->nin + 1);
	c->in_body = true;
	c->counted = !is_path(c->target, "/count", &q);
	if (c->counted)
		atomic_fetch_add(&s->counts->begun, 1);
}

/* Looks at what has been read; returns -1 when the connection is done. */
static int
progress(struct server *s, struct conn *c)
{
	const char *q;
	size_t n;

	if (!c->in_body) {
		if (strstr(c->in, "\r\n\r\n") == NULL)
			return c->nin < sizeof c->in - 1 ? 0 : -1;
		begin(s, c);
	}
	n = c->nin < c->body_left ? c->nin : c->body_left;
	c->nin -= n;
	memmove(c->in, c->in + n, c->nin + 1);
	c->body_left -= n;
	if (c->body_left > 0)
		return 0;
	if (s->drop_answer)
		return -1;
	c->state = WAITING;
	c->due_ms = now_ms() + s->work_ms;
	if (is_path(c->target, "/slow", &q))
		c->due_ms += atoll(q);
	return 0;
}

static int
read_more(struct server *s, struct conn *c)
{
	ssize_t n;

	n = recv(c->fd, c->in + c->nin, sizeof c->in - 1 - c->nin, 0);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	c->nin += (size_t)n;
	c->in[c->nin] = '\0';
	return progress(s, c);
}

static int
write_more(struct server *s, struct conn *c)
{
	ssize_t n;

	n = send(c->fd, c->out + c->off, c->nout - c->off, MSG_NOSIGNAL);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	c->off += (size_t)n;
	if (c->off < c->nout)
		return 0;
	if (c->counted)
		atomic_fetch_add(&s->counts->answered, 1);
	free(c->out);
	c->out = NULL;
	if (c->close)
		return -1;
	c->served = true;
	c->in_body = false;
	c->state = READING;
	/* The next request may have come with this one. */
	return c->nin > 0 ? progress(s, c) : 0;
}

static int
serve(struct server *s, struct conn *c, short revents)
{
	if (c->state == WAITING && (revents & (POLLERR | POLLHUP)))
		return -1;
	if (c->state == READING && revents != 0 && read_more(s, c) == -1)
		return -1;
	if (c->state == WAITING && now_ms() >= c->due_ms)
		answer(s, c);
	if (c->state == WRITING && write_more(s, c) == -1)
		return -1;
	return 0;
}

static int
accept_bounded(struct server *s, int fd)
{
	struct itimerval limit = { .it_value.tv_usec = ACCEPT_LIMIT_MS * 1000 };
	struct itimerval off = { .it_value.tv_usec = 0 };
	int conn_fd, saved;

	/*
	 * Another process may have taken the connection that poll(2) saw,
	 * and the socket's blocking mode is not ours to change.
	 */
	if (s->blocking)
		setitimer(ITIMER_REAL, &limit, NULL);
	conn_fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	saved = errno;
	if (s->blocking)
		setitimer(ITIMER_REAL, &off, NULL);
	errno = saved;
	return conn_fd;
}

static void
accept_one(struct server *s, int listen_fd)
{
	struct conn *c;
	int fd, on = 1;

	if (s->nconns == MAX_CONNS)
		return;
	if ((fd = accept_bounded(s, listen_fd)) == -1)
		return;
	if ((c = calloc(1, sizeof *c)) == NULL)
		die("calloc: %s", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	c->fd = fd;
	c->accepted_ms = now_ms();
	s->conns[s->nconns++] = c;
}

/* The loop. */

static bool
is_idle(const struct conn *c, int64_t now)
{
	if (c->state != READING || c->in_body || c->nin > 0)
		return false;
	return c->served || now - c->accepted_ms >= FRESH_LIMIT_MS;
}

static void
stop(struct server *s)
{
	size_t i;

	if (!s->stopping) {
		s->stopping = true;
		for (i = 0; i < s->nfds; i++) {
			if (s->shutdown_listener)
				shutdown(s->fds[i], SHUT_RDWR);
			close(s->fds[i]);
		}
		s->nfds = 0;
		if (s->remove_path)
			unlink(s->unix_path);
	}
	for (i = s->nconns; i-- > 0;)
		if (is_idle(s->conns[i], now_ms()))
			drop(s, i);
	if (s->nconns == 0)
		exit(0);
}

static void
run_timers(struct server *s)
{
	int64_t now = now_ms(), age = now - s->listen_ms;

	if (s->notify_ms != -1 && age >= s->notify_ms) {
		s->notify_ms = -1;
		notify();
	}
	if (s->die_after_ms != -1 && age >= s->die_after_ms)
		_exit(3);
	if (s->segv_after_ms != -1 && age >= s->segv_after_ms) {
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
	}
}

static void
sooner(int64_t *wake_ms, int64_t when_ms)
{
	if (*wake_ms == -1 || when_ms < *wake_ms)
		*wake_ms = when_ms;
}

static int64_t
next_wake(struct server *s)
{
	int64_t wake = -1;
	size_t i;

	if (s->notify_ms != -1)
		sooner(&wake, s->listen_ms + s->notify_ms);
	if (s->die_after_ms != -1)
		sooner(&wake, s->listen_ms + s->die_after_ms);
	if (s->segv_after_ms != -1)
		sooner(&wake, s->listen_ms + s->segv_after_ms);
	if (s->stuck_file != NULL || s->stopping)
		sooner(&wake, now_ms() + STUCK_CHECK_MS);
	for (i = 0; i < s->nconns; i++)
		if (s->conns[i]->state == WAITING)
			sooner(&wake, s->conns[i]->due_ms);
	return wake;
}

static void
wait_for_events(struct server *s, struct pollfd *pfds, size_t npfds)
{
	struct timespec ts, *timeout = NULL;
	int64_t wake = next_wake(s), left;
	sigset_t none;

	if (wake != -1) {
		left = wake - now_ms();
		if (left < 0)
			left = 0;
		ts.tv_sec = left / 1000;
		ts.tv_nsec = left % 1000 * 1000000;
		timeout = &ts;
	}
	sigemptyset(&none);
	if (ppoll(pfds, (nfds_t)npfds, timeout, &none) == -1) {
		if (errno != EINTR)
			die("poll: %s", strerror(errno));
		for (size_t i = 0; i < npfds; i++)
			pfds[i].revents = 0;
	}
}

/* Answer one datagram, --work's time later. */
static void
echo(struct server *s, int fd)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof from;
	char text[256];
	ssize_t n;

	n = recvfrom(fd, text, sizeof text, MSG_DONTWAIT,
	    (struct sockaddr *)&from, &len);
	if (n == -1)
		return;
	sleep_ms(s->work_ms, false);
	n = snprintf(text, sizeof text, "pid %ld\n", (long)getpid());
	(void)!sendto(fd, text, (size_t)n, 0, (struct sockaddr *)&from, len);
}

static void
turn(struct server *s)
{
	static struct pollfd pfds[MAX_LISTENERS + MAX_CONNS + 2];
	static const short wanted[] = {
		[READING] = POLLIN, [WAITING] = 0, [WRITING] = POLLOUT
	};
	size_t i, nlisten, nconns = s->nconns;
	bool stuck;

	stuck = s->stuck_file != NULL && access(s->stuck_file, F_OK) == 0;
	nlisten = stuck ? 0 : s->nfds;
	for (i = 0; i < nlisten; i++)
		pfds[i] = (struct pollfd){ .fd = s->fds[i], .events = POLLIN };
	for (i = 0; i < nconns; i++)
		pfds[nlisten + i] = (struct pollfd){ .fd = s->conns[i]->fd,
		    .events = wanted[s->conns[i]->state] };
	for (i = 0; i < s->ndgram_fds; i++)
		pfds[nlisten + nconns + i] = (struct pollfd){
		    .fd = stuck ? -1 : s->dgram_fds[i], .events = POLLIN };
	wait_for_events(s, pfds, nlisten + nconns + s->ndgram_fds);
	for (i = 0; i < s->ndgram_fds; i++)
		if (pfds[nlisten + nconns + i].revents != 0)
			echo(s, s->dgram_fds[i]);

	/* From the end, because drop() moves the last one into the gap. */
	for (i = nconns; i-- > 0;)
		if (serve(s, s->conns[i], pfds[nlisten + i].revents) == -1)
			drop(s, i);
	for (i = 0; i < nlisten; i++)
		if (pfds[i].revents != 0)
			accept_one(s, s->fds[i]);
	run_timers(s);
	if (s->graceful && got_term)
		stop(s);
}

int
main(int argc, char **argv)
{
	static struct server s = {
		.bind_addr = "127.0.0.1",
		.ports = { 8080 },
		.nports = 1,
		.exit_code = -1,
		.backlog = 511,
		.die_after_ms = -1,
		.segv_after_ms = -1,
		.notify_ms = -1,
	};
	sigset_t term;

	parse(&s, argc, argv);
	parse_file(&s);
	catch_signals(&s);
	misbehave_at_start(&s);
	map_counts(&s);
	start_listening(&s);
	if (s.graceful) {
		sigemptyset(&term);
		sigaddset(&term, SIGTERM);
		sigprocmask(SIG_BLOCK, &term, NULL);
	}
	for (;;)
		turn(&s);
}
