/*
 * Lines on stdout, each flushed when the call returns, however long stdout
 * blocks. What can't be written ends the program with 1, and with a line on
 * stderr that says why, unless the reader has simply gone (EPIPE).
 */
#ifndef BASE_OUT_H
#define BASE_OUT_H

/* Write text as it is, and a newline. */
void	 out_line(const char *text);

/* Write what stdio still holds of stdout. */
void	 out_flush(void);

#endif
