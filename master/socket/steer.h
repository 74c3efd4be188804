/*
 * How the kernel is told which sockets of an SO_REUSEPORT group new connections
 * go to, and how it tells what waits in them. Linux: a classic BPF program
 * (SO_ATTACH_REUSEPORT_CBPF, Linux 4.6). Elsewhere a stand-in can do neither.
 */
#ifndef MASTER_SOCKET_STEER_H
#define MASTER_SOCKET_STEER_H

#include <stdbool.h>

/* Tell whether groups can be steered here. */
bool	 steer_available(void);

/*
 * Attach a program to the group of fd that picks one of the sockets at random,
 * each as often as the others, whose places are in place[0..n), ascending,
 * n > 0. Sockets have places in the order in which they began to listen, those
 * of datagrams in which they were bound; the last moves to the place of one
 * that leaves. Returns 0, or -1 and errno; E2BIG: the places are more than 1364
 * runs of neighbours; ENOSYS: the stand-in.
 */
int	 steer_attach(int fd, const int *place, int n);

/*
 * Refuse new connections to the group of fd at once, by a reset: what has been
 * accepted, waits to be, or is half open goes on. Takes a right (CAP_BPF).
 * Returns 0, or -1 and errno.
 */
int	 steer_refuse(int fd);

/*
 * Drop what would begin a connection to a listening socket, as if it had been
 * lost: its client sends it again. Sockets accepted from it have the filter,
 * too, which lets everything else pass. Returns 0, or -1 and errno.
 */
int	 steer_drop(int fd);

/* Count the connections that wait in a listening TCP socket to be accepted.
 * Returns 1 if datagrams wait in a socket of those, 0 where that can't be
 * told. */
unsigned steer_depth(int fd);

#endif
