/*
 * The terminal of thrum-top: whole lines on a screen of its own, keys as they are typed, and all as it was before once
 * the program leaves, however it does. Plain ANSI sequences, which every terminal of today knows.
 *
 * Signals are held back but while it waits, so none comes at a wrong moment: what they want is asked for then.
 */
#ifndef TH_TOP_TERMINAL_H
#define TH_TOP_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

enum th_key {
    TH_KEY_NONE,
    TH_KEY_UP = 256,
    TH_KEY_DOWN,
    TH_KEY_PAGE_UP,
    TH_KEY_PAGE_DOWN,
    TH_KEY_HOME,
    TH_KEY_END,
    TH_KEY_RESIZED, /* the terminal has another size, or was somebody else's meanwhile */
    TH_KEY_QUIT,    /* a signal, or the terminal is gone */
};

/* From now on signals are held back; with a screen keys are read. False: no terminal. */
bool th_terminal_open(bool has_screen);
void th_terminal_close(void);

/* Waits until `fd` (-1: none) can be read, a key is typed, or so many milliseconds are over. The key; TH_KEY_NONE:
 * something else, and *is_ready says whether it was fd. */
int th_terminal_wait(int fd, int span_ms, bool *is_ready);

/* Keys that mean nothing while an answer is waited for: they are there, in their order, when it has come. */
void th_terminal_keep(int key);
int th_terminal_kept(void);

void th_terminal_size(int *columns, int *rows);

/* The lines of a text, from the top; cut where they are longer than the screen is wide. Those that begin with '\1' are
 * shown in reverse, as wide as the screen. */
void th_terminal_show(const char *text);

#endif
