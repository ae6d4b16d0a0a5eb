/* sched/recorder: what is read is one event, whole, though its place is written again meanwhile. */
#include "model/model.h"

#include "sched/recorder.h"

enum { CAPACITY = 2, EVENTS = 3 };

static struct {
    struct th_recorder recorder;
    struct th_flight_words words[CAPACITY];
} ring = {.recorder = {.capacity = CAPACITY}};

static void write_events(void *arg)
{
    (void)arg;
    for (uint32_t i = 0; i < EVENTS; i++)
        th_recorder_write(&ring.recorder,
                          &(struct th_flight){.at = i, .detail = i, .task = i, .place = (void *)(uintptr_t)i});
}

MODEL(recorder_reads_whole_events, .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK, .preemptions = 2)
{
    struct th_flight event;
    th_model_thread(write_events, NULL);
    for (uint32_t i = 0; i < 2; i++) {
        if (!th_recorder_read(&ring.recorder, i, &event))
            continue;
        MODEL_CHECK_EQ(event.at, i);
        MODEL_CHECK_EQ(event.detail, i);
        MODEL_CHECK_EQ(event.task, i);
        MODEL_CHECK_EQ((uintptr_t)event.place, i);
    }
}
