/* What a running runtime brings along for who looks on: SIGQUIT dumps, and so does a panic; a console. */
#include "task/observer.h"

#include "base/config.h"
#include "base/lock.h"
#include "base/panic.h"
#include "base/sys.h"
#include "observe/brief_dump.h"
#include "observe/console.h"
#include "observe/leaks.h"
#include "observe/trace_file.h"

static struct {
    struct th_lock lock;
    unsigned users; /* l: runtimes */
    bool is_caught; /* l: SIGQUIT is ours */
} observer = {.lock = TH_LOCK_INIT};

static void on_quit(int signo)
{
    (void)signo;
    (void)thrum_dump(2);
    th_trace_to_file();
}

static void tell_all(void)
{
    th_dump_briefly();
    th_trace_to_file();
}

/* True if the program leaves it to us: it would end the program, and nobody wants that more. */
static bool is_free(void)
{
    struct sigaction now;
    uint64_t is_wanted = 1;
    return th_config_number("THRUM_SIGQUIT", 0, 1, &is_wanted) == 0 && is_wanted != 0 &&
           th_sys_sigaction(SIGQUIT, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_DFL;
}

static void catch_quit(void)
{
    struct sigaction act = {.sa_handler = on_quit, .sa_flags = SA_RESTART | SA_ONSTACK};
    observer.is_caught = is_free() && th_sys_sigaction(SIGQUIT, &act, NULL) == 0;
}

/* Unless somebody has put his own over it meanwhile. */
static void release_quit(void)
{
    struct sigaction now, standard = {.sa_handler = SIG_DFL};
    if (observer.is_caught && th_sys_sigaction(SIGQUIT, NULL, &now) == 0 && now.sa_handler == on_quit)
        (void)th_sys_sigaction(SIGQUIT, &standard, NULL);
    observer.is_caught = false;
}

void th_observer_open(void)
{
    th_lock_take(&observer.lock);
    if (observer.users++ == 0) {
        th_panic_rest = tell_all;
        th_trace_open();
        catch_quit();
        th_console_open();
    }
    th_lock_leave(&observer.lock);
}

void th_observer_end(struct thrum_runtime *runtime)
{
    (void)runtime;
    th_trace_to_file();
}

void th_observer_close(void)
{
    th_lock_take(&observer.lock);
    if (--observer.users == 0) {
        th_console_close();
        th_leaks_tell();
        release_quit();
    }
    th_lock_leave(&observer.lock);
}
