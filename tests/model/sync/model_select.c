/*
 * sync/select: of all cases one takes effect, whoever else selects on the same channels in whatever order; what a case
 * that did not take effect was to send or receive is where it was.
 */
#include "model/sync/waits.h"

#include <thrum/select.h>

#include "task/life.h"

enum { DID = 5, RESULT = 6, NOTHING = 99 };

static uint64_t memory[2][1];
static thrum_chan a, b;
static struct thrum_runtime runtime;
static struct th_task task;
static int did[4];                       /* plain: what the sender of item i did before */
static th_atomic32 sent[4], received[4]; /* how often item i was */
static int which_of[2];                  /* the case that two selects had */

static void open_channels(uint32_t of_a, uint32_t of_b)
{
    thrum_chan_init(&a, memory[0], sizeof(uint64_t), of_a);
    thrum_chan_init(&b, memory[1], sizeof(uint64_t), of_b);
}

static void note_sent(uint64_t item)
{
    (void)th_atomic32_add_relaxed(&sent[item], 1);
}

static void note_received(uint64_t item)
{
    MODEL_CHECK(item < 4);
    MODEL_CHECK_EQ(did[item], DID);
    (void)th_atomic32_add_relaxed(&received[item], 1);
}

static void try_to_send(thrum_chan *chan, uint64_t item)
{
    did[item] = DID;
    if (thrum_chan_try_send(chan, &item) == 0)
        note_sent(item);
}

static void drain(thrum_chan *chan)
{
    uint64_t item;
    while (thrum_chan_try_receive(chan, &item) == 0)
        note_received(item);
    thrum_chan_fini(chan);
}

static void balance(void)
{
    th_model_join_all();
    drain(&a);
    drain(&b);
    for (int i = 0; i < 4; i++)
        MODEL_CHECK_EQ(th_atomic32_load_relaxed(&sent[i]), th_atomic32_load_relaxed(&received[i]));
}

/* Selects, and notes what was sent or received; an item that no case received is as it was. */
static int select_and_note(thrum_case cases[], size_t count)
{
    int which = thrum_select(cases, count);
    for (int i = 0; i < (int)count; i++) {
        if (cases[i].kind_ == THRUM_CASE_RECEIVE_ && (i != which || cases[i].result != 0))
            MODEL_CHECK_EQ(*(uint64_t *)cases[i].item_, NOTHING);
    }
    if (which >= 0 && cases[which].result == 0) {
        if (cases[which].kind_ == THRUM_CASE_RECEIVE_)
            note_received(*(uint64_t *)cases[which].item_);
        else if (cases[which].kind_ == THRUM_CASE_SEND_)
            note_sent(*(uint64_t *)cases[which].item_);
    }
    wait_reuse_stack();
    return which;
}

static int receive_from_both(void)
{
    uint64_t from_a = NOTHING, from_b = NOTHING;
    thrum_case cases[] = {THRUM_RECEIVE(&a, &from_a), THRUM_RECEIVE(&b, &from_b)};
    return select_and_note(cases, 2);
}

/* ---- Others that do one thing ---- */

static void try_to_send_to_a(void *arg)
{
    (void)arg;
    try_to_send(&a, 0);
}

static void send_to_a(void *arg)
{
    uint64_t item = 0;
    (void)arg;
    did[0] = DID;
    MODEL_CHECK_EQ(thrum_chan_send(&a, &item), 0);
    note_sent(0);
}

static void send_to_b(void *arg)
{
    uint64_t item = 1;
    (void)arg;
    did[1] = DID;
    MODEL_CHECK_EQ(thrum_chan_send(&b, &item), 0);
    note_sent(1);
}

static void close_b(void *arg)
{
    (void)arg;
    thrum_chan_close(&b);
}

static void cancel_main(void *arg)
{
    (void)arg;
    wait_cancel(0);
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

MODEL(select_meets_a_sender, .modes = ALL, .preemptions = 2)
{
    open_channels(0, 0);
    th_model_thread(send_to_a, NULL);
    MODEL_CHECK_EQ(receive_from_both(), 0);
    balance();
}

/* One destination for both: the loser must not have written to it. */
MODEL(select_takes_one_of_two_senders, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE)
{
    uint64_t item = NOTHING;
    open_channels(0, 0);
    th_model_thread(try_to_send_to_a, NULL);
    th_model_thread(send_to_b, NULL);
    thrum_case cases[] = {THRUM_RECEIVE(&a, &item), THRUM_RECEIVE(&b, &item)};
    int which = thrum_select(cases, 2);
    MODEL_CHECK_EQ(cases[which].result, 0);
    MODEL_CHECK_EQ(item, which);
    note_received(item);
    if (which == 0) {
        MODEL_CHECK_EQ(thrum_chan_receive(&b, &item), 0);
        note_received(item);
    }
    balance();
}

MODEL(select_of_buffers, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    open_channels(1, 1);
    th_model_thread(send_to_a, NULL);
    th_model_thread(send_to_b, NULL);
    MODEL_CHECK(receive_from_both() >= 0);
    MODEL_CHECK(receive_from_both() >= 0);
    balance();
}

MODEL(select_is_cancelled, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    open_channels(0, 0);
    th_model_thread(try_to_send_to_a, NULL);
    th_model_thread(cancel_main, NULL);
    (void)receive_from_both();
    balance();
}

MODEL(select_meets_a_close, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    open_channels(0, 0);
    th_model_thread(try_to_send_to_a, NULL);
    th_model_thread(close_b, NULL);
    (void)receive_from_both();
    balance();
}

MODEL(select_until_a_deadline, .preemptions = 2, .stale = 2)
{
    uint64_t from_a = NOTHING;
    open_channels(0, 0);
    th_model_thread(try_to_send_to_a, NULL);
    thrum_case cases[] = {THRUM_RECEIVE(&a, &from_a), THRUM_AFTER(1000)};
    MODEL_CHECK(select_and_note(cases, 2) >= 0);
    balance();
}

/* ---- Two selects ---- */

static void exchange(thrum_chan *to, thrum_chan *from, uint64_t me)
{
    uint64_t mine = me, got = NOTHING;
    did[me] = DID;
    thrum_case cases[] = {THRUM_SEND(to, &mine), THRUM_RECEIVE(from, &got)};
    which_of[me] = select_and_note(cases, 2);
}

static void from_b_to_a(void *arg)
{
    (void)arg;
    exchange(&b, &a, 1);
}

/* One sends to where the other receives: whichever it is, it is the same for both. */
MODEL(selects_in_opposite_orders, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE)
{
    open_channels(0, 0);
    th_model_thread(from_b_to_a, NULL);
    exchange(&a, &b, 0);
    th_model_join_all();
    MODEL_CHECK_EQ(which_of[0] + which_of[1], 1);
    balance();
}

static void through_a(void *arg)
{
    exchange(&a, &a, (uint64_t)(uintptr_t)arg);
}

MODEL(selects_in_both_directions_of_one_channel, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    open_channels(0, 0);
    th_model_thread(through_a, (void *)1);
    through_a(NULL);
    th_model_join_all();
    MODEL_CHECK_EQ(which_of[0] + which_of[1], 1);
    balance();
}

/* Three of them: two meet, and the third meets a plain receiver. */
static void through_a_or_b(void *arg)
{
    uint64_t mine = (uint64_t)(uintptr_t)arg;
    did[mine] = DID;
    thrum_case cases[] = {THRUM_SEND(&b, &mine), THRUM_SEND(&a, &mine)};
    MODEL_CHECK(select_and_note(cases, 2) >= 0);
}

MODEL(selects_of_three, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE)
{
    open_channels(0, 0);
    th_model_thread(through_a_or_b, (void *)1);
    th_model_thread(through_a_or_b, (void *)2);
    MODEL_CHECK(receive_from_both() >= 0);
    MODEL_CHECK(receive_from_both() >= 0);
    balance();
}

/* ---- Tasks that end ---- */

static void end_task(void *arg)
{
    (void)arg;
    did[3] = DID;
    task.result = RESULT;
    th_done_close(&task);
}

MODEL(select_meets_the_end_of_a_task, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    uint64_t from_a = NOTHING;
    open_channels(0, 0);
    runtime.records.carved = 1;
    th_task_fill(&task, &runtime, 1, NULL, NULL);
    th_model_thread(end_task, NULL);
    th_model_thread(try_to_send_to_a, NULL);
    thrum_case cases[] = {THRUM_RECEIVE(&a, &from_a), THRUM_JOINED((thrum_task *)&task)};
    int which = select_and_note(cases, 2);
    if (which == 1) {
        MODEL_CHECK_EQ(cases[1].result, RESULT);
        MODEL_CHECK_EQ(did[3], DID);
        MODEL_CHECK(thrum_task_is_done((thrum_task *)&task));
    }
    balance();
}

/* ---- Events ---- */

static thrum_event *event;

static void set_event(void *arg)
{
    (void)arg;
    did[3] = DID;
    thrum_event_set(event);
}

/* Whoever saw it set may give it up, and its memory. */
MODEL(select_meets_an_event, .preemptions = 2, .stale = 2)
{
    uint64_t from_a = NOTHING;
    open_channels(0, 0);
    event = th_sys_alloc_zeroed(sizeof *event);
    th_model_thread(set_event, NULL);
    thrum_case cases[] = {THRUM_RECEIVE(&a, &from_a), THRUM_EVENT(event)};
    MODEL_CHECK_EQ(select_and_note(cases, 2), 1);
    MODEL_CHECK_EQ(did[3], DID);
    th_sys_free(event);
    balance();
}

MODEL(select_leaves_an_event, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    uint64_t from_a = NOTHING;
    open_channels(0, 0);
    event = th_sys_alloc_zeroed(sizeof *event);
    th_model_thread(set_event, NULL);
    th_model_thread(try_to_send_to_a, NULL);
    thrum_case cases[] = {THRUM_RECEIVE(&a, &from_a), THRUM_EVENT(event)};
    if (select_and_note(cases, 2) == 1)
        MODEL_CHECK_EQ(did[3], DID);
    th_model_join_all();
    th_sys_free(event);
    balance();
}

/* ---- The end ---- */

static thrum_chan *created;

static void receive_and_destroy(void *arg)
{
    uint64_t item = NOTHING;
    (void)arg;
    MODEL_CHECK_EQ(thrum_chan_receive(created, &item), 0);
    MODEL_CHECK_EQ(item, 2);
    thrum_chan_destroy(created);
}

/* Whoever was met may give the channel up: the select does not touch it again. */
MODEL(channel_goes_once_a_select_was_met, .preemptions = 2, .stale = 2)
{
    uint64_t item = 2, from_a = NOTHING;
    open_channels(0, 0);
    MODEL_CHECK_EQ(thrum_chan_create(&created, sizeof item, 0), 0);
    th_model_thread(receive_and_destroy, NULL);
    thrum_case cases[] = {THRUM_RECEIVE(&a, &from_a), THRUM_SEND(created, &item)};
    MODEL_CHECK_EQ(thrum_select(cases, 2), 1);
    MODEL_CHECK_EQ(cases[1].result, 0);
    th_model_join_all();
}

#define ELSEWHERE "another model's: model_join"
MODEL_SURVIVES("done_head#1", ELSEWHERE)
MODEL_SURVIVES("done_lock#1", ELSEWHERE)
MODEL_SURVIVES("th_done_remove#1", ELSEWHERE)
MODEL_SURVIVES("[A1]", "no stacks are opened while these threads run")
MODEL_SURVIVES("select_enlists_in_any_order",
               "two selects that keep step miss each other for ever, at two preemptions a "
               "round: more than the bound, and what comes behind it does not keep step")
MODEL_SURVIVES("th_done_close#1", "only a second joiner could tell, behind one who waits: see model_join")
