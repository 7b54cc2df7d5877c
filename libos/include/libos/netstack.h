/* SPDX-License-Identifier: MIT */
/*
 * A network stack, as the socket layer sees one: a constant structure of
 * functions. lwIP (libos/net/lwip) is one; a program can link its own by
 * defining `const struct netstack *const netstack_default`, or use none and drive
 * its queue itself (netqueue.h).
 *
 * All functions are called inside the libos (thread.h), never block, and return 0 or more on
 * success and a negative errno value on failure; -EAGAIN means "wait for
 * readiness": the stack then calls socket_notify() when that may have changed.
 */
#ifndef LIBOS_NETSTACK_H
#define LIBOS_NETSTACK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct netstack_config {
    uint32_t queue; /* handle */
    uint8_t mac[6];
    uint8_t dhcp;
    uint32_t address, netmask, gateway, dns; /* network byte order */
    const char *hostname;
};

/* An endpoint, owned by the stack. */
struct endpoint;

struct netstack {
    const char *name;
    int (*start)(const struct netstack_config *config);
    /* The address in use, network byte order; 0 while there is none yet. */
    uint32_t (*address)(void);

    /* type is SOCK_STREAM or SOCK_DGRAM. `cookie` comes back in socket_notify(). */
    int (*open)(int domain, int type, int protocol, void *cookie, struct endpoint **endpoint);
    void (*close)(struct endpoint *endpoint);
    int (*bind)(struct endpoint *endpoint, const struct sockaddr *address, socklen_t length);
    int (*listen)(struct endpoint *endpoint, int backlog);
    /* A new endpoint for the oldest waiting connection. */
    int (*accept)(struct endpoint *endpoint, void *cookie, struct endpoint **accepted);
    /* -EINPROGRESS, then POLLOUT and error() tell. */
    int (*connect)(struct endpoint *endpoint, const struct sockaddr *address, socklen_t length);
    /* Bytes taken (maybe fewer than given) / received; 0 at the end of a stream. */
    long (*send)(struct endpoint *endpoint, const struct iovec *iov, int count, int flags,
                 const struct sockaddr *to, socklen_t length);
    long (*receive)(struct endpoint *endpoint, const struct iovec *iov, int count, int flags,
                    struct sockaddr *from, socklen_t *length);
    int (*shutdown)(struct endpoint *endpoint, int how);
    int (*name_of)(struct endpoint *endpoint, int peer, struct sockaddr *address, socklen_t *length);
    int (*set_option)(struct endpoint *endpoint, int level, int name, const void *value, socklen_t length);
    int (*get_option)(struct endpoint *endpoint, int level, int name, void *value, socklen_t *length);
    /* POLLIN, POLLOUT, POLLERR, POLLHUP, POLLRDHUP as they stand. */
    unsigned (*ready)(struct endpoint *endpoint);
    /* Sends memory that stays as it is until acknowledged (a mapped, frozen file) without copying it;
     * NULL if the stack can't. Bytes taken or -EAGAIN. */
    long (*send_frozen)(struct endpoint *endpoint, const void *bytes, size_t length, int flags);
};

/* The stack this program uses; the linker takes the program's own definition before the libos's. */
extern const struct netstack *const netstack_default;

/* Called by a stack when an endpoint's readiness may have changed. */
void socket_notify(void *cookie, unsigned ready);

#endif
