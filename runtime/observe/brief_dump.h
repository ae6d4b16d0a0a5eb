/* A dump for reports: on stderr, a few tasks of each of a few stacks. */
#ifndef TH_OBSERVE_BRIEF_DUMP_H
#define TH_OBSERVE_BRIEF_DUMP_H

#include <thrum/dump.h>

void th_dump_briefly(void);

#endif
