/* THRUM_DEBUG=leaks: what is left at the end is told, with where it was made; and nothing else is. */
#include "task/harness.h"

#include <fcntl.h>

static struct kit_outcome outcome;

static void run_in_child(void *arg)
{
    struct {
        thrum_fn fn;
    } *body = arg;
    CHECK_EQ(setenv("THRUM_DEBUG", "leaks", 1), 0);
    run_on(2, body->fn, NULL);
}

static const char *told_of(thrum_fn fn)
{
    struct {
        thrum_fn fn;
    } body = {fn};
    if (kit_is_emulated())
        SKIP("an emulator does not read a process's memory for it");
    kit_in_child(run_in_child, &body, &outcome);
    return outcome.errors;
}

TH_NOINLINE static int start_and_forget(void *arg)
{
    thrum_task *task;
    return thrum_task_start(&task, NULL, NULL, return_zero, arg);
}

TEST(a_handle_that_nobody_joined_is_told)
{
    CHECK_STR_HAS(told_of(start_and_forget), "(return_zero) was neither joined nor dropped; it was started here:\n");
    CHECK_STR_HAS(outcome.errors, "    thrum_task_start+0x");
    CHECK_STR_HAS(outcome.errors, "    start_and_forget+0x");
    CHECK_EQ(outcome.exit_code, 0);
}

TH_NOINLINE static int open_and_forget(void *arg)
{
    return thrum_open("/dev/null", O_RDONLY | O_CLOEXEC, 0) < 0 || arg != NULL;
}

TEST(a_file_descriptor_that_nobody_closed_is_told)
{
    CHECK_STR_HAS(told_of(open_and_forget), " is still open; it was opened here:\n");
    CHECK_STR_HAS(outcome.errors, "    open_and_forget+0x");
    CHECK_EQ(outcome.exit_code, 0);
}

TH_NOINLINE static int put_off_and_forget(void *arg)
{
    int code = thrum_call_later(NULL, THRUM_SEC(1000), return_value, arg);
    return code + (arg != NULL);
}

TEST(a_call_that_was_not_made_is_told)
{
    CHECK_STR_HAS(told_of(put_off_and_forget), "put off (return_value) was neither made nor cancelled;");
    CHECK_STR_HAS(outcome.errors, "    put_off_and_forget+0x");
    CHECK_EQ(outcome.exit_code, 0);
}

static int take_a_stack(void *arg)
{
    static struct th_stack_cache cache;
    uint32_t slot;
    return th_stack_take(&cache, &slot) + (arg != NULL);
}

TEST(stacks_that_were_not_given_back_are_told)
{
    CHECK_STR_HAS(told_of(take_a_stack), " stacks were not given back");
}

static int leave_nothing(void *arg)
{
    int *made = arg;
    thrum_task *task;
    thrum_call *call;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, return_zero, NULL), 0);
    CHECK_EQ(thrum_join(task, NULL), 0);
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, return_zero, NULL), 0);
    thrum_task_drop(task);
    CHECK_EQ(thrum_call_later(&call, THRUM_SEC(1000), return_zero, NULL), 0);
    CHECK(thrum_call_cancel(call));
    th_atomic32 is_made = TH_ATOMIC_INIT(0);
    CHECK_EQ(thrum_call_later(NULL, 0, set_my_flag, &is_made), 0);
    flag_wait(&is_made);
    int fd = thrum_open("/dev/null", O_RDONLY | O_CLOEXEC, 0), other = thrum_open("/dev/null", O_RDONLY | O_CLOEXEC, 0);
    CHECK_EQ(thrum_close(fd), 0);
    CHECK_EQ(close(other), 0);
    return made != NULL;
}

TEST(who_leaves_nothing_is_told_of_nothing)
{
    CHECK_STR_EQ(told_of(leave_nothing), "");
    CHECK_EQ(outcome.exit_code, 0);
}
