/* Declares by itself what it needs of the system, so that a cross compiler without a C library will do. */
#ifndef PLANTED_H
#define PLANTED_H

#define NOINLINE    __attribute__((noinline, noclone))
#define PLANTED_TLS __thread

#if defined(__clang__)
#undef NOINLINE
#define NOINLINE __attribute__((noinline))
#endif

/* With the attributes of the C library, which is where the trouble begins. */
extern int *__errno_location(void) __attribute__((nothrow, const));
extern unsigned long pthread_self(void) __attribute__((nothrow, const));
extern const unsigned short **__ctype_b_loc(void) __attribute__((nothrow, const));
#define errno_ (*__errno_location())

extern void *jump_fcontext(void *to, void *data);
extern long write_(int fd, const void *bytes, unsigned long count) __asm__("write");
extern void use(const void *pointer) __asm__("puts");

extern void *next_context;

static inline void switch_away(void)
{
    next_context = jump_fcontext(next_context, 0);
}

#if defined(__x86_64__)
#define TAKE_ALL_REGISTERS() __asm__ volatile("" ::: "rbx", "r12", "r13", "r14", "r15", "memory")
#else
#define TAKE_ALL_REGISTERS()                                                                                        \
    __asm__ volatile("" ::: "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "memory")
#endif

int elsewhere_switches(int n);
int elsewhere_stays(int n);

#endif
