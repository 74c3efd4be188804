/*
 * Addresses that workers serve: from text, to text, compared. Makes no socket.
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
	bool	 v6only;		/* IPv6 alone; false for others */
	dev_t	 dir_dev;		/* of a Unix path's directory, where it */
	ino_t	 dir_ino;		/* has been looked up; else 0 */
	socklen_t len;
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
 * IPV4:PORT, [IPV6]:PORT, localhost:PORT (127.0.0.1), unix:PATH. Returns NULL,
 * or what is wrong with the text, a constant.
 */
const char *address_parse(struct address *a, const char *text);

/*
 * Fill *a from a socket that was opened by somebody else. Returns NULL, or
 * what it is that can't be shared, a constant.
 */
const char *address_of_fd(struct address *a, int fd);

/* Make the address that of a Unix path, its type kept. Returns 0, or -1 and
 * ENAMETOOLONG. */
int	 address_set_path(struct address *a, const char *path);

/* Write the address as -l takes it ("[::]:8080", "unix:@abstract"). */
void	 address_format(const struct address *a, char *buf, size_t size);

/* Tell whether two are the same: kind, family, address, port, V6ONLY. Unix
 * paths whose directories have been looked up are compared by those. */
bool	 address_equal(const struct address *a, const struct address *b);

/* The path of a Unix socket that has one, else NULL. */
const char *address_path(const struct address *a);

/* The port in host order, or 0 where there is none. */
unsigned address_port(const struct address *a);

#endif
