/*
 * Random programs, explored by the checker and, independently, judged by the axioms.
 *
 * The axioms look at whole executions: which store each load reads (rf), in which order the stores of a location stand
 * (mo). All are enumerated, the inconsistent ones thrown away, and the outcomes of the rest are what the checker must
 * find: no more, no fewer, for programs of two or three threads and up to seven operations of all kinds and orders.
 * The relations are named as in "Repairing Sequential Consistency in C/C++11" (RC11), with release sequences of C++20;
 * MODEL_TSO's are those of x86-TSO in its axiomatic form.
 *
 * MODEL_AXIOMS=FROM,COUNT in the environment chooses the programs; a program is a function of its number.
 */
#include "model/model.h"

#include "base/atomic.h"
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOCATIONS = 2, OPS_MAX = 7, EVENTS_MAX = LOCATIONS + OPS_MAX, OUTCOMES_BYTES = 16384, PROGRAMS = 200 };

enum kind { LOAD, STORE, UPDATE, FENCE };

struct op {
    enum kind kind;
    int order, thread, location;
    uint32_t value; /* that it stores; in every third program some are equal */
};

struct program {
    int count, threads;
    struct op ops[OPS_MAX]; /* in program order within each thread */
};

static void program_make(struct program *program, unsigned number)
{
    static const int orders[4][4] = {
        {__ATOMIC_RELAXED, __ATOMIC_ACQUIRE, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED},
        {__ATOMIC_RELAXED, __ATOMIC_RELEASE, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED},
        {__ATOMIC_RELAXED, __ATOMIC_ACQ_REL, __ATOMIC_SEQ_CST, __ATOMIC_RELEASE},
        {__ATOMIC_ACQUIRE, __ATOMIC_RELEASE, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST},
    };
    static const enum kind kinds[] = {LOAD, LOAD, LOAD, STORE, STORE, STORE, UPDATE, FENCE};
    struct th_random random;
    th_random_init(&random, number);
    program->threads = 2 + (int)th_random_below(&random, 2);
    program->count = program->threads == 2 ? 6 : 5 + (int)th_random_below(&random, 3);
    for (int i = 0; i < program->count; i++) {
        struct op *op = &program->ops[i];
        op->kind = kinds[th_random_below(&random, TH_COUNT_OF(kinds))];
        op->order = orders[op->kind][th_random_below(&random, 4)];
        op->thread = i % program->threads;
        op->location = (int)th_random_below(&random, LOCATIONS);
        op->value = number % 3 != 0 ? (uint32_t)i + 1 : (uint32_t)i % 2 + 1;
    }
}

static const char *op_text(const struct op *op, char *text, size_t capacity)
{
    static const char *const orders[] = {"rlx", "con", "acq", "rel", "ar", "sc"};
    static const char *const kinds[] = {"R", "W", "U", "F"};
    snprintf(text, capacity, "%s%.*s.%s", kinds[op->kind], op->kind != FENCE, &"xy"[op->location], orders[op->order]);
    return text;
}

/* ---- The axioms. Events: the initial stores, then the operations. A relation is a row of bits for each event. */

typedef struct {
    uint16_t row[EVENTS_MAX];
} relation;

struct execution {
    int count;                       /* events */
    const struct op *op[EVENTS_MAX]; /* NULL: initial */
    int location[EVENTS_MAX];
    bool is_read[EVENTS_MAX], is_write[EVENTS_MAX];
    relation sb;
    int rf[EVENTS_MAX];    /* from which event each read reads */
    int place[EVENTS_MAX]; /* of each write in mo of its location */
    relation mo, rf_set, rb, eco, hb;
};

static bool has(const relation *r, int a, int b)
{
    return r->row[a] >> b & 1;
}

static void put(relation *r, int a, int b)
{
    r->row[a] |= (uint16_t)(1u << b);
}

static relation join(relation a, relation b)
{
    for (int i = 0; i < EVENTS_MAX; i++)
        a.row[i] |= b.row[i];
    return a;
}

static relation compose(const relation *a, const relation *b)
{
    relation result = {{0}};
    for (int i = 0; i < EVENTS_MAX; i++)
        for (int j = 0; j < EVENTS_MAX; j++)
            if (has(a, i, j))
                result.row[i] |= b->row[j];
    return result;
}

static relation closure(relation r)
{
    for (int k = 0; k < EVENTS_MAX; k++)
        for (int i = 0; i < EVENTS_MAX; i++)
            if (has(&r, i, k))
                r.row[i] |= r.row[k];
    return r;
}

static relation reflexive(relation r)
{
    for (int i = 0; i < EVENTS_MAX; i++)
        put(&r, i, i);
    return r;
}

static bool is_acyclic(relation r)
{
    r = closure(r);
    for (int i = 0; i < EVENTS_MAX; i++)
        if (has(&r, i, i))
            return false;
    return true;
}

static int order_of(const struct execution *x, int e)
{
    return x->op[e] != NULL ? x->op[e]->order : __ATOMIC_RELAXED;
}

static bool is_fence(const struct execution *x, int e)
{
    return x->op[e] != NULL && x->op[e]->kind == FENCE;
}

static bool releases(const struct execution *x, int e)
{
    int order = order_of(x, e);
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static bool acquires(const struct execution *x, int e)
{
    int order = order_of(x, e);
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static bool is_sc(const struct execution *x, int e)
{
    return order_of(x, e) == __ATOMIC_SEQ_CST;
}

static bool is_same_location(const struct execution *x, int a, int b)
{
    return !is_fence(x, a) && !is_fence(x, b) && x->location[a] == x->location[b];
}

static bool is_update(const struct execution *x, int e)
{
    return x->is_read[e] && x->is_write[e];
}

/* Who synchronises with whom: a release, perhaps a fence before the store; updates in between; an acquire. */
static relation synchronises(const struct execution *x)
{
    relation sw = {{0}};
    for (int reader = 0; reader < x->count; reader++) {
        if (!x->is_read[reader])
            continue;
        for (int store = x->rf[reader];; store = x->rf[store]) {
            for (int a = 0; a < x->count; a++) {
                bool from = releases(x, a) && (a == store ? !is_fence(x, a) : is_fence(x, a) && has(&x->sb, a, store));
                for (int b = 0; from && b < x->count; b++)
                    if (acquires(x, b) && (b == reader ? !is_fence(x, b) : is_fence(x, b) && has(&x->sb, reader, b)))
                        put(&sw, a, b);
            }
            if (!is_update(x, store))
                break;
        }
    }
    return sw;
}

static void derive(struct execution *x)
{
    memset(&x->mo, 0, sizeof x->mo);
    memset(&x->rf_set, 0, sizeof x->rf_set);
    memset(&x->rb, 0, sizeof x->rb);
    for (int a = 0; a < x->count; a++)
        for (int b = 0; b < x->count; b++) {
            if (!is_same_location(x, a, b) || !x->is_write[b])
                continue;
            if (x->is_write[a] && x->place[a] < x->place[b])
                put(&x->mo, a, b);
            if (a != b && x->is_read[a] && x->place[x->rf[a]] < x->place[b])
                put(&x->rb, a, b);
        }
    for (int a = 0; a < x->count; a++)
        if (x->is_read[a])
            put(&x->rf_set, x->rf[a], a);
    x->eco = closure(join(join(x->mo, x->rf_set), x->rb));
    x->hb = closure(join(x->sb, synchronises(x)));
}

static bool is_atomic(const struct execution *x)
{
    for (int e = 0; e < x->count; e++)
        if (is_update(x, e) && x->place[x->rf[e]] + 1 != x->place[e])
            return false;
    return true;
}

static bool is_irreflexive_with(const relation *a, const relation *b)
{
    relation both = compose(a, b);
    for (int i = 0; i < EVENTS_MAX; i++)
        if (has(&both, i, i))
            return false;
    return true;
}

static relation psc(const struct execution *x)
{
    relation sb_other = {{0}}, hb_same = {{0}}, left = {{0}}, right = {{0}};
    for (int a = 0; a < x->count; a++)
        for (int b = 0; b < x->count; b++) {
            if (has(&x->sb, a, b) && !is_same_location(x, a, b))
                put(&sb_other, a, b);
            if (has(&x->hb, a, b) && is_same_location(x, a, b))
                put(&hb_same, a, b);
            if (is_sc(x, a) && (a == b || (is_fence(x, a) && has(&x->hb, a, b))))
                put(&left, a, b);
            if (is_sc(x, b) && (a == b || (is_fence(x, b) && has(&x->hb, a, b))))
                put(&right, a, b);
        }
    relation through = compose(&sb_other, &x->hb);
    through = compose(&through, &sb_other);
    relation scb = join(join(join(x->sb, through), join(hb_same, x->mo)), x->rb);
    relation base = compose(&left, &scb);
    base = compose(&base, &right);
    relation fences = compose(&x->hb, &x->eco);
    fences = join(compose(&fences, &x->hb), x->hb);
    for (int a = 0; a < x->count; a++)
        for (int b = 0; b < x->count; b++)
            if (has(&fences, a, b) && is_fence(x, a) && is_sc(x, a) && is_fence(x, b) && is_sc(x, b))
                put(&base, a, b);
    return base;
}

static bool is_rc11(const struct execution *x)
{
    relation eco = reflexive(x->eco);
    if (!is_irreflexive_with(&x->hb, &eco) || !is_acyclic(join(x->sb, x->rf_set)))
        return false;
    /* RC11 asks this of psc alone: of the first 4,000 programs 37 then have an outcome more, which the checker does not
     * find, as it executes psc's order (README.md, "Not found"). */
    return is_acyclic(join(join(x->sb, x->rf_set), psc(x)));
}

static bool is_x86_fence(const struct execution *x, int e)
{
    return is_sc(x, e) ? is_fence(x, e) || x->is_write[e] : is_update(x, e);
}

static bool is_tso(const struct execution *x)
{
    relation ghb = join(x->mo, x->rb), same = join(join(x->mo, x->rb), x->rf_set);
    for (int a = 0; a < x->count; a++)
        for (int b = 0; b < x->count; b++) {
            bool is_own = x->op[a] != NULL && x->op[b] != NULL && x->op[a]->thread == x->op[b]->thread;
            if (has(&x->rf_set, a, b) && !is_own)
                put(&ghb, a, b);
            bool is_nothing = (is_fence(x, a) && !is_x86_fence(x, a)) || (is_fence(x, b) && !is_x86_fence(x, b));
            if (!has(&x->sb, a, b) || is_nothing)
                continue;
            if (is_same_location(x, a, b))
                put(&same, a, b);
            bool is_weak = x->is_write[a] && x->is_read[b] && !is_x86_fence(x, a) && !is_x86_fence(x, b);
            for (int f = 0; f < x->count && is_weak; f++)
                is_weak = !(is_x86_fence(x, f) && has(&x->sb, a, f) && has(&x->sb, f, b));
            if (!is_weak || x->op[a] == NULL)
                put(&ghb, a, b);
        }
    return is_acyclic(ghb) && is_acyclic(same);
}

static bool is_sequential(const struct execution *x)
{
    return is_acyclic(join(join(x->sb, x->rf_set), join(x->mo, x->rb)));
}

/* ---- Enumeration */

struct sets {
    char *sc, *tso, *weak;
};

static void set_add(char *set, const char *outcome)
{
    size_t length = strlen(outcome);
    for (const char *at = set; *at != '\0'; at += *at == '|') {
        size_t part = strcspn(at, "|");
        if (part == length && memcmp(at, outcome, length) == 0)
            return;
        at += part;
    }
    size_t used = strlen(set);
    if (used + length + 2 < OUTCOMES_BYTES)
        snprintf(set + used, OUTCOMES_BYTES - used, "%s%s", used != 0 ? "|" : "", outcome);
}

static uint32_t stored(const struct execution *x, int e)
{
    return x->op[e] != NULL ? x->op[e]->value : 0;
}

static void judge(struct execution *x, const struct sets *sets)
{
    if (!is_atomic(x))
        return;
    derive(x);
    char outcome[64];
    size_t length = 0;
    for (int e = LOCATIONS; e < x->count; e++)
        if (x->is_read[e])
            length += (size_t)snprintf(outcome + length, sizeof outcome - length, "%u", stored(x, x->rf[e]));
    for (int l = 0; l < LOCATIONS; l++) {
        int last = l;
        for (int e = 0; e < x->count; e++)
            if (x->is_write[e] && x->location[e] == l && x->place[e] > x->place[last])
                last = e;
        length += (size_t)snprintf(outcome + length, sizeof outcome - length, " %u", stored(x, last));
    }
    if (is_rc11(x))
        set_add(sets->weak, outcome);
    if (is_tso(x))
        set_add(sets->tso, outcome);
    if (is_sequential(x))
        set_add(sets->sc, outcome);
}

static void each_rf(struct execution *x, int e, const struct sets *sets)
{
    while (e < x->count && !x->is_read[e])
        e++;
    if (e == x->count) {
        judge(x, sets);
        return;
    }
    for (int from = 0; from < x->count; from++)
        if (from != e && x->is_write[from] && x->location[from] == x->location[e]) {
            x->rf[e] = from;
            each_rf(x, e + 1, sets);
        }
}

/* Gives the writes from event e on their places, in every way; `used[l]` are the places taken at location l. */
static void each_mo(struct execution *x, int e, unsigned *used, const struct sets *sets)
{
    while (e < x->count && !x->is_write[e])
        e++;
    if (e == x->count) {
        each_rf(x, 0, sets);
        return;
    }
    int l = x->location[e], writes = 0;
    for (int other = LOCATIONS; other < x->count; other++)
        writes += x->is_write[other] && x->location[other] == l;
    for (int place = 1; place <= writes; place++)
        if (!(used[l] >> place & 1)) {
            used[l] |= 1u << place;
            x->place[e] = place;
            each_mo(x, e + 1, used, sets);
            used[l] &= ~(1u << place);
        }
}

static void enumerate(const struct program *program, const struct sets *sets)
{
    struct execution x;
    memset(&x, 0, sizeof x);
    x.count = LOCATIONS + program->count;
    for (int l = 0; l < LOCATIONS; l++) {
        x.location[l] = l;
        x.is_write[l] = true;
    }
    for (int i = 0; i < program->count; i++) {
        const struct op *op = &program->ops[i];
        int e = LOCATIONS + i;
        x.op[e] = op;
        x.location[e] = op->location;
        x.is_read[e] = op->kind == LOAD || op->kind == UPDATE;
        x.is_write[e] = op->kind == STORE || op->kind == UPDATE;
        for (int l = 0; l < LOCATIONS; l++)
            put(&x.sb, l, e);
        for (int before = 0; before < i; before++)
            if (program->ops[before].thread == op->thread)
                put(&x.sb, LOCATIONS + before, e);
    }
    unsigned used[LOCATIONS] = {0};
    each_mo(&x, LOCATIONS, used, sets);
}

/* ---- The same programs, run */

static struct program *running;
static th_atomic32 shared[LOCATIONS];
static uint32_t results[OPS_MAX];

static uint32_t do_load(th_atomic32 *at, int order)
{
    switch (order) {
    case __ATOMIC_RELAXED:
        return th_atomic32_load_relaxed(at);
    case __ATOMIC_ACQUIRE:
        return th_atomic32_load_acquire(at);
    default:
        return th_atomic32_load_seqcst(at);
    }
}

static void do_store(th_atomic32 *at, uint32_t value, int order)
{
    switch (order) {
    case __ATOMIC_RELAXED:
        th_atomic32_store_relaxed(at, value);
        break;
    case __ATOMIC_RELEASE:
        th_atomic32_store_release(at, value);
        break;
    default:
        th_atomic32_store_seqcst(at, value);
    }
}

static uint32_t do_update(th_atomic32 *at, uint32_t value, int order)
{
    switch (order) {
    case __ATOMIC_RELAXED:
        return th_atomic32_exchange_relaxed(at, value);
    case __ATOMIC_RELEASE:
        return th_atomic32_exchange_release(at, value);
    case __ATOMIC_ACQ_REL:
        return th_atomic32_exchange_acqrel(at, value);
    default:
        return th_atomic32_exchange_seqcst(at, value);
    }
}

static void do_fence(int order)
{
    switch (order) {
    case __ATOMIC_ACQUIRE:
        th_fence_acquire();
        break;
    case __ATOMIC_RELEASE:
        th_fence_release();
        break;
    default:
        th_fence_seqcst();
    }
}

static void run_thread(void *arg)
{
    int thread = (int)(uintptr_t)arg;
    for (int i = 0; i < running->count; i++) {
        const struct op *op = &running->ops[i];
        if (op->thread != thread)
            continue;
        switch (op->kind) {
        case LOAD:
            results[i] = do_load(&shared[op->location], op->order);
            break;
        case STORE:
            do_store(&shared[op->location], op->value, op->order);
            break;
        case UPDATE:
            results[i] = do_update(&shared[op->location], op->value, op->order);
            break;
        case FENCE:
            do_fence(op->order);
            break;
        }
    }
}

static void run_program(void)
{
    for (int t = 0; t < running->threads; t++)
        th_model_thread(run_thread, (void *)(uintptr_t)t);
    th_model_join_all();
    char text[64] = "";
    size_t length = 0;
    for (int i = 0; i < running->count; i++)
        if (running->ops[i].kind == LOAD || running->ops[i].kind == UPDATE)
            length += (size_t)snprintf(text + length, sizeof text - length, "%u", results[i]);
    th_model_outcome("%s %u %u", text, th_atomic32_load_relaxed(&shared[0]), th_atomic32_load_relaxed(&shared[1]));
}

/* ---- A model for each program */

struct random_model {
    struct model model;
    struct program program;
    char name[OPS_MAX * 8 + 16];
};

static struct random_model *random_models;

static void random_body(void)
{
    running = &random_models[th_model_number()].program;
    run_program();
}

static void random_model_make(struct random_model *made, unsigned number)
{
    program_make(&made->program, number);
    struct sets sets = {calloc(1, OUTCOMES_BYTES), calloc(1, OUTCOMES_BYTES), calloc(1, OUTCOMES_BYTES)};
    if (sets.sc == NULL || sets.tso == NULL || sets.weak == NULL)
        abort();
    enumerate(&made->program, &sets);
    size_t length = (size_t)snprintf(made->name, sizeof made->name, "%u:", number);
    for (int t = 0; t < made->program.threads; t++) {
        length += (size_t)snprintf(made->name + length, sizeof made->name - length, "%s", t != 0 ? "/" : "");
        for (int i = t; i < made->program.count; i += made->program.threads) {
            char op[16];
            length += (size_t)snprintf(made->name + length, sizeof made->name - length, "%s%s", i != t ? "," : "",
                                       op_text(&made->program.ops[i], op, sizeof op));
        }
    }
    made->model = (struct model){
        made->name,
        random_body,
        {.modes = MODEL_SC | MODEL_TSO | MODEL_WEAK,
         .preemptions = MODEL_UNBOUNDED,
         .outcomes = sets.sc,
         .outcomes_tso = sets.tso,
         .outcomes_weak = sets.weak},
        NULL,
    };
    th_model_register(&made->model);
}

__attribute__((constructor)) static void random_models_make(void)
{
    unsigned from = 1, count = PROGRAMS;
    const char *range = getenv("MODEL_AXIOMS");
    if (range != NULL)
        (void)sscanf(range, "%u,%u", &from, &count);
    random_models = calloc(count, sizeof *random_models);
    if (random_models == NULL)
        abort();
    for (unsigned i = 0; i < count; i++)
        random_model_make(&random_models[i], from + i);
}
