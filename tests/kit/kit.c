#include "kit/kit.h"

#include <thrum/dump.h>

#include "base/compiler.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

enum { SKIPPED = 77, AT_END_MAX = 8 };

static struct kit_test *first_test, **next_link = &first_test;
static const struct kit_test *running;
static uint64_t seed;
static bool seed_used;
static void (*at_end[AT_END_MAX])(void);
static size_t at_end_count;

void kit_register(struct kit_test *test)
{
    *next_link = test;
    next_link = &test->next;
}

void kit_at_end(void (*check)(void))
{
    if (at_end_count == AT_END_MAX)
        FAIL("more than %d checks at the end", AT_END_MAX);
    at_end[at_end_count++] = check;
}

int kit_rounds(int usual)
{
    const char *given = getenv("KIT_ROUNDS");
    return given != NULL ? atoi(given) : usual;
}

uint64_t kit_seed(void)
{
    __atomic_store_n(&seed_used, true, __ATOMIC_RELAXED); /* any thread of a test may ask */
    return seed;
}

bool kit_is_slow(void)
{
    return TH_ASAN || TH_TSAN || kit_is_valgrind();
}

bool kit_is_valgrind(void)
{
    return RUNNING_ON_VALGRIND != 0;
}

bool kit_is_emulated(void)
{
    return getenv("KIT_EMULATED") != NULL;
}

/* Present in a coverage build only: what leaves by _exit has to save its counters itself. */
__attribute__((weak)) void __gcov_dump(void);

static __attribute__((noreturn)) void leave_at_once(int code)
{
    if (__gcov_dump != NULL)
        __gcov_dump();
    _exit(code);
}

/* One write, so that threads failing at once do not mix their lines; _exit, so that it works on any stack. */
static __attribute__((noreturn)) void leave(const char *file, int line, const char *what, va_list args)
{
    char text[4096];
    int length = snprintf(text, sizeof text, "%s:%d: %s: ", file, line, running != NULL ? running->name : "?");
    length += vsnprintf(text + length, sizeof text - (size_t)length, what, args);
    if (length > (int)sizeof text - 64)
        length = (int)sizeof text - 64;
    if (seed_used)
        length += snprintf(text + length, sizeof text - (size_t)length, "\nreplay: KIT_SEED=%" PRIu64, seed);
    text[length++] = '\n';
    fflush(stdout);
    ssize_t ignored = write(2, text, (size_t)length);
    (void)ignored;
    _exit(1);
}

void kit_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    leave(file, line, format, args);
}

void kit_skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("skipped: ");
    vprintf(format, args);
    printf("\n");
    va_end(args);
    fflush(stdout);
    leave_at_once(SKIPPED);
}

void kit_compare(const char *file, int line, const char *a_text, const char *operation, const char *b_text, intmax_t a,
                 intmax_t b)
{
    bool holds = strcmp(operation, "==") == 0   ? a == b
                 : strcmp(operation, "!=") == 0 ? a != b
                 : strcmp(operation, "<") == 0  ? a < b
                 : strcmp(operation, "<=") == 0 ? a <= b
                 : strcmp(operation, ">") == 0  ? a > b
                                                : a >= b;
    if (!holds)
        kit_fail(file, line, "wanted %s %s %s\n    left:  %jd (%#jx)\n    right: %jd (%#jx)", a_text, operation, b_text,
                 a, (uintmax_t)a, b, (uintmax_t)b);
}

void kit_compare_pointers(const char *file, int line, const char *a_text, const char *operation, const char *b_text,
                          const void *a, const void *b)
{
    if ((a == b) != (operation[0] == '='))
        kit_fail(file, line, "wanted %s %s %s\n    left:  %p\n    right: %p", a_text, operation, b_text, a, b);
}

void kit_compare_strings(const char *file, int line, const char *a_text, const char *operation, const char *b_text,
                         const char *a, const char *b)
{
    bool holds = strcmp(operation, "has") == 0 ? strstr(a, b) != NULL : strcmp(a, b) == 0;
    if (!holds)
        kit_fail(file, line, "wanted %s %s %s\n    left:  \"%s\"\n    right: \"%s\"", a_text, operation, b_text, a, b);
}

/* Reads all that comes, keeps what fits. */
static void drain(int fd, char *to, size_t capacity)
{
    size_t length = 0;
    for (;;) {
        char spill[4096];
        bool full = length == capacity - 1;
        ssize_t got = read(fd, full ? spill : to + length, full ? sizeof spill : capacity - 1 - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        if (!full)
            length += (size_t)got;
    }
    to[length] = '\0';
}

static void finish_child(pid_t child, int errors, struct kit_outcome *outcome)
{
    drain(errors, outcome->errors, sizeof outcome->errors);
    close(errors);
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        CHECK_EQ(errno, EINTR);
    outcome->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    outcome->signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static pid_t start_child(int *errors, bool keep_stdout)
{
    int ends[2];
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    fflush(NULL);
    pid_t child = fork();
    CHECK_GE(child, 0);
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(ends[1], 2);
        int out = keep_stdout ? ends[1] : open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(out, 1);
        return 0;
    }
    close(ends[1]);
    *errors = ends[0];
    return child;
}

void kit_in_child(void (*body)(void *arg), void *arg, struct kit_outcome *outcome)
{
    int errors = -1;
    pid_t child = start_child(&errors, false);
    if (child == 0) {
        body(arg);
        fflush(NULL);
        leave_at_once(0);
    }
    finish_child(child, errors, outcome);
}

void kit_command(const char *const argv[], struct kit_outcome *outcome)
{
    int errors = -1;
    pid_t child = start_child(&errors, true);
    if (child == 0) {
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    finish_child(child, errors, outcome);
}

static void dump(int signo)
{
    (void)signo;
    (void)thrum_dump(2);
}

/* A test that hangs says what its tasks wait for, before ctest gives it up. */
static void dump_when_late(void)
{
    const char *seconds = getenv("KIT_DUMP_AFTER");
    struct sigaction act = {.sa_handler = dump, .sa_flags = SA_RESTART | SA_ONSTACK};
    if (seconds != NULL && sigaction(SIGALRM, &act, NULL) == 0)
        (void)alarm((unsigned)strtoul(seconds, NULL, 10));
}

static int run_here(const struct kit_test *test)
{
    running = test;
    dump_when_late();
    test->body();
    for (size_t i = 0; i < at_end_count; i++)
        at_end[i]();
    return 0;
}

static void run_in_child(void *arg)
{
    exit(run_here((const struct kit_test *)arg));
}

static bool is_among(const char *name, char *const names[], int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

/* Those that are named, or all; each in a child. */
static int run_several(char *const names[], int count)
{
    int passed = 0, failed = 0, skipped = 0;
    static struct kit_outcome outcome;
    for (struct kit_test *test = first_test; test != NULL; test = test->next) {
        if (count > 0 && !is_among(test->name, names, count))
            continue;
        kit_in_child(run_in_child, test, &outcome);
        bool is_skipped = outcome.exit_code == SKIPPED, is_passed = outcome.exit_code == 0;
        printf("%-8s%s\n", is_passed ? "ok" : is_skipped ? "skipped" : "FAILED", test->name);
        if (!is_passed && !is_skipped)
            printf("%s%s", outcome.errors, outcome.signo ? strsignal(outcome.signo) : "");
        passed += is_passed;
        skipped += is_skipped;
        failed += !is_passed && !is_skipped;
    }
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed != 0 || passed + skipped < count;
}

int main(int argc, char **argv)
{
    const char *given = getenv("KIT_SEED");
    if (given != NULL)
        seed = strtoull(given, NULL, 0);
    else if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return 2;
    if (argc != 2)
        return run_several(argv + 1, argc - 1);
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (struct kit_test *test = first_test; test != NULL; test = test->next)
            printf("%s\n", test->name);
        return 0;
    }
    for (struct kit_test *test = first_test; test != NULL; test = test->next) {
        if (strcmp(test->name, argv[1]) == 0)
            return run_here(test);
    }
    fprintf(stderr, "usage: %s [TEST... | --list]\n", argv[0]);
    return 2;
}
