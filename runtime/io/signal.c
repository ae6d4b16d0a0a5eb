/*
 * Signals: the handler adds one to an eventfd, its bell, and that is waited for like any file descriptor.
 *
 * A bell is made when its signal is first caught and never closed, so that a handler that runs late finds it.
 *
 *   [SG1] release bell -> acquire bell: the handler finds a number that is open
 */
#include <thrum/signal.h>

#include <thrum/io.h>

#include "base/lock.h"
#include "base/sys_io.h"
#include "io/descriptor.h"
#include "io/ready_cases.h"
#include "task/waiting.h"

#include <errno.h>
#include <limits.h>

enum { SIGNALS = 65 };

/* Key: a atomic, l the lock. */
struct caught {
    th_atomic32 bell;        /* a: its number + 1; written under l */
    bool is_caught;          /* l */
    struct sigaction before; /* l */
};

static struct th_lock lock = TH_LOCK_INIT;
static struct caught signals[SIGNALS];

static int bell_of(int signo)
{
    return (int)th_atomic32_load_acquire(&signals[signo].bell) - 1; /* [SG1] */
}

static void ring(int signo)
{
    uint64_t one = 1;
    (void)th_sys_write(bell_of(signo), &one, sizeof one);
}

static bool is_catchable(int signo)
{
    return signo > 0 && signo < SIGNALS && signo != SIGSEGV && signo != SIGBUS && signo != SIGFPE && signo != SIGILL;
}

static int make_bell(struct caught *signal)
{
    int bell = th_sys_eventfd();
    if (bell < 0)
        return bell;
    th_descriptor_adopt(bell, TH_KIND_UNKNOWN);
    th_atomic32_store_release(&signal->bell, (uint32_t)bell + 1); /* [SG1] */
    return 0;
}

/* Lock held. */
static int begin_catching(int signo)
{
    struct caught *signal = &signals[signo];
    struct sigaction action = {.sa_handler = ring, .sa_flags = SA_RESTART | SA_ONSTACK};
    int code = bell_of(signo) < 0 ? make_bell(signal) : 0;
    if (code == 0)
        code = th_sys_sigaction(signo, &action, &signal->before);
    signal->is_caught = code == 0;
    return code;
}

int thrum_signal_catch(int signo)
{
    if (!is_catchable(signo))
        return -EINVAL;
    th_lock_take(&lock);
    int code = signals[signo].is_caught ? 0 : begin_catching(signo);
    th_lock_leave(&lock);
    return code;
}

static int told(uint64_t count)
{
    return count < INT_MAX ? (int)count : INT_MAX;
}

static const struct th_wait_kind signal_wait = {.name = "signal", .is_number = true};

int thrum_signal_wait(int signo)
{
    uint64_t count;
    int code = thrum_signal_catch(signo);
    if (code < 0)
        return code;
    th_waiting_name(&signal_wait, (void *)(intptr_t)signo);
    ssize_t got = thrum_read(bell_of(signo), &count, sizeof count);
    th_waiting_unname();
    return got < 0 ? (int)got : told(count);
}

void thrum_signal_release(int signo)
{
    uint64_t forgotten;
    if (!is_catchable(signo))
        return;
    th_lock_take(&lock);
    if (signals[signo].is_caught) {
        (void)th_sys_sigaction(signo, &signals[signo].before, NULL);
        (void)th_sys_read(bell_of(signo), &forgotten, sizeof forgotten);
        signals[signo].is_caught = false;
    }
    th_lock_leave(&lock);
}

/* ---- A case of a select ---- */

/* Its signal, or why that cannot be caught, stands in time_. */
static int bell_of_case(const thrum_case *which)
{
    return bell_of((int)which->time_);
}

static bool signal_is_ready(const thrum_case *which)
{
    return which->time_ < 0 || th_fd_is_ready(bell_of_case(which), TH_READING);
}

/* False: another task was quicker. */
static bool signal_take(thrum_case *which)
{
    uint64_t count;
    if (which->time_ < 0) {
        which->result = (int)which->time_;
        return true;
    }
    if (th_sys_read(bell_of_case(which), &count, sizeof count) < 0)
        return false;
    which->result = told(count);
    return true;
}

static enum th_enlisted signal_enlist(thrum_case *which, struct th_waiter *waiter, uint32_t reason)
{
    enum th_enlisted outcome = th_fd_enlist(which, bell_of_case(which), waiter, reason);
    return outcome != TH_CASE_TAKEN || which->result < 0 || signal_take(which) ? outcome : TH_CASE_MISSED;
}

static void signal_delist(thrum_case *which)
{
    th_fd_delist(which, bell_of_case(which));
}

static void signal_finish(thrum_case *which)
{
    signal_delist(which);
    which->result = 0;
    (void)signal_take(which);
}

thrum_case thrum_signaled(int signo)
{
    static const struct th_case_kind kind = {signal_is_ready, signal_take, signal_enlist, signal_finish, signal_delist};
    th_case_add_kind(THRUM_CASE_SIGNAL_, &kind);
    int code = thrum_signal_catch(signo);
    return thrum_case_make_(THRUM_CASE_SIGNAL_, NULL, NULL, code < 0 ? code : signo);
}
