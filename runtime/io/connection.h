/* What dial, listen and serve take from connection.c. */
#ifndef TH_IO_CONNECTION_H
#define TH_IO_CONNECTION_H

/* A socket, closed on exec, whose number is known to be new. */
int th_connection_socket(int domain, int type, int protocol);

/* accept with flags (SOCK_NONBLOCK). May switch. */
int th_connection_accept(int fd, int flags);

#endif
