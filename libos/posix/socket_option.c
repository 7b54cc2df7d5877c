/* SPDX-License-Identifier: MIT */
/* Socket options: timeouts are this layer's, all others the network stack's. */
#include <sys/time.h>

#include "socket_internal.h"

static uint64_t *timeout_of(struct socket *socket, long level, long name)
{
    if (level != SOL_SOCKET)
        return NULL;
    return name == SO_RCVTIMEO ? &socket->receive_timeout
           : name == SO_SNDTIMEO ? &socket->send_timeout : NULL;
}

static int timeout_set(uint64_t *timeout, const struct timeval *value, socklen_t length)
{
    if (length < sizeof *value)
        return -EINVAL;
    if (value->tv_sec < 0 || value->tv_usec < 0 || value->tv_usec >= 1000000)
        return -EDOM;
    uint64_t seconds = value->tv_sec > 1000000000 ? 0 : (uint64_t)value->tv_sec;
    *timeout = seconds * 1000000000 + (uint64_t)value->tv_usec * 1000;
    return 0;
}

static int timeout_get(const uint64_t *timeout, struct timeval *value, socklen_t *length)
{
    if (*length < sizeof *value)
        return -EINVAL;
    value->tv_sec = (time_t)(*timeout / 1000000000);
    value->tv_usec = (suseconds_t)(*timeout % 1000000000 / 1000);
    *length = sizeof *value;
    return 0;
}

SYSCALL(setsockopt)
{
    SYSCALL_UNUSED(f);
    SOCKET_OR_RETURN(socket, a);
    uint64_t *timeout = timeout_of(socket, b, c);
    int error = timeout ? timeout_set(timeout, (const struct timeval *)d, (socklen_t)e)
                        : socket->stack->set_option(socket->endpoint, (int)b, (int)c, (const void *)d,
                                                    (socklen_t)e);
    socket_put(socket);
    return error;
}

SYSCALL(getsockopt)
{
    SYSCALL_UNUSED(f);
    if (!d || !e)
        return -EFAULT;
    SOCKET_OR_RETURN(socket, a);
    uint64_t *timeout = timeout_of(socket, b, c);
    int error = timeout ? timeout_get(timeout, (struct timeval *)d, (socklen_t *)e)
                        : socket->stack->get_option(socket->endpoint, (int)b, (int)c, (void *)d,
                                                    (socklen_t *)e);
    socket_put(socket);
    return error;
}
