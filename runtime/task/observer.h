/*
 * What looks on from above: declared here, where runtimes begin and end, and defined in observe/, which reads all the
 * layers. The one call upwards.
 */
#ifndef TH_TASK_OBSERVER_H
#define TH_TASK_OBSERVER_H

struct thrum_runtime;

/* A runtime is about to be opened; and is gone. From any thread. */
void th_observer_open(void);
/* Its workers have gone; what they did can still be read. */
void th_observer_end(struct thrum_runtime *runtime);
void th_observer_close(void);

#endif
