/* SPDX-License-Identifier: MIT */
/* Running and judging: see call.h. */
#include "call.h"

#include <libos/clock.h>
#include <stdlib.h>

#include "../../../libos/plan/ring.h"
#include "../attack.h"

#define WAIT_NS 2000000ull /* a call that has not ended then waits */

struct counts counts;
unsigned breaches;

/* ---- one call ---------------------------------------------------------------------------------- */

static void wait_ended(struct plan_run *run)
{
    while (!run->ended) {
        completion_dispatch();
        if (!run->ended)
            ring_wait(EXO_NEVER);
    }
}

static bool undone_by_result(unsigned code)
{
    return code == EXO_ALLOC || code == EXO_ENV_CREATE || code == EXO_QUEUE_CREATE || code == EXO_CHANNEL_CREATE;
}

/* {source, MORE?, the call, TIMER, CANCEL the call when that is over, CANCEL the timer when the call is}. */
void call_run(struct call *call)
{
    static struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct plan_run run = {.wake = NULL};
    *plan_op(plan, EXO_NOP) = call->source;
    if (call->more)
        *(struct exo_more *)(void *)plan_cell(plan, EXO_MORE) = (struct exo_more){.code = EXO_MORE};
    unsigned at = plan->count;
    plan_unordered(plan, true);
    *plan_op(plan, EXO_NOP) = call->op;
    struct tick_ref late = plan_timer(plan, tick_number(clock_deadline(WAIT_NS)));
    plan_after(plan, plan_bit(late), EXO_START_ALL);
    plan_cancel(plan, word_number(0), 1ull << at);
    plan_after(plan, 1ull << at, EXO_START_ENDED);
    plan_cancel(plan, word_number(0), plan_bit(late));
    bool quiet = call->op.flags & EXO_QUIET && undone_by_result(call->op.code);
    unsigned told = plan->count; /* of what is quiet another has to tell the result */
    if (quiet) {
        struct exo_op *first = plan_op(plan, EXO_NOP);
        first->after = 1ull << at, first->uses = 1, first->arg[0] = EXO_REF(at, 0, 0);
    }
    if (call->op.code == EXO_CHANNEL_CREATE) {
        struct exo_op *second = plan_op(plan, EXO_NOP);
        second->after = 1ull << at, second->uses = 1, second->arg[0] = EXO_REF(at, 1, 0);
    }
    libos_nesting++;
    plan_run_start(plan, &run);
    wait_ended(&run);
    libos_nesting--;
    const struct plan_result *timer = &plan->results[late.ref.op];
    call->at_door = !timer->status && !timer->value; /* it ended, or was cancelled, if anything began */
    call->status = call->at_door ? run.status : plan->results[at].status;
    call->result = plan->results[quiet ? told : at].value;
    call->second = plan->results[plan->count - 1].value;
}

struct call call_of(unsigned code)
{
    struct call call = {.source = {.code = EXO_NOP}, .op = {.code = (uint8_t)code, .after = 1}};
    bases[code].fill(&call.op);
    return call;
}

void breach(const struct call *call, const char *field, const char *what)
{
    const struct exo_op *op = &call->op;
    breaches++;
    libos_log("NOT REFUSED AS IT SHOULD: %s, %s: %s: %s", bases[op->code].name, field, what,
              exo_error_text(call->status));
    libos_log("  flags %x uses %x handle %x after %lx result %lx", op->flags, op->uses, op->handle,
              (unsigned long)op->after, (unsigned long)call->result);
    libos_log("  %lx %lx %lx %lx %lx", (unsigned long)op->arg[0], (unsigned long)op->arg[1],
              (unsigned long)op->arg[2], (unsigned long)op->arg[3], (unsigned long)op->arg[4]);
}

/* Whether a call that did not end well may have done a part of it. */
static bool partial(const struct call *call)
{
    if (call->at_door)
        return false;
    for (unsigned k = 0; k < 5; k++)
        if (bases[call->op.code].arg[k] == COUNT && call->op.arg[k] > 1)
            return true;
    return call->status == -EXO_E_CANCELLED;
}

/* True if the world was made anew. */
static bool judge(struct call *call, const char *field, const char *what, bool refuse)
{
    bool ended_well = call->status == 0, waited = call->status == -EXO_E_CANCELLED;
    if (refuse && (ended_well || waited))
        breach(call, field, what);
    if (call->status > 0 || call->status <= -(int)EXO_E_NOT_BUILT)
        breach(call, field, "not an error of this operation");
    counts.refused += !ended_well && !waited;
    counts.harmless += ended_well;
    counts.waited += waited;
    bool rebuild = ended_well || partial(call);
    if (!rebuild && !world_untouched()) {
        breach(call, field, "something changed");
        rebuild = true;
    }
    if (!rebuild)
        return false;
    if (!world_unmake(&call->op, call->status, call->result, call->second))
        breach(call, field, "the account is not as it was");
    world_make();
    return true;
}

/* The same in a plan of its own, as the kernel's quick look at the door may let it through: refused there too. */
static void attack_alone(struct call call, const char *field, const char *what)
{
    static struct plan_buffer buffer;
    static struct plan_run run;
    uint64_t late = clock_deadline(500 * WAIT_NS);
    struct plan *plan = plan_begin(&buffer);
    call.op.after = 0;
    *plan_op(plan, EXO_NOP) = call.op;
    libos_nesting++;
    plan_run_start(plan, &run);
    while (!run.ended && __builtin_ia32_rdtsc() < late) {
        ring_wait(late);
        completion_dispatch();
    }
    libos_nesting--;
    call.at_door = false;
    call.status = run.ended ? plan_run_error(&run) : -EXO_E_CANCELLED;
    call.result = call.second = 0;
    (void)judge(&call, field, what, true);
    if (!run.ended)
        exit(1); /* it would end in the middle of another attack */
}

void attack(struct call *call, const char *field, const char *what, bool refuse)
{
    bool simple = call->op.after == 1 && !call->op.uses;
    call_run(call);
    if (!judge(call, field, what, refuse) && refuse && simple)
        attack_alone(*call, field, what);
}

/* ---- what must be refused ------------------------------------------------------------------------ */

bool into_buffer(unsigned code)
{
    return code == EXO_NET_RX || code == EXO_ENV_READ || code == EXO_ENV_INFO;
}

/* Words that mean addresses, and others with a range that the table does not know. */
static bool refuse_odd(const struct exo_op *op, unsigned k)
{
    uint64_t word = op->arg[k];
    switch (op->code) {
    case EXO_ENV_START: return (k == 0 && word >= EXO_USER_END) || (k == 1 && word > EXO_USER_END);
    case EXO_CONSOLE_GRANT: return k != 2 || word; /* no other word is a label, no handle is a console's */
    case EXO_ENV_EXIT: return true;
    case EXO_CANCEL: return k == 0 && word != 0;
    case EXO_SHARE: return k == 3 && word & EXO_WRITE;
    case EXO_THAW: return word != AT_FROZEN;
    case EXO_HANDLE_COPY: return word == world.receiver; /* it alone may receive */
    default: return false;
    }
}

bool refuse(const struct exo_op *op, unsigned k, enum kind kind, const struct value *value)
{
    switch (value->blame) {
    case BAD: return true;
    case OTHERS: return op->code != EXO_SEND || EXO_BUF_FRAME(value->word) != 0; /* 0: a message without frames */
    case FREE: return op->code != EXO_ALLOC;
    case KERNELS: return op->code != EXO_MAP || op->arg[3] != EXO_READ;
    case BUSY: return op->code != EXO_MAP && (kind != BUF || op->code == EXO_SEND);
    case CHILDS: return op->code != EXO_ENV_RINGS && op->code != EXO_SLOTS;
    case ODD: return refuse_odd(op, k);
    }
    return true;
}

enum kind kind_of(unsigned code, unsigned k)
{
    return code == EXO_ALLOC && k == 2 ? FRAME : bases[code].arg[k];
}
