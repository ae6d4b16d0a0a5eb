#include "top/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGWINCH};

static struct termios before;
static sigset_t outside; /* the mask while it waits */
static bool has_screen;  /* wanted, and there */
static volatile sig_atomic_t is_quitting, is_resized, is_stopping;

static void on_signal(int signo)
{
    if (signo == SIGWINCH)
        is_resized = 1;
    else if (signo == SIGTSTP)
        is_stopping = 1;
    else
        is_quitting = 1;
}

/* What cannot be written now is not worth waiting for: the terminal is gone then. */
static void put(const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        ssize_t wrote = write(STDOUT_FILENO, text, left);
        if (wrote < 0 && errno != EINTR)
            return;
        if (wrote > 0) {
            text += wrote;
            left -= (size_t)wrote;
        }
    }
}

static bool enter(void)
{
    struct termios keys = before;
    /* Keys as they come, and not shown; Ctrl-C and Ctrl-Z stay signals. */
    keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    keys.c_cc[VMIN] = 0;
    keys.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &keys) < 0)
        return false;
    put("\033[?1049h\033[?25l"); /* the other screen, without a cursor */
    return true;
}

static void leave(void)
{
    put("\033[?25h\033[?1049l");
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
}

bool th_terminal_open(bool wants_screen)
{
    sigset_t held;
    struct sigaction act = {.sa_handler = on_signal};
    sigemptyset(&held);
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
        sigaddset(&held, caught[i]);
        (void)sigaction(caught[i], &act, NULL);
    }
    (void)sigprocmask(SIG_BLOCK, &held, &outside);
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
        sigdelset(&outside, caught[i]);
    if (!wants_screen)
        return true;
    if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) < 0 || !enter())
        return false;
    has_screen = true;
    return true;
}

void th_terminal_close(void)
{
    if (has_screen)
        leave();
    has_screen = false;
}

static void stop_for_a_while(void)
{
    if (has_screen)
        leave();
    (void)raise(SIGSTOP);
    if (has_screen)
        (void)enter();
}

/* ---- Keys ---- */

static const struct {
    const char *bytes;
    int key;
} sequences[] = {{"\033[A", TH_KEY_UP},   {"\033[B", TH_KEY_DOWN},     {"\033OA", TH_KEY_UP},
                 {"\033OB", TH_KEY_DOWN}, {"\033[5~", TH_KEY_PAGE_UP}, {"\033[6~", TH_KEY_PAGE_DOWN},
                 {"\033[H", TH_KEY_HOME}, {"\033[F", TH_KEY_END},      {"\033[1~", TH_KEY_HOME},
                 {"\033[4~", TH_KEY_END}};

/* What was typed and is not yet taken. */
static char typed[64];
static size_t typed_count;
static int kept[sizeof typed]; /* keys that were given back, oldest first; what does not fit is lost */
static size_t kept_count;

static int take_key(void)
{
    size_t used = 1;
    int key = typed[0] == '\033' ? TH_KEY_NONE : (unsigned char)typed[0];
    for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++) {
        size_t length = strlen(sequences[i].bytes);
        if (typed_count >= length && memcmp(typed, sequences[i].bytes, length) == 0) {
            used = length;
            key = sequences[i].key;
        }
    }
    /* A sequence that nobody knows is not a row of letters. */
    if (typed[0] == '\033' && key == TH_KEY_NONE)
        used = typed_count;
    typed_count -= used;
    memmove(typed, typed + used, typed_count);
    return key;
}

static int read_key(void)
{
    ssize_t got = read(STDIN_FILENO, typed, sizeof typed);
    if (got <= 0)
        return got < 0 && errno == EINTR ? TH_KEY_NONE : TH_KEY_QUIT;
    typed_count = (size_t)got;
    return take_key();
}

static int key_of_signals(void)
{
    if (is_stopping)
        stop_for_a_while();
    bool is_new = is_resized || is_stopping;
    is_resized = is_stopping = 0;
    return is_quitting ? TH_KEY_QUIT : is_new ? TH_KEY_RESIZED : TH_KEY_NONE;
}

int th_terminal_wait(int fd, int span_ms, bool *is_ready)
{
    struct pollfd asked[2] = {{.fd = fd, .events = POLLIN}, {.fd = has_screen ? STDIN_FILENO : -1, .events = POLLIN}};
    struct timespec span = {.tv_sec = span_ms / 1000, .tv_nsec = span_ms % 1000 * 1000000l};
    *is_ready = false;
    if (typed_count > 0)
        return take_key();
    int count = ppoll(asked, 2, &span, &outside);
    if (count < 0)
        return key_of_signals();
    *is_ready = asked[0].revents != 0;
    return asked[1].revents != 0 ? read_key() : TH_KEY_NONE;
}

void th_terminal_keep(int key)
{
    if (kept_count < sizeof kept / sizeof *kept)
        kept[kept_count++] = key;
}

int th_terminal_kept(void)
{
    if (kept_count == 0)
        return TH_KEY_NONE;
    int key = kept[0];
    memmove(kept, kept + 1, --kept_count * sizeof *kept);
    return key;
}

/* ---- The screen ---- */

void th_terminal_size(int *columns, int *rows)
{
    struct winsize size;
    bool is_known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
    *columns = is_known ? size.ws_col : 80;
    *rows = is_known ? size.ws_row : 24;
}

/* How many bytes of a line fit into so many columns: characters of several bytes take one. */
static size_t fitting(const char *line, size_t length, int columns, int *used)
{
    size_t at = 0;
    for (*used = 0; at < length; at++) {
        bool begins = ((unsigned char)line[at] & 0xc0) != 0x80;
        if (begins && *used == columns)
            break;
        *used += begins;
    }
    return at;
}

void th_terminal_show(const char *text)
{
    int columns, rows, used;
    th_terminal_size(&columns, &rows);
    char *screen = NULL;
    size_t bytes;
    FILE *to = open_memstream(&screen, &bytes);
    if (to == NULL)
        return;
    fputs("\033[H", to);
    for (int row = 0; row < rows && *text != '\0'; row++) {
        bool is_reverse = *text == '\1';
        text += is_reverse;
        size_t length = strcspn(text, "\n"), fits = fitting(text, length, columns, &used);
        fprintf(to, "%s%s%.*s", row > 0 ? "\r\n" : "", is_reverse ? "\033[7m" : "", (int)fits, text);
        if (is_reverse)
            fprintf(to, "%*s\033[0m", columns - used, "");
        fputs(used < columns ? "\033[K" : "", to);
        text += length + (text[length] == '\n');
    }
    fputs("\033[J", to);
    if (fclose(to) == 0)
        put(screen);
    free(screen);
}
