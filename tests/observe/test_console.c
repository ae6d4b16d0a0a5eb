/* The console: who may ask, what is answered, also while nothing moves; and thrum-top, which asks. */
#include "observe/written.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>

/* ---- A place for it ---- */

static char folder[] = "/tmp/thrum-console-XXXXXX", path[64];

static void remove_folder(void)
{
    unlink(path);
    rmdir(folder);
}

static void choose_path(void)
{
    CHECK(mkdtemp(folder) != NULL);
    CHECK_LT(snprintf(path, sizeof path, "%s/console", folder), sizeof path);
    CHECK_EQ(setenv("THRUM_CONSOLE", path, 1), 0);
    kit_at_end(remove_folder);
}

static int connect_console(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_GE(fd, 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -errno;
}

/* ---- Asking ---- */

static void receive(int fd, char *to, size_t count)
{
    for (size_t at = 0; at < count;) {
        ssize_t got = recv(fd, to + at, count - at, 0);
        CHECK_GT(got, 0);
        at += (size_t)got;
    }
}

/* Into `text`; true if the answer is an answer, and no error. */
static bool receive_answer(int fd)
{
    char head[32] = "";
    size_t at = 0, length = 0;
    do {
        CHECK_LT(at, sizeof head - 1);
        receive(fd, head + at, 1);
    } while (head[at++] != '\n');
    bool is_ok = sscanf(head, "ok %zu", &length) == 1;
    CHECK(is_ok || sscanf(head, "error %zu", &length) == 1);
    CHECK_LT(length, TEXT_MOST);
    receive(fd, text, length);
    text[length] = '\0';
    return is_ok;
}

static void say(int fd, const char *words)
{
    CHECK_EQ(send(fd, words, strlen(words), MSG_NOSIGNAL), (ssize_t)strlen(words));
}

static bool ask(int fd, const char *line)
{
    say(fd, line);
    return receive_answer(fd);
}

static void skip_where_nothing_can_be_read(void)
{
    if (kit_is_emulated())
        SKIP("an emulator does not read a process's memory for it");
}

/* ---- What is answered ---- */

static int ask_for_all(void *arg)
{
    (void)arg;
    int fd = connect_console();
    CHECK_GE(fd, 0);
    CHECK(ask(fd, "stats\n"));
    CHECK_STR_HAS(text, "\nthrum_tasks 1\n");
    CHECK(ask(fd, "workers\n"));
    CHECK_STR_HAS(text, "runtime\tindex\tdoes\tthread\tready\tfresh\tdispatches\tsteals\t");
    CHECK_STR_HAS(text, "\n0\t0\t");
    CHECK(ask(fd, "tasks\n"));
    CHECK_STR_HAS(text, "runtime\tid\tparent\tstate\tworker\twaits_for\towner\tsince_us\tname\n0\t");
    CHECK_STR_HAS(text, "\t0\trunning\t0\t\t0\t0\tmain\n");
    CHECK(ask(fd, "dump\n"));
    CHECK_STR_HAS(text, "(main) is running");
    CHECK(ask(fd, "dump json\n"));
    CHECK_STR_HAS(text, "{\"runtimes\":[");
    CHECK(ask(fd, "trace\n"));
    CHECK_STR_HAS(text, "\"traceEvents\":[");
    CHECK(ask(fd, "help\n"));
    CHECK_STR_HAS(text, "dump json: ");
    close(fd);
    return 0;
}

TEST(a_console_answers_what_it_is_asked)
{
    skip_where_nothing_can_be_read();
    choose_path();
    run_on(1, ask_for_all, NULL);
}

static int ask_badly(void *arg)
{
    (void)arg;
    int fd = connect_console();
    CHECK(!ask(fd, "weather\n"));
    CHECK_STR_EQ(text, "weather: no such request; try \"help\"\n");
    /* In pieces, and several at once. */
    say(fd, "he");
    CHECK(ask(fd, "lp\nhelp\nhelp\n"));
    CHECK(receive_answer(fd));
    CHECK(receive_answer(fd));
    CHECK(!ask(fd, "0123456789012345678901234567890123456789012345678901234567890123456789"));
    CHECK_STR_EQ(text, "request: too long\n");
    /* It has hung up, perhaps with some of the line unread. */
    char byte;
    CHECK_LE(recv(fd, &byte, 1, 0), 0);
    close(fd);
    return 0;
}

TEST(a_console_says_what_is_wrong_with_a_question)
{
    choose_path();
    run_on(1, ask_badly, NULL);
}

struct parent {
    thrum_semaphore semaphore;
    th_atomic32 is_over;
};

static int wait_in_child(void *arg)
{
    return thrum_semaphore_acquire(&((struct parent *)arg)->semaphore);
}

static int ask_for_a_waiter(void *arg)
{
    (void)arg;
    struct parent parent = {.semaphore = THRUM_SEMAPHORE_INIT(0)};
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, wait_in_child, &parent), 0);
    int fd = connect_console();
    do {
        thrum_yield();
        CHECK(ask(fd, "tasks\n"));
    } while (!text_has("\tsemaphore\t"));
    close(fd);
    /* Number, parent and state of the one that waits: its parent is the first task. */
    unsigned long id, parent_id;
    CHECK_EQ(sscanf(strstr(text, "\n0\t"), "\n0\t%lu\t0\trunning", &parent_id), 1);
    const char *row = strstr(strstr(text, "\n0\t") + 1, "\n0\t");
    CHECK(row != NULL);
    unsigned long its_parent;
    CHECK_EQ(sscanf(row, "\n0\t%lu\t%lu\tparked", &id, &its_parent), 2);
    CHECK_EQ(its_parent, parent_id);
    CHECK_STR_HAS(row, "\twait_in_child\n");
    thrum_semaphore_release(&parent.semaphore);
    return thrum_group_wait(&group);
}

TEST(a_console_tells_who_waits_for_what_and_whose_child_he_is)
{
    skip_where_nothing_can_be_read();
    choose_path();
    run_on(2, ask_for_a_waiter, NULL);
}

/* ---- While nothing moves, and while nobody reads ---- */

static void *ask_a_stuck_program(void *arg)
{
    int fd;
    while ((fd = connect_console()) < 0)
        sched_yield();
    do
        CHECK(ask(fd, "tasks\n"));
    while (!text_has("hold_the_worker"));
    CHECK(ask(fd, "workers\n"));
    CHECK_STR_HAS(text, "\n0\t0\tbusy\t");
    close(fd);
    flag_set(arg);
    return NULL;
}

static int hold_the_worker(void *arg)
{
    while (!flag_is_set(arg))
        sched_yield();
    return 0;
}

static int hold_it(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, hold_the_worker, arg), 0);
    return thrum_group_wait(&group);
}

TEST(a_console_answers_while_all_workers_are_stuck)
{
    skip_where_nothing_can_be_read();
    choose_path();
    CHECK_EQ(setenv("THRUM_SLICE_US", "0", 1), 0);
    th_atomic32 is_over = TH_ATOMIC_INIT(0);
    pthread_t asker = start_thread(ask_a_stuck_program, &is_over);
    run_on(1, hold_it, &is_over);
    CHECK_EQ(pthread_join(asker, NULL), 0);
}

static int ask_and_never_read(void *arg)
{
    int *fd = arg;
    /* More than a socket takes. */
    *fd = connect_console();
    for (int i = 0; i < 400; i++)
        (void)send(*fd, "stats\nhelp\nstats\n", 17, MSG_NOSIGNAL | MSG_DONTWAIT);
    return 0;
}

TEST(who_does_not_read_keeps_nobody_from_ending)
{
    choose_path();
    int fd = -1;
    run_on(2, ask_and_never_read, &fd);
    close(fd);
}

static void *look_often(void *arg)
{
    while (!flag_is_set(arg)) {
        int fd = connect_console();
        if (fd < 0)
            continue;
        /* The console may be gone by now. */
        char some[64];
        if (send(fd, "workers\ntasks\n", 14, MSG_NOSIGNAL) > 0)
            (void)recv(fd, some, sizeof some, 0);
        close(fd);
    }
    return NULL;
}

static int come_and_go(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    for (int i = 0; i < 50; i++)
        CHECK_EQ(thrum_spawn(&group, return_zero, arg), 0);
    return thrum_group_wait(&group);
}

TEST(a_console_is_asked_while_runtimes_come_and_go)
{
    choose_path();
    th_atomic32 is_over = TH_ATOMIC_INIT(0);
    CHECK_NE(signal(SIGPIPE, SIG_IGN), SIG_ERR);
    pthread_t looker = start_thread(look_often, &is_over);
    for (int i = fewer(40, 8); i > 0; i--)
        run_on(worker_counts[i % 4], come_and_go, NULL);
    flag_set(&is_over);
    CHECK_EQ(pthread_join(looker, NULL), 0);
}

/* ---- Its file ---- */

static int look_at_file(void *arg)
{
    struct stat about;
    CHECK_EQ(lstat(path, &about), 0);
    CHECK(S_ISSOCK(about.st_mode));
    CHECK_EQ(about.st_mode & 0777, 0600);
    CHECK_EQ(about.st_uid, geteuid());
    return arg != NULL;
}

TEST(a_console_is_its_owners_alone_and_goes_at_the_end)
{
    choose_path();
    mode_t before = umask(0);
    run_on(1, look_at_file, NULL);
    umask(before);
    CHECK_EQ(access(path, F_OK), -1);
}

static int listen_there(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    CHECK_EQ(listen(fd, 1), 0);
    return fd;
}

static void leave_a_socket(void)
{
    close(listen_there());
}

static int ask_for_help(void *arg)
{
    int fd = connect_console();
    CHECK_GE(fd, 0);
    CHECK(ask(fd, "help\n"));
    close(fd);
    return look_at_file(arg);
}

TEST(a_socket_that_a_dead_program_has_left_is_replaced)
{
    choose_path();
    leave_a_socket();
    CHECK_EQ(connect_console(), -ECONNREFUSED);
    run_on(1, ask_for_help, NULL);
    CHECK_EQ(access(path, F_OK), -1);
}

static void run_beside(void *arg)
{
    run_on(1, return_zero, arg);
}

TEST(where_another_program_listens_there_is_no_console)
{
    choose_path();
    int fd = listen_there();
    static struct kit_outcome outcome;
    kit_in_child(run_beside, NULL, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_STR_HAS(outcome.errors, "/console: another program listens there: no console");
    int other = connect_console();
    CHECK_GE(other, 0);
    close(other);
    close(fd);
}

TEST(a_file_that_is_no_socket_is_left_alone)
{
    choose_path();
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CHECK_EQ(write(fd, "mine", 4), 4);
    close(fd);
    static struct kit_outcome outcome;
    kit_in_child(run_beside, NULL, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_STR_HAS(outcome.errors, "/console: there is a file which is no socket: no console");
    struct stat about;
    CHECK_EQ(stat(path, &about), 0);
    CHECK_EQ(about.st_size, 4);
}

static int find_no_console(void *arg)
{
    CHECK_EQ(connect_console(), -ENOENT);
    return arg != NULL;
}

TEST(a_run_with_a_seed_has_no_console)
{
    choose_path();
    CHECK_EQ(setenv("THRUM_SEED", "1", 1), 0);
    run_on(1, find_no_console, NULL);
}

static int wait_for_nobody(void *arg)
{
    thrum_semaphore semaphore = THRUM_SEMAPHORE_INIT(0);
    return thrum_semaphore_acquire(&semaphore) + (arg != NULL);
}

static void deadlock(void *arg)
{
    CHECK_EQ(thrum_run(wait_for_nobody, arg), -EDEADLK);
}

TEST(a_deadlock_is_told_beside_a_console)
{
    if (TH_TSAN || kit_is_emulated())
        SKIP("the process has a thread that is not the runtime's");
    choose_path();
    struct kit_outcome outcome;
    kit_in_child(deadlock, NULL, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_STR_HAS(outcome.errors, "deadlock");
}

/* ---- thrum-top ---- */

static void skip_without_programs(void)
{
    if (kit_is_emulated())
        SKIP("an emulator starts no second program of its own kind");
}

static struct kit_outcome top_outcome;

static void *top_once(void *arg)
{
    const char *const command[] = {THRUM_TOP, "--once", "--interval", "0.1", path, NULL};
    kit_command(command, &top_outcome);
    flag_set(arg);
    return NULL;
}

/* Two that wait below one that waits for them, while somebody looks. */
static int stand_still(void *arg)
{
    struct parent *parent = arg;
    pthread_t looker = start_thread(top_once, &parent->is_over);
    thrum_group group = THRUM_GROUP_INIT;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(thrum_spawn(&group, wait_in_child, parent), 0);
    thrum_yield();
    thrum_yield();
    flag_wait(&parent->is_over);
    CHECK_EQ(pthread_join(looker, NULL), 0);
    thrum_semaphore_release(&parent->semaphore);
    thrum_semaphore_release(&parent->semaphore);
    return thrum_group_wait(&group);
}

TEST(thrum_top_prints_one_page)
{
    skip_without_programs();
    choose_path();
    struct parent parent = {.semaphore = THRUM_SEMAPHORE_INIT(0), .is_over = TH_ATOMIC_INIT(0)};
    run_on(1, stand_still, &parent);
    CHECK_EQ(top_outcome.exit_code, 0);
    CHECK_STR_HAS(top_outcome.errors, ": 3 tasks: ");
    CHECK_STR_HAS(top_outcome.errors, ", 2 parked, 0 fresh, ");
    CHECK_STR_HAS(top_outcome.errors, "\nWORKER  ");
    CHECK_STR_HAS(top_outcome.errors, "wait_in_child              2     0      0       2      0      0  2 semaphore\n");
    CHECK_STR_HAS(top_outcome.errors, "main 1\n  wait_in_child 2\n");
}

static const char *why_not(const char *where)
{
    const char *const command[] = {THRUM_TOP, "--once", where, NULL};
    kit_command(command, &top_outcome);
    CHECK_EQ(top_outcome.exit_code, 1);
    return top_outcome.errors;
}

TEST(thrum_top_says_why_it_cannot_connect)
{
    skip_without_programs();
    choose_path();
    CHECK_STR_HAS(why_not(path), "there is no such file. Is the program running, with THRUM_CONSOLE");
    leave_a_socket();
    CHECK_STR_HAS(why_not(path), "no program listens there");
    CHECK_STR_HAS(why_not("/dev/null"), "this is no socket");
    const char *const misused[] = {THRUM_TOP, "--interval", "0", path, NULL};
    kit_command(misused, &top_outcome);
    CHECK_EQ(top_outcome.exit_code, 2);
}

/* A server that hangs up in the middle of an answer. */
static void *break_off(void *arg)
{
    int fd = accept(*(int *)arg, NULL, NULL);
    char request[16];
    CHECK_GT(recv(fd, request, sizeof request, 0), 0);
    say(fd, "ok 1000\nthrum_tasks");
    close(fd);
    return NULL;
}

TEST(thrum_top_says_that_the_program_has_ended)
{
    skip_without_programs();
    choose_path();
    int listener = listen_there();
    pthread_t server = start_thread(break_off, &listener);
    CHECK_STR_HAS(why_not(path), "the program has ended");
    CHECK_EQ(pthread_join(server, NULL), 0);
    close(listener);
}

/* ---- On a terminal ---- */

struct terminal {
    int fd;
    pid_t pid;
    size_t length;
};

static void open_terminal(struct terminal *terminal)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    terminal->pid = forkpty(&terminal->fd, NULL, NULL, &size);
    CHECK_GE(terminal->pid, 0);
    if (terminal->pid == 0) {
        CHECK_EQ(chdir(folder), 0);
        execl(THRUM_TOP, THRUM_TOP, "--interval", "0.1", path, (char *)NULL);
        _exit(127);
    }
}

/* Reads what is shown until a part is among it. */
static void see(struct terminal *terminal, const char *part)
{
    do {
        ssize_t got = read(terminal->fd, text + terminal->length, TEXT_MOST - 1 - terminal->length);
        CHECK_GT(got, 0);
        text[terminal->length += (size_t)got] = '\0';
    } while (!text_has(part));
    terminal->length = 0;
}

static void type(struct terminal *terminal, const char *keys)
{
    CHECK_EQ(write(terminal->fd, keys, strlen(keys)), (ssize_t)strlen(keys));
}

static int end_of(struct terminal *terminal)
{
    int status;
    CHECK_EQ(waitpid(terminal->pid, &status, 0), terminal->pid);
    struct termios modes;
    CHECK_EQ(tcgetattr(terminal->fd, &modes), 0);
    CHECK_EQ(modes.c_lflag & (ICANON | ECHO), ICANON | ECHO);
    close(terminal->fd);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void *watch_and_quit(void *arg)
{
    struct terminal terminal = {.length = 0};
    char name[128];
    open_terminal(&terminal);
    see(&terminal, "WHO HAS STARTED WHOM");
    type(&terminal, "h");
    see(&terminal, "write a dump of all tasks");
    type(&terminal, "hd");
    see(&terminal, "dump written: thrum-dump-");
    /* Pages on, and a size of its own. */
    struct winsize size = {.ws_row = 8, .ws_col = 60};
    CHECK_EQ(ioctl(terminal.fd, TIOCSWINSZ, &size), 0);
    type(&terminal, "\033[B\033[6~p");
    see(&terminal, "paused");
    type(&terminal, "q");
    see(&terminal, "\033[?1049l");
    CHECK_EQ(end_of(&terminal), 0);
    CHECK_LT(snprintf(name, sizeof name, "%s/thrum-dump-%d-1.txt", folder, getpid()), sizeof name);
    CHECK_EQ(unlink(name), 0);
    flag_set(arg);
    return NULL;
}

static void *watch_and_be_told_to_end(void *arg)
{
    struct terminal terminal = {.length = 0};
    open_terminal(&terminal);
    see(&terminal, "WHO HAS STARTED WHOM");
    CHECK_EQ(kill(terminal.pid, SIGTERM), 0);
    see(&terminal, "\033[?1049l");
    CHECK_EQ(end_of(&terminal), 0);
    flag_set(arg);
    return NULL;
}

struct watching {
    void *(*watcher)(void *arg);
    th_atomic32 is_over;
};

static int be_watched(void *arg)
{
    struct watching *watching = arg;
    pthread_t watcher = start_thread(watching->watcher, &watching->is_over);
    flag_wait(&watching->is_over);
    return pthread_join(watcher, NULL);
}

static void watch_by(void *(*watcher)(void *))
{
    skip_without_programs();
    choose_path();
    struct watching watching = {.watcher = watcher, .is_over = TH_ATOMIC_INIT(0)};
    run_on(2, be_watched, &watching);
}

TEST(thrum_top_shows_pages_and_gives_the_terminal_back)
{
    watch_by(watch_and_quit);
}

TEST(thrum_top_gives_the_terminal_back_when_it_is_told_to_end)
{
    watch_by(watch_and_be_told_to_end);
}
