/*
 * Fork and join: a task for one half, the caller does the other, and the group waits. Idle workers steal what has not
 * begun; with one worker it is hardly more than a call. Prints:
 *
 *     fib(25) = 75025
 *     200000 numbers sorted
 */
#include <thrum.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS = 200000, SMALL = 2000 };

/* No cut-off: a task for each second call. A sensible program stops spawning where the work gets small, as below. */
static int fib(void *arg)
{
    int n = (int)(intptr_t)arg;
    if (n < 2)
        return n;
    thrum_task *larger;
    int first, code = thrum_task_start(&larger, NULL, NULL, fib, (void *)(intptr_t)(n - 1));
    if (code < 0)
        return code;
    int second = fib((void *)(intptr_t)(n - 2));
    code = thrum_join(larger, &first);
    return code < 0 ? code : first < 0 ? first : second < 0 ? second : first + second;
}

struct stretch {
    int *numbers, *spare;
    size_t count;
};

static int by_value(const void *a, const void *b)
{
    int left = *(const int *)a, right = *(const int *)b;
    return (left > right) - (left < right);
}

static void merge(const struct stretch *stretch, size_t middle)
{
    size_t left = 0, right = middle;
    for (size_t i = 0; i < stretch->count; i++) {
        bool takes_left =
            right == stretch->count || (left < middle && stretch->numbers[left] <= stretch->numbers[right]);
        stretch->spare[i] = stretch->numbers[takes_left ? left++ : right++];
    }
    memcpy(stretch->numbers, stretch->spare, stretch->count * sizeof *stretch->numbers);
}

static int sort(void *arg)
{
    struct stretch *all = arg;
    if (all->count <= SMALL) {
        qsort(all->numbers, all->count, sizeof *all->numbers, by_value);
        return 0;
    }
    size_t middle = all->count / 2;
    struct stretch left = {all->numbers, all->spare, middle};
    struct stretch right = {all->numbers + middle, all->spare + middle, all->count - middle};
    thrum_group halves = THRUM_GROUP_INIT;
    int code = thrum_spawn(&halves, sort, &left);
    int here = sort(&right);
    int there = thrum_group_wait(&halves);
    merge(all, middle);
    return code < 0 ? code : here < 0 ? here : there;
}

static int app(void *arg)
{
    struct stretch *all = arg;
    int result = fib((void *)(intptr_t)25);
    printf("fib(25) = %d\n", result);
    if (result >= 0)
        result = sort(all);
    size_t sorted = 1;
    while (sorted < all->count && all->numbers[sorted - 1] <= all->numbers[sorted])
        sorted++;
    printf("%zu numbers sorted\n", sorted);
    return result;
}

int main(void)
{
    struct stretch all = {calloc(NUMBERS, sizeof(int)), calloc(NUMBERS, sizeof(int)), NUMBERS};
    if (all.numbers == NULL || all.spare == NULL)
        return 1;
    uint32_t next = 1;
    for (size_t i = 0; i < all.count; i++) {
        next = next * 1664525 + 1013904223;
        all.numbers[i] = (int)(next >> 8);
    }
    int code = thrum_run(app, &all);
    free(all.numbers);
    free(all.spare);
    return code < 0 ? 1 : 0;
}
