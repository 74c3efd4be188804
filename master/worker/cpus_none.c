#include <unistd.h>

#include "master/worker/cpus.h"

int
cpus_usable(void)
{
	long n;

	n = sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : (int)n;
}
