/* Calls that are put off (thrum_call_later): what the end of a runtime must know of them. */
#ifndef TH_TASK_CALL_H
#define TH_TASK_CALL_H

struct th_task;
struct th_worker;

/* The timer of this call will never fire: gives its record and its memory back. */
void th_call_forget(struct th_task *task, struct th_worker *worker);

#endif
