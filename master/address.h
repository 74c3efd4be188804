/*
 * Addresses that workers serve: from text, to text, compared. Makes no socket.
 */
#ifndef MASTER_ADDRESS_H
#define MASTER_ADDRESS_H

#include <sys/socket.h>
#include <sys/un.h>

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

struct address {
	int	 type;			/* SOCK_STREAM or SOCK_DGRAM */
	bool	 v6only;		/* IPv6 alone; false for others */
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

/* Write the address as -l takes it ("[::]:8080", "unix:@abstract"). */
void	 address_format(const struct address *a, char *buf, size_t size);

/* Tell whether two are the same: kind, family, address, port, V6ONLY. */
bool	 address_equal(const struct address *a, const struct address *b);

/* The port in host order, or 0 where there is none. */
unsigned address_port(const struct address *a);

#endif
