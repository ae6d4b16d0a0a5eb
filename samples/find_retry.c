/*
 * Finds a mistake that only a bad network shows, and has it again: a client asks a bank by datagrams, and once more
 * when no answer comes.
 *
 *     samples/run --sample find_retry       prints, in a second or two:
 *
 *     3 deposits of 10 over a network that loses: seed ... booked one twice
 *     with that seed again, event for event: yes
 *     repaired: 200 seeds, 0 failures
 *
 * The network is simulated, and so is the clock: nobody waits for the timeouts. With THRUM_SEED=... find_retry makes
 * the one run that stderr names.
 */
#include <thrum.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

enum { DEPOSITS = 3, AMOUNT = 10 };

static bool is_repaired;

struct bank {
    int fd, balance, last_number;
};

static int serve(void *arg)
{
    struct bank *bank = arg;
    for (;;) {
        struct sockaddr_storage peer;
        socklen_t length = sizeof peer;
        int number;
        ssize_t got = thrum_recvfrom(bank->fd, &number, sizeof number, 0, (struct sockaddr *)&peer, &length);
        if (got < 0)
            return (int)got;
        /* The mistake: a request whose answer was lost comes again, and is booked again. */
        if (!is_repaired || number > bank->last_number)
            bank->balance += AMOUNT;
        bank->last_number = number;
        ssize_t put = thrum_sendto(bank->fd, &number, sizeof number, 0, (struct sockaddr *)&peer, length);
        if (put < 0)
            return (int)put;
    }
}

/* Asks until the answer to this request has come: 0 or -errno. */
static int deposit(int fd, int number)
{
    int answer = 0;
    while (answer != number) {
        ssize_t moved = thrum_send(fd, &number, sizeof number, 0);
        THRUM_TIMEOUT(THRUM_SEC(1))
        {
            while (moved > 0 && answer != number)
                moved = thrum_recv(fd, &answer, sizeof answer, 0);
        }
        if (moved < 0 && moved != -ETIMEDOUT)
            return (int)moved;
    }
    return 0;
}

static int make_deposits(void)
{
    int fd, code = thrum_simnet_node("client");
    if (code == 0)
        code = thrum_dial("udp", "bank:7", &fd);
    if (code < 0)
        return code;
    for (int number = 1; code == 0 && number <= DEPOSITS; number++)
        code = deposit(fd, number);
    (void)thrum_close(fd);
    return code;
}

static int play(void *arg)
{
    struct bank bank = {.fd = -1};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    int code = thrum_simnet_node("bank");
    if (code == 0)
        code = thrum_listen("udp", ":7", &bank.fd);
    if (code < 0)
        return code;
    code = thrum_spawn(&group, serve, &bank);
    if (code == 0)
        code = make_deposits();
    thrum_cancel(&group);
    (void)thrum_group_wait(&group);
    (void)thrum_close(bank.fd);
    return code < 0 ? code : bank.balance == DEPOSITS * AMOUNT ? 0 : -EIO;
}

static int run(void *arg)
{
    thrum_simnet_options net = {.loss_percent = 5};
    return thrum_simnet_run(&net, play, arg);
}

int main(void)
{
    thrum_explored found;
    if (thrum_explore(run, NULL, NULL, &found) != 1)
        return 1;
    printf("%d deposits of %d over a network that loses: seed %llu booked one twice\n", DEPOSITS, AMOUNT,
           (unsigned long long)found.seed);
    printf("with that seed again, event for event: %s\n", found.is_replayed ? "yes" : "no");
    is_repaired = true;
    thrum_explore_options options = {.runs = 200};
    int failures = thrum_explore(run, NULL, &options, &found);
    printf("repaired: %u seeds, %d failures\n", found.runs, failures);
    return failures == 0 ? 0 : 1;
}
