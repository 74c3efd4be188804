/*
 * Addresses that workers serve: read from text, written as text, compared.
 * Knows no listeners, and neither makes nor binds sockets.
 */
#ifndef MASTER_SOCKET_ADDRESS_H
#define MASTER_SOCKET_ADDRESS_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

struct address {
	int	 type;			/* SOCK_STREAM or SOCK_DGRAM */
	bool	 v6only;		/* IPv6 alone; false if not IPv6 */
	dev_t	 dir_dev;		/* of a Unix path's directory, if it */
	ino_t	 dir_ino;		/* has been looked up; else 0 */
	socklen_t len;			/* of u, as for bind(2) */
	union {
		struct sockaddr	sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
		struct sockaddr_storage storage;
	} u;
};

enum { ADDRESS_TEXT_MAX = 160 };	/* bytes, NUL included */

/*
 * Read what -l takes: PORT or *:PORT (all addresses, IPv6 and IPv4),
 * IPV4:PORT, [IPV6]:PORT, localhost:PORT (127.0.0.1), unix:PATH. It is an
 * address of streams. Returns NULL, or what is wrong with the text, a constant.
 */
const char *address_parse(struct address *a, const char *text);

/*
 * Read the address of a socket that somebody else has opened. Returns NULL, or
 * what makes the descriptor none that can be shared, a constant.
 */
const char *address_of_fd(struct address *a, int fd);

/* Make the address that of a Unix path; its type stays. Returns 0, or -1 and
 * ENAMETOOLONG with nothing changed. */
int	 address_set_path(struct address *a, const char *path);

/* Write the address as -l takes it ("[::]:8080", "unix:@abstract"), cut to
 * size; ADDRESS_TEXT_MAX is enough. */
void	 address_format(const struct address *a, char *buf, size_t size);

/*
 * Tell whether two addresses are the same: type, family, address and port, and
 * V6ONLY where it matters, which is for all addresses of IPv6 ("[::]"). Unix
 * paths whose directories have been looked up are compared by directory and
 * last part, others as text.
 */
bool	 address_equal(const struct address *a, const struct address *b);

/* Return the path of a Unix socket, part of *a; NULL if it has none. */
const char *address_path(const struct address *a);

/* Return the port in host order; 0 if there is none. */
unsigned address_port(const struct address *a);

#endif
