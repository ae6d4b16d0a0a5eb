/* Between the C half of the exception test, which has the fibers, and the C++ half, which throws. */
#ifndef EXCEPTIONS_H
#define EXCEPTIONS_H

/* Parks the running fiber; any of the test's threads goes on with it. */
void exceptions_hop(void);

/* Throws and catches, hopping in between; 0, or the number of what was wrong. */
int exceptions_body(int seed);

#endif
