/*
 * Telling the kernel which sockets of an SO_REUSEPORT group new connections go
 * to. Linux: a classic BPF program (SO_ATTACH_REUSEPORT_CBPF, Linux 4.6). A
 * stand-in elsewhere.
 */
#ifndef MASTER_SOCKET_STEER_H
#define MASTER_SOCKET_STEER_H

#include <stdbool.h>

/* Tell whether groups can be steered here. */
bool	 steer_available(void);

/*
 * Attach to the group that fd belongs to a program that picks at random, each
 * alike, among the sockets whose places in the group (the order in which they
 * began to listen, for datagrams in which they were bound) are in place[0..n),
 * ascending, n > 0. Returns 0 or -1 and errno.
 */
int	 steer_attach(int fd, const int *place, int n);

/* Connections that a listening TCP socket has not accepted yet; 1 if datagrams
 * wait in one of that kind; 0 where that can't be told. */
unsigned steer_depth(int fd);

#endif
