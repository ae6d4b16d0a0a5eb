/*
 * A stack overflow is explained: which fiber, how large its stack, where it was.
 *
 * A touch of a guard is SIGSEGV; the handler runs on the thread's alternate signal stack, finds the fiber from
 * the faulting address (or, where the kernel found no room for a signal's frame, from the stack pointer), reports,
 * and lets the program die of the original signal, so that a core file shows the place. Any other SIGSEGV or
 * SIGBUS goes to whoever handled it before; where nobody did it is told whose it was, and the program dies.
 *
 * A frame larger than the guard could step over it: code that runs in fibers is compiled with
 * -fstack-clash-protection (pkg-config says so), which touches each page on the way.
 */
#ifndef TH_FIBER_OVERFLOW_H
#define TH_FIBER_OVERFLOW_H

struct th_thread;

/* Gives the calling thread its alternate signal stack, the process its handler. 0 or -errno. */
int th_overflow_arm(struct th_thread *thread);
void th_overflow_disarm(struct th_thread *thread);

#endif
