/*
 * What looks on from above: declared here, where runtimes begin and end, and defined in observe/, which reads all the
 * layers. The one call upwards.
 */
#ifndef TH_TASK_OBSERVER_H
#define TH_TASK_OBSERVER_H

/* A runtime is about to be opened; and is gone. From any thread. */
void th_observer_open(void);
void th_observer_close(void);

#endif
