/*
 * A table of sockets' inodes: which queue of which listener has the socket. A
 * worker's call names a socket by that number. Knows no more of listeners than
 * that they have an address in memory.
 */
#ifndef MASTER_SOCKET_INODES_H
#define MASTER_SOCKET_INODES_H

#include <stddef.h>
#include <stdint.h>

struct listener;

struct inodes_entry {
	uint64_t inode;
	struct listener *listener;	/* NULL: the slot is free */
	int	 queue;			/* its index */
};

struct inodes {
	struct inodes_entry *slots;
	size_t	 nslots;		/* 0, or a power of two */
	size_t	 n;			/* that are taken, at most half */
};

/* Begin with none. */
void	 inodes_init(struct inodes *t);

/* Free the table; what is in it stays as it is. */
void	 inodes_free(struct inodes *t);

/* Add an inode, or replace its entry. Returns 0, or -1 and ENOMEM with
 * nothing changed. */
int	 inodes_put(struct inodes *t, uint64_t inode, struct listener *l,
	    int queue);

/* Find an inode. Returns its entry, valid until the table is changed, or
 * NULL. */
const struct inodes_entry *inodes_find(const struct inodes *t, uint64_t inode);

/* Remove an inode, if it is there. */
void	 inodes_remove(struct inodes *t, uint64_t inode);

#endif
