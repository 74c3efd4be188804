/*
 * The porter's role: it hands on requests of connections whose worker ends
 * (doc/house.md, the way of a kept connection). Knows no master: what it needs
 * comes with each order, see base/porting.h.
 */
#ifndef PORTER_PORTER_H
#define PORTER_PORTER_H

/* Serve the master at the other end of descriptor PORTING_FD until it hangs up,
 * and then what is still carried. Returns the code to exit with. */
int	 porter_main(int argc, char **argv);

#endif
