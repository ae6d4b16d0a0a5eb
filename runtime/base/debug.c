#include "base/debug.h"

#include "base/panic.h"
#include "base/sys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

th_atomic32 th_debug_wanted = TH_ATOMIC_INIT(0);

static const struct {
    const char *word;
    uint32_t what;
} words[] = {{"lockorder", TH_DEBUG_LOCKORDER}, {"deadlock", TH_DEBUG_DEADLOCK}, {"stalls", TH_DEBUG_STALLS},
             {"migrate", TH_DEBUG_MIGRATE},     {"locks", TH_DEBUG_LOCKS},       {"events", TH_DEBUG_EVENTS},
             {"leaks", TH_DEBUG_LEAKS}};

static uint32_t meaning_of(const char *text, size_t length)
{
    for (size_t i = 0; i < TH_COUNT_OF(words); i++) {
        if (strlen(words[i].word) == length && strncmp(words[i].word, text, length) == 0)
            return words[i].what;
    }
    return 0;
}

int th_debug_open(void)
{
    const char *text = th_sys_getenv("THRUM_DEBUG");
    const char *trace = th_sys_getenv("THRUM_TRACE");
    uint32_t wanted = trace != NULL && *trace != '\0' ? TH_DEBUG_EVENTS : 0;
    while (text != NULL && *text != '\0') {
        size_t length = strcspn(text, ",");
        uint32_t what = meaning_of(text, length);
        if (what == 0) {
            char word[32];
            (void)snprintf(word, sizeof word, "%.*s", (int)length, text);
            th_report("THRUM_DEBUG: nothing is called \"%s\"; want lockorder, deadlock, stalls, migrate, locks, "
                      "events, leaks",
                      word);
            return -EINVAL;
        }
        wanted |= what;
        text += length + (text[length] == ',');
    }
    (void)th_atomic32_or_relaxed(&th_debug_wanted, wanted);
    return 0;
}
