/*
 * The client role: one request to a master, its answers, an exit code. Each
 * command is a function of its arguments (argv[0] is the command) that returns
 * what the program is to exit with. Knows the master by proto.h alone.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

int	 client_reload(int argc, char **argv);
int	 client_broadcast(int argc, char **argv);
int	 client_watch(int argc, char **argv);
int	 client_status(int argc, char **argv);
int	 client_scale(int argc, char **argv);
int	 client_stop(int argc, char **argv);

#endif
