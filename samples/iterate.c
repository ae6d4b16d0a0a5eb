/*
 * Iterating over what comes slowly: a source that is asked row by row, and a generator, which waits between its items
 * in the middle of its own loop. A break ends the generator, and it cleans up. Prints:
 *
 *     row 0
 *     row 1
 *     row 2
 *     prime 2
 *     prime 3
 *     prime 5
 *     prime 7
 *     the generator puts its things away
 */
#include <thrum.h>

#include <stdio.h>

/* A data source with a place in it: what is next is asked for, and waited for. */
struct rows {
    int next, count;
};

/* 1 with a row, 0 at the end, or why the wait ended. */
static int next_row(struct rows *rows, int *row)
{
    int code = thrum_sleep(THRUM_MS(5));
    if (code < 0 || rows->next == rows->count)
        return code;
    *row = rows->next++;
    return 1;
}

static bool is_prime(int number)
{
    for (int i = 2; i * i <= number; i++) {
        if (number % i == 0)
            return false;
    }
    return true;
}

/* The same the other way round: the producer keeps its place by being in the middle of its loop. It begins when the
 * first prime is asked for and is never ahead. */
static int primes(thrum_generator *generator, void *arg)
{
    int code = 0;
    (void)arg;
    for (int number = 2; code == 0; number++) {
        if (!is_prime(number))
            continue;
        code = thrum_sleep(THRUM_MS(5));
        if (code == 0)
            code = thrum_generator_yield(generator, &number);
    }
    puts("the generator puts its things away"); /* nobody wants more */
    return code;
}

static int app(void *arg)
{
    (void)arg;
    struct rows rows = {.count = 3};
    int row, prime, code;
    while ((code = next_row(&rows, &row)) == 1)
        printf("row %d\n", row);
    if (code < 0)
        return code;

    thrum_generator generator = THRUM_GENERATOR(primes, NULL, sizeof prime);
    while ((code = thrum_generator_next(&generator, &prime)) == 1 && prime < 10)
        printf("prime %d\n", prime);
    int closed = thrum_generator_close(&generator);
    return code < 0 ? code : closed;
}

int main(void)
{
    return thrum_run(app, NULL) == 0 ? 0 : 1;
}
