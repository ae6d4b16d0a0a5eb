/*
 * Probes: places in the code that bpftrace, perf, SystemTap and gdb know by name, where sys/sdt.h was there at the
 * build. Each is one nop, and a note of where its arguments are; without the header it is nothing at all.
 * runtime/tracing.md lists them; tests/observe/probes_are_there looks for them in the library.
 *
 * Arguments are words that are at hand anyway: nothing is computed for a probe.
 */
#ifndef TH_BASE_PROBE_H
#define TH_BASE_PROBE_H

#if defined(TH_PROBES)
#include <sys/sdt.h>
#define TH_PROBE1(name, a)    DTRACE_PROBE1(thrum, name, a)
#define TH_PROBE2(name, a, b) DTRACE_PROBE2(thrum, name, a, b)
#else
#define TH_PROBE1(name, a)    ((void)0)
#define TH_PROBE2(name, a, b) ((void)0)
#endif

#endif
