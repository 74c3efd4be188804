#include <errno.h>

#include "master/socket/diag.h"

int
diag_read(int fd, struct diag_tcp *tcp)
{
	(void)fd;
	(void)tcp;
	errno = ENOSYS;
	return -1;
}

int
diag_visit(unsigned states, diag_visitor *visit, void *arg)
{
	(void)states;
	(void)visit;
	(void)arg;
	errno = ENOSYS;
	return -1;
}
