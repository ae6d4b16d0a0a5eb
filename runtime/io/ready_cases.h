/*
 * A file descriptor in a select: what the cases THRUM_READABLE, THRUM_WRITABLE and THRUM_SIGNAL have in common
 * (task/cases.h). The case hangs in its descriptor's list as a call would, and holds the number until it is taken back.
 */
#ifndef TH_IO_READY_CASES_H
#define TH_IO_READY_CASES_H

#include "io/descriptor.h"
#include "task/cases.h"

/* A look. */
bool th_fd_is_ready(int fd, enum th_direction direction);

/* To be read, or for THRUM_WRITABLE written. TH_CASE_TAKEN: ready, and the result is 0, or an error. */
enum th_enlisted th_fd_enlist(thrum_case *which, int fd, struct th_waiter *waiter, uint32_t reason);
void th_fd_delist(thrum_case *which, int fd);

#endif
