#include "base/latch.h"

#include "base/mutant.h"
#include "base/sys.h"

/* A holder is done within 100 turns unless it was taken off its core; then it most often waits for this one. */
enum { SPINS = TH_SHRUNK(100, 1), YIELDS = TH_SHRUNK(8, 1), NAP_LEAST_NS = 20000, NAP_MOST_NS = 1000000 };

void th_latch_wait(struct th_latch *latch)
{
    int64_t nap = NAP_LEAST_NS;
    for (int turn = 0;; turn++) {
        if (th_atomic32_load_relaxed(&latch->word) == 0 && th_latch_try(latch))
            return;
        if (turn < SPINS) {
            th_cpu_relax();
        } else if (turn < SPINS + YIELDS) {
            th_sys_thread_yield();
        } else {
            /* Nobody wakes it; the wait returns at once where the latch is free by now. */
            (void)th_sys_futex_wait(&latch->word, 1, th_sys_now() + nap);
            nap = nap < NAP_MOST_NS / 2 ? nap * 2 : NAP_MOST_NS;
        }
    }
}
