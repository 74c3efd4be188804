/*
 * A load client that counts every outcome.
 */

#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
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
	MAX_CLIENTS = 4096,
	MAX_PIDS = 65536,
	LINE_SIZE = 1024,	/* bytes of a header line that are looked at */
	PREFIX_SIZE = 64,	/* bytes of a body that are looked at */
	BUFFER_SIZE = 65536,
	DEFAULT_REQUESTS = 1000,
	DEFAULT_TIMEOUT_MS = 10000,
	FAILED_PAUSE_US = 1000,	/* the least gap behind a failure */
	FULL_RETRY_US = 2000	/* a Unix socket's full queue is tried again */
};

/* What became of a request. */
enum outcome {
	ANSWERED,
	REFUSED,
	RESET,			/* before any byte of an answer */
	END,			/* the same, by an end-of-file */
	CUT,			/* in the middle of an answer */
	TIMEOUT,
	WRONG,			/* answered, but not as expected */
	ERROR,			/* not the server's doing */
	NOUTCOMES
};

enum client_state {
	IDLE,			/* until due_us; a kept connection stays open */
	CONNECTING,
	SILENT,			/* connected, until due_us */
	SENDING,
	RECEIVING
};

enum part {
	HEAD,
	BODY,			/* of body_left bytes */
	BODY_TO_END,
	CHUNK_SIZE,
	CHUNK,
	CHUNK_END,
	TRAILER,
	COMPLETE
};

struct answer {
	enum part	 part;
	bool		 begun;		/* a byte has come */
	bool		 sized;
	bool		 chunked;
	bool		 last;		/* the server will close */
	bool		 malformed;
	int		 status;	/* 0 before the first line */
	int		 pid;		/* 0 is unknown */
	uint64_t	 body_left;	/* bytes, of the body or the chunk */
	size_t		 nline;
	char		 line[LINE_SIZE];
	size_t		 nprefix;
	char		 prefix[PREFIX_SIZE + 1];
};

struct client {
	enum client_state state;
	int		 fd;		/* -1 is none */
	bool		 kept;		/* an answer has come on it */
	int64_t		 start_us;
	int64_t		 due_us;
	size_t		 sent;		/* bytes */
	struct answer	 answer;
};

struct pid_count {
	int		 pid;
	uint64_t	 answers;
};

struct load {
	int		 nclients;
	int64_t		 max_requests;	/* 0 is no limit */
	int64_t		 max_us;	/* 0 is no limit */
	bool		 keep;
	bool		 blind;		/* sends on, without a look whether the
					   server has closed or will */
	bool		 verbose;
	int64_t		 gap_us;
	int64_t		 timeout_us;
	int64_t		 speak_after_us;
	size_t		 post_size;	/* bytes */
	const char	*path;
	char		 expect[PREFIX_SIZE + 1];
	const char	*unix_path;
	const char	*csv_path;
	const char	*host;		/* as given, for the Host header */
	struct sockaddr_storage addr;
	socklen_t	 addrlen;

	char		*request;
	size_t		 nrequest;
	FILE		*csv;
	int64_t		 begin_us;
	int64_t		 begun;
	uint64_t	 outcomes[NOUTCOMES];
	uint64_t	 retried;
	uint64_t	 closed;
	uint32_t	*latencies;	/* us, of the answered */
	size_t		 nlatencies;
	size_t		 latencies_size;
	struct pid_count pids[MAX_PIDS];
	size_t		 npids;
	struct client	 clients[MAX_CLIENTS];
};

static const char *const outcome_names[NOUTCOMES] = {
	[ANSWERED] = "answered",
	[REFUSED] = "refused",
	[RESET] = "reset",
	[END] = "eof",
	[CUT] = "cut",
	[TIMEOUT] = "timeout",
	[WRONG] = "wrong",
	[ERROR] = "error",
};

static volatile sig_atomic_t interrupted;

static _Noreturn void
usage(void)
{
	fputs("usage: load [-c CLIENTS] [-n REQUESTS] [-t SECONDS] [-g GAP_MS]\n"
	    "            [-k [--blind]] [-p PATH] [-T TIMEOUT_MS] [-v] "
	    "[--csv FILE]\n"
	    "            [--expect PREFIX] [--post BYTES] [--speak-after MS]\n"
	    "            -u UNIXPATH | HOST:PORT\n", stderr);
	exit(2);
}

static _Noreturn void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("load: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void
on_signal(int signo)
{
	(void)signo;
	interrupted = 1;
}

/* Counting. */

static void
count_pid(struct load *l, int pid)
{
	size_t i;

	if (pid == 0)
		return;
	for (i = 0; i < l->npids; i++)
		if (l->pids[i].pid == pid) {
			l->pids[i].answers++;
			return;
		}
	if (l->npids == MAX_PIDS)
		return;
	l->pids[l->npids++] = (struct pid_count){ .pid = pid, .answers = 1 };
}

static void
add_latency(struct load *l, int64_t us)
{
	if (l->nlatencies == l->latencies_size) {
		l->latencies_size = l->latencies_size * 2 + 1024;
		l->latencies = realloc(l->latencies,
		    l->latencies_size * sizeof *l->latencies);
		if (l->latencies == NULL)
			die("realloc: %s", strerror(errno));
	}
	l->latencies[l->nlatencies++] =
	    us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static void
forget_connection(struct client *c)
{
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	c->kept = false;
}

static void
finish(struct load *l, struct client *c, enum outcome outcome)
{
	int64_t now = now_us(), us = now - c->start_us;

	l->outcomes[outcome]++;
	if (outcome == ANSWERED) {
		add_latency(l, us);
		count_pid(l, c->answer.pid);
	}
	if (l->csv != NULL)
		fprintf(l->csv, "%.3f,%.3f,%s\n",
		    (double)(c->start_us - l->begin_us) / 1000,
		    (double)us / 1000, outcome_names[outcome]);
	if (c->answer.part == COMPLETE && l->keep && !c->answer.malformed) {
		c->kept = true;
		if (c->answer.last && !l->blind) {
			l->closed++;
			forget_connection(c);
		}
	} else
		forget_connection(c);
	c->state = IDLE;
	c->due_us = now + l->gap_us;
	if (outcome != ANSWERED && l->gap_us < FAILED_PAUSE_US)
		c->due_us = now + FAILED_PAUSE_US;
}

/* An answer, byte by byte. */

static const char *
value(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) != 0 || line[len] != ':')
		return NULL;
	return line + len + 1 + strspn(line + len + 1, " \t");
}

static void
end_head(struct answer *a)
{
	if (a->status == 100) {
		a->status = 0;
		return;
	}
	if (a->status == 0)
		a->malformed = true;
	if (a->chunked)
		a->part = CHUNK_SIZE;
	else if (a->sized)
		a->part = a->body_left > 0 ? BODY : COMPLETE;
	else {
		a->last = true;
		a->part = BODY_TO_END;
	}
}

static void
head_line(struct answer *a)
{
	const char *v;
	char minor;

	if (a->line[0] == '\0')
		end_head(a);
	else if (a->status == 0) {
		if (sscanf(a->line, "HTTP/1.%c %d", &minor, &a->status) != 2)
			a->malformed = true;
		else if (minor == '0')
			a->last = true;
	} else if ((v = value(a->line, "Content-Length")) != NULL) {
		a->body_left = strtoull(v, NULL, 10);
		a->sized = true;
	} else if ((v = value(a->line, "Transfer-Encoding")) != NULL)
		a->chunked = strncasecmp(v, "chunked", 7) == 0;
	else if ((v = value(a->line, "Connection")) != NULL)
		a->last = strncasecmp(v, "close", 5) == 0;
	else if ((v = value(a->line, "X-Pid")) != NULL)
		a->pid = atoi(v);
}

static void
end_line(struct answer *a)
{
	a->line[a->nline] = '\0';
	if (a->nline > 0 && a->line[a->nline - 1] == '\r')
		a->line[a->nline - 1] = '\0';
	a->nline = 0;
	if (a->part == HEAD)
		head_line(a);
	else if (a->part == CHUNK_SIZE) {
		a->body_left = strtoull(a->line, NULL, 16);
		a->part = a->body_left > 0 ? CHUNK : TRAILER;
	} else if (a->part == CHUNK_END)
		a->part = CHUNK_SIZE;
	else if (a->line[0] == '\0')
		a->part = COMPLETE;
}

static size_t
take_body(struct answer *a, const char *data, size_t len)
{
	size_t n, room = PREFIX_SIZE - a->nprefix;

	if (a->part != BODY_TO_END) {
		if (len > a->body_left)
			len = (size_t)a->body_left;
		a->body_left -= len;
		if (a->body_left == 0)
			a->part = a->part == BODY ? COMPLETE : CHUNK_END;
	}
	n = len < room ? len : room;
	memcpy(a->prefix + a->nprefix, data, n);
	a->nprefix += n;
	return len;
}

static void
take(struct answer *a, const char *data, size_t len)
{
	size_t i = 0;

	a->begun = true;
	while (i < len && a->part != COMPLETE && !a->malformed) {
		if (a->part == BODY || a->part == BODY_TO_END ||
		    a->part == CHUNK) {
			i += take_body(a, data + i, len - i);
			continue;
		}
		if (data[i] == '\n')
			end_line(a);
		else if (a->nline < LINE_SIZE - 1)
			a->line[a->nline++] = data[i];
		i++;
	}
	/* More than one answer to one request. */
	if (i < len)
		a->malformed = true;
}

static enum outcome
judge(const struct load *l, struct answer *a)
{
	a->prefix[a->nprefix] = '\0';
	if (a->pid == 0)
		sscanf(a->prefix, "pid %d", &a->pid);
	if (a->malformed || a->status != 200 ||
	    strncmp(a->prefix, l->expect, strlen(l->expect)) != 0)
		return WRONG;
	return ANSWERED;
}

/* A client's life. */

static void send_more(struct load *, struct client *);

static void
speak(struct load *l, struct client *c)
{
	c->state = SENDING;
	c->sent = 0;
	memset(&c->answer, 0, offsetof(struct answer, line));
	c->answer.nprefix = 0;
	send_more(l, c);
}

static void
connected(struct load *l, struct client *c)
{
	if (l->speak_after_us > 0) {
		c->state = SILENT;
		c->due_us = now_us() + l->speak_after_us;
	} else
		speak(l, c);
}

static void
open_connection(struct load *l, struct client *c)
{
	int on = 1;

	memset(&c->answer, 0, offsetof(struct answer, line));
	c->fd = socket(l->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	if (c->fd == -1) {
		finish(l, c, ERROR);
		return;
	}
	if (l->unix_path == NULL)
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (connect(c->fd, (struct sockaddr *)&l->addr, l->addrlen) == 0) {
		connected(l, c);
		return;
	}
	c->state = CONNECTING;
	c->due_us = 0;
	if (errno == EAGAIN && l->unix_path != NULL) {
		close(c->fd);
		c->fd = -1;
		c->due_us = now_us() + FULL_RETRY_US;
	} else if (errno == ECONNREFUSED || errno == ENOENT)
		finish(l, c, REFUSED);
	else if (errno != EINPROGRESS)
		finish(l, c, ERROR);
}

static void
end_connecting(struct load *l, struct client *c)
{
	socklen_t len = sizeof(int);
	int error = 0;

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error == 0)
		connected(l, c);
	else if (error == ECONNREFUSED)
		finish(l, c, REFUSED);
	else if (error == ECONNRESET)
		finish(l, c, RESET);
	else if (error == ETIMEDOUT)
		finish(l, c, TIMEOUT);
	else
		finish(l, c, ERROR);
}

/* The connection has ended while a request was on its way. */
static void
lost(struct load *l, struct client *c, bool reset)
{
	if (c->answer.begun)
		finish(l, c, CUT);
	else if (c->kept) {
		l->retried++;
		forget_connection(c);
		open_connection(l, c);
	} else
		finish(l, c, reset ? RESET : END);
}

static void
receive_more(struct load *l, struct client *c)
{
	static char buf[BUFFER_SIZE];
	struct answer *a = &c->answer;
	ssize_t n;

	n = recv(c->fd, buf, sizeof buf, 0);
	if (n == -1) {
		if (errno != EAGAIN && errno != EINTR)
			lost(l, c, true);
		return;
	}
	if (n == 0 && a->part == BODY_TO_END)
		a->part = COMPLETE;
	else if (n == 0) {
		lost(l, c, false);
		return;
	} else
		take(a, buf, (size_t)n);
	if (a->part == COMPLETE || a->malformed)
		finish(l, c, judge(l, a));
}

static void
send_more(struct load *l, struct client *c)
{
	ssize_t n;

	while (c->sent < l->nrequest) {
		n = send(c->fd, l->request + c->sent, l->nrequest - c->sent,
		    MSG_NOSIGNAL);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		/* What the server has said before it closed comes first. */
		if (n == -1)
			break;
		c->sent += (size_t)n;
	}
	c->state = RECEIVING;
}

/* Looks whether the server has ended a connection between two requests. */
static void
look(struct load *l, struct client *c)
{
	char byte;

	if (c->fd == -1 || l->blind)
		return;
	if (recv(c->fd, &byte, 1, MSG_PEEK) == -1 &&
	    (errno == EAGAIN || errno == EINTR))
		return;
	l->closed++;
	forget_connection(c);
}

static bool
may_begin(const struct load *l)
{
	if (interrupted)
		return false;
	if (l->max_requests > 0 && l->begun >= l->max_requests)
		return false;
	return l->max_us == 0 || now_us() - l->begin_us < l->max_us;
}

static void
begin(struct load *l, struct client *c)
{
	l->begun++;
	look(l, c);
	c->start_us = now_us();
	if (c->fd != -1)
		speak(l, c);
	else
		open_connection(l, c);
}

/* The loop. */

static void
run_clock(struct load *l, struct client *c)
{
	int64_t now = now_us();

	if (c->state == IDLE) {
		if (now >= c->due_us && may_begin(l))
			begin(l, c);
		return;
	}
	if (c->state == SILENT) {
		if (now >= c->due_us) {
			c->start_us = now;
			speak(l, c);
		}
		return;
	}
	if (now - c->start_us >= l->timeout_us)
		finish(l, c, TIMEOUT);
	else if (c->state == CONNECTING && c->fd == -1 && now >= c->due_us)
		open_connection(l, c);
}

static void
serve(struct load *l, struct client *c)
{
	switch (c->state) {
	case IDLE:
		look(l, c);
		break;
	case CONNECTING:
		end_connecting(l, c);
		break;
	case SILENT:
		/* An end is found when the request is sent. */
		break;
	case SENDING:
		send_more(l, c);
		break;
	case RECEIVING:
		receive_more(l, c);
		break;
	}
}

static int64_t
wake_of(const struct load *l, const struct client *c)
{
	if (c->state == IDLE || c->state == SILENT)
		return c->due_us;
	if (c->state == CONNECTING && c->fd == -1)
		return c->due_us;
	return c->start_us + l->timeout_us;
}

static bool
is_active(const struct client *c, bool beginning)
{
	return c->state != IDLE || beginning;
}

static void
wait_for_events(struct pollfd *pfds, int n, int64_t wake_us)
{
	int64_t left = wake_us - now_us();
	struct timespec ts = { .tv_sec = 0 };
	sigset_t none;

	if (left > 0) {
		ts.tv_sec = left / 1000000;
		ts.tv_nsec = left % 1000000 * 1000;
	}
	sigemptyset(&none);
	if (ppoll(pfds, (nfds_t)n, &ts, &none) == -1) {
		if (errno != EINTR)
			die("poll: %s", strerror(errno));
		for (int i = 0; i < n; i++)
			pfds[i].revents = 0;
	}
}

/* Returns false when nothing is left to do. */
static bool
turn(struct load *l)
{
	static struct pollfd pfds[MAX_CLIENTS];
	static const short wanted[] = {
		[IDLE] = POLLIN, [CONNECTING] = POLLOUT, [SILENT] = 0,
		[SENDING] = POLLOUT | POLLIN, [RECEIVING] = POLLIN
	};
	bool active = false, beginning;
	struct client *c;
	int64_t wake = INT64_MAX;
	int i;

	if (l->max_us > 0 && may_begin(l))
		wake = l->begin_us + l->max_us;
	for (i = 0; i < l->nclients; i++)
		run_clock(l, &l->clients[i]);
	beginning = may_begin(l);
	for (i = 0; i < l->nclients; i++) {
		c = &l->clients[i];
		/* One with an error would be reported again and again. */
		pfds[i].fd = c->state == SILENT ? -1 : c->fd;
		pfds[i].events = wanted[c->state];
		if (!is_active(c, beginning))
			continue;
		active = true;
		if (wake_of(l, c) < wake)
			wake = wake_of(l, c);
	}
	if (!active)
		return false;
	wait_for_events(pfds, l->nclients, wake);
	for (i = 0; i < l->nclients; i++)
		if (pfds[i].revents != 0)
			serve(l, &l->clients[i]);
	return true;
}

/* The report. */

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double
percentile(const struct load *l, size_t percent)
{
	if (l->nlatencies == 0)
		return 0;
	return (double)l->latencies[(l->nlatencies - 1) * percent / 100] /
	    1000;
}

static uint64_t
report(struct load *l)
{
	uint64_t failed = 0, least = 0;
	size_t i;

	for (i = 0; i < NOUTCOMES; i++) {
		printf("%s %llu\n", outcome_names[i],
		    (unsigned long long)l->outcomes[i]);
		if (i != ANSWERED)
			failed += l->outcomes[i];
	}
	printf("failed %llu\n", (unsigned long long)failed);
	printf("retried %llu\n", (unsigned long long)l->retried);
	printf("closed %llu\n", (unsigned long long)l->closed);
	if (l->nlatencies > 0)
		qsort(l->latencies, l->nlatencies, sizeof *l->latencies,
		    compare);
	printf("min_ms %.3f\np50_ms %.3f\np99_ms %.3f\nmax_ms %.3f\n",
	    percentile(l, 0), percentile(l, 50), percentile(l, 99),
	    percentile(l, 100));
	for (i = 0; i < l->npids; i++)
		if (i == 0 || l->pids[i].answers < least)
			least = l->pids[i].answers;
	printf("pids %zu\nleast %llu\n", l->npids, (unsigned long long)least);
	printf("seconds %.3f\n", (double)(now_us() - l->begin_us) / 1000000);
	if (l->verbose)
		for (i = 0; i < l->npids; i++)
			printf("pid %d %llu\n", l->pids[i].pid,
			    (unsigned long long)l->pids[i].answers);
	return failed;
}

/* Setting up. */

static int64_t
number(const char *text, int64_t least, int64_t most)
{
	long long n;
	char *end;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || n < least || n > most)
		die("'%s' is not a number from %lld to %lld", text,
		    (long long)least, (long long)most);
	return n;
}

static int64_t
seconds(const char *text)
{
	double s;
	char *end;

	s = strtod(text, &end);
	if (end == text || *end != '\0' || !(s > 0 && s <= 3600))
		die("'%s' is not a number of seconds up to 3600", text);
	return (int64_t)(s * 1000000);
}

static void
set_unix(struct load *l)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)&l->addr;

	if (strlen(l->unix_path) >= sizeof sun->sun_path)
		die("%s: path too long", l->unix_path);
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, l->unix_path, strlen(l->unix_path) + 1);
	l->addrlen = sizeof *sun;
	l->host = "localhost";
}

static void
set_address(struct load *l, const char *text)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&l->addr;
	struct sockaddr_in *sin = (struct sockaddr_in *)&l->addr;
	char host[64];
	const char *colon;
	uint16_t port;

	l->host = text;
	if ((colon = strrchr(text, ':')) == NULL ||
	    (size_t)(colon - text) >= sizeof host)
		die("'%s' is not HOST:PORT", text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	port = htons((uint16_t)number(colon + 1, 1, 65535));
	if (strcmp(host, "localhost") == 0)
		strcpy(host, "127.0.0.1");
	if (strcmp(host, "[::1]") == 0) {
		sin6->sin6_family = AF_INET6;
		sin6->sin6_addr = in6addr_loopback;
		sin6->sin6_port = port;
		l->addrlen = sizeof *sin6;
	} else if (inet_pton(AF_INET, host, &sin->sin_addr) == 1 &&
	    ntohl(sin->sin_addr.s_addr) >> 24 == 127) {
		sin->sin_family = AF_INET;
		sin->sin_port = port;
		l->addrlen = sizeof *sin;
	} else
		die("%s: only loopback addresses are loaded", text);
}

static void
make_request(struct load *l)
{
	char head[2048];
	int n;

	n = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: %s\r\n"
	    "Connection: %s\r\n", l->post_size > 0 ? "POST" : "GET", l->path,
	    l->host, l->keep ? "keep-alive" : "close");
	if (n >= 0 && l->post_size > 0 && (size_t)n < sizeof head)
		n += snprintf(head + n, sizeof head - (size_t)n,
		    "Content-Length: %zu\r\n", l->post_size);
	if (n < 0 || (size_t)n + 2 >= sizeof head)
		die("%s: path too long", l->path);
	memcpy(head + n, "\r\n", 2);
	l->nrequest = (size_t)n + 2 + l->post_size;
	if ((l->request = malloc(l->nrequest)) == NULL)
		die("malloc: %s", strerror(errno));
	memset(l->request, 'x', l->nrequest);
	memcpy(l->request, head, (size_t)n + 2);
}

static void
parse(struct load *l, int argc, char **argv)
{
	enum { OPT_BLIND = 256, OPT_CSV, OPT_EXPECT, OPT_POST, OPT_SPEAK_AFTER };
	static const struct option options[] = {
		{ "blind", no_argument, NULL, OPT_BLIND },
		{ "csv", required_argument, NULL, OPT_CSV },
		{ "expect", required_argument, NULL, OPT_EXPECT },
		{ "post", required_argument, NULL, OPT_POST },
		{ "speak-after", required_argument, NULL, OPT_SPEAK_AFTER },
		{ NULL, 0, NULL, 0 }
	};
	const int64_t hour_ms = 3600000;
	int c;

	while ((c = getopt_long(argc, argv, "c:n:t:kg:p:T:u:v", options,
	    NULL)) != -1) {
		switch (c) {
		case 'c':
			l->nclients = (int)number(optarg, 1, MAX_CLIENTS);
			break;
		case 'n':
			l->max_requests = number(optarg, 1, INT32_MAX);
			break;
		case 't':
			l->max_us = seconds(optarg);
			break;
		case 'k':
			l->keep = true;
			break;
		case 'g':
			l->gap_us = number(optarg, 0, hour_ms) * 1000;
			break;
		case 'p':
			l->path = optarg;
			break;
		case 'T':
			l->timeout_us = number(optarg, 1, hour_ms) * 1000;
			break;
		case 'u':
			l->unix_path = optarg;
			break;
		case 'v':
			l->verbose = true;
			break;
		case OPT_BLIND:
			l->blind = true;
			break;
		case OPT_CSV:
			l->csv_path = optarg;
			break;
		case OPT_EXPECT:
			if (snprintf(l->expect, sizeof l->expect, "%s",
			    optarg) > PREFIX_SIZE)
				die("--expect: at most %d bytes", PREFIX_SIZE);
			break;
		case OPT_POST:
			l->post_size = (size_t)number(optarg, 1, 1 << 28);
			break;
		case OPT_SPEAK_AFTER:
			l->speak_after_us =
			    number(optarg, 0, hour_ms) * 1000;
			break;
		default:
			usage();
		}
	}
	if (optind + (l->unix_path == NULL) != argc)
		usage();
	if (l->unix_path != NULL)
		set_unix(l);
	else
		set_address(l, argv[optind]);
	if (l->max_requests == 0 && l->max_us == 0)
		l->max_requests = DEFAULT_REQUESTS;
}

static void
prepare(struct load *l)
{
	struct sigaction sa;
	sigset_t stop;
	int i;

	make_request(l);
	for (i = 0; i < l->nclients; i++)
		l->clients[i].fd = -1;
	if (l->csv_path != NULL &&
	    (l->csv = fopen(l->csv_path, "we")) == NULL)
		die("%s: %s", l->csv_path, strerror(errno));

	memset(&sa, 0, sizeof sa);
	sigemptyset(&sa.sa_mask);
	sa.sa_handler = on_signal;
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	/* Taken in ppoll(2) alone, so that none is missed before it. */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	l->begin_us = now_us();
}

int
main(int argc, char **argv)
{
	static struct load l = {
		.nclients = 1,
		.timeout_us = (int64_t)DEFAULT_TIMEOUT_MS * 1000,
		.path = "/",
		.expect = "pid ",
	};
	uint64_t failed;

	parse(&l, argc, argv);
	prepare(&l);
	while (turn(&l))
		;
	failed = report(&l);
	if (fflush(stdout) == EOF || (l.csv != NULL && fclose(l.csv) == EOF))
		die("write: %s", strerror(errno));
	return failed == 0 ? 0 : 1;
}
