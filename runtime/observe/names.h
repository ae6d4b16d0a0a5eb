/* Names of tasks, their states and places, for who looks on: copied without a fault, and each place looked up once. */
#ifndef TH_OBSERVE_NAMES_H
#define TH_OBSERVE_NAMES_H

#include "observe/symbols.h"

struct th_task;

extern const char *const th_state_names[];  /* enum th_task_state */
extern const char *const th_permit_names[]; /* TH_PERMIT_x */

enum { TH_NAMES_KEPT = 512, TH_TASK_NAME_BYTES = 64 };

/* Its user's memory, zero at first: 70 KiB, for mapped memory. */
struct th_names {
    struct {
        uintptr_t place;
        struct th_symbol symbol;
    } kept[TH_NAMES_KEPT];
    char task_name[TH_TASK_NAME_BYTES];
};

const struct th_symbol *th_names_place(struct th_names *names, uintptr_t place);

/* Of a task: the name that it was given, else its function's, else "". Stays until the next call. */
const char *th_names_of(struct th_names *names, const char *given, int (*fn)(void *));
/* The same of a copied task. */
const char *th_names_task(struct th_names *names, const struct th_task *copy);

#endif
