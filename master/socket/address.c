#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/socket/address.h"

static bool
is_any(const struct address *a)
{
	return IN6_IS_ADDR_UNSPECIFIED(&a->u.in6.sin6_addr);
}

static bool
parse_port(const char *text, in_port_t *port)
{
	unsigned long n;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	n = strtoul(text, &end, 10);
	if (*end != '\0' || n < 1 || n > 65535)
		return false;
	*port = htons((uint16_t)n);
	return true;
}

int
address_set_path(struct address *a, const char *path)
{
	struct sockaddr_un *un = &a->u.un;
	size_t len = strlen(path);

	if (len >= sizeof(un->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, len + 1);
	a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	return 0;
}

static const char *
parse_unix(struct address *a, const char *path)
{
	if (path[0] == '\0' || strcmp(path, "@") == 0)
		return "no path behind unix:";
	if (path[strlen(path) - 1] == '/')
		return "no name at the end of the path";
	if (address_set_path(a, path) == -1)
		return "path too long for a Unix socket";
	if (*path == '@') {
		a->u.un.sun_path[0] = '\0';
		a->len--;
	}
	return NULL;
}

/* Host is [IPV6] or [IPV6%INTERFACE], len bytes of it. */
static const char *
parse_in6(struct address *a, const char *host, size_t len)
{
	struct sockaddr_in6 *in6 = &a->u.in6;
	char buf[INET6_ADDRSTRLEN + IF_NAMESIZE + 1], *zone;

	if (len < 2 || host[len - 1] != ']' || len - 2 >= sizeof(buf))
		return "no IPv6 address within []";
	memcpy(buf, host + 1, len - 2);
	buf[len - 2] = '\0';
	if ((zone = strchr(buf, '%')) != NULL) {
		*zone++ = '\0';
		in6->sin6_scope_id = if_nametoindex(zone);
		if (in6->sin6_scope_id == 0)
			return "no such network interface";
	}
	if (inet_pton(AF_INET6, buf, &in6->sin6_addr) != 1)
		return "no IPv6 address within []";
	in6->sin6_family = AF_INET6;
	a->len = sizeof(*in6);
	return NULL;
}

static const char *
parse_in(struct address *a, const char *host, size_t len)
{
	struct sockaddr_in *in = &a->u.in;
	char buf[INET_ADDRSTRLEN] = "127.0.0.1";

	if (len != strlen("localhost") || memcmp(host, "localhost", len) != 0) {
		if (len >= sizeof(buf))
			return "not an IPv4 address, [IPv6] address or "
			    "localhost before the port";
		memcpy(buf, host, len);
		buf[len] = '\0';
	}
	if (inet_pton(AF_INET, buf, &in->sin_addr) != 1)
		return "not an IPv4 address, [IPv6] address or "
		    "localhost before the port";
	in->sin_family = AF_INET;
	a->len = sizeof(*in);
	return NULL;
}

const char *
address_parse(struct address *a, const char *text)
{
	const char *colon, *error;
	in_port_t port;
	size_t len;

	memset(a, 0, sizeof(*a));
	a->type = SOCK_STREAM;
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(a, text + 5);

	colon = strrchr(text, ':');
	if (!parse_port(colon == NULL ? text : colon + 1, &port))
		return "no port from 1 to 65535 at its end";
	len = colon == NULL ? 0 : (size_t)(colon - text);
	if (colon == NULL || (len == 1 && *text == '*'))
		error = parse_in6(a, "[::]", 4);
	else if (*text == '[')
		error = parse_in6(a, text, len);
	else
		error = parse_in(a, text, len);
	if (error != NULL)
		return error;
	/* At the same place in sockaddr_in and sockaddr_in6, everywhere. */
	a->u.in.sin_port = port;
	return NULL;
}

static int
get_option(int fd, int level, int name)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(fd, level, name, &value, &len) == -1 ? -1 : value;
}

const char *
address_of_fd(struct address *a, int fd)
{
	socklen_t len = sizeof(a->u);

	memset(a, 0, sizeof(*a));
	if (getsockname(fd, &a->u.sa, &len) == -1)
		return errno == EBADF ? "not open" : "not a socket";
	a->len = len;
	a->type = get_option(fd, SOL_SOCKET, SO_TYPE);
	if (a->type != SOCK_STREAM && a->type != SOCK_DGRAM)
		return "a socket neither of streams nor of datagrams";
	switch (a->u.sa.sa_family) {
	case AF_INET6:
		a->v6only = get_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 1;
		return NULL;
	case AF_INET:
	case AF_UNIX:
		return NULL;
	default:
		return "a socket of an unknown family";
	}
}

static void
format_in6(const struct address *a, char *buf, size_t size)
{
	char host[INET6_ADDRSTRLEN], name[IF_NAMESIZE] = "";
	bool zone = a->u.in6.sin6_scope_id != 0 &&
	    if_indextoname(a->u.in6.sin6_scope_id, name) != NULL;

	inet_ntop(AF_INET6, &a->u.in6.sin6_addr, host, sizeof(host));
	snprintf(buf, size, "[%s%s%s]:%u", host, zone ? "%" : "",
	    zone ? name : "", address_port(a));
}

void
address_format(const struct address *a, char *buf, size_t size)
{
	char host[INET_ADDRSTRLEN];
	const char *path = a->u.un.sun_path;
	int len;

	switch (a->u.sa.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &a->u.in.sin_addr, host, sizeof(host));
		snprintf(buf, size, "%s:%u", host, address_port(a));
		break;
	case AF_INET6:
		format_in6(a, buf, size);
		break;
	case AF_UNIX:
		len = (int)(a->len - offsetof(struct sockaddr_un, sun_path));
		if (len > 0 && *path == '\0')
			snprintf(buf, size, "unix:@%.*s", len - 1, path + 1);
		else
			snprintf(buf, size, "unix:%.*s", len, path);
		break;
	default:
		snprintf(buf, size, "family %d", a->u.sa.sa_family);
	}
}

static bool
is_equal_in6(const struct address *a, const struct address *b)
{
	return a->u.in6.sin6_port == b->u.in6.sin6_port &&
	    a->u.in6.sin6_scope_id == b->u.in6.sin6_scope_id &&
	    IN6_ARE_ADDR_EQUAL(&a->u.in6.sin6_addr, &b->u.in6.sin6_addr) &&
	    (a->v6only == b->v6only || !is_any(a));
}

static const char *
find_last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static bool
is_equal_unix(const struct address *a, const struct address *b)
{
	const char *one = address_path(a), *other = address_path(b);

	if (one == NULL || other == NULL || a->dir_ino == 0 || b->dir_ino == 0)
		return a->len == b->len && memcmp(&a->u, &b->u, a->len) == 0;
	return a->dir_dev == b->dir_dev && a->dir_ino == b->dir_ino &&
	    strcmp(find_last_part(one), find_last_part(other)) == 0;
}

bool
address_equal(const struct address *a, const struct address *b)
{
	if (a->type != b->type || a->u.sa.sa_family != b->u.sa.sa_family)
		return false;
	switch (a->u.sa.sa_family) {
	case AF_INET:
		return a->u.in.sin_port == b->u.in.sin_port &&
		    a->u.in.sin_addr.s_addr == b->u.in.sin_addr.s_addr;
	case AF_INET6:
		return is_equal_in6(a, b);
	default:
		return is_equal_unix(a, b);
	}
}

const char *
address_path(const struct address *a)
{
	if (a->u.sa.sa_family != AF_UNIX ||
	    a->len <= offsetof(struct sockaddr_un, sun_path) ||
	    a->u.un.sun_path[0] == '\0')
		return NULL;
	return a->u.un.sun_path;
}

unsigned
address_port(const struct address *a)
{
	switch (a->u.sa.sa_family) {
	case AF_INET:
		return ntohs(a->u.in.sin_port);
	case AF_INET6:
		return ntohs(a->u.in6.sin6_port);
	default:
		return 0;
	}
}
