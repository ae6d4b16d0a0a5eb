/* Where THRUM_TRACE says that traces go. */
#ifndef TH_OBSERVE_TRACE_FILE_H
#define TH_OBSERVE_TRACE_FILE_H

#include <thrum/trace.h>

/* When the first runtime opens: reads the variable. */
void th_trace_open(void);
/* Writes the file anew, if there is to be one; also in a signal handler. */
void th_trace_to_file(void);

#endif
