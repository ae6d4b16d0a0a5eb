/*
 * io/descriptor: no event is lost between a trial and the wait after it, a close reaches everybody and comes behind
 * every call, and an event of an earlier owner of the number wakes nobody.
 *
 * The kernel is one word: how much there is to read, whether the number is registered and with which generation, and an
 * edge that has not been told yet. Tasks are threads that wait on a word of their own.
 */
#include "model/model.h"

#include "base/sys.h"
#include "io/descriptor.h"
#include "task/waiting.h"

#include <errno.h>

enum { FD = 1 };

/* ---- The kernel ---- */

enum { DATA = 1, REGISTERED = 0x100, EDGE = 0x200, CLOSED = 0x400, COOKIE = 0x10000 };

static th_atomic32 file;
static int in_call; /* plain: calls under way; the close must come behind them */

static uint32_t change(uint32_t (*next)(uint32_t before, uint32_t arg), uint32_t arg)
{
    uint32_t seen = th_atomic32_load_relaxed(&file);
    while (!th_atomic32_cas_acqrel(&file, &seen, next(seen, arg)))
        continue;
    return seen;
}

static uint32_t next_write(uint32_t before, uint32_t bytes)
{
    return (before + bytes * DATA) | ((before & REGISTERED) != 0 ? EDGE : 0);
}

/* An edge is told only if there is something behind it. */
static uint32_t next_read(uint32_t before, uint32_t arg)
{
    (void)arg;
    return before & ~(uint32_t)(0xff | EDGE);
}

static uint32_t next_add(uint32_t before, uint32_t cookie)
{
    return (before & 0xffff) | REGISTERED | ((before & 0xff) != 0 ? EDGE : 0) | cookie * COOKIE;
}

static uint32_t next_told(uint32_t before, uint32_t arg)
{
    (void)arg;
    return before & ~(uint32_t)EDGE;
}

static uint32_t next_closed(uint32_t before, uint32_t arg)
{
    (void)before;
    (void)arg;
    return CLOSED;
}

int th_backend_add(struct th_backend *backend, int fd, uint64_t cookie)
{
    (void)backend;
    MODEL_CHECK_EQ(fd, FD);
    (void)change(next_add, (uint32_t)(cookie >> 32));
    return 0;
}

int th_sys_close(int fd)
{
    MODEL_CHECK_EQ(fd, FD);
    MODEL_CHECK_EQ(in_call, 0);
    return (change(next_closed, 0) & CLOSED) != 0 ? -EBADF : 0;
}

static struct th_poller poller = {.id = 1};

int th_poller_of(struct thrum_runtime *runtime, struct th_poller **found)
{
    (void)runtime;
    *found = &poller;
    return 0;
}

/* Nothing is closed behind the library's back here. */
void th_poller_want_sweeps(struct th_poller *from)
{
    (void)from;
}

/* ---- Tasks ---- */

static struct th_task tasks[MODEL_THREADS];
static th_atomic32 is_ready[MODEL_THREADS];

void th_worker_wake(struct th_task *task)
{
    th_atomic32 *word = &is_ready[task - tasks];
    th_atomic32_store_release(word, 1);
    (void)th_sys_futex_wake(word, 1);
}

void th_waiting_begin(const struct th_wait_kind *kind, const void *object)
{
    (void)kind;
    (void)object;
}

void th_waiting_end(void)
{
}

int th_await_begin(struct th_waiter *waiter)
{
    waiter->task = &tasks[th_model_self()];
    waiter->epoch = th_wait_begin(waiter->task);
    return 0;
}

void th_await_abandon(struct th_waiter *waiter)
{
    th_wait_abandon(waiter->task);
}

int th_await(struct th_waiter *waiter, int64_t until)
{
    th_atomic32 *word = &is_ready[waiter->task - tasks];
    (void)until;
    if (th_wait_commit(waiter->task)) {
        while (th_atomic32_load_acquire(word) == 0)
            (void)th_sys_futex_wait(word, 0, TH_SYS_FOREVER);
        th_atomic32_store_relaxed(word, 0);
    }
    return (int)th_wait_reason(waiter->task);
}

/* ---- A read, as io/transfer.c and io/bytes.c make it ---- */

/* How much, or -EBADF. */
static int read_some(bool knows_drained)
{
    struct th_descriptor *descriptor = NULL;
    int code = th_descriptor_acquire(FD, &descriptor);
    if (code < 0)
        return code;
    in_call++;
    for (;;) {
        uint32_t seen = th_descriptor_events(descriptor, TH_READING);
        int got = (seen & TH_DRAINED) != 0 ? 0 : (int)(change(next_read, 0) & 0xff);
        if (got > 0 && knows_drained)
            th_descriptor_drained(descriptor, seen);
        if (got > 0)
            code = got;
        else
            code = th_descriptor_wait(descriptor, FD, TH_READING, seen);
        if (code != 0)
            break;
    }
    in_call--;
    (void)th_descriptor_release(descriptor, FD);
    return code;
}

static th_atomic32 is_over;

/* One look of the poller: tells an edge, if there is one. */
static bool look(void)
{
    uint32_t told = th_atomic32_load_relaxed(&file);
    if ((told & EDGE) == 0)
        return false;
    told = change(next_told, 0);
    struct th_event event = {.cookie = (uint64_t)(told / COOKIE) << 32 | FD, .what = TH_READABLE};
    struct th_ready ready = {.end = &ready.first};
    if ((told & EDGE) != 0)
        th_descriptor_ready(&event, &ready);
    *ready.end = NULL;
    for (struct th_task *task = ready.first; task != NULL;) {
        struct th_task *next = task->next;
        th_worker_wake(task);
        task = next;
    }
    return true;
}

static void poll_until_over(void *arg)
{
    (void)arg;
    while (th_atomic32_load_relaxed(&is_over) == 0)
        (void)look();
}

/* ---- Events ---- */

static void write_one(void *arg)
{
    (void)arg;
    (void)change(next_write, 1);
}

MODEL(data_that_comes_while_the_reader_goes_to_wait_is_read, .preemptions = 1, .stale = 1, .leaks = true)
{
    th_model_thread(poll_until_over, NULL);
    th_model_thread(write_one, NULL);
    MODEL_CHECK_EQ(read_some(false), 1);
    th_atomic32_store_relaxed(&is_over, 1);
    th_model_join_all();
}

/* What comes between the read and the note that there is nothing more: the next read gets it. */
static void write_twice(void *arg)
{
    write_one(arg);
    write_one(arg);
}

MODEL(a_short_read_forgets_nothing_that_came_behind_it, .preemptions = 1, .stale = 1, .leaks = true)
{
    th_model_thread(poll_until_over, NULL);
    th_model_thread(write_twice, NULL);
    int got = read_some(true);
    while (got < 2)
        got += read_some(true);
    MODEL_CHECK_EQ(got, 2);
    th_atomic32_store_relaxed(&is_over, 1);
    th_model_join_all();
}

/* ---- Close ---- */

static th_atomic32 closed;

static void close_once(void *arg)
{
    (void)arg;
    int code = th_descriptor_close(FD);
    MODEL_CHECK(code == 0 || code == -EBADF);
    if (code == 0)
        (void)th_atomic32_add_relaxed(&closed, 1);
}

static void set_up_open(void)
{
    struct th_descriptor *descriptor = NULL;
    MODEL_CHECK_EQ(th_descriptor_acquire(FD, &descriptor), 0);
    (void)th_descriptor_release(descriptor, FD);
}

static struct th_descriptor *used;
static int worked; /* plain: what a call does last */

static void use(void *arg)
{
    (void)arg;
    worked++;
    (void)th_descriptor_release(used, FD);
}

static void close_behind(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(th_descriptor_close(FD), 0);
}

MODEL(a_close_reaches_who_is_about_to_wait, .preemptions = 2, .stale = 2, .leaks = true)
{
    set_up_open();
    /* Begun before the close: it must be told. */
    MODEL_CHECK_EQ(th_descriptor_acquire(FD, &used), 0);
    th_model_thread(close_behind, NULL);
    int code = th_descriptor_wait(used, FD, TH_READING, th_descriptor_events(used, TH_READING));
    MODEL_CHECK_EQ(code, -EBADF);
    MODEL_CHECK((th_atomic32_load_relaxed(&file) & CLOSED) == 0);
    (void)th_descriptor_release(used, FD);
    th_model_join_all();
    MODEL_CHECK((th_atomic32_load_relaxed(&file) & CLOSED) != 0);
}

/* While a call is under way: afterwards the number is the kernel's, and a second close as wrong as ever. */
MODEL(of_two_closes_one_counts, .preemptions = 2, .stale = 1, .leaks = true)
{
    set_up_open();
    MODEL_CHECK_EQ(th_descriptor_acquire(FD, &used), 0);
    th_model_thread(close_once, NULL);
    th_model_thread(close_once, NULL);
    th_model_join_all();
    MODEL_CHECK_EQ(th_atomic32_load_relaxed(&closed), 1);
    MODEL_CHECK((th_atomic32_load_relaxed(&file) & CLOSED) == 0);
    (void)th_descriptor_release(used, FD);
    MODEL_CHECK((th_atomic32_load_relaxed(&file) & CLOSED) != 0);
}

/* The last to leave closes, and what the others did is done by then. */
MODEL(the_number_is_closed_behind_every_call, .preemptions = 2, .leaks = true)
{
    set_up_open();
    MODEL_CHECK_EQ(th_descriptor_acquire(FD, &used), 0);
    MODEL_CHECK_EQ(th_descriptor_acquire(FD, &used), 0);
    in_call = 2;
    th_model_thread(use, NULL);
    th_model_thread(close_behind, NULL);
    in_call = 0;
    (void)th_descriptor_release(used, FD);
    th_model_join_all();
    MODEL_CHECK((th_atomic32_load_relaxed(&file) & CLOSED) != 0);
    MODEL_CHECK_EQ(worked, 1);
}

/* ---- Another owner of the number ---- */

/* An edge of the first owner is on its way through the poller while the number changes hands. */
static void look_once(void *arg)
{
    (void)arg;
    (void)look();
}

static uint32_t next_opened(uint32_t before, uint32_t arg)
{
    (void)before;
    (void)arg;
    return 0;
}

MODEL(an_event_of_an_earlier_owner_wakes_nobody, .preemptions = 2, .stale = 2, .leaks = true)
{
    struct th_descriptor *descriptor = NULL;
    set_up_open();
    MODEL_CHECK_EQ(th_descriptor_acquire(FD, &descriptor), 0);
    (void)change(next_add, descriptor->generation);
    (void)change(next_write, 1);
    (void)th_descriptor_release(descriptor, FD);
    th_model_thread(look_once, NULL);
    MODEL_CHECK_EQ(th_descriptor_close(FD), 0);
    (void)change(next_opened, 0);
    th_descriptor_adopt(FD, TH_KIND_SOCKET);
    MODEL_CHECK_EQ(th_descriptor_acquire(FD, &descriptor), 0);
    uint32_t seen = th_descriptor_events(descriptor, TH_READING);
    th_model_join_all();
    MODEL_CHECK_EQ(th_descriptor_events(descriptor, TH_READING), seen);
    (void)th_descriptor_release(descriptor, FD);
}

/* Two threads meet a number that nobody has used before. */
static void use_for_the_first_time(void *arg)
{
    (void)arg;
    set_up_open();
}

MODEL(a_record_is_made_once, .preemptions = 2, .leaks = true)
{
    struct th_descriptor *descriptor = NULL;
    th_model_thread(use_for_the_first_time, NULL);
    MODEL_CHECK_EQ(th_descriptor_acquire(FD, &descriptor), 0);
    th_model_join_all();
    MODEL_CHECK_EQ(th_atomic32_load_relaxed(&descriptor->users), TH_USER);
    (void)th_descriptor_release(descriptor, FD);
}

MODEL_SURVIVES("[IO1]",
               "the trial would have to be made before the load in front of it: load buffering, which is not explored")
MODEL_SURVIVES("[IO3]", "what is published is zeros, and the model's memory is zero before anybody has it")
MODEL_SURVIVES("[W1]", "model_park's and model_wait's: there is no context here")
MODEL_SURVIVES("[W2]", "model_wait's: a reader takes what came from the kernel")
MODEL_SURVIVES("[W4]", "the scopes' models': nobody cancels here")
