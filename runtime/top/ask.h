/* A connection to a program's console (observe/console.h). */
#ifndef TH_TOP_ASK_H
#define TH_TOP_ASK_H

#include <stddef.h>

/* The caller's to free; with a zero behind it. */
struct th_answer {
    char *text;
    size_t length;
};

struct th_link {
    int fd;
    int pid; /* of who listens there; 0: unknown */
};

/* 0, or -1: why has been said on stderr. */
int th_ask_connect(const char *path, struct th_link *link);

enum th_ask_outcome {
    TH_ASK_DONE,
    TH_ASK_REFUSED, /* the answer says why */
    TH_ASK_QUIT,    /* the user does not want to wait */
    TH_ASK_SILENT,  /* nothing came for that long */
    TH_ASK_ENDED,   /* the program has hung up */
    TH_ASK_GARBLED, /* it does not speak as we do */
};

enum th_ask_outcome th_ask(const struct th_link *link, const char *request, int patience_ms, struct th_answer *answer);

/* A sentence's end: "the program ..."; "" for TH_ASK_DONE. */
const char *th_ask_why(enum th_ask_outcome outcome);

#endif
