/*
 * The test kit: small, and our own for one reason. Packaged C frameworks leave a failed test by longjmp, which from
 * a fiber's stack jumps onto a stack that is not running, or they keep per-thread state that does not follow a
 * fiber. Here a failed check prints both values and ends the process, wherever it stands: in a fiber, on a worker,
 * in a signal handler.
 *
 *     TEST(unpark_before_park_is_remembered)
 *     {
 *         CHECK_EQ(park(), 0);
 *     }
 *
 * A test program holds many tests. `program NAME` runs one, in this process (ctest does that: one process a test);
 * `program` alone runs all, each in a child; `program --list` names them.
 *
 * Environment: KIT_SEED, the seed that kit_seed() gives (else a fresh one, printed when the test fails);
 * KIT_DUMP_AFTER, set by ctest: seconds after which a test that still runs writes what its tasks wait for;
 * KIT_ROUNDS, for tests that can go on for long (kit_rounds); KIT_EMULATED, set by ctest where an emulator runs the
 * tests.
 */
#ifndef KIT_H
#define KIT_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kit_test {
    const char *name;
    void (*body)(void);
    struct kit_test *next;
};

void kit_register(struct kit_test *test);

#define TEST(test_name)                                                          \
    static void test_name(void);                                                 \
    static struct kit_test kit_test_##test_name = {#test_name, test_name, NULL}; \
    __attribute__((constructor)) static void kit_register_##test_name(void)      \
    {                                                                            \
        kit_register(&kit_test_##test_name);                                     \
    }                                                                            \
    static void test_name(void)

/* Both values are printed on failure, as they were when they were compared. */
#define CHECK(condition)          ((condition) ? (void)0 : kit_fail(__FILE__, __LINE__, "%s is false", #condition))
#define CHECK_EQ(a, b)            kit_compare(__FILE__, __LINE__, #a, "==", #b, (intmax_t)(a), (intmax_t)(b))
#define CHECK_NE(a, b)            kit_compare(__FILE__, __LINE__, #a, "!=", #b, (intmax_t)(a), (intmax_t)(b))
#define CHECK_LT(a, b)            kit_compare(__FILE__, __LINE__, #a, "<", #b, (intmax_t)(a), (intmax_t)(b))
#define CHECK_LE(a, b)            kit_compare(__FILE__, __LINE__, #a, "<=", #b, (intmax_t)(a), (intmax_t)(b))
#define CHECK_GT(a, b)            kit_compare(__FILE__, __LINE__, #a, ">", #b, (intmax_t)(a), (intmax_t)(b))
#define CHECK_GE(a, b)            kit_compare(__FILE__, __LINE__, #a, ">=", #b, (intmax_t)(a), (intmax_t)(b))
#define CHECK_PTR_EQ(a, b)        kit_compare_pointers(__FILE__, __LINE__, #a, "==", #b, a, b)
#define CHECK_PTR_NE(a, b)        kit_compare_pointers(__FILE__, __LINE__, #a, "!=", #b, a, b)
#define CHECK_STR_EQ(a, b)        kit_compare_strings(__FILE__, __LINE__, #a, "==", #b, a, b)
#define CHECK_STR_HAS(text, part) kit_compare_strings(__FILE__, __LINE__, #text, "has", #part, text, part)
#define FAIL(...)                 kit_fail(__FILE__, __LINE__, __VA_ARGS__)

/* Leaves the test as passed but not run, with the reason: ctest shows it as skipped. */
#define SKIP(...) kit_skip(__VA_ARGS__)

__attribute__((noreturn, format(printf, 3, 4))) void kit_fail(const char *file, int line, const char *format, ...);
__attribute__((noreturn, format(printf, 1, 2))) void kit_skip(const char *format, ...);
void kit_compare(const char *file, int line, const char *a_text, const char *operation, const char *b_text, intmax_t a,
                 intmax_t b);
void kit_compare_pointers(const char *file, int line, const char *a_text, const char *operation, const char *b_text,
                          const void *a, const void *b);
void kit_compare_strings(const char *file, int line, const char *a_text, const char *operation, const char *b_text,
                         const char *a, const char *b);

/* What became of a child process: its end, and what it wrote to stderr (cut at the capacity). */
struct kit_outcome {
    int exit_code; /* -1 if a signal ended it */
    int signo;     /* 0 if it exited */
    char errors[16384];
};

/* Runs body(arg) in a child and waits for it. The child's stdout is dropped. */
void kit_in_child(void (*body)(void *arg), void *arg, struct kit_outcome *outcome);

/* The same for a command of its own (NULL-terminated, looked up in PATH); stdout and stderr both land in errors. */
void kit_command(const char *const argv[], struct kit_outcome *outcome);

/* The seed of this run: every random choice of a test comes from it. */
uint64_t kit_seed(void);

/* How many turns a test takes: as usual, or what KIT_ROUNDS says. */
int kit_rounds(int usual);

/* Called after each test that returned, in its process: for ledgers that must balance. */
void kit_at_end(void (*check)(void));

/* True under valgrind or a sanitizer: tests use it to take fewer turns, never to skip a check. */
bool kit_is_slow(void);

/* True under qemu-user, which starts no second program of its own kind, ignores advice it does not know (a guard that
 * it reports as installed is not there), and schedules in its own way. */
bool kit_is_emulated(void);

/* True under Valgrind, which plays the kernel differently in places. */
bool kit_is_valgrind(void);

#ifdef __cplusplus
}
#endif
#endif
