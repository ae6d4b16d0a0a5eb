/* Each call that waits says in a dump what for. */
#include "observe/written.h"

#include <fcntl.h>
#include <signal.h>

static thrum_mutex mutex = THRUM_MUTEX_INIT, free_mutex = THRUM_MUTEX_INIT;
static thrum_semaphore semaphore = THRUM_SEMAPHORE_INIT(0);
static thrum_event event = THRUM_EVENT_INIT;
static thrum_rwlock rwlock = THRUM_RWLOCK_INIT;
static thrum_cond cond = THRUM_COND_INIT;
static thrum_barrier barrier = THRUM_BARRIER_INIT(2);
static thrum_waitgroup waitgroup = THRUM_WAITGROUP_INIT;
static thrum_chan *channel;
static thrum_queue *queue;
static thrum_future *future;
static int ends[2];
static th_atomic32 is_seen, has_begun;

/* ---- The calls, each in a task of its own ---- */

static int locks(void *arg)
{
    (void)arg;
    return thrum_mutex_lock(&mutex);
}

static int acquires(void *arg)
{
    (void)arg;
    flag_set(&has_begun);
    return thrum_semaphore_acquire(&semaphore);
}

static int awaits_event(void *arg)
{
    (void)arg;
    return thrum_event_wait(&event);
}

static int read_locks(void *arg)
{
    (void)arg;
    return thrum_rwlock_read_lock(&rwlock);
}

static int write_locks(void *arg)
{
    (void)arg;
    return thrum_rwlock_write_lock(&rwlock);
}

static int awaits_condition(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_mutex_lock(&free_mutex), 0);
    int code = thrum_cond_wait(&cond, &free_mutex);
    thrum_mutex_unlock(&free_mutex);
    return code;
}

static int meets_at_barrier(void *arg)
{
    (void)arg;
    return thrum_barrier_wait(&barrier);
}

static int awaits_all(void *arg)
{
    (void)arg;
    return thrum_waitgroup_wait(&waitgroup);
}

static int begins_it(void *once)
{
    return thrum_once_call(once, acquires, NULL);
}

static int awaits_once(void *arg)
{
    static thrum_once once = THRUM_ONCE_INIT;
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, begins_it, &once), 0);
    flag_wait(&has_begun);
    int code = thrum_once_call(&once, acquires, NULL);
    thrum_cancel(&group);
    (void)thrum_group_wait(&group);
    return code;
}

static int receives(void *arg)
{
    (void)arg;
    char item;
    return thrum_chan_receive(channel, &item);
}

static int sends(void *arg)
{
    (void)arg;
    return thrum_chan_send(channel, "");
}

static int selects(void *arg)
{
    (void)arg;
    char item;
    thrum_case cases[] = {THRUM_RECEIVE(channel, &item), THRUM_AFTER(THRUM_SEC(1000))};
    return thrum_select(cases, 2);
}

static int joins_queue(void *arg)
{
    (void)arg;
    return thrum_queue_join(queue);
}

static int awaits_future(void *arg)
{
    (void)arg;
    return thrum_future_wait(future, NULL);
}

static int sleeps(void *arg)
{
    (void)arg;
    return thrum_sleep(THRUM_SEC(1000));
}

static int joins(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    thrum_task *task;
    CHECK_EQ(thrum_task_start(&task, &group, NULL, acquires, arg), 0);
    flag_wait(&has_begun); /* else it would run on top of who waits for it */
    int code = thrum_join(task, NULL);
    if (code < 0)
        thrum_task_drop(task);
    return code + thrum_group_wait(&group);
}

static int awaits_any(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    thrum_task *task;
    size_t first;
    CHECK_EQ(thrum_task_start(&task, &group, NULL, acquires, arg), 0);
    int code = thrum_wait_any(&task, 1, &first);
    thrum_task_drop(task);
    return code + thrum_group_wait(&group);
}

static int awaits_group(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, acquires, arg), 0);
    flag_wait(&has_begun);
    return thrum_group_wait(&group);
}

static int produces_nothing(thrum_generator *generator, void *arg)
{
    (void)generator;
    return acquires(arg);
}

static int iterates(void *arg)
{
    thrum_generator generator = THRUM_GENERATOR(produces_nothing, arg, 1);
    char item;
    int code = thrum_generator_next(&generator, &item);
    (void)thrum_generator_close(&generator);
    return code;
}

static int holds_its_thread(void *arg)
{
    while (!flag_is_set(arg))
        sched_yield();
    return 0;
}

static int calls_aside(void *arg)
{
    (void)arg;
    return thrum_blocking(holds_its_thread, &is_seen);
}

static int reads(void *arg)
{
    (void)arg;
    char byte;
    return (int)thrum_read(ends[0], &byte, 1);
}

static int writes(void *arg)
{
    static char bytes[1 << 17];
    (void)arg;
    return (int)thrum_write_all(ends[1], bytes, sizeof bytes);
}

static int polls(void *arg)
{
    (void)arg;
    struct pollfd asked = {.fd = ends[0], .events = POLLIN};
    return thrum_poll(&asked, 1, THRUM_FOREVER);
}

static int accepts(void *arg)
{
    int listener;
    (void)arg;
    CHECK_EQ(thrum_listen("tcp", "127.0.0.1:0", &listener), 0);
    int code = thrum_accept(listener, NULL, NULL);
    CHECK_EQ(thrum_close(listener), 0);
    return code;
}

static int keep_connection(int fd, void *arg)
{
    (void)fd;
    return acquires(arg);
}

static int dials(void *address)
{
    int fd, code = thrum_dial("tcp", address, &fd);
    if (code < 0)
        return code;
    code = acquires(NULL);
    CHECK_EQ(thrum_close(fd), 0);
    return code;
}

static int serves_one(void *arg)
{
    thrum_serve_options one = {.connections = 1};
    char name[64];
    int listener;
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_listen("tcp", "127.0.0.1:0", &listener), 0);
    CHECK_GT(thrum_local_name(listener, name, sizeof name), 0);
    CHECK_EQ(thrum_spawn(&group, dials, name), 0);
    int code = thrum_serve_with(listener, &one, keep_connection, arg);
    return code + thrum_group_wait(&group);
}

static int awaits_signal(void *arg)
{
    (void)arg;
    int code = thrum_signal_wait(SIGUSR2);
    thrum_signal_release(SIGUSR2);
    return code;
}

static int awaits_process(void *arg)
{
    thrum_process process;
    thrum_process_options options = {.input = THRUM_PROCESS_PIPE};
    (void)arg;
    CHECK_EQ(thrum_process_start(&process, (const char *const[]){"cat", NULL}, &options), 0);
    int code = thrum_process_wait(&process, NULL);
    (void)thrum_process_end(&process, 0, NULL);
    CHECK_EQ(thrum_close(process.input), 0);
    return code;
}

/* ---- What is said of them ---- */

static const struct way {
    thrum_fn fn;
    const char *words;
} ways[] = {
    {locks, "(locks) waits for mutex 0x"},
    {acquires, "(acquires) waits for semaphore 0x"},
    {awaits_event, "(awaits_event) waits for event 0x"},
    {read_locks, "(read_locks) waits for rwlock, to read 0x"},
    {write_locks, "(write_locks) waits for rwlock, to write 0x"},
    {awaits_condition, "(awaits_condition) waits for condition 0x"},
    {meets_at_barrier, "(meets_at_barrier) waits for barrier 0x"},
    {awaits_all, "(awaits_all) waits for wait group 0x"},
    {awaits_once, "(awaits_once) waits for once 0x"},
    {receives, "(receives) waits for channel to receive from 0x"},
    {sends, "(sends) waits for channel to send to 0x"},
    {selects, "(selects) waits for select 0x"},
    {joins_queue, "(joins_queue) waits for queue to be done 0x"},
    {awaits_future, "(awaits_future) waits for future 0x"},
    {sleeps, "(sleeps) waits for time, for another "},
    {joins, "(joins) waits for the end of task "},
    {awaits_any, "(awaits_any) waits for the first of several tasks to end, by 0x"},
    {awaits_group, "(awaits_group) waits for the tasks of group 0x"},
    {iterates, "(iterates) waits for the other side of generator 0x"},
    {calls_aside, "(blocking call), since "},
    {reads, "(reads) waits for input on fd "},
    {polls, "(polls) waits for one of several file descriptors, asked at 0x"},
    {writes, "(writes) waits for room for output on fd "},
    {accepts, "(accepts) waits for input on fd "},
    {serves_one, "(serves_one) waits for room for one more connection, in the service 0x"},
    {awaits_signal, "(awaits_signal) waits for signal "},
    {awaits_process, "(awaits_process) waits for the end of process "},
};

static void dump_until_it_waits(const struct way *way, const thrum_task *task)
{
    do {
        if (thrum_task_is_done(task))
            FAIL("it does not wait: %s", way->words);
        thrum_yield();
        CHECK_EQ(text_of(thrum_dump), 0);
    } while (!text_has(way->words));
}

static int wait_in_each_way(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_mutex_lock(&mutex), 0);
    CHECK_EQ(thrum_rwlock_write_lock(&rwlock), 0);
    thrum_waitgroup_add(&waitgroup, 1);
    for (size_t i = 0; i < TH_COUNT_OF(ways); i++) {
        thrum_group group = THRUM_GROUP_WITH(THRUM_EACH);
        thrum_task *task;
        th_atomic32_store_relaxed(&is_seen, 0);
        th_atomic32_store_relaxed(&has_begun, 0);
        CHECK_EQ(thrum_task_start(&task, &group, NULL, ways[i].fn, NULL), 0);
        dump_until_it_waits(&ways[i], task);
        thrum_task_drop(task);
        flag_set(&is_seen);
        thrum_cancel(&group);
        (void)thrum_group_wait(&group);
    }
    thrum_waitgroup_done(&waitgroup);
    thrum_rwlock_write_unlock(&rwlock);
    thrum_mutex_unlock(&mutex);
    return 0;
}

static int make_what_they_wait_for(void *arg)
{
    char item = 0;
    CHECK_EQ(thrum_chan_create(&channel, 1, 0), 0);
    CHECK_EQ(thrum_queue_create(&queue, 1, &(thrum_queue_options){.capacity = 1}), 0);
    CHECK_EQ(thrum_queue_put(queue, &item), 0);
    CHECK_EQ(thrum_future_create(&future), 0);
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(wait_in_each_way(arg), 0);
    CHECK_EQ(thrum_close(ends[0]), 0);
    CHECK_EQ(thrum_close(ends[1]), 0);
    thrum_future_drop(future);
    thrum_queue_destroy(queue);
    thrum_chan_destroy(channel);
    return 0;
}

TEST(each_call_that_waits_says_what_for)
{
    if (kit_is_emulated())
        SKIP("an emulator does not read a process's memory for it");
    run_on(2, make_what_they_wait_for, NULL);
}
