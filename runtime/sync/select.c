/*
 * Select: looks for a case that is ready; where there is none, one wait on all of them (task/cases.h).
 *
 * The first look takes no lock, and nothing is begun for it: with a case ready that is all. No memory is allocated;
 * what hangs in channels and done lists is in the cases themselves.
 *
 * Explored by tests/model (model_select).
 */
#include <thrum/select.h>

#include "sync/exchange.h"
#include "sync/line.h"
#include "task/cases.h"
#include "task/life.h"

#include <errno.h>

/* ---- Channels ---- */

static enum th_side side_of(const thrum_case *which)
{
    return which->kind_ == THRUM_CASE_SEND_ ? TH_SENDING : TH_RECEIVING;
}

static struct th_entry *entry_of(thrum_case *which)
{
    _Static_assert(sizeof(struct th_entry) <= sizeof which->node_, "the entry is in the case");
    return (struct th_entry *)(void *)which->node_;
}

static bool chan_is_ready(const thrum_case *which)
{
    return th_chan_may_transfer(which->object_, side_of(which));
}

static bool chan_take(thrum_case *which)
{
    thrum_chan *chan = which->object_;
    th_latch_take(th_chan_latch(chan));
    int code = th_chan_transfer(chan, side_of(which), which->item_);
    th_latch_leave(th_chan_latch(chan));
    if (code == -EAGAIN)
        return false;
    which->result = code;
    return true;
}

/* Latch held, and the case is ready. See Note [Meeting another select] in task/cases.h. */
static enum th_enlisted chan_take_now(thrum_case *which, struct th_waiter *waiter, uint32_t reason)
{
    if (!TH_MUTANT(select_takes_without_its_wait) && !th_await_wake(waiter, reason))
        return TH_CASE_LOST;
    int code = th_chan_transfer(which->object_, side_of(which), which->item_);
    if (code == -EAGAIN)
        return TH_CASE_MISSED;
    which->result = code;
    return TH_CASE_TAKEN;
}

static enum th_enlisted chan_enlist(thrum_case *which, struct th_waiter *waiter, uint32_t reason)
{
    thrum_chan *chan = which->object_;
    enum th_enlisted outcome = TH_CASE_LISTED;
    struct th_entry *entry = entry_of(which);
    th_latch_take(th_chan_latch(chan));
    if (th_chan_can_transfer(chan, side_of(which), waiter) && !TH_MUTANT(select_does_not_look_again)) {
        outcome = chan_take_now(which, waiter, reason);
    } else {
        entry->waiter = waiter;
        entry->item = which->item_;
        entry->reason = reason;
        th_atomic32_store_relaxed(&entry->is_done, 0);
        th_entries_add(th_chan_entries(chan, side_of(which)), entry);
    }
    th_latch_leave(th_chan_latch(chan));
    return outcome;
}

static void chan_finish(thrum_case *which)
{
    which->result = th_entry_finished(entry_of(which));
}

static void chan_delist(thrum_case *which)
{
    thrum_chan *chan = which->object_;
    th_latch_take(th_chan_latch(chan));
    th_entries_remove(th_chan_entries(chan, side_of(which)), entry_of(which));
    th_latch_leave(th_chan_latch(chan));
}

/* ---- Tasks that end ---- */

static struct th_done *done_of(thrum_case *which)
{
    _Static_assert(sizeof(struct th_done) <= sizeof which->node_, "the node is in the case");
    return (struct th_done *)(void *)which->node_;
}

static bool joined_is_ready(const thrum_case *which)
{
    return th_done_is_closed(which->object_);
}

static bool joined_take(thrum_case *which)
{
    struct th_task *task = which->object_;
    if (!th_done_is_closed(task))
        return false;
    which->result = task->result;
    (void)th_atomic32_or_relaxed(&task->cancel, TH_TASK_TAKEN);
    return true;
}

static enum th_enlisted joined_enlist(thrum_case *which, struct th_waiter *waiter, uint32_t reason)
{
    struct th_done *node = done_of(which);
    *node = (struct th_done){.waiter = waiter, .reason = reason};
    if (th_done_add(which->object_, node))
        return TH_CASE_LISTED;
    if (!th_await_wake(waiter, reason))
        return TH_CASE_LOST;
    (void)joined_take(which);
    return TH_CASE_TAKEN;
}

/* Also waits until the list is closed for everybody to see, and the node has left it. */
static void joined_delist(thrum_case *which)
{
    (void)th_done_remove(which->object_, done_of(which));
}

static void joined_finish(thrum_case *which)
{
    joined_delist(which);
    (void)joined_take(which);
}

/* ---- Events ---- */

static const struct th_wait_kind event_wait = {.name = "event in a select"};

static struct th_place *place_of(thrum_case *which)
{
    _Static_assert(sizeof(struct th_place) <= sizeof which->node_, "the place is in the case");
    return (struct th_place *)(void *)which->node_;
}

static bool event_is_ready(const thrum_case *which)
{
    return thrum_event_is_set(which->object_);
}

/* The event may be given up by who saw it set, once its setter has left. */
static bool event_take(thrum_case *which)
{
    thrum_event *event = which->object_;
    if (!thrum_event_is_set(event))
        return false;
    th_line_pass(&event->line_);
    which->result = 0;
    return true;
}

static enum th_enlisted event_enlist(thrum_case *which, struct th_waiter *waiter, uint32_t reason)
{
    thrum_event *event = which->object_;
    struct th_place *place = place_of(which);
    *place = (struct th_place){.kind = &event_wait, .object = event, .instead = waiter, .reason = reason};
    th_line_enter(&event->line_);
    bool is_set = thrum_event_is_set(event) && !TH_MUTANT(select_does_not_look_at_the_event);
    if (!is_set)
        th_line_append(&event->line_, place);
    th_line_leave(&event->line_);
    if (!is_set)
        return TH_CASE_LISTED;
    if (!th_await_wake(waiter, reason))
        return TH_CASE_LOST;
    th_line_pass(&event->line_);
    which->result = 0;
    return TH_CASE_TAKEN;
}

static void event_finish(thrum_case *which)
{
    thrum_event *event = which->object_;
    if (!TH_MUTANT(select_goes_on_before_the_setter))
        th_line_pass(&event->line_);
    which->result = 0;
}

static void event_delist(thrum_case *which)
{
    thrum_event *event = which->object_;
    th_line_enter(&event->line_);
    (void)th_line_quit(&event->line_, place_of(which));
    th_line_leave(&event->line_);
}

/* ---- Kinds ---- */

static const struct th_case_kind chan_kind = {chan_is_ready, chan_take, chan_enlist, chan_finish, chan_delist};
static const struct th_case_kind joined_kind = {joined_is_ready, joined_take, joined_enlist, joined_finish,
                                                joined_delist};
static const struct th_case_kind event_kind = {event_is_ready, event_take, event_enlist, event_finish, event_delist};

static const struct th_case_kind *kind_of(const thrum_case *which)
{
    if (which->kind_ == THRUM_CASE_RECEIVE_ || which->kind_ == THRUM_CASE_SEND_)
        return &chan_kind;
    if (which->kind_ == THRUM_CASE_JOINED_)
        return &joined_kind;
    return which->kind_ == THRUM_CASE_EVENT_ ? &event_kind : th_case_kind_of(which);
}

/* Time and THRUM_DEFAULT are select's own affair; a case of NULL is nobody's. */
TH_INLINE bool is_passive(const thrum_case *which)
{
    return which->kind_ <= THRUM_CASE_DEFAULT_ || (which->kind_ <= THRUM_CASE_EVENT_ && which->object_ == NULL);
}

/* ---- A case that is ready ---- */

TH_INLINE bool is_ready(const thrum_case *which)
{
    if (is_passive(which))
        return false;
    /* What is nearly always asked, without a call. */
    if (which->kind_ == THRUM_CASE_RECEIVE_)
        return th_chan_may_transfer(which->object_, TH_RECEIVING);
    if (which->kind_ == THRUM_CASE_SEND_)
        return th_chan_may_transfer(which->object_, TH_SENDING);
    return kind_of(which)->is_ready(which);
}

static TH_NOINLINE uint32_t random_below(uint32_t bound)
{
    struct th_random random;
    struct th_fiber *self = th_fiber_self();
    if (self != NULL)
        return th_random_below(&th_worker_of(self)->random, bound);
    th_random_init(&random, (uint64_t)th_sys_now() ^ (uintptr_t)&random);
    return th_random_below(&random, bound);
}

/* The index of a case that has taken effect, -EAGAIN without one. Any of those that are ready is as likely. */
static int take_ready(thrum_case cases[], uint32_t count)
{
    uint32_t ready = 0, chosen = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (is_ready(&cases[i]) && (++ready == 1 || random_below(ready) == 0))
            chosen = i;
    }
    if (ready == 0)
        return -EAGAIN;
    /* Somebody else may be quicker: then whichever comes next. */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = chosen + i < count ? chosen + i : chosen + i - count;
        if (is_ready(&cases[at]) && kind_of(&cases[at])->take(&cases[at]))
            return (int)at;
    }
    return -EAGAIN;
}

/* ---- Waiting ---- */

static const struct th_wait_kind select_wait = {.name = "select"};

static thrum_case *merge(thrum_case *a, thrum_case *b)
{
    thrum_case *merged = NULL, **last = &merged;
    while (a != NULL && b != NULL) {
        bool is_b_lower = (uintptr_t)b->object_ < (uintptr_t)a->object_ && !TH_MUTANT(select_enlists_in_any_order);
        thrum_case **lower = is_b_lower ? &b : &a;
        *last = *lower;
        last = &(*lower)->next_;
        *lower = (*lower)->next_;
    }
    *last = a != NULL ? a : b;
    return merged;
}

/* Those that can be waited for, by the address of their object: as deep as the logarithm of their number. */
static thrum_case *ordered(thrum_case cases[], uint32_t count)
{
    if (count == 1) {
        cases->next_ = NULL;
        return is_passive(cases) ? NULL : cases;
    }
    return merge(ordered(cases, count / 2), ordered(cases + count / 2, count - count / 2));
}

/* Enlists one after the other, until one is not to be waited for: that one, and why; NULL without one. */
static thrum_case *enlist_all(thrum_case cases[], thrum_case *first, struct th_waiter *waiter,
                              enum th_enlisted *outcome)
{
    *outcome = TH_CASE_LISTED;
    for (thrum_case *which = first; which != NULL; which = which->next_) {
        *outcome = kind_of(which)->enlist(which, waiter, TH_WAKE_CASE + (uint32_t)(which - cases));
        if (*outcome != TH_CASE_LISTED)
            return which;
    }
    return NULL;
}

/* Takes back those that are enlisted, up to `end`; the one that has won tells its result. */
static void delist_all(thrum_case *first, const thrum_case *end, const thrum_case *winner)
{
    for (thrum_case *which = first; which != end; which = which->next_) {
        if (which == winner)
            kind_of(which)->finish(which);
        else
            kind_of(which)->delist(which);
    }
}

/* The index of the case that has taken effect; TH_WAKE_TIMER's stands for none of them: -ETIME. -EAGAIN: to be tried
 * anew. Or why the caller cannot wait. */
static int wait_for_one(thrum_case cases[], uint32_t count, int64_t until)
{
    struct th_waiter waiter;
    enum th_enlisted outcome;
    thrum_case *first = ordered(cases, count);
    int code = th_await_begin(&waiter);
    if (code < 0)
        return code;
    thrum_case *end = enlist_all(cases, first, &waiter, &outcome);
    th_waiting_begin(&select_wait, cases);
    code = th_await(&waiter, end == NULL ? until : TH_SYS_FOREVER);
    th_waiting_end();
    thrum_case *winner = code >= TH_WAKE_CASE ? &cases[code - TH_WAKE_CASE] : NULL;
    delist_all(first, end, winner);
    if (winner == NULL)
        return code == TH_WAKE_TIMER ? -ETIME : code;
    bool is_missed = winner == end && outcome == TH_CASE_MISSED && !TH_MUTANT(select_counts_what_it_missed);
    return is_missed ? -EAGAIN : code - TH_WAKE_CASE;
}

/* ---- Select ---- */

/* Where nothing is ready: what to do about time. */
struct patience {
    int64_t until;
    int at; /* the case whose time comes first; the one by default */
};

static struct patience patience_of(const thrum_case cases[], uint32_t count)
{
    struct patience patience = {.until = TH_SYS_FOREVER, .at = -1};
    int64_t now = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (cases[i].kind_ == THRUM_CASE_DEFAULT_)
            return (struct patience){.until = INT64_MIN, .at = (int)i};
        if (cases[i].kind_ != THRUM_CASE_AT_ && cases[i].kind_ != THRUM_CASE_AFTER_)
            continue;
        if (now == 0)
            now = th_sys_now();
        int64_t when = cases[i].time_, start = cases[i].kind_ == THRUM_CASE_AFTER_ ? now : 0;
        when = when > INT64_MAX - start ? INT64_MAX : when + start;
        if (patience.at < 0 || when < patience.until)
            patience = (struct patience){.until = when, .at = (int)i};
    }
    if (patience.at >= 0 && patience.until <= now)
        patience.until = INT64_MIN;
    return patience;
}

static TH_NOINLINE int select_slowly(thrum_case cases[], uint32_t count)
{
    struct patience patience = patience_of(cases, count);
    int which = -ETIME;
    while (patience.until != INT64_MIN && (which = wait_for_one(cases, count, patience.until)) == -EAGAIN) {
        which = take_ready(cases, count);
        if (which != -EAGAIN)
            break;
    }
    if (which != -ETIME)
        return which;
    cases[patience.at].result = 0;
    return patience.at;
}

int thrum_select(thrum_case cases[], size_t count)
{
    if (count == 0 || count > TH_CASES_MOST)
        return -EINVAL;
    th_point();
    int which = take_ready(cases, (uint32_t)count);
    return which != -EAGAIN ? which : select_slowly(cases, (uint32_t)count);
}
