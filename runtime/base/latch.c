#include "base/latch.h"

#include "base/mutant.h"
#include "base/sys.h"

/* A holder is done within 100 turns unless it was taken off its core; then it most often waits for this one. Naps
 * double from 20 us on, up to about what a turn of the system's scheduler lasts. In a model each nap would be a time of
 * its own, and no two states the same. */
enum {
    SPINS = TH_SHRUNK(100, 1),
    YIELDS = TH_SHRUNK(8, 0xffffff),
    STAND_BACK = TH_SHRUNK(100, 1),
    STAND_BACKS = TH_SHRUNK(4, 1),
    NAP_LEAST_NS = 20000,
    NAP_DOUBLINGS = 6,
};

void th_latch_pause(th_atomic32 *word, uint32_t now, uint32_t turn)
{
    if (turn < SPINS) {
        th_cpu_relax();
    } else if (turn < SPINS + YIELDS) {
        th_sys_thread_yield();
    } else {
        uint32_t doublings = turn - SPINS - YIELDS;
        int64_t nap = (int64_t)NAP_LEAST_NS << (doublings < NAP_DOUBLINGS ? doublings : NAP_DOUBLINGS);
        (void)th_sys_futex_wait(word, now, th_sys_now() + nap);
    }
}

/* Some 3 us in which the other side does what it has to do many times over, with all of it in its own cache. Who takes
 * the latch the moment it is free gets it by turns, and everything under it goes to and fro each time. */
static void stand_back(void)
{
    for (int i = 0; i < STAND_BACK; i++)
        th_cpu_relax();
}

void th_latch_wait(struct th_latch *latch)
{
    for (uint32_t turn = 0;; turn++) {
        if (turn < STAND_BACKS)
            stand_back();
        else
            th_latch_pause(&latch->word, 1, SPINS + turn - STAND_BACKS);
        if (th_atomic32_load_relaxed(&latch->word) == 0 && th_latch_try(latch))
            return;
    }
}
