#include "sync/lock_order.h"

#include "base/lock.h"
#include "base/panic.h"
#include "sync/holder.h"
#include "task/report.h"

#include <stdio.h>
#include <string.h>

enum { HELD_MOST = 1024, ORDERS_MOST = 4096, PATH_MOST = 16, TEXT_BYTES = TH_SYMBOL_BYTES + 32 };

struct held {
    const void *who, *lock;
};

/* `second` was locked while `first` was held, for the first time by `whose`. */
struct order {
    const void *first, *second;
    bool is_visited;
    char whose[TEXT_BYTES];
};

static struct {
    struct th_lock lock;
    uint32_t held_count, order_count;
    bool is_full;
    struct held held[HELD_MOST];
    struct order orders[ORDERS_MOST];
} table;

static void describe(char text[TEXT_BYTES])
{
    char name[TH_SYMBOL_BYTES];
    const struct th_task *self = th_task_self();
    if (self != NULL) {
        th_report_name(self, name);
        (void)snprintf(text, TEXT_BYTES, "task %lu (%s)", (unsigned long)self->id, name);
    } else {
        (void)snprintf(text, TEXT_BYTES, "thread %d", th_sys_thread_id());
    }
}

static void say_it_is_full(void)
{
    if (!table.is_full)
        th_report("THRUM_DEBUG=lockorder: too many locks or orders, later ones are not remembered");
    table.is_full = true;
}

static bool is_known(const void *first, const void *second)
{
    for (uint32_t i = 0; i < table.order_count; i++) {
        if (table.orders[i].first == first && table.orders[i].second == second)
            return true;
    }
    return false;
}

static void remember(const void *first, const void *second, const char *whose)
{
    if (table.order_count == ORDERS_MOST) {
        say_it_is_full();
        return;
    }
    struct order *order = &table.orders[table.order_count++];
    *order = (struct order){.first = first, .second = second};
    (void)snprintf(order->whose, sizeof order->whose, "%s", whose);
}

/* Finds orders that lead from one lock to another; how many, 0 if there are none. Each order is tried once. */
static uint32_t find_path(const void *from, const void *to, const struct order *path[], uint32_t depth)
{
    for (uint32_t i = 0; i < table.order_count && depth < PATH_MOST; i++) {
        struct order *order = &table.orders[i];
        if (order->first != from || order->is_visited)
            continue;
        order->is_visited = true;
        path[depth] = order;
        if (order->second == to)
            return depth + 1;
        uint32_t length = find_path(order->second, to, path, depth + 1);
        if (length > 0)
            return length;
    }
    return 0;
}

/* The caller, who has `held`, wants `lock`: was it ever the other way round? */
static void compare(const void *held, const void *lock, const char *whose)
{
    const struct order *path[PATH_MOST];
    for (uint32_t i = 0; i < table.order_count; i++)
        table.orders[i].is_visited = false;
    uint32_t length = find_path(lock, held, path, 0);
    if (length == 0)
        return;
    th_report("lock order: %s locks %p while it has %p", whose, lock, held);
    for (uint32_t i = 0; i < length; i++)
        th_report("  %s locked %p while it had %p", path[i]->whose, path[i]->second, path[i]->first);
}

void th_order_wants(const void *lock)
{
    const void *self = th_holder_self().who;
    char whose[TEXT_BYTES];
    describe(whose);
    th_lock_take(&table.lock);
    for (uint32_t i = 0; i < table.held_count; i++) {
        const void *held = table.held[i].lock;
        if (table.held[i].who != self || held == lock || is_known(held, lock))
            continue;
        compare(held, lock, whose);
        remember(held, lock, whose);
    }
    th_lock_leave(&table.lock);
}

void th_order_has(const void *lock)
{
    const void *self = th_holder_self().who;
    th_lock_take(&table.lock);
    if (table.held_count < HELD_MOST)
        table.held[table.held_count++] = (struct held){self, lock};
    else
        say_it_is_full();
    th_lock_leave(&table.lock);
}

void th_order_left(const void *lock)
{
    const void *self = th_holder_self().who;
    th_lock_take(&table.lock);
    for (uint32_t i = table.held_count; i > 0; i--) {
        if (table.held[i - 1].who == self && table.held[i - 1].lock == lock) {
            table.held[i - 1] = table.held[--table.held_count];
            break;
        }
    }
    th_lock_leave(&table.lock);
}

void th_order_forget(const void *lock)
{
    th_lock_take(&table.lock);
    for (uint32_t i = table.order_count; i > 0; i--) {
        if (table.orders[i - 1].first == lock || table.orders[i - 1].second == lock)
            table.orders[i - 1] = table.orders[--table.order_count];
    }
    th_lock_leave(&table.lock);
}
