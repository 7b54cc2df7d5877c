/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a word in memory: what the C library's locks are made of. Waiters
 * hang in a table by the word's address.
 */
#include <errno.h>

#include "thread_internal.h"

#define BUCKETS 128u

static struct wait_queue buckets[BUCKETS];

static struct wait_queue *bucket_of(const int *word)
{
    uint64_t key = (uint64_t)word >> 2;
    return &buckets[(key ^ key >> 8 ^ key >> 16) % BUCKETS];
}

long futex_wait(const int *word, int value, uint64_t deadline)
{
    if (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value)
        return -EAGAIN;
    thread_current->futex = word;
    return thread_wait(bucket_of(word), deadline);
}

long futex_wake(const int *word, unsigned count)
{
    unsigned woken = 0;
    struct thread *next;
    for (struct thread *t = bucket_of(word)->first; t != NULL && woken < count; t = next) {
        next = t->next;
        if (t->futex != word)
            continue;
        thread_ready(t, 0);
        woken++;
    }
    return woken;
}

long futex_requeue(const int *word, unsigned wake, unsigned move, const int *to)
{
    long count = futex_wake(word, wake);
    struct thread *next;
    for (struct thread *t = bucket_of(word)->first; t != NULL && move > 0; t = next) {
        next = t->next;
        if (t->futex != word)
            continue;
        thread_dequeue(t);
        t->futex = to;
        thread_enqueue(bucket_of(to), t);
        move--;
        count++;
    }
    return count;
}
