/*
 * Ends a connection of TCP by a reset, whoever else has its socket: whatever
 * was to come, its client knows that it did not. The caller keeps fd.
 */
#ifndef BASE_RESET_H
#define BASE_RESET_H

void	 reset_connection(int fd);

#endif
