/*
 * The kernel's list of TCP sockets, sock_diag(7), which needs no right to look
 * into anybody's process. Linux; the stand-in elsewhere fails with ENOSYS.
 */
#ifndef MASTER_SOCKET_DIAG_H
#define MASTER_SOCKET_DIAG_H

#include <stdint.h>

/* As in the kernel's net/tcp_states.h. */
enum diag_state {
	DIAG_ESTABLISHED = 1,
	DIAG_SYN_RECV = 3,
	DIAG_CLOSE = 7,
	DIAG_CLOSE_WAIT = 8,
	DIAG_LISTEN = 10,
	DIAG_NSTATES = 12,
};

/* What matters here of TCP_INFO, tcp(7). What an older kernel does not fill is
 * 0. */
struct diag_tcp {
	unsigned state;			/* enum diag_state */
	unsigned sent_ms, received_ms;	/* since the last data */
	unsigned acked_ms;		/* since the last acknowledgement */
	uint64_t sent, received;	/* bytes, from the beginning */
	unsigned unsent;		/* bytes not given to the network yet */
	unsigned rtt_us;		/* round-trip time, smoothed */
};

struct diag_socket {
	struct diag_tcp tcp;
	unsigned local_port, remote_port;
	unsigned char remote[16];	/* address; IPv4 is in the first four */
	uint64_t inode;			/* 0: no file, as before accept(2) */
	unsigned unread;		/* bytes, SIOCINQ's */
	unsigned unacked;		/* bytes, SIOCOUTQ's */
};

/* Read TCP_INFO of a socket. Returns 0, or -1 and errno. */
int	 diag_read(int fd, struct diag_tcp *tcp);

/* Is called for a socket; s is valid until it returns. */
typedef void diag_visitor(void *arg, const struct diag_socket *s);

/*
 * Visit the TCP sockets of this network namespace that are in one of the
 * states, each a bit like 1 << DIAG_SYN_RECV. Does not wait, but the kernel
 * walks through all of its sockets. Returns 0, or -1 and errno, some sockets
 * having been visited then.
 */
int	 diag_visit(unsigned states, diag_visitor *visit, void *arg);

#endif
