/* The master role. */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

/* `crr run`: what the program is to exit with. argv[0] is "run". */
int	 master_main(int argc, char **argv);

#endif
