/*
 * A descriptor that is readable where one of several is: what a program gets that waits
 * with select() or poll() before it calls ei. Where the system has none such, it never
 * is.
 */
#ifndef TACIT_EI_READY_H
#define TACIT_EI_READY_H

/* -1 with errno. */
int cnode_ready_new(void);
/* Adds a descriptor, until it is closed or taken away. 0, or -1 with errno. */
int cnode_ready_add(int ready, int fd);
void cnode_ready_remove(int ready, int fd);

#endif
