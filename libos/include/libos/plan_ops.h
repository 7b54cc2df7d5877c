/* SPDX-License-Identifier: MIT */
/*
 * One function for every operation of abi.h, which says what each does and how it fails. Included
 * by plan.h. Frames, words, ticks and handles may be results of earlier operations; everything
 * else sets the price of a plan and is a plain number.
 */
#ifndef LIBOS_PLAN_OPS_H
#define LIBOS_PLAN_OPS_H

#include <libos/plan.h>

/* ---- cells --------------------------------------------------------------------- */

static inline struct exo_op *plan_cell(struct plan *plan, uint8_t code)
{
    if (plan->count == EXO_PLAN_MAX)
        plan_misuse(plan, "more than 64 cells");
    struct exo_op *op = &plan->cell[++plan->count];
    *op = (struct exo_op){ .code = code };
    return op;
}

static inline struct exo_op *plan_op(struct plan *plan, uint8_t code)
{
    struct exo_op *op = plan_cell(plan, code);
    op->flags = (uint8_t)(plan->next_flags | (plan->quiet ? EXO_QUIET : 0));
    op->tag = (uint64_t)plan->target;
    if (plan->next_set)
        op->after = plan->next_after;
    else if (!plan->unordered && plan->last >= 0)
        op->after = 1ull << plan->last;
    plan->next_after = 0;
    plan->next_flags = 0;
    plan->next_set = false;
    plan->last = (int16_t)(plan->count - 1);
    if (op->after >> plan->last)
        plan_misuse(plan, "waits for what is not before it");
    return op;
}

/* A number that can't be a result of this operation's predecessors belongs to another plan. */
static inline void plan_check_ref(const struct plan *plan, struct plan_ref ref)
{
    if (ref.op >= plan->last)
        plan_misuse(plan, "a result of another plan");
}

static inline void plan_arg(const struct plan *plan, struct exo_op *op, unsigned k, struct plan_ref ref)
{
    op->arg[k] = ref.word;
    if (ref.op >= 0) {
        plan_check_ref(plan, ref);
        op->uses |= (uint16_t)(1u << k);
        op->after |= 1ull << ref.op;
    }
}

static inline void plan_handle(const struct plan *plan, struct exo_op *op, struct handle_ref handle)
{
    if (handle.ref.op < 0) {
        op->handle = (uint32_t)handle.ref.word;
        return;
    }
    plan_check_ref(plan, handle.ref);
    op->arg[4] = handle.ref.word;
    op->uses |= 1u << 5;
    op->after |= 1ull << handle.ref.op;
}

static inline struct plan_ref plan_result_of(const struct plan *plan, uint16_t index)
{
    return (struct plan_ref){ EXO_REF(plan->last, index, 0), plan->last, index };
}

#define PLAN_OP_REF(plan) ((struct op_ref){ plan_result_of(plan, 0) })

/* ---- time and control ------------------------------------------------------------ */

static inline struct word_ref plan_nop(struct plan *plan, struct word_ref word)
{
    plan_arg(plan, plan_op(plan, EXO_NOP), 0, word.ref);
    return (struct word_ref){ plan_result_of(plan, 0) };
}

static inline struct tick_ref plan_timer(struct plan *plan, struct tick_ref tick)
{
    plan_arg(plan, plan_op(plan, EXO_TIMER), 0, tick.ref);
    return (struct tick_ref){ plan_result_of(plan, 0) };
}

/* For a standing plan: at `first`, and then every `period` ticks. */
static inline struct tick_ref plan_timer_every(struct plan *plan, struct tick_ref first, uint64_t period)
{
    struct exo_op *op = plan_op(plan, EXO_TIMER);
    plan_arg(plan, op, 0, first.ref);
    op->arg[1] = period;
    return (struct tick_ref){ plan_result_of(plan, 0) };
}

/* `id` is a plan's id (a completion's `plan`), or 0 for this plan. */
static inline struct word_ref plan_cancel(struct plan *plan, struct word_ref id, uint64_t operations)
{
    struct exo_op *op = plan_op(plan, EXO_CANCEL);
    plan_arg(plan, op, 0, id.ref);
    op->arg[1] = operations;
    return (struct word_ref){ plan_result_of(plan, 0) };
}

static inline struct op_ref plan_yield(struct plan *plan, struct handle_ref env)
{
    plan_handle(plan, plan_op(plan, EXO_YIELD), env);
    return PLAN_OP_REF(plan);
}

/* ---- frames ------------------------------------------------------------------------ */

static inline struct frame_ref plan_alloc_at(struct plan *plan, uint32_t count, unsigned align,
                                             struct word_ref wanted)
{
    struct exo_op *op = plan_op(plan, EXO_ALLOC);
    op->arg[0] = count;
    op->arg[1] = align;
    plan_arg(plan, op, 2, wanted.ref);
    return (struct frame_ref){ plan_result_of(plan, 0) };
}

/* `count` consecutive frames, aligned to 1 << align of them. */
static inline struct frame_ref plan_alloc(struct plan *plan, uint32_t count, unsigned align)
{
    return plan_alloc_at(plan, count, align, word_number(EXO_ANY));
}

static inline struct op_ref plan_free(struct plan *plan, struct frame_ref frame, uint32_t count)
{
    struct exo_op *op = plan_op(plan, EXO_FREE);
    plan_arg(plan, op, 0, frame.ref);
    op->arg[1] = count;
    return PLAN_OP_REF(plan);
}

static inline struct op_ref plan_give(struct plan *plan, struct handle_ref child,
                                      struct frame_ref frame, uint32_t count)
{
    struct exo_op *op = plan_op(plan, EXO_GIVE);
    plan_handle(plan, op, child);
    plan_arg(plan, op, 0, frame.ref);
    op->arg[1] = count;
    return PLAN_OP_REF(plan);
}

static inline struct op_ref plan_freeze(struct plan *plan, uint64_t address, uint32_t count)
{
    struct exo_op *op = plan_op(plan, EXO_FREEZE);
    op->arg[0] = address;
    op->arg[1] = count;
    return PLAN_OP_REF(plan);
}

static inline struct frame_ref plan_thaw(struct plan *plan, uint64_t address)
{
    plan_op(plan, EXO_THAW)->arg[0] = address;
    return (struct frame_ref){ plan_result_of(plan, 0) };
}

/* ---- address spaces ------------------------------------------------------------------ */

static inline struct op_ref plan_table(struct plan *plan, struct handle_ref env,
                                       struct frame_ref frame, uint64_t address, unsigned level)
{
    struct exo_op *op = plan_op(plan, EXO_TABLE);
    plan_handle(plan, op, env);
    plan_arg(plan, op, 0, frame.ref);
    op->arg[1] = address;
    op->arg[2] = level;
    return PLAN_OP_REF(plan);
}

static inline struct frame_ref plan_untable(struct plan *plan, struct handle_ref env,
                                            uint64_t address, unsigned level)
{
    struct exo_op *op = plan_op(plan, EXO_UNTABLE);
    plan_handle(plan, op, env);
    op->arg[0] = address;
    op->arg[1] = level;
    return (struct frame_ref){ plan_result_of(plan, 0) };
}

static inline struct op_ref plan_map(struct plan *plan, struct handle_ref env, uint64_t address,
                                     struct frame_ref frame, uint32_t count, unsigned perm)
{
    struct exo_op *op = plan_op(plan, EXO_MAP);
    plan_handle(plan, op, env);
    op->arg[0] = address;
    plan_arg(plan, op, 1, frame.ref);
    op->arg[2] = count;
    op->arg[3] = perm;
    return PLAN_OP_REF(plan);
}

static inline struct op_ref plan_share(struct plan *plan, struct handle_ref env, uint64_t to,
                                       uint64_t from, uint32_t count, unsigned perm)
{
    struct exo_op *op = plan_op(plan, EXO_SHARE);
    plan_handle(plan, op, env);
    op->arg[0] = to;
    op->arg[1] = from;
    op->arg[2] = count;
    op->arg[3] = perm;
    return PLAN_OP_REF(plan);
}

/* Result: the first frame that was mapped there; .ref.index 1 of it: pages removed. */
static inline struct frame_ref plan_unmap(struct plan *plan, struct handle_ref env,
                                          uint64_t address, uint32_t count)
{
    struct exo_op *op = plan_op(plan, EXO_UNMAP);
    plan_handle(plan, op, env);
    op->arg[0] = address;
    op->arg[1] = count;
    return (struct frame_ref){ plan_result_of(plan, 0) };
}

static inline struct op_ref plan_protect(struct plan *plan, struct handle_ref env,
                                         uint64_t address, uint32_t count, unsigned perm)
{
    struct exo_op *op = plan_op(plan, EXO_PROTECT);
    plan_handle(plan, op, env);
    op->arg[0] = address;
    op->arg[1] = count;
    op->arg[2] = perm;
    return PLAN_OP_REF(plan);
}

/* Frames as plan slots for plans of up to 4, 16, 32 or 64 cells. */
static inline struct word_ref plan_slots(struct plan *plan, struct handle_ref env,
                                         struct frame_ref frame, uint32_t count, unsigned cells)
{
    struct exo_op *op = plan_op(plan, EXO_SLOTS);
    plan_handle(plan, op, env);
    plan_arg(plan, op, 0, frame.ref);
    op->arg[1] = count;
    op->arg[2] = cells;
    return (struct word_ref){ plan_result_of(plan, 0) };
}

/* ---- console ---------------------------------------------------------------------------- */

/* `buffer`: EXO_BUF(...), by frame or, behind plan_vpage(), by virtual page. */
static inline struct length_ref plan_console_write(struct plan *plan, struct handle_ref console,
                                                   uint64_t buffer)
{
    struct exo_op *op = plan_op(plan, EXO_CONSOLE_WRITE);
    plan_handle(plan, op, console);
    op->arg[0] = buffer;
    return (struct length_ref){ plan_result_of(plan, 0) };
}

/* The next byte that is typed, if the handle may read. */
static inline struct word_ref plan_console_read(struct plan *plan, struct handle_ref console)
{
    plan_handle(plan, plan_op(plan, EXO_CONSOLE_READ), console);
    return (struct word_ref){ plan_result_of(plan, 0) };
}

/* The label's 16 characters as two words. */
static inline struct handle_ref plan_console_grant(struct plan *plan, struct handle_ref child,
                                                   struct handle_ref console, const uint64_t label[2])
{
    struct exo_op *op = plan_op(plan, EXO_CONSOLE_GRANT);
    plan_handle(plan, op, child);
    plan_arg(plan, op, 0, console.ref);
    op->arg[1] = label[0];
    op->arg[2] = label[1];
    return (struct handle_ref){ plan_result_of(plan, 0) };
}

/* ---- environments -------------------------------------------------------------------------- */

static inline struct handle_ref plan_env_create(struct plan *plan, struct frame_ref frame, uint32_t quota,
                                                uint16_t places)
{
    struct exo_op *op = plan_op(plan, EXO_ENV_CREATE);
    plan_arg(plan, op, 0, frame.ref);
    op->arg[1] = quota;
    op->arg[2] = places;
    return (struct handle_ref){ plan_result_of(plan, 0) };
}

static inline struct op_ref plan_env_rings(struct plan *plan, uint32_t child, struct frame_ref control,
                                           struct frame_ref sq, uint32_t sq_count,
                                           struct frame_ref cq, uint32_t cq_count)
{
    struct exo_op *op = plan_op(plan, EXO_ENV_RINGS);
    op->handle = child; /* arg[4] is taken, so it cannot be a reference */
    plan_arg(plan, op, 0, control.ref);
    plan_arg(plan, op, 1, sq.ref);
    op->arg[2] = sq_count;
    plan_arg(plan, op, 3, cq.ref);
    op->arg[4] = cq_count;
    return PLAN_OP_REF(plan);
}

static inline struct op_ref plan_env_start(struct plan *plan, struct handle_ref child, uint64_t rip,
                                           uint64_t rsp, uint64_t rdi)
{
    struct exo_op *op = plan_op(plan, EXO_ENV_START);
    plan_handle(plan, op, child);
    op->arg[0] = rip;
    op->arg[1] = rsp;
    op->arg[2] = rdi;
    return PLAN_OP_REF(plan);
}

struct env_kill_refs {
    struct word_ref frames, limit; /* that came back */
};

static inline struct env_kill_refs plan_env_kill(struct plan *plan, struct handle_ref child)
{
    plan_handle(plan, plan_op(plan, EXO_ENV_KILL), child);
    return (struct env_kill_refs){ { plan_result_of(plan, 0) }, { plan_result_of(plan, 1) } };
}

struct reclaim_refs {
    struct word_ref returned, taken; /* frames; pages and frames by force */
};

/* Takes `count` frames of a child's limit back; past the deadline by force. */
static inline struct reclaim_refs plan_reclaim(struct plan *plan, struct handle_ref child, uint32_t count,
                                               struct tick_ref deadline)
{
    struct exo_op *op = plan_op(plan, EXO_RECLAIM);
    plan_handle(plan, op, child);
    op->arg[0] = count;
    plan_arg(plan, op, 1, deadline.ref);
    return (struct reclaim_refs){ { plan_result_of(plan, 0) }, { plan_result_of(plan, 1) } };
}

struct reclaim_wait_refs {
    struct word_ref wanted; /* frames still to give */
    struct tick_ref deadline;
};

/* Waits until the parent asks for frames. */
static inline struct reclaim_wait_refs plan_reclaim_wait(struct plan *plan)
{
    plan_op(plan, EXO_RECLAIM_WAIT);
    return (struct reclaim_wait_refs){ { plan_result_of(plan, 0) }, { plan_result_of(plan, 1) } };
}

struct env_wait_refs {
    struct word_ref reason, first, second; /* a completion only tells the first two: read the last through plan_nop() */
};

static inline struct env_wait_refs plan_env_wait(struct plan *plan, struct handle_ref child)
{
    plan_handle(plan, plan_op(plan, EXO_ENV_WAIT), child);
    return (struct env_wait_refs){ { plan_result_of(plan, 0) }, { plan_result_of(plan, 1) },
                                   { plan_result_of(plan, 2) } };
}

static inline struct length_ref plan_env_read(struct plan *plan, struct handle_ref child,
                                              struct word_ref address, uint64_t buffer)
{
    struct exo_op *op = plan_op(plan, EXO_ENV_READ);
    plan_handle(plan, op, child);
    plan_arg(plan, op, 0, address.ref);
    op->arg[1] = buffer;
    return (struct length_ref){ plan_result_of(plan, 0) };
}

static inline struct op_ref plan_env_exit(struct plan *plan, uint64_t reason, uint64_t first, uint64_t second)
{
    struct exo_op *op = plan_op(plan, EXO_ENV_EXIT);
    op->arg[0] = reason;
    op->arg[1] = first;
    op->arg[2] = second;
    return PLAN_OP_REF(plan);
}

static inline struct handle_ref plan_handle_copy(struct plan *plan, struct handle_ref child,
                                                 struct handle_ref handle)
{
    struct exo_op *op = plan_op(plan, EXO_HANDLE_COPY);
    plan_handle(plan, op, child);
    plan_arg(plan, op, 0, handle.ref);
    return (struct handle_ref){ plan_result_of(plan, 0) };
}

static inline struct op_ref plan_handle_drop(struct plan *plan, struct handle_ref handle)
{
    plan_arg(plan, plan_op(plan, EXO_HANDLE_DROP), 0, handle.ref);
    return PLAN_OP_REF(plan);
}

static inline struct op_ref plan_cpu_give(struct plan *plan, struct handle_ref child, unsigned slot,
                                          uint32_t count)
{
    struct exo_op *op = plan_op(plan, EXO_CPU_GIVE);
    plan_handle(plan, op, child);
    op->arg[0] = slot;
    op->arg[1] = count;
    return PLAN_OP_REF(plan);
}

static inline struct op_ref plan_power(struct plan *plan, struct handle_ref machine, unsigned value)
{
    struct exo_op *op = plan_op(plan, EXO_POWER);
    plan_handle(plan, op, machine);
    op->arg[0] = value;
    return PLAN_OP_REF(plan);
}

/* ---- NIC queues -------------------------------------------------------------------------------- */

static inline struct handle_ref plan_queue_create(struct plan *plan, struct handle_ref parent,
                                                  struct frame_ref frame, uint64_t spec)
{
    struct exo_op *op = plan_op(plan, EXO_QUEUE_CREATE);
    plan_handle(plan, op, parent);
    plan_arg(plan, op, 0, frame.ref);
    op->arg[1] = spec;
    return (struct handle_ref){ plan_result_of(plan, 0) };
}

struct queue_info_refs {
    struct word_ref mac_and_features, received, dropped, sent; /* the last three: through plan_nop() */
};

static inline struct queue_info_refs plan_queue_info(struct plan *plan, struct handle_ref queue)
{
    plan_handle(plan, plan_op(plan, EXO_QUEUE_INFO), queue);
    return (struct queue_info_refs){ { plan_result_of(plan, 0) }, { plan_result_of(plan, 1) },
                                     { plan_result_of(plan, 2) }, { plan_result_of(plan, 3) } };
}

struct packet_refs {
    struct length_ref length;
    struct word_ref flags;
    struct buffer_ref packet; /* what was copied, by frame: to SEND or NET_TX it in the same plan */
};

static inline struct packet_refs plan_net_rx_to(struct plan *plan, struct handle_ref queue,
                                                struct buffer_ref buffer)
{
    struct exo_op *op = plan_op(plan, EXO_NET_RX);
    plan_handle(plan, op, queue);
    plan_arg(plan, op, 0, buffer.ref);
    return (struct packet_refs){ { plan_result_of(plan, 0) }, { plan_result_of(plan, 1) },
                                 { plan_result_of(plan, 2) } };
}

static inline struct length_ref plan_net_rx(struct plan *plan, struct handle_ref queue, uint64_t buffer)
{
    return plan_net_rx_to(plan, queue, buffer_number(buffer)).length;
}

/* A packet from `count` buffer words; `checksum` is 0 or EXO_TX_CSUM(start, offset). The queue
 * is a plain handle: its reference would need the word that the second buffer takes. */
static inline struct op_ref plan_net_tx(struct plan *plan, uint32_t queue, const uint64_t *buffers,
                                        unsigned count, uint64_t checksum)
{
    struct exo_op *op = plan_op(plan, EXO_NET_TX);
    op->handle = queue;
    op->arg[0] = buffers[0];
    op->arg[1] = count - 1;
    op->arg[2] = checksum;
    for (unsigned i = 1; i < count && i < 3; i++)
        op->arg[2 + i] = buffers[i];
    struct exo_more *more = NULL;
    for (unsigned i = 3; i < count; i++) {
        if ((i - 3) % 7 == 0)
            more = (struct exo_more *)(void *)plan_cell(plan, EXO_MORE);
        more->word[(i - 3) % 7] = buffers[i];
    }
    return PLAN_OP_REF(plan);
}

/* The same from one buffer, which may be what RECV or NET_RX gave. */
static inline struct op_ref plan_net_tx_from(struct plan *plan, struct handle_ref queue, struct buffer_ref buffer,
                                             uint64_t checksum)
{
    struct exo_op *op = plan_op(plan, EXO_NET_TX);
    plan_handle(plan, op, queue);
    plan_arg(plan, op, 0, buffer.ref);
    op->arg[2] = checksum;
    return PLAN_OP_REF(plan);
}

/* `index`: 0, or of one below it. Result: its index. */
static inline struct word_ref plan_env_info(struct plan *plan, struct handle_ref env, unsigned index, uint64_t buffer)
{
    struct exo_op *op = plan_op(plan, EXO_ENV_INFO);
    plan_handle(plan, op, env);
    op->arg[0] = index;
    op->arg[1] = buffer;
    return (struct word_ref){ plan_result_of(plan, 0) };
}

/* ---- channels ----------------------------------------------------------------------------------- */

struct channel_refs {
    struct handle_ref sender, receiver; /* the caller's; the receiving environment's */
};

static inline struct channel_refs plan_channel_create(struct plan *plan, struct handle_ref receiver,
                                                      struct frame_ref frame, unsigned places,
                                                      unsigned carry)
{
    struct exo_op *op = plan_op(plan, EXO_CHANNEL_CREATE);
    plan_handle(plan, op, receiver);
    plan_arg(plan, op, 0, frame.ref);
    op->arg[1] = places;
    op->arg[2] = carry;
    return (struct channel_refs){ { plan_result_of(plan, 0) }, { plan_result_of(plan, 1) } };
}

static inline struct op_ref plan_send(struct plan *plan, struct handle_ref sender,
                                      struct buffer_ref buffer, struct word_ref first,
                                      struct word_ref second)
{
    struct exo_op *op = plan_op(plan, EXO_SEND);
    plan_handle(plan, op, sender);
    plan_arg(plan, op, 0, buffer.ref);
    plan_arg(plan, op, 1, first.ref);
    plan_arg(plan, op, 2, second.ref);
    return PLAN_OP_REF(plan);
}

struct message_refs {
    struct buffer_ref buffer;
    struct word_ref first, second; /* a completion tells the low half of the first: read them through plan_nop() */
    struct frame_ref frame;        /* the first that moved; 0: none */
};

/* `address`: where frozen frames are mapped; 0: none are expected. */
static inline struct message_refs plan_recv(struct plan *plan, struct handle_ref receiver,
                                            uint64_t address)
{
    struct exo_op *op = plan_op(plan, EXO_RECV);
    plan_handle(plan, op, receiver);
    op->arg[0] = address;
    return (struct message_refs){ { plan_result_of(plan, 0) }, { plan_result_of(plan, 1) },
                                  { plan_result_of(plan, 2) }, { plan_result_of(plan, 3) } };
}

#endif
