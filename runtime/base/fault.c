#include "base/fault.h"

#include "base/mutant.h"
#include "base/panic.h"
#include "base/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { RULES_MAX = 16 };

struct rule {
    enum th_sys_call call;
    uint64_t first; /* 1 is the first call after the plan was set */
    uint64_t last;
    unsigned percent;   /* of those between */
    int code;           /* -errno, or 0: shorten */
    size_t short_bytes; /* with code 0 */
};

/* Written while there are none and nobody looks at them. */
static struct rule rules[RULES_MAX];
th_atomic32 th_fault_rules;
static th_atomic32 lookers;
static th_atomic64 calls[TH_SYS_COUNT];
static th_atomic64 hits[TH_SYS_COUNT];
/* Of a plan with a seed. */
static uint64_t plan_seed;
static th_atomic64 plan_thread; /* the only one that it is for; 0: it is everybody's */
static bool is_held;            /* that thread's */
void (*th_fault_heard)(enum th_sys_call call, int code);

static const char *const call_names[TH_SYS_COUNT] = {
#define CALL_NAME(name) [TH_SYS_##name] = #name,
    TH_SYS_CALLS(CALL_NAME)
#undef CALL_NAME
};

static const struct {
    const char *name;
    int code;
} errnos[] = {
#define ERRNO(name) \
    {               \
#name, name \
    }
    ERRNO(EACCES),        ERRNO(EAGAIN),       ERRNO(EBADF),        ERRNO(EBUSY),        ERRNO(ECANCELED),
    ERRNO(ECONNRESET),    ERRNO(EEXIST),       ERRNO(EFAULT),       ERRNO(EINTR),        ERRNO(EINVAL),
    ERRNO(ECHILD),        ERRNO(EIO),          ERRNO(EMFILE),       ERRNO(ENFILE),       ERRNO(ENOBUFS),
    ERRNO(ENOENT),        ERRNO(ENOMEM),       ERRNO(ENOSPC),       ERRNO(ENOSYS),       ERRNO(EPERM),
    ERRNO(EPIPE),         ERRNO(ERANGE),       ERRNO(ECONNREFUSED), ERRNO(ETIMEDOUT),    ERRNO(EADDRINUSE),
    ERRNO(EADDRNOTAVAIL), ERRNO(EAFNOSUPPORT), ERRNO(ECONNABORTED), ERRNO(EHOSTUNREACH), ERRNO(EINPROGRESS),
    ERRNO(ELOOP),         ERRNO(EMSGSIZE),     ERRNO(ENETDOWN),     ERRNO(ENETUNREACH),  ERRNO(ENOTCONN),
    ERRNO(ENOTSOCK),      ERRNO(EOPNOTSUPP),   ERRNO(EPROTO),
#undef ERRNO
};

static bool parse_call(const char *text, size_t length, enum th_sys_call *call)
{
    for (int i = 0; i < TH_SYS_COUNT; i++) {
        if (strlen(call_names[i]) == length && memcmp(call_names[i], text, length) == 0) {
            *call = (enum th_sys_call)i;
            return true;
        }
    }
    return false;
}

static bool parse_when(const char *text, struct rule *rule)
{
    rule->percent = 100;
    if (*text == '%') {
        char *behind;
        rule->first = 1;
        rule->last = UINT64_MAX;
        rule->percent = (unsigned)strtoul(text + 1, &behind, 10);
        return rule->percent <= 100 && *behind == ':';
    }
    if (strncmp(text, "*:", 2) == 0) {
        rule->first = 1;
        rule->last = UINT64_MAX;
        return true;
    }
    char *end;
    rule->first = strtoull(text, &end, 10);
    rule->last = rule->first;
    if (*end == '+') {
        rule->last = UINT64_MAX;
        end++;
    } else if (*end == 'x') {
        uint64_t count = strtoull(end + 1, &end, 10);
        if (count == 0)
            return false;
        rule->last = rule->first + count - 1;
    }
    return rule->first > 0 && *end == ':';
}

/* The calls that move bytes. */
static bool can_be_short(enum th_sys_call call)
{
    static const enum th_sys_call movers[] = {TH_SYS_read,     TH_SYS_write,  TH_SYS_readv, TH_SYS_writev,
                                              TH_SYS_pread,    TH_SYS_pwrite, TH_SYS_recv,  TH_SYS_send,
                                              TH_SYS_sendfile, TH_SYS_splice};
    for (size_t i = 0; i < TH_COUNT_OF(movers); i++) {
        if (movers[i] == call)
            return true;
    }
    return false;
}

static bool parse_what(const char *text, struct rule *rule)
{
    if (strncmp(text, "short=", 6) == 0) {
        char *end;
        rule->code = 0;
        rule->short_bytes = strtoul(text + 6, &end, 10);
        return end != text + 6 && *end == '\0' && can_be_short(rule->call);
    }
    for (size_t i = 0; i < TH_COUNT_OF(errnos); i++) {
        if (strcmp(text, errnos[i].name) == 0) {
            rule->code = -errnos[i].code;
            return true;
        }
    }
    return false;
}

static bool parse_rule(const char *text, struct rule *rule)
{
    const char *when = strchr(text, ':');
    if (when == NULL || !parse_call(text, (size_t)(when - text), &rule->call))
        return false;
    const char *what = strchr(when + 1, ':');
    return what != NULL && parse_when(when + 1, rule) && parse_what(what + 1, rule);
}

/* No rules, and nobody who still looks at those that were. */
static void withdraw(void)
{
    th_atomic32_store_seqcst(&th_fault_rules, 0);                                   /* [X2] */
    while (th_atomic32_load_seqcst(&lookers) != 0 && !TH_MUTANT(plan_over_lookers)) /* [X2] */
        th_sys_thread_yield();
}

static int set_plan(const char *plan, uint64_t seed)
{
    withdraw();
    plan_seed = seed;
    for (int i = 0; i < TH_SYS_COUNT; i++) {
        th_atomic64_store_relaxed(&calls[i], 0);
        th_atomic64_store_relaxed(&hits[i], 0);
    }
    uint32_t count = 0;
    const char *next = plan != NULL ? plan : "";
    while (*next != '\0') {
        char text[64] = {0};
        size_t length = strcspn(next, ",");
        memcpy(text, next, length < sizeof text ? length : sizeof text - 1);
        if (count == RULES_MAX || length >= sizeof text || !parse_rule(text, &rules[count])) {
            th_report("fault plan: bad rule `%s` (want call:N[+|xK]:ERRNO or call:%%PERCENT:short=BYTES)", text);
            return -EINVAL;
        }
        count++;
        next += length + (next[length] == ',');
    }
    th_atomic32_store_release(&th_fault_rules, count); /* [X1] */
    return 0;
}

int th_fault_plan(const char *plan)
{
    th_atomic64_store_relaxed(&plan_thread, 0);
    return set_plan(plan, 0);
}

int th_fault_plan_seeded(const char *plan, uint64_t seed)
{
    th_atomic64_store_relaxed(&plan_thread, th_sys_thread_self());
    return set_plan(plan, seed);
}

void th_fault_hold(void)
{
    is_held = true;
}

void th_fault_release(void)
{
    is_held = false;
}

const char *th_fault_name(enum th_sys_call call)
{
    return call_names[call];
}

uint64_t th_fault_calls(enum th_sys_call call)
{
    return th_atomic64_load_relaxed(&calls[call]);
}

uint64_t th_fault_hits(enum th_sys_call call)
{
    return th_atomic64_load_relaxed(&hits[call]);
}

/* Chance, but the same in each run with the same seed. */
static bool is_drawn(const struct rule *rule, uint64_t nth)
{
    struct th_random random;
    th_random_init(&random, plan_seed * 0xd1342543de82ef95u + nth * TH_COUNT_OF(rules) + (uint64_t)(rule - rules));
    return th_random_below(&random, 100) < rule->percent;
}

/* Does to a call what a rule says. */
static int apply(const struct rule *rule, size_t *bytes)
{
    th_atomic64_add_relaxed(&hits[rule->call], 1);
    if (rule->code == 0 && bytes != NULL && *bytes > rule->short_bytes)
        *bytes = rule->short_bytes;
    if (th_atomic64_load_relaxed(&plan_thread) != 0 && th_fault_heard != NULL)
        th_fault_heard(rule->call, rule->code);
    return rule->code;
}

static int look(enum th_sys_call call, size_t *bytes)
{
    uint64_t nth = th_atomic64_add_relaxed(&calls[call], 1) + 1;
    uint32_t count = th_atomic32_load_seqcst(&th_fault_rules); /* [X1] [X2] */
    for (uint32_t i = 0; i < count; i++) {
        const struct rule *rule = &rules[i];
        if (rule->call == call && nth >= rule->first && nth <= rule->last && is_drawn(rule, nth))
            return apply(rule, bytes);
    }
    return 0;
}

int th_fault_check(enum th_sys_call call, size_t *bytes)
{
    uint64_t thread = th_atomic64_load_relaxed(&plan_thread);
    if (thread != 0 && (thread != th_sys_thread_self() || is_held))
        return 0;
    (void)th_atomic32_add_seqcst(&lookers, 1); /* [X2] */
    int code = look(call, bytes);
    (void)th_atomic32_sub_release(&lookers, 1); /* [X2] */
    return code;
}

#if defined(TH_FAULTS)
/* Of other threads, which a fork leaves behind. */
static void forget_lookers(void)
{
    th_atomic32_store_relaxed(&lookers, 0);
}

/* The environment's plan, before anything of the runtime runs. */
__attribute__((constructor)) static void plan_from_environment(void)
{
    (void)pthread_atfork(NULL, NULL, forget_lookers);
    const char *plan = getenv("THRUM_FAULTS");
    if (plan != NULL && th_fault_plan(plan) < 0)
        exit(2);
}

#endif
