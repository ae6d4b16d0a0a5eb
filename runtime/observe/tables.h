/* Tables for who looks on from outside (observe/console.h): a line of heads, then one for each row, tabs between. */
#ifndef TH_OBSERVE_TABLES_H
#define TH_OBSERVE_TABLES_H

/* Every task, without its calls: some microseconds each. 0, or -errno as thrum_dump. Any thread. */
int th_table_tasks(int fd);

/* Every worker: what it does, what waits in its queues, what it has counted. */
int th_table_workers(int fd);

#endif
