/*
 * Select: waits for several things at once, and one of them takes effect.
 *
 *     thrum_case cases[] = {THRUM_RECEIVE(jobs, &job), THRUM_SEND(results, &result), THRUM_AFTER(THRUM_MS(50))};
 *     switch (thrum_select(cases, 3)) {
 *     case 0: ...    job was received, if cases[0].result is 0; -EPIPE: jobs is closed and empty
 *     case 1: ...    result was sent, if cases[1].result is 0
 *     case 2: ...    50 ms have passed
 *     default: ...   cancelled
 *     }
 *
 * The cases may be used again and again; THRUM_AFTER counts from each call anew, THRUM_AT is a point in time. A case of
 * NULL never happens: a way to leave one out for a while. A channel may stand in several cases, in both directions too.
 * More cases are in thrum/io.h (THRUM_READABLE, THRUM_WRITABLE) and thrum/signal.h (THRUM_SIGNAL).
 */
#ifndef THRUM_SELECT_H
#define THRUM_SELECT_H

#include <thrum/channel.h>
#include <thrum/sync.h>
#include <thrum/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A case's kind; the macros below know them. */
enum thrum_case_kind_ {
    THRUM_CASE_AT_,
    THRUM_CASE_AFTER_,
    THRUM_CASE_DEFAULT_,
    THRUM_CASE_RECEIVE_,
    THRUM_CASE_SEND_,
    THRUM_CASE_JOINED_,
    THRUM_CASE_EVENT_,
    THRUM_CASE_READABLE_,
    THRUM_CASE_WRITABLE_,
    THRUM_CASE_SIGNAL_,
    THRUM_CASE_KINDS_
};

/* `result` is set where the case took effect; the other fields are the library's. */
typedef struct thrum_case {
    int result;
    uint32_t kind_;
    void *object_;
    void *item_;
    thrum_time time_;
    struct thrum_case *next_;
    uint64_t node_[8];
} thrum_case;

/*
 * Waits until one of the cases can take effect, lets it, and returns its index. Of several that can at once each has
 * the same chance. The rest are left as they were: nothing was sent or received for them. -ECANCELED, -ETIMEDOUT (a
 * scope's deadline), -ENOMEM: none took effect. -EINVAL: no case, or more than 65,000. May switch, may be cancelled.
 * Outside of tasks it blocks the thread.
 */
THRUM_API THRUM_CHECKED int thrum_select(thrum_case cases[], size_t count);

#define THRUM_CASE_ __attribute__((unused)) static inline thrum_case

THRUM_CASE_ thrum_case_make_(enum thrum_case_kind_ kind, void *object, void *item, thrum_time time)
{
    thrum_case made;
    made.result = 0;
    made.kind_ = (uint32_t)kind;
    made.object_ = object;
    made.item_ = item;
    made.time_ = time;
    made.next_ = 0;
    return made;
}

THRUM_CASE_ thrum_case_receive_(thrum_chan *chan, void *item)
{
    return thrum_case_make_(THRUM_CASE_RECEIVE_, chan, item, 0);
}

THRUM_CASE_ thrum_case_send_(thrum_chan *chan, const void *item)
{
    return thrum_case_make_(THRUM_CASE_SEND_, chan, (void *)(uintptr_t)item, 0);
}

THRUM_CASE_ thrum_case_joined_(thrum_task *task)
{
    return thrum_case_make_(THRUM_CASE_JOINED_, task, NULL, 0);
}

THRUM_CASE_ thrum_case_event_(thrum_event *event)
{
    return thrum_case_make_(THRUM_CASE_EVENT_, event, NULL, 0);
}

/* An item is received into *item, or *item is sent. The case's result is what thrum_chan_receive, thrum_chan_send give:
 * a closed channel takes effect too, with -EPIPE. */
#define THRUM_RECEIVE(chan, item) thrum_case_receive_((chan), (item))
#define THRUM_SEND(chan, item)    thrum_case_send_((chan), (item))

/* The task has ended; the case's result is the task's. The handle stays: join or drop it. */
#define THRUM_JOINED(task) thrum_case_joined_((task))

/* The event is set. */
#define THRUM_EVENT(event) thrum_case_event_((event))

/* The time has come, and no other case could take effect before. */
#define THRUM_AT(when)    thrum_case_make_(THRUM_CASE_AT_, NULL, NULL, (when))
#define THRUM_AFTER(span) thrum_case_make_(THRUM_CASE_AFTER_, NULL, NULL, (span))

/* No other case can take effect at once: select does not wait then. */
#define THRUM_DEFAULT thrum_case_make_(THRUM_CASE_DEFAULT_, NULL, NULL, 0)

#ifdef __cplusplus
}
#endif
#endif
