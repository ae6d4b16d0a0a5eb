/*
 * Litmus tests: for each memory mode, exactly the outcomes that it allows. What MODEL_WEAK allows is RC11 without
 * load buffering; MODEL_TSO is x86.
 */
#include "model/model.h"

#include "base/atomic.h"

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

static th_atomic32 x, y, z;
static uint32_t r1, r2, r3, r4;

static void name_them(void)
{
    th_model_name(&x, "x");
    th_model_name(&y, "y");
}

static void run2(void (*a)(void *), void (*b)(void *))
{
    name_them();
    th_model_thread(a, NULL);
    th_model_thread(b, NULL);
    th_model_join_all();
}

static void run3(void (*a)(void *), void (*b)(void *), void (*c)(void *))
{
    th_model_thread(a, NULL);
    th_model_thread(b, NULL);
    th_model_thread(c, NULL);
    th_model_join_all();
}

static void run4(void (*a)(void *), void (*b)(void *), void (*c)(void *), void (*d)(void *))
{
    th_model_thread(d, NULL);
    run3(a, b, c);
}

#define THREAD(name, ...)          \
    static void name(void *unused) \
    {                              \
        (void)unused;              \
        __VA_ARGS__                \
    }

/* ---- Store buffering: each stores, then reads the other's. */

THREAD(sb_relaxed_x, th_atomic32_store_relaxed(&x, 1); r1 = th_atomic32_load_relaxed(&y);)
THREAD(sb_relaxed_y, th_atomic32_store_relaxed(&y, 1); r2 = th_atomic32_load_relaxed(&x);)
THREAD(sb_release_x, th_atomic32_store_release(&x, 1); r1 = th_atomic32_load_acquire(&y);)
THREAD(sb_release_y, th_atomic32_store_release(&y, 1); r2 = th_atomic32_load_acquire(&x);)
THREAD(sb_seqcst_x, th_atomic32_store_seqcst(&x, 1); r1 = th_atomic32_load_seqcst(&y);)
THREAD(sb_seqcst_y, th_atomic32_store_seqcst(&y, 1); r2 = th_atomic32_load_seqcst(&x);)
THREAD(sb_fence_x, th_atomic32_store_relaxed(&x, 1); th_fence_seqcst(); r1 = th_atomic32_load_relaxed(&y);)
THREAD(sb_fence_y, th_atomic32_store_relaxed(&y, 1); th_fence_seqcst(); r2 = th_atomic32_load_relaxed(&x);)
THREAD(sb_store_x, th_atomic32_store_seqcst(&x, 1); r1 = th_atomic32_load_relaxed(&y);)
THREAD(sb_store_y, th_atomic32_store_seqcst(&y, 1); r2 = th_atomic32_load_relaxed(&x);)
THREAD(sb_acqrel_x, th_atomic32_exchange_acqrel(&x, 1); r1 = th_atomic32_load_acquire(&y);)
THREAD(sb_acqrel_y, th_atomic32_exchange_acqrel(&y, 1); r2 = th_atomic32_load_acquire(&x);)

#define STRONG_SB "0 1|1 0|1 1"
#define WEAK_SB   "0 0|0 1|1 0|1 1"

MODEL(sb_relaxed, .modes = ALL, .preemptions = -1, .outcomes = STRONG_SB, .outcomes_tso = WEAK_SB,
      .outcomes_weak = WEAK_SB)
{
    run2(sb_relaxed_x, sb_relaxed_y);
    th_model_outcome("%u %u", r1, r2);
}

MODEL(sb_release_acquire, .modes = ALL, .preemptions = -1, .outcomes = STRONG_SB, .outcomes_tso = WEAK_SB,
      .outcomes_weak = WEAK_SB)
{
    run2(sb_release_x, sb_release_y);
    th_model_outcome("%u %u", r1, r2);
}

MODEL(sb_seqcst, .modes = ALL, .preemptions = -1, .outcomes = STRONG_SB)
{
    run2(sb_seqcst_x, sb_seqcst_y);
    th_model_outcome("%u %u", r1, r2);
}

MODEL(sb_fences, .modes = ALL, .preemptions = -1, .outcomes = STRONG_SB)
{
    run2(sb_fence_x, sb_fence_y);
    th_model_outcome("%u %u", r1, r2);
}

MODEL(sb_one_fence, .modes = ALL, .preemptions = -1, .outcomes = STRONG_SB, .outcomes_tso = WEAK_SB,
      .outcomes_weak = WEAK_SB)
{
    run2(sb_fence_x, sb_relaxed_y);
    th_model_outcome("%u %u", r1, r2);
}

/* A sequentially consistent store is no fence for the relaxed load behind it; on x86 it happens to be one. */
MODEL(sb_seqcst_stores_relaxed_loads, .modes = ALL, .preemptions = -1, .outcomes = STRONG_SB, .outcomes_weak = WEAK_SB)
{
    run2(sb_store_x, sb_store_y);
    th_model_outcome("%u %u", r1, r2);
}

/* The same for a read-modify-write that is acquire and release. */
MODEL(sb_acqrel_updates, .modes = ALL, .preemptions = -1, .outcomes = STRONG_SB, .outcomes_weak = WEAK_SB)
{
    run2(sb_acqrel_x, sb_acqrel_y);
    th_model_outcome("%u %u", r1, r2);
}

/* A fence on one side meets sequentially consistent accesses on the other. */
MODEL(sb_fence_and_seqcst, .modes = ALL, .preemptions = -1, .outcomes = STRONG_SB)
{
    run2(sb_fence_x, sb_seqcst_y);
    th_model_outcome("%u %u", r1, r2);
}

/* ---- Message passing */

THREAD(mp_relaxed_w, th_atomic32_store_relaxed(&x, 1); th_atomic32_store_relaxed(&y, 1);)
THREAD(mp_relaxed_r, r1 = th_atomic32_load_relaxed(&y); r2 = th_atomic32_load_relaxed(&x);)
THREAD(mp_release_w, th_atomic32_store_relaxed(&x, 1); th_atomic32_store_release(&y, 1);)
THREAD(mp_acquire_r, r1 = th_atomic32_load_acquire(&y); r2 = th_atomic32_load_relaxed(&x);)
THREAD(mp_fence_w, th_atomic32_store_relaxed(&x, 1); th_fence_release(); th_atomic32_store_relaxed(&y, 1);)
THREAD(mp_fence_r, r1 = th_atomic32_load_relaxed(&y); th_fence_acquire(); r2 = th_atomic32_load_relaxed(&x);)

#define STRONG_MP "0 0|0 1|1 1"
#define WEAK_MP   "0 0|0 1|1 0|1 1"

MODEL(mp_relaxed, .modes = ALL, .preemptions = -1, .outcomes = STRONG_MP, .outcomes_weak = WEAK_MP)
{
    run2(mp_relaxed_w, mp_relaxed_r);
    th_model_outcome("%u %u", r1, r2);
}

MODEL(mp_release_acquire, .modes = ALL, .preemptions = -1, .outcomes = STRONG_MP)
{
    run2(mp_release_w, mp_acquire_r);
    th_model_outcome("%u %u", r1, r2);
}

MODEL(mp_release_relaxed, .modes = ALL, .preemptions = -1, .outcomes = STRONG_MP, .outcomes_weak = WEAK_MP)
{
    run2(mp_release_w, mp_relaxed_r);
    th_model_outcome("%u %u", r1, r2);
}

MODEL(mp_relaxed_acquire, .modes = ALL, .preemptions = -1, .outcomes = STRONG_MP, .outcomes_weak = WEAK_MP)
{
    run2(mp_relaxed_w, mp_acquire_r);
    th_model_outcome("%u %u", r1, r2);
}

MODEL(mp_fences, .modes = ALL, .preemptions = -1, .outcomes = STRONG_MP)
{
    run2(mp_fence_w, mp_fence_r);
    th_model_outcome("%u %u", r1, r2);
}

MODEL(mp_fence_to_acquire, .modes = ALL, .preemptions = -1, .outcomes = STRONG_MP)
{
    run2(mp_fence_w, mp_acquire_r);
    th_model_outcome("%u %u", r1, r2);
}

MODEL(mp_release_to_fence, .modes = ALL, .preemptions = -1, .outcomes = STRONG_MP)
{
    run2(mp_release_w, mp_fence_r);
    th_model_outcome("%u %u", r1, r2);
}

/* ---- Release sequences: a read-modify-write in between keeps the chain, a store breaks it (C++20). */

THREAD(rs_w, th_atomic32_store_relaxed(&x, 1); th_atomic32_store_release(&y, 1);)
THREAD(rs_update, th_atomic32_add_relaxed(&y, 1);)
THREAD(rs_store, uint32_t seen = th_atomic32_load_relaxed(&y); if (seen == 1) th_atomic32_store_relaxed(&y, 2);)
THREAD(rs_r, r1 = th_atomic32_load_acquire(&y); r2 = th_atomic32_load_relaxed(&x);)
THREAD(rs_same_w, th_atomic32_store_relaxed(&x, 1); th_atomic32_store_release(&y, 1); th_atomic32_store_relaxed(&y, 2);)

MODEL(release_sequence_through_update, .modes = ALL, .preemptions = -1, .outcomes = "0 0|0 1|1 0|1 1|2 1")
{
    run3(rs_w, rs_update, rs_r);
    th_model_outcome("%u %u", r1, r2);
}

MODEL(release_sequence_broken_by_store, .modes = ALL, .preemptions = -1, .outcomes = "0 0|0 1|1 1|2 1",
      .outcomes_weak = "0 0|0 1|1 1|2 0|2 1")
{
    run3(rs_w, rs_store, rs_r);
    th_model_outcome("%u %u", r1, r2);
}

MODEL(release_sequence_broken_by_own_store, .modes = ALL, .preemptions = -1, .outcomes = "0 0|0 1|1 1|2 1",
      .outcomes_weak = "0 0|0 1|1 1|2 0|2 1")
{
    run2(rs_same_w, rs_r);
    th_model_outcome("%u %u", r1, r2);
}

/* ---- Load buffering: 1 1 is allowed by C11 and by ARM, and not found. */

THREAD(lb_x, r1 = th_atomic32_load_relaxed(&x); th_atomic32_store_relaxed(&y, 1);)
THREAD(lb_y, r2 = th_atomic32_load_relaxed(&y); th_atomic32_store_relaxed(&x, 1);)

MODEL(lb_is_not_found, .modes = ALL, .preemptions = -1, .outcomes = "0 0|0 1|1 0")
{
    run2(lb_x, lb_y);
    th_model_outcome("%u %u", r1, r2);
}

/* ---- Coherence */

THREAD(corr_w, th_atomic32_store_relaxed(&x, 1); th_atomic32_store_relaxed(&x, 2);)
THREAD(corr_r, r1 = th_atomic32_load_relaxed(&x); r2 = th_atomic32_load_relaxed(&x);)

MODEL(corr, .modes = ALL, .preemptions = -1, .outcomes = "0 0|0 1|0 2|1 1|1 2|2 2")
{
    run2(corr_w, corr_r);
    th_model_outcome("%u %u", r1, r2);
}

THREAD(corr2_w1, th_atomic32_store_relaxed(&x, 1);)
THREAD(corr2_w2, th_atomic32_store_relaxed(&x, 2);)
THREAD(corr2_r1, r1 = th_atomic32_load_relaxed(&x); r2 = th_atomic32_load_relaxed(&x);)
THREAD(corr2_r2, r3 = th_atomic32_load_relaxed(&x); r4 = th_atomic32_load_relaxed(&x);)

/* Two readers agree on the order of two writes. */
MODEL(corr_two_readers, .modes = ALL, .preemptions = -1)
{
    run4(corr2_w1, corr2_w2, corr2_r1, corr2_r2);
    MODEL_CHECK(!(r1 == 1 && r2 == 2 && r3 == 2 && r4 == 1));
    MODEL_CHECK(!(r1 == 2 && r2 == 1 && r3 == 1 && r4 == 2));
}

THREAD(coww_w, th_atomic32_store_relaxed(&x, 1); r1 = th_atomic32_load_relaxed(&x);)
THREAD(coww_w2, th_atomic32_store_relaxed(&x, 2);)

/* A thread does not read what it overwrote. */
MODEL(cowr, .modes = ALL, .preemptions = -1, .outcomes = "1 1|1 2|2 2")
{
    run2(coww_w, coww_w2);
    th_model_outcome("%u %u", r1, th_atomic32_load_relaxed(&x));
}

/* ---- 2+2W: the last stores of both are overwritten by the first ones. */

THREAD(ww_xy, th_atomic32_store_relaxed(&x, 1); th_atomic32_store_relaxed(&y, 2);)
THREAD(ww_yx, th_atomic32_store_relaxed(&y, 1); th_atomic32_store_relaxed(&x, 2);)
THREAD(ww_sc_xy, th_atomic32_store_seqcst(&x, 1); th_atomic32_store_seqcst(&y, 2);)
THREAD(ww_sc_yx, th_atomic32_store_seqcst(&y, 1); th_atomic32_store_seqcst(&x, 2);)

MODEL(two_plus_two_writes, .modes = ALL, .preemptions = -1, .outcomes = "1 2|2 1|2 2",
      .outcomes_weak = "1 1|1 2|2 1|2 2")
{
    run2(ww_xy, ww_yx);
    th_model_outcome("%u %u", th_atomic32_load_relaxed(&x), th_atomic32_load_relaxed(&y));
}

MODEL(two_plus_two_writes_append_only, .modes = MODEL_WEAK, .preemptions = -1, .append_only = true,
      .outcomes = "1 2|2 1|2 2")
{
    run2(ww_xy, ww_yx);
    th_model_outcome("%u %u", th_atomic32_load_relaxed(&x), th_atomic32_load_relaxed(&y));
}

MODEL(two_plus_two_writes_seqcst, .modes = ALL, .preemptions = -1, .outcomes = "1 2|2 1|2 2")
{
    run2(ww_sc_xy, ww_sc_yx);
    th_model_outcome("%u %u", th_atomic32_load_relaxed(&x), th_atomic32_load_relaxed(&y));
}

/* ---- IRIW: do two readers agree on the order of two writers? */

THREAD(iriw_wx, th_atomic32_store_release(&x, 1);)
THREAD(iriw_wy, th_atomic32_store_release(&y, 1);)
THREAD(iriw_rx, r1 = th_atomic32_load_acquire(&x); r2 = th_atomic32_load_acquire(&y);)
THREAD(iriw_ry, r3 = th_atomic32_load_acquire(&y); r4 = th_atomic32_load_acquire(&x);)
THREAD(iriw_sc_wx, th_atomic32_store_seqcst(&x, 1);)
THREAD(iriw_sc_wy, th_atomic32_store_seqcst(&y, 1);)
THREAD(iriw_sc_rx, r1 = th_atomic32_load_seqcst(&x); r2 = th_atomic32_load_seqcst(&y);)
THREAD(iriw_sc_ry, r3 = th_atomic32_load_seqcst(&y); r4 = th_atomic32_load_seqcst(&x);)
THREAD(iriw_f_rx, r1 = th_atomic32_load_relaxed(&x); th_fence_seqcst(); r2 = th_atomic32_load_relaxed(&y);)
THREAD(iriw_f_ry, r3 = th_atomic32_load_relaxed(&y); th_fence_seqcst(); r4 = th_atomic32_load_relaxed(&x);)

MODEL(iriw_acquire, .modes = ALL, .preemptions = -1, .outcomes = "agree", .outcomes_weak = "agree|disagree")
{
    run4(iriw_wx, iriw_wy, iriw_rx, iriw_ry);
    th_model_outcome(r1 == 1 && r2 == 0 && r3 == 1 && r4 == 0 ? "disagree" : "agree");
}

MODEL(iriw_seqcst, .modes = ALL, .preemptions = -1, .outcomes = "agree")
{
    run4(iriw_sc_wx, iriw_sc_wy, iriw_sc_rx, iriw_sc_ry);
    th_model_outcome(r1 == 1 && r2 == 0 && r3 == 1 && r4 == 0 ? "disagree" : "agree");
}

MODEL(iriw_fences, .modes = ALL, .preemptions = -1, .outcomes = "agree")
{
    run4(iriw_wx, iriw_wy, iriw_f_rx, iriw_f_ry);
    th_model_outcome(r1 == 1 && r2 == 0 && r3 == 1 && r4 == 0 ? "disagree" : "agree");
}

/* ---- WRC: a message that is passed on carries what its first sender wrote. */

THREAD(wrc_1, th_atomic32_store_relaxed(&x, 1);)
THREAD(wrc_2, r1 = th_atomic32_load_relaxed(&x); th_atomic32_store_release(&y, 1);)
THREAD(wrc_2_relaxed, r1 = th_atomic32_load_relaxed(&x); th_atomic32_store_relaxed(&y, 1);)
THREAD(wrc_3, r2 = th_atomic32_load_acquire(&y); r3 = th_atomic32_load_relaxed(&x);)

MODEL(wrc_release, .modes = ALL, .preemptions = -1, .outcomes = "0 0 0|0 0 1|0 1 0|0 1 1|1 0 0|1 0 1|1 1 1")
{
    run3(wrc_1, wrc_2, wrc_3);
    th_model_outcome("%u %u %u", r1, r2, r3);
}

MODEL(wrc_relaxed, .modes = ALL, .preemptions = -1, .outcomes = "0 0 0|0 0 1|0 1 0|0 1 1|1 0 0|1 0 1|1 1 1",
      .outcomes_weak = "0 0 0|0 0 1|0 1 0|0 1 1|1 0 0|1 0 1|1 1 0|1 1 1")
{
    run3(wrc_1, wrc_2_relaxed, wrc_3);
    th_model_outcome("%u %u %u", r1, r2, r3);
}

/* ---- R: a store and a fence against a store and a load. */

THREAD(r_1, th_atomic32_store_relaxed(&x, 1); th_fence_seqcst(); th_atomic32_store_relaxed(&y, 1);)
THREAD(r_2, th_atomic32_store_relaxed(&y, 2); th_fence_seqcst(); r1 = th_atomic32_load_relaxed(&x);)
THREAD(r_2_bare, th_atomic32_store_relaxed(&y, 2); r1 = th_atomic32_load_relaxed(&x);)

MODEL(r_fences, .modes = ALL, .preemptions = -1, .outcomes = "1 0|1 1|2 1")
{
    run2(r_1, r_2);
    th_model_outcome("%u %u", th_atomic32_load_relaxed(&y), r1);
}

MODEL(r_one_fence, .modes = ALL, .preemptions = -1, .outcomes = "1 0|1 1|2 1", .outcomes_tso = "1 0|1 1|2 0|2 1",
      .outcomes_weak = "1 0|1 1|2 0|2 1")
{
    run2(r_1, r_2_bare);
    th_model_outcome("%u %u", th_atomic32_load_relaxed(&y), r1);
}

/* ---- Read-modify-writes */

THREAD(add_relaxed, th_atomic32_add_relaxed(&x, 1);)
THREAD(cas_1, uint32_t seen = 0; r1 = th_atomic32_cas_relaxed(&x, &seen, 1);)
THREAD(cas_2, uint32_t seen = 0; r2 = th_atomic32_cas_relaxed(&x, &seen, 2);)

MODEL(updates_are_atomic, .modes = ALL, .preemptions = -1, .outcomes = "3")
{
    run3(add_relaxed, add_relaxed, add_relaxed);
    th_model_outcome("%u", th_atomic32_load_relaxed(&x));
}

MODEL(one_compare_exchange_wins, .modes = ALL, .preemptions = -1, .outcomes = "1 0|0 1")
{
    run2(cas_1, cas_2);
    th_model_outcome("%u %u", r1, r2);
}

THREAD(inc_store, r1 = th_atomic32_add_relaxed(&x, 1);)
THREAD(plain_store, th_atomic32_store_relaxed(&x, 10);)

/* Nothing comes between a read-modify-write and what it read. */
MODEL(store_beside_update, .modes = ALL, .preemptions = -1, .outcomes = "0 10|10 11")
{
    run2(inc_store, plain_store);
    th_model_outcome("%u %u", r1, th_atomic32_load_relaxed(&x));
}

/* ---- Double-check of what a fence learns without synchronising: coherence travels on through release. */

THREAD(isa2_1, th_atomic32_store_relaxed(&x, 1); th_atomic32_store_release(&y, 1);)
THREAD(isa2_2, r1 = th_atomic32_load_acquire(&y); th_atomic32_store_release(&z, 1);)
THREAD(isa2_3, r2 = th_atomic32_load_acquire(&z); r3 = th_atomic32_load_relaxed(&x);)

MODEL(isa2, .modes = ALL, .preemptions = -1, .outcomes = "0 0 0|0 0 1|0 1 0|0 1 1|1 0 0|1 0 1|1 1 1")
{
    run3(isa2_1, isa2_2, isa2_3);
    th_model_outcome("%u %u %u", r1, r2, r3);
}
