/* SPDX-License-Identifier: MIT */
/* Operations without an object of their own: time, cancelling, the console, the machine. */
#include <string.h>

#include "arch/arch.h"
#include "buffer.h"
#include "core.h"
#include "env.h"
#include "flush.h"
#include "ops.h"

#define CONSOLE_BYTES 1024u
#define LINE_BYTES 256u /* a step writes one line of at most this */

int op_nop(struct plan *plan, struct op *op)
{
    (void)plan;
    op->result[0] = number_any(op_arg(op, 0));
    return 0;
}

/* In later passes of a standing plan: the first multiple of the period that is not past. arg[0] of the
 * kernel's copy is the tick of the pass before, arg[2] says that there was one. */
static uint64_t timer_next(struct op *op, uint64_t now)
{
    uint64_t tick = number_any(op_arg(op, 0)), period = number_any(op_arg(op, 1));
    if (period == 0 || op->cell.uses & 1)
        return tick;
    if (op->cell.arg[2])
        tick += (now > tick ? (now - tick) / period + 1 : 1) * period;
    op->cell.arg[0] = tick;
    op->cell.arg[2] = 1;
    return tick;
}

int op_timer(struct plan *plan, struct op *op)
{
    uint64_t now = clock_now(), tick = timer_next(op, now);
    op->result[0] = tick;
    if (tick > now) {
        timer_add(plan->env, op);
        return OP_PARK;
    }
    op->result[0] = now;
    return 0;
}

struct plan *plan_find(struct env *env, number_t given)
{
    uint64_t id = number_any(given); /* its parts are checked */
    uint64_t number = (id & 0xffffffff) * sizeof(struct op) >> EXO_PAGE_SHIFT;
    frame_t frame;
    if (id >> 48 || !frame_checked(number_of(number), 1, &frame))
        return NULL;
    const struct frame *entry = frame_entry(frame);
    if (entry->state != FRAME_KERNEL || entry->kind != KIND_SLOTS || entry->owner != env->index)
        return NULL;
    uint64_t base = (uint64_t)slots_base(entry) << EXO_PAGE_SHIFT;
    uint64_t offset = (id & 0xffffffff) * sizeof(struct op) - base;
    uint64_t size = plan_slot_bytes(slots_class(entry));
    uint64_t bytes = (uint64_t)slots_frames(entry) * EXO_PAGE_SIZE;
    if (offset % size || offset + size > bytes)
        return NULL;
    struct plan *plan = physical_memory(base + offset);
    return plan->admitted && plan->generation == id >> 32 ? plan : NULL;
}

int op_cancel(struct plan *plan, struct op *op)
{
    number_t id = op_arg(op, 0);
    struct plan *target = number_is(id, 0) ? plan : plan_find(plan->env, id);
    if (!target)
        return -EXO_E_ABSENT;
    op->result[0] = plan_cancel(target, number_any(op_arg(op, 1)), op);
    return 0;
}

int op_yield(struct plan *plan, struct op *op)
{
    struct env *to = NULL;
    if (!number_is(op_handle(op), EXO_SELF)) {
        to = handle_env(plan->env, op_handle(op), false);
        if (!to || to->state == ENV_DYING) /* it may be gone when the scheduler looks */
            return -EXO_E_HANDLE;
    }
    core_yield(plan->env, to);
    return 0;
}

int op_slots(struct plan *plan, struct op *op)
{
    struct env *env = handle_env(plan->env, op_handle(op), true);
    uint32_t count = op_constant(op, 1), cells = op_constant(op, 2);
    unsigned slot_class = 0;
    frame_t first;
    if (!env || env->state == ENV_DYING)
        return -EXO_E_HANDLE;
    while (slot_class < PLAN_CLASSES && plan_class_cells[slot_class] != cells)
        slot_class++;
    if (slot_class == PLAN_CLASSES || count > 16)
        return -EXO_E_RANGE;
    if (count * EXO_PAGE_SIZE < plan_slot_bytes(slot_class))
        return -EXO_E_RANGE;
    int error = frame_owned(env, op_arg(op, 0), count, &first);
    if (error)
        return error;
    error = flush_idle(op, first, count);
    if (error)
        return error;
    op->result[0] = env_donate_slots(env, first, count, slot_class);
    return 0;
}

/* ---- console ------------------------------------------------------------------------ */

/* A label of lower-case letters, digits and '-', NUL-padded. */
static bool label_valid(const char *label)
{
    unsigned length = 0;
    while (length < 16 && ((label[length] >= 'a' && label[length] <= 'z') ||
                           (label[length] >= '0' && label[length] <= '9') || label[length] == '-'))
        length++;
    for (unsigned i = length; i < 16; i++)
        if (label[i])
            return false;
    return length > 0;
}

int op_console_grant(struct plan *plan, struct op *op)
{
    struct env *child = handle_env(plan->env, op_handle(op), false);
    uint64_t words[2] = {number_any(op_arg(op, 1)), number_any(op_arg(op, 2))};
    char label[16];
    memcpy(label, words, sizeof label);
    if (!child || child->state == ENV_DYING || !handle_find(plan->env, op_arg(op, 0), K_CONSOLE))
        return -EXO_E_HANDLE;
    if (!label_valid(label))
        return -EXO_E_RANGE;
    uint32_t handle = handle_add(child, K_CONSOLE, (frame_t){0});
    if (!handle)
        return -EXO_E_FULL;
    memcpy(handle_find(child, number_of(handle), K_CONSOLE)->label, label, sizeof label);
    op->result[0] = handle;
    return 0;
}

/* Whoever reads the console must be able to trust the labels: a program can write no control character,
 * those that UTF-8 writes as 0xc2 and a second byte (U+0080 to U+009F) included. */
static char printable(uint8_t before, uint8_t byte)
{
    bool control = byte < 0x20 || byte == 0x7f || (before == 0xc2 && byte >= 0x80 && byte < 0xa0);
    return byte == '\t' || !control ? (char)byte : '?';
}

static uint8_t buffer_byte(const struct buffer *buffer, uint64_t index)
{
    unsigned i = 0;
    while (index >= buffer->piece[i].length)
        index -= buffer->piece[i++].length;
    return piece_memory(&buffer->piece[i])[index];
}

static void write_line(const char *label, const char *text, size_t length)
{
    char line[16 + 2 + LINE_BYTES + 1];
    size_t at = 0;
    while (at < 16 && label[at]) {
        line[at] = label[at];
        at++;
    }
    line[at++] = ':';
    line[at++] = ' ';
    memcpy(line + at, text, length);
    at += length;
    line[at++] = '\n';
    serial_write(line, at);
}

int op_console_write(struct plan *plan, struct op *op)
{
    struct handle *console = handle_find(plan->env, op_handle(op), K_CONSOLE);
    struct buffer buffer = {0};
    if (!console)
        return -EXO_E_HANDLE;
    int error = buffer_pieces(plan, op, op_arg(op, 0), false, &buffer);
    if (error)
        return error;
    if (buffer.length > CONSOLE_BYTES)
        return -EXO_E_RANGE;
    char text[LINE_BYTES];
    size_t length = 0;
    bool ended = false;
    while (op->result[0] < buffer.length && length < LINE_BYTES && !ended) {
        uint8_t byte = buffer_byte(&buffer, op->result[0]++);
        ended = byte == '\n';
        if (!ended)
            text[length] = printable(length ? (uint8_t)text[length - 1] : 0, byte), length++;
    }
    write_line(console->label, text, length);
    return op->result[0] == buffer.length ? 0 : OP_AGAIN;
}

int op_console_read(struct plan *plan, struct op *op)
{
    struct handle *console = handle_find(plan->env, op_handle(op), K_CONSOLE);
    uint8_t byte;
    if (!console || console->frame != CONSOLE_READS.number)
        return -EXO_E_HANDLE;
    if (list_empty(&machine.readers) && serial_read(&byte)) {
        op->result[0] = byte;
        return 0;
    }
    op_park(op, &machine.readers);
    serial_listen();
    return OP_PARK;
}

void console_poll(void)
{
    uint8_t byte;
    if (!machine.typed) /* it is another device: looking at a port costs more than all the rest */
        return;
    machine.typed = false;
    while (!list_empty(&machine.readers) && serial_read(&byte)) {
        struct op *op = op_unpark(&machine.readers);
        op->result[0] = byte;
        op_end(op, 0);
    }
    if (!list_empty(&machine.readers))
        serial_listen();
}

int op_power(struct plan *plan, struct op *op)
{
    if (!handle_find(plan->env, op_handle(op), K_MACHINE))
        return -EXO_E_HANDLE;
    machine_exit(op_constant(op, 0));
}
