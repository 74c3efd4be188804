/*
 * The client role: one request to a master, its answers, an exit code. Knows
 * the master only by its protocol.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

/*
 * Run a command with its arguments, argv[0] being the command. Each blocks
 * until the master has answered, and returns EXIT_DONE; any other outcome ends
 * the program with a code of client/exit.h and a line on stderr.
 */
int	 client_reload(int argc, char **argv);
int	 client_broadcast(int argc, char **argv);
int	 client_watch(int argc, char **argv);
int	 client_status(int argc, char **argv);
int	 client_scale(int argc, char **argv);
int	 client_stop(int argc, char **argv);

#endif
