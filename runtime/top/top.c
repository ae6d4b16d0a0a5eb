/* thrum-top: a terminal's view of a running program, through its console (observe/console.h). */
#include "top/page.h"
#include "top/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: thrum-top [--once] [--interval SECONDS] PATH\n"
    "\n"
    "Shows what a program on thrum does, once a second: its tasks by name, state and what they wait for, its\n"
    "workers, queues and stalls, and who has started whom. PATH is the console that the program was told to open:\n"
    "\n"
    "    THRUM_CONSOLE=/tmp/server.console ./server &\n"
    "    thrum-top /tmp/server.console\n"
    "\n"
    "  --once              one page, as text, and no terminal is needed\n"
    "  --interval SECONDS  between two pages, 0.1 to 60; 1 if it is not said. Longer where looking at all tasks\n"
    "                      would take more than a fifth of the time\n"
    "  --help              this\n"
    "\n"
    "Keys: q quits, p pauses, d writes a dump and t a trace into a file here, h explains; arrows, page up and down,\n"
    "home and end move. The result is 0, 1 if the program cannot be asked, 2 for a wrong command.\n"
    "\n"
    "The page has, from its top: tasks by state; what all workers did in a second; queues, and how long a task that "
    "was\n"
    "made ready waited until it ran, at most, half of them and 99 of 100; threads and stalls (workers that were\n"
    "replaced because their task blocked or computed for long). Workers are numbered RUNTIME.INDEX.\n"
    "\n"
    "Without thrum-top: `printf 'tasks\\n' | socat - UNIX:PATH`, and so stats, workers, dump, dump json, trace, "
    "help.\n";

static const char help[] = "\n"
                           "\1Keys\n"
                           "  q         quit\n"
                           "  p         pause, and go on\n"
                           "  d         write a dump of all tasks into a file here: what each waits for, and where\n"
                           "  t         write a trace into a file here, for ui.perfetto.dev or chrome://tracing\n"
                           "  h         this, and back\n"
                           "  arrows, page up and down, home, end: move\n"
                           "\n"
                           "\1States\n"
                           "  running   on a thread now          ready    could run, and waits for a worker\n"
                           "  parked    waits for something      fresh    has not begun\n"
                           "  other     runs another one on top of its own stack, moves, or has ended\n"
                           "\n"
                           "\1Workers\n"
                           "  busy, idle           has a permit to pick tasks\n"
                           "  replaced             its task blocks or computes: somebody else has its permit\n"
                           "  aside                runs a task that blocks or computes, without a permit\n"
                           "  monitor              what it has found ready waits for a worker\n"
                           "  those without anything to do are left out\n";

enum { PATIENCE_MS = 5000, PATIENCE_FILE_MS = 120000, PART = 5, FILES_MOST = 1000 };

struct top {
    struct th_link link;
    int interval_ms;
    bool is_once, is_paused, has_help;
    struct th_snapshot now, before;
    bool has_before;
    double took; /* seconds, for the last page */
    int scroll;
    char message[256];
};

/* ---- Files ---- */

/* A file that was not there. */
static int create_file(const char *what, int pid, const char *ending, char name[64])
{
    int fd = -1;
    errno = EEXIST;
    for (int i = 1; i < FILES_MOST && fd < 0 && errno == EEXIST; i++) {
        (void)snprintf(name, 64, "thrum-%s-%d-%d.%s", what, pid, i, ending);
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    }
    return fd;
}

static bool write_all(int fd, const struct th_answer *answer)
{
    for (size_t at = 0; at < answer->length;) {
        ssize_t wrote = write(fd, answer->text + at, answer->length - at);
        if (wrote < 0 && errno != EINTR)
            return false;
        at += wrote > 0 ? (size_t)wrote : 0;
    }
    return true;
}

static void keep_answer(struct top *top, const char *what, const char *ending, const struct th_answer *answer)
{
    char name[64];
    int fd = create_file(what, top->link.pid, ending, name);
    if (fd >= 0 && write_all(fd, answer))
        (void)snprintf(top->message, sizeof top->message, "%s written: %s", what, name);
    else
        (void)snprintf(top->message, sizeof top->message, "%s: %s", name, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
}

static enum th_ask_outcome ask_for_file(struct top *top, const char *what, const char *ending)
{
    struct th_answer answer;
    enum th_ask_outcome outcome = th_ask(&top->link, what, PATIENCE_FILE_MS, &answer);
    if (outcome == TH_ASK_DONE)
        keep_answer(top, what, ending, &answer);
    if (outcome == TH_ASK_REFUSED)
        (void)snprintf(top->message, sizeof top->message, "%.*s", (int)strcspn(answer.text, "\n"), answer.text);
    free(answer.text);
    return outcome == TH_ASK_REFUSED ? TH_ASK_DONE : outcome;
}

/* ---- The page ---- */

static int count_lines(const char *text)
{
    int count = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        count++;
    return count;
}

/* What is below so many lines. */
static const char *below(const char *text, int lines)
{
    for (; lines > 0 && *text != '\0'; lines--)
        text += strcspn(text, "\n") + 1;
    return text;
}

static void show(struct top *top)
{
    static const char keys[] = "q quit  p pause  d dump  t trace  h help  arrows move";
    const struct th_snapshot *before = top->has_before ? &top->before : NULL;
    char *head = th_page_head(&top->link, &top->now, before);
    char *body = top->has_help ? strdup(help) : th_page_body(&top->now, before);
    char *page = NULL;
    size_t bytes;
    FILE *to = open_memstream(&page, &bytes);
    if (head != NULL && body != NULL && to != NULL) {
        int columns, rows;
        th_terminal_size(&columns, &rows);
        int room = rows - count_lines(head) - 1, lines = count_lines(body), last = lines > room ? lines - room : 0;
        top->scroll = top->scroll > last ? last : top->scroll < 0 ? 0 : top->scroll;
        const char *from = below(body, top->scroll), *until = below(from, room > 0 ? room : 0);
        fprintf(to, "%s%.*s", head, (int)(until - from), from);
        for (int i = lines - top->scroll; i < room; i++)
            fputc('\n', to);
        fprintf(to, "\1%s%s", top->is_paused ? "paused  " : "", *top->message != '\0' ? top->message : keys);
        (void)fflush(to);
        th_terminal_show(page);
    }
    if (to != NULL)
        (void)fclose(to);
    free(page);
    free(body);
    free(head);
}

/* Without its marks. */
static void print(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text != '\1')
            putchar(*text);
    }
}

static double elapsed(double since)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9 - since;
}

static enum th_ask_outcome look(struct top *top)
{
    th_snapshot_drop(&top->before);
    top->before = top->now;
    top->has_before = top->now.at > 0;
    enum th_ask_outcome outcome = th_snapshot_take(&top->link, PATIENCE_MS, &top->now);
    top->took = elapsed(top->now.at);
    return outcome;
}

/* ---- Keys ---- */

static enum th_ask_outcome obey(struct top *top, int key)
{
    int columns, rows;
    th_terminal_size(&columns, &rows);
    top->message[0] = '\0';
    switch (key) {
    case 'q':
    case TH_KEY_QUIT:
        return TH_ASK_QUIT;
    case 'd':
        return ask_for_file(top, "dump", "txt");
    case 't':
        return ask_for_file(top, "trace", "json");
    case 'p':
        top->is_paused = !top->is_paused;
        break;
    case 'h':
    case '?':
        top->has_help = !top->has_help;
        top->scroll = 0;
        break;
    case TH_KEY_UP:
        top->scroll--;
        break;
    case TH_KEY_DOWN:
        top->scroll++;
        break;
    case TH_KEY_PAGE_UP:
        top->scroll -= rows / 2;
        break;
    case TH_KEY_PAGE_DOWN:
        top->scroll += rows / 2;
        break;
    case TH_KEY_HOME:
        top->scroll = 0;
        break;
    case TH_KEY_END:
        top->scroll = INT32_MAX;
        break;
    default:
        break;
    }
    return TH_ASK_DONE;
}

/* Until it is time for the next page. */
static enum th_ask_outcome pause_between(struct top *top)
{
    double span = top->took * PART > top->interval_ms / 1e3 ? top->took * PART : top->interval_ms / 1e3;
    bool is_ready = false;
    enum th_ask_outcome outcome = TH_ASK_DONE;
    while (outcome == TH_ASK_DONE) {
        double left = span - elapsed(top->now.at);
        if (left <= 0 && !top->is_paused)
            break;
        int key = th_terminal_kept();
        if (key == TH_KEY_NONE)
            key = th_terminal_wait(top->link.fd, top->is_paused ? 1000 : (int)(left * 1e3) + 1, &is_ready);
        /* It says nothing unasked. */
        if (is_ready)
            return TH_ASK_ENDED;
        if (key == TH_KEY_NONE)
            continue;
        outcome = obey(top, key);
        show(top);
    }
    return outcome;
}

static enum th_ask_outcome watch(struct top *top)
{
    for (;;) {
        enum th_ask_outcome outcome = look(top);
        if (outcome != TH_ASK_DONE)
            return outcome;
        show(top);
        outcome = pause_between(top);
        if (outcome != TH_ASK_DONE)
            return outcome;
    }
}

static enum th_ask_outcome print_once(struct top *top)
{
    bool is_ready;
    enum th_ask_outcome outcome = look(top);
    if (outcome == TH_ASK_DONE && th_terminal_wait(-1, top->interval_ms, &is_ready) == TH_KEY_QUIT)
        return TH_ASK_QUIT;
    if (outcome == TH_ASK_DONE)
        outcome = look(top);
    char *head = outcome == TH_ASK_DONE ? th_page_head(&top->link, &top->now, &top->before) : NULL;
    char *body = outcome == TH_ASK_DONE ? th_page_body(&top->now, &top->before) : NULL;
    if (head != NULL && body != NULL) {
        print(head);
        print(body);
    }
    free(head);
    free(body);
    return outcome;
}

/* ---- The command ---- */

static int misused(const char *why)
{
    fprintf(stderr, "thrum-top: %s; thrum-top --help explains\n", why);
    return 2;
}

/* < 0: go on; else the result. */
static int read_options(struct top *top, int argc, char **argv)
{
    static const struct option options[] = {{"once", no_argument, NULL, 'o'},
                                            {"interval", required_argument, NULL, 'i'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        char *end = NULL;
        double seconds = option == 'i' ? strtod(optarg, &end) : 0;
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (option == 'o')
            top->is_once = true;
        else if (option == 'i' && *end == '\0' && seconds >= 0.1 && seconds <= 60)
            top->interval_ms = (int)(seconds * 1000);
        else
            return misused(option == 'i' ? "--interval: want seconds, 0.1 to 60" : "no such option");
    }
    return optind + 1 == argc ? -1 : misused("want the path of one console");
}

int main(int argc, char **argv)
{
    struct top top = {.interval_ms = 1000};
    int code = read_options(&top, argc, argv);
    if (code >= 0)
        return code;
    if (th_ask_connect(argv[optind], &top.link) < 0)
        return 1;
    if (!th_terminal_open(!top.is_once))
        return misused("this is no terminal: --once prints one page as text");
    enum th_ask_outcome outcome = top.is_once ? print_once(&top) : watch(&top);
    th_terminal_close();
    if (outcome != TH_ASK_DONE && outcome != TH_ASK_QUIT)
        fprintf(stderr, "thrum-top: %s: %s\n", argv[optind], th_ask_why(outcome));
    th_snapshot_drop(&top.now);
    th_snapshot_drop(&top.before);
    return outcome == TH_ASK_DONE || outcome == TH_ASK_QUIT ? 0 : 1;
}
