/*
 * Lines on stdout for those who wait for them: each is out when the call
 * returns. What can't be written ends the program with 1, and with a line on
 * stderr that says why, unless the reader has simply gone (EPIPE).
 */
#ifndef BASE_OUT_H
#define BASE_OUT_H

/* Write text as it is and a newline behind it. */
void	 out_line(const char *text);

/* Write what stdio still holds. */
void	 out_flush(void);

#endif
