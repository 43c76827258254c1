/* What went wrong, for tacit_ei_error() and for ei's erl_errno. */
#ifndef TACIT_EI_FAULT_H
#define TACIT_EI_FAULT_H

enum {
    FAULT_TEXT = 1024,
};

/* Sets this thread's text. Returns error. */
__attribute__((format(printf, 2, 3))) int cnode_fault(int error, const char *format, ...);

/* The connection has done what ei asked of it: what fails now is ei's own. */
void cnode_well(void);

/* This thread's text. */
const char *cnode_fault_text(void);

/* The system's number for an error of TACIT's. */
int cnode_errno(int error);

#endif
