/* SPDX-License-Identifier: MIT */
/*
 * poll() and select(): ask every file; if none is ready, watch all of them and wait.
 * Costs as much as there are descriptors, as everywhere; epoll.c does not.
 */
#include <exo/abi.h>
#include <libos/clock.h>
#include <libos/thread.h>
#include <poll.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>

#include "posix_internal.h"
#include "signal_internal.h"

#define ALWAYS (POLLERR | POLLHUP | POLLNVAL)

struct poll_watch {
    struct file_watch watch;
    struct wait_queue *queue;
    struct file *file; /* with a reference; NULL: none */
};

static void poll_notify(struct file_watch *watch, unsigned ready)
{
    (void)ready;
    struct poll_watch *mine = (struct poll_watch *)watch;
    thread_wake(mine->queue, 1);
}

static int poll_ask(struct pollfd *fds, nfds_t count)
{
    int ready = 0;
    for (nfds_t i = 0; i < count; i++) {
        fds[i].revents = 0;
        if (fds[i].fd < 0)
            continue;
        struct file *file = fd_peek(fds[i].fd);
        unsigned wanted = (unsigned)(unsigned short)fds[i].events | ALWAYS;
        fds[i].revents = (short)((file ? file_ready(file) : POLLNVAL) & wanted);
        ready += fds[i].revents != 0;
    }
    return ready;
}

static void watches_add(struct poll_watch *watches, const struct pollfd *fds, nfds_t count,
                        struct wait_queue *queue)
{
    for (nfds_t i = 0; i < count; i++) {
        watches[i] = (struct poll_watch){ .watch.notify = poll_notify, .queue = queue };
        watches[i].file = fds[i].fd < 0 ? NULL : fd_get(fds[i].fd);
        if (watches[i].file)
            file_watch_add(watches[i].file, &watches[i].watch);
    }
}

static void watches_remove(struct poll_watch *watches, nfds_t count)
{
    for (nfds_t i = 0; i < count; i++)
        if (watches[i].file) {
            file_watch_remove(&watches[i].watch);
            file_release(watches[i].file);
        }
}

static long poll_wait(struct pollfd *fds, nfds_t count, uint64_t deadline)
{
    struct wait_queue queue = { NULL, NULL };
    size_t bytes = (count ? count : 1) * sizeof(struct poll_watch);
    struct poll_watch *watches = libos_alloc(bytes);
    if (!watches)
        return -ENOMEM;
    watches_add(watches, fds, count, &queue);
    int error = 0, ready = 0;
    while (!error && (ready = poll_ask(fds, count)) == 0)
        error = thread_wait(&queue, deadline);
    watches_remove(watches, count);
    libos_free(watches, bytes);
    return error == -ETIMEDOUT ? 0 : error ? error : ready;
}

static long poll_until(struct pollfd *fds, nfds_t count, bool waits, uint64_t deadline)
{
    if (count > FD_MAX)
        return -EINVAL;
    int ready = poll_ask(fds, count);
    if (ready || !waits) {
        if (!ready)
            thread_yield(); /* whoever polls in a loop lets others, and the network, run */
        return ready ? ready : poll_ask(fds, count);
    }
    return poll_wait(fds, count, deadline);
}

/* ns behind now; overlong ones never come. */
static uint64_t deadline_of(int64_t seconds, int64_t nanoseconds)
{
    if (seconds > 1000000000)
        return EXO_NEVER;
    return clock_deadline((uint64_t)seconds * 1000000000 + (uint64_t)nanoseconds);
}

SYSCALL(poll)
{
    SYSCALL_UNUSED(d, e, f);
    int timeout = (int)c;
    uint64_t deadline = timeout < 0 ? EXO_NEVER : clock_deadline((uint64_t)timeout * 1000000);
    return poll_until((struct pollfd *)a, (nfds_t)b, timeout != 0, deadline);
}

SYSCALL(ppoll)
{
    SYSCALL_UNUSED(e, f);
    const struct timespec *timeout = (const struct timespec *)c;
    if (timeout && (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= 1000000000))
        return -EINVAL;
    bool waits = !timeout || timeout->tv_sec || timeout->tv_nsec;
    uint64_t deadline = timeout ? deadline_of(timeout->tv_sec, timeout->tv_nsec) : EXO_NEVER;
    signal_mask_swap((const uint64_t *)d);
    return signal_mask_back(poll_until((struct pollfd *)a, (nfds_t)b, waits, deadline));
}

/* ---- select -------------------------------------------------------------------------- */

static nfds_t sets_to_fds(int count, const fd_set *in, const fd_set *out, const fd_set *except,
                          struct pollfd *fds)
{
    nfds_t used = 0;
    for (int fd = 0; fd < count; fd++) {
        short events = 0;
        if (in && FD_ISSET((unsigned)fd, in))
            events |= POLLIN;
        if (out && FD_ISSET((unsigned)fd, out))
            events |= POLLOUT;
        if (except && FD_ISSET((unsigned)fd, except))
            events |= POLLPRI;
        if (events)
            fds[used++] = (struct pollfd){ .fd = fd, .events = events };
    }
    return used;
}

static int set_bit(fd_set *set, const struct pollfd *fd, short asked, short means)
{
    if (!set || !(fd->events & asked) || !(fd->revents & means))
        return 0;
    FD_SET((unsigned)fd->fd, set);
    return 1;
}

static long fds_to_sets(const struct pollfd *fds, nfds_t count, fd_set *in, fd_set *out, fd_set *except)
{
    int bits = 0;
    fd_set *sets[3] = { in, out, except };
    for (int i = 0; i < 3; i++)
        if (sets[i])
            FD_ZERO(sets[i]);
    for (nfds_t i = 0; i < count; i++) {
        if (fds[i].revents & POLLNVAL)
            return -EBADF;
        bits += set_bit(in, &fds[i], POLLIN, POLLIN | POLLHUP | POLLERR);
        bits += set_bit(out, &fds[i], POLLOUT, POLLOUT | POLLERR);
        bits += set_bit(except, &fds[i], POLLPRI, POLLPRI);
    }
    return bits;
}

static long select_until(int count, fd_set *in, fd_set *out, fd_set *except, bool waits, uint64_t deadline)
{
    if (count < 0)
        return -EINVAL;
    if (count > FD_SETSIZE)
        count = FD_SETSIZE;
    size_t bytes = (size_t)(count ? count : 1) * sizeof(struct pollfd);
    struct pollfd *fds = libos_alloc(bytes);
    if (!fds)
        return -ENOMEM;
    nfds_t used = sets_to_fds(count, in, out, except, fds);
    long result = poll_until(fds, used, waits, deadline);
    if (result >= 0)
        result = fds_to_sets(fds, used, in, out, except);
    libos_free(fds, bytes);
    return result;
}

SYSCALL(select)
{
    SYSCALL_UNUSED(f);
    const struct timeval *timeout = (const struct timeval *)e;
    if (timeout && (timeout->tv_sec < 0 || timeout->tv_usec < 0))
        return -EINVAL;
    bool waits = !timeout || timeout->tv_sec || timeout->tv_usec;
    uint64_t deadline = timeout ? deadline_of(timeout->tv_sec, timeout->tv_usec * 1000) : EXO_NEVER;
    return select_until((int)a, (fd_set *)b, (fd_set *)c, (fd_set *)d, waits, deadline);
}

SYSCALL(pselect6)
{
    const uint64_t *const *mask = (const uint64_t *const *)f; /* with its size */
    const struct timespec *timeout = (const struct timespec *)e;
    if (timeout && (timeout->tv_sec < 0 || timeout->tv_nsec < 0))
        return -EINVAL;
    bool waits = !timeout || timeout->tv_sec || timeout->tv_nsec;
    uint64_t deadline = timeout ? deadline_of(timeout->tv_sec, timeout->tv_nsec) : EXO_NEVER;
    signal_mask_swap(mask ? *mask : NULL);
    return signal_mask_back(select_until((int)a, (fd_set *)b, (fd_set *)c, (fd_set *)d, waits, deadline));
}
