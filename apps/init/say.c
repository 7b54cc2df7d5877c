/* SPDX-License-Identifier: MIT */
/* Lines on the console, straight by plan, and the end of the machine. */
#include "say.h"

#include <libos/mem.h>
#include <libos/plan.h>
#include <stdarg.h>
#include <stdio.h>

#define LINE_BYTES 512u

static void say_list(const char *format, va_list list)
{
    static char *page;
    static uint64_t frame;
    struct plan_buffer buffer;
    if (!page)
        page = mem_map_run(1, &frame);
    if (!page)
        return;
    int length = vsnprintf(page, LINE_BYTES - 1, format, list);
    if (length < 0)
        return;
    if (length > (int)LINE_BYTES - 2)
        length = LINE_BYTES - 2;
    page[length++] = '\n';
    struct plan *plan = plan_begin(&buffer);
    plan_console_write(plan, handle_number(EXO_BOOT_CONSOLE), EXO_BUF(frame, 0, (unsigned)length));
    plan_run(plan);
}

void say(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    say_list(format, list);
    va_end(list);
}

_Noreturn void power_off(unsigned value)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_power(plan, handle_number(EXO_BOOT_MACHINE), value);
    plan_run(plan);
    for (;;)
        __builtin_trap(); /* then the kernel ends the machine: its first program crashed */
}

_Noreturn void give_up(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    say_list(format, list);
    va_end(list);
    power_off(EXO_POWER_BOOT);
}
