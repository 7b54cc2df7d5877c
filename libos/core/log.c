/* SPDX-License-Identifier: MIT */
/*
 * Lines on the console from inside the libos. Needs the rings and nothing else, so that it works in
 * every state that the program can be in; never allocates.
 */
#include <libos/log.h>
#include <libos/plan.h>
#include <stdarg.h>

#include "../plan/ring.h"
#include "core.h"

#define LINE_MAX 256u
#define WRITE_MAX 1024u

struct line {
    char text[LINE_MAX];
    unsigned length;
};

static void put(struct line *line, char c)
{
    if (line->length < LINE_MAX - 1)
        line->text[line->length++] = c;
}

static void put_number(struct line *line, uint64_t n, unsigned base, bool negative)
{
    char digits[24];
    unsigned count = 0;
    do
        digits[count++] = "0123456789abcdef"[n % base];
    while ((n /= base) != 0);
    if (negative)
        put(line, '-');
    while (count > 0)
        put(line, digits[--count]);
}

static void put_string(struct line *line, const char *s)
{
    for (s = s == NULL ? "(null)" : s; *s != '\0'; s++)
        put(line, *s);
}

static const char *put_value(struct line *line, const char *format, va_list *arguments)
{
    bool is_long = *format == 'l';
    if (is_long)
        format++;
    uint64_t value;
    switch (*format) {
    case 's':
        put_string(line, va_arg(*arguments, const char *));
        break;
    case 'c':
        put(line, (char)va_arg(*arguments, int));
        break;
    case 'd':
        value = is_long ? (uint64_t)va_arg(*arguments, long) : (uint64_t)va_arg(*arguments, int);
        put_number(line, (int64_t)value < 0 ? 0 - value : value, 10, (int64_t)value < 0);
        break;
    case 'u':
    case 'x':
        value = is_long ? va_arg(*arguments, unsigned long) : va_arg(*arguments, unsigned);
        put_number(line, value, *format == 'x' ? 16 : 10, false);
        break;
    default:
        put(line, *format);
    }
    return format + 1;
}

static void log_line(const char *format, va_list *arguments)
{
    static struct line line; /* eagerly mapped; one at a time, since nothing here waits */
    ring_guard();
    line.length = 0;
    while (*format != '\0') {
        if (*format == '%' && format[1] != '\0')
            format = put_value(&line, format + 1, arguments);
        else
            put(&line, *format++);
    }
    line.text[line.length++] = '\n';
    console_put(line.text, line.length);
    ring_unguard();
}

void libos_log(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line(format, &arguments);
    va_end(arguments);
}

void libos_panic(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line(format, &arguments);
    va_end(arguments);
    libos_nesting++; /* not for the program's own handlers */
    __builtin_trap(); /* the upcall reports it, with this stack */
}

/* Pages of the buffer may be scattered over memory, so it is named by virtual page; a buffer
 * word runs over consecutive pages. */
void console_put(const char *bytes, size_t size)
{
    static struct exo_op cells[2];
    if (program_console() == 0)
        return;
    while (size > 0) {
        size_t part = size < WRITE_MAX ? size : WRITE_MAX;
        uint64_t address = (uint64_t)bytes;
        cells[1] = (struct exo_op){
            .code = EXO_CONSOLE_WRITE,
            .flags = EXO_VPAGE,
            .handle = program_console(),
            .arg = { EXO_BUF(address >> EXO_PAGE_SHIFT, address & (EXO_PAGE_SIZE - 1), part) },
        };
        struct exo_completion failed;
        if (ring_run_nested(cells, 1, &failed) < 0)
            return;
        bytes += part;
        size -= part;
    }
}
