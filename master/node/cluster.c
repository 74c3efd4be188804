#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "master/node/cluster.h"
#include "master/socket/claim.h"

enum {
	TYPE_PATH = -1,			/* addressType of a Unix path */
	FLAG_V6ONLY = 1,		/* UV_TCP_IPV6ONLY, UV_UDP_IPV6ONLY */
	FIRST_FREE_PORT = 1024,		/* that needs no right */
	KEY_MAX = 256,			/* bytes */
	REPLY_MAX = 6 * KEY_MAX + 512,	/* bytes, data apart */
	DATA_MAX = 4096,		/* bytes of JSON kept of one server */
};

struct cluster_server {
	char	 key[KEY_MAX];
	struct address address;		/* its port is known */
	char	*data;			/* the first asker's, as JSON */
};

/* A queryServer, as its sender means it. */
struct query {
	long	 seq;
	char	 key[KEY_MAX];
	struct address address;
	bool	 any;			/* no address: IPv6, or else IPv4 */
	struct json_value data;
};

static long
read_number(const struct json_value *object, const char *name, long none)
{
	const struct json_value v = json_find(object, name);
	char text[24], *end;
	long n;

	if (v.len == 0 || v.len >= sizeof(text))
		return none;
	/* dgram passes on a port that is a string. */
	text[json_text(&v, text)] = '\0';
	n = strtol(text, &end, 10);
	return end == text || *end != '\0' ? none : n;
}

/* The text of a member; "" where it is none or too long. */
static void
read_text(const struct json_value *object, const char *name, char *buf,
    size_t size)
{
	const struct json_value v = json_find(object, name);

	buf[0] = '\0';
	if (v.len > 0 && v.len < size && strncmp(v.at, "null", 4) != 0)
		buf[json_text(&v, buf)] = '\0';
}

static void
set_port(struct address *a, unsigned port)
{
	if (a->u.sa.sa_family == AF_INET6)
		a->u.in6.sin6_port = htons((uint16_t)port);
	else if (a->u.sa.sa_family == AF_INET)
		a->u.in.sin_port = htons((uint16_t)port);
}

/* Node has looked names up before: hosts are numeric. */
static int
set_host(struct address *a, const char *host, unsigned port)
{
	if (inet_pton(AF_INET, host, &a->u.in.sin_addr) == 1) {
		a->u.sa.sa_family = AF_INET;
		a->len = sizeof(a->u.in);
	} else if (inet_pton(AF_INET6, host, &a->u.in6.sin6_addr) == 1) {
		a->u.sa.sa_family = AF_INET6;
		a->len = sizeof(a->u.in6);
	} else
		return -1;
	set_port(a, port);
	return 0;
}

/* Ask for all addresses where there is no IPv6. */
static void
use_ipv4(struct address *a)
{
	unsigned port = address_port(a);

	memset(&a->u, 0, sizeof(a->u));
	a->v6only = false;
	set_host(a, "0.0.0.0", port);
}

/* Read a message about a server. Returns 0, or -1 and errno. */
static int
read_query(struct query *q, const struct json_value *message)
{
	char host[KEY_MAX], type[8];
	long port = read_number(message, "port", -1);
	long fd = read_number(message, "fd", -1);

	memset(q, 0, sizeof(*q));
	q->seq = read_number(message, "seq", 0);
	q->data = json_find(message, "data");
	read_text(message, "address", host, sizeof(host));
	read_text(message, "addressType", type, sizeof(type));
	snprintf(q->key, sizeof(q->key), "%.160s:%ld:%s:%ld:%ld", host, port,
	    type, fd, read_number(message, "index", 0));
	errno = EINVAL;
	if (fd >= 0 || port > 65535)
		return -1;
	q->address.type = strncmp(type, "udp", 3) == 0 ? SOCK_DGRAM :
	    SOCK_STREAM;
	q->address.v6only = (read_number(message, "flags", 0) &
	    FLAG_V6ONLY) != 0;
	if (strtol(type, NULL, 10) == TYPE_PATH) {
		q->address.u.sa.sa_family = AF_UNIX;
		return address_set_path(&q->address, host);
	}
	if (port < 0)
		return -1;
	if (host[0] == '\0') {
		q->any = strcmp(type, "udp4") != 0;
		strcpy(host, q->any ? "::" : "0.0.0.0");
	}
	return set_host(&q->address, host, (unsigned)port);
}

static struct cluster_server *
find_server(const struct cluster *c, const char *key)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (strcmp(c->servers[i].key, key) == 0)
			return &c->servers[i];
	return NULL;
}

/* Tell whether another server of the program has the address. */
static bool
is_taken(const struct cluster *c, const struct listeners *ls,
    const struct query *q)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (strcmp(c->servers[i].key, q->key) != 0 &&
		    address_equal(&c->servers[i].address, &q->address) &&
		    listeners_find(ls, &q->address) != NULL)
			return true;
	return false;
}

/* Let the kernel choose the port, which is then the same for all. */
static int
choose_port(struct address *a)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int on = a->v6only, fd, rc = 0;

	memset(&ss, 0, sizeof(ss));
	fd = socket(a->u.sa.sa_family, a->type | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (a->u.sa.sa_family == AF_INET6)
		rc = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on,
		    sizeof(on));
	if (rc == 0)
		rc = bind(fd, &a->u.sa, a->len);
	if (rc == 0)
		rc = getsockname(fd, (struct sockaddr *)&ss, &len);
	close(fd);
	if (rc == 0)
		set_port(a, ntohs(ss.ss_family == AF_INET6 ?
		    ((struct sockaddr_in6 *)&ss)->sin6_port :
		    ((struct sockaddr_in *)&ss)->sin_port));
	return rc;
}

static int
set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags == -1 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static bool
may_bind(const struct cluster_worker *w, const struct address *a)
{
	return a->u.sa.sa_family == AF_UNIX || w->may_bind_low ||
	    address_port(a) >= FIRST_FREE_PORT;
}

static struct listener *
serve_query(struct listeners *ls, struct query *q,
    const struct cluster_worker *w)
{
	struct address *a = &q->address;
	struct identity who;
	struct claim claim = {
		.address = a,
		.seat = w->seat,
		.fd = -1,
	};
	struct listener *l;

	if (a->u.sa.sa_family != AF_UNIX && address_port(a) == 0 &&
	    choose_port(a) == -1)
		return NULL;
	claim.may_bind = may_bind(w, a);
	if (address_path(a) != NULL && identity_of(&who, w->pid) == 0)
		claim.who = &who;
	l = claim_socket(ls, &claim);
	if (l == NULL && q->any && (errno == EAFNOSUPPORT ||
	    errno == EADDRNOTAVAIL)) {
		use_ipv4(a);
		l = claim_socket(ls, &claim);
	}
	/* Node may accept until nothing is left, as its own never block. */
	if (l != NULL && set_nonblocking(listener_queue(l, w->seat)->fd) == -1)
		return NULL;
	return l;
}

static struct cluster_server *
add_server(struct cluster *c, const struct query *q)
{
	struct cluster_server *servers, *s;

	servers = realloc(c->servers, (c->n + 1) * sizeof(*servers));
	if (servers == NULL)
		return NULL;
	c->servers = servers;
	s = &c->servers[c->n++];
	memset(s, 0, sizeof(*s));
	memcpy(s->key, q->key, sizeof(s->key));
	s->address = q->address;
	if (q->data.len > 0 && q->data.len < DATA_MAX)
		s->data = strndup(q->data.at, q->data.len);
	return s;
}

static void
send_reply(const struct cluster_worker *w, const struct query *q, int error,
    const char *data, int fd)
{
	char line[REPLY_MAX + DATA_MAX], key[6 * KEY_MAX + 3];
	const char *type = q->address.type == SOCK_DGRAM ? "dgram.Native" :
	    "net.Native";
	int n = 0;

	text_json(q->key, strlen(q->key), key, sizeof(key));
	if (fd != -1)
		n = snprintf(line, sizeof(line),
		    "{\"cmd\":\"NODE_HANDLE\",\"type\":\"%s\",\"msg\":",
		    type);
	n += snprintf(line + n, sizeof(line) - (size_t)n,
	    "{\"cmd\":\"NODE_CLUSTER\",\"ack\":%ld,\"key\":%s,\"errno\":%d,"
	    "\"data\":%s}%s\n", q->seq, key, -error,
	    data == NULL ? "null" : data, fd == -1 ? "" : "}");
	channel_say(w->channel, line, (size_t)n, fd);
}

static void
answer_query(struct cluster *c, struct listeners *ls,
    const struct cluster_worker *w, const struct json_value *message)
{
	struct cluster_server *s;
	struct listener *l = NULL;
	struct query q;

	if (read_query(&q, message) == -1) {
		send_reply(w, &q, errno, NULL, -1);
		return;
	}
	s = find_server(c, q.key);
	if (s != NULL)
		q.address = s->address;
	if (is_taken(c, ls, &q))
		errno = EADDRINUSE;
	else
		l = serve_query(ls, &q, w);
	if (l != NULL && s == NULL && (s = add_server(c, &q)) == NULL)
		l = NULL;
	if (l == NULL) {
		send_reply(w, &q, errno, NULL, -1);
		return;
	}
	s->address = q.address;
	listener_ask(l, w->seat, w->generation);
	send_reply(w, &q, 0, s->data, listener_queue(l, w->seat)->fd);
}

/* Where listen(2) is not caught, the worker's word is all that tells of it. */
static struct listener *
hear_listening(struct listeners *ls, const struct cluster_worker *w,
    const struct json_value *message)
{
	struct listener *l;
	struct query q;

	if (read_query(&q, message) == -1)
		return NULL;
	l = listeners_find(ls, &q.address);
	if (l == NULL && q.any) {
		use_ipv4(&q.address);
		l = listeners_find(ls, &q.address);
	}
	if (l == NULL || listener_queue(l, w->seat)->fd == -1)
		return NULL;
	if (l->address.type == SOCK_STREAM &&
	    listener_queue(l, w->seat)->place == -1 &&
	    listener_listen(ls, l, w->seat, GROUP_BACKLOG_MIN) == -1)
		return NULL;
	return l;
}

struct listener *
cluster_hear(struct cluster *c, struct listeners *ls,
    const struct cluster_worker *w, const struct json_value *message)
{
	const struct json_value act = json_find(message, "act");
	char ack[80];
	int n;

	if (json_is(&act, "queryServer")) {
		answer_query(c, ls, w, message);
		return NULL;
	}
	n = snprintf(ack, sizeof(ack),
	    "{\"cmd\":\"NODE_CLUSTER\",\"ack\":%ld}\n",
	    read_number(message, "seq", 0));
	channel_say(w->channel, ack, (size_t)n, -1);
	return json_is(&act, "listening") ? hear_listening(ls, w, message) :
	    NULL;
}

void
cluster_free(struct cluster *c)
{
	while (c->n > 0)
		free(c->servers[--c->n].data);
	free(c->servers);
}
