/* SPDX-License-Identifier: MIT */
/*
 * Crash reports. Everything in a dead program's memory may be a lie: addresses
 * are only ever handed to ENV_READ, chains are bounded and must go upward, and
 * the console shows no control characters.
 */
#include "report.h"

#include <libos/mem.h>
#include <libos/start.h>
#include <stdio.h>
#include <string.h>

#include "say.h"
#include "symbols.h"

#define FRAMES_SHOWN 24u
#define PAGE_FAULT 14u

static const char *const vector_names[32] = {
    [0] = "divide error", [1] = "debug exception", [2] = "NMI", [3] = "breakpoint", [4] = "overflow",
    [5] = "bound range exceeded", [6] = "invalid instruction", [7] = "no FPU", [8] = "double fault",
    [10] = "invalid TSS", [11] = "segment not present", [12] = "stack fault",
    [13] = "general protection fault", [14] = "page fault", [16] = "x87 error",
    [17] = "alignment check", [18] = "machine check", [19] = "SIMD error", [21] = "control protection",
};

static const char *vector_name(uint64_t vector)
{
    return vector < 32 && vector_names[vector] ? vector_names[vector] : "unknown fault";
}

/* Reads memory of the stopped child; all of it or nothing. */
static bool child_read(const struct child *child, uint64_t address, void *to, size_t bytes)
{
    static void *page;
    static uint64_t frame;
    struct plan_buffer buffer;
    if (!page)
        page = mem_map_run(1, &frame);
    if (!page)
        return false;
    struct plan *plan = plan_begin(&buffer);
    struct length_ref got = plan_env_read(plan, handle_number(child->env), word_number(address),
                                          EXO_BUF(frame, 0, bytes));
    if (plan_run(plan) || plan_value(plan, got) != bytes)
        return false;
    memcpy(to, page, bytes);
    return true;
}

static const char *symbol(const struct child *child, uint64_t address)
{
    static char text[128];
    symbols_name(child->file, child->file_bytes, address, text, sizeof(text));
    return text;
}

static void registers_say(const struct exo_context *c)
{
#define LINE(a, b, d, e)                                                                          \
    say("  %-6s %016llx  %-6s %016llx  %-6s %016llx  %-6s %016llx", #a, (unsigned long long)c->a, #b, \
        (unsigned long long)c->b, #d, (unsigned long long)c->d, #e, (unsigned long long)c->e)
    LINE(rax, rbx, rcx, rdx);
    LINE(rsi, rdi, rbp, rsp);
    LINE(r8, r9, r10, r11);
    LINE(r12, r13, r14, r15);
    LINE(rip, rflags, cs, error);
#undef LINE
}

/* Has the function that was interrupted made its own frame yet? Small ones never do, and none
 * has at its first instruction; then its return address is still on top of the stack. */
static bool frame_made(const struct child *child, uint64_t rip)
{
    static const uint8_t prologue[4] = {0x55, 0x48, 0x89, 0xe5}; /* push %rbp; mov %rsp, %rbp */
    uint8_t code[4];
    uint64_t start = symbols_start(child->file, child->file_bytes, rip);
    if (!start || !child_read(child, start, code, sizeof(code)))
        return false;
    return !memcmp(code, prologue, sizeof(code)) && rip >= start + sizeof(prologue);
}

static void backtrace_say(const struct child *child, const struct exo_context *context)
{
    uint64_t frame = context->rbp, pair[2];
    unsigned depth = 1;
    say("  #0  %016llx  %s", (unsigned long long)context->rip, symbol(child, context->rip));
    if (!frame_made(child, context->rip) && child_read(child, context->rsp, pair, 8) &&
        symbols_start(child->file, child->file_bytes, pair[0] - 1))
        say("  #%-2u %016llx  %s", depth++, (unsigned long long)pair[0], symbol(child, pair[0] - 1));
    for (; depth < FRAMES_SHOWN; depth++) {
        if (frame % 8 || !child_read(child, frame, pair, sizeof(pair)) || !pair[1])
            return;
        say("  #%-2u %016llx  %s", depth, (unsigned long long)pair[1], symbol(child, pair[1] - 1));
        if (pair[0] <= frame)
            return;
        frame = pair[0];
    }
    say("  ...");
}

static const char *access_text(uint64_t vector, uint64_t error)
{
    if (vector != PAGE_FAULT)
        return "";
    return error & 16 ? " (execute)" : error & 2 ? " (write)" : " (read)";
}

static void context_say(const struct child *child, const struct exo_context *context)
{
    char where[32] = "";
    if (context->vector == PAGE_FAULT)
        snprintf(where, sizeof(where), " at 0x%llx", (unsigned long long)context->address);
    say("crash %s: %s%s%s rip 0x%llx <%s>", child->program->name, vector_name(context->vector),
        access_text(context->vector, context->error), where, (unsigned long long)context->rip,
        symbol(child, context->rip));
    registers_say(context);
    backtrace_say(child, context);
}

static void crash_say(const struct child *child, uint64_t vector, uint64_t address)
{
    struct exo_context context;
    if (child_read(child, address, &context, sizeof(context)))
        context_say(child, &context);
    else
        say("crash %s: %s; it keeps no registers at 0x%llx", child->program->name, vector_name(vector),
            (unsigned long long)address);
}

/* The kernel stopped it: what faulted first, and what then kept it from being handled. */
static void nested_say(const struct child *child, uint64_t vector, uint64_t address)
{
    struct exo_control control;
    bool readable = child_read(child, LIBOS_CONTROL, &control, sizeof(control));
    if (readable && (!control.depth || control.depth > EXO_DEPTH))
        context_say(child, &control.last);
    if (readable && control.depth && control.depth <= EXO_DEPTH) {
        context_say(child, &control.context[0]);
        for (uint32_t i = 1; i < control.depth; i++) {
            const struct exo_context *c = &control.context[i];
            say("  then %s%s address 0x%llx rip 0x%llx <%s>", vector_name(c->vector),
                access_text(c->vector, c->error), (unsigned long long)c->address,
                (unsigned long long)c->rip, symbol(child, c->rip));
        }
    }
    say("crash %s: stopped by the kernel: %s at 0x%llx, and its handler could not be entered",
        child->program->name, vector_name(vector), (unsigned long long)address);
}

void report_end(const struct child *child, uint64_t reason, uint64_t first, uint64_t second)
{
    switch (reason) {
    case EXO_STOP_EXIT:
        say("%s exited with status %llu", child->program->name, (unsigned long long)first);
        break;
    case EXO_STOP_CRASH:
        crash_say(child, first, second);
        break;
    case EXO_STOP_NESTED:
        nested_say(child, first, second);
        break;
    case EXO_STOP_RECLAIM:
        say("%s was asked for more memory than it can be made to give: %llu pages taken, %llu still missing",
            child->program->name, (unsigned long long)second, (unsigned long long)first);
        break;
    default:
        say("%s was ended from outside", child->program->name);
        break;
    }
}
