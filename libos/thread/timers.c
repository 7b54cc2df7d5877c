/* SPDX-License-Identifier: MIT */
/*
 * The deadlines of waiting threads: a pairing heap through the threads
 * themselves, so that it needs no memory and adding is constant work. Knows
 * nothing of what happens when one passes.
 */
#include "thread_internal.h"

static struct thread *root;

static struct thread *meld(struct thread *a, struct thread *b)
{
    if (a == NULL)
        return b;
    if (b == NULL)
        return a;
    if (b->deadline < a->deadline) {
        struct thread *swap = a;
        a = b;
        b = swap;
    }
    /* b becomes a's first child; heap_previous is the parent there. */
    b->heap_next = a->heap_child;
    b->heap_previous = a;
    if (a->heap_child != NULL)
        a->heap_child->heap_previous = b;
    a->heap_child = b;
    return a;
}

/* Melds a list of siblings: in pairs first, then the pairs. */
static struct thread *meld_list(struct thread *first)
{
    struct thread *pairs = NULL;
    while (first != NULL) {
        struct thread *a = first, *b = a->heap_next;
        first = b == NULL ? NULL : b->heap_next;
        a->heap_next = a->heap_previous = NULL;
        if (b != NULL)
            b->heap_next = b->heap_previous = NULL;
        a = meld(a, b);
        a->heap_next = pairs;
        pairs = a;
    }
    struct thread *all = NULL;
    while (pairs != NULL) {
        struct thread *next = pairs->heap_next;
        pairs->heap_next = NULL;
        all = meld(all, pairs);
        pairs = next;
    }
    return all;
}

void timers_add(struct thread *thread)
{
    thread->heap_child = thread->heap_next = thread->heap_previous = NULL;
    thread->in_timers = true;
    root = meld(root, thread);
}

void timers_remove(struct thread *thread)
{
    struct thread *children = meld_list(thread->heap_child);
    if (thread == root) {
        root = children;
    } else {
        if (thread->heap_previous->heap_child == thread)
            thread->heap_previous->heap_child = thread->heap_next;
        else
            thread->heap_previous->heap_next = thread->heap_next;
        if (thread->heap_next != NULL)
            thread->heap_next->heap_previous = thread->heap_previous;
        root = meld(root, children);
    }
    thread->in_timers = false;
}

struct thread *timers_first(void)
{
    return root;
}
