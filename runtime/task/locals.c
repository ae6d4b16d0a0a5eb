#include "task/locals.h"

#include <thrum/local.h>

#include "base/sys.h"
#include "sched/park.h"

#include <errno.h>
#include <string.h>

/* A handful of entries, looked through in order; constant as soon as it is shared. */
struct th_locals {
    th_atomic32 references;
    uint32_t count;
    struct {
        const thrum_local *key;
        void *value;
    } entries[];
};

struct th_locals *th_locals_share(struct th_locals *locals)
{
    (void)th_atomic32_add_relaxed(&locals->references, 1);
    return locals;
}

void th_locals_drop(struct th_locals *locals)
{
    if (th_atomic32_sub_acqrel(&locals->references, 1) == 1) /* [K1] */
        th_sys_free(locals);
}

static void **find(struct th_locals *locals, const thrum_local *key)
{
    for (uint32_t i = 0; locals != NULL && i < locals->count; i++) {
        if (locals->entries[i].key == key)
            return &locals->entries[i].value;
    }
    return NULL;
}

/* A table of one's own with room for one more. */
static struct th_locals *copy(struct th_locals *from, uint32_t room)
{
    uint32_t count = from != NULL ? from->count : 0;
    struct th_locals *made = th_sys_alloc(sizeof *made + (count + room) * sizeof made->entries[0]);
    if (made == NULL)
        return NULL;
    th_atomic32_store_relaxed(&made->references, 1);
    made->count = count + room;
    memset(made->entries, 0, made->count * sizeof made->entries[0]);
    if (count > 0)
        memcpy(made->entries, from->entries, count * sizeof made->entries[0]);
    return made;
}

int thrum_local_set(const thrum_local *local, void *value)
{
    struct th_task *self = th_task_self();
    if (self == NULL)
        return -EPERM;
    struct th_locals *locals = self->locals;
    void **place = find(locals, local);
    bool is_shared = locals == NULL || th_atomic32_load_acquire(&locals->references) > 1; /* [K1] */
    if (place == NULL || is_shared) {
        struct th_locals *own = copy(locals, place == NULL);
        if (own == NULL)
            return -ENOMEM;
        if (place == NULL)
            own->entries[own->count - 1].key = local;
        place = find(own, local);
        if (locals != NULL)
            th_locals_drop(locals);
        self->locals = own;
    }
    *place = value;
    return 0;
}

void *thrum_local_get(const thrum_local *local)
{
    struct th_task *self = th_task_self();
    void **place = self != NULL ? find(self->locals, local) : NULL;
    return place != NULL ? *place : NULL;
}
