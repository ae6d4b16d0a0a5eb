/*
 * Task locals: values that a task has, and that tasks it starts inherit.
 *
 *     static thrum_local request_id;
 *     thrum_local_set(&request_id, id);     ... in this task and those it starts from now on
 *
 * A child gets the values as they are when it is started; what either sets later is its own.
 */
#ifndef THRUM_LOCAL_H
#define THRUM_LOCAL_H

#include <thrum/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A variable of static storage is the key; its content is the library's. */
typedef struct thrum_local {
    char unused_;
} thrum_local;

/* 0, -ENOMEM, -EPERM outside of tasks. Never switches. */
THRUM_API THRUM_CHECKED int thrum_local_set(const thrum_local *local, void *value);

/* NULL where nothing was set. Never switches. */
THRUM_API void *thrum_local_get(const thrum_local *local);

#ifdef __cplusplus
}
#endif
#endif
