#include "base/log.h"
#include "porter/porter.h"

int
porter_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	fatalx(1, "porter: not on this system");
}
