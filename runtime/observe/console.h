/*
 * The console: a unix socket through which others look into the program while it runs. THRUM_CONSOLE=PATH opens it;
 * `thrum-top PATH` reads it, and so does whoever can write a line into a socket.
 *
 *   request   one line: stats, tasks, workers, dump, dump json, trace, help
 *   answer    "ok LENGTH\n" and so many bytes, or "error LENGTH\n" and a line that says why
 *
 * As many requests as one likes may follow each other on a connection.
 *
 * It has a thread of its own, which runs no tasks and is none of the workers': it answers while all of them are stuck.
 * That thread holds all signals back, so that the program's handlers run where they did without it. It is known as one
 * that wakes nobody (th_rest_onlookers), or no deadlock would be certain beside it.
 *
 * An answer is written into memory first and sent then: who reads slowly, or not at all, keeps neither the runtime from
 * ending (sched/registry.h) nor a dump that somebody else wants. Whoever takes nothing for two seconds is hung up on.
 *
 * Who may ask: the user that runs the program, and root. The file has mode 0600 from its first moment, for the socket
 * has it before it is bound; and who connects is asked for all the same, for the directory may be on a file system
 * that minds no modes.
 *
 * A socket that a dead program has left is replaced; where somebody listens, or where the path is no socket, it is left
 * alone, a line on stderr says so, and the program runs on without a console. Two programs that find the same dead
 * socket in the same moment may both replace it; the second has it then. The file goes when the last runtime ends.
 *
 * A run with a seed has none: its clock is not to be looked at by others.
 *
 * Rejected: a task (it would wait for a worker); the monitor (a dump of a million tasks takes seconds, in which nobody
 * would be replaced); a signal and a file (no answer, and no rights).
 *
 * Tested by tests/observe/test_console.c.
 */
#ifndef TH_OBSERVE_CONSOLE_H
#define TH_OBSERVE_CONSOLE_H

/* The first runtime is about to begin, and the last one has gone. One thread at a time. */
void th_console_open(void);
void th_console_close(void);

#endif
