/* What is left when the last runtime of the process has ended, and where it was made (base/origins.h). */
#ifndef TH_OBSERVE_LEAKS_H
#define TH_OBSERVE_LEAKS_H

/* On stderr, where THRUM_DEBUG=leaks asks for it. No worker runs any more. */
void th_leaks_tell(void);

#endif
