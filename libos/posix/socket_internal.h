/* SPDX-License-Identifier: MIT */
/*
 * BSD sockets as files over a network stack (libos/netstack.h). This layer knows waiting,
 * timeouts and descriptors, and no protocol.
 */
#ifndef LIBOS_SOCKET_INTERNAL_H
#define LIBOS_SOCKET_INTERNAL_H

#include <libos/file.h>
#include <libos/netstack.h>
#include <libos/thread.h>

#include "posix_internal.h"

struct socket {
    struct file file;
    struct endpoint *endpoint;
    const struct netstack *stack;
    int type;
    struct wait_queue readers, writers;
    uint64_t receive_timeout, send_timeout; /* ns; 0: none */
};

extern const struct file_ops socket_ops;

/* The socket behind a descriptor, with a reference; NULL and *error set if there is none. */
struct socket *socket_get(long fd, int *error);
static inline void socket_put(struct socket *socket)
{
    file_release(&socket->file);
}

#define SOCKET_OR_RETURN(name, fd)                 \
    int name##_error;                              \
    struct socket *name = socket_get(fd, &name##_error); \
    if (!name)                                     \
        return name##_error

/* A socket without an endpoint yet; NULL: no memory. */
struct socket *socket_new(const struct netstack *stack, int type, int flags);

/* The call's patience: when MSG_DONTWAIT, O_NONBLOCK or a timeout end it. */
struct patience {
    bool none;         /* never waits */
    bool began;        /* the deadline is set */
    uint64_t timeout;  /* ns; 0: none */
    uint64_t deadline; /* tick */
};
struct patience socket_patience(const struct socket *socket, int flags, uint64_t timeout);
/* Parks until woken. 0; -EAGAIN when patience is at its end; -EINTR. */
int socket_wait(struct wait_queue *queue, struct patience *patience);

long socket_send(struct socket *socket, const struct iovec *iov, int count, int flags,
                 const struct sockaddr *to, socklen_t length);
long socket_receive(struct socket *socket, const struct iovec *iov, int count, int flags,
                    struct sockaddr *from, socklen_t *length);

#endif
