/* SPDX-License-Identifier: MIT */
/*
 * epoll: a list of entries whose files may be ready. A file's notification puts its
 * entry there and waiting takes from it, so nothing here grows with the number of
 * descriptors that are watched.
 *
 *   idle --notify--> listed --epoll_wait--> reported: idle (EPOLLET, EPOLLONESHOT)
 *                       ^                         or listed again (level-triggered),
 *                       +---- asked again at the next wait
 */
#include <fcntl.h>
#include <exo/abi.h>
#include <libos/clock.h>
#include <libos/thread.h>
#include <poll.h>
#include <sys/epoll.h>

#include "posix_internal.h"
#include "signal_internal.h"

#define ALWAYS ((unsigned)(EPOLLERR | EPOLLHUP))
#define MODES ((unsigned)(EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE))

struct entry {
    struct file_watch watch;
    struct epoll *epoll;
    struct entry *next, **link; /* of the ready list; link NULL: not on it */
    struct entry *dead_next;
    int fd;
    uint32_t events;
    epoll_data_t data;
};

struct epoll {
    struct file file;
    struct wait_queue waiters;
    struct entry *first, **last; /* ready */
    unsigned listed;
    struct entry *dead; /* their files are gone; freed when nobody can be looking at them */
    struct entry *entry[FD_MAX];
};

/* ---- the ready list ----------------------------------------------------------------- */

static void entry_list(struct entry *entry)
{
    struct epoll *epoll = entry->epoll;
    if (entry->link)
        return;
    entry->next = NULL;
    entry->link = epoll->last;
    *epoll->last = entry;
    epoll->last = &entry->next;
    epoll->listed++;
}

static void entry_unlist(struct entry *entry)
{
    struct epoll *epoll = entry->epoll;
    if (!entry->link)
        return;
    *entry->link = entry->next;
    if (entry->next)
        entry->next->link = entry->link;
    else
        epoll->last = entry->link;
    entry->link = NULL;
    epoll->listed--;
}

static unsigned entry_wants(const struct entry *entry)
{
    unsigned events = entry->events & ~MODES;
    return events ? events | ALWAYS : 0; /* 0: shot once, or nothing asked */
}

static void entry_notify(struct file_watch *watch, unsigned ready)
{
    struct entry *entry = (struct entry *)watch;
    struct epoll *epoll = entry->epoll;
    if (ready & POLLNVAL) { /* the file ends; it takes the watch off itself */
        entry_unlist(entry);
        epoll->entry[entry->fd] = NULL;
        entry->dead_next = epoll->dead;
        epoll->dead = entry;
        return;
    }
    if (!(ready & entry_wants(entry)))
        return;
    entry_list(entry);
    thread_wake(&epoll->waiters, 1);
    file_notify(&epoll->file, POLLIN);
}

static void dead_free(struct epoll *epoll)
{
    struct entry *entry;
    while ((entry = epoll->dead) != NULL) {
        epoll->dead = entry->dead_next;
        libos_free(entry, sizeof *entry);
    }
}

static void entry_remove(struct entry *entry)
{
    entry_unlist(entry);
    file_watch_remove(&entry->watch);
    entry->epoll->entry[entry->fd] = NULL;
    libos_free(entry, sizeof *entry);
}

/* ---- as a file ------------------------------------------------------------------------- */

static unsigned epoll_ready(struct file *file)
{
    const struct epoll *epoll = (const struct epoll *)file;
    return epoll->first ? POLLIN : 0;
}

static void epoll_close(struct file *file)
{
    struct epoll *epoll = (struct epoll *)file;
    dead_free(epoll);
    for (int fd = 0; fd < FD_MAX; fd++)
        if (epoll->entry[fd])
            entry_remove(epoll->entry[fd]);
    libos_free(epoll, sizeof *epoll);
}

static const struct file_ops epoll_ops = { .ready = epoll_ready, .close = epoll_close };

static struct epoll *epoll_get(long fd, int *error)
{
    struct file *file = fd_get((int)fd);
    if (file && file->ops == &epoll_ops)
        return (struct epoll *)file;
    *error = file ? -EINVAL : -EBADF;
    if (file)
        file_release(file);
    return NULL;
}

static long epoll_new(int flags)
{
    if (flags & ~EPOLL_CLOEXEC)
        return -EINVAL;
    struct epoll *epoll = libos_alloc(sizeof *epoll);
    if (!epoll)
        return -ENOMEM;
    file_init(&epoll->file, &epoll_ops, O_RDWR);
    epoll->last = &epoll->first;
    return fd_install(&epoll->file, 0, flags & EPOLL_CLOEXEC);
}

SYSCALL(epoll_create1)
{
    SYSCALL_UNUSED(b, c, d, e, f);
    return epoll_new((int)a);
}

SYSCALL(epoll_create)
{
    SYSCALL_UNUSED(b, c, d, e, f);
    return a > 0 ? epoll_new(0) : -EINVAL;
}

/* ---- entries ------------------------------------------------------------------------------ */

static void entry_ask(struct entry *entry)
{
    if (file_ready(entry->watch.file) & entry_wants(entry)) {
        entry_list(entry);
        thread_wake(&entry->epoll->waiters, 1);
    }
}

static int entry_add(struct epoll *epoll, int fd, struct file *file, const struct epoll_event *event)
{
    struct entry *entry = libos_alloc(sizeof *entry);
    if (!entry)
        return -ENOMEM;
    entry->watch.notify = entry_notify;
    entry->epoll = epoll;
    entry->fd = fd;
    entry->events = event->events;
    entry->data = event->data;
    epoll->entry[fd] = entry;
    file_watch_add(file, &entry->watch);
    entry_ask(entry);
    return 0;
}

static int epoll_change(struct epoll *epoll, int operation, int fd, const struct epoll_event *event)
{
    struct file *file = fd_peek(fd);
    struct entry *entry = fd >= 0 && fd < FD_MAX ? epoll->entry[fd] : NULL;
    if (!file)
        return -EBADF;
    if (file == &epoll->file)
        return -EINVAL;
    if (entry && entry->watch.file != file) { /* the number names another file now */
        entry_remove(entry);
        entry = NULL;
    }
    if (operation == EPOLL_CTL_ADD)
        return entry ? -EEXIST : entry_add(epoll, fd, file, event);
    if (!entry)
        return -ENOENT;
    if (operation == EPOLL_CTL_DEL) {
        entry_remove(entry);
        return 0;
    }
    if (operation != EPOLL_CTL_MOD)
        return -EINVAL;
    entry->events = event->events;
    entry->data = event->data;
    entry_ask(entry);
    return 0;
}

SYSCALL(epoll_ctl)
{
    SYSCALL_UNUSED(e, f);
    const struct epoll_event *event = (const struct epoll_event *)d;
    if (!event && b != EPOLL_CTL_DEL)
        return -EFAULT;
    int error;
    struct epoll *epoll = epoll_get(a, &error);
    if (!epoll)
        return error;
    dead_free(epoll);
    error = epoll_change(epoll, (int)b, (int)c, event);
    file_release(&epoll->file);
    return error;
}

/* ---- waiting ---------------------------------------------------------------------------------- */

static int epoll_take(struct epoll *epoll, struct epoll_event *events, int most)
{
    int count = 0;
    for (unsigned left = epoll->listed; left > 0 && count < most && epoll->first; left--) {
        struct entry *entry = epoll->first;
        entry_unlist(entry);
        unsigned ready = file_ready(entry->watch.file) & entry_wants(entry);
        if (!ready)
            continue;
        events[count].events = ready;
        events[count++].data = entry->data;
        if (entry->events & EPOLLONESHOT)
            entry->events &= MODES;
        else if (!(entry->events & EPOLLET))
            entry_list(entry);
    }
    return count;
}

static long epoll_wait_until(struct epoll *epoll, struct epoll_event *events, int most, int timeout)
{
    uint64_t deadline = timeout < 0 ? EXO_NEVER : 0;
    int count, error = 0;
    while ((count = epoll_take(epoll, events, most)) == 0 && timeout != 0 && !error) {
        if (deadline == 0)
            deadline = clock_deadline((uint64_t)timeout * 1000000);
        error = thread_wait(&epoll->waiters, deadline);
    }
    if (count == 0 && timeout == 0) { /* whoever polls in a loop lets others, and the network, run */
        thread_yield();
        count = epoll_take(epoll, events, most);
    }
    if (count > 0)
        return count;
    return error == -ETIMEDOUT ? 0 : error;
}

SYSCALL(epoll_wait)
{
    SYSCALL_UNUSED(e, f);
    if (c <= 0)
        return -EINVAL;
    int error;
    struct epoll *epoll = epoll_get(a, &error);
    if (!epoll)
        return error;
    dead_free(epoll);
    long count = epoll_wait_until(epoll, (struct epoll_event *)b, (int)c, (int)d);
    file_release(&epoll->file);
    return count;
}

SYSCALL(epoll_pwait)
{
    signal_mask_swap((const uint64_t *)e);
    return signal_mask_back(sys_epoll_wait(a, b, c, d, e, f));
}
